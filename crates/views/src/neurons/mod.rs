//! Neurons: what they write, and when.

pub mod activations;
pub mod promoted_tokens;
pub mod top_samples;
