//! The axes around a plot.

use super::canvas::{Anchor, Canvas, GRID, INK, MUTED, RULE};
use super::font::{Face, fit, measure};
use crate::render::scale::Tick;

/// A plot area inside a canvas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Plot {
    /// Where a place from 0 to 1 along both axes is on the canvas.
    pub(super) fn at(&self, x: f64, y: f64) -> [f64; 2] {
        [self.x + x * self.width, self.y + (1.0 - y) * self.height]
    }
}

/// A canvas with axes, their ticks, grid lines and labels, and the plot area inside them.
pub(super) fn around(
    [width, height]: [f64; 2],
    x_ticks: &[Tick],
    y_ticks: &[Tick],
    x_label: &str,
    y_label: &str,
) -> (Canvas, Plot) {
    let names = y_ticks.iter().map(|tick| measure(&tick.name, 10.5, Face::Regular)).fold(0.0, f64::max);
    let left = names + 8.0 + if y_label.is_empty() { 0.0 } else { 18.0 };
    let plot = Plot { x: left, y: 6.0, width: (width - left - 10.0).max(60.0), height };
    let mut canvas = Canvas::new(left + plot.width + 10.0, height + 6.0 + 20.0);
    let (right, bottom) = (plot.x + plot.width, plot.y + plot.height);
    for tick in y_ticks.iter().filter(|tick| (-0.001..=1.001).contains(&tick.place)) {
        let [_, y] = plot.at(0.0, tick.place);
        canvas.line([plot.x, y], [right, y], 1.0, GRID);
        canvas.text([plot.x - 6.0, y + 3.7], 10.5, Anchor::End, MUTED, &tick.name);
    }
    let mut free = f64::NEG_INFINITY;
    for tick in x_ticks.iter().filter(|tick| (-0.001..=1.001).contains(&tick.place)) {
        let [x, _] = plot.at(tick.place, 0.0);
        let half = measure(&tick.name, 10.5, Face::Regular) / 2.0;
        if x - half < free {
            continue;
        }
        free = x + half + 6.0;
        canvas.line([x, bottom], [x, bottom + 4.0], 1.0, RULE);
        canvas.text([x, bottom + 16.0], 10.5, Anchor::Middle, MUTED, &tick.name);
        canvas.widen(x + half);
    }
    canvas.line([plot.x, bottom], [right, bottom], 1.0, RULE);
    if !x_label.is_empty() {
        canvas.height += 17.0;
        let label = fit(x_label, 11.5, Face::Regular, plot.width);
        canvas.text([plot.x + plot.width / 2.0, canvas.height - 4.0], 11.5, Anchor::Middle, INK, &label);
    }
    if !y_label.is_empty() {
        let label = fit(y_label, 11.5, Face::Regular, plot.height + 10.0);
        canvas.turned([11.0, plot.y + plot.height / 2.0], 11.5, Anchor::Middle, INK, -90.0, &label);
    }
    (canvas, plot)
}
