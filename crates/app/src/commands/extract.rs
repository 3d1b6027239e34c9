//! `pellucid extract MODEL -o DIR`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ArgMatches;
use engine::Array;
use extract::{Extraction, Program, Splice, Spliced, emit};
use figure::render;
use methods::finite::Finite;
use store::{Announced, Captures, Element};
use views::finite::program::Output;
use views::{Cx, Progress, extracted, extraction_report, spliced};

use super::speed;
use crate::waiting::Waiting;
use crate::{model, output};

/// What an extraction leaves, in the order in which it is written: the report last, so that where it is the rest is.
const REPORT: &str = "report.json";

/// What stands for each answer of the program in the network: `program:FOLDER` of an edit reads it.
const SPLICE: &str = "splice.safetensors";

pub(super) fn run(matches: &ArgMatches) -> Result<()> {
    let folder = matches.get_one::<PathBuf>("folder").cloned().unwrap_or_default();
    let seed = *matches.get_one::<u64>("seed").unwrap_or(&0);
    store::create_folder(&folder)?;
    if store::names_in(&folder)?.iter().any(|name| !name.starts_with('.')) && !folder.join(REPORT).is_file() {
        bail!("{}: not empty, and no extraction lies there; choose another folder", folder.display());
    }
    let opened = model::open(matches)?;
    let waiting = Waiting::new(false);
    let mut tick = |done, of| if waiting.tick(done, of) { Ok(()) } else { Err(engine::Error::Cancelled) };
    let network = opened.model()?;
    let finite = Finite::new(network, &[], None)?;
    let mut extraction = extracted(opened.file(), &finite, seed, &mut tick)?;
    extraction.report.splice = spliced(&finite, &extraction, &mut tick)?;
    waiting.finish();
    let report = &mut extraction.report;
    if let Some(batched) = speed::network(network)? {
        (report.network_ns_per_call, report.network_ns_per_call_batched) = (Some(batched.single), Some(batched.best));
    }
    if let Some(program) = &extraction.program {
        match speed::program(&emit::rust(program)?, network) {
            Ok(ns) => extraction.report.ns_per_call = Some(ns),
            Err(why) => eprintln!("the program's speed was not measured: {why:#}"),
        }
    }
    let ns = (extraction.report.network_ns_per_call, extraction.report.ns_per_call);
    if let (Some(measured), Some(splice)) = (&mut extraction.report.splice, &extraction.splice) {
        (measured.ns_before, measured.ns_program) = ns;
        measured.ns_unembedding = Some(speed::unembedding(network, &splice.rows));
        measured.ns_after = measured.ns_program.zip(measured.ns_unembedding).map(|(program, rest)| program + rest);
    }
    let told_of = Output::of(&Cx::new(&opened), &finite, &extraction, None, None)?;
    let page = render::html(&extraction_report(&told_of, extraction.report.splice.as_ref()));
    write(&folder, &extraction, page).with_context(|| format!("{} could not be written", folder.display()))?;
    if matches.get_flag("json") {
        return output::print_json(&extraction.report);
    }
    output::print(&told(&extraction, &folder))
}

/// Writes everything; what an earlier extraction left and this one has not is removed.
fn write(folder: &Path, extraction: &Extraction, page: String) -> Result<()> {
    store::remove_file(&folder.join(REPORT))?;
    let rows = folder.join(SPLICE);
    match &extraction.splice {
        Some(splice) => {
            let Splice { point, rows: Array { shape, data, .. }, .. } = splice;
            let announced = Announced { name: point.clone(), element: Element::F32, shape: shape.clone() };
            let about = "for each answer of the program, the mean of this point at the last position";
            let metadata = BTreeMap::from([("rows".to_owned(), about.to_owned())]);
            let mut file = Captures::create(&rows, &[announced], &metadata)?;
            file.write_f32(point, data)?;
            file.finish()?;
        }
        None => store::remove_file(&rows)?,
    }
    let texts = |program: &Option<Program>, emit: fn(&Program) -> extract::Result<String>| {
        program.as_ref().map(emit).transpose()
    };
    let json = |program: &Option<Program>| program.as_ref().map(serde_json::to_string_pretty).transpose();
    let files = [
        ("program.rs", texts(&extraction.program, emit::rust)?),
        ("program.py", texts(&extraction.program, emit::python)?),
        ("program.json", json(&extraction.program)?),
        ("mechanism.rs", texts(&extraction.mechanism, emit::rust)?),
        ("mechanism.py", texts(&extraction.mechanism, emit::python)?),
        ("mechanism.json", json(&extraction.mechanism)?),
        ("report.html", Some(page)),
        (REPORT, Some(serde_json::to_string_pretty(&extraction.report)? + "\n")),
    ];
    for (name, text) in files {
        match text {
            Some(text) => store::write_whole(&folder.join(name), text.as_bytes())?,
            None => store::remove_file(&folder.join(name))?,
        }
    }
    Ok(())
}

/// What came of it, in words.
fn told(extraction: &Extraction, folder: &Path) -> String {
    let report = &extraction.report;
    let mut lines = Vec::new();
    match (&report.closed_form, &report.family) {
        (Some(form), Some(family)) => lines.push(format!("{form}   ({family})")),
        _ => lines.push(format!("no program: {}", report.why)),
    }
    if let (Some(agree), Some(size)) = (report.agree_network, report.domain_size) {
        let spec = report.agree_spec.map_or_else(String::new, |agree| format!(", as it should be on {agree}"));
        lines.push(format!("answers as the network on {agree} of {size} inputs{spec}"));
    }
    if let Some(mechanism) = &report.mechanism {
        lines.push(format!(
            "mechanism: {} {} ({}), {:.1} % of the variance of logits",
            mechanism.frequencies.len(),
            if mechanism.representations.is_empty() { "frequencies" } else { "representations" },
            mechanism.frequencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            100.0 * mechanism.logit_fve
        ));
    }
    if let (Some(bits), Some(table)) = (report.bits, report.table_bits) {
        lines.push(format!("{bits} bits, the table of answers {table}"));
    }
    if let (Some(ns), Some(network)) = (report.ns_per_call, report.network_ns_per_call) {
        lines.push(format!("{ns:.1} ns a call, the network {network:.0}: {:.0} times faster", network / ns));
    }
    if let Some(splice) = &report.splice {
        lines.push(told_of_splice(splice, report.domain_size, folder));
    }
    lines.push(format!("written: {}", folder.display()));
    lines.join("\n") + "\n"
}

/// The network with the program in it, in words.
fn told_of_splice(splice: &Spliced, inputs: Option<u64>, folder: &Path) -> String {
    let mut told = Vec::new();
    if let Some(inputs) = inputs {
        told.push(format!("answers {} of {inputs} inputs as before", splice.agree_network));
    }
    if let (Some(before), Some(after)) = (splice.accuracy_before, splice.accuracy_after) {
        told.push(format!("{:.2} % right, before {:.2} %", 100.0 * after, 100.0 * before));
    }
    told.push(format!("{} bytes, before {}", splice.bytes_after, splice.bytes_before));
    if let (Some(before), Some(after)) = (splice.ns_before, splice.ns_after) {
        told.push(format!("{after:.0} ns an input, before {before:.0}"));
    }
    format!("in the network ({}[pos=-1]=program:{}): {}", splice.point, folder.display(), told.join("; "))
}
