//! `pellucid reproduce [NAME]`: published claims, tried again on this machine.

use anyhow::Result;
use clap::ArgMatches;
use figure::{Dim, Table};
use views::{AnyReproduction, Bench, Quantity, REPRODUCTIONS, Report};

use crate::failure::usage_error;
use crate::waiting::Waiting;
use crate::{colours, model, output};

pub(super) fn run(matches: &ArgMatches) -> Result<()> {
    let chosen: Vec<&AnyReproduction> = match matches.get_one::<String>("NAME") {
        None => REPRODUCTIONS.iter().collect(),
        Some(name) => vec![REPRODUCTIONS.iter().find(|one| one.name == name).ok_or_else(|| unknown(name))?],
    };
    if matches.get_flag("list") {
        let table = Table::new(Dim::Row)
            .words("name", chosen.iter().map(|one| one.name))
            .words("source", chosen.iter().map(|one| one.source));
        return output::print_table(table, &colours::style(matches));
    }
    let seed = *matches.get_one::<u64>("seed").unwrap_or(&0);
    let open = |reference: &str| {
        model::open_named(reference, matches).map_err(|error| views::Error::Model(format!("{error:#}")))
    };
    let scratch = tempfile::tempdir()?;
    let mut reports = Vec::new();
    for one in chosen {
        eprintln!("{} (seed {seed}): {}", one.name, one.source);
        let waiting = Waiting::new(false);
        let report = one.run(&Bench::new(seed, scratch.path(), &open, &waiting));
        waiting.finish();
        let report = report?;
        if !matches.get_flag("json") {
            output::print_figure(&shown(&report).into(), &colours::style(matches))?;
        }
        reports.push(report);
    }
    match (matches.get_flag("json"), reports.as_slice()) {
        (false, _) => Ok(()),
        // One document of the form that DESIGN fixes; several are an array of them.
        (true, [report]) if matches.contains_id("NAME") => output::print_json(report),
        (true, reports) => output::print_json(&reports),
    }
}

fn unknown(name: &str) -> anyhow::Error {
    let known: Vec<&str> = REPRODUCTIONS.iter().map(|one| one.name).collect();
    usage_error(format!("there is no reproduction `{name}`; there are: {}", known.join(", ")))
}

fn shown(report: &Report) -> Table {
    let told = |quantity: &Quantity| match quantity {
        Quantity::Number(number) => format!("{number:.4}"),
        Quantity::Words(words) => words.clone(),
    };
    let held = report.rows.iter().filter(|row| row.holds).count();
    Table::new(Dim::Row)
        .words("claim", report.rows.iter().map(|row| row.claim.as_str()))
        .words("published", report.rows.iter().map(|row| told(&row.published)))
        .words("ours", report.rows.iter().map(|row| told(&row.ours)))
        .words("unit", report.rows.iter().map(|row| row.unit.as_str()))
        .words("holds", report.rows.iter().map(|row| if row.holds { "yes" } else { "NO" }))
        .title(format!("{}: {held} of {} claims hold", report.name, report.rows.len()))
        .caption(format!("Seed {}, {:.0} seconds. {}", report.seed, report.seconds, report.source))
}
