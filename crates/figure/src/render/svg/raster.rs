//! Pixels embedded in SVG as PNG.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::canvas::{Canvas, number};
use crate::render::palette::Rgb;

/// A picture drawn by a function of row and column, filling a rectangle, its pixels sharp.
pub(super) fn embed(
    canvas: &mut Canvas,
    [x, y]: [f64; 2],
    [width, height]: [f64; 2],
    [rows, columns]: [usize; 2],
    pixel: impl Fn(usize, usize) -> Option<Rgb>,
) {
    let mut bytes = Vec::with_capacity(rows * columns * 4);
    for row in 0..rows {
        for column in 0..columns {
            bytes.extend(pixel(row, column).map_or([0; 4], |Rgb(r, g, b)| [r, g, b, 255]));
        }
    }
    let Some(png) = encode(&bytes, columns as u32, rows as u32) else { return };
    let [x, y, width, height] = [x, y, width, height].map(number);
    canvas.element(&format!(
        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
         image-rendering=\"pixelated\" \
         href=\"data:image/png;base64,{}\"/>",
        STANDARD.encode(png)
    ));
}

/// Red, green, blue and opacity as PNG; nothing for an empty picture.
fn encode(bytes: &[u8], width: u32, height: u32) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(bytes).ok()?;
    writer.finish().ok()?;
    Some(out)
}
