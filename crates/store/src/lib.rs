//! Model files and the other things that live on disk.
//!
//! [`open`] gives a [`ModelFile`]: configuration, tensors (mapped into memory, not read) and tokenizer of a GGUF or
//! safetensors model, in the engine's own terms. [`Captures`] writes what a run captured, [`read_array`] reads arrays
//! that edits refer to, [`models`] lists what is there.
//!
//! Whatever is read comes from outside: every count, length and offset is checked before it is used, no file can make
//! this crate panic or allocate more than a small multiple of its own size, and no code in a file is run. Every parser
//! is a fuzz target (see `fuzz/`). What is written appears whole or not at all.

mod arrays;
mod artifact;
mod beside;
mod captures;
pub mod digest;
mod error;
mod extent;
#[doc(hidden)]
pub mod fuzz;
pub mod gguf;
mod list;
mod map;
mod model;
pub mod npy;
mod open;
mod places;
pub mod safetensors;
mod sharded;

pub use arrays::{Array, read_array};
pub use artifact::{WholeFile, write_whole};
pub use captures::{Announced, Captures, Element};
pub use error::{Error, Place, Result};
pub use list::{Found, models, resolve};
pub use map::map;
pub use model::{Format, ModelFile};
pub use open::open;
pub use places::{cache as cache_folder, models as models_folder};
