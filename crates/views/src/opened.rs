//! A model that has been opened: its files, its network, and its tokenizer once somebody needs it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use engine::tokenizer::Tokenizer;
use engine::{Model, arch};
use kernels::Backend;
use store::ModelFile;

use crate::Result;

/// A model that has been opened.
pub struct Opened {
    file: ModelFile,
    model: Box<dyn Model>,
    tokenizer: OnceLock<Option<Tokenizer>>,
}

impl Opened {
    /// Opens a file or folder and builds its network. Weights that would take more than `budget` bytes as f32 stay in
    /// their own encoding.
    pub fn open(path: &Path, backend: Arc<dyn Backend>, budget: u64) -> Result<Self> {
        Self::build(store::open(path)?, backend, budget)
    }

    /// Builds the network of files that were opened before.
    pub fn build(file: ModelFile, backend: Arc<dyn Backend>, budget: u64) -> Result<Self> {
        let model = arch::build(file.config(), file.weights(), backend, budget)?;
        Ok(Self { file, model, tokenizer: OnceLock::new() })
    }

    /// The files.
    pub fn file(&self) -> &ModelFile {
        &self.file
    }

    /// The network.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// The tokenizer, built when it is first asked for; none where the files describe none.
    pub fn tokenizer(&self) -> Result<Option<&Tokenizer>> {
        if self.tokenizer.get().is_none() {
            let built = self.file.tokenizer()?;
            return Ok(self.tokenizer.get_or_init(|| built).as_ref());
        }
        Ok(self.tokenizer.get().and_then(Option::as_ref))
    }
}
