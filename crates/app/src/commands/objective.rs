//! `--grad OBJECTIVE`: what is differentiated.

use anyhow::Result;
use engine::tokenizer::Tokenizer;
use engine::{Objective, Term};

use crate::failure::usage_error;

/// Reads `loss`, `logit:TOKEN` or `logit:TOKEN-TOKEN`, for so many prompts.
pub(super) fn parse(text: &str, prompts: usize, tokenizer: Option<&Tokenizer>) -> Result<Objective> {
    if text == "loss" {
        return Ok(Objective::NextToken);
    }
    let wrong =
        || usage_error(format!("`{text}` is no objective; objectives are loss, logit:TOKEN, logit:TOKEN-TOKEN"));
    let tokens = text.strip_prefix("logit:").ok_or_else(wrong)?;
    let weighted = weighted(tokens, &|token| id_of(token, tokenizer)).ok_or_else(|| {
        usage_error(format!(
            "`{tokens}` names no token, nor two with a dash between; give ids, or texts that are one token"
        ))
    })?;
    let term = |prompt, (token, weight)| Term { prompt, pos: -1, token, weight };
    Ok(Objective::Logits((0..prompts).flat_map(|i| weighted.iter().map(move |&one| term(i, one))).collect()))
}

fn id_of(token: &str, tokenizer: Option<&Tokenizer>) -> Option<u32> {
    token.parse().ok().or_else(|| tokenizer?.id_of(token))
}

/// Tokens with their weights: one, or two on the sides of a dash. A text with dashes in it is first taken as a whole.
fn weighted(text: &str, id_of: &dyn Fn(&str) -> Option<u32>) -> Option<Vec<(u32, f64)>> {
    if let Some(id) = id_of(text) {
        return Some(vec![(id, 1.0)]);
    }
    let mut dashes = text.match_indices('-');
    dashes.find_map(|(at, _)| Some(vec![(id_of(&text[..at])?, 1.0), (id_of(&text[at + 1..])?, -1.0)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_may_hold_dashes() {
        let words = [" a", "-", "b-c"];
        let id_of = |text: &str| {
            text.parse().ok().or_else(|| words.iter().position(|word| *word == text).map(|i| i as u32 + 100))
        };
        let read = |text| weighted(text, &id_of);
        assert_eq!(read("7"), Some(vec![(7, 1.0)]));
        assert_eq!(read("7-9"), Some(vec![(7, 1.0), (9, -1.0)]));
        assert_eq!(read("b-c"), Some(vec![(102, 1.0)]));
        assert_eq!(read("b-c- a"), Some(vec![(102, 1.0), (100, -1.0)]));
        assert_eq!(read("--7"), Some(vec![(101, 1.0), (7, -1.0)]));
        assert_eq!(read("x"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn every_prompt_has_its_own_term() {
        let objective = parse("logit:3-4", 2, None).ok();
        let term = |prompt, token, weight| Term { prompt, pos: -1, token, weight };
        let terms = vec![term(0, 3, 1.0), term(0, 4, -1.0), term(1, 3, 1.0), term(1, 4, -1.0)];
        assert_eq!(objective, Some(Objective::Logits(terms)));
        assert_eq!(parse("loss", 1, None).ok(), Some(Objective::NextToken));
        assert!(parse("logits", 1, None).is_err() && parse("logit: Paris", 1, None).is_err());
    }
}
