//! How well a network predicts texts that it has not seen.

use std::f64::consts::LN_2;
use std::ops::Range;

use engine::{Batch, Model, Run};
use methods::Subject;

use crate::{Error, Result};

/// Sequences of one pass.
const AT_ONCE: usize = 8;

/// A loss over whole texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Mean, in nats a token.
    pub nats_per_token: f64,
    /// Bits for each byte of text. The tokens that end documents count as cost and have no bytes.
    pub bits_per_byte: f64,
}

/// The loss over texts: every token is predicted once, after at least half a context of those before it, or after all
/// that there are. `tokens` begin with the token between documents; `bytes` is the length of their text.
pub fn texts(model: &dyn Model, tokens: &[u32], bytes: u64, context: usize) -> Result<Loss> {
    let mut nats = 0.0;
    let windows = windows(tokens.len(), context.max(2));
    for some in windows.chunks(AT_ONCE) {
        let sequences: Vec<&[u32]> = some.iter().map(|window| &tokens[window.tokens.clone()]).collect();
        for (losses, window) in losses(model, &sequences)?.iter().zip(some) {
            nats += losses[window.known - 1..].iter().map(|&loss| f64::from(loss)).sum::<f64>();
        }
    }
    let predicted = tokens.len().saturating_sub(1);
    if predicted == 0 || bytes == 0 {
        return Err(Error::Corpus("there is nothing in the held-out part to measure on".into()));
    }
    Ok(Loss { nats_per_token: nats / predicted as f64, bits_per_byte: nats / LN_2 / bytes as f64 })
}

/// Tokens that go through the network together; the first `known` of them are there to be looked at only.
#[derive(Debug, PartialEq)]
struct Window {
    tokens: Range<usize>,
    known: usize,
}

/// Windows of at most `context` tokens in which every token but the first is predicted once.
fn windows(tokens: usize, context: usize) -> Vec<Window> {
    let step = (context / 2).max(1);
    let mut windows = Vec::new();
    let mut known = 1;
    while known < tokens {
        let (start, end) = if known == 1 { (0, context) } else { (known + step - context, known + step) };
        let end = end.min(tokens);
        windows.push(Window { tokens: start..end, known: known - start });
        known = end;
    }
    windows
}

/// What is measured at marks: mean loss of some sequences of equal length, and how much later tokens gain by context
/// (see [`crate::Mark::in_context`]).
pub fn sequences(model: &dyn Model, sequences: &[&[u32]]) -> Result<(f64, f64)> {
    let mut by_position: Vec<f64> = Vec::new();
    for some in sequences.chunks(AT_ONCE) {
        for losses in losses(model, some)? {
            by_position.resize(losses.len().max(by_position.len()), 0.0);
            by_position.iter_mut().zip(&losses).for_each(|(sum, &loss)| *sum += f64::from(loss));
        }
    }
    let count = sequences.len() as f64;
    for sum in &mut by_position {
        *sum /= count;
    }
    Ok((mean(&by_position), near(&by_position, 500) - near(&by_position, 50)))
}

/// The mean loss near a place that is given in 512ths of the context.
fn near(by_position: &[f64], place: usize) -> f64 {
    let length = by_position.len() + 1;
    let (middle, around) = (place * length / 512, (length / 64).max(1));
    let from = middle.saturating_sub(around).min(by_position.len().saturating_sub(1));
    mean(&by_position[from..(middle + around).clamp(from + 1, by_position.len())])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of each sequence the loss of each token but the first, in nats.
fn losses(model: &dyn Model, sequences: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
    let batch = Batch::new(sequences)?;
    // The last row of a sequence predicts nothing here; it gets a target that is then left out.
    let targets: Vec<u32> = sequences.iter().flat_map(|s| s[1..].iter().copied().chain([s[0]])).collect();
    let width = model.spec().sizes.d_vocab.unwrap_or(0);
    let Some(logits) = Run::new(model, batch).go()?.logits else { return Ok(Vec::new()) };
    let all = model.backend().cross_entropy(&logits, width, &targets).to_f32().into_owned();
    let mut rest = all.as_slice();
    let one = |sequence: &&[u32]| {
        let (here, after) = rest.split_at(sequence.len());
        rest = after;
        here[..here.len() - 1].to_vec()
    };
    Ok(sequences.iter().map(one).collect())
}

/// The largest induction score and the largest previous-token score of any head, each a mean over some random texts
/// of up to 50 tokens that are given twice; `None` where the network has no patterns.
pub fn head_scores(model: &dyn Model) -> Result<Option<(f64, f64)>> {
    const TEXTS: u64 = 4;
    let spec = model.spec();
    let (heads, period) = (spec.sizes.n_heads.unwrap_or(0), (spec.sizes.n_ctx.unwrap_or(100) / 2).min(50));
    if spec.per_layer("attn.pattern").is_empty() || heads == 0 || period < 2 {
        return Ok(None);
    }
    let mut scores = vec![(0.0, 0.0); heads * spec.sizes.n_layers];
    for seed in 0..TEXTS {
        let asked = Subject { model, tokens: &[], edits: &[], memory: None, kept: None };
        let (tokens, _) = methods::random_repeat(asked, period, seed)?;
        let patterns = methods::patterns(Subject { tokens: &tokens, ..asked }, None, None, &mut |_, _| Ok(()))?;
        let induction = patterns.score(|pattern| methods::induction(pattern, period));
        let previous = patterns.score(|pattern| methods::previous_token(pattern, tokens.len()));
        for (sum, (induction, previous)) in scores.iter_mut().zip(induction.into_iter().zip(previous)) {
            *sum = (sum.0 + induction / TEXTS as f64, sum.1 + previous / TEXTS as f64);
        }
    }
    let largest = |of: fn(&(f64, f64)) -> f64| scores.iter().map(of).fold(0.0, f64::max);
    Ok(Some((largest(|s| s.0), largest(|s| s.1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_but_the_first_is_predicted_once() {
        for (tokens, context) in [(2, 8), (7, 8), (8, 8), (9, 8), (100, 8), (101, 7), (50, 2), (1, 8), (0, 8)] {
            let windows = windows(tokens, context);
            let predicted: Vec<usize> = windows.iter().flat_map(|w| w.tokens.start + w.known..w.tokens.end).collect();
            assert_eq!(predicted, (1..tokens.max(1)).collect::<Vec<_>>(), "{tokens} {context}");
            assert!(windows.iter().all(|w| w.tokens.len() <= context && w.known >= 1), "{tokens} {context}");
            assert!(windows.iter().skip(1).all(|w| w.known >= context / 2), "{tokens} {context}");
        }
    }

    #[test]
    fn places_in_the_context() {
        let by_position: Vec<f64> = (1..512).map(f64::from).collect();
        assert!((near(&by_position, 500) - 500.5).abs() < 1e-9 && (near(&by_position, 50) - 50.5).abs() < 1e-9);
        assert_eq!(near(&[3.0], 500), 3.0);
        assert_eq!(near(&[3.0, 5.0], 50), 3.0);
    }
}
