//! `pellucid models`

use anyhow::Result;
use clap::ArgMatches;
use figure::{Dim, Table};
use serde::Serialize;

use crate::{colours, output};

/// A model, as `models --json` and the workbench tell it.
#[derive(Serialize)]
pub(crate) struct Told {
    /// What to give as MODEL.
    model: String,
    name: String,
    format: &'static str,
    /// Null where the file does not say or cannot be read; then `problem` tells why.
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    bytes: u64,
}

/// The models on this machine.
pub(crate) fn told() -> Vec<Told> {
    let told = |found: store::Found| {
        let (architecture, problem) = match found.architecture {
            Ok(name) => (Some(name), None),
            Err(why) => (None, Some(why)),
        };
        let (model, name, format) = (found.reference, found.name, found.format.name());
        Told { model, name, format, architecture, problem, bytes: found.bytes }
    };
    store::models().into_iter().map(told).collect()
}

pub(super) fn run(matches: &ArgMatches) -> Result<()> {
    let told = told();
    if matches.get_flag("json") {
        return output::print_json(&told);
    }
    if told.iter().all(|model| model.model.starts_with("zoo:")) {
        let folder = store::models_folder();
        eprintln!(
            "no models in {} or in the cache of Hugging Face's tools. Name one of the hub to fetch it: pellucid card \
             hf:OWNER/NAME; or a file: pellucid card FILE.gguf",
            folder.display()
        );
    }
    let architecture = |model: &Told| model.architecture.clone().or_else(|| model.problem.clone()).unwrap_or_default();
    let table = Table::new(Dim::Row)
        .words("model", told.iter().map(|model| model.model.as_str()))
        .words("format", told.iter().map(|model| model.format))
        .words("architecture", told.iter().map(architecture))
        .numbers("MB", told.iter().map(|model| model.bytes as f64 / 1e6))
        .decimals(1);
    output::print_table(table, &colours::style(matches))
}
