//! A file on its way: what is here of it, and whether that is right.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::digest::{hex, is_digest};
use crate::{Error, Result};

/// Bytes that are read at a time.
pub(super) const CHUNK: usize = 1 << 18;

/// A file that is being fetched, under a name of its own.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    /// Of what is here, where it can be compared with something.
    sha: Option<Sha256>,
}

impl Partial {
    /// Opens what is here, or begins. `etag` is the file's SHA-256 if it looks like one.
    pub(super) fn open(path: PathBuf, etag: &str) -> Result<Self> {
        let failed = |cause| Error::io(&path, "write", cause);
        let mut options = File::options();
        let mut file = options.read(true).append(true).create(true).open(&path).map_err(failed)?;
        let mut sha = is_digest(etag).then(Sha256::new);
        let mut length = 0;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk).map_err(failed)?;
            if read == 0 {
                break;
            }
            length += read as u64;
            if let Some(sha) = &mut sha {
                sha.update(&chunk[..read]);
            }
        }
        Ok(Self { path, file, length, sha })
    }

    /// Bytes that are here.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes at the end.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        if let Some(sha) = &mut self.sha {
            sha.update(bytes);
        }
        Ok(())
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|cause| Error::io(&self.path, "write", cause))?;
        self.length = 0;
        self.sha = self.sha.as_ref().map(|_| Sha256::new());
        Ok(())
    }

    /// Puts it in its place if it is what it should be, else removes it and says what is wrong.
    pub(super) fn finish(self, etag: &str, size: Option<u64>, blob: &Path) -> Result<Result<(), String>> {
        let failed = |cause| Error::io(&self.path, "write", cause);
        let came = self.sha.map(|sha| hex(&sha.finalize()));
        let wrong = match (size, came) {
            (Some(size), _) if size != self.length => Some(format!("{} bytes came where {size} should", self.length)),
            (_, Some(came)) if came != etag => Some(format!("its SHA-256 is {came} and should be {etag}")),
            _ => None,
        };
        if let Some(why) = wrong {
            fs::remove_file(&self.path).map_err(failed)?;
            return Ok(Err(why));
        }
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.path, blob).map_err(failed)?;
        Ok(Ok(()))
    }
}
