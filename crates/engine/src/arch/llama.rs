//! The llama family: pre-norm decoder blocks with RMS norms, rotated grouped-head attention and a gated MLP. Llama,
//! Mistral, Qwen2, Qwen3, SmolLM and SmolLM3 differ only in what their configuration and their files say.

use std::sync::Arc;

use kernels::{Act, Backend, Mask, NormKind, Residency, RopeStyle};
use serde_json::Value;

use crate::arch::Architecture;
use crate::blocks::attention::{Attention, AttentionConfig};
use crate::blocks::mlp::GatedMlp;
use crate::blocks::norm::Norm;
use crate::blocks::rope::{Rope, Scaling};
use crate::build::Placed;
use crate::config::Fields;
use crate::{
    Axis, Builder, Config, Dim, Error, Graph, Model, Pass, PointId, Result, Sizes, Spec, Tensor, Weight, Weights,
};

/// The family.
pub struct Llama;

const FAMILY: &str = "llama";

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
        let gguf = matches!(config, Config::Gguf(_));
        weights.ignore(|name| name.ends_with("rotary_emb.inv_freq"));
        let placed =
            |name: &str| if gguf { shape.place_in_gguf(name) } else { Placed { name: name.to_owned(), rows: None } };
        let builder = Builder::new(FAMILY, backend, residency, &mut weights, placed);
        let network = Network::build(builder, &shape)?;
        if shape.tied {
            weights.ignore(|name| name == "lm_head.weight" || name == "output.weight");
        }
        weights.finish(FAMILY)?;
        Ok(Box::new(network))
    }
}

/// What the configuration settles.
#[derive(Debug)]
struct Shape {
    sizes: Sizes,
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
        Self {
            sizes: Sizes { n_layers, d_model, n_ctx, ..Sizes::default() },
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
        }
        .checked()
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
        Self {
            sizes: Sizes { n_layers, d_model, n_ctx: f.optional_size("context_length")?, ..Sizes::default() },
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
        }
        .checked()
    }

    /// Sizes that cannot be, before anything is allocated by them.
    fn checked(mut self) -> Result<Self> {
        let bad = |why: String| Err(Error::Config(why));
        if self.heads.saturating_mul(self.d_head) > 1 << 20 {
            return bad(format!("{} heads of {} elements are more than any real network has", self.heads, self.d_head));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return bad(format!("{} query heads cannot share {} key/value heads evenly", self.heads, self.kv_heads));
        }
        if !self.d_head.is_multiple_of(2) {
            return bad(format!("a head of {} elements cannot be rotated in pairs", self.d_head));
        }
        self.sizes = Sizes {
            n_heads: Some(self.heads),
            n_kv_heads: Some(self.kv_heads),
            d_head: Some(self.d_head),
            d_mlp: Some(self.d_mlp),
            d_vocab: Some(self.d_vocab),
            ..self.sizes
        };
        Ok(self)
    }

    /// Where a GGUF file keeps a tensor. Conversion put the rows of q and k into the order in which pairs rotate
    /// (2i with 2i + 1); here they are read back into Hugging Face's order (i with i + `d_head`/2).
    fn place_in_gguf(&self, name: &str) -> Placed {
        let named = |name: String| Placed { name, rows: None };
        let (name, suffix) = name.rsplit_once('.').unwrap_or((name, "weight"));
        let Some((layer, local)) = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')) else {
            let own = match name {
                "model.embed_tokens" => "token_embd",
                "model.norm" => "output_norm",
                _ => "output",
            };
            return named(format!("{own}.{suffix}"));
        };
        let own = match local {
            "input_layernorm" => "attn_norm",
            "self_attn.q_proj" => "attn_q",
            "self_attn.k_proj" => "attn_k",
            "self_attn.v_proj" => "attn_v",
            "self_attn.o_proj" => "attn_output",
            "self_attn.q_norm" => "attn_q_norm",
            "self_attn.k_norm" => "attn_k_norm",
            "post_attention_layernorm" => "ffn_norm",
            "mlp.gate_proj" => "ffn_gate",
            "mlp.up_proj" => "ffn_up",
            _ => "ffn_down",
        };
        let heads = match local {
            "self_attn.q_proj" if self.permuted => Some(self.heads),
            "self_attn.k_proj" if self.permuted => Some(self.kv_heads),
            _ => None,
        };
        let half = self.d_head / 2;
        let stored = |head: usize, i: usize| (head * self.d_head + 2 * (i % half) + i / half) as u32;
        let rows = heads.map(|heads| (0..heads).flat_map(|h| (0..self.d_head).map(move |i| stored(h, i))).collect());
        Placed { name: format!("blk.{layer}.{own}.{suffix}"), rows }
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

/// The network.
struct Network {
    spec: Spec,
    backend: Arc<dyn Backend>,
    embedding: Weight,
    embed: PointId,
    rope: Rope,
    blocks: Vec<Block>,
    final_norm: Norm,
    unembedding: Weight,
    logits: PointId,
}

struct Block {
    resid_pre: PointId,
    attn_norm: Norm,
    attention: Attention,
    attn_out: PointId,
    resid_mid: PointId,
    mlp_norm: Norm,
    mlp: GatedMlp,
    mlp_out: PointId,
    resid_post: PointId,
}

impl Network {
    fn build(mut b: Builder<'_>, shape: &Shape) -> Result<Self> {
        let d_model = shape.sizes.d_model;
        let stream = [(Axis::new(Dim::Pos), None), (Axis::new(Dim::DModel), Some(d_model))];
        let embedding = b.matrix("model.embed_tokens.weight", shape.d_vocab, d_model)?;
        let embed = b.point("embed", &stream);
        let mut blocks = Vec::with_capacity(shape.layers.len().min(1024));
        for i in 0..shape.layers.len() {
            b.in_layer(Some(i));
            blocks.push(Block::build(&mut b, shape, i)?);
        }
        b.in_layer(None);
        let final_norm = Norm::of_stream(&mut b, "ln_final", "model.norm", NormKind::Rms, d_model, shape.eps)?;
        let unembedding =
            if shape.tied { embedding.clone() } else { b.matrix("lm_head.weight", shape.d_vocab, d_model)? };
        let logits = b.point("logits", &[(Axis::new(Dim::Pos), None), (Axis::new(Dim::DVocab), Some(shape.d_vocab))]);
        let backend = b.backend().clone();
        let mut spec = b.finish();
        spec.sizes = shape.sizes.clone();
        let rope = Rope::new(shape.d_head, shape.rope_base, &shape.rope_scaling, RopeStyle::Halves);
        Ok(Self { spec, backend, embedding, embed, rope, blocks, final_norm, unembedding, logits })
    }
}

impl Block {
    fn build(b: &mut Builder<'_>, shape: &Shape, layer: usize) -> Result<Self> {
        let d_model = shape.sizes.d_model;
        let stream = [(Axis::new(Dim::Pos), None), (Axis::new(Dim::DModel), Some(d_model))];
        let tensor = format!("model.layers.{layer}");
        let (mask, rotary) = shape.layers[layer];
        let resid_pre = b.point("resid_pre", &stream);
        let attn_norm =
            Norm::of_stream(b, "ln1", &format!("{tensor}.input_layernorm"), NormKind::Rms, d_model, shape.eps)?;
        let attn = format!("{tensor}.self_attn");
        let norms = if shape.qk_norm {
            let mut norm =
                |name: &str| Norm::of_heads(b, &format!("{attn}.{name}"), NormKind::Rms, shape.d_head, shape.eps);
            Some((norm("q_norm")?, norm("k_norm")?))
        } else {
            None
        };
        let config = AttentionConfig {
            layer,
            d_model,
            heads: shape.heads,
            kv_heads: shape.kv_heads,
            d_head: shape.d_head,
            mask,
            rotary,
        };
        Ok(Self {
            resid_pre,
            attn_norm,
            attention: Attention::new(b, &attn, config, norms)?,
            attn_out: b.point("attn_out", &stream),
            resid_mid: b.point("resid_mid", &stream),
            mlp_norm: Norm::of_stream(
                b,
                "ln2",
                &format!("{tensor}.post_attention_layernorm"),
                NormKind::Rms,
                d_model,
                shape.eps,
            )?,
            mlp: GatedMlp::new(b, &format!("{tensor}.mlp"), d_model, shape.d_mlp, shape.act)?,
            mlp_out: b.point("mlp_out", &stream),
            resid_post: b.point("resid_post", &stream),
        })
    }
}

impl Model for Network {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    fn forward(&self, pass: &mut Pass<'_>) -> Result<Tensor> {
        let batch = pass.batch().clone();
        let angles = self.rope.angles(&*self.backend, &batch);
        let (first, mut x) = if let Some(start) = pass.start() {
            start
        } else {
            let x = pass.graph.gather(&self.embedding, batch.tokens());
            (0, pass.at(self.embed, x)?)
        };
        for block in self.blocks.get(first..).unwrap_or_default() {
            x = pass.at(block.resid_pre, x)?;
            let normed = block.attn_norm.forward(pass, &x)?;
            let attn_out = block.attention.forward(pass, &normed, Some(&angles))?;
            let attn_out = pass.at(block.attn_out, attn_out)?;
            x = pass.graph.add(&x, &attn_out);
            x = pass.at(block.resid_mid, x)?;
            let normed = block.mlp_norm.forward(pass, &x)?;
            let mlp_out = block.mlp.forward(pass, &normed)?;
            let mlp_out = pass.at(block.mlp_out, mlp_out)?;
            x = pass.graph.add(&x, &mlp_out);
            x = pass.at(block.resid_post, x)?;
        }
        let x = pass.rows_to_unembed(&x, self.spec.sizes.d_model);
        let normed = self.final_norm.forward(pass, &x)?;
        let logits = pass.graph.linear(&normed, &self.unembedding, None);
        pass.at(self.logits, logits)
    }

    fn unembed(&self, graph: &mut Graph<'_>, resid: &Tensor) -> Tensor {
        let normed = self.final_norm.apply(graph, resid);
        graph.linear(&normed, &self.unembedding, None)
    }
}
