//! A model's files, opened: configuration, tensors, tokenizer. Nothing of the weights has been read yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::tokenizer::{Description, Tokenizer};
use engine::{Config, Stored, Weights};

use crate::gguf::Gguf;
use crate::{Error, Result, beside, digest};

/// How the weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One GGUF file, which holds everything.
    Gguf,
    /// One or more safetensors files beside a `config.json`.
    Safetensors,
}

impl Format {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gguf => "GGUF",
            Self::Safetensors => "safetensors",
        }
    }
}

/// A model's files, opened.
#[derive(Debug)]
pub struct ModelFile {
    pub(crate) path: PathBuf,
    pub(crate) config: Config,
    pub(crate) tensors: BTreeMap<String, Stored>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) origin: Origin,
}

/// Where what is not weights comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    Gguf(Box<Gguf>),
    /// The folder with `config.json`.
    Folder(PathBuf),
}

impl ModelFile {
    /// The file or folder that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the model is called: the folder's name, or the file's without its ending.
    pub fn name(&self) -> String {
        name_of(&self.path)
    }

    /// How the weights are stored.
    pub fn format(&self) -> Format {
        match self.origin {
            Origin::Gguf(_) => Format::Gguf,
            Origin::Folder(_) => Format::Safetensors,
        }
    }

    /// What network the tensors form.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tensors, by the file's own names.
    pub fn tensors(&self) -> &BTreeMap<String, Stored> {
        &self.tensors
    }

    /// The tensors as the engine takes them. This copies names, no weights.
    pub fn weights(&self) -> Weights {
        Weights::new(self.tensors.clone())
    }

    /// The files that hold the weights.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Bytes of all tensors as stored.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|t| t.bytes.as_slice().len() as u64).sum()
    }

    /// Elements of all tensors.
    pub fn parameters(&self) -> u64 {
        self.tensors.values().map(|t| t.shape.iter().map(|&n| n as u64).product::<u64>()).sum()
    }

    /// The encoding that holds the most elements, by name.
    pub fn dtype(&self) -> Option<&'static str> {
        let mut elements: BTreeMap<&str, u64> = BTreeMap::new();
        for t in self.tensors.values() {
            *elements.entry(t.dtype.name()).or_default() += t.shape.iter().map(|&n| n as u64).product::<u64>();
        }
        elements.into_iter().max_by_key(|&(_, n)| n).map(|(name, _)| name)
    }

    /// The licence that the files state, if they do.
    pub fn licence(&self) -> Option<String> {
        match &self.origin {
            Origin::Gguf(gguf) => gguf.meta().get("general.license")?.as_str().map(Into::into),
            Origin::Folder(folder) => beside::licence(folder),
        }
    }

    /// The tokenizer that the files describe, if they do.
    pub fn tokenizer_description(&self) -> Result<Option<Description>> {
        match &self.origin {
            Origin::Gguf(gguf) => Ok(gguf.tokenizer()?.map(|found| Description::Gguf(Box::new(found)))),
            Origin::Folder(folder) => Ok(beside::tokenizer(folder)?.map(Description::Json)),
        }
    }

    /// The tokenizer, built.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>> {
        let Some(description) = self.tokenizer_description()? else { return Ok(None) };
        let built =
            Tokenizer::new(&description).map_err(|cause| Error::Tokenizer { path: self.path.clone(), cause })?;
        Ok(Some(built))
    }

    /// SHA-256 of the weights, 64 hexadecimal digits: see [`digest::of_tensors`] for what goes into it. The weights
    /// are read once; after that it is remembered for as long as the files stay as they are.
    pub fn weights_sha256(&self) -> Result<String> {
        digest::remembered(&self.files, || digest::of_tensors(&self.tensors))
    }
}

/// A model's name by its path.
pub(crate) fn name_of(path: &Path) -> String {
    let weights = path.extension().is_some_and(|e| e == "gguf" || e == "safetensors");
    let name = if weights { path.file_stem() } else { path.file_name() };
    let resolved = if name.is_none() { path.canonicalize().ok() } else { None };
    let name = name.or_else(|| resolved.as_deref().and_then(Path::file_name));
    name.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
