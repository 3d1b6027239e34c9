//! Two prompts that differ in what a behaviour depends on, and what tells of that behaviour.

use engine::{Error, Result};
use serde::{Deserialize, Serialize};

/// A prompt, one that differs from it, and where the two should lead to different predictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// The prompt that brings the behaviour about.
    pub clean: Vec<u32>,
    /// One of as many tokens that does not.
    pub corrupt: Vec<u32>,
    /// Where to look, and for what; at least one.
    pub asks: Vec<Ask>,
}

/// What a prediction is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The position whose next token is predicted.
    pub pos: usize,
    /// The token that is right after the clean prompt.
    pub answer: u32,
    /// The one it competes with.
    pub wrong: u32,
}

/// One number about the predictions that a contrast asks for: the mean over its [`Ask`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Logit of the answer minus that of the wrong token.
    #[default]
    LogitDiff,
    /// Probability of the answer.
    Prob,
    /// Kullback-Leibler divergence from the clean run's prediction to the one at hand, in nats.
    Kl,
    /// The logit difference as a share of the way from the corrupt run's (0) to the clean run's (1).
    Normalised,
}

impl Contrast {
    /// Refuses prompts of unequal lengths, and asks that name no position or no token of the vocabulary.
    pub fn check(&self, d_vocab: usize) -> Result<()> {
        let (clean, corrupt) = (self.clean.len(), self.corrupt.len());
        if clean != corrupt {
            return Err(Error::Input(format!(
                "the clean prompt has {clean} tokens and the corrupt one {corrupt}: positions can only be exchanged between \
                 prompts of equal length"
            )));
        }
        if self.asks.is_empty() {
            return Err(Error::Input("no position is asked about".into()));
        }
        for Ask { pos, answer, wrong } in &self.asks {
            if *pos >= clean {
                return Err(Error::Input(format!("there is no position {pos}: the prompt has {clean} tokens")));
            }
            if let Some(token) = [answer, wrong].into_iter().find(|&&token| token as usize >= d_vocab) {
                return Err(Error::Input(format!("there is no token {token}: the vocabulary has {d_vocab}")));
            }
        }
        Ok(())
    }
}
