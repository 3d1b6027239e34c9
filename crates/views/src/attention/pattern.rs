//! Attention patterns and the kinds of head.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Guide, Heatmap, Table};
use methods::{Patterns, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// Where each attention head looks.
///
/// A pattern has a row for every destination (the token that asks) and a column for every source (the token that is
/// looked at); a row sums to one. With `--layer` and `--head` it is drawn whole; with `--layer` alone, all heads of the
/// layer; with neither, a map of scores shows which of all heads to look at.
///
/// The scores are means of attention, 0 to 1, over the destinations where they have a meaning. Previous-token: from
/// each token to the one before it. First-token: from each token to the first, where heads look that have nothing to
/// do. Duplicate-token: from a token that has occurred before to its earlier occurrences (NaN if none has). Induction:
/// on a random text given twice, from each token of the second half to the one that came after the same token in the
/// first; edits at positions of the prompt are left out there.
///
/// Where a head looks is not what it moves: heads rest on tokens whose values are small. `--weight value` and `--weight
/// output` draw attention times the size of what comes from there. Scores are always of attention.
///
/// Caveat: what a head moves is not what it does for an answer. Zeroing its `attn.z` shows that.
///
/// Source: Olsson et al., "In-context Learning and Induction Heads" (2022); TransformerLens's head detector; for weights
/// Kobayashi et al., "Attention is Not Only a Weight" (2020), and `PySvelte`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// The text to look at.
    pub prompt: PromptRef,
    /// Only this layer, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// Only this head, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// What is drawn of a layer or head: the attention, or how much it moves.
    #[serde(default)]
    pub weight: Weight,
    /// Length of the random text that is given twice for the induction score, at most half of what the model takes;
    /// one that takes less than four tokens has no such score.
    #[serde(default = "default_repeat")]
    #[schemars(range(min = 2))]
    pub repeat: usize,
    /// Seed of that random text.
    #[serde(default)]
    pub seed: u64,
}

fn default_repeat() -> usize {
    50
}

/// By what attention is weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// By nothing: where each head looks.
    #[default]
    Attention,
    /// By the norm of the source's value vector.
    Value,
    /// By the norm of what the source's value writes to the residual stream.
    Output,
}

impl Weight {
    /// What the weighted numbers are, and whether they are attention itself.
    fn label(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Value => "attention × ‖value‖",
            Self::Output => "attention × ‖what is written‖",
        }
    }
}

/// The patterns of the chosen layers and heads on the prompt, and a score of each kind for every one of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// Which layers these are, [layer].
    pub layers: Array<u32>,
    /// Which heads of each layer, [head].
    pub heads: Array<u32>,
    /// Attention from each destination to each source, [layer, head, pos/dst, pos/src]. Each row sums to one.
    pub pattern: Array<f32>,
    /// What attention is weighted by in `weighted`.
    pub weight: Weight,
    /// Attention times the size of what it moves, of the same axes as `pattern`; empty where it is not weighted.
    pub weighted: Array<f32>,
    /// Mean attention from each token to the one before it, [layer, head].
    pub previous_token: Array<f32>,
    /// Mean attention, on the random text given twice, to the token after the earlier occurrence, [layer, head].
    pub induction: Array<f32>,
    /// Mean attention from tokens that have occurred before to their earlier occurrences, [layer, head]; NaN where no
    /// token of the prompt occurs twice.
    pub duplicate_token: Array<f32>,
    /// Mean attention from each token but the first to the first, [layer, head].
    pub first_token: Array<f32>,
}

impl View for Pattern {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        Why::needs_per_layer(spec, "attn.pattern")
    }

    fn example() -> Self {
        Self {
            prompt: PromptRef::Tokens(vec![3, 5, 7, 5, 3]),
            layer: None,
            head: None,
            weight: Weight::Attention,
            repeat: 8,
            seed: 0,
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let subject = cx.subject(&prompt.ids)?;
        let found = methods::patterns(subject, self.layer, self.head, &mut |done, of| cx.tick(done, 2 * of))?;
        // A model with a short context still gets a score, but where nothing can be repeated in it.
        let context = cx.model()?.spec().sizes.n_ctx.unwrap_or(usize::MAX);
        let most = self.repeat.min(context / 2);
        let twice = if context < SHORTEST {
            None
        } else {
            let (text, edits) = methods::random_repeat(subject, most, self.seed)?;
            let subject = Subject { tokens: &text, edits: &edits, ..subject };
            Some(methods::patterns(subject, self.layer, self.head, &mut |done, of| cx.tick(of + done, 2 * of))?)
        };
        let n = found.positions;
        let grid = [found.layers.len(), found.heads.len()];
        let score = |of: &Patterns, score: &dyn Fn(&[f32]) -> f64| {
            let values = of.score(score).into_iter().map(|x| x as f32).collect();
            Array::new([Dim::Layer, Dim::Head], grid, values)
        };
        let numbers = |indices: &[usize]| indices.iter().map(|&i| i as u32).collect();
        let axes = [Dim::Layer.into(), Dim::Head.into(), Dim::Pos.dst(), Dim::Pos.src()];
        let by = match self.weight {
            Weight::Attention => None,
            Weight::Value => Some(methods::Weight::Value),
            Weight::Output => Some(methods::Weight::Output),
        };
        let weighted = match by {
            Some(by) => {
                let values =
                    methods::weighted(cx.subject(&prompt.ids)?, &found, by, &mut |done, of| cx.tick(done, of))?;
                Array::new(axes, [grid[0], grid[1], n, n], values)?
            }
            None => Array::new(axes, [0, 0, 0, 0], vec![])?,
        };
        Ok(Output {
            weight: self.weight,
            weighted,
            previous_token: score(&found, &|pattern| methods::previous_token(pattern, n))?,
            induction: match &twice {
                Some(twice) => score(twice, &|pattern| methods::induction(pattern, most))?,
                None => score(&found, &|_| f64::NAN)?,
            },
            duplicate_token: score(&found, &|pattern| methods::duplicate_token(pattern, &prompt.ids))?,
            first_token: score(&found, &|pattern| methods::first_token(pattern, n))?,
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            layers: Array::vector(Dim::Layer, numbers(&found.layers)),
            heads: Array::vector(Dim::Head, numbers(&found.heads)),
            pattern: Array::new(axes, [grid[0], grid[1], n, n], found.data)?,
        })
    }

    fn draw(output: &Output) -> Figure {
        match (output.layers.data(), output.heads.data()) {
            (&[layer], &[head]) => one_head(output, layer, head),
            (&[layer], _) => one_layer(output, layer),
            _ => every_layer(output),
        }
    }
}

/// Positions in which two tokens can be repeated.
const SHORTEST: usize = 4;

/// Positions up to which a single pattern has its numbers written in it.
const MOST_WITH_NUMBERS: usize = 24;

/// The kinds of head, with what their scores measure.
fn kinds(output: &Output) -> [(&'static str, &Array<f32>); 4] {
    [
        ("previous token", &output.previous_token),
        ("induction", &output.induction),
        ("duplicate token", &output.duplicate_token),
        ("first token", &output.first_token),
    ]
}

fn words(output: &Output) -> impl Iterator<Item = &str> {
    output.tokens.data().iter().map(String::as_str)
}

/// The patterns of the first layer: weighted, where that was asked for.
fn first_layer(output: &Output) -> Array<f32> {
    let shown = if output.weighted.is_empty() { &output.pattern } else { &output.weighted };
    shown.at(Dim::Layer, 0).unwrap_or_else(|| shown.clone())
}

/// What a row of a pattern says.
fn rows(output: &Output) -> &'static str {
    match output.weight {
        Weight::Attention => "Each row is one token's attention to those before it.",
        Weight::Value => "Each row is one token's attention to those before it, times the norms of their values.",
        Weight::Output => {
            "Each row tells how much a token takes from each before it: attention times the norm of what is written."
        }
    }
}

/// Patterns as they are drawn in every form: tokens on both sides, on one scale.
fn drawn(output: &Output, values: Array<f32>) -> Heatmap {
    let colour = ColourScale::tint().label(output.weight.label());
    let colour = if output.weighted.is_empty() { colour.domain(0.0, 1.0) } else { colour };
    Heatmap::new(values)
        .colour(colour)
        .x(Guide::new("source: looked at").ticks(words(output)))
        .y(Guide::new("destination: looks").ticks(words(output)))
        .causal()
}

fn one_head(output: &Output, layer: u32, head: u32) -> Figure {
    let layer_values = first_layer(output);
    let values = layer_values.at(Dim::Head, 0).unwrap_or(layer_values);
    // Numbers for few tokens; what rounds to nothing is left to the colour.
    let number = |&x: &f32| if x < 0.005 { String::new() } else { format!("{x:.2}") };
    let numbers = (output.tokens.len() <= MOST_WITH_NUMBERS).then(|| values.map(number));
    let scores: Vec<String> =
        kinds(output).iter().map(|(kind, scores)| format!("{kind} {:.2}", scores.data()[0])).collect();
    let mut figure = drawn(output, values)
        .title(format!("Attention of head {head} in layer {layer}"))
        .caption(format!("{} Scores: {}.", rows(output), scores.join(", ")))
        .at(Dim::Layer, layer as usize)
        .at(Dim::Head, head as usize);
    if let Some(numbers) = numbers {
        figure = figure.labels(numbers);
    }
    figure.into()
}

fn one_layer(output: &Output, layer: u32) -> Figure {
    let heads = output.heads.data();
    let values = first_layer(output);
    let names = heads.iter().map(|head| format!("head {head}"));
    let patterns = drawn(output, values)
        .panels(Guide::new("head").ticks(names).indices(heads.iter().copied()))
        .at(Dim::Layer, layer as usize);
    let mut table = Table::new(Dim::Head).numbers("head", heads.iter().map(|&head| f64::from(head))).decimals(0);
    for (kind, scores) in kinds(output) {
        table = table.floats(kind, scores.data().iter().copied()).decimals(2);
        table = table.coloured(ColourScale::tint().domain(0.0, 1.0).label("score"));
    }
    Group::new([Figure::from(patterns), table.title("Scores: mean attention, 0 to 1").into()])
        .title(format!("Attention of every head in layer {layer}"))
        .caption(rows(output))
        .into()
}

fn every_layer(output: &Output) -> Figure {
    let (layers, heads) = (output.layers.data(), output.heads.data());
    let guide = |label: &str, indices: &[u32]| {
        Guide::new(label).ticks(indices.iter().map(u32::to_string)).indices(indices.iter().copied())
    };
    let kinds = kinds(output);
    let scores = kinds.iter().flat_map(|(_, scores)| scores.data().iter().copied()).collect();
    let shape = [kinds.len(), layers.len(), heads.len()];
    let mut figures = vec![strongest(output)];
    figures.extend(Array::new([Dim::Row, Dim::Layer, Dim::Head], shape, scores).ok().map(|scores| {
        Heatmap::new(scores)
            .colour(ColourScale::tint().domain(0.0, 1.0).label("score"))
            .x(guide("head", heads))
            .y(guide("layer", layers))
            .panels(Guide::new("kind").ticks(kinds.map(|(kind, _)| kind)))
            .upwards()
            .into()
    }));
    Group::new(figures)
        .title("Kinds of attention head")
        .caption(
            "Scores are mean attention, 0 to 1: to the token before, to what followed the same token in a random text \
             given twice, to earlier occurrences of the same token, to the first token. Look at one with --layer and \
             --head.",
        )
        .into()
}

/// The heads with the highest score of each kind.
fn strongest(output: &Output) -> Figure {
    let (layers, heads) = (output.layers.data(), output.heads.data());
    let mut table = Table::new(Dim::K).title("Strongest heads, as layer.head").numbers("rank", (1..=5).map(f64::from));
    table = table.decimals(0);
    for (kind, scores) in kinds(output) {
        let mut order: Vec<usize> = (0..scores.len()).filter(|&i| !scores.data()[i].is_nan()).collect();
        order.sort_by(|&a, &b| scores.data()[b].total_cmp(&scores.data()[a]));
        let name = |&i: &usize| format!("{}.{}", layers[i / heads.len()], heads[i % heads.len()]);
        table = table.words(kind, order.iter().take(5).map(name));
        table = table.floats("score", order.iter().take(5).map(|&i| scores.data()[i])).decimals(2);
    }
    table.into()
}
