//! Cause: what a prediction depends on, by changing it.

pub mod das;
pub mod tracing;
