//! The cache's layout, as Hugging Face's own tools have it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::artifact::write_whole;
use crate::open::files_in;
use crate::sharded::{INDEX, Index, LONGEST_INDEX};
use crate::{Error, Result, map};

/// The branch that is meant where none is named.
const MAIN: &str = "main";

/// A repository of the hub, at a revision, and its place in the cache.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    /// As asked for, with `hf:`.
    pub(super) asked: String,
    /// `OWNER/NAME`.
    pub(super) name: String,
    /// Branch, tag or commit.
    pub(super) revision: String,
    /// Whether the revision was asked for.
    named: bool,
    /// The folder `models--OWNER--NAME`.
    folder: PathBuf,
    /// The folder of locks: `.locks/models--OWNER--NAME`.
    locks: PathBuf,
}

impl Repository {
    /// Reads `hf:OWNER/NAME[@REVISION]`. The few oldest models of the hub have no owner.
    pub(super) fn parse(reference: &str, cache: &Path) -> Result<Self> {
        let rest = reference.strip_prefix("hf:").unwrap_or(reference);
        let (name, revision) = rest.split_once('@').map_or((rest, None), |(name, revision)| (name, Some(revision)));
        let plain = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
                && !part.starts_with('.')
                && !part.contains("--")
                && !part.contains("..")
        };
        let known = name.split('/').count() <= 2 && name.split('/').all(plain);
        let revision_known = revision.is_none_or(|revision| revision.split('/').all(plain));
        if !known || !revision_known {
            let why =
                "a model of the hub is written hf:OWNER/NAME, or hf:OWNER/NAME@REVISION with a branch, tag or commit";
            return Err(Error::Reference { asked: reference.into(), why: why.into() });
        }
        let folder = format!("models--{}", name.replace('/', "--"));
        Ok(Self {
            asked: reference.into(),
            name: name.into(),
            revision: revision.unwrap_or(MAIN).into(),
            named: revision.is_some(),
            locks: cache.join(".locks").join(&folder),
            folder: cache.join(folder),
        })
    }

    /// What went wrong with it.
    pub(super) fn error(&self, why: String) -> Error {
        Error::Hub { asked: self.asked.clone(), why }
    }

    /// What to open, if the cache has all of it. Where the network is to be left alone and no revision was asked for,
    /// any that is there will do: the last by name.
    pub(super) fn cached(&self, offline: bool) -> Option<PathBuf> {
        let commit = if is_commit(&self.revision) { Some(self.revision.clone()) } else { self.commit_of_revision() };
        let asked = commit.and_then(|commit| openable(&self.snapshot(&commit)));
        let any = || {
            let all = fs::read_dir(self.folder.join("snapshots")).into_iter().flatten().flatten();
            let mut all: Vec<PathBuf> = all.map(|entry| entry.path()).collect();
            all.sort();
            all.iter().rev().find_map(|snapshot| openable(snapshot))
        };
        asked.or_else(|| if offline && !self.named { any() } else { None })
    }

    fn reference_path(&self) -> PathBuf {
        self.folder.join("refs").join(&self.revision)
    }

    /// The commit that the revision was when it was last fetched.
    fn commit_of_revision(&self) -> Option<String> {
        let commit = fs::read_to_string(self.reference_path()).ok()?.trim().to_owned();
        is_folder_name(&commit).then_some(commit)
    }

    /// The folder of a commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where a file's bytes lie.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// The file to lock while a blob is written.
    pub(super) fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// Notes which commit the revision is, after all files of it have come.
    pub(super) fn remember(&self, commit: &str) -> Result<()> {
        if is_commit(&self.revision) {
            return Ok(());
        }
        let path = self.reference_path();
        make_folder_of(&path)?;
        write_whole(&path, commit.as_bytes())
    }

    /// Gives a blob its name in a snapshot, as a link; as a file of its own where the system has no links to give.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let (path, blob) = (self.snapshot(commit).join(file), self.blob(etag));
        make_folder_of(&path)?;
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(Error::io(&path, "write", cause)),
            _ => {}
        }
        let target = Path::new("../../blobs").join(etag);
        #[cfg(unix)]
        let linked = std::os::unix::fs::symlink(target, &path);
        #[cfg(windows)]
        let linked = std::os::windows::fs::symlink_file(target, &path);
        linked.or_else(|_| fs::rename(&blob, &path)).map_err(|cause| Error::io(&path, "write", cause))
    }
}

/// Makes the folder that a file is to lie in.
pub(super) fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|cause| Error::io(folder, "write", cause))
}

/// Whether a revision is a whole commit.
fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text from outside may be the name of a folder or file in the cache.
pub(super) fn is_folder_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What to open of a snapshot, if its weights are all there: the folder, or the one GGUF file.
pub(crate) fn openable(snapshot: &Path) -> Option<PathBuf> {
    let index = snapshot.join(INDEX);
    if index.is_file() {
        let index = Index::parse(&map::read(&index, LONGEST_INDEX).ok()?, &index).ok()?;
        return index.files().into_iter().all(|file| snapshot.join(file).is_file()).then(|| snapshot.into());
    }
    let there = |ending| files_in(snapshot, ending).unwrap_or_default();
    if snapshot.join("config.json").is_file() && !there("safetensors").is_empty() {
        return Some(snapshot.into());
    }
    let mut gguf = there("gguf");
    match gguf.len() {
        0 => None,
        1 => gguf.pop(),
        // The message of opening the folder names them.
        _ => Some(snapshot.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(reference: &str) -> Result<Repository> {
        Repository::parse(reference, Path::new("hub"))
    }

    #[test]
    fn references() {
        let plain = parse("hf:Org-1/a.b_c").unwrap();
        assert_eq!((plain.name.as_str(), plain.revision.as_str(), plain.named), ("Org-1/a.b_c", "main", false));
        assert_eq!(plain.snapshot("abc"), Path::new("hub/models--Org-1--a.b_c/snapshots/abc"));
        assert_eq!(parse("hf:o/n@refs/pr/1").unwrap().revision, "refs/pr/1");
        assert_eq!(parse("hf:gpt2").unwrap().lock("e"), Path::new("hub/.locks/models--gpt2/e.lock"));
        for wrong in [
            "hf:",
            "hf:/",
            "hf:a/",
            "hf:a/b/c",
            "hf:../x",
            "hf:a/..",
            "hf:a--b/c",
            "hf:a b/c",
            "hf:a/b@",
            "hf:a/b@../x",
        ] {
            assert!(parse(wrong).unwrap_err().to_string().contains("hf:OWNER/NAME@REVISION"), "{wrong}");
        }
        for wrong in ["hf:a/b@/x", "hf:a/b@x/", "hf:a/b@x\\y", "hf:a/b@.x", "hf:a/b@x y"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_from_outside_stay_in_their_folder() {
        assert!(is_folder_name("0123abcDEF-_"));
        for wrong in ["", ".", "..", "a/b", "a\\b", "a.b", "é", &"a".repeat(129)] {
            assert!(!is_folder_name(wrong), "{wrong}");
        }
    }
}
