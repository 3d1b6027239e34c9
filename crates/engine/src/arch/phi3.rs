//! Phi-3 (Abdin et al. 2024): llama's blocks with fused matrices, and rotations that depend on the length of the text.

use std::sync::Arc;

use kernels::{Act, Backend, Mask, NormKind, Residency};

use crate::arch::Architecture;
use crate::blocks::attention::AttentionPlan;
use crate::blocks::decoder::{BlockPlan, Norms, Plan};
use crate::blocks::feed::FeedPlan;
use crate::blocks::mlp::MlpPlan;
use crate::blocks::norm::NormPlan;
use crate::blocks::rope::Rope;
use crate::names::{GATE_UP, Names, QKV};
use crate::shape::Shape;
use crate::{Config, Model, Result, Weights};

/// The family.
pub struct Phi3;

const FAMILY: &str = "phi3";

/// Parts, and what Hugging Face calls them.
const NAMES: &[(&str, &str)] = &[
    ("embed", "model.embed_tokens"),
    ("ln1", "model.layers.{i}.input_layernorm"),
    ("attn.qkv", "model.layers.{i}.self_attn.qkv_proj"),
    ("attn.o", "model.layers.{i}.self_attn.o_proj"),
    ("ln2", "model.layers.{i}.post_attention_layernorm"),
    ("mlp.gate_up", "model.layers.{i}.mlp.gate_up_proj"),
    ("mlp.down", "model.layers.{i}.mlp.down_proj"),
    ("ln_final", "model.norm"),
    ("unembed", "lm_head"),
];

impl Architecture for Phi3 {
    fn names(&self) -> &'static [&'static str] {
        &["Phi3ForCausalLM", "phi3"]
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
        let window = if config.is_gguf() { "attention.sliding_window" } else { "sliding_window" };
        let window = config.fields().window(window)?;
        let attention = AttentionPlan { mask: window.map_or(Mask::Causal, Mask::Window), ..shape.attention() };
        let mlp = MlpPlan { d_mlp: shape.d_mlp, act: config.act(Act::Silu)?, gated: true };
        let block = BlockPlan { attention, mlp: Some(FeedPlan::Dense(mlp)), norms: Norms::Before, parallel: false };
        let plan = Plan {
            norm: Some(NormPlan { kind: NormKind::Rms, eps: shape.eps.unwrap_or(1e-5) }),
            ropes: vec![rope],
            blocks: vec![block; shape.layers],
            ..shape.plan()
        };
        let names = Names::new(NAMES, config);
        let (queries, keys) = (shape.heads * shape.d_head, shape.kv_heads * shape.d_head);
        plan.build(weights, backend, residency, |layer, part| {
            if let Some((which, whole)) = names.fused(layer, part, QKV) {
                return Some(whole.slice(QKV, which, &[queries, keys, keys]));
            }
            if let Some((which, whole)) = names.fused(layer, part, GATE_UP) {
                return Some(whole.slice(GATE_UP, which, &[shape.d_mlp; 2]));
            }
            names.place(layer, part)
        })
    }
}
