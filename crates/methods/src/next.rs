//! What the model expects after each position of a prompt, and how the prompt's own next token fares.

use engine::Result;

use crate::stream::{Stream, rank};
use crate::{Subject, Tick};

/// What [`next_tokens`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct NextTokens {
    /// `[pos, k]`: the likeliest next tokens, in falling order.
    pub top_ids: Vec<u32>,
    /// `[pos, k]`: their probabilities.
    pub top_probs: Vec<f32>,
    /// `[pos]`: natural log-probability of the token that does follow; NaN at the last position, which none follows.
    pub actual_logprob: Vec<f32>,
    /// `[pos]`: its rank from 0; −1 at the last position.
    pub actual_rank: Vec<i64>,
    /// `[pos]`: entropy of the prediction in nats.
    pub entropy: Vec<f64>,
}

/// The model's predictions at every position of the prompt.
pub fn next_tokens(subject: Subject<'_>, k: usize, tick: Tick<'_>) -> Result<NextTokens> {
    subject.check_k(k)?;
    let vocabulary = subject.vocabulary()?;
    let positions = subject.tokens.len();
    let total = 2 * positions as u64;
    // The pass is one half of the way, the logits the other.
    let stream = Stream::of(subject, false, &mut |row, rows| tick(row * positions as u64 / rows, total))?;
    let backend = &**subject.model.backend();
    let mut found =
        NextTokens { top_ids: vec![], top_probs: vec![], actual_logprob: vec![], actual_rank: vec![], entropy: vec![] };
    for start in (0..positions).step_by(stream.rows_at_once()) {
        tick((positions + start) as u64, total)?;
        let chosen = start..(start + stream.rows_at_once()).min(positions);
        let logprobs = stream.logprobs(0..1, chosen.clone())?.remove(0);
        let top = backend.top_k(&logprobs, vocabulary, k);
        found.top_ids.extend(top.ids);
        found.top_probs.extend(top.values.iter().map(|&x| f64::from(x).exp() as f32));
        for (row, pos) in logprobs.to_f32().chunks_exact(vocabulary).zip(chosen) {
            let next = subject.tokens.get(pos + 1);
            found.actual_logprob.push(next.map_or(f32::NAN, |&token| row[token as usize]));
            found.actual_rank.push(next.map_or(-1, |&token| rank(row, token) as i64));
            found.entropy.push(entropy(row));
        }
    }
    tick(total, total)?;
    Ok(found)
}

/// −Σ p ln p, in nats, of natural log-probabilities.
fn entropy(logprobs: &[f32]) -> f64 {
    let terms = logprobs.iter().map(|&x| f64::from(x)).filter(|x| x.is_finite());
    -terms.map(|x| x.exp() * x).sum::<f64>()
}
