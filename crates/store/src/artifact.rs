//! Files that are written whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// What files that are on their way are called.
const PREFIX: &str = ".pellucid-";
const SUFFIX: &str = ".partial";

/// Whether a file of that name was on its way when a program was killed.
pub fn is_partial(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// A file on its way. It is written beside its place under another name, and takes its own when all of it is on disk.
/// Until then whatever was there stays; a file that is dropped unfinished leaves nothing.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    partial: NamedTempFile,
}

impl WholeFile {
    /// Starts a file that will be at `path`.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() || path.file_name().is_none() {
            let what = "a folder, where a file is to be written".into();
            return Err(Error::Unsupported { place: path.into(), what, remedy: "Name a file in it" });
        }
        if !folder.is_dir() {
            return Err(Error::NotFound { path: folder.into(), candidates: Vec::new() });
        }
        let mut builder = Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        // Readable as any file that the user makes; a temporary file would be for the owner alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let partial = builder.tempfile_in(folder).map_err(|cause| Error::io(path, "write", plain(&cause)))?;
        Ok(Self { path: path.into(), partial })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to be written at any position.
    pub fn file(&mut self) -> &mut File {
        self.partial.as_file_mut()
    }

    /// Adds bytes at the current position.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.partial.write_all(bytes).map_err(|cause| Error::io(&self.path, "write", plain(&cause)))
    }

    /// Puts the file in its place.
    pub fn finish(self) -> Result<()> {
        let Self { path, partial } = self;
        let failed = |cause| Error::io(&path, "write", cause);
        partial.as_file().sync_all().map_err(failed)?;
        partial.persist(&path).map_err(|e| failed(e.error))?;
        // The new name is on disk when its folder is. Not every system can do that to a folder, and the file is whole
        // without it.
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// Without the name of the temporary file, which tells the user nothing.
fn plain(cause: &io::Error) -> io::Error {
    cause.raw_os_error().map_or_else(|| cause.kind().into(), io::Error::from_raw_os_error)
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write(bytes)?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn appears_when_finished_and_leaves_nothing_when_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.bin");
        write_whole(&path, b"old").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(names(dir.path()), ["out.bin"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["out.bin"]);
    }

    #[test]
    fn messages_say_what_is_wrong_with_the_place() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(WholeFile::create(dir.path()), Err(Error::Unsupported { .. })));
        assert!(matches!(WholeFile::create(&dir.path().join("none/x")), Err(Error::NotFound { .. })));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn full_disk() {
        // A device that is always full: what the system says about it is what it says about a full disk.
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let cause = full.write_all(b"x").unwrap_err();
        let error = Error::io(Path::new("out"), "write", plain(&cause));
        assert_eq!(error.to_string(), "out: the disk is full; nothing was kept. Free some space or write elsewhere");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_follow_the_users_mask() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (ours, usual) = (dir.path().join("ours"), dir.path().join("usual"));
        write_whole(&ours, b"x").unwrap();
        std::fs::write(&usual, b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
    }
}
