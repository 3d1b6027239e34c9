//! What colours mean: colour bars, and lists of categories.

use super::canvas::{Anchor, Canvas, GRID, INK, MUTED, RULE};
use super::font::{Face, fit, measure};
use crate::colour::{ColourMap, ColourScale};
use crate::kind::lines::Scale;
use crate::render::palette;
use crate::render::scale::{Numeric, Tick};

const THICK: f64 = 11.0;

fn gradient(map: ColourMap, way: &str) -> String {
    let name = match map {
        ColourMap::Sequential => "seq",
        ColourMap::Tint => "tint",
        ColourMap::Diverging => "div",
    };
    format!("fill=\"url(#{name}-{way})\" stroke-width=\"0.75\" {}", RULE.attributes("stroke"))
}

fn ticks(ends: [f64; 2], most: usize) -> Vec<Tick> {
    let mut ticks = Numeric::holding(Scale::Linear, ends).ticks(most);
    ticks.retain(|tick| (-0.001..=1.001).contains(&tick.place));
    ticks
}

/// A colour bar that stands beside a figure of this height, with its label turned along it.
pub(super) fn standing(colour: &ColourScale, ends: [f64; 2], beside: f64) -> Canvas {
    let height = beside.clamp(60.0, 150.0);
    let ticks = ticks(ends, 5);
    let names = ticks.iter().map(|tick| measure(&tick.name, 10.0, Face::Regular)).fold(0.0, f64::max);
    let mut canvas = Canvas::new(THICK + 6.0 + names, height.max(beside.min(height)));
    canvas.rect([0.0, 0.0], [THICK, height], &gradient(colour.map, "v"));
    for tick in ticks {
        let y = (1.0 - tick.place) * height;
        canvas.line([THICK, y], [THICK + 3.0, y], 0.75, RULE);
        canvas.text([THICK + 6.0, y + 3.5], 10.0, Anchor::Start, MUTED, &tick.name);
    }
    if !colour.label.is_empty() {
        let label = fit(&colour.label, 11.0, Face::Regular, beside.max(190.0));
        let x = canvas.width + 12.0;
        // Centred on the bar, but never above its top.
        let middle = (height / 2.0).max(measure(&label, 11.0, Face::Regular) / 2.0);
        canvas.turned([x, middle], 11.0, Anchor::Middle, INK, 90.0, &label);
        canvas.height = canvas.height.max(middle * 2.0);
        canvas.width = x + 6.0;
    }
    canvas
}

/// A colour bar that lies below a figure, with its label on the right.
pub(super) fn lying(colour: &ColourScale, ends: [f64; 2]) -> Canvas {
    let width = 160.0;
    let mut canvas = Canvas::new(width + 20.0, 28.0);
    canvas.rect([1.0, 0.0], [width, THICK], &gradient(colour.map, "h"));
    for tick in ticks(ends, 4) {
        let x = 1.0 + tick.place * width;
        canvas.line([x, THICK], [x, THICK + 3.0], 0.75, RULE);
        let anchor = if tick.place < 0.02 { Anchor::Start } else { Anchor::Middle };
        canvas.text([x, THICK + 13.0], 10.0, anchor, MUTED, &tick.name);
    }
    let label = fit(&colour.label, 11.0, Face::Regular, 300.0);
    canvas.text([width + 14.0, THICK - 1.5], 11.0, Anchor::Start, INK, &label);
    canvas.widen(width + 14.0 + measure(&label, 11.0, Face::Regular));
    canvas
}

/// Categories one below the other, each with its sign: a stroke or a square.
pub(super) fn categories(names: &[String], stroke: bool, more: usize) -> Canvas {
    let mut canvas = Canvas::new(0.0, names.len() as f64 * 18.0);
    for (i, name) in names.iter().enumerate() {
        let y = i as f64 * 18.0 + 9.0;
        let colour = palette::category(i).hex();
        if stroke {
            canvas.element(&format!(
                "<line x1=\"0\" y1=\"{y}\" x2=\"18\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"2.25\" stroke-linecap=\"round\"/>"
            ));
        } else {
            canvas.rect([3.0, y - 5.5], [11.0, 11.0], &format!("rx=\"2\" fill=\"{colour}\""));
        }
        let name = fit(name, 11.5, Face::Regular, 150.0);
        canvas.text([24.0, y + 4.0], 11.5, Anchor::Start, INK, &name);
        canvas.widen(24.0 + measure(&name, 11.5, Face::Regular));
    }
    if more > 0 {
        let note = format!("and {more} more");
        canvas.text([24.0, canvas.height + 13.0], 11.0, Anchor::Start, MUTED, &note);
        canvas.height += 18.0;
        canvas.widen(24.0 + measure(&note, 11.0, Face::Regular));
    }
    canvas
}

/// A thin frame around a plot or a matrix.
pub(super) fn frame(canvas: &mut Canvas, at: [f64; 2], size: [f64; 2]) {
    canvas.rect(at, size, &format!("fill=\"none\" stroke-width=\"1\" {}", GRID.attributes("stroke")));
}
