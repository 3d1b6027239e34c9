//! Composition of attention heads: how much of what an earlier head writes is in what a later one reads (Elhage et al.
//! 2021), above what random matrices of the same shapes would have.

use engine::Result;
use nalgebra::DMatrix;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Composition scores ‖A·B‖ / (‖A‖·‖B‖) of a head with every head of earlier layers, less the baseline's mean; norms are
/// Frobenius norms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compositions {
    /// `[layer, head]`: A = `W_QK`ᵀ, B = `W_OV`: what its queries read.
    pub q: Vec<f64>,
    /// `[layer, head]`: A = `W_QK`, B = `W_OV`: what its keys read.
    pub k: Vec<f64>,
    /// `[layer, head]`: A = the head's own `W_OV`, B = the earlier one's: what its values read.
    pub v: Vec<f64>,
}

/// The matrices of a head.
pub(crate) struct Factors<'a> {
    /// `[d_head, d_model]`.
    pub(crate) q: &'a DMatrix<f64>,
    /// `[d_head, d_model]`.
    pub(crate) k: &'a DMatrix<f64>,
    /// `[d_head, d_model]`.
    pub(crate) v: &'a DMatrix<f64>,
    /// `[d_model, d_head]`.
    pub(crate) o: &'a DMatrix<f64>,
}

/// Scores of random matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
}

/// ‖L·M·R‖², of which Gram matrices `LᵀL` and `RRᵀ` are given.
fn square(left: &DMatrix<f64>, middle: &DMatrix<f64>, right: &DMatrix<f64>) -> f64 {
    (left * middle).component_mul(&(middle * right)).sum()
}

/// ‖Lᵀ·R‖² for L and R `[d_head, d_model]`, whose Gram matrices `LLᵀ` and `RRᵀ` are given.
fn square_of_two(left: &DMatrix<f64>, right: &DMatrix<f64>) -> f64 {
    left.component_mul(right).sum()
}

fn gram(rows: &DMatrix<f64>) -> DMatrix<f64> {
    rows * rows.transpose()
}

/// The scores of a head with those of earlier layers, each given by its v `[d_head, d_model]` and o
/// `[d_model, d_head]`. All is computed between the heads' own coordinates: no matrix of
/// `d_model` by `d_model` is made. `tick` is told how many layers are done.
pub(crate) fn compositions(
    own: &Factors<'_>,
    earlier: impl Iterator<Item = Vec<(DMatrix<f64>, DMatrix<f64>)>>,
    baseline: f64,
    tick: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Compositions> {
    let [q_gram, k_gram, v_gram, o_gram] = [gram(own.q), gram(own.k), gram(own.v), gram(&own.o.transpose())];
    let (qk, ov) = (square_of_two(&q_gram, &k_gram).sqrt(), square_of_two(&o_gram, &v_gram).sqrt());
    let mut found = Compositions::default();
    for (done, heads) in earlier.enumerate() {
        tick(done as u64)?;
        for (v_before, o_before) in &heads {
            let (right, o_of_before) = (gram(v_before), gram(&o_before.transpose()));
            let before = square_of_two(&o_of_before, &right).sqrt();
            let score = |left: &DMatrix<f64>, reads: &DMatrix<f64>, norm: f64| {
                square(left, &(reads * o_before), &right).max(0.0).sqrt() / (norm * before) - baseline
            };
            found.q.push(score(&k_gram, own.q, qk));
            found.k.push(score(&q_gram, own.k, qk));
            found.v.push(score(&o_gram, own.v, ov));
        }
    }
    Ok(found)
}

/// Scores of `draws` pairs of products of random matrices with even elements (Glorot and Bengio 2010), as Unseal takes
/// them. A score does not depend on the scale of any factor, so one range serves all; and since q, k, v and o have one
/// shape, the three kinds of composition have one and the same distribution.
pub(crate) fn baseline(
    d_head: usize,
    d_model: usize,
    draws: usize,
    seed: u64,
    tick: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Baseline> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut even = || (random.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
    let mut matrix = || DMatrix::from_fn(d_head, d_model, |_, _| even());
    let mut scores = Vec::with_capacity(draws);
    for done in 0..draws {
        tick(done as u64)?;
        // The product is qᵀ·k·o·v, with o drawn as its transpose.
        let [q, k, o, v] = [matrix(), matrix(), matrix(), matrix()];
        let [q_gram, k_gram, o_gram, v_gram] = [&q, &k, &o, &v].map(gram);
        let whole = square(&q_gram, &(&k * o.transpose()), &v_gram).sqrt();
        scores.push(whole / (square_of_two(&q_gram, &k_gram) * square_of_two(&o_gram, &v_gram)).sqrt());
    }
    let mean = scores.iter().sum::<f64>() / draws as f64;
    let variance = scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (draws as f64 - 1.0);
    Ok(Baseline { mean, deviation: variance.sqrt() })
}
