//! What the fuzz targets run: each parser of outside bytes, on bytes. None may panic, hang or take much memory.

use std::path::Path;

use kernels::Bytes;

use crate::gguf::Gguf;
use crate::safetensors::Safetensors;
use crate::{beside, npy, sharded};

/// A name for messages.
const PATH: &str = "input";

/// A GGUF file: tables, configuration, tokenizer.
pub fn gguf(bytes: &[u8]) {
    if let Ok(gguf) = Gguf::parse(Bytes::from(bytes.to_vec()), Path::new(PATH)) {
        let _ = gguf.config();
        let _ = gguf.tokenizer();
        let total: usize = gguf.tensors().values().map(|t| t.bytes.as_slice().len()).sum();
        assert!(total <= bytes.len(), "tensors hold no more than the file");
    }
}

/// A safetensors file.
pub fn safetensors(bytes: &[u8]) {
    if let Ok(file) = Safetensors::parse(&Bytes::from(bytes.to_vec()), Path::new(PATH)) {
        let total: usize = file.tensors.values().map(|t| t.bytes.as_slice().len()).sum();
        assert!(total <= bytes.len(), "tensors hold no more than the file");
    }
}

/// The index of a sharded model.
pub fn index(bytes: &[u8]) {
    let _ = sharded::Index::parse(bytes, Path::new(PATH));
}

/// A `config.json`.
pub fn config(bytes: &[u8]) {
    let _ = beside::parse_config(bytes, Path::new(PATH));
}

/// A NumPy array.
pub fn npy(bytes: &[u8]) {
    if let Ok(array) = npy::parse(&Bytes::from(bytes.to_vec()), Path::new(PATH)) {
        assert_eq!(array.bytes.as_slice().len(), array.dtype.row_bytes(array.shape.iter().product()));
    }
}
