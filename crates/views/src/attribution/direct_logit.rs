//! Direct logit attribution.

use engine::Spec;
use figure::{Array, Bars, ColourScale, Dim, Figure, Group, Guide, Heatmap, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// How much each part of the network adds to a logit.
///
/// All that a network writes to the residual stream at a position is a sum: of the embedding, of every head, of every
/// feed-forward layer, and of biases. So is the logit that is read from there, once the final norm is frozen: it divides
/// by what it divided by in this pass, and takes the mean, if it takes one, of each part by itself. Each part's share is
/// given in logits; the shares add up to `total`, and `error` tells how far that is from the logit that the network
/// computed. With `--minus` it is the difference of two logits that is split, which is what to look at where two answers
/// compete: whatever raises both alike drops out.
///
/// Norms on what a layer writes (Gemma, `OLMo` 2) are frozen in the same way. Where a network caps its logits, it is the
/// logit before the cap that is split. A mixture of experts is one part. Edits count; what an edit of the stream itself
/// puts there belongs to no part and is `other`.
///
/// Caveats: a frozen norm hides that parts also change what it divides by; and a part may matter most by what later parts
/// read from it, which is no direct share.
///
/// Source: Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021); TransformerLens's direct logit
/// attribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectLogit {
    /// The text to look at.
    pub prompt: PromptRef,
    /// The token whose logit is split: an id, or a text that is one token. If not given, the one the network predicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The token whose logit is taken away from it, named likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus: Option<String>,
    /// The position whose prediction is looked at; negative ones count from the end.
    #[serde(default = "default_pos")]
    pub pos: i64,
    /// How many single neurons to give, those with the largest shares first. Those of mixtures of experts are left out.
    #[serde(default)]
    pub neurons: usize,
    /// How many parts the figure names.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
}

fn default_pos() -> i64 {
    -1
}

fn default_k() -> usize {
    15
}

/// The shares of all parts, in logits. `embed`, `pos_embed`, `heads`, `attention_biases`, `mlps`, `bias` and `other` add
/// up to `total`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// The position whose prediction this is.
    pub position: usize,
    /// Id of the token whose logit is split, and of the one that is taken away if there is one, [k].
    pub target_ids: Array<u32>,
    /// The same tokens as text, [k].
    pub target_tokens: Array<String>,
    /// The logit as the network computed it, or the difference of two, before a soft cap.
    pub logit: f64,
    /// The sum of all shares.
    pub total: f64,
    /// How far `total` is from `logit`: rounding.
    pub error: f64,
    /// What the final norm divides by at that position.
    pub scale: f64,
    /// Share of the embedding.
    pub embed: f64,
    /// Share of the learned position; 0 where there is none.
    pub pos_embed: f64,
    /// Share of each head, [layer, head].
    pub heads: Array<f32>,
    /// Share of the biases of each attention layer's output, [layer].
    pub attention_biases: Array<f32>,
    /// Share of each feed-forward layer with its biases, [layer]; 0 where there is none.
    pub mlps: Array<f32>,
    /// Share of the biases of the final norm and of the unembedding.
    pub bias: f64,
    /// Share of what else the residual stream holds: what edits of the stream itself put there, and rounding.
    pub other: f64,
    /// Layers of the neurons with the largest shares, in falling order of size, [k]; empty unless asked for.
    pub neuron_layers: Array<u32>,
    /// Their numbers, [k].
    pub neuron_ids: Array<u32>,
    /// Their activations, [k].
    pub neuron_activations: Array<f32>,
    /// Their shares, each a part of its layer's, [k].
    pub neuron_shares: Array<f32>,
    /// How many parts the figure names.
    pub named: usize,
}

impl View for DirectLogit {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        Why::needs_per_layer(spec, "resid_post")?;
        Why::needs_per_layer(spec, "attn.result")
    }

    fn example() -> Self {
        let prompt = PromptRef::Tokens(vec![3, 5, 7, 5, 3]);
        Self { prompt, target: None, minus: Some("3".into()), pos: default_pos(), neurons: 5, k: 5 }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let target = self.target.as_deref().map(|named| cx.token(named)).transpose()?;
        let against = self.minus.as_deref().map(|named| cx.token(named)).transpose()?;
        let (subject, count) = (cx.subject(&prompt.ids)?, self.neurons);
        let found =
            methods::direct_logit(subject, target, against, self.pos, count, &mut |done, of| cx.tick(done, of))?;
        let layers = found.mlps.len();
        let floats = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let targets: Vec<u32> = [Some(found.token), found.against].into_iter().flatten().collect();
        let neurons = |of: &dyn Fn(&methods::NeuronShare) -> f64| {
            Array::vector(Dim::K, found.neurons.iter().map(|neuron| of(neuron) as f32).collect())
        };
        Ok(Output {
            tokens: Array::vector(Dim::Pos, prompt.words),
            position: found.position,
            target_tokens: Array::vector(Dim::K, cx.words(&targets)?),
            target_ids: Array::vector(Dim::K, targets),
            logit: found.logit,
            total: found.sum(),
            error: (found.sum() - found.logit).abs(),
            scale: found.scale,
            embed: found.embed,
            pos_embed: found.pos_embed,
            heads: Array::matrix(Dim::Layer, Dim::Head, layers, found.n_heads, floats(&found.heads))?,
            attention_biases: Array::vector(Dim::Layer, floats(&found.attention_biases)),
            mlps: Array::vector(Dim::Layer, floats(&found.mlps)),
            bias: found.bias,
            other: found.other,
            neuron_layers: Array::vector(Dim::K, found.neurons.iter().map(|neuron| neuron.layer as u32).collect()),
            neuron_ids: Array::vector(Dim::K, found.neurons.iter().map(|neuron| neuron.neuron as u32).collect()),
            neuron_activations: neurons(&|neuron| neuron.activation),
            neuron_shares: neurons(&|neuron| neuron.contribution),
            named: self.k,
            ids: Array::vector(Dim::Pos, prompt.ids),
        })
    }

    fn draw(output: &Output) -> Figure {
        let what = output.target_tokens.data().iter().map(|token| format!("{token:?}")).collect::<Vec<_>>();
        let mut figures = vec![largest(output), heads(output)];
        if !output.neuron_ids.is_empty() {
            figures.push(neurons(output));
        }
        let after = output.tokens.data().get(output.position).map_or("", String::as_str);
        Group::new(figures)
            .title(format!("What adds to the logit of {} after {after:?}", what.join(" against ")))
            .caption(format!(
                "All shares sum to {:.3}; the network's own is {:.3}. The final norm is frozen: it divides by {:.3}, as \
                 in this pass.",
                output.total, output.logit, output.scale
            ))
            .caveat("A part may matter more by what later parts read from it, which is no direct share.")
            .into()
    }
}

/// Every part by name, with its share.
fn parts(output: &Output) -> Vec<(String, f32)> {
    let n_heads = output.heads.size(Dim::Head).unwrap_or(1).max(1);
    let mut parts = vec![("embed".to_owned(), output.embed as f32), ("biases".to_owned(), output.bias as f32)];
    parts.extend([("pos_embed".to_owned(), output.pos_embed as f32), ("other".to_owned(), output.other as f32)]);
    let heads = output.heads.data().iter().enumerate();
    parts.extend(heads.map(|(i, &share)| (format!("head {}.{}", i / n_heads, i % n_heads), share)));
    let layers = |name: &'static str, shares: &Array<f32>| {
        shares.data().iter().enumerate().map(|(i, &share)| (format!("{name} {i}"), share)).collect::<Vec<_>>()
    };
    parts.extend(layers("mlp", &output.mlps));
    parts.extend(layers("attention biases", &output.attention_biases));
    parts.retain(|(_, share)| *share != 0.0);
    parts
}

/// The parts with the largest shares, and the sum of all others.
fn largest(output: &Output) -> Figure {
    let mut parts = parts(output);
    parts.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let others = parts.split_off(parts.len().min(output.named));
    if !others.is_empty() {
        parts.push((format!("{} others", others.len()), others.iter().map(|(_, share)| share).sum()));
    }
    let (names, shares): (Vec<String>, Vec<f32>) = parts.into_iter().unzip();
    Bars::new(Array::vector(Dim::Row, shares))
        .bars(Guide::new("part").ticks(names))
        .label("share, logits")
        .title("Largest shares (heads as layer.head)")
        .into()
}

/// Heads and feed-forward layers by layer.
fn heads(output: &Output) -> Figure {
    let (layers, n_heads) = (output.mlps.len(), output.heads.size(Dim::Head).unwrap_or(0));
    let row = |i: usize| {
        let heads = &output.heads.data()[i * n_heads..(i + 1) * n_heads];
        heads.iter().copied().chain([output.mlps.data()[i]]).collect::<Vec<_>>()
    };
    let values = (0..layers).flat_map(row).collect();
    let names = (0..n_heads).map(|head| head.to_string()).chain(["mlp".to_owned()]);
    let grid = Array::matrix(Dim::Layer, Dim::Head, layers, n_heads + 1, values);
    Heatmap::new(grid.unwrap_or_else(|_| output.heads.clone()))
        .colour(ColourScale::diverging().label("share, logits"))
        .x(Guide::new("head").ticks(names))
        .y(Guide::new("layer").ticks((0..layers).map(|i| i.to_string())))
        .upwards()
        .title("Shares by layer")
        .into()
}

fn neurons(output: &Output) -> Figure {
    let whole = |x: &Array<u32>| x.data().iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    Table::new(Dim::K)
        .numbers("layer", whole(&output.neuron_layers))
        .decimals(0)
        .numbers("neuron", whole(&output.neuron_ids))
        .decimals(0)
        .floats("activation", output.neuron_activations.data().iter().copied())
        .decimals(3)
        .floats("share, logits", output.neuron_shares.data().iter().copied())
        .decimals(3)
        .coloured(ColourScale::diverging().label("share, logits"))
        .title("Neurons with the largest shares")
        .into()
}
