//! Finding the place where numbers stopped being numbers.

use std::cell::RefCell;

use crate::{Axis, Batch, Closure, Edit, Error, Logits, Model, PointId, Run};

/// Runs once more with an eye on every point, and tells where the first NaN or infinity comes up. Called after an
/// answer turned out not to be finite; the pass ends at the place that it finds.
pub fn diagnose(model: &dyn Model, batch: Batch, edits: &[Edit], prompt_lengths: Option<Vec<usize>>) -> Error {
    let found = RefCell::new(None);
    let spec = model.spec();
    // Each head's own contribution is the largest activation by far, and its sum comes right after it.
    let watched = |id: &PointId| !spec.points[id.index()].name.ends_with(".attn.result");
    let points = (0..spec.points.len()).map(|i| PointId(i as u32)).filter(watched).collect();
    let mut tap = Closure::at(points, |seen| {
        let values = seen.tensor.data.to_f32();
        // A masked score is minus infinity, and nothing else may be.
        let good = |x: &f32| x.is_finite() || (seen.point.is_pairs() && *x == f32::NEG_INFINITY);
        let Some(at) = values.iter().position(|x| !good(x)) else { return Ok(None) };
        *found.borrow_mut() = Some((seen.point.name.clone(), place(seen.point, seen.batch, at), values[at]));
        Err(Error::Halt)
    });
    let mut run = Run::new(model, batch).edits(edits).logits(Logits::All);
    if let Some(lengths) = prompt_lengths {
        run = run.prompt_lengths(lengths);
    }
    match run.tap(&mut tap) {
        Err(error) => error,
        Ok(_) => match found.take() {
            Some((point, place, value)) => Error::NotFinite { point, culprit: format!("{value} {place}") },
            None => {
                Error::NotFinite { point: "logits".into(), culprit: "no activation is, but their softmax is".into() }
            }
        },
    }
}

/// In words, where in a point's tensor an element is.
fn place(point: &crate::Point, batch: &Batch, at: usize) -> String {
    if point.is_pairs() {
        let starts = batch.pair_starts(point.width());
        let prompt = starts.partition_point(|&start| start <= at) - 1;
        let (rows, past) = (batch.range(prompt).len(), batch.past(prompt));
        let dst = (at - starts[prompt]) / (rows + past) % rows;
        return format!("at {} {}", Axis::DST, past + dst);
    }
    let row = at / point.width().max(1);
    let prompt = (0..batch.prompts()).find(|&i| batch.range(i).contains(&row)).unwrap_or(0);
    format!("at position {}", batch.past(prompt) + row - batch.range(prompt).start)
}
