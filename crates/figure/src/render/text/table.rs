//! Tables.

use super::TextStyle;
use super::block::{Block, Line, Look, left, right, width};
use crate::kind::table::{Cells, Column, Table};
use crate::render::{numerals, palette};
use crate::visible::visible_token;

/// More rows than this are not printed: a terminal is no place to read them.
const MOST_ROWS: usize = 200;
const MOST_CELL: usize = 48;

/// The words of a cell.
fn cell(column: &Column, row: usize) -> String {
    match &column.cells {
        Cells::Numbers(numbers) => numbers.data().get(row).map_or_else(String::new, |&value| column.number(value)),
        Cells::Words(words) => match words.data().get(row) {
            Some(word) if !word.is_empty() => visible_token(word),
            _ => String::new(),
        },
    }
}

pub(super) fn draw(figure: &Table, style: &TextStyle) -> Block {
    let rows = figure.height();
    let shown = rows.min(MOST_ROWS);
    let widths = widths(figure, shown, style.width);
    let mut block = Block::new();
    // Columns that do not fit beside each other go below, with as many as fit in each band.
    let mut first = 0;
    while first < widths.len() {
        let mut end = first + 1;
        let mut used = widths[first];
        while end < widths.len() && used + 2 + widths[end] <= style.width {
            used += 2 + widths[end];
            end += 1;
        }
        if first > 0 {
            block.blank();
        }
        band(figure, &widths, first..end, shown, style, &mut block);
        first = end;
    }
    if rows > shown {
        let note = format!("… {} more rows", numerals::grouped(rows - shown));
        block.line(Line::new().with(note, Look::dim()));
    }
    block
}

fn widths(figure: &Table, rows: usize, room: usize) -> Vec<usize> {
    let natural = |column: &Column| {
        let cells = (0..rows).map(|row| width(&cell(column, row))).max().unwrap_or(0);
        cells.max(width(&crate::visible(&column.name))).clamp(1, MOST_CELL.min(room))
    };
    figure.columns.iter().map(natural).collect()
}

fn band(
    figure: &Table,
    widths: &[usize],
    columns: std::ops::Range<usize>,
    rows: usize,
    style: &TextStyle,
    block: &mut Block,
) {
    let ends = |column: &Column| match (&column.colour, &column.cells) {
        (Some(colour), Cells::Numbers(numbers)) => Some((colour.map, colour.ends(numbers.data().iter().copied()))),
        _ => None,
    };
    let ends: Vec<_> = figure.columns[columns.clone()].iter().map(ends).collect();
    let mut heading = Line::new();
    let mut rule = Line::new();
    for i in columns.clone() {
        let name = &figure.columns[i].name;
        let gap = if i == columns.start { "" } else { "  " };
        let set = if matches!(figure.columns[i].cells, Cells::Numbers(_)) { right } else { left };
        heading.push(gap, Look::plain());
        heading.push(set(name, widths[i]), Look::bold());
        rule.push(gap, Look::plain());
        rule.push("─".repeat(widths[i]), Look::dim());
    }
    block.line(heading);
    block.line(rule);
    for row in 0..rows {
        let mut line = Line::new();
        for i in columns.clone() {
            let column = &figure.columns[i];
            if i > columns.start {
                line.push("  ", Look::plain());
            }
            let set = if matches!(column.cells, Cells::Numbers(_)) { right } else { left };
            let look = match (&ends[i - columns.start], &column.cells) {
                (&Some((map, ends)), Cells::Numbers(numbers)) => match numbers.data().get(row) {
                    Some(&value) if !value.is_nan() => Look::on(style.colour_at(map, palette::share(value, ends))),
                    _ => Look::plain(),
                },
                _ => Look::plain(),
            };
            line.push(set(&cell(column, row), widths[i]), look);
        }
        block.line(line);
    }
}
