//! Generating text: token by token after a prompt, with a key/value cache, under edits, seen by a tap.

use crate::sampling::{Sampler, Sampling};
use crate::{Batch, Cache, Edit, Error, Logits, Model, Nothing, Result, Run, Tap, diagnose};

/// A text to be generated. Build it up, then [`go`](Self::go).
///
/// Edits hold while the prompt is read and at every step after; positions in them count in the whole text, negative
/// ones from the end of the prompt. The tokens are the same as without a cache, since every pass gives the bits of a
/// pass over the whole text.
pub struct Generation<'a> {
    model: &'a dyn Model,
    prompt: &'a [u32],
    edits: &'a [Edit],
    sampling: Sampling,
    most: usize,
    stop: &'a [u32],
    memory: Option<u64>,
}

/// A token that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// Its id.
    pub token: u32,
    /// The natural log of the probability that the model gives it, before temperature and filters.
    pub logprob: f64,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has as many tokens as were asked for.
    Length,
    /// The model chose this token, which stands for an end and is not part of the text.
    Stop(u32),
    /// The model was made for no longer texts.
    Context,
}

/// What was generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The new tokens in order.
    pub chosen: Vec<Chosen>,
    /// Why there are no more.
    pub end: End,
}

impl<'a> Generation<'a> {
    /// At most `most` tokens after a prompt, always the likeliest.
    pub fn new(model: &'a dyn Model, prompt: &'a [u32], most: usize) -> Self {
        Self { model, prompt, edits: &[], sampling: Sampling::GREEDY, most, stop: &[], memory: None }
    }

    /// Changes to make on the way.
    pub fn edits(mut self, edits: &'a [Edit]) -> Self {
        self.edits = edits;
        self
    }

    /// How tokens are chosen.
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Tokens that stand for an end.
    pub fn stop(mut self, tokens: &'a [u32]) -> Self {
        self.stop = tokens;
        self
    }

    /// Bytes a pass may take; it refuses beforehand if it would need more.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Generates, and tells each token as soon as it is chosen. An error from `each` ends the generation with it.
    pub fn go(self, each: impl FnMut(Chosen) -> Result<()>) -> Result<Generated> {
        self.tap(&mut Nothing, each)
    }

    /// Generates, and shows a tap the points that it wants: first over the prompt, then step by step over each new
    /// token. The last token is chosen, not run. Where keys change with the length of the text, the step that crosses
    /// that length runs the whole text again.
    pub fn tap(self, tap: &mut dyn Tap, mut each: impl FnMut(Chosen) -> Result<()>) -> Result<Generated> {
        let mut sampler = Sampler::new(self.sampling)?;
        let mut cache = Cache::new(self.model, 1);
        let mut chosen: Vec<Chosen> = Vec::new();
        let mut fed = self.prompt.to_vec();
        while chosen.len() < self.most {
            let length = self.prompt.len() + chosen.len();
            if self.model.spec().sizes.n_ctx.is_some_and(|most| !chosen.is_empty() && length > most) {
                return Ok(Generated { chosen, end: End::Context });
            }
            let Some(next) = self.step(&fed, &mut cache, &mut sampler, tap)? else {
                return Err(self.diagnose(&chosen));
            };
            if self.stop.contains(&next.token) {
                return Ok(Generated { chosen, end: End::Stop(next.token) });
            }
            each(next)?;
            chosen.push(next);
            if self.model.spec().keys_change_beyond == Some(cache.lengths()[0]) {
                cache = Cache::new(self.model, 1);
                fed = self.prompt.iter().copied().chain(chosen.iter().map(|c| c.token)).collect();
            } else {
                fed = vec![next.token];
            }
        }
        Ok(Generated { chosen, end: End::Length })
    }

    /// One pass and the token after it; none where the logits are not numbers.
    fn step(&self, fed: &[u32], cache: &mut Cache, sampler: &mut Sampler, tap: &mut dyn Tap) -> Result<Option<Chosen>> {
        let batch = Batch::after(&[fed], cache.lengths())?;
        let mut run = Run::new(self.model, batch)
            .edits(self.edits)
            .logits(Logits::Last)
            .prompt_lengths(vec![self.prompt.len()])
            .cache(cache);
        if let Some(bytes) = self.memory {
            run = run.memory(bytes);
        }
        let Some(logits) = run.tap(tap)?.logits else {
            return Err(Error::Input("the model gives no logits, so it cannot generate".into()));
        };
        let backend = &**self.model.backend();
        let logprobs = backend.log_softmax(&logits, logits.len());
        if logprobs.to_f32().iter().any(|x| x.is_nan()) {
            return Ok(None);
        }
        let token = sampler.choose(&logprobs, backend);
        Ok(Some(Chosen { token, logprob: logprobs.to_f64()[token as usize] }))
    }

    fn diagnose(&self, chosen: &[Chosen]) -> Error {
        let tokens: Vec<u32> = self.prompt.iter().copied().chain(chosen.iter().map(|c| c.token)).collect();
        match Batch::one(&tokens) {
            Ok(batch) => diagnose(self.model, batch, self.edits, Some(vec![self.prompt.len()])),
            Err(error) => error,
        }
    }
}
