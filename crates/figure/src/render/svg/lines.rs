//! Curves.

use std::fmt::Write;

use super::axes::{self, Plot};
use super::canvas::{Canvas, number};
use super::font::{Face, fit};
use super::legend;
use crate::kind::lines::Lines;
use crate::render::scale::{Numeric, Tick};
use crate::render::{numerals, palette};
use crate::visible::visible_token;

const MOST_SERIES: usize = 64;
/// More than this are not named in the legend.
const MOST_NAMES: usize = 16;
/// Curves of more places than this are thinned to the extremes of each stretch.
const MOST_PLACES: usize = 2000;
/// Up to this many places, each is told about.
const MOST_TOLD: usize = 4000;

pub(super) fn draw(figure: &Lines, room: f64) -> Canvas {
    let count = figure.plot();
    let shown = count.series.min(MOST_SERIES);
    let y = Numeric::holding(figure.y_scale, figure.heights()).padded(0.03);
    let x = Numeric::holding(figure.x_scale, (0..count.places).map(|i| figure.x_at(i)));
    let names: Vec<String> = (0..shown).map(|series| visible_token(&figure.series.name(series))).collect();
    let listed = (count.series > 1).then(|| {
        let listed = names.len().min(MOST_NAMES);
        legend::categories(&names[..listed], true, count.series - listed)
    });
    let beside = listed.as_ref().map_or(0.0, |legend| legend.width + 18.0);
    let width = (room - beside).min(600.0);
    let ticks = x_ticks(figure, count.places, &x);
    let (mut canvas, plot) = axes::around([width, 280.0], &ticks, &y.ticks(5), &figure.x_label(), &figure.y_label);
    let curves: Vec<Curve> = (0..shown).map(|series| Curve { figure, series, x: &x, y: &y, plot }).collect();
    for curve in &curves {
        curve.band(&mut canvas);
    }
    for curve in &curves {
        curve.stroke(&mut canvas);
    }
    if shown * count.places <= MOST_TOLD {
        for curve in &curves {
            curve.tell(&mut canvas, &names[curve.series]);
        }
    }
    if let Some(legend) = listed {
        let at = canvas.width + 14.0;
        canvas.width = at + legend.width;
        canvas.height = canvas.height.max(legend.height);
        canvas.place(legend, at, 4.0);
    }
    canvas
}

/// The names of places where they have names, else round numbers.
fn x_ticks(figure: &Lines, places: usize, x: &Numeric) -> Vec<Tick> {
    if figure.x_axis.ticks.is_empty() {
        return if figure.counts() { x.whole_ticks(8) } else { x.ticks(8) };
    }
    let name = |i: usize| fit(&visible_token(&figure.x_axis.name(i)), 10.5, Face::Regular, 90.0);
    let stride = places.div_ceil(60).max(1);
    let tick = |i: usize| Some(Tick { place: x.place(figure.x_at(i))?, name: name(i) });
    (0..places).step_by(stride).filter_map(tick).collect()
}

struct Curve<'a> {
    figure: &'a Lines,
    series: usize,
    x: &'a Numeric,
    y: &'a Numeric,
    plot: Plot,
}

impl Curve<'_> {
    fn place(&self, heights: &[f32], i: usize) -> Option<[f64; 2]> {
        let height = *heights.get(self.series * self.figure.plot().places + i)?;
        let x = self.x.place(self.figure.x_at(i))?;
        Some(self.plot.at(x, self.y.place(f64::from(height))?))
    }

    /// The places to draw: all, or the lowest and highest of each stretch.
    fn places(&self) -> Vec<usize> {
        let places = self.figure.plot().places;
        if places <= MOST_PLACES {
            return (0..places).collect();
        }
        let heights = self.figure.y.data();
        let height = |i: usize| heights.get(self.series * places + i).copied().unwrap_or(f32::NAN);
        let stretch = places.div_ceil(MOST_PLACES / 2);
        let mut kept = Vec::new();
        for first in (0..places).step_by(stretch) {
            let range = first..(first + stretch).min(places);
            let lowest = range.clone().min_by(|&a, &b| height(a).total_cmp(&height(b))).unwrap_or(first);
            let highest = range.max_by(|&a, &b| height(a).total_cmp(&height(b))).unwrap_or(first);
            kept.push(lowest.min(highest));
            kept.push(lowest.max(highest));
        }
        kept
    }

    fn stroke(&self, canvas: &mut Canvas) {
        let mut path = String::new();
        let mut alone = Vec::new();
        let places: Vec<_> = self.places().into_iter().map(|i| self.place(self.figure.y.data(), i)).collect();
        for (i, place) in places.iter().enumerate() {
            let Some([x, y]) = place else { continue };
            let before = i > 0 && places[i - 1].is_some();
            let after = places.get(i + 1).is_some_and(Option::is_some);
            if !before && !after {
                alone.push([*x, *y]);
            }
            let _ = write!(path, "{}{} {}", if before { 'L' } else { 'M' }, number(*x), number(*y));
        }
        let colour = palette::category(self.series).hex();
        canvas.element(&format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.75\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>"
        ));
        for [x, y] in alone {
            canvas.element(&format!("<circle cx=\"{}\" cy=\"{}\" r=\"2\" fill=\"{colour}\"/>", number(x), number(y)));
        }
    }

    fn band(&self, canvas: &mut Canvas) {
        let Some([low, high]) = &self.figure.band else { return };
        let colour = palette::category(self.series).hex();
        // A band ends where either edge does.
        let places = self.places();
        let edges = |&i: &usize| Some([self.place(low.data(), i)?, self.place(high.data(), i)?]);
        let mut run: Vec<[[f64; 2]; 2]> = Vec::new();
        for edge in places.iter().map(edges).chain([None]) {
            if let Some(edge) = edge {
                run.push(edge);
                continue;
            }
            let there = run.iter().map(|[low, _]| low);
            let back = run.iter().rev().map(|[_, high]| high);
            let points: Vec<String> =
                there.chain(back).map(|[x, y]| format!("{},{}", number(*x), number(*y))).collect();
            if run.len() > 1 {
                canvas.element(&format!(
                    "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.16\"/>",
                    points.join(" ")
                ));
            }
            run.clear();
        }
    }

    fn tell(&self, canvas: &mut Canvas, name: &str) {
        let places = self.figure.plot().places;
        for i in 0..places {
            if let Some(at) = self.place(self.figure.y.data(), i) {
                let height = crate::number::widen(self.figure.y.data()[self.series * places + i]);
                let x = match self.figure.x_axis.ticks.get(i) {
                    Some(name) => visible_token(name),
                    None => numerals::exact(self.figure.x_at(i)),
                };
                let series = if self.figure.plot().series > 1 { format!("{name}\n") } else { String::new() };
                let label = crate::visible(&self.figure.x_label());
                canvas.tell(at, [0.0, 0.0], format!("{series}{label} {x}: {}", numerals::exact(height)));
            }
        }
    }
}
