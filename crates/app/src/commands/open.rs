//! `pellucid open [MODEL]`

use std::path::PathBuf;

use anyhow::Result;
use clap::ArgMatches;
use store::escaped;
use views::AnyView;

use crate::model::Opener;
use crate::serve::{Options, is_built_in, name_of, serve};

pub(super) fn run(matches: &ArgMatches, views: &'static [AnyView]) -> Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let prompts: Vec<&String> = matches.get_many::<String>("prompt").into_iter().flatten().collect();
    let file = matches.get_one::<PathBuf>("workspace").cloned();
    let mut start = Vec::new();
    // What the page is to begin with travels in the part of the address that no server sees.
    if let Some(model) = text("MODEL") {
        start.push(format!("model={}", escaped(model)));
    }
    start.extend(prompts.iter().map(|prompt| format!("prompt={}", escaped(prompt))));
    if let Some(file) = &file {
        start.push(format!("ws={}", escaped(&name_of(file))));
    }
    serve(Options {
        opener: Opener::of(matches),
        views,
        port: matches.get_one::<u16>("port").copied().unwrap_or(0),
        cache: matches.get_one::<PathBuf>("cache").cloned(),
        workspaces: PathBuf::from("workspaces"),
        start: start.join("&"),
        file: file.filter(|path| path.exists() || !is_built_in(&path.to_string_lossy())),
        browser: !matches.get_flag("no-browser"),
    })
}
