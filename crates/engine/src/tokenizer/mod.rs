//! Text to token ids and back.
//!
//! A [`Tokenizer`] is byte-pair encoding over bytes (GPT-2 and after) or over SentencePiece's pieces (Llama 1 and 2,
//! Mistral), read from Hugging Face's `tokenizer.json` or from the metadata of a GGUF file. Normalising, cutting into
//! words and merging are done by the `tokenizers` crate, so ids are Hugging Face's; what surrounds them (special
//! tokens, decoding, streaming, chat templates) is here.
//!
//! Descriptions of tokenizers are outside input. They are checked before anything is built from them: kinds of steps
//! that are not known here are refused by name, and so is what could make a short text grow without bound.

mod affix;
mod build;
mod chat;
mod description;
mod gguf;
mod json;
mod merges;
mod presplit;
mod spelling;
mod steps;
mod stream;

use tokenizers::Tokenizer as Encoder;

use self::affix::Affixes;
use self::spelling::Spelling;
use crate::{Error, Result};

pub use self::chat::Message;
pub use self::description::{Description, GgufDescription, JsonDescription};
pub use self::stream::Stream;

/// Which special tokens surround a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Special {
    /// Those that the model's own tokenizer adds.
    #[default]
    Default,
    /// None.
    None,
    /// The beginning-of-text token in front, and nothing else.
    Bos,
}

/// Text to token ids and back, as one model does it.
#[derive(Debug)]
pub struct Tokenizer {
    encoder: Encoder,
    spelling: Spelling,
    affixes: Affixes,
    vocab_size: usize,
    bos: Option<u32>,
    eos: Option<u32>,
    ends: Vec<u32>,
    chat: chat::Template,
}

impl Tokenizer {
    /// Builds what files describe.
    pub fn new(description: &Description) -> Result<Self> {
        match description {
            Description::Json(files) => json::build(files),
            Description::Gguf(keys) => gguf::build(keys),
        }
    }

    /// Reads Hugging Face's `tokenizer.json` and, if there is one, `tokenizer_config.json`.
    pub fn from_json(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Self> {
        json::read(tokenizer, config, None)
    }

    /// Builds the tokenizer that a GGUF file describes.
    pub fn from_gguf(description: &GgufDescription) -> Result<Self> {
        gguf::build(description)
    }

    /// Ids of a text. Special tokens that the text names (`<|im_start|>`) are taken as such, as Hugging Face does.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>> {
        let (before, after): (&[u32], &[u32]) = match special {
            Special::Default => (&self.affixes.before, &self.affixes.after),
            Special::None => (&[], &[]),
            Special::Bos => match &self.bos {
                Some(bos) => (std::slice::from_ref(bos), &[]),
                None => return Err(Error::Tokenizer("this model has no beginning-of-text token".into())),
            },
        };
        let encoded = self.encoder.encode_fast(text, false).map_err(build::fault)?;
        Ok([before, encoded.get_ids(), after].concat())
    }

    /// The text of ids, special tokens by their names. Bytes that are not UTF-8 become U+FFFD; ids beyond the
    /// vocabulary (models are often padded to more rows than there are tokens) have no text.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = self.stream();
        let mut text = String::new();
        for &id in ids {
            text.push_str(&stream.push(id));
        }
        text.push_str(&stream.finish());
        text
    }

    /// Decodes ids one by one. To continue a text, push its ids first.
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    /// What one token looks like by itself: its spaces kept, special tokens by name, bytes that are no UTF-8 by
    /// themselves as `\xNN`. An id beyond the vocabulary is `[id]`.
    pub fn token_text(&self, id: u32) -> String {
        self.bytes(id).map_or_else(|| format!("[{id}]"), |bytes| spelling::escaped(&bytes))
    }

    /// The id of a text that is exactly one token, written as [`Tokenizer::token_text`] does: ` Paris` is one token
    /// and `Paris` often another.
    pub fn id_of(&self, text: &str) -> Option<u32> {
        let added = self.encoder.get_added_vocabulary().get_vocab();
        added.get(text).copied().or_else(|| {
            let mut spellings = self.spelling.of(text).into_iter();
            spellings.find_map(|spelled| self.encoder.token_to_id(&spelled))
        })
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The beginning-of-text token.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-text token.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Every token after which a model has said what it had to say: the end-of-text token, and special tokens whose
    /// names say that they end a turn. Ascending.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Whether a token was made for a purpose, as special tokens are, and not found in text by training.
    pub fn is_special(&self, id: u32) -> bool {
        let added = self.encoder.get_added_vocabulary().get_added_tokens_decoder();
        added.get(&id).is_some_and(|token| token.special)
    }

    /// Whether the model comes with a chat template.
    pub fn has_chat_template(&self) -> bool {
        self.chat.is_there()
    }

    /// Writes a conversation the way the model was trained on, by its own template. `reply` adds the beginning of the
    /// model's turn. Encode the result with [`Special::None`]: the template writes the special tokens itself.
    pub fn apply_chat(&self, messages: &[Message], reply: bool) -> Result<String> {
        self.chat.render(messages, reply)
    }

    /// The bytes that a token stands for.
    fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        let added = self.encoder.get_added_vocabulary().get_added_tokens_decoder();
        match added.get(&id) {
            Some(token) => Some(token.content.clone().into_bytes()),
            None => self.encoder.id_to_token(id).map(|token| self.spelling.bytes(&token)),
        }
    }
}
