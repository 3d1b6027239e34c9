//! Norms of the residual stream.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Guide, Heatmap, Lines};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why, layers};

/// How large the residual stream is, and how much each block adds.
///
/// The map shows the Euclidean norm of the stream at every position, from what the first block reads (`embed`: the
/// embedding, with the learned position where the network has one) to what follows the last. The curves show the
/// median over positions of the same norms, and of what attention and feed-forward layer of each block add to them.
/// A block whose curve lies far below the stream's can turn it but little.
///
/// Read it for the growth of the stream over the blocks, for blocks that write more or less than their neighbours, and
/// for positions whose norm is far above all others: the first token often is, by one or two blocks that write a few
/// huge coordinates there ("massive activations").
///
/// Caveat: every block reads the stream through a norm, which divides the size out; a large norm is not importance.
///
/// Source: Heimersheim and Turner, "Residual stream norms grow exponentially over the forward pass" (2023); Sun et al.,
/// "Massive Activations in Large Language Models" (2024).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Norms {
    /// The text to look at.
    pub prompt: PromptRef,
}

/// Norms of the stream for every layer row and position (rows are `embed`, then each block), and of what each block
/// adds (rows are blocks).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// Norm of the residual stream, [layer, pos]: row 0 is what the first block reads, row i + 1 what follows block i.
    pub resid: Array<f32>,
    /// Norm of what the attention of each block adds, [layer, pos]; 0 where a block has none.
    pub attn_out: Array<f32>,
    /// Norm of what the feed-forward layer of each block adds, [layer, pos]; 0 where a block has none.
    pub mlp_out: Array<f32>,
    /// `attn_out` divided by the norm of the stream that it is added to, [layer, pos].
    pub attn_share: Array<f32>,
    /// `mlp_out` divided by the norm of the stream that it is added to, [layer, pos].
    pub mlp_share: Array<f32>,
}

impl View for Norms {
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
        let norms = found.norms();
        let grid =
            |data: Vec<f32>| Array::matrix(Dim::Layer, Dim::Pos, data.len() / found.positions, found.positions, data);
        Ok(Output {
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            resid: grid(norms.resid)?,
            attn_out: grid(norms.attn_out)?,
            mlp_out: grid(norms.mlp_out)?,
            attn_share: grid(norms.attn_share)?,
            mlp_share: grid(norms.mlp_share)?,
        })
    }

    fn draw(output: &Output) -> Figure {
        Group::new([map(output), curves(output)])
            .title("Norms of the residual stream")
            .caption(
                "Map: the norm at each position, on a logarithmic scale. Curves: medians over positions of the stream after \
                 each block, and of what its attention and feed-forward layer add.",
            )
            .caveat("Blocks read the stream through a norm that divides its size out: a large norm is not importance.")
            .into()
    }
}

/// The stream's norm in each cell. Colour is logarithmic, since a few cells may be hundreds of times the others.
fn map(output: &Output) -> Figure {
    let mut cell = 0;
    let columns = output.tokens.len();
    let details = output.resid.map(|norm| {
        let (row, pos) = (cell / columns, cell % columns);
        cell += 1;
        let added = row.checked_sub(1).map_or_else(String::new, |block| {
            let at = |array: &Array<f32>| array.data()[block * columns + pos];
            format!("\nattention adds {:.4}, feed-forward layer {:.4}", at(&output.attn_out), at(&output.mlp_out))
        });
        format!("norm {norm:.4}{added}")
    });
    Heatmap::new(output.resid.map(|norm| norm.log10()))
        .colour(ColourScale::sequential().label("log10 of the norm"))
        .labels(output.resid.map(|&norm| short(norm)))
        .details(details)
        .x(Guide::new("token").ticks(output.tokens.data().iter().map(String::as_str)))
        .y(layers::guide(output.resid.shape()[0]))
        .upwards()
        .into()
}

/// A norm in a few characters.
fn short(norm: f32) -> String {
    if norm < 10.0 { format!("{norm:.2}") } else { format!("{norm:.0}") }
}

fn curves(output: &Output) -> Figure {
    let blocks = output.attn_out.shape()[0];
    let after: Vec<f32> = layers::medians(&output.resid).into_iter().skip(1).collect();
    let heights = [after, layers::medians(&output.attn_out), layers::medians(&output.mlp_out)].concat();
    let Ok(heights) = Array::matrix(Dim::Row, Dim::Layer, 3, blocks, heights) else {
        return Lines::new(Array::vector(Dim::Layer, vec![])).into();
    };
    Lines::new(heights)
        .series(Guide::default().ticks(["stream after the block", "attention adds", "feed-forward layer adds"]))
        .x_axis(Guide::new("layer"))
        .y_label("norm, median over positions")
        .log_y()
        .into()
}
