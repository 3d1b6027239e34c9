//! The points of a model as lists: one by one, and summed up over blocks.

use engine::{Point, Spec};
use serde::Serialize;

/// A point, as `points --json` tells it.
#[derive(Serialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    /// The block, if it is in one.
    layer: Option<usize>,
    /// Axes without `batch`, outermost first.
    pub(crate) dims: Vec<String>,
    /// Lengths of the axes; null where it is the prompt's.
    shape: Vec<Option<usize>>,
}

/// Every point.
pub(crate) fn told(spec: &Spec) -> Vec<Told> {
    let one = |point: &Point| Told {
        name: point.name.clone(),
        layer: point.layer,
        dims: point.axes.iter().map(|(axis, _)| axis.to_string()).collect(),
        shape: point.axes.iter().map(|(_, len)| *len).collect(),
    };
    spec.points.iter().map(one).collect()
}

/// Points that are alike in several blocks, as one line.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    /// `blocks.{i}.attn.z`, or the name as it is.
    pub(crate) name: String,
    /// `[pos, head 9, d_head 64]`.
    pub(crate) axes: String,
    /// `0 to 29`, or nothing.
    pub(crate) layers: String,
}

/// The points in the model's order, those of blocks summed up at their first.
pub(crate) fn summed_up(spec: &Spec) -> Vec<Line> {
    let mut lines: Vec<(String, String, Vec<usize>)> = Vec::new();
    for point in &spec.points {
        let name = match point.layer {
            Some(layer) => point.name.replacen(&format!("blocks.{layer}."), "blocks.{i}.", 1),
            None => point.name.clone(),
        };
        let length = |len: Option<usize>| len.map_or_else(String::new, |len| format!(" {len}"));
        let axes: Vec<String> = point.axes.iter().map(|(axis, len)| format!("{axis}{}", length(*len))).collect();
        let axes = format!("[{}]", axes.join(", "));
        match lines.iter_mut().find(|(other, others_axes, _)| *other == name && *others_axes == axes) {
            Some((_, _, layers)) => layers.extend(point.layer),
            None => lines.push((name, axes, point.layer.into_iter().collect())),
        }
    }
    let line = |(name, axes, layers): (String, String, Vec<usize>)| Line { name, axes, layers: ranges(&layers) };
    lines.into_iter().map(line).collect()
}

/// `0 to 3, 5`.
fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |&(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_numbers() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0 to 2, 5, 7 to 8");
        assert_eq!(ranges(&[]), "");
    }
}
