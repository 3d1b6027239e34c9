//! Terminal text: colour where the terminal has it, shades and numbers where it has not.

mod axes;
mod bars;
mod block;
mod canvas;
mod graph;
mod group;
mod heatmap;
mod histogram;
mod images;
mod lines;
mod prose;
mod scatter;
mod table;
mod tokens;

use block::{Block, Look};

use super::palette::{self, Rgb};
use crate::about::About;
use crate::colour::ColourMap;
use crate::figure::Figure;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Which colours.
    pub colour: Colour,
    /// Width in columns. Wider figures are wrapped or pooled.
    pub width: usize,
    /// Whether characters beyond ASCII may be used.
    pub unicode: bool,
    /// Whether the terminal is light on dark.
    pub dark: bool,
}

/// Which colours a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// None: shades and numbers instead.
    #[default]
    None,
    /// The 256 colours of xterm.
    Ansi256,
    /// All of sRGB.
    TrueColor,
}

impl Default for TextStyle {
    fn default() -> Self {
        TextStyle { colour: Colour::None, width: 100, unicode: true, dark: true }
    }
}

impl TextStyle {
    fn has_colour(&self) -> bool {
        self.colour != Colour::None
    }

    /// The colour at `t` along a map on this terminal's page.
    fn colour_at(&self, map: ColourMap, t: f64) -> Rgb {
        if self.dark { palette::at_on_dark(map, t) } else { palette::at(map, t) }
    }

    /// The same style with less room.
    fn narrowed(self, width: usize) -> Self {
        TextStyle { width: width.max(1), ..self }
    }
}

/// The figure as lines of text for a terminal, each ending in a line break.
///
/// Text of the figure cannot act on the terminal: control characters and whatever changes the
/// direction of text are shown by visible signs, so the only escape sequences are the colours asked
/// for. Widths are those of `unicode-width`.
pub fn text(figure: &Figure, style: &TextStyle) -> String {
    let style = TextStyle { width: style.width.clamp(20, 1000), ..*style };
    draw(figure, &style).print(&style)
}

/// The figure with the words around it.
fn draw(figure: &Figure, style: &TextStyle) -> Block {
    let body = match figure {
        Figure::Text(figure) => prose::text(figure, style),
        Figure::Code(figure) => prose::code(figure, style),
        Figure::Table(figure) => table::draw(figure, style),
        Figure::Tokens(figure) => match figure.apart() {
            Some(strips) => group::group(&strips, style),
            None => tokens::draw(figure, style),
        },
        Figure::Heatmap(figure) => heatmap::draw(figure, style),
        Figure::Lines(figure) => lines::draw(figure, style),
        Figure::Scatter(figure) => scatter::draw(figure, style),
        Figure::Bars(figure) => bars::draw(figure, style),
        Figure::Histogram(figure) => histogram::draw(figure, style),
        Figure::Graph(figure) => graph::draw(figure, style),
        Figure::Images(figure) => images::draw(figure, style),
        Figure::Compare(figure) => group::compare(figure, style),
        Figure::Group(figure) => group::group(figure, style),
    };
    framed(figure.about(), body, style)
}

fn framed(about: &About, body: Block, style: &TextStyle) -> Block {
    let mut framed = Block::new();
    if !about.title.is_empty() {
        framed.stack(Block::wrapped(&about.title, style.width, Look::bold()));
        framed.blank();
    }
    framed.stack(body);
    let notes = [&about.caption].into_iter().filter(|text| !text.is_empty()).cloned();
    let caveats = about.caveats.iter().map(|caveat| format!("Note: {caveat}"));
    let provenance = [&about.provenance].into_iter().filter(|text| !text.is_empty()).cloned();
    for (i, note) in notes.chain(caveats).chain(provenance).enumerate() {
        if i == 0 {
            framed.blank();
        }
        framed.stack(Block::wrapped(&note, style.width, Look::dim()));
    }
    framed
}
