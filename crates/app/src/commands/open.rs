//! `pellucid open [MODEL]`

use std::path::PathBuf;

use anyhow::Result;
use clap::ArgMatches;
use views::AnyView;

use crate::model::Opener;
use crate::serve::{Options, Start, is_built_in, name_of, serve};

pub(super) fn run(matches: &ArgMatches, views: &'static [AnyView]) -> Result<()> {
    let texts = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    let file = matches.get_one::<PathBuf>("workspace").cloned();
    let start = Start { models: texts("MODEL"), prompts: texts("prompt"), workspace: file.as_deref().map(name_of) };
    serve(Options {
        opener: Opener::of(matches),
        views,
        port: matches.get_one::<u16>("port").copied().unwrap_or(0),
        cache: matches.get_one::<PathBuf>("cache").cloned(),
        workspaces: PathBuf::from("workspaces"),
        start,
        file: file.filter(|path| path.exists() || !is_built_in(&path.to_string_lossy())),
        browser: !matches.get_flag("no-browser"),
    })
}
