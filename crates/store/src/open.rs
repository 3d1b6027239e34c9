//! Opening a model by its path.

use std::fs;
use std::path::{Path, PathBuf};

use engine::Config;
use kernels::Bytes;

use crate::beside::Beside;
use crate::error::similar;
use crate::gguf::{self, Gguf};
use crate::map::map;
use crate::model::{ModelFile, Origin};
use crate::safetensors::Safetensors;
use crate::zoo::Shipped;
use crate::{Error, Result, sharded};

/// Opens a model: a `.gguf` file; a `.safetensors` file, or the index of several; or a folder that holds those. What
/// network the tensors of safetensors files form is said by `config.json` beside them; without it they can be looked
/// at, but not run. The tokenizer is in the GGUF file, or in `tokenizer.json` and `tokenizer_config.json` in
/// the folder.
///
/// Weights are mapped into memory, not read. Endings and first bytes must agree: a file that claims to be something
/// else is refused with what it seems to be.
pub fn open(path: &Path) -> Result<ModelFile> {
    let about = fs::metadata(path).map_err(|cause| not_there(path, Error::io(path, "read", cause)))?;
    if about.is_dir() {
        return open_folder(path);
    }
    if path.to_string_lossy().ends_with(".safetensors.index.json") {
        return open_sharded(path, path);
    }
    let bytes = map(path)?;
    let start = bytes.as_slice();
    if start.starts_with(gguf::MAGIC) {
        let gguf = Gguf::parse(bytes, path)?;
        let (config, tensors) = (gguf.config()?, gguf.tensors().clone());
        return Ok(ModelFile {
            path: path.into(),
            config: Some(config),
            tensors,
            files: vec![path.into()],
            origin: Origin::Gguf(Box::new(gguf)),
        });
    }
    refuse_others(start, path)?;
    one_file(&bytes, path, Beside::Folder(folder_of(path).into()), path.into())
}

/// Opens weights in one safetensors file, whose other files lie beside it. `asked` is what the model is called.
fn one_file(bytes: &Bytes, file: &Path, beside: Beside, asked: PathBuf) -> Result<ModelFile> {
    let tensors = Safetensors::parse(bytes, file)?.tensors;
    let config = beside.config()?.map(Config::HuggingFace);
    let files = if matches!(beside, Beside::Folder(_)) { vec![file.into()] } else { Vec::new() };
    Ok(ModelFile { path: asked, config, tensors, files, origin: Origin::Beside(beside) })
}

/// Opens a checkpoint in the folder of a training.
pub(crate) fn checkpoint(folder: &Path, step: u64) -> Result<ModelFile> {
    let weights = folder.join(format!("checkpoints/{step}.safetensors"));
    let mut asked = folder.as_os_str().to_owned();
    asked.push(format!("@{step}"));
    one_file(&map(&weights)?, &weights, Beside::Folder(folder.into()), asked.into())
}

/// Opens a network that ships inside the program.
pub(crate) fn shipped(network: &'static Shipped, step: Option<u64>) -> Result<ModelFile> {
    let asked = step.map_or_else(|| network.reference(), |step| format!("{}@{step}", network.reference()));
    let bytes = network.weights(step).ok_or_else(|| Error::Missing {
        path: asked.clone().into(),
        what: "model.safetensors".into(),
        why: "it holds the weights. Build the program anew",
    })?;
    one_file(&bytes, Path::new(&asked), Beside::Shipped(network), asked.clone().into())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a folder: the index if there is one, else the only safetensors file.
fn open_folder(folder: &Path) -> Result<ModelFile> {
    let index = folder.join(sharded::INDEX);
    if index.is_file() {
        return open_sharded(&index, folder);
    }
    let usual = folder.join("model.safetensors");
    let weights = if usual.is_file() {
        usual
    } else {
        let mut found = files_in(folder, "safetensors")?;
        match found.len() {
            1 => found.remove(0),
            0 => return Err(no_weights(folder)),
            _ => {
                let what =
                    format!("{} safetensors files without an index, such as {}", found.len(), found[0].display());
                return Err(Error::Unsupported { place: folder.into(), what, remedy: "Name one of them" });
            }
        }
    };
    let mut model = open(&weights)?;
    model.path = folder.into();
    Ok(model)
}

fn open_sharded(index: &Path, asked: &Path) -> Result<ModelFile> {
    let folder = folder_of(index);
    let beside = Beside::Folder(folder.into());
    let config = beside.config()?.map(Config::HuggingFace);
    let (tensors, files) = sharded::open(index)?;
    Ok(ModelFile { path: asked.into(), config, tensors, files, origin: Origin::Beside(beside) })
}

/// The files of a folder with an ending, in order.
pub(crate) fn files_in(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::io(folder, "read", cause);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == ending) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Why a folder cannot be opened that has no safetensors file.
fn no_weights(folder: &Path) -> Error {
    let first = |ending| files_in(folder, ending).ok().and_then(|files| files.into_iter().next());
    if let Some(pickle) = ["bin", "pt", "pth"].into_iter().find_map(first) {
        return Error::Pickle { path: pickle };
    }
    match first("gguf") {
        Some(gguf) => Error::Unsupported {
            place: folder.into(),
            what: format!("a folder without safetensors files; it holds {}", gguf.display()),
            remedy: "Name that file itself",
        },
        None => Error::Missing {
            path: folder.into(),
            what: "model.safetensors".into(),
            why: "a model's folder holds its weights and config.json. `pellucid models` lists what is there",
        },
    }
}

/// Refuses a file that is neither GGUF nor, by its ending, safetensors, with what it is.
fn refuse_others(start: &[u8], path: &Path) -> Result<()> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let pickled =
        start.starts_with(b"PK\x03\x04") || (start.starts_with(&[0x80]) && start.get(1).is_some_and(|v| *v <= 5));
    let unsupported = |what: &str, remedy| Err(Error::Unsupported { place: path.into(), what: what.into(), remedy });
    match ending.as_str() {
        "npz" => unsupported(
            "a NumPy archive, which is not a model",
            "Convert it to safetensors with a config.json beside it",
        ),
        "pt" | "pth" | "bin" | "ckpt" | "pkl" => Err(Error::Pickle { path: path.into() }),
        _ if pickled => Err(Error::Pickle { path: path.into() }),
        "safetensors" => Ok(()),
        "gguf" => Err(Error::damaged(path, "it does not begin as GGUF files do")),
        "onnx" | "h5" | "hdf5" => unsupported(
            "a format that this version does not read yet",
            "Convert it to safetensors with a config.json beside it",
        ),
        _ => unsupported(
            "not a model that is known here",
            "Name a .gguf or .safetensors file, or a folder with config.json",
        ),
    }
}

/// Adds similar names to the message about a path where nothing is.
fn not_there(path: &Path, error: Error) -> Error {
    let Error::NotFound { path: asked, .. } = error else { return error };
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        return Error::NotFound { path: asked, candidates: vec![] };
    };
    let entries = fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    let names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let close = names.iter().map(String::as_str).filter(|other| strsim::jaro_winkler(&name, other) > 0.8);
    Error::NotFound { candidates: similar(&name, close), path: asked }
}

#[cfg(test)]
mod tests;
