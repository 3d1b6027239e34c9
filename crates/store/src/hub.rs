//! Models of the Hugging Face hub: `hf:OWNER/NAME` and `hf:OWNER/NAME@REVISION`.
//!
//! What is fetched goes into the cache that Hugging Face's own tools use, in their layout, so that each finds what the
//! other fetched: `models--OWNER--NAME/` with `blobs/ETAG`, `snapshots/COMMIT/FILE` as links to those, and
//! `refs/REVISION` that hold a commit. What is there is opened without asking the network.
//!
//! Of a repository only what is needed to open it is fetched: configuration, tokenizer and model card, and the weights
//! as safetensors, or as the one GGUF file. A file arrives as `blobs/ETAG.incomplete` and takes its name when its
//! length, and, where the hub states it, its SHA-256 are right. One that was interrupted, even by a kill, is continued
//! the next time. Weights come last, and the revision's name after them: a model that has its weights has everything.
//!
//! This is written on a plain HTTP client. The `hf-hub` crate was looked at first: version 1.0 starts an interrupted
//! file anew and brings some 400 crates; version 0.5 goes on with a file whatever part the server sends, and neither
//! compares what came with the digest that the hub states.

mod cache;
mod choose;
mod download;
mod partial;
mod web;

use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::map::read;
use crate::sharded::{INDEX, Index, LONGEST_INDEX};
use crate::{Error, Result, places};
use cache::Repository;
use web::Web;

pub(crate) use cache::openable;

/// Where the hub is unless `HF_ENDPOINT` says otherwise.
const ENDPOINT: &str = "https://huggingface.co";

/// A hub, a cache of what it has, and how to ask it.
#[derive(Clone)]
pub struct Hub {
    /// Address of the hub, without a slash at its end.
    pub endpoint: String,
    /// The cache's folder.
    pub cache: PathBuf,
    /// Whom the hub takes us for, where a model is not for everybody.
    pub token: Option<String>,
    /// Whether the network is to be left alone.
    pub offline: bool,
}

/// How much of a file has arrived, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arriving<'a> {
    /// The file's name in the repository.
    pub file: &'a str,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes of the whole file; 0 where the hub does not say.
    pub of: u64,
}

/// Is told what arrives, at the beginning of a file, every so many bytes, and at its end; may break off, which keeps
/// what is here for the next time.
pub type Watch<'a> = dyn FnMut(Arriving<'_>) -> ControlFlow<()> + 'a;

impl Hub {
    /// The hub by the settings of Hugging Face's own tools: `HF_ENDPOINT`; `HF_HUB_CACHE` or `HF_HOME`; `HF_TOKEN`, or
    /// the token in the file `HF_TOKEN_PATH`, else `token` in `HF_HOME`; `HF_HUB_OFFLINE`.
    pub fn from_env() -> Result<Self> {
        let set = |name: &str| env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let cache = places::hugging_face().ok_or_else(|| Error::Reference {
            asked: "hf:".into(),
            why: "this user has no cache folder; set HF_HUB_CACHE to a folder".into(),
        })?;
        let saved = || {
            let text = fs::read_to_string(places::hugging_face_token()?).ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let is_true = |text: String| matches!(text.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        Ok(Self {
            endpoint: set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into()).trim_end_matches('/').into(),
            cache,
            token: set("HF_TOKEN").or_else(saved),
            offline: set("HF_HUB_OFFLINE").is_some_and(is_true),
        })
    }

    /// The folder or file to open for `hf:OWNER/NAME[@REVISION]`, fetched if it is not in the cache. A revision is a
    /// branch, a tag or a commit; without one it is the branch `main`.
    pub fn resolve(&self, reference: &str, watch: &mut Watch<'_>) -> Result<PathBuf> {
        let repository = Repository::parse(reference, &self.cache)?;
        if let Some(found) = repository.cached(self.offline) {
            return Ok(found);
        }
        if self.offline {
            let there = self.cache.display();
            let why = format!("not in {there}, and HF_HUB_OFFLINE forbids to fetch it. Unset that to fetch it once");
            return Err(repository.error(why));
        }
        self.fetch(&repository, watch)
    }

    /// Fetches what the cache lacks of a model.
    fn fetch(&self, repository: &Repository, watch: &mut Watch<'_>) -> Result<PathBuf> {
        let web = Web::new(self, repository)?;
        let listing = web.listing()?;
        let needed = choose::needed(&listing.files).map_err(|why| repository.error(why))?;
        for file in &needed.files {
            download::file(&web, &listing.commit, file, watch)?;
        }
        let snapshot = repository.snapshot(&listing.commit);
        if needed.sharded {
            let path = snapshot.join(INDEX);
            let index = Index::parse(&read(&path, LONGEST_INDEX)?, &path)?;
            for file in index.files() {
                download::file(&web, &listing.commit, file, watch)?;
            }
        }
        repository.remember(&listing.commit)?;
        cache::openable(&snapshot).ok_or_else(|| repository.error("what came holds no weights; report this".into()))
    }
}
