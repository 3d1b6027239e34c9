//! What a network is asked on a finite domain: one file for each kind of question.

mod group;
mod maximum;
mod modular;
mod parity;
mod sequence;

use std::fmt;
use std::sync::Arc;

use engine::Domain;
use serde::{Deserialize, Serialize};

pub use group::Group;
pub use modular::Operation;
pub use sequence::Sequence;

use crate::Result;

/// Which question, as recipes and `task.json` say it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// `a b =`: arithmetic of whole numbers modulo another.
    Modular {
        /// What is done with the two.
        operation: Operation,
        /// Numbers there are.
        modulus: u32,
    },
    /// `a b =`: the product of two elements of a group.
    Group {
        /// Which: `s3`, `d4`, `c7`.
        group: String,
    },
    /// Some numbers and `=`: the largest.
    Maximum {
        /// How many are given.
        length: usize,
        /// Numbers there are, from 0.
        numbers: u32,
    },
    /// Some bits and `=`: whether an odd number of them is 1.
    Parity {
        /// How many.
        length: usize,
    },
    /// Some letters and `=`: a question about the sequence.
    Sequence {
        /// Which question.
        question: Sequence,
        /// How many letters are given.
        length: usize,
        /// Letters there are.
        letters: u32,
    },
}

/// From an input to its answer.
type Answering = dyn Fn(&[u32]) -> u32 + Send + Sync;

/// A question with all its inputs, and the right answer to each.
#[derive(Clone)]
pub struct Task {
    /// The answer in the usual notation: `(a + b) mod 113`.
    pub about: String,
    /// Its inputs, and what may be answered.
    pub domain: Domain,
    /// How tokens are written, by their number.
    pub words: Vec<String>,
    rule: Arc<Answering>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("about", &self.about).field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl Ask {
    /// The question itself. Sizes that make no question are an error.
    pub fn task(&self) -> Result<Task> {
        match self {
            Self::Modular { operation, modulus } => modular::task(*operation, *modulus),
            Self::Group { group } => Ok(group::task(&group.parse()?)),
            Self::Maximum { length, numbers } => maximum::task(*length, *numbers),
            Self::Parity { length } => parity::task(*length),
            Self::Sequence { question, length, letters } => sequence::task(*question, *length, *letters),
        }
    }
}

impl Task {
    /// The right answer to an input of the domain.
    pub fn answer(&self, input: &[u32]) -> u32 {
        (self.rule)(input)
    }

    /// The right answers to all inputs, in the order of their numbers, counted from the first answer.
    pub fn answers(&self) -> Vec<usize> {
        let inputs = 0..self.domain.len().unwrap_or(0);
        inputs.map(|i| (self.answer(&self.domain.input(i)) - self.domain.answers.start) as usize).collect()
    }

    /// Of inputs of `length` tokens of `words`, then a sign, answered by one of the first `answers` words.
    fn of(
        about: String,
        words: impl IntoIterator<Item = String>,
        length: usize,
        answers: u32,
        rule: impl Fn(&[u32]) -> u32 + Send + Sync + 'static,
    ) -> Self {
        let mut words: Vec<String> = words.into_iter().collect();
        let sign = words.len() as u32;
        words.push("=".into());
        let mut tokens = vec![0..sign; length];
        tokens.push(sign..sign + 1);
        Self {
            about,
            domain: Domain { tokens, answers: 0..answers },
            words,
            rule: Arc::new(move |input| rule(&input[..length])),
        }
    }
}

/// Refuses a size outside what a question can have.
fn within(what: &str, given: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(crate::Error::Recipe(format!("{what} of {given} is outside {least} to {most}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::*;

    fn answers(ask: &Ask, inputs: &[&[u32]]) -> Vec<u32> {
        let task = ask.task().unwrap();
        inputs.iter().map(|input| task.answer(input)).collect()
    }

    #[test]
    fn answers_are_those_of_the_question() {
        let modular = |operation| Ask::Modular { operation, modulus: 7 };
        let pairs: [&[u32]; 3] = [&[3, 5, 7], &[6, 6, 7], &[0, 2, 7]];
        assert_eq!(answers(&modular(Operation::Add), &pairs), [1, 5, 2]);
        assert_eq!(answers(&modular(Operation::Subtract), &pairs), [5, 0, 5]);
        assert_eq!(answers(&modular(Operation::Multiply), &pairs), [1, 1, 0]);
        assert_eq!(answers(&modular(Operation::SquareAdd), &pairs), [0, 0, 2]);
        assert_eq!(answers(&Ask::Maximum { length: 3, numbers: 9 }, &[&[3, 8, 1, 9], &[0, 0, 0, 9]]), [8, 0]);
        assert_eq!(answers(&Ask::Parity { length: 4 }, &[&[1, 1, 0, 1, 2], &[1, 1, 0, 0, 2]]), [1, 0]);
        // The first element of S3 is the identity, and the others' products are in its table.
        let group = Ask::Group { group: "s3".into() };
        assert_eq!(answers(&group, &[&[0, 4, 6], &[4, 0, 6], &[1, 1, 6]]), [4, 4, 0]);
        let ask = |question| Ask::Sequence { question, length: 5, letters: 4 };
        let letters: [&[u32]; 2] = [&[2, 0, 2, 3, 2, 4], &[3, 1, 0, 2, 1, 4]];
        assert_eq!(answers(&ask(Sequence::Majority), &letters), [2, 1]);
        assert_eq!(answers(&ask(Sequence::Duplicate), &letters), [1, 1]);
        assert_eq!(answers(&ask(Sequence::Distinct), &letters), [2, 3]);
        assert_eq!(answers(&ask(Sequence::Median), &letters), [2, 1]);
        assert_eq!(answers(&ask(Sequence::Lookup), &letters), [2, 2]);
    }

    #[test]
    fn every_answer_is_one_of_the_answers_and_every_word_is_another() {
        let asks = [
            Ask::Modular { operation: Operation::Add, modulus: 5 },
            Ask::Group { group: "s4".into() },
            Ask::Group { group: "d5".into() },
            Ask::Maximum { length: 2, numbers: 5 },
            Ask::Parity { length: 6 },
        ];
        let sequences = Sequence::ALL.into_iter().map(|question| Ask::Sequence { question, length: 5, letters: 5 });
        for ask in asks.into_iter().chain(sequences) {
            let task = ask.task().unwrap();
            task.domain.check(task.words.len(), Some(task.domain.tokens.len())).unwrap();
            let answers = task.answers();
            assert_eq!(answers.len() as u64, task.domain.len().unwrap());
            let answered: std::collections::BTreeSet<usize> = answers.into_iter().collect();
            assert!(answered.iter().all(|&answer| answer < task.domain.answers.len()), "{ask:?} {answered:?}");
            assert!(answered.len() > 1, "{ask:?}");
            let words: std::collections::BTreeSet<&String> = task.words.iter().collect();
            assert_eq!(words.len(), task.words.len());
            let again: Ask = serde_json::from_value(serde_json::to_value(&ask).unwrap()).unwrap();
            assert_eq!(again, ask);
        }
    }

    #[test]
    fn sizes_that_make_no_question_are_told() {
        for (ask, why) in [
            (Ask::Modular { operation: Operation::Add, modulus: 1 }, "modulus of 1"),
            (Ask::Group { group: "q8".into() }, "q8"),
            (Ask::Group { group: "s9".into() }, "s9"),
            (Ask::Maximum { length: 0, numbers: 5 }, "0"),
            (Ask::Parity { length: 40 }, "40"),
        ] {
            let told = ask.task().unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
