//! Models that are on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use engine::Config;

use crate::beside::Beside;
use crate::gguf::Gguf;
use crate::hub::openable;
use crate::map::map;
use crate::model::{Format, name_of};
use crate::open::files_in;
use crate::zoo::{self, Shipped};
use crate::{Result, places, sharded};

/// A model that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What to give as MODEL to open it: `zoo:NAME`, a path, or `hf:OWNER/NAME`.
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

/// Every network that ships inside the program, then every model in the user's models folder and in the cache of
/// Hugging Face's tools, each by reference. A folder that cannot be read holds none.
pub fn models() -> Vec<Found> {
    let mut found: Vec<Found> = zoo::all().iter().map(shipped).collect();
    found.extend(models_in(&places::models(), places::hugging_face().as_deref()));
    found
}

/// A network that ships inside the program.
fn shipped(network: &'static Shipped) -> Found {
    let reference = network.reference();
    let beside = Beside::Shipped(network);
    let config = beside.config().map(|config| config.map(Config::HuggingFace));
    let bytes = network.weights(None).map_or(0, |weights| weights.as_slice().len() as u64);
    let name = network.name.to_owned();
    Found { reference, name, format: Format::Safetensors, architecture: architecture(config), bytes }
}

fn models_in(folder: &Path, hub: Option<&Path>) -> Vec<Found> {
    let mut found = Vec::new();
    search(folder, 2, &mut found);
    if let Some(hub) = hub {
        for (repository, snapshot) in snapshots(hub) {
            let mut here = Vec::new();
            search(&snapshot, 0, &mut here);
            for mut model in here {
                // What `hf:` opens goes by its repository, one of several GGUF files by its own path.
                if openable(&snapshot).is_some_and(|opened| opened == Path::new(&model.reference)) {
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

/// Adds the models in a folder, and in those inside it to a depth.
fn search(folder: &Path, depth: usize, found: &mut Vec<Found>) {
    for path in files_in(folder, "gguf").unwrap_or_default() {
        let architecture =
            map(&path).and_then(|bytes| Gguf::parse(bytes, &path)).and_then(|gguf| gguf.config().map(Some));
        let bytes = size(&path);
        found.push(entry(&path, Format::Gguf, architecture, bytes));
    }
    let weights = files_in(folder, "safetensors").unwrap_or_default();
    if folder.join("config.json").is_file() && (!weights.is_empty() || folder.join(sharded::INDEX).is_file()) {
        let config = Beside::Folder(folder.into()).config().map(|config| config.map(Config::HuggingFace));
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

fn entry(path: &Path, format: Format, config: Result<Option<Config>>, bytes: u64) -> Found {
    let architecture = architecture(config);
    Found { reference: path.display().to_string(), name: name_of(path), format, architecture, bytes }
}

fn architecture(config: Result<Option<Config>>) -> Result<String, String> {
    let config = config.map_err(|error| error.to_string())?;
    config.as_ref().and_then(Config::architecture).map(str::to_owned).ok_or_else(|| "it does not say".to_owned())
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
        // A snapshot that lacks weights it speaks of is not what `hf:` opens.
        write(
            repository.join("snapshots/aaa/model.safetensors.index.json"),
            br#"{"weight_map":{"x":"y.safetensors"}}"#,
        );
        assert!(models_in(&user, Some(&hub)).iter().all(|m| !m.reference.starts_with("hf:")));
    }

    #[test]
    fn folders_that_are_not_there_hold_nothing() {
        assert!(models_in(Path::new("no/such/folder"), Some(Path::new("no/such/hub"))).is_empty());
    }
}
