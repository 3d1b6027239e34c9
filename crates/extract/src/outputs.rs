//! What a network answers: its whole table on a finite domain, or a sample.

use std::ops::Range;

use engine::Domain;

use crate::program::{Input, Program};
use crate::{Error, Result, table_bits};

/// Inputs and the answers to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    inputs: Vec<Input>,
    answers: Range<u32>,
    /// [row, position].
    tokens: Vec<u32>,
    given: Vec<u32>,
    complete: bool,
}

impl Outputs {
    /// The answers to all inputs, the last position changing fastest, as [`Domain`] numbers them.
    pub fn complete(inputs: Vec<Input>, answers: Range<u32>, given: Vec<u32>) -> Result<Self> {
        let domain = domain(&inputs, &answers)?;
        if domain.len() != Some(given.len() as u64) {
            let size = domain.len().map_or_else(|| "2^64 or more".to_owned(), |size| size.to_string());
            return Err(Error::Domain(format!("{} answers were given for {size} inputs", given.len())));
        }
        let tokens = (0..given.len()).flat_map(|i| domain.input(i as u64)).collect();
        Self { inputs, answers, tokens, given, complete: true }.checked()
    }

    /// The answers to some inputs.
    pub fn samples(inputs: Vec<Input>, answers: Range<u32>, rows: &[(Vec<u32>, u32)]) -> Result<Self> {
        let domain = domain(&inputs, &answers)?;
        let fits = |row: &[u32]| {
            row.len() == inputs.len() && row.iter().zip(&domain.tokens).all(|(token, tokens)| tokens.contains(token))
        };
        if let Some((row, _)) = rows.iter().find(|(row, _)| !fits(row)) {
            return Err(Error::Domain(format!("the input {row:?} is not of the domain")));
        }
        let tokens = rows.iter().flat_map(|(row, _)| row.iter().copied()).collect();
        let given = rows.iter().map(|&(_, answer)| answer).collect();
        Self { inputs, answers, tokens, given, complete: false }.checked()
    }

    /// What a program answers, on its whole domain.
    pub fn of(program: &Program) -> Result<Self> {
        let domain = domain(&program.inputs, &program.answers)?;
        let size = domain.len().ok_or_else(|| Error::Domain("the domain has 2^64 inputs or more".into()))?;
        let given = (0..size).map(|i| program.run(&domain.input(i))).collect::<Result<_>>()?;
        Self::complete(program.inputs.clone(), program.answers.clone(), given)
    }

    fn checked(self) -> Result<Self> {
        match self.given.iter().find(|answer| !self.answers.contains(answer)) {
            Some(answer) => Err(Error::Domain(format!("{answer} is given as an answer, but is none"))),
            None if self.given.is_empty() => Err(Error::Domain("no answers were given".into())),
            None => Ok(self),
        }
    }

    /// The positions.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// What answers may be.
    pub fn answers(&self) -> Range<u32> {
        self.answers.clone()
    }

    /// Whether every input of the domain is there.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Rows there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always a row")]
    pub fn len(&self) -> usize {
        self.given.len()
    }

    /// The tokens of row `i`.
    pub fn input(&self, i: usize) -> &[u32] {
        &self.tokens[i * self.inputs.len()..(i + 1) * self.inputs.len()]
    }

    /// The answer of row `i`.
    pub fn answer(&self, i: usize) -> u32 {
        self.given[i]
    }

    /// All answers, by row.
    pub fn given(&self) -> &[u32] {
        &self.given
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = (&[u32], u32)> {
        (0..self.len()).map(|i| (self.input(i), self.answer(i)))
    }

    /// Positions that hold more than one token.
    pub fn varying(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&i| self.inputs[i].count > 1).collect()
    }

    /// Bits of the table of answers: what a program has to beat.
    pub fn table_bits(&self) -> u64 {
        table_bits(self.given.iter().copied(), self.answers.end - self.answers.start)
    }

    /// Whether a program gives every answer there is.
    pub fn agree(&self, program: &Program) -> bool {
        self.rows().all(|(input, answer)| program.run(input).ok() == Some(answer))
    }

    /// A program on the same inputs, of one expression.
    pub(crate) fn program(&self, name: &str, answer: crate::Expr) -> Program {
        Program::of(name, &self.inputs, answer, self.answers.clone())
    }
}

/// All that positions may hold, and what may be answered to it.
pub(crate) fn domain(inputs: &[Input], answers: &Range<u32>) -> Result<Domain> {
    let domain = Domain { tokens: inputs.iter().map(Input::tokens).collect(), answers: answers.clone() };
    no_position_is_empty(&domain)?;
    Ok(domain)
}

/// Refuses a domain that has no input, because a position has no token.
pub(crate) fn no_position_is_empty(domain: &Domain) -> Result<()> {
    match domain.tokens.iter().position(Range::is_empty) {
        Some(i) => Err(Error::Domain(format!("position {i} of the domain allows no token"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expr;

    #[test]
    fn a_table_is_read_in_order() {
        let inputs = vec![Input::new("a", 0..3), Input::new("b", 1..3), Input::new("equals", 9..10)];
        let program = Program::of("p", &inputs, Expr::Input(0) * 2_i64 + Expr::Input(1), 0..7);
        let outputs = Outputs::of(&program).unwrap();
        assert_eq!(outputs.given(), [1, 2, 3, 4, 5, 6]);
        assert_eq!((outputs.input(3), outputs.varying()), ([1, 2, 9].as_slice(), vec![0, 1]));
        assert!(outputs.agree(&program));
        let other = Program { answer: Expr::Input(1), ..program };
        assert!(!outputs.agree(&other));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let inputs = vec![Input::new("a", 0..3)];
        let says = |result: Result<Outputs>, part: &str| assert!(result.unwrap_err().to_string().contains(part));
        says(Outputs::complete(inputs.clone(), 0..5, vec![1, 2]), "2 answers were given for 3 inputs");
        says(Outputs::complete(inputs.clone(), 0..5, vec![1, 2, 5]), "5 is given as an answer");
        says(Outputs::samples(inputs.clone(), 0..5, &[(vec![3], 1)]), "[3] is not of the domain");
        says(Outputs::samples(inputs, 0..5, &[]), "no answers");
        let empty = vec![Input::new("a", 0..2), Input::new("b", 5..5)];
        says(Outputs::complete(empty.clone(), 0..5, vec![]), "position 1 of the domain allows no token");
        says(Outputs::of(&Program::of("p", &empty, Expr::Input(0), 0..5)), "position 1");
        let large: Vec<Input> = (0..4).map(|i| Input::new(&format!("x{i}"), 0..1 << 20)).collect();
        says(Outputs::complete(large, 0..5, vec![0]), "1 answers were given for 2^64 or more inputs");
    }
}
