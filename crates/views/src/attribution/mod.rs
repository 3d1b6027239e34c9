//! Attribution: which parts of a network or of a text an answer is owed to.

pub mod direct_logit;
pub mod head_sources;
pub mod saliency;
