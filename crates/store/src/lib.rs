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
mod folders;
#[doc(hidden)]
pub mod fuzz;
pub mod gguf;
mod hub;
mod list;
mod map;
mod model;
pub mod npy;
mod open;
mod places;
pub mod safetensors;
mod sharded;
mod source;
mod zoo;

pub use arrays::{Array, read_array};
pub use artifact::{WholeFile, is_partial, write_whole};
pub use captures::{Announced, Captures, Element};
pub use error::{Error, Place, Result};
pub use folders::{Text, create_folder, names_in, read_texts, remove_file, text_files};
pub use hub::{Arriving, Hub, Watch};
pub use list::{Found, models};
pub use map::{map, read_if_there};
pub use model::{Format, ModelFile};
pub use open::open;
pub use places::{cache as cache_folder, models as models_folder};
pub use source::{Source, resolve};
