//! Causes: what a change of one part does to the prediction.

pub mod activation_patching;
