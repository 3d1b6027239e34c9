//! A text that comes with the program, for measures that need one and were given none.

/// Ten paragraphs of plain English on as many subjects, 1,150 words, written for this program: no network has learnt it by
/// heart.
pub(crate) const PASSAGE: &str = include_str!("passage.txt");
