//! Tokenizers out of a GGUF file's metadata.
//!
//! The keys follow llama.cpp, and so does what they leave out. Vocabularies are in memory as they are in the file:
//! nothing goes through JSON, for building the tokenizer is a good part of what opening a small model takes.

use ahash::AHashMap;
use tokenizers::AddedToken;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence};

use super::affix::Affixes;
use super::build::{MOST_TOKENS, Parts, Roles, fault, shortened};
use super::spelling::{SPACE, Spelling};
use super::{GgufDescription, Tokenizer, merges, presplit};
use crate::{Error, Result};

/// The values of `token_type` that matter: these tokens are found in the text before it is cut into words.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// Builds the tokenizer that a GGUF file describes.
pub(super) fn build(keys: &GgufDescription) -> Result<Tokenizer> {
    let tokens = named(&keys.tokens);
    let ids = ids(&tokens)?;
    let (parts, adds_bos) = match keys.model.as_str() {
        "gpt2" => byte_level(keys, ids)?,
        "llama" => sentence_piece(keys, &tokens, ids)?,
        other => {
            return Err(Error::Tokenizer(format!(
                "it is of the kind `{}`; supported: gpt2 (byte-level BPE), llama (SentencePiece BPE)",
                shortened(other)
            )));
        }
    };
    // Ids beyond the vocabulary are left aside, as llama.cpp does: files with such an id are about, and work.
    let id = |id: Option<u32>| id.filter(|&id| (id as usize) < tokens.len());
    let (bos, eos) = (id(keys.bos), id(keys.eos));
    let affixes = Affixes {
        before: bos.filter(|_| keys.add_bos.unwrap_or(adds_bos)).into_iter().collect(),
        after: eos.filter(|_| keys.add_eos == Some(true)).into_iter().collect(),
    };
    let roles = [("bos_token", bos), ("eos_token", eos), ("unk_token", id(keys.unknown))];
    let names = roles.into_iter().filter_map(|(role, id)| Some((role.to_owned(), tokens[id? as usize].clone())));
    let chat_template = keys.chat_template.clone();
    Roles { affixes, bos, eos, chat_template, names: names.collect() }.complete(parts.encoder()?)
}

/// The tokens, with names for those that have none.
fn named(tokens: &[String]) -> std::borrow::Cow<'_, [String]> {
    if tokens.iter().all(|token| !token.is_empty()) {
        return tokens.into();
    }
    let name = |(id, token): (usize, &String)| if token.is_empty() { format!("[EMPTY_{id}]") } else { token.clone() };
    tokens.iter().enumerate().map(name).collect()
}

/// Ids by token.
fn ids(tokens: &[String]) -> Result<AHashMap<String, u32>> {
    if tokens.is_empty() || tokens.len() > MOST_TOKENS {
        return Err(Error::Tokenizer(format!("it has {} tokens, not between 1 and {MOST_TOKENS}", tokens.len())));
    }
    let mut ids = AHashMap::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        if let Some(other) = ids.insert(token.clone(), id as u32) {
            return Err(Error::Tokenizer(format!("tokens {other} and {id} are the same: {:?}", shortened(token))));
        }
    }
    Ok(ids)
}

/// Byte-level BPE, and whether a beginning-of-text token goes in front unless the file says otherwise.
fn byte_level(keys: &GgufDescription, ids: AHashMap<String, u32>) -> Result<(Parts, bool)> {
    let way = presplit::named(keys.pre.as_deref())?;
    let added = added(keys);
    let merges = listed(keys, &ids)?;
    let model = BPE::builder().vocab_and_merges(ids, merges).ignore_merges(way.ignore_merges).build().map_err(fault)?;
    let parts = Parts {
        model,
        model_size: keys.tokens.len(),
        normalizer: way.normalizer(),
        words: Some(way.words()?),
        added,
        spelling: Spelling::ByteLevel,
    };
    Ok((parts, way.adds_bos))
}

/// SentencePiece's BPE, which begins every text with a special token unless the file says otherwise.
fn sentence_piece(keys: &GgufDescription, tokens: &[String], ids: AHashMap<String, u32>) -> Result<(Parts, bool)> {
    let merges =
        if keys.merges.is_empty() { merges::by_score(tokens, &keys.scores, &ids)? } else { listed(keys, &ids)? };
    let mut builder = BPE::builder().vocab_and_merges(ids, merges).byte_fallback(true).fuse_unk(true);
    if let Some(unknown) = keys.unknown.and_then(|id| tokens.get(id as usize)) {
        builder = builder.unk_token(unknown.clone());
    }
    let begins_with_space = keys.add_space_prefix.unwrap_or(true);
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if begins_with_space {
        steps.push(Prepend::new(SPACE.into()).into());
    }
    steps.push(Replace::new(" ", SPACE).map_err(fault)?.into());
    let parts = Parts {
        model: builder.build().map_err(fault)?,
        model_size: tokens.len(),
        normalizer: Some(Sequence::new(steps).into()),
        words: None,
        added: added(keys),
        spelling: Spelling::Spaces { strip: begins_with_space },
    };
    Ok((parts, true))
}

/// The merges that the file lists, each with a space between its parts.
fn listed(keys: &GgufDescription, ids: &AHashMap<String, u32>) -> Result<Vec<(String, String)>> {
    let longest = ids.keys().map(String::len).max().unwrap_or(0);
    let pair = |(rank, merge): (usize, &String)| {
        // A part may begin with a space where a vocabulary writes spaces as they are.
        let at = merge.char_indices().skip(1).find(|&(_, c)| c == ' ').map(|(at, _)| at);
        match at.map(|at| (&merge[..at], &merge[at + 1..])) {
            // The `tokenizers` crate checks that both parts and the whole are tokens, within a buffer of this size.
            Some((left, right)) if left.len() + right.len() <= longest => Ok((left.to_owned(), right.to_owned())),
            Some(_) => Err(Error::Tokenizer(format!("merge {rank}, {:?}, makes no token", shortened(merge)))),
            None => Err(Error::Tokenizer(format!("merge {rank}, {:?}, has no two parts", shortened(merge)))),
        }
    };
    keys.merges.iter().enumerate().map(pair).collect()
}

/// The tokens that are found in the text before it is cut into words.
fn added(keys: &GgufDescription) -> Vec<AddedToken> {
    let kinds = keys.tokens.iter().zip(&keys.token_types);
    let found = kinds.filter(|(token, kind)| matches!(**kind, UNKNOWN | CONTROL | USER_DEFINED) && !token.is_empty());
    found.map(|(token, &kind)| AddedToken::from(token.as_str(), kind != USER_DEFINED).normalized(false)).collect()
}
