//! `pellucid open [MODEL]`

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ArgMatches;
use views::AnyView;

use crate::model::Opener;
use crate::serve::{Options, is_built_in, serve};

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
    if let Some(name) = file.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()) {
        let name = name.strip_suffix(".wb.yaml").or(name.strip_suffix(".yaml")).unwrap_or(name);
        start.push(format!("ws={}", escaped(name)));
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

/// A text for an address.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => (byte as char).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
