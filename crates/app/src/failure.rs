//! How the program ends when something is wrong: one line on standard error, and a status.

use std::backtrace::Backtrace;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};

/// A command line that cannot be meant. Status 2, where other errors have 1.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error about the command line.
pub(crate) fn usage_error(why: impl Into<String>) -> anyhow::Error {
    Usage(why.into()).into()
}

/// Prints an error as one line, and gives its status.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // Whoever reads the output has seen enough: that is not a failure.
    if error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_broken_pipe)
        || error.downcast_ref().and_then(serde_json::Error::io_error_kind) == Some(io::ErrorKind::BrokenPipe)
    {
        return ExitCode::SUCCESS;
    }
    say(&error.to_string());
    ExitCode::from(if is_usage(error) { 2 } else { 1 })
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// Whether the command line is to blame, rather than a file, the network, or the machine.
fn is_usage(error: &anyhow::Error) -> bool {
    use engine::Error as E;
    let engine = match error.downcast_ref::<views::Error>() {
        Some(views::Error::Engine(error)) => Some(error),
        Some(views::Error::Parameters { .. } | views::Error::NoTokenizer | views::Error::Unfit { .. }) => return true,
        _ => error.downcast_ref::<engine::Error>(),
    };
    let asked = |error: &E| {
        matches!(
            error,
            E::UnknownPoint { .. }
                | E::UnknownAxis { .. }
                | E::OutOfRange { .. }
                | E::EditSyntax { .. }
                | E::Misfit { .. }
                | E::Input(_)
        )
    };
    error.is::<Usage>() || engine.is_some_and(asked)
}

/// What clap has to say: help and version on standard output, errors as one line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that goes away early is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    if let Some(asked) = error.get(ContextKind::InvalidSubcommand) {
        let similar =
            error.get(ContextKind::SuggestedSubcommand).map_or_else(String::new, |s| format!("; similar: {s}"));
        say(&format!(
            "`{asked}` is neither a command nor a view{similar}; `pellucid --help` and `pellucid views` list them"
        ));
        return ExitCode::from(2);
    }
    let text = error.render().to_string();
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match parts.last_mut() {
            Some(part) if !line.starts_with("tip:") && !line.starts_with("Usage:") && !line.starts_with("For more") => {
                part.push(' ');
                part.push_str(line);
            }
            _ => parts.push(line.to_owned()),
        }
    }
    parts.retain(|part| !part.starts_with("For more"));
    say(parts.join("; ").trim_start_matches("error: "));
    ExitCode::from(2)
}

/// One line on standard error, whatever the text holds.
fn say(message: &str) {
    let line = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "error: {}", figure::visible(&line));
}

/// A panic is a defect of the program. The last resort is one line that says so, and status 1.
pub(crate) fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("no message");
        say(&format!("this is a defect of pellucid{place}: {what}. Please report it with the command line"));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            let _ = writeln!(io::stderr(), "{}", Backtrace::force_capture());
        }
        std::process::exit(1);
    }));
}
