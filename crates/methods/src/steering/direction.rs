//! Directions from prompts of two kinds.

use engine::{Batch, Capture, Edit, Error, Logits, Model, Result, Run, diagnose};
use nalgebra::DMatrix;

use super::check_layer;
use crate::Tick;
use crate::place::dot;

/// Prompts that are run at once.
const AT_ONCE: usize = 32;

/// What the residual stream after a block has at the last position of prompts of two kinds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrasted {
    /// Rows `[d_model]`, one for each positive prompt.
    pub positive: Vec<Vec<f64>>,
    /// One for each negative prompt.
    pub negative: Vec<Vec<f64>>,
}

/// Runs prompts of two kinds, under edits that hold for any prompt. `tick` is told after every few prompts.
pub fn contrasted(
    model: &dyn Model,
    layer: usize,
    [positive, negative]: [&[Vec<u32>]; 2],
    edits: &[Edit],
    memory: Option<u64>,
    tick: Tick<'_>,
) -> Result<Contrasted> {
    check_layer(model, layer)?;
    if positive.is_empty() || negative.is_empty() {
        let why = "a contrast needs prompts of both kinds: at least one positive and one negative";
        return Err(Error::Input(why.into()));
    }
    let of = (positive.len() + negative.len()) as u64;
    let mut done = 0;
    let mut rows = |prompts: &[Vec<u32>]| -> Result<Vec<Vec<f64>>> {
        let mut rows = Vec::with_capacity(prompts.len());
        for some in prompts.chunks(AT_ONCE) {
            tick(done, of)?;
            rows.extend(last_rows(model, layer, some, edits, memory)?);
            done += some.len() as u64;
        }
        Ok(rows)
    };
    Ok(Contrasted { positive: rows(positive)?, negative: rows(negative)? })
}

/// `resid_post` of a block at the last position of each prompt.
pub(crate) fn last_rows(
    model: &dyn Model,
    layer: usize,
    prompts: &[Vec<u32>],
    edits: &[Edit],
    memory: Option<u64>,
) -> Result<Vec<Vec<f64>>> {
    let id = model.spec().per_layer("resid_post")[layer];
    let mut capture = Capture::of(vec![id]);
    let batch = Batch::new(prompts)?;
    let run = Run::new(model, batch.clone()).edits(edits).logits(Logits::None);
    match memory {
        Some(bytes) => run.memory(bytes),
        None => run,
    }
    .tap(&mut capture)?;
    let none = || Error::Input("the pass did not meet the block".into());
    let captured = capture.get(id).ok_or_else(none)?;
    let width = captured.point.width();
    let all = captured.data.to_f64();
    if all.iter().any(|x| !x.is_finite()) {
        return Err(diagnose(model, batch, edits, None));
    }
    Ok(batch.last_rows().iter().map(|&row| all[row as usize * width..(row as usize + 1) * width].to_vec()).collect())
}

impl Contrasted {
    /// The mean of the positive rows minus that of the negative ones (Panickssery et al. 2023, arXiv 2312.06681).
    pub fn mean_difference(&self) -> Vec<f64> {
        let (positive, negative) = (mean(&self.positive), mean(&self.negative));
        positive.iter().zip(negative).map(|(p, n)| p - n).collect()
    }

    /// The direction along which the differences of pairs are longest: their first principal component, about zero and
    /// not about their mean, which is what they have in common (Zou et al. 2023, arXiv 2310.01405, turn some of them round
    /// to that end). It points as the mean difference does, and is as long as that difference is along it.
    pub fn principal(&self) -> Result<Vec<f64>> {
        let (positive, negative) = (self.positive.len(), self.negative.len());
        if positive != negative {
            return Err(Error::Input(format!(
                "pairs are needed, each positive prompt with its negative one: there are {positive} and {negative}"
            )));
        }
        let pairs = self.positive.iter().zip(&self.negative);
        let differences: Vec<Vec<f64>> = pairs.map(|(p, n)| p.iter().zip(n).map(|(p, n)| p - n).collect()).collect();
        // The leading eigenvector of D·Dᵀ, brought back by Dᵀ: there are fewer pairs than dimensions.
        let gram = DMatrix::from_fn(positive, positive, |i, j| dot(&differences[i], &differences[j]));
        let eigen = gram.symmetric_eigen();
        let largest = eigen.eigenvalues.imax();
        let mut direction = vec![0.0; differences[0].len()];
        for (difference, weight) in differences.iter().zip(eigen.eigenvectors.column(largest).iter()) {
            direction.iter_mut().zip(difference).for_each(|(x, d)| *x += weight * d);
        }
        let length = dot(&direction, &direction).sqrt();
        let along = dot(&direction, &self.mean_difference()) / length;
        // Its own sign is arbitrary: `along` has the same, and two make none.
        Ok(direction.iter().map(|x| if length > 0.0 { x / length * along } else { 0.0 }).collect())
    }

    /// The mean part of the negative rows, and of the positive ones, along a direction that is taken at length 1.
    pub fn levels(&self, direction: &[f64]) -> [f64; 2] {
        let length = dot(direction, direction).sqrt();
        [&self.negative, &self.positive].map(|rows| dot(&mean(rows), direction) / length)
    }
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; rows[0].len()];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / rows.len() as f64);
    }
    mean
}
