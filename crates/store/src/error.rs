//! What can go wrong with files, each with what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The store's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where something is wrong: a file, and a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file or folder.
    pub path: PathBuf,
    /// A tensor, a key, a line: in words.
    pub part: Option<String>,
}

impl Place {
    /// A part of a file.
    pub fn new(path: &Path, part: impl Into<String>) -> Self {
        Self { path: path.into(), part: Some(shortened(&part.into())) }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self { path: path.into(), part: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.part.as_ref().map_or(Ok(()), |part| write!(f, " ({part})"))
    }
}

/// What can go wrong with files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is there.
    #[error("{}: no such file or folder{}", path.display(), nearest(candidates))]
    NotFound {
        /// As asked for.
        path: PathBuf,
        /// What is there and is called similarly.
        candidates: Vec<String>,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `read`, `write`, ...
        action: &'static str,
        /// What it said.
        #[source]
        cause: io::Error,
    },
    /// The disk has no room left. What was written so far is removed.
    #[error("{}: the disk is full; nothing was kept. Free some space or write elsewhere", path.display())]
    DiskFull {
        /// What was to be written.
        path: PathBuf,
    },
    /// The place cannot be written to.
    #[error("{}: this place cannot be written to ({cause}); choose another", path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        cause: io::Error,
    },
    /// A file that breaks its own format.
    #[error("{place}: the file is damaged: {why}. Fetch or convert it again")]
    Damaged {
        /// Where.
        place: Place,
        /// What is wrong.
        why: String,
    },
    /// A file that is right but cannot be read here.
    #[error("{place}: {what}. {remedy}")]
    Unsupported {
        /// Where.
        place: Place,
        /// What it is.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A Python pickle, which is a program, and is not run.
    #[error(
        "{}: a Python pickle. Reading one means to run it, so it is refused. Convert it in Python: \
         `from safetensors.torch import save_file; save_file(torch.load(\"{}\", weights_only=True), \"model.safetensors\")`",
        path.display(),
        path.file_name().unwrap_or_default().display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// A file is incomplete without another beside it.
    #[error("{}: {what} is missing beside it: {why}", path.display())]
    Missing {
        /// The file that was opened.
        path: PathBuf,
        /// What should be there.
        what: String,
        /// What it is needed for.
        why: &'static str,
    },
    /// A file that holds no array of that name.
    #[error("{}: no array `{name}` in it{}", path.display(), nearest(candidates))]
    NoSuchArray {
        /// The file.
        path: PathBuf,
        /// As asked for.
        name: String,
        /// Similar names in it.
        candidates: Vec<String>,
    },
    /// A reference that is not of a known form.
    #[error("`{asked}`: {why}")]
    Reference {
        /// As asked for.
        asked: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// A model of the hub that could not be fetched.
    #[error("`{asked}`: {why}")]
    Hub {
        /// As asked for.
        asked: String,
        /// What happened, and what to do.
        why: String,
    },
    /// Fetching was stopped by whoever waited for it.
    #[error("`{asked}`: stopped. What has come is kept: the same command goes on from there")]
    Stopped {
        /// As asked for.
        asked: String,
    },
    /// Values that do not fill what was announced: an error of the caller.
    #[error("{}: {why}", path.display())]
    Unfinished {
        /// What was to be written.
        path: PathBuf,
        /// What is missing or too much.
        why: String,
    },
    /// A tokenizer that the engine cannot use.
    #[error("{}: {cause}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: engine::Error,
    },
}

impl Error {
    /// A file that breaks its format.
    pub(crate) fn damaged(place: impl Into<Place>, why: impl Into<String>) -> Self {
        Self::Damaged { place: place.into(), why: why.into() }
    }

    /// A failed operation of the operating system, told apart by what can be done about it.
    pub(crate) fn io(path: &Path, action: &'static str, cause: io::Error) -> Self {
        let path = path.to_path_buf();
        match cause.kind() {
            io::ErrorKind::NotFound if action == "read" => Self::NotFound { path, candidates: Vec::new() },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied if action == "write" => {
                Self::ReadOnly { path, cause }
            }
            _ => Self::Io { path, action, cause },
        }
    }
}

/// Text from a file, which may be of any length and hold anything, for a message of one line.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

fn nearest(candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!("; there is {}", shortened(&candidates.join(", "))) }
}

/// Up to three of `names` that are most like `asked`.
pub(crate) fn similar<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = names.map(|name| (strsim::jaro_winkler(asked, name), name)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_whatever_the_file_holds() {
        let name = "evil\nname\u{1b}[31m".repeat(50);
        let error = Error::damaged(Place::new(Path::new("m.gguf"), format!("tensor `{name}`")), "its offset is odd");
        let message = error.to_string();
        assert!(!message.chars().any(char::is_control), "{message}");
        assert!(message.starts_with("m.gguf (tensor `evil\\nname") && message.len() < 1000, "{message}");
    }

    #[test]
    fn full_and_read_only_disks_are_told_apart() {
        let of = |kind: io::ErrorKind| Error::io(Path::new("x"), "write", kind.into());
        assert!(matches!(of(io::ErrorKind::StorageFull), Error::DiskFull { .. }));
        assert!(matches!(of(io::ErrorKind::PermissionDenied), Error::ReadOnly { .. }));
        assert!(matches!(of(io::ErrorKind::Interrupted), Error::Io { .. }));
    }

    #[test]
    fn similar_names_come_first() {
        assert_eq!(similar("blk.0.attn_k", ["output", "blk.0.attn_q", "token_embd"].into_iter())[0], "blk.0.attn_q");
    }
}
