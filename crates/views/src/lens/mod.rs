//! Predictions: what the network would say, at its end and on the way there.

pub mod logit_lens;
pub mod next_tokens;
