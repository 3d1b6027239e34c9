//! Text and code.

use super::TextStyle;
use super::block::{Block, Line, Look, right, split};
use crate::kind::code::Code;
use crate::kind::text::Text;
use crate::visible::visible;

pub(super) fn text(figure: &Text, style: &TextStyle) -> Block {
    Block::wrapped(&figure.body, style.width.min(100), Look::plain())
}

/// Lines with their numbers; longer ones go on below, marked lines have a bar.
pub(super) fn code(figure: &Code, style: &TextStyle) -> Block {
    let mut block = Block::new();
    let digits = figure.source.lines().count().max(1).to_string().len();
    let room = style.width.saturating_sub(digits + 3).max(1);
    for (i, source) in figure.source.lines().enumerate() {
        let marked = figure.marked.contains(&(i as u32 + 1));
        let (bar, look) = if marked { ("▌ ", Look::bold()) } else { ("  ", Look::plain()) };
        let source = visible(&source.replace('\t', "    "));
        let mut rest = source.as_str();
        let mut number = right(&(i + 1).to_string(), digits);
        loop {
            let (head, tail) = split(rest, room);
            block.line(Line::new().with(number, Look::dim()).with(bar, look).with(head, look));
            if tail.is_empty() {
                break;
            }
            rest = tail;
            number = " ".repeat(digits);
        }
    }
    block
}
