//! What each head adds to a logit, by the token it takes it from.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Guide, Heatmap};
use methods::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// Heads that the figure shows.
const ROWS: usize = 16;

/// What each head adds to a logit, by the token it takes it from.
///
/// A head writes, at the position that looks, the sum of what it finds at the sources, each weighted by its attention:
/// pattern · value, through the head's part of the output matrix. Read in the direction of a logit, or of the difference
/// of two, each term is what this head adds to the logit because of this source. Terms of a head sum to the head's direct
/// contribution. The figure has the heads that move the logit most, a row each: above zero speaks for the token, below
/// against it. A head may attend much to a source and add nothing by it, or attend little and add much.
///
/// Caveats: only the direct way to the logit counts, not what later layers make of a head's output. The divisors of the
/// norms on the way are held at what they were in this pass, which makes them linear. An edit behind the pattern and the
/// values, such as of `attn.z`, shows in `total` and not in the terms.
///
/// Source: Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadSources {
    /// The text to look at.
    pub prompt: PromptRef,
    /// The token whose logit is split: an id, or a text that is one token. If not given, the one the network predicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The token whose logit is taken away from it, named likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus: Option<String>,
    /// Take the mean logit of the whole vocabulary away; of no effect on a difference.
    #[serde(default)]
    pub centred: bool,
    /// The position whose prediction is split; negative ones count from the end.
    #[serde(default = "default_pos")]
    pub pos: i64,
}

fn default_pos() -> i64 {
    -1
}

/// Contributions of heads and sources, in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// The position that looks.
    pub position: usize,
    /// What is split, in words: a token as text, or two with a minus between them.
    pub target: String,
    /// The id of the token whose logit is split.
    pub target_id: u32,
    /// The logit before a soft cap, or the difference of two; not centred.
    pub logit: f64,
    /// What each head adds by each source, [layer, head, pos/src].
    pub contributions: Array<f32>,
    /// Attention from the position to each source, [layer, head, pos/src].
    pub pattern: Array<f32>,
    /// Sum of a head's contributions above zero, [layer, head].
    pub positive: Array<f32>,
    /// Sum of a head's contributions below zero, [layer, head].
    pub negative: Array<f32>,
    /// What each head adds in all, read from what it writes, [layer, head]; not centred.
    pub total: Array<f32>,
}

impl View for HeadSources {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        Why::needs_per_layer(spec, "attn.pattern")?;
        Why::needs_per_layer(spec, "resid_post")
    }

    fn example() -> Self {
        let prompt = PromptRef::Tokens(vec![3, 5, 7, 5, 3]);
        Self { prompt, token: None, minus: None, centred: false, pos: default_pos() }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let named = |token: &Option<String>| token.as_deref().map(|named| cx.token(named)).transpose();
        let (token, minus) = (named(&self.token)?, named(&self.minus)?);
        let target = Target { token, minus, centred: self.centred, pos: self.pos };
        let found = methods::head_sources(cx.subject(&prompt.ids)?, target, &mut |done, of| cx.tick(done, of))?;
        let direct = &found.direct;
        let n = prompt.ids.len();
        let word = |id: u32| Ok::<_, crate::Error>(cx.words(&[id])?.remove(0));
        let target = match direct.against {
            None => word(direct.token)?,
            Some(minus) => format!("{} − {}", word(direct.token)?, word(minus)?),
        };
        let heads = [direct.heads.len() / direct.n_heads.max(1), direct.n_heads];
        let by_head = |data: Vec<f32>| Array::new([Dim::Layer, Dim::Head], heads, data);
        let by_source = |data: &[f64]| {
            let axes = [Dim::Layer.into(), Dim::Head.into(), Dim::Pos.src()];
            Array::new(axes, [heads[0], heads[1], n], data.iter().map(|&x| x as f32).collect())
        };
        let sums = |part: fn(f64) -> f64| {
            found.contributions.chunks_exact(n).map(|row| row.iter().map(|&x| part(x)).sum::<f64>() as f32).collect()
        };
        Ok(Output {
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            position: direct.position,
            target,
            target_id: direct.token,
            logit: direct.logit,
            contributions: by_source(&found.contributions)?,
            pattern: by_source(&found.pattern)?,
            positive: by_head(sums(|x| x.max(0.0)))?,
            negative: by_head(sums(|x| x.min(0.0)))?,
            total: by_head(direct.heads.iter().map(|&x| x as f32).collect())?,
        })
    }

    fn draw(output: &Output) -> Figure {
        let n = output.tokens.len().max(1);
        let n_heads = output.total.size(Dim::Head).unwrap_or(1).max(1);
        let rows: Vec<&[f32]> = output.contributions.data().chunks_exact(n).collect();
        let strength = |row: &[f32]| row.iter().map(|x| x.abs()).sum::<f32>();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| strength(rows[b]).total_cmp(&strength(rows[a])));
        order.truncate(ROWS);
        let cells: Vec<f32> = order.iter().flat_map(|&row| rows[row]).copied().collect();
        let details = order.iter().flat_map(|&row| (0..n).map(move |src| (row, src))).map(|(row, src)| {
            let (attention, added) = (output.pattern.data()[row * n + src], rows[row][src]);
            let token = &output.tokens.data()[src];
            format!("{added:+.3} by {token:?}, attention {attention:.3}")
        });
        let (details, count) = (details.collect(), order.len());
        let name = |&row: &usize| {
            let sums = [output.positive.data()[row], output.negative.data()[row]];
            format!("{}.{} ({:+.2} {:+.2})", row / n_heads, row % n_heads, sums[0], sums[1])
        };
        let axes = || [Dim::Head.into(), Dim::Pos.src()];
        let words = output.tokens.data().iter().map(String::as_str);
        // The sizes are those of the arrays, so an array of them can always be made.
        let values = Array::new(axes(), [count, n], cells).unwrap_or_else(|_| output.total.clone());
        let mut figure = Heatmap::new(values)
            .title(format!("What heads add to the logit of {:?} at position {}, by source", output.target, output.position))
            .caption(
                "The heads that add or take most, as layer.head (sum above zero, sum below zero); columns are the tokens \
                 that they take it from.",
            )
            .caveat("Only the direct way to the logit; norms divide by what they divided by in this pass.")
            .colour(ColourScale::diverging().label("logits"))
            .x(Guide::new("source").ticks(words))
            .y(Guide::new("layer.head").ticks(order.iter().map(name)));
        if let Ok(details) = Array::new(axes(), [count, n], details) {
            figure = figure.details(details);
        }
        figure.into()
    }
}
