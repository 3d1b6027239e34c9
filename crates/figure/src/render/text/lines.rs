//! Curves.

use super::block::{Block, Line, Look, clipped, width};
use super::canvas::{Canvas, category};
use super::{TextStyle, axes};
use crate::kind::lines::Lines;
use crate::render::numerals;
use crate::render::scale::{Numeric, Tick};
use crate::visible::visible_token;

/// More curves than this are not told apart.
const MOST_SERIES: usize = 24;

pub(super) fn draw(figure: &Lines, style: &TextStyle) -> Block {
    let plot = figure.plot();
    let y = Numeric::holding(figure.y_scale, figure.heights()).padded(0.02);
    let x = Numeric::holding(figure.x_scale, (0..plot.places).map(|i| figure.x_at(i)));
    let columns = axes::room(&y, style);
    let shown = plot.series.min(MOST_SERIES);
    let mut canvas = Canvas::new(columns, axes::HEIGHT, shown, style);
    for series in 0..shown {
        let place = |i: usize| {
            let height = figure.y.data().get(series * plot.places + i)?;
            Some([x.place(figure.x_at(i))?, y.place(f64::from(*height))?])
        };
        let mut last: Option<[f64; 2]> = None;
        for i in 0..plot.places {
            let here = place(i);
            match (last, here) {
                (Some(from), Some(to)) => canvas.segment(from, to, series),
                (None, Some([x, y])) => canvas.dot(x, y, series),
                _ => {}
            }
            last = here;
        }
    }
    let ticks = x_ticks(figure, plot.places, &x, columns);
    let x_label = figure.x_label();
    let mut block = axes::around(canvas.print(category), columns, &y, &figure.y_label, &ticks, &x_label);
    if plot.series > 1 {
        let names = (0..shown).map(|series| {
            let sign = Line::new().with(canvas.sign(series), category(series));
            let name = clipped(&visible_token(&figure.series.name(series)), 24);
            Block { lines: vec![sign.with(format!(" {name}"), Look::plain())] }
        });
        block.blank();
        let mut legend = Block::flow(names, style.width, 3, usize::MAX);
        legend.lines.retain(|line| line.width() > 0);
        block.stack(legend);
    }
    if plot.series > shown {
        let note = format!("… {} more curves", numerals::grouped(plot.series - shown));
        block.line(Line::new().with(note, Look::dim()));
    }
    block
}

/// The names of places where they have names, else round numbers.
fn x_ticks(figure: &Lines, places: usize, x: &Numeric, columns: usize) -> Vec<Tick> {
    if figure.x_axis.ticks.is_empty() {
        let most = (columns / 10).max(2);
        return if figure.counts() { x.whole_ticks(most) } else { x.ticks(most) };
    }
    let name = |i: usize| clipped(&visible_token(&figure.x_axis.name(i)), 12);
    let widest = (0..places.min(1000)).map(|i| width(&name(i))).max().unwrap_or(1);
    let stride = (places * (widest + 1)).div_ceil(columns.max(1)).max(1);
    let tick = |i: usize| Some(Tick { place: x.place(figure.x_at(i))?, name: name(i) });
    (0..places).step_by(stride).filter_map(tick).collect()
}
