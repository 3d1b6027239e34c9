//! What the repository does to itself: writes the generated lists and checks the rules that no compiler checks.
//!
//! Run as `cargo xtask COMMAND`. Each check is a test as well, so that `cargo test` holds it. This crate links none
//! of the others: it reads their sources and manifests as text.

mod codegen;
mod edges;
mod io;
mod licences;
mod metadata;
mod smells;
mod sources;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  codegen           write the lists of views and architectures from their folders
  codegen --check   fail if a list is not what would be written
  tidy              fail on what a compiler does not see: file headers, names, spacing, unfinished work,
                    edges between crates, file and network access, licences of dependencies
  smells            report long files and functions; never fails
";

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository")
}

/// Prints what was found, a line each, and fails if there is anything.
fn report(problems: &[String]) -> Result<()> {
    for problem in problems {
        eprintln!("{problem}");
    }
    if !problems.is_empty() {
        bail!(
            "{} found",
            if problems.len() == 1 { "1 problem".into() } else { format!("{} problems", problems.len()) }
        );
    }
    Ok(())
}

fn run(arguments: &[&str]) -> Result<()> {
    let root = root();
    match arguments {
        ["codegen"] => {
            for changed in codegen::write(root)? {
                println!("wrote {changed}");
            }
            Ok(())
        }
        ["codegen", "--check"] => report(&codegen::check(root)?),
        ["tidy"] => {
            let files = sources::files(root)?;
            let metadata = metadata::load(root)?;
            let mut problems = tidy::check(&files);
            problems.extend(io::check(&files));
            problems.extend(edges::check(&metadata)?);
            problems.extend(licences::check(&metadata)?);
            report(&problems)
        }
        ["smells"] => {
            for smell in smells::find(&sources::files(root)?) {
                println!("{smell}");
            }
            Ok(())
        }
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("no such command: {}\n\n{HELP}", arguments.join(" ")),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
