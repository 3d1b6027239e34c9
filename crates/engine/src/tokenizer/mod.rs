//! Text to token ids and back.

mod description;

pub use description::{Description, GgufDescription, JsonDescription};
