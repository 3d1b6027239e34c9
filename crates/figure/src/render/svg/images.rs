//! Pictures.

use super::canvas::{Anchor, Canvas, MUTED};
use super::font::{Face, fit};
use super::{legend, raster};
use crate::kind::images::Images;
use crate::render::numerals;

const MOST_PICTURES: usize = 400;
const GAP: f64 = 12.0;
/// Pixels of a picture that are kept, each way: more would not be seen.
const MOST_PIXELS: usize = 1600;

pub(super) fn draw(figure: &Images, room: f64) -> Canvas {
    let Some(stack) = figure.stack() else {
        let mut canvas = Canvas::new(200.0, 20.0);
        canvas.text([0.0, 14.0], 12.0, Anchor::Start, MUTED, "no pictures");
        return canvas;
    };
    let shown = stack.pictures.min(MOST_PICTURES);
    // Small pictures are enlarged by whole numbers; large ones shrink to fit.
    let largest = stack.width.max(stack.height) as f64;
    let target = if shown == 1 { 420.0 } else { 150.0 };
    let scale = if largest <= target { (target / largest).floor() } else { target / largest };
    let [wide, high] = [stack.width, stack.height].map(|length| (length as f64 * scale).max(1.0));
    let naming = if figure.names.is_empty() { 0.0 } else { 17.0 };
    let per_row = (((room + GAP) / (wide + GAP)) as usize).clamp(1, shown.max(1));
    let mut canvas =
        Canvas::new(per_row as f64 * (wide + GAP) - GAP, shown.div_ceil(per_row) as f64 * (high + naming + GAP) - GAP);
    let step = stack.width.max(stack.height).div_ceil(MOST_PIXELS).max(1);
    let [rows, columns] = [stack.height, stack.width].map(|length| length.div_ceil(step));
    for picture in 0..shown {
        let at = [(picture % per_row) as f64 * (wide + GAP), (picture / per_row) as f64 * (high + naming + GAP)];
        raster::embed(&mut canvas, at, [wide, high], [rows, columns], |row, column| {
            Some(stack.pixel(picture, row * step, column * step))
        });
        legend::frame(&mut canvas, at, [wide, high]);
        if let Some(name) = figure.names.get(picture) {
            let name = fit(name, 11.0, Face::Regular, wide + GAP - 4.0);
            canvas.text([at[0] + wide / 2.0, at[1] + high + 13.0], 11.0, Anchor::Middle, MUTED, &name);
        }
        let name = figure.names.get(picture).map_or_else(|| picture.to_string(), |name| crate::visible(name));
        canvas.tell(at, [wide, high], format!("{name}\n{} by {} pixels", stack.width, stack.height));
    }
    if let Some(ends) = stack.scale_ends() {
        let bar = legend::standing(&figure.colour, ends, canvas.height);
        let x = canvas.width + 16.0;
        canvas.width = x + bar.width;
        canvas.height = canvas.height.max(bar.height);
        canvas.place(bar, x, 0.0);
    }
    if stack.pictures > shown {
        canvas.height += 18.0;
        let note = format!("and {} more pictures", numerals::grouped(stack.pictures - shown));
        canvas.text([0.0, canvas.height - 4.0], 11.0, Anchor::Start, MUTED, &note);
    }
    canvas
}
