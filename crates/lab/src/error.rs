//! What can go wrong when a network is made, each with what to do about it.

use std::path::PathBuf;

/// The lab's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a network is made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The network.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Texts that nothing can be learnt from.
    #[error("the texts: {0}")]
    Corpus(String),
    /// Parameters that do not go together.
    #[error("the recipe: {0}")]
    Recipe(String),
    /// A tokenizer that could not be learnt.
    #[error("the tokenizer could not be learnt: {0}")]
    Tokenizer(String),
    /// A folder in which something else was trained.
    #[error("{}: another training lies there ({difference}); choose another folder, or remove it", path.display())]
    OtherTraining {
        /// The folder.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// A folder that is not empty and holds no training.
    #[error("{}: not empty, and no training lies there; choose another folder", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a training that cannot be gone on from.
    #[error("{}: {why}; remove the folder to start again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A loss that is not a number any more.
    #[error("the loss is not finite at step {step}: the learning rate is too high, or the warm-up too short")]
    Diverged {
        /// The step.
        step: u64,
    },
}
