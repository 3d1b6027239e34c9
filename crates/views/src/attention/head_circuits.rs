//! The circuits of an attention head.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Guide, Heatmap, Lines, Table};
use methods::{CircuitOptions, Pair};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, Result, View, Why};

/// What a head looks for and what it writes, read from its weights.
///
/// The QK circuit scores every pair of tokens: how much the head, at a destination token, wants to look at a source
/// token. The OV circuit scores what looking at a source token then adds to the logit of every output token. The pairs
/// with the highest scores are given. The copying score is Σλ / Σ|λ| over the eigenvalues of the OV circuit: near 1, a
/// head raises the very tokens that it looks at.
///
/// The positional part is the score that positions give without tokens: of learned positions their own; of rotations
/// that of the mean embedding's query and key at each distance. Composition scores ‖A·B‖ / (‖A‖·‖B‖) tell how much of
/// what heads of earlier layers write (`W_OV`) this head's queries (Q), keys (K) and values (V) read, less the mean
/// score of random matrices of these shapes.
///
/// Gains of norms are applied, and means removed, where the network does so; biases, divisors, norms of q and k, and all
/// between the layers are left out. Grouped heads share their keys and values.
///
/// Caveats: beyond the first layer a head reads what earlier layers wrote, not embeddings, so its token pairs may say
/// little. A composition score is a size, not an effect.
///
/// Source: Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021); random draws as in Unseal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadCircuits {
    /// The head's layer, counted from 0.
    pub layer: usize,
    /// The head, counted from 0.
    pub head: usize,
    /// How many pairs of tokens to give for each circuit.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
    /// For how many positions to compute the positional part, at most what the model takes.
    #[serde(default = "default_positions")]
    #[schemars(range(min = 1, max = 4096))]
    pub positions: usize,
    /// Random draws that composition scores are compared with.
    #[serde(default = "default_draws")]
    #[schemars(range(min = 2))]
    pub draws: usize,
    /// Seed of the random draws.
    #[serde(default)]
    pub seed: u64,
}

fn default_k() -> usize {
    15
}

fn default_positions() -> usize {
    32
}

fn default_draws() -> usize {
    1000
}

/// Both circuits in tokens, the positional part, and compositions with every head of earlier layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The layer of the head.
    pub layer: usize,
    /// The head that was asked about.
    pub head: usize,
    /// Ids of the tokens that look, of the pairs with the highest QK scores in falling order, [k].
    pub qk_dst_ids: Array<u32>,
    /// The same tokens as text, [k].
    pub qk_dst_tokens: Array<String>,
    /// Ids of the tokens that they look at, [k].
    pub qk_src_ids: Array<u32>,
    /// The same tokens as text, [k].
    pub qk_src_tokens: Array<String>,
    /// Scores of these pairs, as they would enter the softmax, [k].
    pub qk_scores: Array<f32>,
    /// Ids of the tokens that are looked at, of the pairs with the highest OV scores in falling order, [k].
    pub ov_src_ids: Array<u32>,
    /// The same tokens as text, [k].
    pub ov_src_tokens: Array<String>,
    /// Ids of the tokens whose logits that raises, [k].
    pub ov_out_ids: Array<u32>,
    /// The same tokens as text, [k].
    pub ov_out_tokens: Array<String>,
    /// Scores of these pairs: what is added to the logit, divisors of norms left out, [k].
    pub ov_scores: Array<f32>,
    /// Copying score Σλ / Σ|λ|, −1 to 1.
    pub copying_score: f64,
    /// Scores that positions alone give, [pos/dst, pos/src]; NaN where the source is behind the destination.
    pub positional: Array<f32>,
    /// Mean of those scores at each distance between destination and source, from 0, [pos].
    pub by_distance: Array<f32>,
    /// Q-composition with each earlier head less the baseline, [layer, head].
    pub q_composition: Array<f32>,
    /// K-composition with each earlier head less the baseline, [layer, head].
    pub k_composition: Array<f32>,
    /// V-composition with each earlier head less the baseline, [layer, head].
    pub v_composition: Array<f32>,
    /// Mean composition score of random matrices: the baseline of all three.
    pub baseline: f64,
    /// Standard deviation of those scores.
    pub baseline_deviation: f64,
}

impl View for HeadCircuits {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        Why::needs_per_layer(spec, "attn.pattern")
    }

    fn example() -> Self {
        Self { layer: 1, head: 0, k: 5, positions: 8, draws: 20, seed: 0 }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        if !cx.edits_in_force().is_empty() {
            let why = "edits change activations, and this view looks at weights: leave them out";
            return Err(engine::Error::Input(why.into()).into());
        }
        let &Self { layer, head, k, positions, draws, seed } = self;
        let options = CircuitOptions { k, positions, draws, seed };
        let found = methods::head_circuits(cx.model()?, layer, head, options, &mut |done, of| cx.tick(done, of))?;
        let ids = |pairs: &[Pair], of: fn(&Pair) -> u32| pairs.iter().map(of).collect::<Vec<_>>();
        let (left, right) = (|pair: &Pair| pair.left, |pair: &Pair| pair.right);
        let words = |ids: &[u32]| Ok::<_, crate::Error>(Array::vector(Dim::K, cx.words(ids)?));
        let scores = |pairs: &[Pair]| Array::vector(Dim::K, pairs.iter().map(|pair| pair.score as f32).collect());
        let (looks, writes, n) = (&found.looks, &found.writes, found.positions);
        let grid = |x: &[f64]| {
            let values = x.iter().map(|&x| x as f32).collect();
            Array::matrix(Dim::Layer, Dim::Head, layer, x.len().checked_div(layer).unwrap_or(0), values)
        };
        let diagonal = |distance: usize| {
            let scores = (distance..n).map(|dst| found.positional[dst * n + dst - distance]);
            (scores.sum::<f64>() / (n - distance) as f64) as f32
        };
        Ok(Output {
            layer,
            head,
            qk_dst_tokens: words(&ids(looks, left))?,
            qk_src_tokens: words(&ids(looks, right))?,
            qk_dst_ids: Array::vector(Dim::K, ids(looks, left)),
            qk_src_ids: Array::vector(Dim::K, ids(looks, right)),
            qk_scores: scores(looks),
            ov_src_tokens: words(&ids(writes, left))?,
            ov_out_tokens: words(&ids(writes, right))?,
            ov_src_ids: Array::vector(Dim::K, ids(writes, left)),
            ov_out_ids: Array::vector(Dim::K, ids(writes, right)),
            ov_scores: scores(writes),
            copying_score: found.copying,
            positional: Array::matrix(
                Dim::Pos.dst(),
                Dim::Pos.src(),
                n,
                n,
                found.positional.iter().map(|&x| x as f32).collect(),
            )?,
            by_distance: Array::vector(Dim::Pos, (0..n).map(diagonal).collect()),
            q_composition: grid(&found.compositions.q)?,
            k_composition: grid(&found.compositions.k)?,
            v_composition: grid(&found.compositions.v)?,
            baseline: found.baseline.mean,
            baseline_deviation: found.baseline.deviation,
        })
    }

    fn draw(output: &Output) -> Figure {
        let distance = Lines::new(output.by_distance.clone())
            .x_axis(Guide::new("distance to the source"))
            .y_label("score")
            .title("Positional part: mean score by distance");
        let mut figures = vec![pairs(output), distance.into()];
        if output.layer > 0 {
            figures.extend([compositions(output), strongest(output)]);
        }
        Group::new(figures)
            .title(format!("Circuits of head {} in layer {}", output.head, output.layer))
            .caption(format!(
                "Copying score {:.2} (1: raises the tokens it looks at, −1: lowers them). Composition scores are less \
                 the mean {:.4} of random matrices, whose standard deviation is {:.4}.",
                output.copying_score, output.baseline, output.baseline_deviation
            ))
            .caveat("Token pairs take embeddings for what the head reads: beyond the first layer that is a guess.")
            .at(Dim::Layer, output.layer)
            .at(Dim::Head, output.head)
            .into()
    }
}

/// The highest pairs of both circuits.
fn pairs(output: &Output) -> Figure {
    let words = |tokens: &Array<String>| tokens.data().to_vec();
    Table::new(Dim::K)
        .words("looks (QK)", words(&output.qk_dst_tokens))
        .words("at", words(&output.qk_src_tokens))
        .floats("score", output.qk_scores.data().iter().copied())
        .coloured(ColourScale::tint().label("QK score"))
        .words("looked at (OV)", words(&output.ov_src_tokens))
        .words("raises", words(&output.ov_out_tokens))
        .floats("score", output.ov_scores.data().iter().copied())
        .coloured(ColourScale::tint().label("OV score"))
        .title("Pairs of tokens with the highest scores")
        .into()
}

fn kinds(output: &Output) -> [(&'static str, &Array<f32>); 3] {
    [("Q", &output.q_composition), ("K", &output.k_composition), ("V", &output.v_composition)]
}

/// Compositions with every earlier head.
fn compositions(output: &Output) -> Figure {
    let (layers, heads) = (output.layer, output.q_composition.size(Dim::Head).unwrap_or(0));
    let values = kinds(output).iter().flat_map(|(_, scores)| scores.data().iter().copied()).collect();
    let all = Array::new([Dim::Row, Dim::Layer, Dim::Head], [3, layers, heads], values);
    Heatmap::new(all.unwrap_or_else(|_| output.q_composition.clone()))
        .colour(ColourScale::diverging().label("score less baseline"))
        .x(Guide::new("head"))
        .y(Guide::new("layer"))
        .panels(Guide::new("composition").ticks(kinds(output).map(|(kind, _)| format!("{kind}-composition"))))
        .upwards()
        .title("Composition with heads of earlier layers")
        .into()
}

/// The earlier heads with the highest scores of each kind.
fn strongest(output: &Output) -> Figure {
    let heads = output.q_composition.size(Dim::Head).unwrap_or(1).max(1);
    let mut table = Table::new(Dim::K).title("Highest compositions, as layer.head");
    for (kind, scores) in kinds(output) {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores.data()[b].total_cmp(&scores.data()[a]).then(a.cmp(&b)));
        order.truncate(5);
        table = table.words(kind, order.iter().map(|i| format!("{}.{}", i / heads, i % heads)));
        table = table.floats("score", order.iter().map(|&i| scores.data()[i])).decimals(4);
    }
    table.into()
}
