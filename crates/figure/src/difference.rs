//! What changes between two figures of equal axes.

use crate::about::About;
use crate::array::Array;
use crate::axis::{Axis, Dim};
use crate::colour::{ColourMap, ColourScale};
use crate::figure::Figure;
use crate::guide::Guide;
use crate::kind::group::Group;
use crate::kind::table::{Cells, Column, Table};
use crate::{Bars, Heatmap, Histogram, Images, Lines, Scatter, Tokens};

/// What changes from `a` to `b`: every number of `b` minus the same number of `a`.
///
/// Nothing where the two are of different kinds, where their titles, axes, sizes, places along x, bin edges or
/// words differ, or where numbers cannot be subtracted (`text`, `code`, `graph`, `compare`). Positions are
/// the exception: two prompts of one length are compared position by position, and where their tokens
/// differ the place is called `first → second`. Colours are diverging, with white where nothing changes.
///
/// Titles count because they say what a figure is of: the shares of one token's logit less those of another's are
/// nothing.
pub fn difference(a: &Figure, b: &Figure) -> Option<Figure> {
    if a.about().title != b.about().title {
        return None;
    }
    let mut change: Figure = match (a, b) {
        (Figure::Heatmap(a), Figure::Heatmap(b)) => heatmap(a, b)?.into(),
        (Figure::Tokens(a), Figure::Tokens(b)) => tokens(a, b)?.into(),
        (Figure::Lines(a), Figure::Lines(b)) => lines(a, b)?.into(),
        (Figure::Bars(a), Figure::Bars(b)) => bars(a, b)?.into(),
        (Figure::Histogram(a), Figure::Histogram(b)) => histogram(a, b)?.into(),
        (Figure::Table(a), Figure::Table(b)) => table(a, b)?.into(),
        (Figure::Images(a), Figure::Images(b)) => images(a, b)?.into(),
        (Figure::Scatter(a), Figure::Scatter(b)) => scatter(a, b)?.into(),
        (Figure::Group(a), Figure::Group(b)) => group(a, b)?.into(),
        _ => return None,
    };
    let about = change.about_mut();
    // What the first says of itself does not hold for a change.
    *about = About { caption: String::new(), provenance: String::new(), ..a.about().clone() };
    if !about.title.is_empty() {
        about.title.push_str(": change");
    }
    Some(change)
}

fn subtract(a: &Array<f32>, b: &Array<f32>) -> Option<Array<f32>> {
    let mut from = a.data().iter();
    a.same_axes(b).then(|| b.map(|&to| to - from.next().copied().unwrap_or(f32::NAN)))
}

fn subtract_f64(a: &Array<f64>, b: &Array<f64>) -> Option<Array<f64>> {
    let mut from = a.data().iter();
    a.same_axes(b).then(|| b.map(|&to| to - from.next().copied().unwrap_or(f64::NAN)))
}

fn changes_of(scale: &ColourScale) -> ColourScale {
    ColourScale { map: ColourMap::Diverging, domain: None, label: change_of(&scale.label) }
}

fn change_of(label: &str) -> String {
    if label.is_empty() { "change".to_owned() } else { format!("change of {label}") }
}

/// The words along an axis that both figures have. Names of positions may differ, no others.
fn along(axis: Option<&Axis>, a: &Guide, b: &Guide) -> Option<Guide> {
    if axis.is_none_or(|axis| axis.dim != Dim::Pos) {
        return (a == b).then(|| a.clone());
    }
    let same = a.label == b.label && a.indices == b.indices && a.ticks.len() == b.ticks.len();
    let ticks = a.ticks.iter().zip(&b.ticks).map(|(a, b)| from_to(a, b)).collect();
    same.then(|| Guide { ticks, ..a.clone() })
}

fn from_to(a: &str, b: &str) -> String {
    if a == b { a.to_owned() } else { format!("{a} → {b}") }
}

/// The axis that is so many from the last.
fn from_last(dims: &[Axis], distance: usize) -> Option<&Axis> {
    dims.iter().rev().nth(distance)
}

fn heatmap(a: &Heatmap, b: &Heatmap) -> Option<Heatmap> {
    let values = subtract(&a.values, &b.values)?;
    let x = along(from_last(a.values.dims(), 0), &a.x, &b.x)?;
    let y = along(from_last(a.values.dims(), 1), &a.y, &b.y)?;
    (a.panels == b.panels).then(|| Heatmap {
        values,
        x,
        y,
        // A word in a cell is kept where both have the same; elsewhere the second's replaces it.
        labels: b.labels.clone(),
        details: None,
        colour: changes_of(&b.colour),
        ..a.clone()
    })
}

fn tokens(a: &Tokens, b: &Tokens) -> Option<Tokens> {
    let values = subtract(&a.values, &b.values)?;
    let mut to = b.tokens.data().iter();
    let tokens = a.tokens.map(|from| to.next().map_or_else(String::new, |to| from_to(from, to)));
    (a.tokens.same_axes(&b.tokens) && a.series == b.series && !values.is_empty()).then(|| Tokens {
        tokens,
        values,
        details: Vec::new(),
        colour: changes_of(&b.colour),
        ..a.clone()
    })
}

fn lines(a: &Lines, b: &Lines) -> Option<Lines> {
    let y = subtract(&a.y, &b.y)?;
    let x_axis = along(from_last(a.y.dims(), 0), &a.x_axis, &b.x_axis)?;
    (a.x == b.x && a.series == b.series).then(|| Lines {
        y,
        x_axis,
        band: None,
        y_domain: None,
        y_label: change_of(&b.y_label),
        // Changes have both signs, which powers of ten cannot show.
        y_scale: crate::Scale::Linear,
        ..a.clone()
    })
}

fn bars(a: &Bars, b: &Bars) -> Option<Bars> {
    let values = subtract(&a.values, &b.values)?;
    let bars = along(from_last(a.values.dims(), 0), &a.bars, &b.bars)?;
    (a.series == b.series).then(|| Bars { values, bars, label: change_of(&b.label), domain: None, ..a.clone() })
}

fn histogram(a: &Histogram, b: &Histogram) -> Option<Histogram> {
    let counts = subtract_f64(&a.counts, &b.counts)?;
    let same_places = a.edges == b.edges && a.series == b.series;
    same_places.then(|| Histogram { counts, y_scale: crate::Scale::Linear, ..a.clone() })
}

/// Columns of words must be equal, except where the rows are positions; columns of numbers are subtracted, except those
/// that only number the rows.
fn table(a: &Table, b: &Table) -> Option<Table> {
    if a.rows != b.rows || a.columns.len() != b.columns.len() {
        return None;
    }
    let positions = a.rows.dim == Dim::Pos;
    let counts = |numbers: &Array<f64>| numbers.data().iter().enumerate().all(|(i, &x)| x == i as f64);
    let change = |(a, b): (&Column, &Column)| {
        let cells = match (&a.cells, &b.cells) {
            _ if a.name != b.name => return None,
            (Cells::Words(from), Cells::Words(to)) if from == to => b.cells.clone(),
            (Cells::Words(from), Cells::Words(to)) if positions && from.same_axes(to) => {
                let mut from = from.data().iter();
                Cells::Words(to.map(|to| from.next().map_or_else(String::new, |from| from_to(from, to))))
            }
            (Cells::Numbers(from), Cells::Numbers(to)) if counts(from) && counts(to) => b.cells.clone(),
            (Cells::Numbers(from), Cells::Numbers(to)) => Cells::Numbers(subtract_f64(from, to)?),
            _ => return None,
        };
        Some(Column { cells, colour: b.colour.as_ref().map(changes_of), ..b.clone() })
    };
    let columns = a.columns.iter().zip(&b.columns).map(change).collect::<Option<_>>()?;
    Some(Table { columns, ..a.clone() })
}

/// The change of pictures in colour is drawn as its mean over the channels.
fn images(a: &Images, b: &Images) -> Option<Images> {
    let change = subtract(&a.pixels, &b.pixels)?;
    let channels = change.size(crate::Dim::Channel).unwrap_or(1);
    let mut pixels = change.clone();
    if channels > 1 {
        let planes: Vec<Array<f32>> = (0..channels).filter_map(|c| change.at(crate::Dim::Channel, c)).collect();
        let mean = |i: usize| planes.iter().map(|plane| plane.data()[i]).sum::<f32>() / channels as f32;
        let mut pixel = 0..;
        pixels = planes.first()?.map(|_| pixel.next().map_or(f32::NAN, mean));
    }
    (a.names == b.names).then(|| Images { pixels, colour: changes_of(&b.colour), ..a.clone() })
}

/// Only the values of points are subtracted: the points must be in the same places.
fn scatter(a: &Scatter, b: &Scatter) -> Option<Scatter> {
    let values = subtract(a.values.as_ref()?, b.values.as_ref()?)?;
    let same_places = a.x == b.x && a.y == b.y && a.names == b.names;
    same_places.then(|| Scatter { values: Some(values), colour: changes_of(&b.colour), ..a.clone() })
}

/// The pairs that have a difference, at least one; a table of names beside a map has none, the maps have.
fn group(a: &Group, b: &Group) -> Option<Group> {
    let pairs = a.figures.iter().zip(&b.figures);
    let figures: Vec<Figure> = pairs.filter_map(|(a, b)| difference(a, b)).collect();
    (a.figures.len() == b.figures.len() && !figures.is_empty()).then(|| Group { figures, ..a.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;

    fn map(data: Vec<f32>) -> Heatmap {
        Heatmap::new(Array::matrix(Dim::Layer, Dim::Pos, 1, data.len(), data).unwrap()).title("KL")
    }

    #[test]
    fn the_second_minus_the_first() {
        let change = difference(&map(vec![1.0, 5.0]).into(), &map(vec![3.0, 4.0]).into()).unwrap();
        let Figure::Heatmap(change) = change else { panic!("another kind") };
        assert_eq!(change.values.data(), [2.0, -1.0]);
        assert_eq!(change.colour.map, ColourMap::Diverging);
        assert_eq!(change.about.title, "KL: change");
    }

    #[test]
    fn different_places_have_no_difference() {
        let one: Figure = map(vec![1.0]).into();
        assert!(difference(&one, &map(vec![1.0, 2.0]).into()).is_none());
        assert!(difference(&one, &map(vec![1.0]).x(Guide::new("other")).into()).is_none());
        assert!(difference(&one, &map(vec![1.0]).title("KL of another token").into()).is_none());
        assert!(difference(&one, &Text::new("words").into()).is_none());
        assert!(difference(&Text::new("words").into(), &Text::new("words").into()).is_none());
        let pair = Group::new([one.clone(), one.clone()]);
        let mixed = Group::new([one.clone(), Text::new("words").into()]);
        let parts = |b: &Group| match difference(&pair.clone().into(), &b.clone().into()) {
            Some(Figure::Group(change)) => change.figures.len(),
            _ => 0,
        };
        assert_eq!((parts(&pair), parts(&mixed), parts(&Group::new([one]))), (2, 1, 0));
    }

    #[test]
    fn prompts_of_one_length_are_compared_by_position() {
        let of = |token: &str, layer: &str| {
            let map =
                map(vec![1.0, 2.0]).x(Guide::new("token").ticks(["in", token])).y(Guide::default().ticks([layer]));
            Figure::from(map)
        };
        let Some(Figure::Heatmap(change)) = difference(&of("France", "0"), &of("Italy", "0")) else {
            panic!("no difference")
        };
        assert_eq!(change.x.ticks, ["in", "France → Italy"]);
        assert!(difference(&of("France", "0"), &of("France", "1")).is_none(), "layers are not positions");
        let row = |token: &str, p: f64| {
            let table = Table::new(Dim::Pos).numbers("pos", [0.0, 1.0]).words("token", ["in", token]);
            Figure::from(table.numbers("p", [0.5, p]))
        };
        let Some(Figure::Table(change)) = difference(&row("France", 0.25), &row("Italy", 1.0)) else {
            panic!("no difference")
        };
        let Cells::Words(words) = &change.columns[1].cells else { panic!("no words") };
        assert_eq!(words.data(), ["in", "France → Italy"]);
        let [Cells::Numbers(pos), Cells::Numbers(p)] = [&change.columns[0].cells, &change.columns[2].cells] else {
            panic!("no numbers")
        };
        assert_eq!((pos.data(), p.data()), (&[0.0, 1.0][..], &[0.0, 0.75][..]));
    }

    #[test]
    fn a_table_subtracts_numbers_under_equal_words() {
        let of =
            |score: f64| Figure::from(Table::new(Dim::Head).words("head", ["0", "1"]).numbers("score", [score, 1.0]));
        let Some(Figure::Table(change)) = difference(&of(1.0), &of(0.5)) else { panic!("no difference") };
        let Cells::Numbers(numbers) = &change.columns[1].cells else { panic!("no numbers") };
        assert_eq!(numbers.data(), [-0.5, 0.0]);
    }
}
