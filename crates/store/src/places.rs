//! Where things are kept on this machine.

use std::env;
use std::path::PathBuf;

/// A folder named by an environment variable that is set and not empty.
fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn home() -> Option<PathBuf> {
    named("HOME").or_else(|| named("USERPROFILE"))
}

/// What can be made again: `PELLUCID_CACHE`, else `pellucid` in the user's cache folder. `None` where there is no such
/// folder.
pub fn cache() -> Option<PathBuf> {
    named("PELLUCID_CACHE").or_else(|| {
        let user = if cfg!(windows) {
            named("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            home().map(|home| home.join("Library/Caches"))
        } else {
            named("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")))
        };
        user.map(|user| user.join("pellucid"))
    })
}

/// Models of the user: `PELLUCID_MODELS`, else `models` in the current folder.
pub fn models() -> PathBuf {
    named("PELLUCID_MODELS").unwrap_or_else(|| "models".into())
}

/// The folder of Hugging Face's own tools: `HF_HOME`, else `huggingface` in the user's cache folder.
fn hugging_face_home() -> Option<PathBuf> {
    named("HF_HOME").or_else(|| {
        let user = named("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")));
        user.map(|user| user.join("huggingface"))
    })
}

/// What Hugging Face's own tools have downloaded, by their own rules: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else
/// `huggingface/hub` in the user's cache folder.
pub(crate) fn hugging_face() -> Option<PathBuf> {
    named("HF_HUB_CACHE").or_else(|| hugging_face_home().map(|home| home.join("hub")))
}

/// The file that holds the user's token for the hub: `HF_TOKEN_PATH`, else `token` in `HF_HOME`.
pub(crate) fn hugging_face_token() -> Option<PathBuf> {
    named("HF_TOKEN_PATH").or_else(|| hugging_face_home().map(|home| home.join("token")))
}
