//! What a MODEL reference stands for.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hub::{Hub, Watch};
use crate::model::ModelFile;
use crate::zoo::{self, Shipped};
use crate::{Error, Result, open};

/// Where a model is to be opened from.
#[derive(Clone, Debug)]
pub struct Source(pub(crate) Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A file or a folder.
    Path(PathBuf),
    /// A checkpoint in the folder of a training.
    Checkpoint { folder: PathBuf, step: u64 },
    /// A network in the program, at a step of its training or at the end.
    Zoo { network: &'static Shipped, step: Option<u64> },
}

impl Source {
    /// Opens it: see [`open`].
    pub fn open(&self) -> Result<ModelFile> {
        match &self.0 {
            Kind::Path(path) => open(path),
            Kind::Checkpoint { folder, step } => open::checkpoint(folder, *step),
            Kind::Zoo { network, step } => open::shipped(network, *step),
        }
    }
}

impl Source {
    /// The steps of which the training that made it left checkpoints, in order.
    pub fn checkpoints(&self) -> Vec<u64> {
        let mut steps = match &self.0 {
            Kind::Path(folder) | Kind::Checkpoint { folder, .. } => steps_in(folder),
            Kind::Zoo { network, .. } => network.steps(),
        };
        steps.sort_unstable();
        steps
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self(Kind::Path(path))
    }
}

/// The source that a MODEL reference stands for:
/// - `zoo:NAME` or `zoo:NAME@STEP`, a network in the program;
/// - `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`, a model in the cache of Hugging Face's tools, or fetched into it from
///   their hub, whose settings are those of the environment ([`Hub::from_env`]); `watch` is told what arrives;
/// - `DIR@STEP`, a checkpoint in the folder of a training;
/// - anything else, a path as it is.
pub fn resolve(reference: &str, watch: &mut Watch<'_>) -> Result<Source> {
    if let Some(name) = reference.strip_prefix("zoo:") {
        let (network, step) = zoo::find(zoo::all(), name)?;
        return Ok(Source(Kind::Zoo { network, step }));
    }
    if reference.starts_with("hf:") {
        return Ok(Hub::from_env()?.resolve(reference, watch)?.into());
    }
    match checkpoint(reference)? {
        Some(kind) => Ok(Source(kind)),
        None => Ok(PathBuf::from(reference).into()),
    }
}

/// `DIR@STEP`, where nothing is called that itself and `DIR` is a folder.
fn checkpoint(reference: &str) -> Result<Option<Kind>> {
    let Some((folder, step)) = reference.rsplit_once('@') else { return Ok(None) };
    let folder = Path::new(folder);
    if Path::new(reference).exists() || !folder.is_dir() {
        return Ok(None);
    }
    let steps = steps_in(folder);
    match step.parse().ok().filter(|step| steps.contains(step)) {
        Some(step) => Ok(Some(Kind::Checkpoint { folder: folder.into(), step })),
        None => Err(Error::Reference { asked: reference.into(), why: nearest_steps(step, steps) }),
    }
}

/// The steps of which a training's folder has a checkpoint.
fn steps_in(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder.join("checkpoints")).into_iter().flatten().flatten();
    entries.filter_map(|entry| step_of(&entry.file_name().to_string_lossy())).collect()
}

/// The step that a checkpoint's file is named after: `STEP.safetensors`, without leading zeros.
pub(crate) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_suffix(".safetensors")?.parse::<u64>().ok()?;
    (format!("{step}.safetensors") == name).then_some(step)
}

/// Why a step cannot be opened: up to four that can, the nearest ones, in order.
pub(crate) fn nearest_steps(asked: &str, mut steps: Vec<u64>) -> String {
    if steps.is_empty() {
        return "it has no checkpoints; leave `@` away for the network at the end of training".into();
    }
    let wanted = asked.parse::<u64>().unwrap_or(0);
    steps.sort_by_key(|&step| (step.abs_diff(wanted), step));
    steps.truncate(4);
    steps.sort_unstable();
    let steps: Vec<String> = steps.iter().map(u64::to_string).collect();
    format!("no checkpoint of that step; the nearest are {}", steps.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reference: &str) -> Result<Source> {
        resolve(reference, &mut |_| std::ops::ControlFlow::Continue(()))
    }

    #[test]
    fn paths_are_as_they_are() {
        for path in ["models/x.gguf", "models/none@main", "a@1"] {
            assert!(matches!(of(path).unwrap().0, Kind::Path(kept) if kept == Path::new(path)), "{path}");
        }
    }

    #[test]
    fn checkpoints_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        fs::create_dir_all(folder.join("checkpoints")).unwrap();
        for name in ["0", "5", "10", "100", "1000", "007", "x"] {
            fs::write(folder.join(format!("checkpoints/{name}.safetensors")), b"").unwrap();
        }
        let asked = |step: &str| of(&format!("{}@{step}", folder.display()));
        assert!(matches!(asked("100").unwrap().0, Kind::Checkpoint { step: 100, .. }));
        for (step, told) in
            [("11", "0, 5, 10, 100"), ("7", "0, 5, 10, 100"), ("900", "5, 10, 100, 1000"), ("end", "0, 5")]
        {
            let message = asked(step).unwrap_err().to_string();
            assert!(message.contains(told), "{step}: {message}");
        }
        fs::remove_dir_all(folder.join("checkpoints")).unwrap();
        assert!(asked("100").unwrap_err().to_string().contains("no checkpoints"));
        // A folder whose own name has an `@` is that folder.
        let odd = dir.path().join("run@5");
        fs::create_dir(&odd).unwrap();
        assert!(matches!(asked("5").unwrap().0, Kind::Path(path) if path == odd));
    }
}
