//! Arithmetic of whole numbers modulo another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Task, within};
use crate::Result;

/// What is done with two numbers a and b.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// a + b.
    #[default]
    Add,
    /// a − b.
    Subtract,
    /// a · b.
    Multiply,
    /// a² + b.
    SquareAdd,
}

pub(super) fn task(operation: Operation, modulus: u32) -> Result<Task> {
    within("a modulus", modulus as usize, 2, 1024)?;
    let formula = match operation {
        Operation::Add => "a + b",
        Operation::Subtract => "a - b",
        Operation::Multiply => "a * b",
        Operation::SquareAdd => "a^2 + b",
    };
    let rule = move |input: &[u32]| {
        let (a, b) = (input[0], input[1]);
        let result = match operation {
            Operation::Add => a + b,
            Operation::Subtract => a + modulus - b,
            Operation::Multiply => a * b,
            Operation::SquareAdd => a * a + b,
        };
        result % modulus
    };
    let words = (0..modulus).map(|number| number.to_string());
    Ok(Task::of(format!("({formula}) mod {modulus}"), words, 2, modulus, rule))
}
