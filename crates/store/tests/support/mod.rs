//! What several tests need.
#![allow(dead_code, reason = "each test uses a part")]

use std::path::{Path, PathBuf};

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The fetched SmolLM2, if it is there. A test without it says so and passes, except where `CI` is set.
pub(crate) fn smollm2() -> Option<PathBuf> {
    let path = root().join("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing; `./run models` fetches it", path.display());
    eprintln!("skipped: {} is missing; `./run models` fetches it", path.display());
    None
}
