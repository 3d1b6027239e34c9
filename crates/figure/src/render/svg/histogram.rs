//! Histograms.

use super::canvas::{Anchor, Canvas, INK};
use super::font::{Face, fit};
use super::{axes, raster};
use crate::kind::histogram::Histogram;
use crate::kind::lines::Scale;
use crate::render::scale::Numeric;
use crate::render::{numerals, palette};
use crate::visible::visible_token;

const MOST_SERIES: usize = 24;
/// More bins than this are drawn as a picture.
const MOST_BINS: usize = 4000;

/// One plot per distribution, below each other on the same axes.
pub(super) fn draw(figure: &Histogram, room: f64) -> Canvas {
    let [series, bins] = figure.extent();
    let counts = figure.counts.data();
    let y = Numeric::holding(figure.y_scale, counts.iter().copied().chain([figure.least()])).rounded();
    let x = Numeric::holding(Scale::Linear, figure.edges.data().iter().copied());
    let width = room.min(600.0);
    let height = if series > 1 { 140.0 } else { 240.0 };
    let zero = y.place(figure.least().max(0.0)).unwrap_or(0.0).clamp(0.0, 1.0);
    let mut all = Canvas::new(0.0, 0.0);
    for s in 0..series.min(MOST_SERIES) {
        let ticks = (x.ticks(8), y.ticks(if series > 1 { 3 } else { 5 }));
        let (mut canvas, plot) = axes::around([width, height], &ticks.0, &ticks.1, &figure.label, "count");
        let colour = palette::category(s);
        let bar = |bin: usize| {
            let edge = |i: usize| x.place(*figure.edges.data().get(i)?);
            let count = *counts.get(s * bins + bin)?;
            Some([edge(bin)?, edge(bin + 1)?, y.place(count).unwrap_or(zero).clamp(0.0, 1.0)])
        };
        if bins > MOST_BINS {
            let columns = (plot.width * 2.0) as usize;
            let mut tops = vec![zero; columns];
            for [left, right, top] in (0..bins).filter_map(bar) {
                let first = (left.min(right) * columns as f64) as usize;
                for column in tops.iter_mut().skip(first).take(((right - left).abs() * columns as f64) as usize + 1) {
                    *column = column.max(top);
                }
            }
            let rows = (plot.height * 2.0) as usize;
            raster::embed(&mut canvas, [plot.x, plot.y], [plot.width, plot.height], [rows, columns], |row, column| {
                let above = 1.0 - row as f64 / rows as f64;
                (above <= tops[column] && above >= zero).then_some(colour)
            });
        } else {
            for (bin, [left, right, top]) in (0..bins).filter_map(|bin| Some((bin, bar(bin)?))) {
                let (a, b) = (plot.at(left.min(right), top.max(zero)), plot.at(left.max(right), top.min(zero)));
                // A hairline between bars, where they are wide enough for one.
                let gap = if b[0] - a[0] > 4.0 { 1.0 } else { 0.0 };
                canvas.rect(
                    a,
                    [b[0] - a[0] - gap, b[1] - a[1]],
                    &format!("fill=\"{}\" fill-opacity=\"0.85\"", colour.hex()),
                );
                let edges = figure.edges.data();
                let told = format!(
                    "{} to {}\ncount {}",
                    numerals::exact(edges[bin]),
                    numerals::exact(edges[bin + 1]),
                    numerals::exact(counts[s * bins + bin])
                );
                canvas.tell([a[0], plot.y], [b[0] - a[0], plot.height], told);
            }
        }
        let mut top = all.height;
        if series > 1 {
            let name = fit(&visible_token(&figure.series.name(s)), 12.0, Face::Bold, width);
            all.bold([0.0, top + 14.0], 12.0, Anchor::Start, INK, &name);
            top += 20.0;
        }
        all.widen(canvas.width);
        all.height = top + canvas.height + 8.0;
        all.place(canvas, 0.0, top);
    }
    all
}
