//! A network that learns a question about sequences.

use lab::finite::{self, Ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finite_recipe::FiniteRecipe;
use crate::{Made, Maker, Result, Workplace};

/// Trains a network of one block to answer a question about a short sequence of letters.
///
/// It reads letters and a sign, `b a b c =`, and answers at the sign. Questions are which letter is the most frequent, whether
/// one is repeated, how many are different, which is the middle one in order, and which one the first points at.
///
/// The state is saved at every measurement and when training is stopped (Ctrl-C). The same command goes on from it, and
/// ends with the same bytes as a training that was never stopped, whatever the number of threads.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Which question.
    #[serde(default)]
    pub question: finite::Sequence,
    /// How many letters are given.
    #[serde(default = "length")]
    #[schemars(range(min = 2, max = 16))]
    pub length: usize,
    /// Letters there are.
    #[serde(default = "letters")]
    #[schemars(range(min = 2, max = 26))]
    pub letters: u32,
    /// The network, and how it learns.
    #[serde(flatten)]
    pub training: FiniteRecipe,
}

const fn length() -> usize {
    5
}

const fn letters() -> u32 {
    5
}

impl Maker for Sequence {
    fn example() -> Self {
        Self {
            question: finite::Sequence::Majority,
            length: length(),
            letters: letters(),
            training: FiniteRecipe::default(),
        }
    }

    fn make(&self, place: &Workplace<'_>) -> Result<Made> {
        let ask = Ask::Sequence { question: self.question, length: self.length, letters: self.letters };
        let parameters = serde_json::to_value(self).unwrap_or_default();
        self.training.make(&ask, ("sequence", Self::REVISION, parameters), place)
    }
}
