//! The mixtures of experts of Qwen2 (with an expert that all tokens share) and Qwen3: llamas otherwise.

use std::sync::Arc;

use kernels::{Backend, Residency};

use crate::arch::{Architecture, llama};
use crate::blocks::experts::ExpertsPlan;
use crate::blocks::feed::FeedPlan;
use crate::blocks::mlp::MlpPlan;
use crate::{Config, Model, Result, Weights};

/// The family.
pub struct QwenMoe;

const FAMILY: &str = "qwen_moe";

/// What Hugging Face calls parts that a llama does not have.
const NAMES: &[(&str, &str)] = &[
    ("mlp.router", "model.layers.{i}.mlp.gate"),
    ("mlp.experts.{e}.gate", "model.layers.{i}.mlp.experts.{e}.gate_proj"),
    ("mlp.experts.{e}.up", "model.layers.{i}.mlp.experts.{e}.up_proj"),
    ("mlp.experts.{e}.down", "model.layers.{i}.mlp.experts.{e}.down_proj"),
    ("mlp.shared.gate", "model.layers.{i}.mlp.shared_expert.gate_proj"),
    ("mlp.shared.up", "model.layers.{i}.mlp.shared_expert.up_proj"),
    ("mlp.shared.down", "model.layers.{i}.mlp.shared_expert.down_proj"),
    ("mlp.shared.router", "model.layers.{i}.mlp.shared_expert_gate"),
];

impl Architecture for QwenMoe {
    fn names(&self) -> &'static [&'static str] {
        &["Qwen2MoeForCausalLM", "Qwen3MoeForCausalLM", "qwen2moe", "qwen3moe"]
    }

    fn build(
        &self,
        config: &Config,
        weights: Weights,
        backend: Arc<dyn Backend>,
        residency: Residency,
    ) -> Result<Box<dyn Model>> {
        let f = config.fields();
        let name = config.architecture().unwrap_or_default();
        let dense_layers = f.numbers("mlp_only_layers")?.unwrap_or_default();
        let step = f.optional_size("decoder_sparse_step")?.unwrap_or(1);
        let shared = ["shared_expert_intermediate_size", "expert_shared_feed_forward_length"];
        let shared = shared.into_iter().find(|field| f.has(field)).map(|field| f.size(field)).transpose()?;
        llama::decoder(config, FAMILY, weights, backend, residency, NAMES, |i, dense| {
            if dense_layers.contains(&(i as f64)) || !(i + 1).is_multiple_of(step) {
                return Ok(FeedPlan::Dense(dense));
            }
            // Of GGUF files, which do not say, those of Qwen3 are the normalised ones.
            let experts = ExpertsPlan::read(config, dense, name == "qwen3moe")?;
            Ok(FeedPlan::Experts(ExpertsPlan { shared: shared.map(|d_mlp| MlpPlan { d_mlp, ..dense }), ..experts }))
        })
    }
}
