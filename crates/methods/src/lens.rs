//! The logit lens: what the residual stream would predict if the network stopped after each block.

use engine::Result;

use crate::stream::{Stream, rank};
use crate::{Subject, Tick};

/// Positions whose final log-probabilities are held while the layers below are compared with them.
const POSITIONS: usize = 32;

/// What a [`logit_lens`] finds. Layer rows are `embed`, then each block.
#[derive(Clone, Debug, PartialEq)]
pub struct LogitLens {
    /// Layer rows: blocks and one.
    pub layers: usize,
    /// Positions.
    pub positions: usize,
    /// `[layer, pos, k]`: the likeliest tokens, in falling order.
    pub top_ids: Vec<u32>,
    /// `[layer, pos, k]`: their probabilities.
    pub top_probs: Vec<f32>,
    /// `[layer, pos]`: KL(final‖row) in nats, never below zero.
    pub kl_to_final: Vec<f64>,
    /// `[layer, pos]`: rank in the row, from 0, of the token that the final row has first.
    pub rank_of_final: Vec<u32>,
}

/// Applies the final norm and the unembedding to the residual stream at `embed` and after every block (nostalgebraist,
/// "interpreting GPT: the logit lens", 2020), and compares each row with the last.
///
/// Edits behind the last block act on the last row alone, which is always the model's own answer. Logits are made in
/// pieces of bounded size, never for all layers and positions at once.
pub fn logit_lens(subject: Subject<'_>, k: usize, tick: Tick<'_>) -> Result<LogitLens> {
    subject.check_k(k)?;
    let vocabulary = subject.vocabulary()?;
    let positions = subject.tokens.len();
    // The pass is one half of the way, the lens the other.
    let stream = Stream::of(subject, true, &mut |row, rows| tick(row * positions as u64, 2 * rows * positions as u64))?;
    let backend = &**subject.model.backend();
    let layers = stream.layers();
    let cells = layers * positions;
    let mut lens = LogitLens {
        layers,
        positions,
        top_ids: vec![0; cells * k],
        top_probs: vec![0.0; cells * k],
        kl_to_final: vec![0.0; cells],
        rank_of_final: vec![0; cells],
    };
    let mut done = cells as u64;
    for start in (0..positions).step_by(POSITIONS.min(stream.rows_at_once())) {
        let chosen = start..(start + POSITIONS.min(stream.rows_at_once())).min(positions);
        let together = (stream.rows_at_once() / chosen.len()).max(1);
        let last = stream.logprobs(layers - 1..layers, chosen.clone())?.remove(0);
        let first_tokens = backend.top_k(&last, vocabulary, 1).ids;
        for from in (0..layers).step_by(together) {
            tick(done, 2 * cells as u64)?;
            let rows = stream.logprobs(from..(from + together).min(layers), chosen.clone())?;
            done += (rows.len() * chosen.len()) as u64;
            for (layer, row) in (from..).zip(&rows) {
                let top = backend.top_k(row, vocabulary, k);
                let cell = layer * positions + start;
                lens.top_ids[cell * k..][..top.ids.len()].copy_from_slice(&top.ids);
                for (to, logprob) in lens.top_probs[cell * k..].iter_mut().zip(&top.values) {
                    *to = f64::from(*logprob).exp() as f32;
                }
                for (to, kl) in lens.kl_to_final[cell..].iter_mut().zip(backend.kl_rows(&last, row, vocabulary)) {
                    // Rounding may take a divergence of nearly nothing below zero.
                    *to = if kl < 0.0 { 0.0 } else { kl };
                }
                let numbers = row.to_f32();
                for (i, row) in numbers.chunks_exact(vocabulary).enumerate() {
                    lens.rank_of_final[cell + i] = rank(row, first_tokens[i]) as u32;
                }
            }
        }
    }
    tick(done, done)?;
    Ok(lens)
}
