//! One position of a prompt: what a pass has there, and how what is written there reaches the logits.

use std::collections::HashMap;

use engine::blocks::norm::Norm;
use engine::{Anatomy, Closure, Error, Logits, PointId, Result};
use kernels::{NormKind, Span};

use crate::{Subject, Tick};

/// Activations of one position.
pub(crate) struct Place(HashMap<PointId, Vec<f64>>);

impl Place {
    /// Runs the model and keeps one position's row of some points. `tick` is told at each point.
    pub(crate) fn of(subject: Subject<'_>, position: usize, points: Vec<PointId>, tick: Tick<'_>) -> Result<Self> {
        let (mut kept, total) = (HashMap::new(), points.len() as u64);
        let mut tap = Closure::at(points, |seen| {
            tick(kept.len() as u64, total)?;
            let width = seen.point.width();
            let row = seen.backend.slice(&seen.tensor.data, Span { start: position * width, len: width });
            kept.insert(seen.id, row.to_f64().into_owned());
            Ok(None)
        });
        subject.run(Logits::None)?.tap(&mut tap)?;
        if kept.values().flatten().any(|x| !x.is_finite()) {
            return Err(subject.not_finite());
        }
        Ok(Self(kept))
    }

    /// The row of a point that was kept; of one that the model lacks, nothing.
    pub(crate) fn row(&self, id: Option<PointId>) -> Option<&[f64]> {
        self.0.get(&id?).map(Vec::as_slice)
    }
}

impl<'a> Subject<'a> {
    /// A position of the prompt; negative ones count from the end.
    pub(crate) fn position(&self, pos: i64) -> Result<usize> {
        let n = self.tokens.len();
        let from = if pos < 0 { n as i64 + pos } else { pos };
        let none = || Error::Input(format!("there is no position {pos}: the prompt has {n} tokens"));
        usize::try_from(from).ok().filter(|&from| from < n).ok_or_else(none)
    }

    /// The model's weights by the part they play.
    pub(crate) fn anatomy(&self) -> Result<Anatomy<'a>> {
        anatomy(self.model)
    }
}

/// A model's weights by the part they play.
pub(crate) fn anatomy(model: &dyn engine::Model) -> Result<Anatomy<'_>> {
    let none = || Error::Input("the model is no transformer whose weights have known parts".into());
    model.anatomy().ok_or_else(none)
}

/// What a direction behind a norm is before it, the norm's divisor frozen: with y = (x − mean x) / scale · gain + bias,
/// d·y = d'·x + d·bias. Gives d' and d·bias. Norms without a mean, gain or bias lack that part; no norm changes nothing.
pub(crate) fn through(norm: Option<&Norm>, scale: f64, direction: &[f64]) -> (Vec<f64>, f64) {
    let Some(norm) = norm else { return (direction.to_vec(), 0.0) };
    let mut before: Vec<f64> = direction.iter().map(|d| d / scale).collect();
    if let Some(gain) = norm.gain() {
        before.iter_mut().zip(gain.data.to_f64().iter()).for_each(|(d, gain)| *d *= gain);
    }
    if norm.plan().kind == NormKind::Layer {
        let mean = before.iter().sum::<f64>() / before.len() as f64;
        for d in &mut before {
            *d -= mean;
        }
    }
    (before, norm.bias().map_or(0.0, |bias| dot(direction, &bias.data.to_f64())))
}

/// The linear part of a norm whose divisor is frozen: (x − mean x) / scale · gain, without what the norm lacks.
pub(crate) fn linear_part(norm: &Norm, scale: f64, x: &[f64]) -> Vec<f64> {
    let centred = norm.plan().kind == NormKind::Layer;
    let mean = if centred { x.iter().sum::<f64>() / x.len() as f64 } else { 0.0 };
    let mut y: Vec<f64> = x.iter().map(|x| (x - mean) / scale).collect();
    if let Some(gain) = norm.gain() {
        y.iter_mut().zip(gain.data.to_f64().iter()).for_each(|(y, gain)| *y *= gain);
    }
    y
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
