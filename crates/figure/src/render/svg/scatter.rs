//! Points in a plane.

use super::canvas::{Anchor, Canvas, MUTED, number};
use super::font::{Face, fit};
use super::{axes, legend, raster};
use crate::kind::lines::Scale;
use crate::kind::scatter::Scatter;
use crate::render::numerals;
use crate::render::palette::{self, Rgb};
use crate::render::scale::Numeric;
use crate::visible::visible_token;

/// More points than this are drawn as a picture, a pixel each.
const MOST_CIRCLES: usize = 20_000;
/// Up to this many points have their names beside them.
const MOST_NAMES: usize = 40;
const MOST_TOLD: usize = 5000;

pub(super) fn draw(figure: &Scatter, room: f64) -> Canvas {
    let axis = |values: &[f32]| Numeric::holding(Scale::Linear, values.iter().map(|&x| f64::from(x))).padded(0.04);
    let (x, y) = (axis(figure.x.data()), axis(figure.y.data()));
    let width = (room - 140.0).min(560.0);
    let size = [width, 380.0];
    let (mut canvas, plot) = axes::around(size, &x.ticks(7), &y.ticks(6), &figure.x_label, &figure.y_label);
    let colours = Colours::of(figure);
    let place = |i: usize| {
        let (px, py) = (*figure.x.data().get(i)?, *figure.y.data().get(i)?);
        Some(plot.at(x.place(f64::from(px))?, y.place(f64::from(py))?))
    };
    let points: Vec<(usize, [f64; 2])> = (0..figure.x.len()).filter_map(|i| Some((i, place(i)?))).collect();
    if points.len() > MOST_CIRCLES {
        let [rows, columns] = [plot.height, plot.width].map(|length| (length * 2.0) as usize);
        let mut pixels = vec![None; rows * columns];
        for &(i, [px, py]) in &points {
            let column = (((px - plot.x) * 2.0) as usize).min(columns - 1);
            let row = (((py - plot.y) * 2.0) as usize).min(rows - 1);
            pixels[row * columns + column] = Some(colours.at(i));
        }
        let corner = [plot.x, plot.y];
        raster::embed(&mut canvas, corner, [plot.width, plot.height], [rows, columns], |row, column| {
            pixels[row * columns + column]
        });
    } else {
        let radius = if points.len() > 1000 { 1.75 } else { 3.0 };
        for &(i, [px, py]) in &points {
            canvas.element(&format!(
                "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\" fill=\"{}\" fill-opacity=\"0.75\"/>",
                number(px),
                number(py),
                colours.at(i).hex()
            ));
        }
    }
    if figure.names.len() <= MOST_NAMES {
        for &(i, [px, py]) in &points {
            let name = figure.names.get(i).map_or("", String::as_str);
            let name = if name.is_empty() { String::new() } else { visible_token(name) };
            canvas.text([px + 5.0, py + 3.5], 10.0, Anchor::Start, MUTED, &fit(&name, 10.0, Face::Regular, 120.0));
        }
    }
    if points.len() <= MOST_TOLD {
        for &(i, at) in &points {
            canvas.tell(at, [0.0, 0.0], told(figure, i));
        }
    }
    let beside = match colours {
        Colours::Values { ends, .. } => Some(legend::standing(&figure.colour, ends, plot.height)),
        Colours::Classes(_) => {
            let listed = figure.class_names.len().min(24);
            Some(legend::categories(&figure.class_names[..listed], false, figure.class_names.len() - listed))
        }
        Colours::One => None,
    };
    if let Some(legend) = beside {
        let at = canvas.width + 12.0;
        canvas.width = at + legend.width;
        canvas.height = canvas.height.max(legend.height);
        canvas.place(legend, at, 6.0);
    }
    canvas
}

/// Where the colours of points come from.
enum Colours<'a> {
    Values { figure: &'a Scatter, values: &'a [f32], ends: [f64; 2] },
    Classes(&'a [u32]),
    One,
}

impl<'a> Colours<'a> {
    fn of(figure: &'a Scatter) -> Self {
        match (&figure.values, &figure.classes) {
            (Some(values), _) => {
                let ends = figure.colour.ends(values.data().iter().map(|&value| f64::from(value)));
                Colours::Values { figure, values: values.data(), ends }
            }
            (None, Some(classes)) => Colours::Classes(classes.data()),
            (None, None) => Colours::One,
        }
    }

    fn at(&self, i: usize) -> Rgb {
        match self {
            Colours::Values { figure, values, ends } => {
                let value = values.get(i).copied().unwrap_or(f32::NAN);
                palette::at(figure.colour.map, palette::share(f64::from(value), *ends))
            }
            Colours::Classes(classes) => {
                classes.get(i).map_or(palette::MISSING, |&class| palette::category(class as usize))
            }
            Colours::One => palette::category(0),
        }
    }
}

fn told(figure: &Scatter, i: usize) -> String {
    let exact = |array: &crate::Array<f32>| {
        array.data().get(i).map_or_else(String::new, |&x| numerals::exact(crate::number::widen(x)))
    };
    let name = figure.names.get(i).map_or_else(|| i.to_string(), |name| visible_token(name));
    let mut told = vec![name, format!("{}, {}", exact(&figure.x), exact(&figure.y))];
    told.extend(figure.values.as_ref().map(exact));
    let class = figure.classes.as_ref().and_then(|classes| classes.data().get(i));
    if let Some(class) = class.and_then(|&class| figure.class_names.get(class as usize)) {
        told.push(crate::visible(class));
    }
    told.join("\n")
}
