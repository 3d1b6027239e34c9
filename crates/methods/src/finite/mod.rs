//! Networks that were made for finitely many inputs, such as addition on a circle of p numbers or the product of a group:
//! what they compute can be known in full.
//!
//! Tables are row-major `[a, b, c]`, or `[input, c]` where input a·p + b is the pair of a and b; c counts answers from the
//! first. Sources are Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability" (arXiv
//! 2301.05217), and those that the methods name. All numbers are f64, and the same whatever the number of threads.

mod actions;
mod attention;
mod clock_pizza;
mod explained;
mod fourier;
mod frequencies;
mod groups;
mod neurons;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod planted;
mod progress;
mod representations;
mod table;

pub use attention::{
    AttentionDifference, AttentionWave, AttentionWaves, Instead, attention_difference, attention_wave,
};
pub use clock_pizza::{distance_irrelevance, gradient_symmetricity};
pub use explained::{Explained, Residues, Wave, centred, explained, explained_residues, other_frequencies, residues};
pub use fourier::{Fourier, Shares, gini};
pub use frequencies::{Directions, NeuronLogits, Projection, key_frequencies, logit_frequencies};
pub use groups::{CharacterFit, Group, NotAGroup, key_irreps};
pub use neurons::{NeuronWave, Part, explained_neurons, neuron_waves, replaced_neurons};
pub use progress::{Terms, only, squared_weights};
pub use representations::{Irrep, IrrepKind, irreps};
pub use table::{Finite, Over, Replaced, Score, Table, modulus, score};
