//! A model that has been opened: its files, and its network and tokenizer once somebody needs them.

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
    backend: Arc<dyn Backend>,
    budget: u64,
    model: OnceLock<Box<dyn Model>>,
    tokenizer: OnceLock<Option<Tokenizer>>,
}

impl Opened {
    /// Opens a file or folder. Its network will run on `backend`; weights that would take more than `budget` bytes as
    /// f32 will stay in their own encoding.
    pub fn open(path: &Path, backend: Arc<dyn Backend>, budget: u64) -> Result<Self> {
        Ok(Self::new(store::open(path)?, backend, budget))
    }

    /// The same for files that were opened before.
    pub fn new(file: ModelFile, backend: Arc<dyn Backend>, budget: u64) -> Self {
        Self { file, backend, budget, model: OnceLock::new(), tokenizer: OnceLock::new() }
    }

    /// The files.
    pub fn file(&self) -> &ModelFile {
        &self.file
    }

    /// The network, built when it is first asked for: an error where it is of a family that is not known, or the files
    /// do not say of which.
    pub fn model(&self) -> Result<&dyn Model> {
        if let Some(model) = self.model.get() {
            return Ok(&**model);
        }
        let built = arch::build(self.file.config()?, self.file.weights(), self.backend.clone(), self.budget)?;
        Ok(&**self.model.get_or_init(|| built))
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
