//! `pellucid points MODEL`

use anyhow::Result;
use clap::ArgMatches;
use figure::{Dim, Table};

use crate::{colours, model, output, points};

pub(super) fn run(matches: &ArgMatches) -> Result<()> {
    let opened = model::open_to_describe(model::reference(matches))?;
    let spec = opened.model()?.spec();
    if matches.get_flag("json") {
        return output::print_json(&points::told(spec));
    }
    let lines = points::summed_up(spec);
    let table = Table::new(Dim::Row)
        .title(format!("Points of {}, in the order in which a pass meets them", opened.file().name()))
        .words("point", lines.iter().map(|line| line.name.as_str()))
        .words("axes", lines.iter().map(|line| line.axes.as_str()))
        .words("blocks i", lines.iter().map(|line| line.layers.as_str()))
        .caption(format!(
            "{} points. Names may be globs: 'blocks.*.resid_post'. Several inputs add a batch axis in front.",
            spec.points.len()
        ));
    output::print_table(table, &colours::style(matches))
}
