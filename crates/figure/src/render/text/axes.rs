//! A plot area of character cells between a y axis on the left and an x axis below.

use super::TextStyle;
use super::block::{Block, Line, Look, clipped, right, width};
use crate::render::scale::{Numeric, Tick};

/// Height of a plot in lines.
pub(super) const HEIGHT: usize = 16;

/// The columns left for the plot beside the names of the y axis.
pub(super) fn room(y: &Numeric, style: &TextStyle) -> usize {
    style.width.min(110).saturating_sub(names_width(&y_ticks(y)) + 3).max(8)
}

fn y_ticks(y: &Numeric) -> Vec<Tick> {
    y.ticks(5)
}

fn names_width(ticks: &[Tick]) -> usize {
    ticks.iter().map(|tick| width(&tick.name)).max().unwrap_or(1)
}

/// Puts a plot of `HEIGHT` lines between its axes.
pub(super) fn around(plot: Vec<Line>, columns: usize, y: &Numeric, y_label: &str, x: &[Tick], x_label: &str) -> Block {
    let ticks = y_ticks(y);
    let names = names_width(&ticks);
    let height = plot.len();
    let mut marks = vec![None; height];
    for tick in &ticks {
        let line = ((1.0 - tick.place) * (height as f64 - 1.0)).round().clamp(0.0, height as f64 - 1.0) as usize;
        marks[line].get_or_insert(&tick.name);
    }
    let mut block = Block::new();
    if !y_label.is_empty() {
        block.line(Line::new().with(clipped(y_label, names + columns), Look::dim()));
    }
    for (line, mark) in plot.into_iter().zip(marks) {
        let name = mark.map_or("", String::as_str);
        let edge = if mark.is_some() { " ┤" } else { " │" };
        let mut row = Line::new().with(right(name, names), Look::plain()).with(edge, Look::dim());
        row.append(line);
        block.line(row);
    }
    let mut axis = vec!['─'; columns];
    let mut below = Line::new().with(" ".repeat(names + 2), Look::plain());
    for tick in x {
        let at = (tick.place * (columns as f64 - 1.0)).round().clamp(0.0, columns as f64 - 1.0) as usize;
        let wide = width(&tick.name);
        let start = (at + names + 2).saturating_sub(wide / 2).min((names + 2 + columns).saturating_sub(wide));
        if start >= below.width() && (start > below.width() || at == 0) {
            axis[at] = '┬';
            below.fill(start, Look::plain());
            below.push(&tick.name, Look::plain());
        }
    }
    let axis: String = axis.into_iter().collect();
    block.line(Line::new().with(" ".repeat(names + 1), Look::plain()).with(format!("└{axis}"), Look::dim()));
    block.line(below);
    if !x_label.is_empty() {
        let label = clipped(x_label, columns);
        let start = names + 2 + (columns.saturating_sub(width(&label))) / 2;
        block.line(Line::new().with(" ".repeat(start), Look::plain()).with(label, Look::dim()));
    }
    block
}
