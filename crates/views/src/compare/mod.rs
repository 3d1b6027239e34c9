//! Comparisons: one question, asked twice.

pub mod two;
