//! The program `pellucid`, as a library: [`main_with`] runs it with any list of views, to which come those that
//! are programs of the user's (`plugins`).
//!
//! A command line is parsed, then meant: `cli` says what there is, each file in `commands` does one of them. Views
//! have no code here: their flags come from their schemas, their help from their doc comments.
//!
//! Standard output carries results only; progress and messages go to standard error. The exit status is 0 when done,
//! 1 when something failed and 2 for bad usage, the last two with one line that says what to do.

mod arrivals;
mod cli;
mod colours;
mod commands;
mod failure;
mod input;
mod memory;
mod model;
mod output;
mod parameters;
mod plugins;
mod points;
mod prose;
mod serve;
mod waiting;

use std::process::ExitCode;

use views::AnyView;

/// Runs the program on the process's own arguments, with these views.
pub fn main_with(views: &'static [AnyView]) -> ExitCode {
    failure::catch_panics();
    let views = plugins::with_ours(views);
    let matches = match cli::command(views).try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return failure::usage(&error),
    };
    match commands::run(&matches, views) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
