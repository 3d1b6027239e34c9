//! A fingerprint of a model's weights, remembered between runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use engine::Stored;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artifact::write_whole;
use crate::map::read;
use crate::{Error, Result, places};

/// SHA-256 of tensors, as 64 hexadecimal digits. Into it goes, for each tensor in the order of its name's bytes:
/// the length of the name as u64, the name, the length of the encoding's name as u64, that name (`F32`, `Q4_1`), the
/// number of dimensions as u64, each length as u64 from the outermost, the number of bytes as u64, and the bytes as
/// stored. All whole numbers are little-endian. So neither the file's layout nor its metadata matters.
pub fn of_tensors(tensors: &BTreeMap<String, Stored>) -> String {
    let mut sha = Sha256::new();
    for (name, stored) in tensors {
        let bytes = stored.bytes.as_slice();
        let text = |sha: &mut Sha256, text: &str| {
            sha.update((text.len() as u64).to_le_bytes());
            sha.update(text);
        };
        text(&mut sha, name);
        text(&mut sha, stored.dtype.name());
        sha.update((stored.shape.len() as u64).to_le_bytes());
        stored.shape.iter().for_each(|&n| sha.update((n as u64).to_le_bytes()));
        sha.update((bytes.len() as u64).to_le_bytes());
        sha.update(bytes);
    }
    hex(&sha.finalize())
}

/// SHA-256 of bytes, as 64 hexadecimal digits.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// What tells that a file is as it was.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    path: PathBuf,
    size: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    /// 0 where the system has none.
    inode: u64,
}

/// A digest on disk, one file for each model.
#[derive(Serialize, Deserialize)]
struct Memory {
    files: Vec<Stamp>,
    sha256: String,
}

impl Stamp {
    /// A file's own: another one at its place, or one that was written to, has another.
    pub fn of(path: &Path) -> Result<Self> {
        let failed = |cause| Error::io(path, "read", cause);
        let path = path.canonicalize().map_err(failed)?;
        let about = fs::metadata(&path).map_err(failed)?;
        let modified = about.modified().map_err(failed)?;
        let modified = modified.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos() as u64);
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&about);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Self { path, size: about.len(), modified, inode })
    }
}

/// The digest of files: as remembered if none of them has changed since, else computed and remembered. A cache that
/// cannot be read or written costs time, and is no error.
pub(crate) fn remembered(files: &[PathBuf], compute: impl FnOnce() -> String) -> Result<String> {
    remembered_in(places::cache().as_deref(), files, compute)
}

fn remembered_in(cache: Option<&Path>, files: &[PathBuf], compute: impl FnOnce() -> String) -> Result<String> {
    let stamps = files.iter().map(|file| Stamp::of(file)).collect::<Result<Vec<_>>>()?;
    let Some(memory) = cache.map(|cache| memory_path(cache, &stamps)) else { return Ok(compute()) };
    let known = read(&memory, 1 << 20).ok().and_then(|json| serde_json::from_slice::<Memory>(&json).ok());
    if let Some(known) = known.filter(|known| known.files == stamps && is_digest(&known.sha256)) {
        return Ok(known.sha256);
    }
    let sha256 = compute();
    // Files that changed while they were read have a digest of neither state.
    let unchanged = files.iter().zip(&stamps).all(|(file, stamp)| Stamp::of(file).is_ok_and(|now| now == *stamp));
    if unchanged {
        let json = serde_json::to_vec(&Memory { files: stamps, sha256: sha256.clone() }).unwrap_or_default();
        let folder = memory.parent().unwrap_or(Path::new("."));
        let _ = fs::create_dir_all(folder).map(|()| write_whole(&memory, &json));
    }
    Ok(sha256)
}

/// Where the digest of these files is remembered.
fn memory_path(cache: &Path, stamps: &[Stamp]) -> PathBuf {
    let mut sha = Sha256::new();
    for stamp in stamps {
        sha.update(stamp.path.as_os_str().as_encoded_bytes());
        sha.update([0]);
    }
    cache.join("digests").join(format!("{}.json", &hex(&sha.finalize())[..32]))
}

/// Whether a text is a SHA-256, in small letters.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
