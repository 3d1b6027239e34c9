//! Text after a prompt.

use engine::tokenizer::{Stream, Tokenizer};
use engine::{End, Generation, Sampling, Spec};
use figure::{Array, ColourScale, Dim, Figure, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, PromptRef, Result, View, Why};

/// Text that the network writes after a prompt.
///
/// Token after token is chosen: the likeliest at temperature 0 (the default), at random by its probability otherwise,
/// from the same random stream for the same seed. Edits are in force while the prompt is read and at every step after;
/// their positions count in the whole text, negative ones from the end of the prompt. The text ends early where the
/// network itself says so. Each new token is coloured by the probability that the network gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The text to go on from.
    pub prompt: PromptRef,
    /// How many tokens to write at most.
    #[serde(default = "default_tokens")]
    pub max_new_tokens: usize,
    /// What logits are divided by: 0 always takes the likeliest token, 1 draws by the network's own probabilities, more
    /// makes the unlikely likelier.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub temperature: f64,
    /// Draw only from this many likeliest tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub top_k: Option<usize>,
    /// Draw only from the likeliest tokens that together have at least this probability.
    #[serde(default = "default_top_p")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub top_p: f64,
    /// Start of the random stream.
    #[serde(default)]
    pub seed: u64,
}

fn default_tokens() -> usize {
    40
}

fn default_top_p() -> f64 {
    1.0
}

/// The new text, token by token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The prompt's tokens as text, [pos].
    pub prompt_tokens: Array<String>,
    /// Their ids, [pos].
    pub prompt_ids: Array<u32>,
    /// The new tokens as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// Natural log of the probability that the network gave each new token, before temperature and filters, [pos].
    pub logprobs: Array<f32>,
    /// The new text.
    pub text: String,
    /// Why it ends: `length` (as many tokens as asked for), `stop` (the network said so) or `context` (the network was
    /// made for no longer texts).
    pub ended: String,
}

impl View for Sample {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)
    }

    fn example() -> Self {
        Self {
            prompt: PromptRef::Tokens(vec![3, 5, 7, 5, 3]),
            max_new_tokens: 8,
            temperature: 0.0,
            top_k: None,
            top_p: default_top_p(),
            seed: 0,
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = cx.prompt(&self.prompt)?;
        let tokenizer = cx.tokenizer()?;
        let stop = tokenizer.map_or(&[][..], |tokenizer| tokenizer.ends());
        let sampling =
            Sampling { temperature: self.temperature, top_k: self.top_k, top_p: self.top_p, seed: self.seed };
        let subject = cx.subject(&prompt.ids)?;
        let mut generation = Generation::new(subject.model, &prompt.ids, self.max_new_tokens)
            .edits(subject.edits)
            .sampling(sampling)
            .stop(stop);
        if let Some(bytes) = subject.memory {
            generation = generation.memory(bytes);
        }
        cx.tick(0, self.max_new_tokens as u64)?;
        let mut stream = tokenizer.map(Tokenizer::stream);
        // What came before decides how a piece of text is to be written, spaces above all.
        if let Some(stream) = &mut stream {
            prompt.ids.iter().for_each(|&id| drop(stream.push(id)));
        }
        let mut text = String::new();
        let mut written = 0;
        let generated = generation.go(|chosen| {
            let piece =
                stream.as_mut().map_or_else(|| format!("[{}]", chosen.token), |stream| stream.push(chosen.token));
            cx.show(&piece);
            text.push_str(&piece);
            written += 1;
            cx.tick(written, self.max_new_tokens as u64)
        })?;
        let rest = stream.map(Stream::finish).unwrap_or_default();
        cx.show(&rest);
        text.push_str(&rest);
        let ids: Vec<u32> = generated.chosen.iter().map(|chosen| chosen.token).collect();
        Ok(Output {
            prompt_tokens: Array::vector(Dim::Pos, prompt.words),
            prompt_ids: Array::vector(Dim::Pos, prompt.ids.clone()),
            tokens: Array::vector(Dim::Pos, cx.words(&ids)?),
            ids: Array::vector(Dim::Pos, ids),
            logprobs: Array::vector(Dim::Pos, generated.chosen.iter().map(|c| c.logprob as f32).collect()),
            text,
            ended: match generated.end {
                End::Length => "length",
                End::Stop(_) => "stop",
                End::Context => "context",
            }
            .to_owned(),
        })
    }

    fn draw(output: &Output) -> Figure {
        let tokens = output.prompt_tokens.data().iter().chain(output.tokens.data()).map(String::as_str);
        let probabilities = output.logprobs.data().iter().map(|logprob| logprob.exp());
        let values = output.prompt_tokens.data().iter().map(|_| f32::NAN).chain(probabilities).collect();
        let ended = match output.ended.as_str() {
            "stop" => "The network ended the text.",
            "context" => "The network was made for no longer texts.",
            _ => "It ends after as many tokens as were asked for.",
        };
        Tokens::new(tokens)
            .values(values)
            .colour(ColourScale::tint().domain(0.0, 1.0).label("probability"))
            .title("Sample: text that the network writes")
            .caption(format!("The prompt, then the new tokens, coloured by their probability. {ended}"))
            .caveat("One text of the many that it may write: another seed gives another, unless the temperature is 0.")
            .into()
    }
}
