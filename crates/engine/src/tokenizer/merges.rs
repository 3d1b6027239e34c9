//! The merges that a vocabulary with scores implies.
//!
//! SentencePiece keeps no merges: of all neighbours that make a token together, those whose token has the best score
//! are joined first. The same is done by ranked merges, one for each way to make a token out of two others, ranked by
//! that token's score. Among equals, the order is that of `generate_merges` in Hugging Face's transformers.

use std::cmp::Ordering;

use ahash::AHashMap;

use crate::{Error, Result};

/// Bytes of a token. No vocabulary in use comes near; the ways to cut a token in two grow with its length.
const LONGEST: usize = 1024;

/// How many times as long as the whole vocabulary its merges may be, in bytes. Twice or three times is usual.
const MOST_GROWTH: usize = 16;

/// The merges, best first. `ids` maps each of `tokens` to its place.
pub(super) fn by_score(
    tokens: &[String],
    scores: &[f32],
    ids: &AHashMap<String, u32>,
) -> Result<Vec<(String, String)>> {
    if scores.len() != tokens.len() {
        let (scores, tokens) = (scores.len(), tokens.len());
        return Err(Error::Tokenizer(format!("it has {scores} scores for {tokens} tokens, and no merges")));
    }
    let mut allowance = MOST_GROWTH * tokens.iter().map(|token| token.len() + 1).sum::<usize>();
    let mut ways = Vec::new();
    for (id, (token, &score)) in tokens.iter().zip(scores).enumerate() {
        if token.len() > LONGEST {
            let len = token.len();
            return Err(Error::Tokenizer(format!("token {id} has {len} bytes, more than {LONGEST}")));
        }
        if !score.is_finite() {
            return Err(Error::Tokenizer(format!("the score of token {id} is {score}")));
        }
        let first = ways.len();
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(&l), Some(&r)) = (ids.get(left), ids.get(right)) {
                ways.push(Way { score, left, right, ids: (l, r) });
                let Some(rest) = allowance.checked_sub(token.len()) else {
                    return Err(Error::Tokenizer("its tokens are made of one another in too many ways".into()));
                };
                allowance = rest;
            }
        }
        ways[first..].sort_by_key(|way| way.ids);
    }
    ways.sort_by(Way::order);
    Ok(ways.into_iter().map(|way| (way.left.into(), way.right.into())).collect())
}

/// A way to make a token of two others.
struct Way<'t> {
    score: f32,
    left: &'t str,
    right: &'t str,
    ids: (u32, u32),
}

impl Way<'_> {
    /// The best score first, then the longest parts, in characters. The sort that uses it keeps the order of equals.
    fn order(&self, other: &Self) -> Ordering {
        let lengths = |way: &Self| (way.left.chars().count(), way.right.chars().count());
        other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal).then_with(|| lengths(other).cmp(&lengths(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merges(tokens: &[(&str, f32)]) -> Result<Vec<(String, String)>> {
        let (tokens, scores): (Vec<String>, Vec<f32>) = tokens.iter().map(|(t, s)| ((*t).to_owned(), *s)).unzip();
        let ids = tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)).collect();
        by_score(&tokens, &scores, &ids)
    }

    #[test]
    fn the_best_score_comes_first() {
        let found =
            merges(&[("a", -9.0), ("b", -9.0), ("c", -9.0), ("bc", -2.0), ("ab", -1.0), ("abc", -3.0)]).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(l, r)| (l.as_str(), r.as_str())).collect();
        assert_eq!(found, [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")]);
    }

    #[test]
    fn damaged_scores_are_refused() {
        let check = |tokens: &[(&str, f32)], part: &str| {
            let message = merges(tokens).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check(&[("a", f32::NAN)], "score of token 0");
        check(&[(&"a".repeat(2000), 0.0)], "2000 bytes");
        let nested: Vec<String> = (1..400).map(|n| "a".repeat(n)).collect();
        let nested: Vec<(&str, f32)> = nested.iter().map(|t| (t.as_str(), 0.0)).collect();
        check(&nested, "too many ways");
        assert!(by_score(&["a".into()], &[], &AHashMap::new()).is_err());
    }
}
