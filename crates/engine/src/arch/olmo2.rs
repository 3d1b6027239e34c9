//! `OLMo` 2 (arXiv 2501.00656): norms after the layers, on what they add to the stream, and norms of q and k over all
//! heads together.

use std::sync::Arc;

use kernels::{Act, Backend, NormKind, Residency};

use crate::arch::Architecture;
use crate::blocks::attention::{AttentionPlan, QkNorm};
use crate::blocks::decoder::{BlockPlan, Norms, Plan};
use crate::blocks::feed::FeedPlan;
use crate::blocks::mlp::MlpPlan;
use crate::blocks::norm::NormPlan;
use crate::blocks::rope::Rope;
use crate::names::Names;
use crate::shape::Shape;
use crate::{Config, Model, Result, Weights};

/// The family.
pub struct Olmo2;

const FAMILY: &str = "olmo2";

/// Parts, and what Hugging Face calls them.
const NAMES: &[(&str, &str)] = &[
    ("embed", "model.embed_tokens"),
    ("attn.q", "model.layers.{i}.self_attn.q_proj"),
    ("attn.k", "model.layers.{i}.self_attn.k_proj"),
    ("attn.v", "model.layers.{i}.self_attn.v_proj"),
    ("attn.o", "model.layers.{i}.self_attn.o_proj"),
    ("attn.q_norm", "model.layers.{i}.self_attn.q_norm"),
    ("attn.k_norm", "model.layers.{i}.self_attn.k_norm"),
    ("ln1_post", "model.layers.{i}.post_attention_layernorm"),
    ("mlp.gate", "model.layers.{i}.mlp.gate_proj"),
    ("mlp.up", "model.layers.{i}.mlp.up_proj"),
    ("mlp.down", "model.layers.{i}.mlp.down_proj"),
    ("ln2_post", "model.layers.{i}.post_feedforward_layernorm"),
    ("ln_final", "model.norm"),
    ("unembed", "lm_head"),
];

impl Architecture for Olmo2 {
    fn names(&self) -> &'static [&'static str] {
        &["Olmo2ForCausalLM", "olmo2"]
    }

    fn build(
        &self,
        config: &Config,
        mut weights: Weights,
        backend: Arc<dyn Backend>,
        residency: Residency,
    ) -> Result<Box<dyn Model>> {
        let shape = Shape::read(config, &weights, FAMILY)?;
        let rope = Rope::read(config, &mut weights, shape.d_head, 1.0)?;
        let norm = NormPlan { kind: NormKind::Rms, eps: shape.eps.unwrap_or(1e-5) };
        let block = BlockPlan {
            attention: AttentionPlan { qk_norm: Some((QkNorm::Row, norm)), ..shape.attention() },
            mlp: Some(FeedPlan::Dense(MlpPlan { d_mlp: shape.d_mlp, act: config.act(Act::Silu)?, gated: true })),
            norms: Norms::After,
            parallel: false,
        };
        let plan = Plan { norm: Some(norm), ropes: vec![rope], blocks: vec![block; shape.layers], ..shape.plan() };
        let names = Names::new(NAMES, config);
        plan.build(weights, backend, residency, |layer, part| names.place(layer, part))
    }
}
