//! The files of the repository as text.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One text file.
pub(crate) struct Source {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Whether its name ends so.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }

    /// File name without folders and ending.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// Number of lines, each with its number from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }
}

/// Data that is compared byte for byte, and so is not ours to tidy.
fn is_data(path: &str) -> bool {
    path.starts_with("tests/golden/") || path.contains("/corpus/") || path.contains("/snapshots/")
}

/// Every text file that is tracked, or would be by `git add --all`.
pub(crate) fn files(root: &Path) -> Result<Vec<Source>> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .context("git is needed to list the repository's files")?;
    if !listing.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&listing.stderr).trim());
    }
    let listing = String::from_utf8(listing.stdout).context("a file name that is not UTF-8")?;
    let mut paths: Vec<&str> = listing.split('\0').filter(|path| !path.is_empty() && !is_data(path)).collect();
    paths.sort_unstable();
    paths.dedup();
    // A file that is tracked but was just deleted cannot be read, and one that is no text is no source.
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    Ok(paths.into_iter().filter_map(|path| Some(Source { path: path.into(), text: read(path)? })).collect())
}
