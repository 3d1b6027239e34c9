//! `pellucid open [MODEL]`

use std::path::PathBuf;

use anyhow::Result;
use clap::ArgMatches;
use views::{AnyView, Cx};

use crate::model::{Opener, open_to_describe};
use crate::serve::{Options, Start, is_built_in, name_of, serve};

pub(super) fn run(matches: &ArgMatches, views: &'static [AnyView]) -> Result<()> {
    let texts = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    let file = matches.get_one::<PathBuf>("workspace").cloned();
    let mut start = Start { models: texts("MODEL"), prompts: texts("prompt"), workspace: file.as_deref().map(name_of) };
    if start.workspace.is_none()
        && let Some(input) = start.models.first().and_then(|model| an_input(model))
    {
        start.workspace = Some("calculation".into());
        if start.prompts.is_empty() {
            start.prompts.push(input);
        }
    }
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

/// An input in words, of a network that says for which it was made: other prompts would mean nothing to it. What cannot be
/// opened is told by the page.
fn an_input(reference: &str) -> Option<String> {
    let opened = open_to_describe(reference).ok()?;
    let domain = opened.model().ok()?.spec().domain.clone()?;
    let input = domain.input(domain.len()? * 2 / 5);
    Some(Cx::new(&opened).words(&input).ok()?.join(" "))
}
