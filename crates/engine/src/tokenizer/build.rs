//! Putting a tokenizer together out of parts that have been checked.

use std::collections::BTreeMap;

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{AddedToken, Tokenizer as Encoder};

use super::affix::Affixes;
use super::spelling::Spelling;
use super::{Tokenizer, chat};
use crate::{Error, Result};

/// Ids lie below this. The largest vocabularies in use have a quarter of a million tokens.
pub(super) const MOST_TOKENS: usize = 1 << 24;

/// Names of tokens that end a turn or a text, over the model families. A model may end a turn with another token than
/// the one that it calls end-of-text.
const ENDS: &[&str] = &[
    "</s>",
    "<eos>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|end_of_turn|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
];

/// The parts of a tokenizer.
pub(super) struct Parts {
    pub(super) model: BPE,
    /// One more than the largest id of `model`.
    pub(super) model_size: usize,
    pub(super) normalizer: Option<NormalizerWrapper>,
    pub(super) words: Option<PreTokenizerWrapper>,
    /// Tokens that are found in the text before it is cut into words, in the order in which those that the model lacks
    /// get their ids.
    pub(super) added: Vec<AddedToken>,
    pub(super) spelling: Spelling,
}

/// What is known about special tokens.
#[derive(Default)]
pub(super) struct Roles {
    pub(super) affixes: Affixes,
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) chat_template: Option<String>,
    /// Texts of `bos_token` and so on, for the chat template.
    pub(super) names: BTreeMap<String, String>,
}

/// A message of another library.
pub(super) fn fault(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(shortened(&error.to_string()))
}

/// The beginning of a text that comes from outside, for a message.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut beginning: String = text.chars().take(LONGEST).collect();
    if beginning.len() < text.len() {
        beginning.push_str("...");
    }
    beginning
}

impl Parts {
    /// The half that maps text to ids, to which [`Roles::complete`] adds the rest.
    pub(super) fn encoder(self) -> Result<(Encoder, Spelling, usize)> {
        let mut encoder = Encoder::new(self.model);
        encoder.with_normalizer(self.normalizer).map_err(fault)?;
        encoder.with_pre_tokenizer(self.words);
        encoder.add_tokens(self.added).map_err(fault)?;
        let added = encoder.get_added_vocabulary().get_vocab().values().map(|&id| id as usize + 1).max();
        Ok((encoder, self.spelling, self.model_size.max(added.unwrap_or(0))))
    }
}

impl Roles {
    /// The whole tokenizer.
    pub(super) fn complete(self, (encoder, spelling, vocab_size): (Encoder, Spelling, usize)) -> Result<Tokenizer> {
        let Self { affixes, bos, eos, chat_template, names } = self;
        let known = |id: &u32| (*id as usize) < vocab_size;
        let ids = affixes.before.iter().chain(&affixes.after).chain(&bos).chain(&eos);
        if let Some(id) = ids.copied().find(|id| !known(id)) {
            return Err(Error::Tokenizer(format!(
                "special token {id} is beyond the {vocab_size} tokens of the vocabulary"
            )));
        }
        let added = encoder.get_added_vocabulary().get_vocab();
        let mut ends: Vec<u32> = ENDS.iter().filter_map(|&name| added.get(name).copied()).chain(eos).collect();
        ends.sort_unstable();
        ends.dedup();
        let chat = chat::Template { source: chat_template, tokens: names };
        Ok(Tokenizer { encoder, spelling, affixes, vocab_size, bos, eos, ends, chat })
    }
}
