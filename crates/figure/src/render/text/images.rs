//! Pictures in half blocks, or in shades.

use super::TextStyle;
use super::block::{Block, Line, Look, clipped};
use super::heatmap::shade;
use crate::colour::ColourMap;
use crate::kind::images::Images;
use crate::render::numerals;
use crate::render::palette::Rgb;

const MOST_PICTURES: usize = 64;
/// Width of a picture at most, in columns.
const MOST_WIDTH: usize = 48;

pub(super) fn draw(figure: &Images, style: &TextStyle) -> Block {
    let Some(stack) = figure.stack() else {
        return Block::wrapped("(no pictures: the pixels have no y and x axis)", style.width, Look::dim());
    };
    let pictures = (0..stack.pictures.min(MOST_PICTURES)).map(|i| {
        let mut block = picture(|row, column| stack.pixel(i, row, column), stack.height, stack.width, style);
        if let Some(name) = figure.names.get(i) {
            let wide = block.width().max(8);
            block.line(Line::new().with(clipped(name, wide), Look::dim()));
        }
        block
    });
    let mut block = Block::flow(pictures, style.width, 2, usize::MAX);
    if stack.pictures > MOST_PICTURES {
        let note = format!("… {} more pictures", numerals::grouped(stack.pictures - MOST_PICTURES));
        block.line(Line::new().with(note, Look::dim()));
    }
    block
}

/// A picture, every so many pixels one, two rows to a line.
fn picture(pixel: impl Fn(usize, usize) -> Rgb, height: usize, width: usize, style: &TextStyle) -> Block {
    let stride = width.div_ceil(MOST_WIDTH.min(style.width)).max(height.div_ceil(96)).max(1);
    let rows: Vec<usize> = (0..height).step_by(stride).collect();
    let mut block = Block::new();
    for pair in rows.chunks(2) {
        let mut line = Line::new();
        for column in (0..width).step_by(stride) {
            let top = pixel(pair[0], column);
            let bottom = pair.get(1).map(|&row| pixel(row, column));
            if style.has_colour() && style.unicode {
                line.push("▀", Look { ink: Some(top), ground: bottom, ..Look::plain() });
            } else {
                let light = f64::midpoint(top.luminance(), bottom.unwrap_or(top).luminance());
                line.push(shade(ColourMap::Sequential, light.sqrt()).to_string(), Look::plain());
            }
        }
        block.line(line);
    }
    block
}
