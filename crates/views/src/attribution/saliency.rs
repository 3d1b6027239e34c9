//! How much each token of the prompt matters for a prediction.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Table, Tokens};
use methods::{Aim, Blank};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// How much each token of the prompt matters for a prediction, by gradients and by leaving it out.
///
/// The prediction is the logit of a token at one position, by default of the likeliest next token; with `--minus`, its
/// difference to the logit of another token, which asks why this one rather than that. Four scores tell of every token's
/// embedding (the point `embed`): the norm of the gradient there, that is how far the logit could be moved; gradient ·
/// embedding, the first-order guess of what the token adds; integrated gradients, which follow the logit from a baseline
/// in place of all tokens to the prompt itself, so that they sum to what the prompt adds; and occlusion, what the logit
/// loses when this token alone is replaced by the baseline.
///
/// The integral is refined where it is worst, until its parts agree with the change of the logit, or `--steps` gradients
/// are used up. `completeness_error` tells what is left: the difference between the sum of the scores and what they
/// should sum to, as a share of the latter.
///
/// The baseline leaves the first token in place, so integrated gradients give it 0. Heads with nothing to say rest on that
/// token; without it a network is in a state that no text brings about, and on the way from there its logits jump about so
/// that the integral does not converge in a reasonable time (`--keep-first false` shows it). For the same reason a token is
/// a better baseline than a mean of embeddings, and zeros, of which a norm makes steps of any size, are the worst.
///
/// Caveats: the scores answer different questions and need not agree. All scores but the
/// gradient's norm depend on it. Tokens that replace each other (either would do) look unimportant one by one.
///
/// Source: Simonyan et al. 2013 (gradient), Shrikumar et al. 2016 (gradient · input), Sundararajan et al. 2017 (integrated
/// gradients), Zeiler and Fergus 2014 (occlusion).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saliency {
    /// The text to look at.
    pub prompt: PromptRef,
    /// The token whose logit is explained: an id, or a text that is one token; the likeliest if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A token whose logit is taken away from it: an id, or a text that is one token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus: Option<String>,
    /// The position of the logit; negative ones count from the end.
    #[serde(default = "default_pos")]
    pub pos: i64,
    /// What stands for a token that is not there: a token, as an id or a text; `mean`, the vocabulary's mean embedding; or
    /// `zero`. By default a line's end, or `mean` in a vocabulary without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Whether the baseline leaves the first token in place (unless it is the only one).
    #[serde(default = "default_keep_first")]
    pub keep_first: bool,
    /// How many gradients integrated gradients may take at most.
    #[serde(default = "default_steps")]
    #[schemars(range(min = 4))]
    pub steps: usize,
}

fn default_pos() -> i64 {
    -1
}

fn default_keep_first() -> bool {
    true
}

fn default_steps() -> usize {
    512
}

/// Scores of every token, and how well the integral was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// Id of the token whose logit is explained.
    pub target_id: u32,
    /// The same token as text.
    pub target: String,
    /// The token whose logit is taken away as text; null without one.
    pub minus: Option<String>,
    /// The position of the logit.
    pub position: usize,
    /// The logit that is explained, or the difference of two.
    pub value: f64,
    /// The same with the baseline in place of every token, but for a first one that is kept.
    pub baseline_value: f64,
    /// Euclidean norm of the gradient by the token's embedding, [pos].
    pub gradient_norm: Array<f32>,
    /// Gradient · embedding, [pos].
    pub gradient_x_input: Array<f32>,
    /// Integrated gradients, [pos]; they sum to `value` − `baseline_value`.
    pub integrated_gradients: Array<f32>,
    /// What the logit loses when the token, the first too, is replaced by the baseline, [pos].
    pub occlusion: Array<f32>,
    /// How far the integrated gradients are from summing to `value` − `baseline_value`, as a fraction of it;
    /// null if that is 0.
    pub completeness_error: Option<f64>,
    /// How many gradients the integral took.
    pub steps: usize,
}

impl View for Saliency {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        spec.point("embed").map(|_| ()).ok_or_else(|| Why("it embeds no tokens (no point `embed`)".into()))
    }

    fn example() -> Self {
        let prompt = PromptRef::Tokens(vec![3, 5, 7, 5, 3]);
        Self { prompt, target: None, minus: None, pos: -1, baseline: None, keep_first: true, steps: 64 }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let token = |named: &Option<String>| named.as_deref().map(|named| cx.token(named)).transpose();
        let (target, against) = (token(&self.target)?, token(&self.minus)?);
        let baseline = match self.baseline.as_deref() {
            Some("mean") => Blank::Mean,
            Some("zero") => Blank::Zero,
            Some(token) => Blank::Token(cx.token(token)?),
            None => cx.tokenizer()?.and_then(|known| known.id_of("\n")).map_or(Blank::Mean, Blank::Token),
        };
        let aim = Aim { target, against, pos: self.pos, baseline, keep_first: self.keep_first, steps: self.steps };
        let found = methods::saliency(cx.subject(&prompt.ids)?, aim, &mut |done, of| cx.tick(done, of))?;
        Ok(Output {
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            target_id: found.target,
            target: cx.words(&[found.target])?.concat(),
            minus: against.map(|id| cx.words(&[id])).transpose()?.map(|words| words.concat()),
            position: found.position,
            value: found.value,
            baseline_value: found.baseline_value,
            gradient_norm: Array::vector(Dim::Pos, found.gradient_norm),
            gradient_x_input: Array::vector(Dim::Pos, found.gradient_input),
            integrated_gradients: Array::vector(Dim::Pos, found.integrated),
            occlusion: Array::vector(Dim::Pos, found.occlusion),
            completeness_error: found.completeness_error,
            steps: found.steps,
        })
    }

    fn draw(output: &Output) -> Figure {
        let what = match &output.minus {
            None => format!("the logit of {:?}", output.target),
            Some(minus) => format!("the logit of {:?} less that of {minus:?}", output.target),
        };
        let words = || output.tokens.data().iter().map(String::as_str);
        let text = |name: &str, scores: &Array<f32>, colour: ColourScale| -> Figure {
            Tokens::new(words()).values(scores.data().to_vec()).colour(colour.label(name)).title(name).into()
        };
        let signed = ColourScale::diverging;
        Group::new([
            text("integrated gradients", &output.integrated_gradients, signed()),
            text("occlusion", &output.occlusion, signed()),
            text("gradient · embedding", &output.gradient_x_input, signed()),
            text("norm of the gradient", &output.gradient_norm, ColourScale::tint()),
            numbers(output),
        ])
        .title(format!("What matters for {what} at position {}", output.position))
        .caption(format!(
            "It is {:.3}, and {:.3} with the baseline in place of the tokens. Red raises it, blue lowers it. Integrated \
             gradients sum to the difference{}, after {} gradients.",
            output.value,
            output.baseline_value,
            output.completeness_error.map_or_else(String::new, |error| format!(" up to {:.2} %", 100.0 * error)),
            output.steps
        ))
        .caveat("All scores but the gradient's norm depend on the baseline.")
        .into()
    }
}

fn numbers(output: &Output) -> Figure {
    Table::new(Dim::Pos)
        .numbers("pos", (0..output.tokens.len()).map(|pos| pos as f64))
        .decimals(0)
        .words("token", output.tokens.data().iter().map(String::as_str))
        .floats("integrated gradients", output.integrated_gradients.data().iter().copied())
        .decimals(3)
        .floats("occlusion", output.occlusion.data().iter().copied())
        .decimals(3)
        .floats("gradient · embedding", output.gradient_x_input.data().iter().copied())
        .decimals(3)
        .floats("norm of the gradient", output.gradient_norm.data().iter().copied())
        .decimals(3)
        .into()
}
