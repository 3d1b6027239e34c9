//! A rectangle being drawn on, as a string of SVG elements, and what to tell about places on it.

use std::fmt::Write;

use serde::Serialize;

use super::font::{MONOSPACED, shown};
use crate::number::Written;
use crate::render::palette::Rgb;

/// Text.
pub(super) const INK: Paint = Paint { class: "i", colour: "#1f2328" };
/// Lesser text.
pub(super) const MUTED: Paint = Paint { class: "m", colour: "#5d6570" };
/// Axis lines and frames.
pub(super) const RULE: Paint = Paint { class: "r", colour: "#8c959f" };
/// Grid lines.
pub(super) const GRID: Paint = Paint { class: "g", colour: "#e4e8ec" };
/// Grounds a little off the page.
pub(super) const PANEL: Paint = Paint { class: "n", colour: "#f6f8fa" };

/// A colour of the page, with a class so that a dark page can change it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    class: &'static str,
    colour: &'static str,
}

/// Where a text lies relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Something to tell about a place when it is pointed at.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(in crate::render) enum Hot {
    /// A rectangle, or a point where width and height are zero.
    Mark { x: f64, y: f64, width: f64, height: f64, text: String },
    /// A matrix of equal cells.
    Grid(Box<Grid>),
}

/// A matrix of equal cells, its rows from the top as drawn.
#[derive(Clone, Debug, Serialize)]
pub(in crate::render) struct Grid {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) rows: Vec<String>,
    pub(super) columns: Vec<String>,
    pub(super) row_label: String,
    pub(super) column_label: String,
    pub(super) value_label: String,
    /// Row-major as drawn.
    #[serde(serialize_with = "write_values")]
    pub(super) values: Vec<f32>,
    pub(super) labels: Vec<String>,
    pub(super) details: Vec<String>,
    /// For each row the number of cells that exist, where not all do.
    pub(super) exist: Vec<usize>,
}

fn write_values<S: serde::Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(Written))
}

/// A rectangle being drawn on. The origin is its upper left corner.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) body: String,
    pub(super) hot: Vec<Hot>,
}

impl Canvas {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Canvas { width, height, body: String::new(), hot: Vec::new() }
    }

    /// Makes it at least this wide.
    pub(super) fn widen(&mut self, width: f64) {
        self.width = self.width.max(width);
    }

    /// Draws another canvas with its corner at a place.
    pub(super) fn place(&mut self, other: Canvas, x: f64, y: f64) {
        if !other.body.is_empty() {
            let _ = write!(self.body, "<g transform=\"translate({} {})\">\n{}</g>\n", number(x), number(y), other.body);
        }
        self.hot.extend(other.hot.into_iter().map(|hot| moved(hot, x, y)));
    }

    pub(super) fn text(&mut self, [x, y]: [f64; 2], size: f64, anchor: Anchor, paint: Paint, text: &str) {
        self.any_text([x, y], size, anchor, &paint.attributes("fill"), "", text);
    }

    pub(super) fn bold(&mut self, [x, y]: [f64; 2], size: f64, anchor: Anchor, paint: Paint, text: &str) {
        self.any_text([x, y], size, anchor, &paint.attributes("fill"), " font-weight=\"600\"", text);
    }

    pub(super) fn mono(&mut self, [x, y]: [f64; 2], size: f64, anchor: Anchor, paint: Paint, text: &str) {
        let family = format!(" font-family=\"{MONOSPACED}\"");
        self.any_text([x, y], size, anchor, &paint.attributes("fill"), &family, text);
    }

    /// Text in a colour that no page changes, such as on a coloured ground.
    pub(super) fn inked(&mut self, [x, y]: [f64; 2], size: f64, anchor: Anchor, ink: Rgb, text: &str) {
        self.any_text([x, y], size, anchor, &format!("fill=\"{}\"", ink.hex()), "", text);
    }

    /// Text turned about its place, in degrees clockwise.
    pub(super) fn turned(&mut self, [x, y]: [f64; 2], size: f64, anchor: Anchor, paint: Paint, turn: f64, text: &str) {
        let turn = format!(" transform=\"rotate({} {} {})\"", number(turn), number(x), number(y));
        self.any_text([x, y], size, anchor, &paint.attributes("fill"), &turn, text);
    }

    fn any_text(&mut self, [x, y]: [f64; 2], size: f64, anchor: Anchor, fill: &str, more: &str, text: &str) {
        let text = shown(text);
        if text.is_empty() {
            return;
        }
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, size) = (number(x), number(y), number(size));
        // XML joins blanks; ones that do not join keep a token's own.
        let text = escape(&text).replace("  ", "\u{a0} ");
        let text = text.strip_prefix(' ').map_or_else(|| text.clone(), |rest| format!("\u{a0}{rest}"));
        let _ =
            writeln!(self.body, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{more} {fill}>{text}</text>");
    }

    pub(super) fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], width: f64, paint: Paint) {
        let [x1, y1, x2, y2, width] = [x1, y1, x2, y2, width].map(number);
        let stroke = paint.attributes("stroke");
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke-width=\"{width}\" {stroke}/>"
        );
    }

    /// A rectangle; `paint` is whatever attributes fill and stroke it.
    pub(super) fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], paint: &str) {
        let [x, y, width, height] = [x, y, width.max(0.0), height.max(0.0)].map(number);
        let _ = writeln!(self.body, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {paint}/>");
    }

    /// Anything else.
    pub(super) fn element(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// Says what to tell about a rectangle, or a point of no size.
    pub(super) fn tell(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], text: String) {
        self.hot.push(Hot::Mark { x, y, width, height, text });
    }
}

impl Paint {
    /// As `fill` or `stroke`.
    pub(super) fn attributes(self, what: &str) -> String {
        let way = if what == "stroke" { "s" } else { "" };
        format!("class=\"{}{way}\" {what}=\"{}\"", self.class, self.colour)
    }
}

fn moved(mut hot: Hot, dx: f64, dy: f64) -> Hot {
    let (x, y) = match &mut hot {
        Hot::Mark { x, y, .. } => (x, y),
        Hot::Grid(grid) => (&mut grid.x, &mut grid.y),
    };
    *x += dx;
    *y += dy;
    hot
}

/// A length or place to a hundredth of a pixel.
pub(super) fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if rounded.is_finite() && rounded != 0.0 { rounded.to_string() } else { "0".to_owned() }
}

/// Text as XML character data or attribute value.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_its_blanks_are_kept() {
        let mut canvas = Canvas::new(1.0, 1.0);
        canvas.text([0.0, 1.234_5], 12.0, Anchor::End, INK, " a  <b>&\u{0}");
        assert_eq!(
            canvas.body,
            "<text x=\"0\" y=\"1.23\" font-size=\"12\" text-anchor=\"end\" class=\"i\" fill=\"#1f2328\">\
             \u{a0}a\u{a0} &lt;b&gt;&amp;&lt;00&gt;</text>\n"
        );
    }

    #[test]
    fn places_move_with_their_canvas() {
        let mut inner = Canvas::new(5.0, 5.0);
        inner.tell([1.0, 2.0], [0.0, 0.0], "here".into());
        let mut outer = Canvas::new(20.0, 20.0);
        outer.place(inner, 10.0, 5.0);
        assert!(matches!(outer.hot[0], Hot::Mark { x: 11.0, y: 7.0, .. }));
    }

    #[test]
    fn odd_numbers_are_numbers() {
        assert_eq!([f64::NAN, f64::INFINITY, -0.001, 1.005, 1e9].map(number), ["0", "0", "0", "1", "1000000000"]);
    }
}
