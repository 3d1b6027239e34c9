//! Neurons grouped by the direction of what they write.

use engine::{Error, Model, PointId, Result};
use nalgebra::DMatrix;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::Tick;
use crate::place::anatomy;

/// Sub-updates of a layer that are looked at.
pub const DOMINANT: usize = 10;
/// Rounds of the grouping.
const ROUNDS: usize = 10;
/// Vectors that are compared with all centres at once.
const AT_ONCE: usize = 4096;

/// Neurons of all layers in groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    points: Vec<PointId>,
    /// Of each layer's neurons.
    of_neurons: Vec<Vec<u16>>,
    /// ‖vᵢ‖ of each layer's neurons.
    norms: Vec<Vec<f32>>,
}

impl Groups {
    /// Groups the neurons of all layers together by the cosines of their output vectors, by k-means on the sphere from
    /// `count` vectors drawn by `seed`. (Geva et al. 2022, arXiv 2203.14680, section 5.2, have 200 groups, by agglomerative
    /// clustering, whose memory grows with the square of the number of neurons.)
    pub fn of(model: &dyn Model, count: usize, seed: u64, tick: Tick<'_>) -> Result<Self> {
        let (anatomy, backend) = (anatomy(model)?, model.backend());
        let (mut points, mut norms, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
        for (layer, block) in anatomy.layers.iter().enumerate() {
            let [mlp] = block.mlps.as_slice() else {
                return Err(Error::Input(format!("block {layer} has not one feed-forward layer, so no sub-updates")));
            };
            let (matrix, written) = (&mlp.down.weight.matrix, backend.unpack(&mlp.down.weight.matrix));
            if matrix.ins < DOMINANT {
                return Err(Error::Input(format!("layer {layer} has fewer than {DOMINANT} neurons")));
            }
            points.push(mlp.neurons);
            let mut lengths = Vec::with_capacity(matrix.ins);
            for neuron in 0..matrix.ins {
                let v = written.iter().skip(neuron).step_by(matrix.ins);
                let length = v.clone().map(|x| x * x).sum::<f32>().sqrt();
                vectors.extend(v.map(|x| if length > 0.0 { x / length } else { 0.0 }));
                lengths.push(length);
            }
            norms.push(lengths);
        }
        let d = model.spec().sizes.d_model;
        let n = vectors.len() / d;
        if !(1..=n.min(usize::from(u16::MAX))).contains(&count) {
            return Err(Error::Input(format!(
                "{count} groups of {n} neurons are wanted: give 1 to {n}, at most 65535"
            )));
        }
        // A column is a neuron.
        let vectors = DMatrix::from_vec(d, n, vectors);
        let all = cluster(&vectors, count, seed, tick)?;
        let mut rest = all.as_slice();
        let mut of_neurons = Vec::with_capacity(norms.len());
        for norms in &norms {
            let (own, others) = rest.split_at(norms.len());
            of_neurons.push(own.to_vec());
            rest = others;
        }
        Ok(Self { points, of_neurons, norms })
    }

    pub(crate) fn points(&self) -> &[PointId] {
        &self.points
    }

    pub(crate) fn norms(&self, layer: usize) -> &[f32] {
        &self.norms[layer]
    }

    /// The group of a neuron.
    pub fn group(&self, layer: usize, neuron: usize) -> u16 {
        self.of_neurons[layer][neuron]
    }
}

/// The group of each unit vector, a column of `[d, n]`.
fn cluster(vectors: &DMatrix<f32>, count: usize, seed: u64, tick: Tick<'_>) -> Result<Vec<u16>> {
    let n = vectors.ncols();
    let mut random = Pcg64::seed_from_u64(engine::mixed(seed));
    // The first of a shuffle: `count` different ones.
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..count {
        let left = (n - i) as u128;
        order.swap(i, i + ((u128::from(random.next_u64()) * left) >> 64) as usize);
    }
    let mut centres = vectors.select_columns(&order[..count]);
    let mut groups = vec![0; n];
    for round in 0..ROUNDS {
        tick(round as u64, ROUNDS as u64)?;
        for start in (0..n).step_by(AT_ONCE) {
            let some = vectors.columns(start, AT_ONCE.min(n - start));
            let cosines = centres.tr_mul(&some);
            for (i, column) in cosines.column_iter().enumerate() {
                groups[start + i] = column.imax() as u16;
            }
        }
        let mut sums = DMatrix::zeros(vectors.nrows(), count);
        for (vector, &group) in vectors.column_iter().zip(&groups) {
            let mut sum = sums.column_mut(usize::from(group));
            sum += vector;
        }
        for (mut centre, sum) in centres.column_iter_mut().zip(sums.column_iter()) {
            let length: f32 = sum.norm();
            // A centre that nothing is nearest to stays where it is.
            if length > 0.0 {
                centre.copy_from(&(sum / length));
            }
        }
    }
    Ok(groups)
}
