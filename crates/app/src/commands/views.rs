//! `pellucid views [NAME]`

use anyhow::Result;
use clap::ArgMatches;
use figure::{Dim, Figure, Group, Table, Text};
use schemars::Schema;
use serde::Serialize;
use views::AnyView;

use crate::failure::usage_error;
use crate::parameters::{Parameter, parameters};
use crate::prose::{paragraphs, summary};
use crate::{colours, output};

/// A view, as `views --json` tells it.
#[derive(Serialize)]
struct Told {
    name: &'static str,
    shelf: &'static str,
    revision: u32,
    help: String,
    /// JSON schema of the parameters.
    parameters: Schema,
    /// JSON schema of the output.
    output: Schema,
}

fn told(view: &AnyView) -> Told {
    Told {
        name: view.name,
        shelf: view.shelf,
        revision: view.revision,
        help: paragraphs(&view.help()),
        parameters: view.schema(),
        output: view.output_schema(),
    }
}

pub(super) fn run(matches: &ArgMatches, all: &[AnyView]) -> Result<()> {
    let style = colours::style(matches);
    let Some(name) = matches.get_one::<String>("NAME") else {
        if matches.get_flag("json") {
            return output::print_json(&all.iter().map(told).collect::<Vec<_>>());
        }
        let table = Table::new(Dim::Row)
            .words("view", all.iter().map(|view| format!("{}/{}", view.shelf, view.name)))
            .words("what it shows", all.iter().map(|view| summary(&view.help())))
            .caption("`pellucid views NAME` explains one; `pellucid view NAME MODEL --prompt TEXT` asks it.");
        return output::print_table(table, &style);
    };
    let named = |view: &&AnyView| view.name == name || format!("{}/{}", view.shelf, view.name) == *name;
    let Some(view) = all.iter().find(named) else {
        let names: Vec<&str> = all.iter().map(|view| view.name).collect();
        return Err(usage_error(format!("there is no view `{name}`; there are {}", names.join(", "))));
    };
    if matches.get_flag("json") {
        return output::print_json(&told(view));
    }
    output::print_figure(&explained(view), &style)
}

/// A view's help, parameters and output, to read.
fn explained(view: &AnyView) -> Figure {
    let parameters = parameters(&view.schema());
    let flag = |p: &Parameter| {
        if p.is_prompt() { "--prompt TEXT".to_owned() } else { format!("--{} {}", p.flag(), p.placeholder()) }
    };
    let takes = Table::new(Dim::Row)
        .title("Parameters")
        .words("flag", parameters.iter().map(flag))
        .words("if left out", parameters.iter().map(Parameter::otherwise))
        .words("meaning", parameters.iter().map(|p| p.help.clone()));
    let schema = view.output_schema();
    let fields = schema.as_value()["properties"].as_object().into_iter().flatten();
    let (names, meanings): (Vec<String>, Vec<String>) = fields
        .map(|(name, field)| (name.clone(), paragraphs(field["description"].as_str().unwrap_or_default())))
        .unzip();
    let gives =
        Table::new(Dim::Row).title("Output, as --json prints it").words("field", names).words("meaning", meanings);
    Group::new([Figure::from(Text::new(paragraphs(&view.help()))), takes.into(), gives.into()])
        .title(format!("{}/{}", view.shelf, view.name))
        .caption(format!("pellucid view {} MODEL --prompt TEXT", view.name))
        .into()
}
