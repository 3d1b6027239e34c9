//! Reading Hugging Face's `tokenizer.json` and `tokenizer_config.json`.

use std::collections::BTreeMap;

use ahash::{AHashMap, AHashSet};
use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::{AddedToken, Tokenizer as Encoder};

use super::affix::{Affixes, Processor};
use super::build::{MOST_TOKENS, Parts, Roles, fault, shortened};
use super::steps::{Decoder, Normalizer, Words};
use super::{JsonDescription, Tokenizer};
use crate::{Error, Result};

/// `tokenizer.json`. Truncation, padding and dropout are left aside: they are for training.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<Words>,
    post_processor: Option<Processor>,
    decoder: Option<Decoder>,
    model: Bpe,
}

/// `model`, of type BPE.
#[derive(Deserialize)]
struct Bpe {
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    fuse_unk: Option<bool>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
    vocab: AHashMap<String, u32>,
    merges: Vec<Merge>,
}

/// Two tokens that become one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Joined(String),
}

/// Just enough of the file to say what kind it is.
#[derive(Deserialize)]
struct Kind {
    model: ModelKind,
}

#[derive(Deserialize)]
struct ModelKind {
    r#type: Option<String>,
}

/// `tokenizer_config.json`, as far as it bears on ids and chat.
#[derive(Default)]
struct Settings {
    add_bos: Option<bool>,
    add_eos: Option<bool>,
    /// `bos_token` and so on.
    names: BTreeMap<String, String>,
    chat_template: Option<String>,
}

/// Builds what the files describe.
pub(super) fn build(files: &JsonDescription) -> Result<Tokenizer> {
    read(&files.tokenizer, files.config.as_deref(), files.chat_template.as_deref())
}

/// Reads the files. A template of its own goes before the one in `config`.
pub(super) fn read(tokenizer: &[u8], config: Option<&[u8]>, chat_template: Option<&str>) -> Result<Tokenizer> {
    let bad = |e: serde_json::Error| Error::Tokenizer(format!("tokenizer.json: {}", shortened(&e.to_string())));
    let kind: Kind = serde_json::from_slice(tokenizer).map_err(bad)?;
    if let Some(kind) = kind.model.r#type.filter(|kind| kind != "BPE") {
        return Err(Error::Tokenizer(format!(
            "tokenizer.json: its model is of type `{}`; supported: BPE",
            shortened(&kind)
        )));
    }
    let file: File = serde_json::from_slice(tokenizer).map_err(bad)?;
    let settings = config.map(Settings::read).transpose()?.unwrap_or_default();
    let Some(decoder) = file.decoder else {
        return Err(Error::Tokenizer("tokenizer.json: without a `decoder`, tokens cannot be read as text".into()));
    };
    let affixes = file.post_processor.as_ref().map(Affixes::of).transpose()?;
    let (model, model_size) = file.model.build()?;
    let parts = Parts {
        model,
        model_size,
        normalizer: file.normalizer.map(Normalizer::build).transpose()?,
        words: file.pre_tokenizer.map(Words::build).transpose()?,
        added: file.added_tokens,
        spelling: decoder.spelling()?,
    };
    let built = parts.encoder()?;
    let mut roles = settings.roles(&built.0, affixes.unwrap_or_default());
    roles.chat_template = chat_template.map(Into::into).or(roles.chat_template);
    roles.complete(built)
}

impl Bpe {
    /// Checks the vocabulary and builds the model. Also gives one more than the largest id.
    fn build(self) -> Result<(BPE, usize)> {
        let bad = |why: String| Error::Tokenizer(format!("tokenizer.json: {why}"));
        let size =
            self.vocab.values().map(|&id| id as usize + 1).max().ok_or_else(|| bad("it has no tokens".into()))?;
        if size > MOST_TOKENS {
            return Err(bad(format!("it has a token of id {}; ids have to lie below {MOST_TOKENS}", size - 1)));
        }
        let mut ids = AHashSet::with_capacity(self.vocab.len());
        if let Some(id) = self.vocab.values().find(|&&id| !ids.insert(id)) {
            return Err(bad(format!("two tokens have the id {id}")));
        }
        let prefix = self.continuing_subword_prefix.filter(|prefix| !prefix.is_empty());
        let merges = self.merges.into_iter().map(Merge::pair).collect::<Result<Vec<_>>>()?;
        // The `tokenizers` crate checks that both parts and the whole are tokens, but counts on their lengths.
        let longest = self.vocab.keys().map(String::len).max().unwrap_or(0);
        for (left, right) in &merges {
            let part = prefix.as_ref().map_or(Some(right.as_str()), |prefix| right.strip_prefix(prefix.as_str()));
            if part.is_none_or(|part| left.len() + part.len() > longest) {
                return Err(bad(shortened(&format!("a merge makes no token: {left:?} and {right:?}"))));
            }
        }
        let unknown = self.unk_token.filter(|token| self.vocab.contains_key(token));
        let mut builder = BPE::builder()
            .vocab_and_merges(self.vocab, merges)
            .fuse_unk(self.fuse_unk.unwrap_or(false))
            .byte_fallback(self.byte_fallback.unwrap_or(false))
            .ignore_merges(self.ignore_merges.unwrap_or(false));
        if let Some(token) = unknown {
            builder = builder.unk_token(token);
        }
        if let Some(prefix) = prefix {
            builder = builder.continuing_subword_prefix(prefix);
        }
        if let Some(suffix) = self.end_of_word_suffix.filter(|suffix| !suffix.is_empty()) {
            builder = builder.end_of_word_suffix(suffix);
        }
        Ok((builder.build().map_err(fault)?, size))
    }
}

impl Merge {
    fn pair(self) -> Result<(String, String)> {
        match self {
            Self::Pair(left, right) => Ok((left, right)),
            Self::Joined(both) => match both.split_once(' ') {
                Some((left, right)) => Ok((left.into(), right.into())),
                None => Err(Error::Tokenizer(shortened(&format!("tokenizer.json: merge {both:?} has no two parts")))),
            },
        }
    }
}

impl Settings {
    fn read(config: &[u8]) -> Result<Self> {
        let bad = |why: &str| Error::Tokenizer(format!("tokenizer_config.json: {why}"));
        let config: BTreeMap<String, Value> =
            serde_json::from_slice(config).map_err(|e| bad(&shortened(&e.to_string())))?;
        let flag = |key: &str| config.get(key).and_then(Value::as_bool);
        let names = config.iter().filter(|(key, _)| key.ends_with("_token")).filter_map(|(key, value)| {
            // A token is its text, or an object that has it under `content`.
            let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some((key.clone(), text.to_owned()))
        });
        let chat_template = match config.get("chat_template") {
            None | Some(Value::Null) => None,
            Some(Value::String(template)) => Some(template.clone()),
            Some(Value::Array(named)) => default_template(named),
            Some(_) => return Err(bad("`chat_template` is neither a text nor a list")),
        };
        Ok(Self {
            add_bos: flag("add_bos_token"),
            add_eos: flag("add_eos_token"),
            names: names.collect(),
            chat_template,
        })
    }

    /// What the tokens are for, given what the post-processor adds.
    fn roles(self, encoder: &Encoder, affixes: Affixes) -> Roles {
        let id = |key: &str| self.names.get(key).and_then(|text| encoder.token_to_id(text));
        let (bos, eos) = (id("bos_token"), id("eos_token"));
        // As transformers does: either flag, if it is there, replaces the post-processor.
        let affixes = if self.add_bos.is_some() || self.add_eos.is_some() {
            let wanted = |flag: Option<bool>, id: Option<u32>| id.filter(|_| flag == Some(true)).into_iter().collect();
            Affixes { before: wanted(self.add_bos, bos), after: wanted(self.add_eos, eos) }
        } else {
            affixes
        };
        Roles { affixes, bos, eos, chat_template: self.chat_template, names: self.names }
    }
}

/// Of several templates with names, the one called `default`, or else the first.
fn default_template(named: &[Value]) -> Option<String> {
    let default = named.iter().find(|entry| entry["name"] == "default").or(named.first())?;
    default["template"].as_str().map(Into::into)
}
