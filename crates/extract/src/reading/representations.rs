//! Networks that multiply in a group, by characters of its representations (Chughtai, Chan and Nanda 2023, "A Toy Model of
//! Universality", arXiv 2302.03025).

use std::ops::Range;

use engine::Result as Computed;
use lab::Random;
use methods::finite::{Finite, Group, Irrep, NeuronLogits, Table, centred, irreps, key_irreps, score};
use serde::Serialize;

use crate::families::representations::{self, Character};
use crate::program::{Input, Program};

/// In groups of fewer representations all but the trivial one are looked at: a few are no background that others could stand
/// out of.
const SMALL: usize = 11;

/// A representation contributes whose character explains this part of the variance of logits, with a positive weight.
///
/// A character is largest at the identity, where it is the dimension. With a negative weight it takes from the right answer
/// more than from any other: that is no part of how the answer is found, and counts as unexplained.
const LEAST_PART: f64 = 0.01;

/// Bits of the mantissas of weights and characters.
const MANTISSA: u32 = 10;

/// Draws of other representations.
const DRAWS: usize = 10;
/// Distinguishes them from other uses of a seed.
const OTHERS: u64 = 1 << 51;

/// A mechanism: the answer is the element c of a group where a sum of characters is largest.
///
/// ```text
/// argmax_c Σ_ρ α_ρ χ_ρ(a·b·c⁻¹)
/// ```
///
/// The group is that of the network's own answers; its representations ρ are real and irreducible, and those are summed that
/// stand out in the map from neurons to logits, a product of weights, and contribute. In a small group all but
/// the trivial one are tried, so that which are in use is known from the logits alone. α is what the logits have of χ.
#[derive(Clone, Debug)]
pub struct Representations {
    /// The group that the network answers in.
    pub group: Group,
    /// Representations in use, in falling order of what they explain.
    pub used: Vec<Representation>,
    /// The character of each, by element.
    characters: Vec<Vec<f64>>,
    /// Part of the variance of logits over all inputs and answers, without the mean over the answers of each input, that the
    /// sum of characters explains.
    pub logit_fve: f64,
    /// The same for as many other representations, drawn at random; empty where there are not so many.
    pub other_fve: Vec<f64>,
    /// The same for a table: one logit for the right answer, and one for all others. This is a sum of characters as well, of
    /// all representations with weights as their dimensions, so that a network which knows its answers by heart has it.
    pub table_fve: f64,
    /// Accuracy without the representations in use: where they are taken out of the logits.
    pub without: f64,
    /// Accuracy without as many others, drawn at random.
    pub without_others: Vec<f64>,
}

/// One character.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Representation {
    /// Which of the group's real irreducible representations: the trivial one is 0, then by dimension.
    pub place: usize,
    /// Rows of its matrices.
    pub dimension: usize,
    /// α, in logits.
    pub weight: f64,
}

impl Representations {
    /// Reads them; `Err` says in words why there are none, and none is given where the question is not of this form: two
    /// tokens, as many of each as answers, and products that do not commute; where they do, waves are the reading. `table`
    /// is what the network says on all inputs; `right` is what accuracy is measured against, `[input]`, counted from the
    /// first answer.
    pub fn read(finite: &Finite<'_>, table: &Table, right: &[usize], seed: u64) -> Result<Option<Self>, String> {
        let (domain, answers) = (finite.domain, finite.domain.answers.len());
        let free = domain.free();
        if free.len() != 2 || free.iter().any(|&at| domain.tokens[at].len() != answers) {
            return Ok(None);
        }
        let group = match Group::of_table(&table.given()) {
            Ok(group) if group.is_commutative() => return Ok(None),
            Ok(group) => group,
            Err(why) => return Err(format!("its answers are no group's products: {why}")),
        };
        let read = || -> Computed<Option<Self>> {
            let irreps = irreps(&group, seed)?;
            let map = NeuronLogits::of(finite.model)?;
            let tried = tried(&group, &irreps, &map.data, map.neurons);
            Ok(Self::of(&group, &irreps, &tried, &table.answer_logits(), right, seed))
        };
        match read() {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) => Err("no representation stands out in the map from neurons to logits and in the logits".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Of the representations that were tried those that contribute to logits `[a, b, c]`; none if none does.
    fn of(
        group: &Group,
        irreps: &[Irrep],
        tried: &[usize],
        logits: &[f64],
        right: &[usize],
        seed: u64,
    ) -> Option<Self> {
        let fit = group.explained(irreps, logits);
        let contributes = |&&i: &&usize| fit.alphas[i] > 0.0 && fit.explained[i] >= LEAST_PART;
        let mut used: Vec<usize> = tried.iter().filter(contributes).copied().collect();
        used.sort_by(|&a, &b| fit.explained[b].total_cmp(&fit.explained[a]).then(a.cmp(&b)));
        if used.is_empty() {
            return None;
        }
        let fve = |some: &[usize]| some.iter().map(|&i| fit.explained[i]).sum::<f64>();
        let n = group.order();
        let accuracy = |some: &[usize]| score(&group.without(irreps, some, logits), n, right, None).accuracy;
        let rest: Vec<usize> = (0..irreps.len()).filter(|&i| !irreps[i].is_trivial() && !used.contains(&i)).collect();
        let mut random = Random::new(seed, OTHERS);
        let draws = if rest.len() < used.len() { 0 } else { DRAWS };
        let others: Vec<Vec<usize>> = (0..draws)
            .map(|_| {
                let mut others = rest.clone();
                random.shuffle(&mut others);
                others.truncate(used.len());
                others
            })
            .collect();
        Some(Self {
            logit_fve: fve(&used),
            other_fve: others.iter().map(|others| fve(others)).collect(),
            table_fve: table_fve(group, logits),
            without: accuracy(&used),
            without_others: others.iter().map(|others| accuracy(others)).collect(),
            characters: used.iter().map(|&i| irreps[i].character.clone()).collect(),
            used: used
                .iter()
                .map(|&place| Representation { place, dimension: irreps[place].dimension, weight: fit.alphas[place] })
                .collect(),
            group: group.clone(),
        })
    }

    /// Of what a table leaves of the logits, the part that the sum of characters explains; negative where it explains less
    /// than the table.
    pub fn beyond_table(&self) -> f64 {
        1.0 - (1.0 - self.logit_fve) / (1.0 - self.table_fve)
    }

    /// The mechanism as a program of the two inputs.
    pub fn program(&self, inputs: &[Input], answers: Range<u32>) -> Program {
        let character = |(used, values): (&Representation, &Vec<f64>)| Character {
            values: values.clone(),
            amplitude: used.weight,
            origin: format!("unembed · blocks.0.mlp.down, representation {}", used.place),
        };
        let characters: Vec<Character> = self.used.iter().zip(&self.characters).map(character).collect();
        representations::mechanism(&self.group, inputs, [0, 1], &characters, answers, MANTISSA)
    }
}

/// Representations that are looked at: those that stand out in a map from neurons to logits, `[answer, neuron]`.
fn tried(group: &Group, irreps: &[Irrep], map: &[f64], neurons: usize) -> Vec<usize> {
    if irreps.len() < SMALL {
        return (0..irreps.len()).filter(|&i| !irreps[i].is_trivial()).collect();
    }
    key_irreps(irreps, &group.shares(irreps, map, neurons))
}

/// The part of the variance of logits that is due to one logit for products and another for all else.
fn table_fve(group: &Group, logits: &[f64]) -> f64 {
    let n = group.order();
    let logits = centred(logits, n);
    let along: f64 = logits.chunks_exact(n).zip(group.table()).map(|(row, &product)| row[product]).sum();
    let squares: f64 = logits.iter().map(|x| x * x).sum();
    along * along / ((n * n) as f64 * (1.0 - 1.0 / n as f64) * squares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collapse;

    fn group(name: &str) -> Group {
        let product = name.parse::<lab::finite::Group>().unwrap().product;
        Group::of_table(&product.iter().map(|&x| x as usize).collect::<Vec<_>>()).unwrap()
    }

    /// Logits `[a, b, c]`: a sum of characters by places and weights, and noise of a standard deviation.
    fn logits(group: &Group, irreps: &[Irrep], planted: &[(usize, f64)], sd: f64) -> Vec<f64> {
        let n = group.order();
        let mut random = Random::new(5, 0);
        let at = |i: usize| {
            let g = group.product(group.table()[i / n], group.inverse(i % n));
            planted.iter().map(|&(place, weight)| weight * irreps[place].character[g]).sum::<f64>()
        };
        (0..n * n * n).map(|i| at(i) + sd * random.normal()).collect()
    }

    /// Of logits alone: all representations but the trivial one are tried.
    fn read(group: &Group, irreps: &[Irrep], logits: &[f64]) -> Option<Representations> {
        let tried: Vec<usize> = (1..irreps.len()).collect();
        Representations::of(group, irreps, &tried, logits, group.table(), 1)
    }

    #[test]
    fn planted_characters_are_found_with_their_weights() {
        let both = [("s3", &[(2, 4.0), (1, 1.5)][..], 1), ("s4", &[(3, 5.0), (2, 2.0)], 3), ("d5", &[(2, 6.0)], 2)];
        for (name, planted, at_least) in both {
            let group = group(name);
            let irreps = irreps(&group, 0).unwrap();
            let found = read(&group, &irreps, &logits(&group, &irreps, planted, 0.3)).unwrap();
            assert_eq!(found.used.len(), planted.len(), "{name}: {found:?}");
            for (used, &(place, weight)) in found.used.iter().zip(planted) {
                assert_eq!((used.place, used.dimension), (place, irreps[place].dimension));
                assert!((used.weight - weight).abs() < 0.1, "{name}: {used:?}");
            }
            assert!(found.logit_fve > 0.97 && found.beyond_table() > 0.5, "{name}: {found:?}");
            assert!(found.without < 0.5, "{name}: {found:?}");
            let others = found.other_fve.iter().zip(&found.without_others);
            assert!(others.clone().all(|(fve, right)| *fve < 0.01 && *right > 0.99), "{name}: {found:?}");
            assert_eq!(others.count() > 0, at_least > 1, "{name}");
            let n = group.order() as u32;
            let inputs = [Input::new("a", 0..n), Input::new("b", 0..n)];
            let program = found.program(&inputs, 0..n);
            let closed = collapse(&program).unwrap().program;
            for (i, &product) in group.table().iter().enumerate() {
                let input = [i as u32 / n, i as u32 % n];
                assert_eq!(program.run(&input).unwrap(), product as u32);
                assert_eq!(closed.run(&input).unwrap(), product as u32);
            }
        }
    }

    #[test]
    fn other_logits_are_not_explained() {
        let group = group("s4");
        let irreps = irreps(&group, 0).unwrap();
        // Nothing but noise, and a character that counts against the product.
        assert!(read(&group, &irreps, &logits(&group, &irreps, &[], 1.0)).is_none());
        assert!(read(&group, &irreps, &logits(&group, &irreps, &[(3, -5.0)], 0.3)).is_none());
        // A faint character in much noise.
        let faint = read(&group, &irreps, &logits(&group, &irreps, &[(4, 1.0)], 3.0)).unwrap();
        assert!(faint.logit_fve < 0.2, "{faint:?}");
    }

    #[test]
    fn a_table_of_answers_is_no_mechanism() {
        let group = group("s4");
        let irreps = irreps(&group, 0).unwrap();
        let mut known = logits(&group, &irreps, &[], 1.0);
        known.chunks_exact_mut(24).zip(group.table()).for_each(|(row, &product)| row[product] += 20.0);
        let found = read(&group, &irreps, &known).unwrap();
        assert!(found.logit_fve > 0.9 && found.table_fve > 0.9 && found.beyond_table() < 0.1, "{found:?}");
    }
}
