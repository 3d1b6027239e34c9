//! Groups and comparisons.

use super::canvas::{Anchor, Canvas, INK};
use super::draw;
use super::font::{Face, fit};
use crate::difference::difference;
use crate::figure::Figure;
use crate::kind::compare::Compare;
use crate::kind::group::{Group, Layout};

const GAP: f64 = 34.0;

pub(super) fn group(figure: &Group, room: f64, depth: usize) -> Canvas {
    let columns = match figure.layout {
        Layout::Vertical => 1,
        Layout::Grid(columns) => columns.clamp(1, 12) as usize,
    };
    let share = ((room + GAP) / columns as f64 - GAP).max(240.0);
    grid(figure.figures.iter().map(|part| draw(part, share, depth + 1)).collect(), columns)
}

pub(super) fn compare(figure: &Compare, room: f64, depth: usize) -> Canvas {
    let change = difference(&figure.a, &figure.b);
    let share = (room - GAP) / 2.0;
    let named = |name: &str, part: &Figure| {
        let body = draw(part, share, depth + 1);
        let mut canvas = Canvas::new(body.width, body.height + 26.0);
        let name = fit(name, 13.0, Face::Bold, body.width.max(share));
        canvas.bold([0.0, 14.0], 13.0, Anchor::Start, INK, &name);
        canvas.place(body, 0.0, 26.0);
        canvas
    };
    let [a, b] = figure.on_one_scale();
    let mut parts = vec![named(&figure.a_name, &a), named(&figure.b_name, &b)];
    if let Some(change) = &change {
        parts.push(named(&format!("change: {} minus {}", figure.b_name, figure.a_name), change));
    }
    let widest = parts.iter().map(|part| part.width).fold(0.0, f64::max);
    let columns = if widest > room * 0.75 { 1 } else { 2 };
    grid(parts, columns)
}

/// Parts in rows of so many, columns and rows as large as their largest part.
fn grid(parts: Vec<Canvas>, columns: usize) -> Canvas {
    let mut widths = vec![0.0_f64; columns];
    let mut heights = vec![0.0_f64; parts.len().div_ceil(columns)];
    for (i, part) in parts.iter().enumerate() {
        widths[i % columns] = widths[i % columns].max(part.width);
        heights[i / columns] = heights[i / columns].max(part.height);
    }
    let total = |lengths: &[f64]| lengths.iter().sum::<f64>() + GAP * lengths.len().saturating_sub(1) as f64;
    widths.truncate(parts.len().max(1));
    let mut canvas = Canvas::new(total(&widths), total(&heights));
    for (i, part) in parts.into_iter().enumerate() {
        let x = widths[..i % columns].iter().map(|width| width + GAP).sum();
        let y = heights[..i / columns].iter().map(|height| height + GAP).sum();
        canvas.place(part, x, y);
    }
    canvas
}
