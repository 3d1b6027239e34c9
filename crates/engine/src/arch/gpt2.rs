//! GPT-2 (Radford et al. 2019): pre-norm blocks with learned positions, norms with mean and bias, and plain MLPs. Files
//! of Hugging Face keep matrices as `[ins, outs]`.

use std::sync::Arc;

use kernels::{Act, Backend, NormKind, Residency};

use crate::arch::Architecture;
use crate::blocks::attention::AttentionPlan;
use crate::blocks::decoder::{BlockPlan, Norms, Plan};
use crate::blocks::feed::FeedPlan;
use crate::blocks::mlp::MlpPlan;
use crate::blocks::norm::NormPlan;
use crate::names::{Names, QKV};
use crate::shape::Shape;
use crate::{Config, Model, Result, Weights};

/// The family.
pub struct Gpt2;

const FAMILY: &str = "gpt2";

/// What the names of all tensors but the unembedding begin with, unless the file is one of the published ones.
const PREFIX: &str = "transformer.";

/// Parts, and what Hugging Face calls them.
const NAMES: &[(&str, &str)] = &[
    ("embed", "transformer.wte"),
    ("positions", "transformer.wpe"),
    ("ln1", "transformer.h.{i}.ln_1"),
    ("attn.qkv", "transformer.h.{i}.attn.c_attn"),
    ("attn.o", "transformer.h.{i}.attn.c_proj"),
    ("ln2", "transformer.h.{i}.ln_2"),
    ("mlp.up", "transformer.h.{i}.mlp.c_fc"),
    ("mlp.down", "transformer.h.{i}.mlp.c_proj"),
    ("ln_final", "transformer.ln_f"),
    ("unembed", "lm_head"),
];

impl Architecture for Gpt2 {
    fn names(&self) -> &'static [&'static str] {
        &["GPT2LMHeadModel", "gpt2"]
    }

    fn build(
        &self,
        config: &Config,
        mut weights: Weights,
        backend: Arc<dyn Backend>,
        residency: Residency,
    ) -> Result<Box<dyn Model>> {
        // The causal mask, which old versions of the code kept among the tensors.
        weights.ignore(|name| name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
        let shape = Shape::read(config, &weights, FAMILY)?;
        let (f, act) = (config.fields(), config.act(Act::GeluTanh)?);
        let block = |i: usize| {
            let mut attention = AttentionPlan { rope: None, ..shape.attention() };
            if f.flag("scale_attn_weights") == Some(false) {
                attention.scale = 1.0;
            }
            if f.flag("scale_attn_by_inverse_layer_idx") == Some(true) {
                attention.scale /= (i + 1) as f64;
            }
            let mlp = MlpPlan { d_mlp: shape.d_mlp, act, gated: false };
            BlockPlan { attention, mlp: Some(FeedPlan::Dense(mlp)), norms: Norms::Before, parallel: false }
        };
        let plan = Plan {
            positions: true,
            norm: Some(NormPlan { kind: NormKind::Layer, eps: shape.eps.unwrap_or(1e-5) }),
            blocks: (0..shape.layers).map(block).collect(),
            tied: shape.tied.unwrap_or(true),
            ..shape.plan()
        };
        let names = Names::new(NAMES, config);
        let prefixed = names.gguf || !weights.has("wte.weight");
        plan.build(weights, backend, residency, |layer, part| {
            let mut placed = match names.fused(layer, part, QKV) {
                Some((which, whole)) => whole.slice(QKV, which, &[shape.d_model; 3]),
                None => names.place(layer, part)?,
            };
            if let Some(short) = placed.name.strip_prefix(PREFIX).filter(|_| !prefixed) {
                placed.name = short.to_owned();
            }
            placed.transposed = !names.gguf && placed.name.contains(".c_") && part.ends_with(".weight");
            Some(placed)
        })
    }
}
