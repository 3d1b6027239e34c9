//! Neurons: what they write, and when.

pub mod promoted_tokens;
