//! How surprising a text is.
use crate::{Cx, PromptRef, Result, View};
use figure::{Array, ColourScale, Dim, Figure, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
/// How surprised the network is by each token, in bits.
///
/// A token that it was sure of costs 0 bits, one that it held as likely as 1023 others 10: the text could be written
/// with so many bits by whoever has the same network. What follows a surprise tells whether it was understood.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Surprise {
    /// The text to look at.
    pub prompt: PromptRef,
}
/// The surprise at every token of the prompt.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub tokens: Array<String>,
    /// −log2 p of each, given those before it, [pos]; NaN at the first, which nothing stands before.
    pub bits: Array<f32>,
}
impl View for Surprise {
    type Output = Output;
    fn example() -> Self {
        Self { prompt: PromptRef::Tokens(vec![3, 5, 7]) }
    }
    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let found = methods::next_tokens(cx.subject(&prompt.ids)?, 1, &mut |done, of| cx.tick(done, of))?;
        let mut bits: Vec<f32> = found.actual_logprob.iter().map(|x| -x * std::f32::consts::LOG2_E).collect();
        bits.rotate_right(1); // The last is NaN: no token follows it.
        Ok(Output { tokens: Array::vector(Dim::Pos, prompt.words), bits: Array::vector(Dim::Pos, bits) })
    }
    fn draw(out: &Output) -> Figure {
        let text = Tokens::new(out.tokens.data().to_vec()).values(out.bits.data().to_vec()).title("Surprise");
        text.caption("Strong colour: not foreseen.").colour(ColourScale::tint().label("bits")).into()
    }
}
