//! The llama family: pre-norm decoder blocks with RMS norms, rotated grouped-head attention and a gated MLP. Llama,
//! Mistral, Qwen2, Qwen3, SmolLM and SmolLM3 differ only in what their configuration and their files say; Mixtral and the
//! mixtures of Qwen have other feed-forward layers.

use std::sync::Arc;

use kernels::{Act, Backend, Mask, NormKind, Residency};

use crate::arch::Architecture;
use crate::arch::mixtral::Mixtral;
use crate::blocks::attention::{AttentionPlan, QkNorm};
use crate::blocks::decoder::{BlockPlan, Norms, Plan};
use crate::blocks::feed::FeedPlan;
use crate::blocks::mlp::MlpPlan;
use crate::blocks::norm::NormPlan;
use crate::blocks::rope::Rope;
use crate::build::Placed;
use crate::names::{Names, expert};
use crate::shape::Shape;
use crate::{Config, Model, Result, Weights};

/// The family.
pub struct Llama;

const FAMILY: &str = "llama";

/// Parts, and what Hugging Face calls them.
const NAMES: &[(&str, &str)] = &[
    ("embed", "model.embed_tokens"),
    ("ln1", "model.layers.{i}.input_layernorm"),
    ("attn.q", "model.layers.{i}.self_attn.q_proj"),
    ("attn.k", "model.layers.{i}.self_attn.k_proj"),
    ("attn.v", "model.layers.{i}.self_attn.v_proj"),
    ("attn.o", "model.layers.{i}.self_attn.o_proj"),
    ("attn.q_norm", "model.layers.{i}.self_attn.q_norm"),
    ("attn.k_norm", "model.layers.{i}.self_attn.k_norm"),
    ("ln2", "model.layers.{i}.post_attention_layernorm"),
    ("mlp.gate", "model.layers.{i}.mlp.gate_proj"),
    ("mlp.up", "model.layers.{i}.mlp.up_proj"),
    ("mlp.down", "model.layers.{i}.mlp.down_proj"),
    ("ln_final", "model.norm"),
    ("unembed", "lm_head"),
];

impl Architecture for Llama {
    fn names(&self) -> &'static [&'static str] {
        &[
            "LlamaForCausalLM",
            "MistralForCausalLM",
            "Qwen2ForCausalLM",
            "Qwen3ForCausalLM",
            "SmolLM3ForCausalLM",
            "llama",
            "mistral",
            "mistral3",
            "qwen2",
            "qwen3",
            "smollm3",
        ]
    }

    fn build(
        &self,
        config: &Config,
        weights: Weights,
        backend: Arc<dyn Backend>,
        residency: Residency,
    ) -> Result<Box<dyn Model>> {
        if experts_of_gguf(config)? > 0 {
            return Mixtral.build(config, weights, backend, residency);
        }
        decoder(config, FAMILY, weights, backend, residency, &[], |_, dense| Ok(FeedPlan::Dense(dense)))
    }
}

/// Builds a llama whose feed-forward layers are what `feed` makes of a block's number and of the usual, dense layer.
/// Hugging Face's names of parts are those of `own` or else those of a llama.
pub(super) fn decoder(
    config: &Config,
    family: &'static str,
    mut weights: Weights,
    backend: Arc<dyn Backend>,
    residency: Residency,
    own: &'static [(&'static str, &'static str)],
    feed: impl Fn(usize, MlpPlan) -> Result<FeedPlan>,
) -> Result<Box<dyn Model>> {
    weights.ignore(|name| name.ends_with("rotary_emb.inv_freq"));
    let shape = Shape::read(config, &weights, family)?;
    let rope = Rope::read(config, &mut weights, shape.d_head, 1.0)?;
    let name = config.architecture().unwrap_or_default();
    let norm = NormPlan { kind: NormKind::Rms, eps: shape.eps.unwrap_or(1e-6) };
    let dense = MlpPlan { d_mlp: shape.d_mlp, act: config.act(Act::Silu)?, gated: true };
    let qk_norm = ["Qwen3", "qwen3"].iter().any(|qwen| name.starts_with(qwen)).then_some((QkNorm::Heads, norm));
    let block = |(i, (mask, rotates)): (usize, (Mask, bool))| {
        Ok(BlockPlan {
            attention: AttentionPlan { mask, rope: rotates.then_some(0), qk_norm, ..shape.attention() },
            mlp: Some(feed(i, dense)?),
            norms: Norms::Before,
            parallel: false,
        })
    };
    let plan = Plan {
        norm: Some(norm),
        ropes: vec![rope],
        blocks: layers(config, name, shape.layers)?.into_iter().enumerate().map(block).collect::<Result<_>>()?,
        tied: shape.tied.unwrap_or(name.starts_with("SmolLM3")),
        ..shape.plan()
    };
    let (own, names, stack) = (Names::new(own, config), Names::new(NAMES, config), experts_of_gguf(config)?);
    let permuted = matches!(name, "llama" | "mistral" | "mistral3" | "smollm3");
    plan.build(weights, backend, residency, |layer, part| {
        let mut placed = own.place(layer, part).or_else(|| names.place(layer, part))?;
        placed.stacked = expert(part).filter(|_| stack > 0).map(|e| (e, stack));
        Some(match part.split('.').nth(1) {
            Some("q") if permuted => unpermuted(placed, shape.heads, shape.d_head),
            Some("k") if permuted => unpermuted(placed, shape.kv_heads, shape.d_head),
            _ => placed,
        })
    })
}

/// How many experts a GGUF file keeps in one stack. Mixtral is a llama with experts there.
fn experts_of_gguf(config: &Config) -> Result<usize> {
    let count = if config.is_gguf() { config.fields().number("expert_count")? } else { None };
    Ok(count.unwrap_or(0.0) as usize)
}

/// For each block: its mask, and whether it rotates.
fn layers(config: &Config, name: &str, n_layers: usize) -> Result<Vec<(Mask, bool)>> {
    let f = config.fields();
    if config.is_gguf() {
        let mask = f.window("attention.sliding_window")?.map_or(Mask::Causal, Mask::Window);
        return Ok((0..n_layers).map(|i| (mask, name != "smollm3" || !(i + 1).is_multiple_of(4))).collect());
    }
    let window = f
        .window("sliding_window")?
        .filter(|_| name != "LlamaForCausalLM" && f.flag("use_sliding_window").unwrap_or(name.starts_with("Mi")));
    let border = f.number("max_window_layers")?.map(|layers| layers as usize);
    (0..n_layers)
        .map(|i| {
            let slides = match f.text(&format!("layer_types/{i}")) {
                Some(kind) => kind == "sliding_attention",
                None if name.starts_with("Qwen2Moe") => i.is_multiple_of(2) && i < border.unwrap_or(28),
                None if name.starts_with("Qwen3Moe") => true,
                None if name.starts_with("Qwen") => i >= border.unwrap_or(0),
                None => true,
            };
            let mask = window.filter(|_| slides).map_or(Mask::Causal, Mask::Window);
            let rotates = match f.number(&format!("no_rope_layers/{i}"))? {
                Some(rotates) => rotates != 0.0,
                None if name.starts_with("SmolLM3") => {
                    (i + 1) % f.optional_size("no_rope_layer_interval")?.unwrap_or(4) != 0
                }
                None => true,
            };
            Ok((mask, rotates))
        })
        .collect()
}

/// Conversion to GGUF put the rows of q and k into the order in which pairs rotate (2i with 2i + 1); here they are
/// read back into Hugging Face's order (i with i + `d_head`/2).
fn unpermuted(placed: Placed, heads: usize, d_head: usize) -> Placed {
    let half = d_head / 2;
    let stored = |head: usize, i: usize| (head * d_head + 2 * (i % half) + i / half) as u32;
    let rows = (0..heads).flat_map(|head| (0..d_head).map(move |i| stored(head, i))).collect();
    Placed { rows: Some(rows), ..placed }
}
