//! What neurons say in the vocabulary.

use engine::Spec;
use figure::{Array, Dim, Figure, Group, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// Which tokens a neuron promotes, and what the neurons of a prompt do to its prediction.
///
/// A feed-forward layer adds Σ mᵢvᵢ to the residual stream: vᵢ is what neuron i writes, the same in every prompt, and
/// mᵢ its activation. Unembedded, vᵢ is a list of tokens, those it promotes at the top, those it suppresses at the
/// bottom. Reading the top tokens tells what concept a neuron stands for, if it stands for one.
///
/// With a prompt, the sub-updates mᵢvᵢ of every layer are ranked by their size |mᵢ|·‖vᵢ‖ at one position, and it is told
/// what each layer does to the prediction. The *saturation* is the feed-forward layer that puts the final prediction
/// first for good; the *elimination* the one in which the likeliest token falls furthest.
///
/// Caveats: a neuron with a negative activation promotes what stands at its bottom. Norms between a layer and the
/// logits are left out (`gain` puts the final norm's gain in), so scores compare within a neuron, not between layers.
///
/// Source: Geva, Caciularu, Wang & Goldberg 2022, "Transformer Feed-Forward Layers Build Predictions by Promoting
/// Concepts in the Vocabulary Space", arXiv 2203.14680.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromotedTokens {
    /// The neuron's layer.
    #[serde(default)]
    pub layer: usize,
    /// The neuron.
    #[serde(default)]
    pub neuron: usize,
    /// How many tokens to give at either end, and how many sub-updates of each layer.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
    /// Whether the final norm's gain is applied before unembedding.
    #[serde(default)]
    pub gain: bool,
    /// A prompt whose sub-updates are to be ranked; without one only the neuron is told of.
    #[serde(default)]
    pub prompt: Option<PromptRef>,
    /// The position in the prompt; negative from the end.
    #[serde(default = "default_pos")]
    pub pos: i64,
}

fn default_k() -> usize {
    10
}

fn default_pos() -> i64 {
    -1
}

/// The tokens of one neuron; and of a prompt, if there is one, the largest sub-updates of each layer. Arrays over layers
/// are empty without a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The neuron's layer.
    pub layer: usize,
    /// The neuron.
    pub neuron: usize,
    /// Ids of the tokens it promotes, highest scores first, [k].
    pub top_ids: Array<u32>,
    /// The same as text, [k].
    pub top_tokens: Array<String>,
    /// Their scores E·v: what a unit of activation adds to the unnormalised logit, [k].
    pub top_scores: Array<f32>,
    /// Ids of the tokens it suppresses, lowest scores first, [k].
    pub bottom_ids: Array<u32>,
    /// The same as text, [k].
    pub bottom_tokens: Array<String>,
    /// Their scores, [k].
    pub bottom_scores: Array<f32>,
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// The neurons with the largest sub-updates of each layer, largest first, [layer, k].
    pub sub_neurons: Array<u32>,
    /// Their activations m, [layer, k].
    pub sub_activations: Array<f32>,
    /// The sizes |m|·‖v‖, [layer, k].
    pub sub_sizes: Array<f32>,
    /// The token that each promotes most, by the sign of its activation, [layer, k].
    pub sub_promotes: Array<String>,
    /// What each adds to the unnormalised logit of the layer's reference token, m·v·e, [layer, k].
    pub sub_scores: Array<f32>,
    /// The reference token: in the layer of the elimination the eliminated token, elsewhere the final prediction, [layer].
    pub references: Array<String>,
    /// The likeliest token before each feed-forward layer, by the logit lens, [layer].
    pub before: Array<String>,
    /// The likeliest token after it, [layer].
    pub after: Array<String>,
    /// Rank, from 0, after the layer of the token that was likeliest before it, [layer].
    pub rank_after: Array<u32>,
    /// Layer of the saturation; -1 where no feed-forward layer brings it about, or without a prompt.
    pub saturation: i64,
    /// Layer of the elimination; -1 where no token is eliminated, or without a prompt.
    pub elimination: i64,
    /// ‖Σ m·v + bias − what the layer adds‖ / ‖what the layer adds‖, [layer]: rounding.
    pub sum_error: Array<f32>,
}

impl View for PromotedTokens {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        Why::needs_per_layer(spec, "mlp.post")
    }

    fn example() -> Self {
        let prompt = Some(PromptRef::Tokens(vec![3, 5, 7, 5, 3]));
        Self { layer: 0, neuron: 3, k: default_k(), gain: false, prompt, pos: default_pos() }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let found = methods::promoted_tokens(cx.model()?, self.layer, self.neuron, self.k, self.gain)?;
        let prompt = self.prompt.as_ref().map(|prompt| cx.prompt(prompt)).transpose()?;
        let subs = match &prompt {
            Some(prompt) => {
                let tick = &mut |done, of| cx.tick(done, of);
                Some(methods::sub_updates(cx.subject(&prompt.ids)?, self.pos, self.k, tick)?)
            }
            None => None,
        };
        let (layers, k) = subs.as_ref().map_or((0, 0), |subs| (subs.layers, subs.k));
        let of = |get: fn(&methods::SubUpdates) -> &Vec<f64>| -> Vec<f32> {
            subs.iter().flat_map(|subs| get(subs).iter().map(|&x| x as f32)).collect()
        };
        let ids = |get: fn(&methods::SubUpdates) -> &Vec<u32>| -> Vec<u32> {
            subs.iter().flat_map(|subs| get(subs).iter().copied()).collect()
        };
        let (each, sizes) = ([Dim::Layer, Dim::K], [layers, k]);
        let at = |layer: Option<usize>| layer.map_or(-1, |layer| layer as i64);
        let (words, prompt_ids) = prompt.map_or_else(Default::default, |prompt| (prompt.words, prompt.ids));
        Ok(Output {
            layer: self.layer,
            neuron: self.neuron,
            top_tokens: Array::vector(Dim::K, cx.words(&found.top_ids)?),
            top_ids: Array::vector(Dim::K, found.top_ids),
            top_scores: Array::vector(Dim::K, found.top_scores),
            bottom_tokens: Array::vector(Dim::K, cx.words(&found.bottom_ids)?),
            bottom_ids: Array::vector(Dim::K, found.bottom_ids),
            bottom_scores: Array::vector(Dim::K, found.bottom_scores),
            tokens: Array::vector(Dim::Pos, words),
            ids: Array::vector(Dim::Pos, prompt_ids),
            sub_neurons: Array::new(each, sizes, ids(|s| &s.neurons))?,
            sub_activations: Array::new(each, sizes, of(|s| &s.activations))?,
            sub_sizes: Array::new(each, sizes, of(|s| &s.sizes))?,
            sub_promotes: Array::new(each, sizes, cx.words(&ids(|s| &s.promotes))?)?,
            sub_scores: Array::new(each, sizes, of(|s| &s.scores))?,
            references: Array::vector(Dim::Layer, cx.words(&ids(|s| &s.references))?),
            before: Array::vector(Dim::Layer, cx.words(&ids(|s| &s.before))?),
            after: Array::vector(Dim::Layer, cx.words(&ids(|s| &s.after))?),
            rank_after: Array::vector(Dim::Layer, ids(|s| &s.rank_after)),
            saturation: at(subs.as_ref().and_then(|subs| subs.saturation)),
            elimination: at(subs.as_ref().and_then(|subs| subs.elimination)),
            sum_error: Array::vector(Dim::Layer, of(|s| &s.errors)),
        })
    }

    fn draw(output: &Output) -> Figure {
        let title =
            format!("Neuron {} of layer {}: the tokens it promotes and suppresses", output.neuron, output.layer);
        let caption = "Scores are what a unit of activation adds to the logit, before the final norm divides.";
        let caveat = "Where the activation is negative, what stands on the right is promoted.";
        let neuron = Table::new(Dim::K)
            .words("promotes", output.top_tokens.data().iter().map(String::as_str))
            .floats("score", output.top_scores.data().iter().copied())
            .decimals(3)
            .words("suppresses", output.bottom_tokens.data().iter().map(String::as_str))
            .floats("score", output.bottom_scores.data().iter().copied())
            .decimals(3);
        if output.sum_error.is_empty() {
            return neuron.title(title).caption(caption).caveat(caveat).into();
        }
        Group::new([neuron.into(), prediction(output)]).title(title).caption(caption).caveat(caveat).into()
    }
}

/// A row for each layer: what it does to the prediction, and its largest sub-updates.
fn prediction(output: &Output) -> Figure {
    const TOLD: usize = 3;
    let (layers, k) = (output.sum_error.len(), output.sub_neurons.size(Dim::K).unwrap_or(1));
    let event = |layer: usize| {
        let is = |at: i64, word| if at == layer as i64 { word } else { "" };
        [is(output.saturation, "saturation"), is(output.elimination, "elimination")].join(" ").trim().to_owned()
    };
    let mut table = Table::new(Dim::Layer)
        .numbers("layer", (0..layers).map(|i| i as f64))
        .decimals(0)
        .words("before", output.before.data().iter().map(String::as_str))
        .words("after", output.after.data().iter().map(String::as_str))
        .words("event", (0..layers).map(event));
    for nth in 0..k.min(TOLD) {
        let cell = |layer: usize| {
            let i = layer * k + nth;
            let (neuron, size) = (output.sub_neurons.data()[i], output.sub_sizes.data()[i]);
            format!("{neuron}: {} {size:.2}", output.sub_promotes.data()[i])
        };
        table = table.words(format!("{}. sub-update", nth + 1), (0..layers).map(cell));
    }
    table
        .caption(
            "The likeliest token before and after each feed-forward layer, and its largest sub-updates: neuron, the token \
             it promotes most, size.",
        )
        .into()
}
