//! Files as bytes: mapped into memory, or, if small, read.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use kernels::Bytes;

use crate::{Error, Result};

/// Maps a whole file into memory, read-only. Nothing is read until it is touched, and what was touched can be dropped
/// and read again by the operating system.
///
/// A file that is cut short by another program while it is mapped ends this one with a signal, as in every program
/// that maps files; one that is overwritten in place changes under it. Programs that replace a file by renaming, as
/// downloaders do, disturb nothing.
pub fn map(path: &Path) -> Result<Bytes> {
    let failed = |cause| Error::io(path, "read", cause);
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        let what = if about.is_dir() { "a folder, where a file is wanted" } else { "not a regular file" };
        let place = path.into();
        return Err(Error::Unsupported { place, what: what.into(), remedy: "Name a file" });
    }
    if about.len() == 0 {
        return Err(Error::damaged(path, "it is empty"));
    }
    // SAFETY: the map is private and read-only. That nobody changes the file meanwhile cannot be enforced; the bytes
    // are checked before use and never taken for anything but numbers and text, which are valid whatever their value.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?;
    Ok(Bytes::new(Arc::new(map)))
}

/// Reads a file that has no business to be larger than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |cause| Error::io(path, "read", cause);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Error::damaged(path, format!("it is longer than {} MiB, which no such file is", limit >> 20)));
    }
    Ok(bytes)
}

/// The same, where the file may be absent.
pub fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    match read(path, limit) {
        Err(Error::NotFound { .. }) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_with_something_in_them_are_mapped() {
        let dir = tempfile::tempdir().unwrap();
        let (full, empty) = (dir.path().join("full"), dir.path().join("empty"));
        std::fs::write(&full, b"abc").unwrap();
        std::fs::write(&empty, b"").unwrap();
        assert_eq!(map(&full).unwrap().as_slice(), b"abc");
        assert!(matches!(map(&empty), Err(Error::Damaged { .. })));
        assert!(matches!(map(dir.path()), Err(Error::Unsupported { .. })));
        assert!(matches!(map(&dir.path().join("none")), Err(Error::NotFound { .. })));
    }

    #[test]
    fn small_files_are_limited() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"abc");
        assert!(matches!(read(&path, 2), Err(Error::Damaged { .. })));
        assert!(read_if_there(&dir.path().join("none"), 3).unwrap().is_none());
    }
}
