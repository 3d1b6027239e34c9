//! The neurons that speak most clearly of some tokens.

use engine::{Error, Model, Result};
use nalgebra::{DMatrix, DVector};

use super::Neuron;
use crate::place::{anatomy, dot};

/// Rows of the unembedding that are read at once.
const ROWS: usize = 4096;

/// Neurons by how far their output vector v raises or lowers some tokens, compared with all tokens: the mean of E·v over the
/// given ones less the mean over the vocabulary, in standard deviations over the vocabulary. Each with its score and the
/// sign at which it *lowers* them if its activation is set to a positive strength; the furthest first.
///
/// It is the projection on the vocabulary by which Geva et al. (2022, arXiv 2203.14680) read neurons, without a person or
/// a classifier who reads. Neurons of blocks with several experts are left out.
pub fn speakers(model: &dyn Model, tokens: &[u32]) -> Result<Vec<(Neuron, f64)>> {
    let (anatomy, backend) = (anatomy(model)?, model.backend());
    let unembedding = &anatomy.unembedding.matrix;
    let (vocabulary, d) = (unembedding.outs, unembedding.ins);
    if let Some(id) = tokens.iter().find(|&&id| id as usize >= vocabulary) {
        return Err(Error::Input(format!("there is no token {id}: the vocabulary has {vocabulary}")));
    }
    if tokens.is_empty() {
        return Err(Error::Input("no tokens are given that neurons could speak of".into()));
    }
    let rows = |ids: &[u32]| {
        let read = backend.gather(unembedding, ids);
        DMatrix::from_row_slice(ids.len(), d, &read.to_f64())
    };
    let (mut centre, mut squares) = (DVector::zeros(d), DMatrix::zeros(d, d));
    let all: Vec<u32> = (0..vocabulary as u32).collect();
    for ids in all.chunks(ROWS) {
        let rows = rows(ids);
        centre += rows.row_sum().transpose();
        squares += rows.tr_mul(&rows);
    }
    centre /= vocabulary as f64;
    let covariance = squares / vocabulary as f64 - &centre * centre.transpose();
    let towards = rows(tokens).row_mean().transpose() - &centre;
    let mut found = Vec::new();
    for (layer, block) in anatomy.layers.iter().enumerate() {
        let [mlp] = block.mlps.as_slice() else { continue };
        let down = &mlp.down.weight.matrix;
        // `[d_model, neurons]`, row-major.
        let written = backend.unpack(down);
        let vectors = DMatrix::from_fn(d, down.ins, |row, neuron| f64::from(written[row * down.ins + neuron]));
        let spread = &covariance * &vectors;
        for neuron in 0..down.ins {
            let v = vectors.column(neuron);
            let sd = dot(v.as_slice(), spread.column(neuron).as_slice()).max(0.0).sqrt();
            let score = if sd > 0.0 { dot(v.as_slice(), towards.as_slice()) / sd } else { 0.0 };
            found.push((Neuron { layer, neuron, negative: score > 0.0 }, score));
        }
    }
    found.sort_by(|(a, x), (b, y)| y.abs().total_cmp(&x.abs()).then(a.cmp(b)));
    Ok(found)
}
