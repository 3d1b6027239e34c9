//! SVG: pictures fit for a paper, on a light page.

mod axes;
mod bars;
mod canvas;
mod font;
mod graph;
mod group;
mod heatmap;
mod histogram;
mod images;
mod legend;
mod lines;
mod prose;
mod raster;
mod scatter;
mod table;
mod tokens;

use std::fmt::Write;

pub(super) use canvas::Hot;
use canvas::{Anchor, Canvas, INK, MUTED, number};
use font::{Face, wrap};
pub(super) use font::{covered, files, has};

use crate::about::About;
use crate::colour::ColourMap;
use crate::figure::Figure;
use crate::render::palette;
use crate::visible::visible;

/// Width that a figure is drawn for. Cells with words in them may take more.
const ROOM: f64 = 860.0;
const MARGIN: f64 = 20.0;

/// The figure as one SVG document with a light background, without links to anything outside.
///
/// Fonts are named, not embedded: the first is the one bundled for PNG, then the reader's own. All text
/// is escaped, and characters that XML forbids or that do not show are replaced by visible signs.
/// Matrices of more than 40,000 cells are embedded as pictures.
pub fn svg(figure: &Figure) -> String {
    drawing(figure).0
}

/// The SVG document and, for the web page, what to tell about places on it.
pub(super) fn drawing(figure: &Figure) -> (String, Vec<Hot>) {
    let drawn = draw(figure, ROOM, 0);
    let (width, height) = (drawn.width + 2.0 * MARGIN, drawn.height + 2.0 * MARGIN);
    let mut page = Canvas::new(width, height);
    page.place(drawn, MARGIN, MARGIN);
    let (width, height) = (number(width.ceil()), number(height.ceil()));
    let about = figure.about();
    let name = if about.title.is_empty() { figure.kind() } else { &about.title };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\" font-family=\"{}\">\n",
        canvas::escape(&visible(name)),
        font::SANS
    );
    out.push_str(&definitions());
    let _ = writeln!(out, "<rect class=\"p\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>");
    out.push_str(&page.body);
    out.push_str("</svg>\n");
    (out, page.hot)
}

/// The colour maps as gradients, upwards and to the right, and the hatching of cells that are NaN.
fn definitions() -> String {
    let mut out = String::from("<defs>\n");
    for (name, map) in [("seq", ColourMap::Sequential), ("tint", ColourMap::Tint), ("div", ColourMap::Diverging)] {
        for (way, ends) in [("v", "x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\""), ("h", "x1=\"0\" y1=\"0\" x2=\"1\" y2=\"0\"")]
        {
            let _ = write!(out, "<linearGradient id=\"{name}-{way}\" {ends}>");
            let table = palette::table(map, false);
            for (i, colour) in table.iter().enumerate() {
                let offset = number(i as f64 / (table.len() - 1) as f64);
                let _ = write!(out, "<stop offset=\"{offset}\" stop-color=\"{}\"/>", colour.hex());
            }
            out.push_str("</linearGradient>\n");
        }
    }
    out.push_str(
        "<pattern id=\"nan\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect width=\"5\" height=\"5\" fill=\"#eceff2\"/><rect width=\"1.5\" height=\"5\" fill=\"#a3abb5\"/></pattern>\n\
         </defs>\n",
    );
    out
}

/// The figure with the words around it; `depth` says how many figures it is inside of.
fn draw(figure: &Figure, room: f64, depth: usize) -> Canvas {
    let body = match figure {
        Figure::Text(figure) => prose::text(figure, room),
        Figure::Code(figure) => prose::code(figure, room),
        Figure::Table(figure) => table::draw(figure),
        Figure::Tokens(figure) => match figure.apart() {
            Some(strips) => group::group(&strips, room, depth),
            None => tokens::draw(figure, room),
        },
        Figure::Heatmap(figure) => heatmap::draw(figure, room),
        Figure::Lines(figure) => lines::draw(figure, room),
        Figure::Scatter(figure) => scatter::draw(figure, room),
        Figure::Bars(figure) => bars::draw(figure, room),
        Figure::Histogram(figure) => histogram::draw(figure, room),
        Figure::Graph(figure) => graph::draw(figure),
        Figure::Images(figure) => images::draw(figure, room),
        Figure::Compare(figure) => group::compare(figure, room, depth),
        Figure::Group(figure) => group::group(figure, room, depth),
    };
    framed(figure.about(), body, room, depth)
}

fn framed(about: &About, body: Canvas, room: f64, depth: usize) -> Canvas {
    let measure = body.width.max(room.min(460.0));
    let size = if depth == 0 { 16.0 } else { 13.0 };
    let mut framed = Canvas::new(body.width, 0.0);
    if !about.title.is_empty() {
        for line in wrap(&about.title, size, Face::Bold, measure) {
            framed.height += size * 1.3;
            framed.bold([0.0, framed.height - size * 0.3], size, Anchor::Start, INK, &line);
            framed.widen(font::measure(&line, size, Face::Bold));
        }
        framed.height += 10.0;
    }
    let top = framed.height;
    framed.height += body.height;
    framed.place(body, 0.0, top);
    let caveats = about.caveats.iter().map(|caveat| format!("Note: {caveat}"));
    let notes = std::iter::once(about.caption.clone()).chain(caveats).chain([about.provenance.clone()]);
    for (i, note) in notes.filter(|note| !note.is_empty()).enumerate() {
        framed.height += if i == 0 { 12.0 } else { 3.0 };
        for line in wrap(&note, 11.5, Face::Regular, measure) {
            framed.height += 16.0;
            framed.text([0.0, framed.height - 4.0], 11.5, Anchor::Start, MUTED, &line);
            framed.widen(font::measure(&line, 11.5, Face::Regular));
        }
    }
    framed
}
