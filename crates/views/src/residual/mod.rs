//! The residual stream: how large it is, where it points, and who writes it.

pub mod norms;
pub mod similarity;
