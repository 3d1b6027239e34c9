//! Groups and comparisons.

use super::block::{Block, Line, Look};
use super::{TextStyle, draw};
use crate::difference::difference;
use crate::kind::compare::Compare;
use crate::kind::group::{Group, Layout};

const GAP: usize = 3;

pub(super) fn group(figure: &Group, style: &TextStyle) -> Block {
    let columns = match figure.layout {
        Layout::Vertical => 1,
        Layout::Grid(columns) => columns.clamp(1, 16) as usize,
    };
    if columns == 1 {
        let mut block = Block::new();
        for (i, part) in figure.figures.iter().enumerate() {
            if i > 0 {
                block.blank();
            }
            block.stack(draw(part, style));
        }
        return block;
    }
    // Parts that fit into their share of the width go side by side, the others below each other.
    let share = (style.width + GAP) / columns;
    let narrow = style.narrowed(share.saturating_sub(GAP).max(36));
    Block::flow(figure.figures.iter().map(|part| draw(part, &narrow)), style.width, GAP, columns)
}

pub(super) fn compare(figure: &Compare, style: &TextStyle) -> Block {
    let change = difference(&figure.a, &figure.b);
    let change_name = format!("change: {} minus {}", figure.b_name, figure.a_name);
    let [a, b] = figure.on_one_scale();
    let parts = [(figure.a_name.as_str(), Some(&a)), (&figure.b_name, Some(&b)), (&change_name, change.as_ref())];
    let side_by_side = style.width >= 2 * 48 + GAP;
    let narrow = if side_by_side { style.narrowed((style.width - GAP) / 2) } else { *style };
    let blocks = parts.into_iter().filter_map(|(name, part)| {
        let mut block = Block::new();
        block.line(Line::new().with(name, Look::bold()));
        block.stack(draw(part?, &narrow));
        Some(block)
    });
    Block::flow(blocks, style.width, GAP, 2)
}
