//! Text and code.

use super::canvas::{Anchor, Canvas, INK, MUTED, PANEL};
use super::font::{Face, measure, wrap};
use crate::kind::code::Code;
use crate::kind::text::Text;
use crate::render::palette;

const MOST_LINES: usize = 5000;

pub(super) fn text(figure: &Text, room: f64) -> Canvas {
    let mut canvas = Canvas::new(0.0, 0.0);
    for line in wrap(&figure.body, 13.5, Face::Regular, room.min(640.0)).into_iter().take(MOST_LINES) {
        canvas.height += 20.0;
        canvas.text([0.0, canvas.height - 6.0], 13.5, Anchor::Start, INK, &line);
        canvas.widen(measure(&line, 13.5, Face::Regular));
    }
    canvas
}

/// Numbered lines on a ground; marked lines have a bar in the margin.
pub(super) fn code(figure: &Code, room: f64) -> Canvas {
    const SIZE: f64 = 12.5;
    const LINE: f64 = 19.0;
    let left = 22.0 + measure(&figure.source.lines().count().to_string(), SIZE, Face::Mono);
    let mut lines = Vec::new();
    for (i, source) in figure.source.lines().enumerate().take(MOST_LINES) {
        // Blanks that do not break keep the indent.
        let source = source.replace('\t', "    ").replace(' ', "\u{a0}");
        for (j, part) in wrap(&source, SIZE, Face::Mono, room - left - 12.0).into_iter().enumerate() {
            lines.push((i as u32 + 1, j == 0, part));
        }
    }
    let widest = lines.iter().map(|(_, _, part)| measure(part, SIZE, Face::Mono)).fold(0.0, f64::max);
    let mut canvas = Canvas::new((left + widest + 16.0).max(240.0), lines.len() as f64 * LINE + 14.0);
    canvas.rect([0.0, 0.0], [canvas.width, canvas.height], &format!("rx=\"4\" {}", PANEL.attributes("fill")));
    for (row, (number, first, part)) in lines.iter().enumerate() {
        let y = 7.0 + row as f64 * LINE;
        if figure.marked.contains(number) {
            let colour = palette::category(1).hex();
            canvas.rect([0.0, y], [canvas.width, LINE], &format!("fill=\"{colour}\" fill-opacity=\"0.10\""));
            canvas.rect([0.0, y], [3.0, LINE], &format!("fill=\"{colour}\""));
        }
        if *first {
            canvas.mono([left - 12.0, y + 13.5], SIZE, Anchor::End, MUTED, &number.to_string());
        }
        canvas.mono([left, y + 13.5], SIZE, Anchor::Start, INK, part);
    }
    canvas
}
