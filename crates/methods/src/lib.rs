//! Methods of interpretability: functions from a model and a question to numbers.
//!
//! Each method is a function of a [`Subject`] (a model, a prompt, edits) and of its own settings. It returns plain
//! vectors in row-major order, whose axes it states.
//!
//! Invariants: no IO; nothing is known here of files, of figures, or of how a network came to be.

mod heads;
mod lens;
mod next;
mod stream;
mod subject;

pub use heads::{Patterns, duplicate_token, first_token, induction, patterns, previous_token, random_repeat};
pub use lens::{LogitLens, logit_lens};
pub use next::{NextTokens, next_tokens};
pub use subject::{Subject, Tick};
