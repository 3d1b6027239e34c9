//! Predictions of the next token.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Table, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// What the network predicts after each position, and how well it foresaw the text.
///
/// For every position: the likeliest next tokens with their probabilities, how probable the token was that does
/// follow, where it ranked, and how undecided the network was (entropy). The text above the table is coloured by the
/// log-probability of each token given those before it: pale tokens were expected, strong ones came as a surprise. The
/// last row is the prediction for what comes after the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextTokens {
    /// The text to look at.
    pub prompt: PromptRef,
    /// How many of the likeliest next tokens to give for each position; of a smaller vocabulary all.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
}

fn default_k() -> usize {
    5
}

/// For every position of the prompt, the prediction of what comes after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// Ids of the likeliest next tokens, in falling order, [pos, k].
    pub top_ids: Array<u32>,
    /// The same tokens as text, [pos, k].
    pub top_tokens: Array<String>,
    /// Their probabilities, [pos, k].
    pub top_probs: Array<f32>,
    /// Natural log-probability of the token that does follow, [pos]. NaN at the last position, which none follows.
    pub actual_logprob: Array<f32>,
    /// Rank of that token among all, from 0, [pos]. −1 at the last position.
    pub actual_rank: Array<i64>,
    /// Entropy of the prediction in nats, [pos]: 0 when certain, ln(vocabulary) when anything may come.
    pub entropy: Array<f32>,
}

impl View for NextTokens {
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
        // A vocabulary of fewer is shown whole.
        let k = cx.model()?.spec().sizes.d_vocab.map_or(self.k, |vocabulary| self.k.min(vocabulary));
        let found = methods::next_tokens(cx.subject(&prompt.ids)?, k, &mut |done, of| cx.tick(done, of))?;
        let (by_top, tops) = ([Dim::Pos, Dim::K], [prompt.ids.len(), k]);
        Ok(Output {
            tokens: Array::vector(Dim::Pos, prompt.words),
            ids: Array::vector(Dim::Pos, prompt.ids),
            top_tokens: Array::new(by_top, tops, cx.words(&found.top_ids)?)?,
            top_ids: Array::new(by_top, tops, found.top_ids)?,
            top_probs: Array::new(by_top, tops, found.top_probs)?,
            actual_logprob: Array::vector(Dim::Pos, found.actual_logprob),
            actual_rank: Array::vector(Dim::Pos, found.actual_rank),
            entropy: Array::vector(Dim::Pos, found.entropy.iter().map(|&x| x as f32).collect()),
        })
    }

    fn draw(output: &Output) -> Figure {
        Group::new([text(output), table(output)])
            .title("Next tokens: what the network expects after each position")
            .caption("A row tells what is predicted after its token; the last row, what comes after the prompt.")
            .caveat("What is likely to be written next is not what is true, nor what the network would say when asked.")
            .into()
    }
}

/// The text, each token coloured by how probable it was after those before it.
fn text(output: &Output) -> Figure {
    // The surprise of a token belongs to the position before it.
    let before = std::iter::once(f32::NAN).chain(output.actual_logprob.data().iter().copied());
    let surprise: Vec<f32> = before.take(output.tokens.len()).map(|logprob| -logprob).collect();
    Tokens::new(output.tokens.data().iter().map(String::as_str))
        .values(surprise)
        .colour(ColourScale::tint().label("surprise, nats"))
        .caption("Colour is the surprise of each token given those before it (−ln probability): pale was expected.")
        .into()
}

fn table(output: &Output) -> Figure {
    let n = output.tokens.len();
    let k = output.top_ids.size(Dim::K).unwrap_or(1);
    let following = |i: usize| output.tokens.data().get(i + 1).map_or("", String::as_str);
    let is_last = |i: usize| i + 1 == n;
    let blank = |i: usize, x: f64| if is_last(i) { f64::NAN } else { x };
    let mut table = Table::new(Dim::Pos)
        .numbers("pos", (0..n).map(|i| i as f64))
        .decimals(0)
        .words("token", output.tokens.data().iter().map(String::as_str))
        .words("what follows", (0..n).map(following))
        .numbers("its %", (0..n).map(|i| blank(i, f64::from(output.actual_logprob.data()[i]).exp() * 100.0)))
        .decimals(1)
        .numbers("its rank", (0..n).map(|i| blank(i, output.actual_rank.data()[i] as f64)))
        .decimals(0)
        .floats("entropy", output.entropy.data().iter().copied())
        .decimals(2)
        .coloured(ColourScale::tint().label("entropy, nats"));
    for rank in 0..k {
        let name = if rank == 0 { "first choice".to_owned() } else { format!("{}.", rank + 1) };
        let cell = |i: usize| {
            let percent = output.top_probs.data()[i * k + rank] * 100.0;
            format!("{} {}%", output.top_tokens.data()[i * k + rank], short(percent))
        };
        table = table.words(name, (0..n).map(cell));
    }
    table.into()
}

/// A percentage with as many digits as are of interest.
fn short(percent: f32) -> String {
    if percent >= 9.95 { format!("{percent:.0}") } else { format!("{percent:.1}") }
}
