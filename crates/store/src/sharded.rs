//! Tensors spread over several safetensors files, with an index: `model.safetensors.index.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use engine::Stored;
use serde::Deserialize;

use crate::error::shortened;
use crate::map::{map, read};
use crate::safetensors::Safetensors;
use crate::{Error, Place, Result};

/// The index's usual name.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// An index of this size would name a million tensors.
pub(crate) const LONGEST_INDEX: u64 = 256 << 20;

/// The index: which file holds which tensor.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// Reads an index. `path` is for messages only.
    pub(crate) fn parse(json: &[u8], path: &Path) -> Result<Self> {
        let index: Self = serde_json::from_slice(json)
            .map_err(|e| Error::damaged(path, format!("it is no index: {}", shortened(&e.to_string()))))?;
        for file in index.files() {
            let mut parts = Path::new(file).components();
            let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            if !plain || file.contains(['/', '\\', '\0']) {
                return Err(Error::damaged(
                    Place::new(path, format!("file `{file}`")),
                    "it is not the name of a file beside the index",
                ));
            }
        }
        Ok(index)
    }

    /// The files it names, each once.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

/// Reads an index and opens every file it names: the tensors and the files.
pub(crate) fn open(index_path: &Path) -> Result<(BTreeMap<String, Stored>, Vec<PathBuf>)> {
    let index = Index::parse(&read(index_path, LONGEST_INDEX)?, index_path)?;
    let folder = index_path.parent().unwrap_or(Path::new("."));
    let mut tensors: BTreeMap<String, Stored> = BTreeMap::new();
    let mut files = Vec::new();
    for file in index.files() {
        let path = folder.join(file);
        let bytes = map(&path).map_err(|e| match e {
            Error::NotFound { .. } => Error::Missing {
                path: index_path.into(),
                what: file.to_owned(),
                why: "the index says that tensors are in it; fetch the rest of the model",
            },
            other => other,
        })?;
        for (name, stored) in Safetensors::parse(&bytes, &path)?.tensors {
            if index.weight_map.get(&name).map(String::as_str) != Some(file) {
                let place = Place::new(&path, format!("tensor `{name}`"));
                return Err(Error::damaged(place, format!("{INDEX} does not say that it is here")));
            }
            tensors.insert(name, stored);
        }
        files.push(path);
    }
    match index.weight_map.iter().find(|(name, _)| !tensors.contains_key(*name)) {
        None => Ok((tensors, files)),
        Some((name, file)) => {
            let place = Place::new(&folder.join(file), format!("tensor `{name}`"));
            Err(Error::damaged(place, format!("{INDEX} says that it is here, and it is not")))
        }
    }
}
