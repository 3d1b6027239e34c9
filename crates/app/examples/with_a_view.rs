//! The program with the view of docs/adding-a-view.md beside its own. In a crate of your own this is all there is to
//! write besides the view.

use std::process::ExitCode;

// Views say `crate::` for what they use, wherever they live.
pub use views::*;

#[path = "../../../docs/adding-a-view/surprise.rs"]
pub mod surprise;

fn main() -> ExitCode {
    let mine = AnyView::of::<surprise::Surprise>("lens", "surprise");
    pellucid::main_with([VIEWS, &[mine]].concat().leak())
}
