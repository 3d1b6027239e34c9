//! What the fuzz targets run: each parser of outside bytes, on bytes. None may panic, hang or take much memory.
//!
//! `fuzz/` holds the targets and what they have found; a test replays that (`tests/fuzz_corpus.rs`).

mod networks;
mod tokenizers;

use std::path::Path;

use engine::Edit;
use kernels::Bytes;

use crate::gguf::Gguf;
use crate::safetensors::Safetensors;
use crate::{npy, sharded};

/// A name for messages.
const PATH: &str = "input";

/// The body of a target.
pub type Body = fn(&[u8]);

/// Every target by the name of its file and of its folder of inputs.
pub const TARGETS: &[(&str, Body)] = &[
    ("config", networks::config),
    ("edit", edit),
    ("gguf", gguf),
    ("npy", npy),
    ("safetensors", safetensors),
    ("safetensors_index", safetensors_index),
    ("tokenizer_gguf", tokenizers::gguf),
    ("tokenizer_json", tokenizers::json),
];

/// Runs the target of a name.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of the table");
    body(bytes);
}

/// A GGUF file: tables, configuration, tokenizer.
pub(crate) fn gguf(bytes: &[u8]) {
    if let Ok(gguf) = Gguf::parse(Bytes::from(bytes.to_vec()), Path::new(PATH)) {
        let _ = gguf.config();
        let _ = gguf.tokenizer();
        let total: usize = gguf.tensors().values().map(|t| t.bytes.as_slice().len()).sum();
        assert!(total <= bytes.len(), "tensors hold no more than the file");
    }
}

/// A safetensors file.
pub(crate) fn safetensors(bytes: &[u8]) {
    if let Ok(file) = Safetensors::parse(&Bytes::from(bytes.to_vec()), Path::new(PATH)) {
        let total: usize = file.tensors.values().map(|t| t.bytes.as_slice().len()).sum();
        assert!(total <= bytes.len(), "tensors hold no more than the file");
    }
}

/// The index of a sharded model.
fn safetensors_index(bytes: &[u8]) {
    let _ = sharded::Index::parse(bytes, Path::new(PATH));
}

/// A NumPy array.
fn npy(bytes: &[u8]) {
    if let Ok(array) = npy::parse(&Bytes::from(bytes.to_vec()), Path::new(PATH)) {
        assert_eq!(array.bytes.as_slice().len(), array.dtype.row_bytes(array.shape.iter().product()));
    }
}

/// An edit as a user writes it: what is read, written out and read again is the same.
fn edit(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(edit) = text.parse::<Edit>() {
        let written = edit.to_string();
        let again: Edit = written.parse().unwrap_or_else(|e| panic!("{text:?} was written {written:?}: {e}"));
        assert_eq!(edit, again, "{text:?} was written {written:?}");
    }
}
