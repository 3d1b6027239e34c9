//! The tokenizer inside a GGUF file.

use engine::tokenizer::GgufDescription;

use super::{Gguf, Meta};
use crate::Result;

const PREFIX: &str = "tokenizer.ggml.";

impl Gguf {
    /// The tokenizer the file describes, or `None` if it has none.
    pub fn tokenizer(&self) -> Result<Option<GgufDescription>> {
        let get = |name: &str| self.meta.get(&format!("{PREFIX}{name}"));
        let Some(model) = get("model").and_then(Meta::as_str) else { return Ok(None) };
        if matches!(model, "no_vocab" | "none") || get("tokens").is_none() {
            return Ok(None);
        }
        let id = |name: &str| get(name).and_then(Meta::as_u64).and_then(|id| u32::try_from(id).ok());
        let flag = |name: &str| get(name).and_then(Meta::as_bool);
        let numbers = |name: &str| {
            self.array_of(&format!("{PREFIX}{name}"), |x| x.as_f64().unwrap_or(0.0)).map(Option::unwrap_or_default)
        };
        Ok(Some(GgufDescription {
            model: model.into(),
            pre: get("pre").and_then(Meta::as_str).map(Into::into),
            tokens: self.texts("tokens")?,
            token_types: numbers("token_type")?.into_iter().map(|kind| kind as i32).collect(),
            scores: numbers("scores")?.into_iter().map(|score| score as f32).collect(),
            merges: self.texts("merges")?,
            bos: id("bos_token_id"),
            eos: id("eos_token_id"),
            unknown: id("unknown_token_id"),
            add_bos: flag("add_bos_token"),
            add_eos: flag("add_eos_token"),
            add_space_prefix: flag("add_space_prefix"),
            chat_template: self.meta.get("tokenizer.chat_template").and_then(Meta::as_str).map(Into::into),
        }))
    }

    /// The texts under a key of the tokenizer; none where the key is absent.
    fn texts(&self, name: &str) -> Result<Vec<String>> {
        let key = format!("{PREFIX}{name}");
        match self.meta.get(&key) {
            None => Ok(Vec::new()),
            Some(Meta::Array(array)) => match array.texts(self.bytes.as_slice()) {
                Some(Ok(texts)) => Ok(texts.into_iter().map(Into::into).collect()),
                Some(Err(why)) => Err(self.bad_key(&key, why)),
                None => Err(self.bad_key(&key, "it should hold texts")),
            },
            Some(_) => Err(self.bad_key(&key, "it should be an array")),
        }
    }
}
