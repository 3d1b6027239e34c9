//! Where attention heads look.

pub mod head_circuits;
pub mod pattern;
