//! GPT-NeoX (Black et al. 2022), the family of Pythia: attention and MLP side by side, rotation of a part of each head,
//! norms with mean and bias.

use std::sync::Arc;

use kernels::{Act, Backend, NormKind, Residency};

use crate::arch::Architecture;
use crate::blocks::decoder::{BlockPlan, Norms, Plan};
use crate::blocks::feed::FeedPlan;
use crate::blocks::mlp::MlpPlan;
use crate::blocks::norm::NormPlan;
use crate::blocks::rope::Rope;
use crate::names::{Names, QKV};
use crate::shape::Shape;
use crate::{Config, Model, Result, Weights};

/// The family.
pub struct Neox;

const FAMILY: &str = "neox";

/// Parts, and what Hugging Face calls them.
const NAMES: &[(&str, &str)] = &[
    ("embed", "gpt_neox.embed_in"),
    ("ln1", "gpt_neox.layers.{i}.input_layernorm"),
    ("attn.qkv", "gpt_neox.layers.{i}.attention.query_key_value"),
    ("attn.o", "gpt_neox.layers.{i}.attention.dense"),
    ("ln2", "gpt_neox.layers.{i}.post_attention_layernorm"),
    ("mlp.up", "gpt_neox.layers.{i}.mlp.dense_h_to_4h"),
    ("mlp.down", "gpt_neox.layers.{i}.mlp.dense_4h_to_h"),
    ("ln_final", "gpt_neox.final_layer_norm"),
    ("unembed", "embed_out"),
];

/// What the names of tensors that carry nothing end with.
const BUFFERS: &[&str] = &[".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq"];

impl Architecture for Neox {
    fn names(&self) -> &'static [&'static str] {
        &["GPTNeoXForCausalLM", "gptneox"]
    }

    fn build(
        &self,
        config: &Config,
        mut weights: Weights,
        backend: Arc<dyn Backend>,
        residency: Residency,
    ) -> Result<Box<dyn Model>> {
        // The causal mask and frequencies, which old versions of the code kept among the tensors.
        weights.ignore(|name| BUFFERS.iter().any(|buffer| name.ends_with(buffer)));
        let shape = Shape::read(config, &weights, FAMILY)?;
        let rope = Rope::read(config, &mut weights, shape.d_head, 0.25)?;
        let block = BlockPlan {
            attention: shape.attention(),
            mlp: Some(FeedPlan::Dense(MlpPlan { d_mlp: shape.d_mlp, act: config.act(Act::Gelu)?, gated: false })),
            norms: Norms::Before,
            parallel: config.fields().flag("use_parallel_residual").unwrap_or(true),
        };
        let plan = Plan {
            norm: Some(NormPlan { kind: NormKind::Layer, eps: shape.eps.unwrap_or(1e-5) }),
            ropes: vec![rope],
            blocks: vec![block; shape.layers],
            ..shape.plan()
        };
        let names = Names::new(NAMES, config);
        let (heads, d_head) = (shape.heads, shape.d_head);
        plan.build(weights, backend, residency, |layer, part| match names.fused(layer, part, QKV) {
            // Conversion to GGUF sorts heads into three parts; else each head's query, key and value lie together.
            Some((which, whole)) if names.gguf => Some(whole.slice(QKV, which, &[heads * d_head; 3])),
            Some((which, whole)) => {
                let rows = (0..heads).flat_map(|head| (0..d_head).map(move |i| (head * 3 + which) * d_head + i));
                Some(whole.piece(["q", "k", "v"][which], rows, 3 * heads * d_head))
            }
            None => names.place(layer, part),
        })
    }
}
