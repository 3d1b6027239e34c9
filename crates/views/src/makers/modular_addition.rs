//! A network that learns to calculate modulo a number.

use lab::finite::{Ask, Operation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finite_recipe::FiniteRecipe;
use crate::{Made, Maker, Result, Workplace};

/// Trains a network of one block to add modulo a number, from some of all sums.
///
/// It reads `a b =` and answers at the sign. The configuration is that of Nanda et al. 2023, "Progress measures for grokking via
/// mechanistic interpretability": the network first remembers the sums it sees, and long after, without any change of its
/// task, finds a way to calculate all others. With other operations it learns to subtract, to multiply, or a² + b.
///
/// The state is saved at every measurement and when training is stopped (Ctrl-C). The same command goes on from it, and
/// ends with the same bytes as a training that was never stopped, whatever the number of threads.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModularAddition {
    /// Numbers there are: 0 to one less. A prime, where every number but 0 is to have an inverse.
    #[serde(default = "modulus")]
    #[schemars(range(min = 2, max = 1024))]
    pub modulus: u32,
    /// What is calculated.
    #[serde(default)]
    pub operation: Operation,
    /// The network, and how it learns.
    #[serde(flatten)]
    pub training: FiniteRecipe,
}

const fn modulus() -> u32 {
    113
}

impl Maker for ModularAddition {
    fn example() -> Self {
        Self { modulus: modulus(), operation: Operation::Add, training: FiniteRecipe::default() }
    }

    fn make(&self, place: &Workplace<'_>) -> Result<Made> {
        let ask = Ask::Modular { operation: self.operation, modulus: self.modulus };
        let parameters = serde_json::to_value(self).unwrap_or_default();
        self.training.make(&ask, ("modular-addition", Self::REVISION, parameters), place)
    }
}
