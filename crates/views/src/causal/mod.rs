//! Cause: what a prediction depends on, by changing it.

pub mod activation_patching;
pub mod tracing;
