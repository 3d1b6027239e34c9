//! Where attention heads look.

pub mod pattern;
