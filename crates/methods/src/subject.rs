//! What a method is asked about.

use engine::{Batch, Edit, Error, Kept, Logits, Model, Result, Run, diagnose};

/// Called with how much is done of how much; its error ends the method.
pub type Tick<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// A model and a prompt, under some edits.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The network.
    pub model: &'a dyn Model,
    /// The prompt, at least one token.
    pub tokens: &'a [u32],
    /// Changes on the way, their values loaded.
    pub edits: &'a [Edit],
    /// Bytes that a pass may take, if there is a limit.
    pub memory: Option<u64>,
    /// A pass over this prompt under these edits that was made before, if there is one.
    pub kept: Option<&'a Kept>,
}

impl<'a> Subject<'a> {
    /// A pass over the prompt, under the edits.
    pub(crate) fn run(&self, logits: Logits) -> Result<Run<'a>> {
        let run = Run::new(self.model, Batch::one(self.tokens)?).edits(self.edits).logits(logits);
        let run = match self.memory {
            Some(bytes) => run.memory(bytes),
            None => run,
        };
        Ok(match self.kept {
            Some(kept) => run.kept(kept),
            None => run,
        })
    }

    /// The error for an answer that is not finite: names the first place where the pass goes wrong.
    pub(crate) fn not_finite(&self) -> Error {
        match Batch::one(self.tokens) {
            Ok(batch) => diagnose(self.model, batch, self.edits, None),
            Err(error) => error,
        }
    }

    /// Tokens of the model's vocabulary; an error for a model that has none.
    pub(crate) fn vocabulary(&self) -> Result<usize> {
        let none = || Error::Input("the model has no vocabulary, so it predicts no tokens".into());
        self.model.spec().sizes.d_vocab.ok_or_else(none)
    }

    /// Checks how many of the likeliest tokens are asked for.
    pub(crate) fn check_k(&self, k: usize) -> Result<()> {
        match self.vocabulary()? {
            n if (1..=n).contains(&k) => Ok(()),
            n => Err(Error::Input(format!("k is {k} and should be 1 to {n}, the size of the vocabulary"))),
        }
    }
}
