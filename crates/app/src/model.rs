//! From MODEL on the command line to an opened model.

use std::path::Path;
use std::sync::{Arc, Once};

use anyhow::Result;
use clap::ArgMatches;
use kernels::{Backend, Cpu, Naive, Precision};
use store::Source;
use views::Opened;

use crate::arrivals::Arrivals;
use crate::failure::usage_error;
use crate::memory;

/// What MODEL means: a network of the zoo, a model of the hub, which is fetched if it is not here yet, a file or folder,
/// a checkpoint of a training, or a name that `pellucid models` lists.
fn locate(reference: &str) -> Result<Source> {
    let resolve = |reference: &str| -> Result<Source> {
        let mut arrivals = Arrivals::new();
        Ok(store::resolve(reference, &mut |arriving| arrivals.tell(arriving))?)
    };
    if reference.is_empty() || Path::new(reference).exists() || reference.contains(['/', '\\', ':', '@']) {
        return resolve(reference);
    }
    let is_called = |model: &store::Found| model.name == reference || Path::new(&model.reference).ends_with(reference);
    let found: Vec<_> = store::models().into_iter().filter(is_called).collect();
    match found.as_slice() {
        [one] => resolve(&one.reference),
        [] => resolve(reference),
        several => {
            let references: Vec<&str> = several.iter().map(|model| model.reference.as_str()).collect();
            Err(usage_error(format!("several models are called `{reference}`; name one: {}", references.join(", "))))
        }
    }
}

/// The reference that was given.
pub(crate) fn reference(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("MODEL").map_or("", String::as_str)
}

/// Opens the model that was named, ready to run.
pub(crate) fn open(matches: &ArgMatches) -> Result<Opened> {
    open_named(reference(matches), matches)
}

/// Opens a model by its reference, ready to run.
pub(crate) fn open_named(reference: &str, matches: &ArgMatches) -> Result<Opened> {
    Opener::of(matches).open(reference)
}

/// What computes: what `--backend` and `--precision` say. Of a precision that is not to be had here a line on standard error
/// tells once.
pub(crate) fn backend(matches: &ArgMatches) -> Arc<dyn Backend> {
    // Commands that run no network have no precision.
    let given = |option: &str| matches.try_get_one::<String>(option).ok().flatten();
    let is = |option: &str, value: &str| given(option).is_some_and(|given| given == value);
    let ignored = |why: &str| {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| eprintln!("--precision f32x2 is ignored: {why}"));
    };
    let is_split = is("precision", "f32x2");
    if is("backend", "naive") {
        if is_split {
            ignored("--backend naive computes in f64");
        }
        return Arc::new(Naive);
    }
    let precision = if is_split { Precision::F32x2 } else { Precision::F32 };
    Arc::new(Cpu::with_precision(precision).unwrap_or_else(|why| {
        ignored(&format!("{why}; products are f32"));
        Cpu::new()
    }))
}

/// What computes, where a picture should tell because it is not what computes if nothing is said.
pub(crate) fn unusual_arithmetic(backend: &dyn Backend) -> Option<&'static str> {
    Some(backend.name()).filter(|&name| name != Cpu::new().name())
}

/// How models are opened: what `--backend`, `--precision` and `--memory` say.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    backend: Arc<dyn Backend>,
    memory: Option<u64>,
}

impl Opener {
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        Self { backend: backend(matches), memory: limit(matches) }
    }

    /// Opens a model by its reference, ready to run.
    pub(crate) fn open(&self, reference: &str) -> Result<Opened> {
        Ok(self.open_with_checkpoints(reference)?.0)
    }

    /// The same, with the steps of which its training left checkpoints.
    pub(crate) fn open_with_checkpoints(&self, reference: &str) -> Result<(Opened, Vec<u64>)> {
        let source = locate(reference)?;
        let opened = Opened::new(source.open()?, self.backend.clone(), memory::weights_budget(self.memory));
        Ok((opened, source.checkpoints()))
    }

    /// What computes.
    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Bytes that a pass may take.
    pub(crate) fn run_limit(&self) -> Option<u64> {
        memory::run_limit(self.memory)
    }
}

/// Whether a text that may be a prompt as well is the reference of a model: `zoo:` and `hf:` are, and what exists.
pub(crate) fn is_reference(text: &str) -> bool {
    let folder_at_step = |(folder, step): (&str, &str)| step.parse::<u64>().is_ok() && Path::new(folder).is_dir();
    ["zoo:", "hf:"].iter().any(|scheme| text.starts_with(scheme))
        || (!text.is_empty() && Path::new(text).exists())
        || text.rsplit_once('@').is_some_and(folder_at_step)
}

/// Opens the model to be described only: weights stay where they are.
pub(crate) fn open_to_describe(reference: &str) -> Result<Opened> {
    Ok(Opened::new(locate(reference)?.open()?, Arc::new(Cpu::new()), 0))
}

/// What `--memory` says.
pub(crate) fn limit(matches: &ArgMatches) -> Option<u64> {
    matches.get_one::<u64>("memory").copied()
}

/// Adds to an error about numbers that are not finite which tensors of the file hold such numbers.
pub(crate) fn name_damage(opened: &Opened, error: views::Error) -> views::Error {
    let views::Error::Engine(engine::Error::NotFinite { point, culprit }) = error else { return error };
    let weights = opened.file().weights();
    let damaged = weights.not_finite();
    let named = |names: &[&str]| names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let culprit = match damaged.as_slice() {
        [] => format!("{culprit}; the weights themselves are finite"),
        [name] => format!("{culprit}; tensor `{name}` of the file holds values that are not finite"),
        names => {
            format!("{culprit}; {} tensors of the file hold values that are not finite: {}", names.len(), named(names))
        }
    };
    engine::Error::NotFinite { point, culprit }.into()
}
