//! Directions of the residual stream.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Guide, Heatmap, Lines};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why, layers};

/// How the direction of the residual stream changes from block to block, and who changes it.
///
/// The map compares every two layers: the cosine of the stream after one and after the other, mean over positions. Bands
/// of high similarity along the diagonal are stretches of blocks that change little; sharp edges are where the stream is
/// rewritten. The curves tell for each block, as medians over positions: `before and after`, the cosine of the stream on
/// its two sides; the cosine of what attention and feed-forward layer add with the stream that they add it to (above 0:
/// they strengthen what is there, 0: they add something new, below 0: they erase); and the attention's share of the
/// block's update.
///
/// The share is by projection: of the update `u = attn_out + mlp_out`, the attention writes `attn_out·u / u·u` and
/// the feed-forward layer `mlp_out·u / u·u`. The two sum to 1; one that is below 0 works against the sum, the other is
/// then above 1.
///
/// Caveat: a few coordinates of huge size, which many networks have, dominate cosines; two layers may look alike only
/// because these stay.
///
/// Source: Kornblith et al. 2019 compare layers in the same form; Gurnee et al., "Universal Neurons in GPT2 Language
/// Models" (2024), erasing by negative cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Similarity {
    /// The text to look at.
    pub prompt: PromptRef,
}

/// Cosines and shares. Rows of `similarity` are `embed` (what the first block reads), then each block; all other layer
/// rows are blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// Cosine of the stream at two layer rows, mean over positions, [layer/dst, layer/src].
    pub similarity: Array<f32>,
    /// Cosine of the stream before and after each block, [layer, pos].
    pub consecutive: Array<f32>,
    /// Cosine of what the attention adds with the stream it is added to, [layer, pos]; NaN where nothing is added.
    pub attn_cosine: Array<f32>,
    /// Cosine of what the feed-forward layer adds with the stream it is added to, [layer, pos]; NaN where nothing is added.
    pub mlp_cosine: Array<f32>,
    /// Share of the block's update that the attention writes, by projection on the update, [layer, pos].
    pub attn_share: Array<f32>,
    /// Share of the block's update that the feed-forward layer writes, [layer, pos]; with `attn_share` it sums to 1.
    pub mlp_share: Array<f32>,
}

impl View for Similarity {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_per_layer(spec, "resid_post")
    }

    fn example() -> Self {
        Self { prompt: PromptRef::Tokens(vec![3, 5, 7, 5, 3]) }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let found = methods::residual(cx.subject(&prompt.ids)?, &mut |done, of| cx.tick(done, of))?;
        let similarity = found.similarity();
        let (rows, shape) = (found.blocks + 1, [found.blocks, found.positions]);
        let grid = |data: Vec<f32>| Array::new([Dim::Layer, Dim::Pos], shape, data);
        Ok(Output {
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            similarity: Array::matrix(Dim::Layer.dst(), Dim::Layer.src(), rows, rows, similarity.rows)?,
            consecutive: grid(similarity.consecutive)?,
            attn_cosine: grid(similarity.attn_cosine)?,
            mlp_cosine: grid(similarity.mlp_cosine)?,
            attn_share: grid(similarity.attn_share)?,
            mlp_share: grid(similarity.mlp_share)?,
        })
    }

    fn draw(output: &Output) -> Figure {
        let rows = output.similarity.shape()[0];
        let map = Heatmap::new(output.similarity.clone())
            .colour(ColourScale::diverging().domain(-1.0, 1.0).label("cosine"))
            .x(layers::guide(rows))
            .y(layers::guide(rows))
            .upwards();
        Group::new([map.into(), curves(output)])
            .title("Directions of the residual stream")
            .caption(
                "Map: cosine of the stream after each two layers, mean over positions. Curves, medians over positions: \
                 how a block's output resembles its input, what its halves add, and the attention's share of the update \
                 (the feed-forward layer has the rest to 1).",
            )
            .caveat("A few coordinates of huge size can dominate cosines.")
            .into()
    }
}

fn curves(output: &Output) -> Figure {
    let curves = [&output.consecutive, &output.attn_cosine, &output.mlp_cosine, &output.attn_share];
    let blocks = output.consecutive.shape()[0];
    let heights = curves.iter().flat_map(|array| layers::medians(array)).collect();
    let heights = Array::matrix(Dim::Row, Dim::Layer, curves.len(), blocks, heights)
        .unwrap_or_else(|_| Array::vector(Dim::Layer, vec![]));
    Lines::new(heights)
        .series(Guide::default().ticks([
            "before and after",
            "attention and stream",
            "feed-forward and stream",
            "attention's share",
        ]))
        .x_axis(Guide::new("layer"))
        .y_label("median over positions")
        .into()
}
