//! Which inputs are learnt from, which are kept aside, and what is said to be right.

use engine::Domain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Task;
use crate::{Error, Random, Result};

/// Distinguishes streams of random numbers that come from one seed.
const SPLIT: u64 = 1 << 46;
const LABELS: u64 = 1 << 47;

/// Domains up to this size are shared out as a whole; of larger ones this many inputs are drawn.
const WHOLE: u64 = 1 << 16;

/// What is said to be the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// The right one.
    #[default]
    Right,
    /// The right one of another input, drawn once: there is nothing to understand, only to remember.
    Shuffled,
}

/// Inputs `[input, pos]` with their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Numbers of the inputs in their domain, in increasing order; of domains beyond 2^64 none.
    pub numbers: Vec<u64>,
    /// Their tokens, one input after another.
    pub tokens: Vec<u32>,
    /// Their answers.
    pub answers: Vec<u32>,
}

/// The inputs of a task in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// To learn from.
    pub train: Examples,
    /// To measure on.
    pub test: Examples,
}

impl Split {
    /// Draws a share of all inputs to learn from; the others are to measure on. Of a domain of more than 65,536 inputs as
    /// many are drawn first.
    pub fn draw(task: &Task, share: f64, labels: Labels, seed: u64) -> Result<Self> {
        let mut random = Random::new(seed, SPLIT);
        let mut numbers = chosen(&task.domain, &mut random)?;
        random.shuffle(&mut numbers);
        let learnt = (share * numbers.len() as f64).round() as usize;
        if learnt == 0 || learnt > numbers.len() {
            return Err(Error::Recipe(format!(
                "a share of {share} of {} inputs leaves nothing to learn from: give one above 0, up to 1",
                numbers.len()
            )));
        }
        let mut answers: Vec<u32> = numbers.iter().map(|&i| task.answer(&task.domain.input(i))).collect();
        if labels == Labels::Shuffled {
            Random::new(seed, LABELS).shuffle(&mut answers);
        }
        let part = |range: std::ops::Range<usize>| {
            let mut pairs: Vec<(u64, u32)> = range.map(|i| (numbers[i], answers[i])).collect();
            pairs.sort_unstable();
            Examples {
                tokens: pairs.iter().flat_map(|&(i, _)| task.domain.input(i)).collect(),
                answers: pairs.iter().map(|&(_, answer)| answer).collect(),
                numbers: pairs.into_iter().map(|(i, _)| i).collect(),
            }
        };
        Ok(Self { train: part(0..learnt), test: part(learnt..numbers.len()) })
    }
}

impl Examples {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

/// All inputs of a domain, or different ones of a large domain, in increasing order.
fn chosen(domain: &Domain, random: &mut Random) -> Result<Vec<u64>> {
    let too_many = || Error::Recipe("the domain has more than 2^63 inputs: ask for shorter ones".into());
    let of = domain.len().filter(|&of| of < 1 << 63).ok_or_else(too_many)?;
    if of <= WHOLE {
        return Ok((0..of).collect());
    }
    let mut drawn = std::collections::BTreeSet::new();
    while (drawn.len() as u64) < WHOLE {
        drawn.insert(random.below(of as usize) as u64);
    }
    Ok(drawn.into_iter().collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::*;
    use crate::finite::{Ask, Operation};

    fn sums(modulus: u32) -> Task {
        Ask::Modular { operation: Operation::Add, modulus }.task().unwrap()
    }

    #[test]
    fn every_input_is_in_one_part() {
        let task = sums(23);
        let split = Split::draw(&task, 0.3, Labels::Right, 5).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (159, 370));
        let mut all = [split.train.numbers.clone(), split.test.numbers.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..529).collect::<Vec<_>>());
        for part in [&split.train, &split.test] {
            for (input, &answer) in part.tokens.chunks(3).zip(&part.answers) {
                assert_eq!(answer, (input[0] + input[1]) % 23);
            }
        }
        assert_eq!(Split::draw(&task, 0.3, Labels::Right, 5).unwrap(), split);
        assert_ne!(Split::draw(&task, 0.3, Labels::Right, 6).unwrap(), split);
    }

    #[test]
    fn shuffled_labels_are_the_same_answers_at_other_inputs() {
        let task = sums(23);
        let right = Split::draw(&task, 0.5, Labels::Right, 5).unwrap();
        let shuffled = Split::draw(&task, 0.5, Labels::Shuffled, 5).unwrap();
        assert_eq!(right.train.tokens, shuffled.train.tokens);
        let same = right.train.answers.iter().zip(&shuffled.train.answers).filter(|(a, b)| a == b).count();
        assert!(same < 40, "{same} of {}", right.train.len());
        let counts = |split: &Split| {
            let mut counts = [0; 23];
            split.train.answers.iter().chain(&split.test.answers).for_each(|&answer| counts[answer as usize] += 1);
            counts
        };
        assert_eq!(counts(&right), counts(&shuffled));
    }

    #[test]
    fn of_a_large_domain_some_are_drawn() {
        let task = Ask::Maximum { length: 4, numbers: 64 }.task().unwrap();
        let split = Split::draw(&task, 0.25, Labels::Right, 1).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (1 << 14, 3 << 14));
        assert!(split.train.numbers.windows(2).all(|pair| pair[0] < pair[1]));
        for wrong in [0.0, 1.5, f64::NAN] {
            assert!(Split::draw(&sums(5), wrong, Labels::Right, 0).is_err());
        }
    }
}
