//! Small questions about sequences of letters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Task, within};
use crate::Result;

/// Which question. Letters count as numbers from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sequence {
    /// The letter that occurs most; of several the first in the alphabet.
    #[default]
    Majority,
    /// Whether some letter occurs twice: `b`, else `a`.
    Duplicate,
    /// How many different letters there are, as a letter: one is `a`.
    Distinct,
    /// The letter in the middle of the sorted sequence; the lower of two.
    Median,
    /// The letter at the place that the first letter names, counted round.
    Lookup,
}

impl Sequence {
    /// Every question.
    pub const ALL: [Self; 5] = [Self::Majority, Self::Duplicate, Self::Distinct, Self::Median, Self::Lookup];

    fn about(self) -> &'static str {
        match self {
            Self::Majority => "the most frequent of",
            Self::Duplicate => "whether one is repeated among",
            Self::Distinct => "how many are different among",
            Self::Median => "the median of",
            Self::Lookup => "the one that the first points at among",
        }
    }

    fn answer(self, input: &[u32], letters: u32) -> u32 {
        let counts: Vec<usize> = (0..letters).map(|letter| input.iter().filter(|&&x| x == letter).count()).collect();
        match self {
            Self::Majority => (0..letters).rev().max_by_key(|&letter| counts[letter as usize]).unwrap_or(0),
            Self::Duplicate => u32::from(counts.iter().any(|&count| count > 1)),
            Self::Distinct => counts.iter().filter(|&&count| count > 0).count() as u32 - 1,
            Self::Median => {
                let mut sorted = input.to_vec();
                sorted.sort_unstable();
                sorted[(sorted.len() - 1) / 2]
            }
            Self::Lookup => input[input[0] as usize % input.len()],
        }
    }
}

pub(super) fn task(question: Sequence, length: usize, letters: u32) -> Result<Task> {
    within("a length", length, 2, 16)?;
    within("a count of letters", letters as usize, 2, 26)?;
    let answers = if question == Sequence::Duplicate { 2 } else { letters };
    let words = (0..letters as u8).map(|letter| ((b'a' + letter) as char).to_string());
    let rule = move |input: &[u32]| question.answer(input, letters);
    Ok(Task::of(format!("{} {length} letters", question.about()), words, length, answers, rule))
}
