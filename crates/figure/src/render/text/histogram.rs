//! Histograms, standing up.

use super::block::{Block, Line, Look, clipped};
use super::canvas::category;
use super::{TextStyle, axes};
use crate::kind::histogram::Histogram;
use crate::render::scale::Numeric;
use crate::visible::visible_token;

const HEIGHT: usize = 10;

/// One plot per distribution, below each other on the same axes.
pub(super) fn draw(figure: &Histogram, style: &TextStyle) -> Block {
    let [series, bins] = figure.extent();
    let y = Numeric::holding(figure.y_scale, figure.counts.data().iter().copied().chain([figure.least()]));
    let edges = figure.edges.data();
    let x = Numeric::holding(crate::Scale::Linear, edges.iter().copied());
    let room = axes::room(&y, style);
    // Whole columns per bin where there is room, else several bins to a column: the fullest shows.
    let columns = if bins == 0 { room } else { (room / bins.min(room) * bins).min(room) };
    let mut block = Block::new();
    for s in 0..series.min(16) {
        if series > 1 {
            block.line(Line::new().with(clipped(&visible_token(&figure.series.name(s)), style.width), Look::bold()));
        }
        let heights: Vec<f64> = (0..columns).map(|column| height(figure, &y, [s, bins], column, columns)).collect();
        let plot = (0..HEIGHT).map(|line| row(&heights, HEIGHT - 1 - line, s)).collect();
        block.stack(axes::around(plot, columns, &y, "count", &x.ticks((columns / 10).max(2)), &figure.label));
    }
    block
}

/// The height of a column from 0 to 1: of the fullest bin that it covers.
fn height(figure: &Histogram, y: &Numeric, [series, bins]: [usize; 2], column: usize, columns: usize) -> f64 {
    let first = column * bins / columns.max(1);
    let last = ((column + 1) * bins).div_ceil(columns.max(1)).max(first + 1).min(bins);
    let counts = (first..last).filter_map(|bin| figure.counts.data().get(series * bins + bin));
    let fullest = counts.filter_map(|&count| y.place(count)).fold(0.0, f64::max);
    fullest.clamp(0.0, 1.0)
}

/// One line of a plot, so many lines above the axis.
fn row(heights: &[f64], above: usize, series: usize) -> Line {
    const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let mut line = Line::new();
    for &height in heights {
        let eighths = (height * HEIGHT as f64 * 8.0).ceil() as usize;
        line.push(EIGHTHS[eighths.saturating_sub(above * 8).min(8)], category(series));
    }
    line
}
