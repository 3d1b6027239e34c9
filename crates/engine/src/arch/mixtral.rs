//! Mixtral (Jiang et al. 2024, arXiv 2401.04088): a llama in which every feed-forward layer is a mixture of experts.

use std::sync::Arc;

use kernels::{Backend, Residency};

use crate::arch::{Architecture, llama};
use crate::blocks::experts::ExpertsPlan;
use crate::blocks::feed::FeedPlan;
use crate::{Config, Model, Result, Weights};

/// The family. GGUF files call it a llama.
pub struct Mixtral;

const FAMILY: &str = "mixtral";

/// What Hugging Face calls parts that a llama does not have.
const NAMES: &[(&str, &str)] = &[
    ("mlp.router", "model.layers.{i}.block_sparse_moe.gate"),
    ("mlp.experts.{e}.gate", "model.layers.{i}.block_sparse_moe.experts.{e}.w1"),
    ("mlp.experts.{e}.up", "model.layers.{i}.block_sparse_moe.experts.{e}.w3"),
    ("mlp.experts.{e}.down", "model.layers.{i}.block_sparse_moe.experts.{e}.w2"),
];

impl Architecture for Mixtral {
    fn names(&self) -> &'static [&'static str] {
        &["MixtralForCausalLM"]
    }

    fn build(
        &self,
        config: &Config,
        weights: Weights,
        backend: Arc<dyn Backend>,
        residency: Residency,
    ) -> Result<Box<dyn Model>> {
        llama::decoder(config, FAMILY, weights, backend, residency, NAMES, |_, dense| {
            Ok(FeedPlan::Experts(ExpertsPlan::read(config, dense, true)?))
        })
    }
}
