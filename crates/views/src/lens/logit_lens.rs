//! The logit lens.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Guide, Heatmap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why, layers};

/// What the network would predict if it stopped after each block.
///
/// The residual stream is read after every block as if it were the last one: final norm, then unembedding. Each cell
/// shows the token that comes first there, coloured by its probability. Read a column from the bottom up: where the
/// final answer first appears, where it takes the lead, what stood there before. The bottom row, `embed`, is what the
/// embedding of the input token says by itself; the top row is what the network really predicts.
///
/// Caveats: early layers may keep what they know in a form that the unembedding does not read, so that an answer that
/// is absent here may still be there. A probability is the norm's and the unembedding's reading, not a belief.
///
/// Source: nostalgebraist, "interpreting GPT: the logit lens" (2020).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogitLens {
    /// The text to look at.
    pub prompt: PromptRef,
    /// How many of the likeliest tokens to give for each layer and position.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
}

fn default_k() -> usize {
    5
}

/// For every layer row and position, what the residual stream predicts there. Layer rows are `embed`, then each block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// Ids of the likeliest tokens, in falling order, [layer, pos, k].
    pub top_ids: Array<u32>,
    /// The same tokens as text, [layer, pos, k].
    pub top_tokens: Array<String>,
    /// Their probabilities, [layer, pos, k].
    pub top_probs: Array<f32>,
    /// Kullback-Leibler divergence KL(final‖row) in nats, [layer, pos]: how much the row's prediction differs from the
    /// final one. Zero in the last row.
    pub kl_to_final: Array<f32>,
    /// Rank in this row, from 0, of the token that the final row has first, [layer, pos].
    pub rank_of_final: Array<u32>,
}

impl View for LogitLens {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        Why::needs_per_layer(spec, "resid_post")
    }

    fn example() -> Self {
        Self { prompt: PromptRef::Tokens(vec![3, 5, 7, 5, 3]), k: default_k() }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let found = methods::logit_lens(cx.subject(&prompt.ids)?, self.k, &mut |done, of| cx.tick(done, of))?;
        let cells = [found.layers, found.positions];
        let tops = [found.layers, found.positions, self.k];
        let (by_cell, by_top) = ([Dim::Layer, Dim::Pos], [Dim::Layer, Dim::Pos, Dim::K]);
        Ok(Output {
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            top_tokens: Array::new(by_top, tops, cx.words(&found.top_ids)?)?,
            top_ids: Array::new(by_top, tops, found.top_ids)?,
            top_probs: Array::new(by_top, tops, found.top_probs)?,
            kl_to_final: Array::new(by_cell, cells, found.kl_to_final.iter().map(|&x| x as f32).collect())?,
            rank_of_final: Array::new(by_cell, cells, found.rank_of_final)?,
        })
    }

    fn draw(output: &Output) -> Figure {
        let rows = output.kl_to_final.shape()[0];
        let first = |array: &Array<f32>| array.at(Dim::K, 0);
        let values = first(&output.top_probs).unwrap_or_else(|| output.kl_to_final.clone());
        let mut figure = Heatmap::new(values)
            .title("Logit lens: the likeliest next token after each block")
            .caption(
                "Each cell is the first choice when the residual stream there is unembedded; colour is its probability. \
                 Bottom row: the embedding. Top row: the network's own prediction.",
            )
            .caveat("Early layers may hold what the unembedding cannot read: an answer absent here may still be there.")
            .colour(ColourScale::tint().domain(0.0, 1.0).label("probability"))
            .x(Guide::new("token").ticks(output.tokens.data().iter().map(String::as_str)))
            .y(layers::guide(rows))
            .upwards();
        if let Some(labels) = output.top_tokens.at(Dim::K, 0) {
            figure = figure.labels(labels);
        }
        figure.details(details(output)).into()
    }
}

/// The likeliest tokens of each cell, its divergence and the rank of the final answer.
fn details(output: &Output) -> Array<String> {
    let k = output.top_ids.size(Dim::K).unwrap_or(1);
    let mut cell = 0;
    output.kl_to_final.map(|kl| {
        let tops = output.top_tokens.data().iter().zip(output.top_probs.data()).skip(cell * k).take(k);
        let tops: Vec<String> = tops.map(|(token, p)| format!("{token:?} {:.1}%", p * 100.0)).collect();
        let rank = output.rank_of_final.data()[cell];
        cell += 1;
        format!("{}\nKL to final {kl:.3} nats, final answer at rank {rank}", tops.join(", "))
    })
}
