//! Points in a plane.

use super::block::{Block, Line, Look, clipped};
use super::canvas::{Canvas, category};
use super::heatmap::legend;
use super::{TextStyle, axes};
use crate::kind::lines::Scale;
use crate::kind::scatter::Scatter;
use crate::render::palette;
use crate::render::scale::Numeric;

/// Steps of the colour scale that points are sorted into.
const STEPS: usize = 16;

pub(super) fn draw(figure: &Scatter, style: &TextStyle) -> Block {
    let x = Numeric::holding(Scale::Linear, figure.x.data().iter().map(|&x| f64::from(x))).padded(0.02);
    let y = Numeric::holding(Scale::Linear, figure.y.data().iter().map(|&y| f64::from(y))).padded(0.02);
    let columns = axes::room(&y, style);
    let values = figure
        .values
        .as_ref()
        .map(|values| (values.data(), figure.colour.ends(values.data().iter().map(|&value| f64::from(value)))));
    let classes = figure.classes.as_ref().map(crate::Array::data);
    let marked = if values.is_none() && classes.is_some() { figure.class_names.len().max(2) } else { 1 };
    let mut canvas = Canvas::new(columns, axes::HEIGHT, marked, style);
    for (i, (&px, &py)) in figure.x.data().iter().zip(figure.y.data()).enumerate() {
        let series = match (values, classes) {
            (Some((values, ends)), _) => {
                let t = palette::share(f64::from(values.get(i).copied().unwrap_or(f32::NAN)), ends);
                if t.is_nan() { STEPS } else { (t * (STEPS - 1) as f64).round() as usize }
            }
            (None, Some(classes)) => classes.get(i).map_or(0, |&class| class as usize),
            (None, None) => 0,
        };
        if let (Some(px), Some(py)) = (x.place(f64::from(px)), y.place(f64::from(py))) {
            canvas.dot(px, py, series);
        }
    }
    let look = |series: usize| match values {
        Some(_) if series == STEPS => Look::ink(palette::MISSING),
        Some(_) => Look::ink(palette::at(figure.colour.map, series as f64 / (STEPS - 1) as f64)),
        None => category(series),
    };
    let ticks = x.ticks((columns / 10).max(2));
    let mut block = axes::around(canvas.print(look), columns, &y, &figure.y_label, &ticks, &figure.x_label);
    if let Some((_, ends)) = values {
        block.blank();
        if style.has_colour() {
            block.line(legend(&figure.colour, ends, style));
        }
    } else if classes.is_some() {
        block.blank();
        let names = figure.class_names.iter().enumerate().take(64).map(|(class, name)| {
            let sign = if style.has_colour() && style.unicode { "●".to_owned() } else { canvas.sign(class) };
            Block {
                lines: vec![
                    Line::new().with(sign, category(class)).with(format!(" {}", clipped(name, 24)), Look::plain()),
                ],
            }
        });
        let mut legend = Block::flow(names, style.width, 3, usize::MAX);
        legend.lines.retain(|line| line.width() > 0);
        block.stack(legend);
    }
    block
}
