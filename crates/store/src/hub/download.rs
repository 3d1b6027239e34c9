//! Fetching one file: continued where it was interrupted, and taken only if it is right.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::thread::sleep;
use std::time::Duration;

use super::cache::{Repository, make_folder_of};
use super::partial::{CHUNK, Partial};
use super::web::{About, FIRST_WAIT, TRIES, Trouble, Web};
use super::{Arriving, Watch};
use crate::{Error, Result};

/// How often to look whether another program has finished.
const LOOK: Duration = Duration::from_millis(200);

/// What is told about a file, and asked whether to go on.
struct Teller<'a, 'b> {
    repository: &'a Repository,
    file: &'a str,
    of: u64,
    watch: &'a mut Watch<'b>,
}

impl Teller<'_, '_> {
    fn tell(&mut self, done: u64) -> Result<()> {
        let goes_on = (self.watch)(Arriving { file: self.file, done, of: self.of }).is_continue();
        if goes_on { Ok(()) } else { Err(Error::Stopped { asked: self.repository.asked.clone() }) }
    }
}

/// Brings a file of a commit into the cache, if it is not there, and gives it its name.
pub(super) fn file(web: &Web<'_>, commit: &str, file: &str, watch: &mut Watch<'_>) -> Result<()> {
    let repository = web.repository;
    if repository.snapshot(commit).join(file).is_file() {
        return Ok(());
    }
    let url = web.url(commit, file);
    let about = web.about(&url)?;
    let blob = repository.blob(&about.etag);
    make_folder_of(&blob)?;
    let mut teller = Teller { repository, file, of: about.size.unwrap_or(0), watch };
    let _lock = lock(repository, &about.etag, &mut teller)?;
    // A file that is in its place was whole when it came there; one that was cut since is another's damage.
    let is_whole = |found: &fs::Metadata| about.size.is_none_or(|size| size == found.len());
    if !fs::metadata(&blob).is_ok_and(|found| is_whole(&found)) {
        let mut name = blob.clone().into_os_string();
        name.push(".incomplete");
        let mut partial = Partial::open(name.into(), &about.etag)?;
        fill(web, &url, &about, &mut partial, &mut teller)?;
        if let Err(why) = partial.finish(&about.etag, about.size, &blob)? {
            let why = format!("{file} is damaged: {why}. Nothing of it was kept; fetch it again, or check the network");
            return Err(repository.error(why));
        }
    }
    repository.link(commit, file, &about.etag)
}

/// Keeps other programs from writing the same file, in the way of Hugging Face's own tools. Ends with the program.
fn lock(repository: &Repository, etag: &str, teller: &mut Teller<'_, '_>) -> Result<File> {
    let path = repository.lock(etag);
    make_folder_of(&path)?;
    let failed = |cause| Error::io(&path, "write", cause);
    let lock = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {
                teller.tell(0)?;
                sleep(LOOK);
            }
            // Some shared disks have no locks; two programs at once are rarer than such disks.
            Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Unsupported => return Ok(lock),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
    }
}

/// Fetches what is missing. A connection that breaks is made anew, as long as each brings something.
fn fill(web: &Web<'_>, url: &str, about: &About, partial: &mut Partial, teller: &mut Teller<'_, '_>) -> Result<()> {
    let (mut furthest, mut tried, mut wait) = (partial.len(), 0, FIRST_WAIT);
    loop {
        let why = match rest(web, url, about, partial, teller) {
            Ok(()) => return Ok(()),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Passing(why)) => why,
        };
        if partial.len() > furthest {
            (furthest, tried, wait) = (partial.len(), 0, FIRST_WAIT);
        }
        tried += 1;
        if tried == TRIES {
            return Err(web.repository.error(format!(
                "{} does not come ({why}). {:.1} MB of it are kept: the same command goes on from there",
                teller.file,
                partial.len() as f64 / 1e6
            )));
        }
        sleep(wait);
        wait *= 2;
    }
}

/// One connection: from what is here to the end.
fn rest(
    web: &Web<'_>,
    url: &str,
    about: &About,
    partial: &mut Partial,
    teller: &mut Teller<'_, '_>,
) -> Result<(), Trouble> {
    // Without a known length nobody can say whether what is here is a beginning.
    if about.size.is_none_or(|size| partial.len() > size) {
        partial.clear()?;
    }
    teller.tell(partial.len())?;
    if about.size == Some(partial.len()) {
        return Ok(());
    }
    let mut response = web.get(url, partial.len())?;
    let status = response.status().as_u16();
    let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
    let continues = range.is_some_and(|range| range.starts_with(&format!("bytes {}-", partial.len())));
    match status {
        206 if continues => {}
        // The server sends everything: it knows no ranges.
        200 => partial.clear()?,
        _ => {
            partial.clear()?;
            return Err(Trouble::Passing(format!("it answers a request for a part with status {status}")));
        }
    }
    let mut body = response.body_mut().as_reader();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            Err(cause) => return Err(Trouble::Passing(cause.to_string())),
        };
        if let Err(cause) = partial.add(&chunk[..read]) {
            return Err(write_failed(web.repository, partial, cause).into());
        }
        teller.tell(partial.len())?;
        if about.size.is_some_and(|size| partial.len() > size) {
            break;
        }
    }
    match about.size {
        Some(size) if partial.len() < size => Err(Trouble::Passing("the connection ended early".into())),
        _ => Ok(()),
    }
}

/// A disk that is full keeps what has come.
fn write_failed(repository: &Repository, partial: &Partial, cause: std::io::Error) -> Error {
    if matches!(cause.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        let done = partial.len() as f64 / 1e6;
        let place = partial.path().display();
        return repository.error(format!(
            "the disk is full; {done:.1} MB are kept as {place}. Free some space, or set HF_HUB_CACHE to another disk"
        ));
    }
    Error::io(partial.path(), "write", cause)
}
