//! Models that are on this machine, and references to them.

use std::fs;
use std::path::{Path, PathBuf};

use engine::Config;

use crate::gguf::Gguf;
use crate::map::map;
use crate::model::{Format, name_of};
use crate::open::files_in;
use crate::{Error, Result, beside, places, sharded};

/// A model that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What to give as MODEL to open it: a path, or `hf:OWNER/NAME`.
    pub reference: String,
    /// Its name.
    pub name: String,
    /// How its weights are stored.
    pub format: Format,
    /// The architecture it states, or why that cannot be read.
    pub architecture: Result<String, String>,
    /// Bytes of its weight files.
    pub bytes: u64,
}

/// Every model in the user's models folder and in the cache of Hugging Face's tools, by reference. A folder that
/// cannot be read holds none.
pub fn models() -> Vec<Found> {
    models_in(&places::models(), places::hugging_face().as_deref())
}

fn models_in(folder: &Path, hub: Option<&Path>) -> Vec<Found> {
    let mut found = Vec::new();
    search(folder, 2, &mut found);
    if let Some(hub) = hub {
        for (repository, snapshot) in snapshots(hub) {
            let mut here = Vec::new();
            search(&snapshot, 0, &mut here);
            for mut model in here {
                // A folder with config.json goes by its repository, a GGUF file in it by its own path.
                if Path::new(&model.reference) == snapshot {
                    model.reference = format!("hf:{repository}");
                    model.name = repository.rsplit('/').next().unwrap_or_default().into();
                }
                found.push(model);
            }
        }
    }
    found.sort_by(|a, b| a.reference.cmp(&b.reference));
    found
}

/// The path that a MODEL reference stands for: `hf:OWNER/NAME` in the cache of Hugging Face's tools, anything else as
/// it is.
pub fn resolve(reference: &str) -> Result<PathBuf> {
    let wrong = |why: String| Error::Reference { asked: reference.into(), why };
    if reference.starts_with("zoo:") {
        return Err(wrong("no network ships with this version; name a file or a folder".into()));
    }
    let Some(repository) = reference.strip_prefix("hf:") else { return Ok(reference.into()) };
    let hub = places::hugging_face().ok_or_else(|| wrong("this user has no cache folder; set HF_HUB_CACHE".into()))?;
    resolve_in(&hub, repository).map_err(wrong)
}

fn resolve_in(hub: &Path, repository: &str) -> Result<PathBuf, String> {
    match snapshots(hub).into_iter().find(|(name, _)| name == repository) {
        Some((_, folder)) => Ok(folder),
        None => Err(format!("not in {}; `hf download {repository}` fetches it", hub.display())),
    }
}

/// Adds the models in a folder, and in those inside it to a depth.
fn search(folder: &Path, depth: usize, found: &mut Vec<Found>) {
    for path in files_in(folder, "gguf").unwrap_or_default() {
        let architecture = map(&path).and_then(|bytes| Gguf::parse(bytes, &path)).and_then(|gguf| gguf.config());
        let bytes = size(&path);
        found.push(entry(&path, Format::Gguf, architecture, bytes));
    }
    let weights = files_in(folder, "safetensors").unwrap_or_default();
    if folder.join("config.json").is_file() && (!weights.is_empty() || folder.join(sharded::INDEX).is_file()) {
        let config = beside::config(folder, folder).map(Config::HuggingFace);
        found.push(entry(folder, Format::Safetensors, config, weights.iter().map(|path| size(path)).sum()));
    }
    if depth > 0 {
        let folders = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir());
        let visible = folders.filter(|p| !p.file_name().unwrap_or_default().to_string_lossy().starts_with('.'));
        visible.for_each(|inner| search(&inner, depth - 1, found));
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

fn entry(path: &Path, format: Format, config: Result<Config>, bytes: u64) -> Found {
    let architecture = match config {
        Ok(config) => config.architecture().map(str::to_owned).ok_or_else(|| "it does not say".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    Found { reference: path.display().to_string(), name: name_of(path), format, architecture, bytes }
}

/// `OWNER/NAME` and folder of every model in the cache: the revision that `refs/main` names, else the last by name.
fn snapshots(hub: &Path) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    for repository in fs::read_dir(hub).into_iter().flatten().flatten() {
        let folder = repository.file_name().to_string_lossy().into_owned();
        let Some(name) = folder.strip_prefix("models--") else { continue };
        let snapshots = repository.path().join("snapshots");
        let main = fs::read_to_string(repository.path().join("refs/main")).ok().map(|main| main.trim().to_owned());
        let main = main.filter(|main| !main.is_empty() && !main.contains(['/', '\\', '.']));
        let named = main.map(|main| snapshots.join(main)).filter(|path| path.is_dir());
        let last = || fs::read_dir(&snapshots).into_iter().flatten().flatten().map(|e| e.path()).max();
        if let Some(snapshot) = named.or_else(last) {
            all.push((name.replace("--", "/"), snapshot));
        }
    }
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

    fn write(path: PathBuf, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn models_of_the_user_and_of_hugging_face() {
        let dir = tempfile::tempdir().unwrap();
        let (user, hub) = (dir.path().join("models"), dir.path().join("hub"));
        write(user.join("broken.gguf"), b"GGUF");
        write(user.join("tiny/config.json"), br#"{"architectures":["A"]}"#);
        write(user.join("tiny/model.safetensors"), EMPTY);
        write(user.join(".hidden/config.json"), b"{}");
        write(user.join(".hidden/model.safetensors"), EMPTY);
        write(user.join("no-weights/config.json"), b"{}");
        let repository = hub.join("models--org--name");
        for revision in ["aaa", "bbb"] {
            write(repository.join("snapshots").join(revision).join("config.json"), br#"{"architectures":["B"]}"#);
            write(repository.join("snapshots").join(revision).join("model.safetensors"), EMPTY);
        }
        write(repository.join("refs/main"), b"aaa\n");
        write(hub.join("datasets--org--other/snapshots/x/config.json"), b"{}");
        let found = models_in(&user, Some(&hub));
        let names: Vec<&str> = found.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["broken", "tiny", "name"]);
        assert!(found[0].architecture.as_ref().unwrap_err().contains("damaged"));
        assert_eq!(found[1].architecture.as_deref(), Ok("A"));
        assert_eq!((found[2].reference.as_str(), found[2].bytes), ("hf:org/name", 10));
        assert_eq!(resolve_in(&hub, "org/name").unwrap(), repository.join("snapshots/aaa"));
        fs::remove_file(repository.join("refs/main")).unwrap();
        assert_eq!(resolve_in(&hub, "org/name").unwrap(), repository.join("snapshots/bbb"));
        assert!(resolve_in(&hub, "org/none").unwrap_err().contains("hf download org/none"));
    }

    #[test]
    fn references() {
        assert_eq!(resolve("models/x.gguf").unwrap(), Path::new("models/x.gguf"));
        assert!(resolve("zoo:x").unwrap_err().to_string().starts_with("`zoo:x`"));
    }

    #[test]
    fn folders_that_are_not_there_hold_nothing() {
        assert!(models_in(Path::new("no/such/folder"), Some(Path::new("no/such/hub"))).is_empty());
    }
}
