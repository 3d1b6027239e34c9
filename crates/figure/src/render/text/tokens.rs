//! Coloured tokens.

use super::TextStyle;
use super::block::{Block, Line, Look, left, right, split, width};
use super::heatmap::{faint, legend};
use crate::kind::tokens::Tokens;
use crate::render::{numerals, palette};
use crate::visible::{visible, visible_token};

/// Details of more tokens than this are not printed.
const MOST_DETAILS: usize = 40;

/// The running text on coloured ground, or above a line of shades; then, for short texts with details,
/// one line per token.
pub(super) fn draw(figure: &Tokens, style: &TextStyle) -> Block {
    let values = figure.values.data();
    let ends = figure.colour.ends(values.iter().map(|&x| f64::from(x)));
    let share = |i: usize| values.get(i).map(|&x| palette::share(f64::from(x), ends));
    let mut block = Block::new();
    let (mut line, mut shades) = (Line::new(), Line::new());
    let mut end_line = |line: &mut Line, shades: &mut Line| {
        block.line(std::mem::take(line));
        if !style.has_colour() && !values.is_empty() {
            block.line(std::mem::take(shades));
        }
    };
    for (i, token) in figure.tokens.data().iter().enumerate() {
        let look = match share(i) {
            Some(t) if !t.is_nan() => Look::on(style.colour_at(figure.colour.map, t)),
            _ => Look::plain(),
        };
        let mark = share(i).map_or(' ', |t| faint(figure.colour.map, t));
        // A token with line breaks in it ends lines where they are.
        for piece in token.split_inclusive('\n') {
            let text = visible(piece);
            let mut rest = text.as_str();
            while !rest.is_empty() {
                if line.width() > 0 && line.width() + width(rest) > style.width {
                    end_line(&mut line, &mut shades);
                }
                let (head, tail) = split(rest, style.width);
                line.push(head, look);
                shades.push(mark.to_string().repeat(width(head)), Look::plain());
                rest = tail;
            }
            if piece.ends_with('\n') {
                end_line(&mut line, &mut shades);
            }
        }
    }
    end_line(&mut line, &mut shades);
    if !values.is_empty() {
        block.blank();
        block.line(legend(&figure.colour, ends, style));
    }
    if !figure.details.is_empty() && figure.tokens.len() <= MOST_DETAILS {
        block.blank();
        block.stack(details(figure, style));
    }
    block
}

fn details(figure: &Tokens, style: &TextStyle) -> Block {
    let tokens: Vec<String> = figure.tokens.data().iter().map(|token| visible_token(token)).collect();
    let wide = tokens.iter().map(|token| width(token)).max().unwrap_or(1).min(20);
    let digits = tokens.len().to_string().len();
    let mut block = Block::new();
    for (i, token) in tokens.iter().enumerate() {
        let mut line = Line::new().with(right(&i.to_string(), digits), Look::dim()).with("  ", Look::plain());
        line.push(left(token, wide), Look::bold());
        if let Some(&value) = figure.values.data().get(i) {
            line.push(
                format!(
                    "  {}",
                    right(&if value.is_nan() { "–".to_owned() } else { numerals::short(f64::from(value)) }, 7)
                ),
                Look::plain(),
            );
        }
        line.push("  ", Look::plain());
        let detail = figure.details.get(i).map_or("", String::as_str);
        let room = style.width.saturating_sub(line.width()).max(8);
        block.line(line);
        let last = block.lines.len() - 1;
        for (j, text) in Block::wrapped(detail, room, Look::plain()).lines.into_iter().enumerate() {
            if j > 0 {
                block.blank();
                let indent = style.width - room.min(style.width);
                block.lines[last + j].fill(indent, Look::plain());
            }
            block.lines[last + j].append(text);
        }
    }
    block
}
