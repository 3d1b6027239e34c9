//! A network's configuration and tensors on their way from a file into an architecture.

use std::collections::BTreeMap;

use kernels::{Bytes, DType, Source};
use serde_json::Value;

use crate::config::Fields;
use crate::{Error, Result};

/// A network's description of itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// A `config.json` of Hugging Face.
    HuggingFace(Value),
    /// A GGUF file's metadata, an object of its keys; long arrays (the vocabulary) may be left out.
    Gguf(Value),
}

impl Config {
    /// The architecture's name: `LlamaForCausalLM`, or `llama` of a GGUF file.
    pub fn architecture(&self) -> Option<&str> {
        match self {
            Self::HuggingFace(v) => v.get("architectures")?.get(0)?.as_str(),
            Self::Gguf(v) => v.get("general.architecture")?.as_str(),
        }
    }
}

/// A tensor as it lies in a file.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Encoding.
    pub dtype: DType,
    /// Lengths, outermost first: a matrix is `[outs, ins]` (GGUF's own order is the reverse).
    pub shape: Vec<usize>,
    /// The encoded elements.
    pub bytes: Bytes,
}

/// A file's tensors. Each is handed out once; those left over at the end are an error, since they mean that the
/// architecture is not what it was taken for.
#[derive(Debug)]
pub struct Weights {
    tensors: BTreeMap<String, Stored>,
    /// Fused tensors that are handed out piece by piece, with the rows that nobody has asked for yet.
    pieces: BTreeMap<String, (Stored, usize)>,
}

impl Weights {
    /// All tensors of a file, by the file's own names.
    pub fn new(tensors: BTreeMap<String, Stored>) -> Self {
        Self { tensors, pieces: BTreeMap::new() }
    }

    /// Bytes that all tensors would take as f32.
    pub fn expanded_bytes(&self) -> u64 {
        self.tensors.values().map(|t| t.shape.iter().map(|&n| n as u64).product::<u64>() * 4).sum()
    }

    /// Whether a tensor is there and not yet taken.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.pieces.contains_key(name)
    }

    /// Tokens of a GGUF file's vocabulary: what its metadata say, or else the rows of its embedding.
    pub(crate) fn vocabulary(&self, metadata: &Fields<'_>, family: &'static str) -> Result<usize> {
        const EMBEDDING: &str = "token_embd.weight";
        let rows = || self.tensors.get(EMBEDDING).and_then(|t| t.shape.first().copied());
        match metadata.optional_size("vocab_size")? {
            Some(tokens) => Ok(tokens),
            None => rows().ok_or_else(|| Error::MissingTensor { name: EMBEDDING.into(), family }),
        }
    }

    /// Takes a small tensor as numbers, if it is there.
    pub(crate) fn take_values(&mut self, name: &str) -> Option<Vec<f32>> {
        self.tensors.remove(name).map(|t| t.source().to_f32())
    }

    /// Takes a tensor whose shape the configuration knows.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize], family: &'static str) -> Result<Stored> {
        let stored = self.tensors.remove(name).ok_or_else(|| Error::MissingTensor { name: name.into(), family })?;
        fits(name, &stored, shape)?;
        Ok(stored)
    }

    /// Takes `rows` of the `of` rows of a fused tensor whose own shape is `shape`. What comes back is the whole, of
    /// which the caller chooses its rows; the tensor is used up when all of them have been taken. A stack of matrices,
    /// as experts are kept, counts as one matrix of all their rows.
    pub(crate) fn take_piece(
        &mut self,
        name: &str,
        shape: &[usize],
        rows: usize,
        of: usize,
        family: &'static str,
    ) -> Result<Stored> {
        if let Some(mut stored) = self.tensors.remove(name) {
            if let [stack, each, ins] = *stored.shape.as_slice() {
                stored.shape = vec![stack.saturating_mul(each), ins];
            }
            fits(name, &stored, shape)?;
            self.pieces.insert(name.into(), (stored, of));
        }
        match self.pieces.get_mut(name) {
            Some((stored, left)) if *left >= rows => {
                *left -= rows;
                Ok(stored.clone())
            }
            _ => Err(Error::MissingTensor { name: name.into(), family }),
        }
    }

    /// Drops tensors that carry nothing, such as precomputed frequencies.
    pub fn ignore(&mut self, useless: impl Fn(&str) -> bool) {
        self.tensors.retain(|name, _| !useless(name));
    }

    /// Names of tensors that hold a NaN or an infinity. Reads every tensor.
    pub fn not_finite(&self) -> Vec<&str> {
        let damaged = |stored: &Stored| stored.clone().source().to_f32().iter().any(|x| !x.is_finite());
        self.tensors.iter().filter(|(_, stored)| damaged(stored)).map(|(name, _)| name.as_str()).collect()
    }

    /// Fails if any tensor was not asked for.
    pub fn finish(self, family: &'static str) -> Result<()> {
        let cut = self.pieces.into_iter().filter(|(_, (_, left))| *left > 0).map(|(name, _)| name);
        let names: Vec<String> = self.tensors.into_keys().chain(cut).collect();
        if names.is_empty() { Ok(()) } else { Err(Error::Leftovers { names, family }) }
    }
}

/// A matrix of one row may be stored as a vector.
fn fits(name: &str, stored: &Stored, shape: &[usize]) -> Result<()> {
    if stored.shape == shape || [&[1], &*stored.shape].concat() == shape {
        Ok(())
    } else {
        Err(Error::WrongShape { name: name.into(), found: stored.shape.clone(), expected: shape.into() })
    }
}

impl Stored {
    /// As a matrix `[outs, ins]` for a backend.
    pub(crate) fn source(self) -> Source {
        let (rows, cols) = match *self.shape.as_slice() {
            [n] => (1, n),
            [rows, cols] => (rows, cols),
            _ => (1, self.shape.iter().product()),
        };
        Source {
            dtype: self.dtype,
            bytes: self.bytes,
            stored_rows: rows,
            stored_cols: cols,
            rows: None,
            transposed: false,
        }
    }
}
