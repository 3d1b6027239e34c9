//! From a network to a program.
//!
//! A [`Program`] is an expression over whole numbers, reals and truth values, with a stated [`Cost`]. [`Program::run`]
//! says what it means, [`simplify`] and [`collapse`] find shorter forms of it, [`emit`] writes it as Rust or Python, and
//! [`check`] holds it against the network. [`families`] find programs in tables of answers ([`Outputs`]), each the kind
//! it knows.
//!
//! Invariants: no IO; every result follows from its arguments, seeds among them.

mod check;
mod collapse;
mod cost;
pub mod emit;
mod error;
mod extraction;
pub mod families;
mod formula;
mod interpret;
mod interval;
mod kinds;
mod outputs;
mod program;
pub mod reading;
mod simplify;
mod splice;

pub use check::{Counterexample, Effort, Network, Observed, Tick, Verdict, check, upper_bound};
pub use collapse::{Collapsed, collapse};
pub use cost::{Cost, table_bits};
pub use error::{Cancelled, Error, Result, Trouble};
pub use extraction::{Controls, Evidence, Extraction, Mechanism, Report, Specification, Unexplained, extract};
pub use families::{Family, Found, recognise};
pub use interpret::Value;
pub use kinds::{Kind, Kinds};
pub use outputs::Outputs;
pub use program::{Binary, Expr, Input, Program, Step, Table, Unary, Values, rounded};
pub use reading::Waves;
pub use simplify::simplify;
pub use splice::{Splice, Spliced, by_input};
