//! The program `pellucid`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pellucid::main_with(views::VIEWS)
}
