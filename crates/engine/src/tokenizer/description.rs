//! What a model's files say about its tokenizer, before anything is built from it.

/// A tokenizer as files describe it.
#[derive(Clone, Debug)]
pub enum Description {
    /// Hugging Face's files.
    Json(JsonDescription),
    /// The keys `tokenizer.*` of a GGUF file.
    Gguf(Box<GgufDescription>),
}

/// Hugging Face's files, as bytes.
#[derive(Clone, Debug, Default)]
pub struct JsonDescription {
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `tokenizer_config.json`, if there is one.
    pub config: Option<Vec<u8>>,
    /// `chat_template.jinja`, where the template is not in `config`.
    pub chat_template: Option<String>,
}

/// The keys `tokenizer.ggml.*` of a GGUF file, without that prefix, and `tokenizer.chat_template`.
#[derive(Clone, Debug, Default)]
pub struct GgufDescription {
    /// `model`: the kind, `gpt2` (byte-level BPE) or `llama` (SentencePiece).
    pub model: String,
    /// `pre`: how text is cut before merging, by llama.cpp's names.
    pub pre: Option<String>,
    /// `tokens`, by id.
    pub tokens: Vec<String>,
    /// `token_type`, by id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. May be empty.
    pub token_types: Vec<i32>,
    /// `scores`, by id. May be empty.
    pub scores: Vec<f32>,
    /// `merges`: two parts with a space between them, best first. May be empty.
    pub merges: Vec<String>,
    /// `bos_token_id`.
    pub bos: Option<u32>,
    /// `eos_token_id`.
    pub eos: Option<u32>,
    /// `unknown_token_id`.
    pub unknown: Option<u32>,
    /// `add_bos_token`.
    pub add_bos: Option<bool>,
    /// `add_eos_token`.
    pub add_eos: Option<bool>,
    /// `add_space_prefix`.
    pub add_space_prefix: Option<bool>,
    /// `tokenizer.chat_template`.
    pub chat_template: Option<String>,
}
