//! Attention heads, by what they do.

pub mod detect;
