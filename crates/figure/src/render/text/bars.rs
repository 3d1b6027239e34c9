//! Bars, lying down, so that their names can be read.

use super::TextStyle;
use super::block::{Block, Line, Look, clipped, right, width};
use super::canvas::{MARKS, category};
use crate::kind::bars::Bars;
use crate::render::{numerals, palette};
use crate::visible::visible_token;

const MOST_BARS: usize = 100;
const MOST_NAME: usize = 28;

pub(super) fn draw(figure: &Bars, style: &TextStyle) -> Block {
    let [series, bars] = figure.extent();
    let shown = bars.min(MOST_BARS);
    let value = |s: usize, bar: usize| figure.values.data().get(s * bars + bar).map_or(f64::NAN, |&x| f64::from(x));
    let all = || (0..shown).flat_map(|bar| (0..series).map(move |s| value(s, bar)));
    let [low, high] = figure.span();
    let reach = if high - low > 0.0 { high - low } else { 1.0 };
    let numbers = all().map(|x| width(&numerals::short(x))).max().unwrap_or(1);
    let names = (0..shown).map(|bar| width(&visible_token(&figure.bars.name(bar)))).max().unwrap_or(1).min(MOST_NAME);
    let room = style.width.min(100).saturating_sub(names + numbers + 4).max(8);
    // The columns left and right of zero, and one scale for both.
    let below = (-low / reach * room as f64).round().clamp(0.0, room as f64);
    let above = room as f64 - below;
    let side = |columns: f64, far: f64| if far > 0.0 { columns / far } else { f64::INFINITY };
    let scale = side(below, -low).min(side(above, high));
    let mut block = Block::new();
    if !figure.label.is_empty() {
        block.line(Line::new().with(clipped(&figure.label, style.width), Look::dim()));
    }
    for bar in 0..shown {
        for s in 0..series {
            let name = if s == 0 { visible_token(&figure.bars.name(bar)) } else { String::new() };
            let x = value(s, bar);
            let mut line = Line::new().with(right(&name, names), Look::plain()).with(" ", Look::plain());
            let length = if x.is_nan() || scale.is_infinite() { 0.0 } else { (x.clamp(low, high) * scale).abs() };
            let look = if series > 1 { category(s) } else { Look::ink(palette::category(usize::from(x < 0.0))) };
            if below > 0.0 {
                let bar = if x < 0.0 { backward(length) } else { String::new() };
                line.push(" ".repeat((below as usize).saturating_sub(width(&bar))), Look::plain());
                line.push(bar, look);
                line.push("│", Look::dim());
            }
            let bar = if x > 0.0 { forward(length, mark(s, series, style)) } else { String::new() };
            line.push(bar, look);
            line.push(format!(" {}", numerals::short(x)), Look::plain());
            block.line(line);
        }
    }
    if series > 1 {
        block.blank();
        let mut legend = Line::new();
        for s in 0..series.min(24) {
            legend.push(if s > 0 { "   " } else { "" }, Look::plain());
            legend.push(mark(s, series, style).to_string().repeat(2), category(s));
            legend.push(format!(" {}", clipped(&visible_token(&figure.series.name(s)), 24)), Look::plain());
        }
        block.line(legend);
    }
    if bars > shown {
        let note = format!("… {} more bars", numerals::grouped(bars - shown));
        block.line(Line::new().with(note, Look::dim()));
    }
    block
}

/// What a bar is made of: marks where several series have no colours.
fn mark(series: usize, all: usize, style: &TextStyle) -> char {
    if all > 1 && !style.has_colour() { MARKS[series % MARKS.len()] } else { '█' }
}

/// A bar to the right, to an eighth of a column.
fn forward(length: f64, mark: char) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (length * 8.0).round() as usize;
    let end = if mark == '█' { EIGHTHS[eighths % 8] } else { "" };
    let bar = mark.to_string().repeat(eighths / 8) + end;
    if bar.is_empty() && length > 0.0 { "▏".to_owned() } else { bar }
}

/// A bar to the left, to half a column.
fn backward(length: f64) -> String {
    let halves = (length * 2.0).round() as usize;
    let start = if halves % 2 == 1 { "▐" } else { "" };
    start.to_owned() + &"█".repeat(halves / 2)
}
