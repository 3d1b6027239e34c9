//! The llama family: pre-norm decoder blocks with RMS norms, rotated grouped-head attention and a gated MLP. Llama,
//! Mistral, Qwen2, Qwen3, SmolLM and SmolLM3 differ only in what their configuration and their files say.

use std::sync::Arc;

use kernels::{Act, Backend, Mask, NormKind, Residency, RopeStyle};
use serde_json::Value;

use crate::arch::Architecture;
use crate::blocks::attention::{AttentionPlan, QkNorm};
use crate::blocks::decoder::{BlockPlan, Norms, Plan};
use crate::blocks::mlp::MlpPlan;
use crate::blocks::norm::NormPlan;
use crate::blocks::rope::{Rope, Scaling};
use crate::build::Placed;
use crate::config::Fields;
use crate::names::Names;
use crate::{Config, Error, Model, Result, Weights};

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
        mut weights: Weights,
        backend: Arc<dyn Backend>,
        residency: Residency,
    ) -> Result<Box<dyn Model>> {
        let shape = match config {
            Config::HuggingFace(value) => Shape::from_hugging_face(value)?,
            Config::Gguf(value) => Shape::from_gguf(value, &mut weights)?,
        };
        let names = Names { hugging_face: NAMES, gguf: matches!(config, Config::Gguf(_)) };
        weights.ignore(|name| name.ends_with("rotary_emb.inv_freq"));
        let place = |layer: Option<usize>, part: &str| Some(shape.unpermuted(names.place(layer, part)?, part));
        shape.plan().build(weights, backend, residency, place)
    }
}

/// What the configuration settles.
#[derive(Debug)]
struct Shape {
    d_model: usize,
    n_ctx: Option<usize>,
    heads: usize,
    kv_heads: usize,
    d_head: usize,
    d_mlp: usize,
    d_vocab: usize,
    eps: f64,
    act: Act,
    rope_base: f64,
    rope_scaling: Scaling,
    /// For each block: its mask, and whether it rotates.
    layers: Vec<(Mask, bool)>,
    tied: bool,
    qk_norm: bool,
    /// Whether the file's q and k rows are in the order of rotated pairs.
    permuted: bool,
}

impl Shape {
    fn from_hugging_face(config: &Value) -> Result<Self> {
        let f = Fields::new(config, "");
        let name = f.text("architectures/0").unwrap_or_default().to_owned();
        let n_layers = f.layers("num_hidden_layers")?;
        let (d_model, heads) = (f.size("hidden_size")?, f.size("num_attention_heads")?);
        let d_head = f.optional_size("head_dim")?.unwrap_or(d_model / heads);
        let n_ctx = f.optional_size("max_position_embeddings")?;
        let window = f.optional_size("sliding_window")?.filter(|_| {
            name != "LlamaForCausalLM" && f.flag("use_sliding_window").unwrap_or(name.starts_with("Mistral"))
        });
        let from = f.number("max_window_layers")?.filter(|_| name.starts_with("Qwen")).unwrap_or(0.0) as usize;
        let layers = (0..n_layers)
            .map(|i| {
                let slides = match f.text(&format!("layer_types/{i}")) {
                    Some(kind) => kind == "sliding_attention",
                    None => i >= from,
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
            .collect::<Result<_>>()?;
        Ok(Self {
            d_model,
            n_ctx,
            heads,
            kv_heads: f.optional_size("num_key_value_heads")?.unwrap_or(heads),
            d_head,
            d_mlp: f.size("intermediate_size")?,
            d_vocab: f.size("vocab_size")?,
            eps: f.number("rms_norm_eps")?.unwrap_or(1e-6),
            act: f.act("hidden_act")?,
            rope_base: f.number("rope_parameters/rope_theta")?.or(f.number("rope_theta")?).unwrap_or(10_000.0),
            rope_scaling: hugging_face_scaling(&f, n_ctx)?,
            layers,
            tied: f.flag("tie_word_embeddings").unwrap_or(name.starts_with("SmolLM3")),
            qk_norm: name.starts_with("Qwen3"),
            permuted: false,
        })
    }

    fn from_gguf(metadata: &Value, weights: &mut Weights) -> Result<Self> {
        let arch = metadata.get("general.architecture").and_then(Value::as_str).unwrap_or_default().to_owned();
        let f = Fields::new(metadata, &arch);
        let n_layers = f.layers("block_count")?;
        let (d_model, heads) = (f.size("embedding_length")?, f.size("attention.head_count")?);
        let d_head = f.optional_size("attention.key_length")?.unwrap_or(d_model / heads);
        let d_vocab = match f.optional_size("vocab_size")? {
            Some(n) => n,
            None => weights
                .rows_of("token_embd.weight")
                .ok_or_else(|| Error::MissingTensor { name: "token_embd.weight".into(), family: FAMILY })?,
        };
        let factor = f.number("rope.scaling.factor")?.unwrap_or(1.0);
        let scaling = match weights.take_values("rope_freqs.weight") {
            Some(factors) => Scaling::Factors(factors.into_iter().map(f64::from).collect()),
            None => match f.text("rope.scaling.type") {
                None | Some("none") => Scaling::None,
                Some("linear") => Scaling::Linear { factor },
                Some("yarn") => {
                    let original = f.number("rope.scaling.original_context_length")?.ok_or_else(|| {
                        Error::Config("YaRN scaling needs rope.scaling.original_context_length".into())
                    })?;
                    Scaling::Yarn {
                        factor,
                        beta_fast: 32.0,
                        beta_slow: 1.0,
                        original,
                        attention: yarn_attention(factor),
                        truncate: true,
                    }
                }
                Some(other) => return Err(Error::Config(format!("rope scaling `{other}` is not supported"))),
            },
        };
        let mask = f.optional_size("attention.sliding_window")?.map_or(Mask::Causal, Mask::Window);
        let rotates = |i: usize| arch != "smollm3" || !(i + 1).is_multiple_of(4);
        Ok(Self {
            d_model,
            n_ctx: f.optional_size("context_length")?,
            heads,
            kv_heads: f.optional_size("attention.head_count_kv")?.unwrap_or(heads),
            d_head,
            d_mlp: f.size("feed_forward_length")?,
            d_vocab,
            eps: f.number("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5),
            act: Act::Silu,
            rope_base: f.number("rope.freq_base")?.unwrap_or(10_000.0),
            rope_scaling: scaling,
            layers: (0..n_layers).map(|i| (mask, rotates(i))).collect(),
            tied: !weights.has("output.weight"),
            qk_norm: arch == "qwen3",
            permuted: matches!(arch.as_str(), "llama" | "mistral" | "mistral3" | "smollm3"),
        })
    }

    fn plan(&self) -> Plan {
        let norm = NormPlan { kind: NormKind::Rms, eps: self.eps };
        let block = |&(mask, rotates): &(Mask, bool)| BlockPlan {
            attention: AttentionPlan {
                heads: self.heads,
                kv_heads: self.kv_heads,
                d_head: self.d_head,
                scale: (self.d_head as f64).powf(-0.5),
                cap: None,
                mask,
                rope: rotates.then_some(0),
                qk_norm: self.qk_norm.then_some((QkNorm::Heads, norm)),
            },
            mlp: Some(MlpPlan { d_mlp: self.d_mlp, act: self.act, gated: true }),
            norms: Norms::Before,
            parallel: false,
        };
        Plan {
            family: FAMILY,
            d_model: self.d_model,
            d_vocab: self.d_vocab,
            n_ctx: self.n_ctx,
            embed_scale: None,
            positions: false,
            norm: Some(norm),
            ropes: vec![Rope::new(self.d_head, self.rope_base, &self.rope_scaling, RopeStyle::Halves)],
            blocks: self.layers.iter().map(block).collect(),
            tied: self.tied,
            logit_cap: None,
        }
    }

    /// Conversion to GGUF put the rows of q and k into the order in which pairs rotate (2i with 2i + 1); here they are
    /// read back into Hugging Face's order (i with i + `d_head`/2).
    fn unpermuted(&self, placed: Placed, part: &str) -> Placed {
        let heads = match part.split('.').nth(1) {
            Some("q") if self.permuted => self.heads,
            Some("k") if self.permuted => self.kv_heads,
            _ => return placed,
        };
        let half = self.d_head / 2;
        let stored = |head: usize, i: usize| (head * self.d_head + 2 * (i % half) + i / half) as u32;
        let rows = (0..heads).flat_map(|h| (0..self.d_head).map(move |i| stored(h, i))).collect();
        Placed { rows: Some(rows), ..placed }
    }
}

fn hugging_face_scaling(f: &Fields<'_>, n_ctx: Option<usize>) -> Result<Scaling> {
    let section = if f.has("rope_parameters") { "rope_parameters" } else { "rope_scaling" };
    let number = |name: &str| f.number(&format!("{section}/{name}"));
    let kind = f.text(&format!("{section}/rope_type")).or_else(|| f.text(&format!("{section}/type")));
    let need = |name: &str| number(name)?.ok_or_else(|| Error::Config(format!("rope scaling needs `{name}`")));
    let original = || Ok(number("original_max_position_embeddings")?.or(n_ctx.map(|n| n as f64)).unwrap_or(2048.0));
    match kind {
        // Dynamic scaling begins beyond the context that the model was made for, which no run may exceed.
        None | Some("default" | "dynamic") => Ok(Scaling::None),
        Some("linear") => Ok(Scaling::Linear { factor: need("factor")? }),
        Some("llama3") => Ok(Scaling::Llama3 {
            factor: need("factor")?,
            low: need("low_freq_factor")?,
            high: need("high_freq_factor")?,
            original: original()?,
        }),
        Some("yarn") => {
            let factor = need("factor")?;
            Ok(Scaling::Yarn {
                factor,
                beta_fast: number("beta_fast")?.unwrap_or(32.0),
                beta_slow: number("beta_slow")?.unwrap_or(1.0),
                original: original()?,
                attention: number("attention_factor")?.unwrap_or_else(|| yarn_attention(factor)),
                truncate: f.flag(&format!("{section}/truncate")).unwrap_or(true),
            })
        }
        Some(other) => Err(Error::Config(format!("rope type `{other}` is not supported"))),
    }
}

/// The temperature of `YaRN`, folded into cos and sin.
fn yarn_attention(factor: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 }
}
