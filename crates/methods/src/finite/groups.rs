//! Finite groups from their tables, and what a network does in terms of their representations (Chughtai et al. 2023, "A Toy
//! Model of Universality", arXiv 2302.03025).

use std::fmt;

use super::explained::centred;
use super::representations::Irrep;

/// A finite group of elements 0, 1, 2, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    order: usize,
    /// `[a, b]`: which element a·b is.
    table: Vec<usize>,
    identity: usize,
    inverses: Vec<usize>,
}

/// Why a table of answers is not that of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAGroup {
    /// It is not square, or has an entry that is no element.
    NotATable,
    /// An element occurs twice in a row or column of this element.
    Repeats(usize),
    /// No element leaves all others as they are.
    NoIdentity,
    /// (a·b)·c is not a·(b·c) for these three.
    NotAssociative([usize; 3]),
}

/// How logits are made of characters.
#[derive(Clone, Debug, PartialEq)]
pub struct CharacterFit {
    /// What each representation's character is multiplied by.
    pub alphas: Vec<f64>,
    /// The part of the logits' variance that each explains; that of the trivial one, which a softmax does not see, is 0.
    pub explained: Vec<f64>,
}

impl Group {
    /// The group whose product a·b is `table[a, b]`; nothing else is known of it. What a network answers to all pairs of
    /// elements is such a table, if it has learned a group.
    pub fn of_table(table: &[usize]) -> Result<Self, NotAGroup> {
        let n = table.len().isqrt();
        if n == 0 || n * n != table.len() || table.iter().any(|&x| x >= n) {
            return Err(NotAGroup::NotATable);
        }
        let at = |a: usize, b: usize| table[a * n + b];
        for a in 0..n {
            let (mut row, mut column) = (vec![false; n], vec![false; n]);
            for b in 0..n {
                row[at(a, b)] = true;
                column[at(b, a)] = true;
            }
            if row.contains(&false) || column.contains(&false) {
                return Err(NotAGroup::Repeats(a));
            }
        }
        let identity = (0..n).find(|&e| (0..n).all(|a| at(e, a) == a && at(a, e) == a)).ok_or(NotAGroup::NoIdentity)?;
        for a in 0..n {
            for b in 0..n {
                if let Some(c) = (0..n).find(|&c| at(at(a, b), c) != at(a, at(b, c))) {
                    return Err(NotAGroup::NotAssociative([a, b, c]));
                }
            }
        }
        // Every row holds every element once, so each has an inverse.
        let inverses = (0..n).map(|a| (0..n).find(|&b| at(a, b) == identity).unwrap_or(identity)).collect();
        Ok(Self { order: n, table: table.to_vec(), identity, inverses })
    }

    /// The group that permutations make up, in the order given; p·q applies q first. None if they make up none.
    pub fn of_permutations(elements: &[Vec<u8>]) -> Option<Self> {
        let compose =
            |p: &[u8], q: &[u8]| q.iter().map(|&i| p.get(usize::from(i)).copied()).collect::<Option<Vec<u8>>>();
        let number = |p: Vec<u8>| elements.iter().position(|other| *other == p);
        let products = elements.iter().flat_map(|p| elements.iter().map(move |q| (p, q)));
        Self::of_table(&products.map(|(p, q)| number(compose(p, q)?)).collect::<Option<Vec<_>>>()?).ok()
    }

    /// How many elements it has.
    pub fn order(&self) -> usize {
        self.order
    }

    /// a·b.
    pub fn product(&self, a: usize, b: usize) -> usize {
        self.table[a * self.order + b]
    }

    /// The element that leaves all others as they are.
    pub fn identity(&self) -> usize {
        self.identity
    }

    /// The inverse of an element.
    pub fn inverse(&self, a: usize) -> usize {
        self.inverses[a]
    }

    /// All products, `[a, b]`.
    pub fn table(&self) -> &[usize] {
        &self.table
    }

    /// Whether a·b is b·a throughout.
    pub fn is_commutative(&self) -> bool {
        (0..self.order).all(|a| (0..a).all(|b| self.product(a, b) == self.product(b, a)))
    }

    /// The powers of an element, the identity first.
    pub fn powers(&self, x: usize) -> Vec<usize> {
        let mut powers = vec![self.identity];
        let mut next = x;
        while next != self.identity {
            powers.push(next);
            next = self.product(next, x);
        }
        powers
    }

    /// An element whose powers are all elements.
    pub fn generator(&self) -> Option<usize> {
        (0..self.order).find(|&x| self.powers(x).len() == self.order)
    }

    /// Whether one element's powers are all of it: addition modulo its order.
    pub fn is_cyclic(&self) -> bool {
        self.generator().is_some()
    }

    /// Its conjugacy classes, each in rising order, by their first elements.
    pub fn classes(&self) -> Vec<Vec<usize>> {
        let mut known = vec![false; self.order];
        let mut classes = Vec::new();
        for a in 0..self.order {
            if known[a] {
                continue;
            }
            let mut class: Vec<usize> =
                (0..self.order).map(|g| self.product(self.product(g, a), self.inverse(g))).collect();
            class.sort_unstable();
            class.dedup();
            for &member in &class {
                known[member] = true;
            }
            classes.push(class);
        }
        classes
    }

    /// How the squared norm of `[element, width]` is shared between representations (their isotypic components): an
    /// embedding, an unembedding, or a map from neurons to logits. The trivial one has what is the same for all elements.
    pub fn shares(&self, irreps: &[Irrep], values: &[f64], width: usize) -> Vec<f64> {
        let n = self.order;
        let row = |x: usize| &values[x * width..(x + 1) * width];
        // Σ over pairs of a given quotient of their products.
        let mut by_quotient = vec![0.0; n];
        for x in 0..n {
            for y in 0..n {
                let product: f64 = row(x).iter().zip(row(y)).map(|(a, b)| a * b).sum();
                by_quotient[self.product(x, self.inverse(y))] += product;
            }
        }
        let total = by_quotient[self.identity];
        let share = |irrep: &Irrep| {
            let sum: f64 = irrep.character.iter().zip(&by_quotient).map(|(chi, x)| chi * x).sum();
            sum * irrep.dimension as f64 / (n as f64 * irrep.norm() * total)
        };
        irreps.iter().map(share).collect()
    }

    /// Logits `[a, b, c]` as Σ α χ(a·b·c⁻¹) over representations with characters χ (Chughtai et al. 2023, section 3). The
    /// mean over answers of each input is taken away first; characters are orthogonal over all inputs and answers.
    pub fn explained(&self, irreps: &[Irrep], logits: &[f64]) -> CharacterFit {
        let n = self.order;
        let logits = centred(logits, n);
        let mut mean = vec![0.0; n];
        for (i, x) in logits.iter().enumerate() {
            mean[self.product(self.table[i / n], self.inverse(i % n))] += x / (n * n) as f64;
        }
        let squares: f64 = logits.iter().map(|x| x * x).sum();
        let alpha = |irrep: &Irrep| {
            let sum: f64 = irrep.character.iter().zip(&mean).map(|(chi, x)| chi * x).sum();
            sum / (n as f64 * irrep.norm())
        };
        let alphas: Vec<f64> = irreps.iter().map(alpha).collect();
        let part = |(alpha, irrep): (&f64, &Irrep)| alpha * alpha * (n as f64).powi(3) * irrep.norm() / squares;
        let explained = alphas.iter().zip(irreps).map(part).collect();
        CharacterFit { alphas, explained }
    }

    /// Logits `[a, b, c]` less all that they have of some representations as functions of a: what these make of a stays
    /// within them, so that it is taken away whatever becomes of it.
    pub fn without(&self, irreps: &[Irrep], some: &[usize], logits: &[f64]) -> Vec<f64> {
        let n = self.order;
        // The projection on a representation, as a function of the quotient of two elements.
        let kernel: Vec<f64> = (0..n)
            .map(|g| {
                let one =
                    |&i: &usize| irreps[i].character[g] * irreps[i].dimension as f64 / (n as f64 * irreps[i].norm());
                some.iter().map(one).sum()
            })
            .collect();
        let mut left = logits.to_vec();
        let width = n * n;
        for a in 0..n {
            for x in 0..n {
                let weight = kernel[self.product(a, self.inverse(x))];
                let (to, from) = (&mut left[a * width..(a + 1) * width], &logits[x * width..(x + 1) * width]);
                to.iter_mut().zip(from).for_each(|(to, from)| *to -= weight * from);
            }
        }
        left
    }
}

impl CharacterFit {
    /// Logits with the sum of some representations' characters in place of all but the mean over answers of each input.
    pub fn instead_of(&self, group: &Group, irreps: &[Irrep], chosen: &[usize], logits: &[f64]) -> Vec<f64> {
        let n = group.order;
        let sum = |g: usize| chosen.iter().map(|&i| self.alphas[i] * irreps[i].character[g]).sum::<f64>();
        let sums: Vec<f64> = (0..n).map(sum).collect();
        let rows = logits.chunks_exact(n).zip(&group.table).flat_map(|(row, &ab)| {
            let mean = row.iter().sum::<f64>() / n as f64;
            let sums = &sums;
            (0..n).map(move |c| mean + sums[group.product(ab, group.inverse(c))])
        });
        rows.collect()
    }
}

/// Representations that are in use, by the shares of [`Group::shares`], the largest first: those whose odds, share to
/// rest, are more than three times what an even spread over all directions but the constant would give. None in a random
/// matrix of a few dozen columns.
pub fn key_irreps(irreps: &[Irrep], shares: &[f64]) -> Vec<usize> {
    let trivial: f64 = irreps.iter().zip(shares).filter(|(irrep, _)| irrep.is_trivial()).map(|(_, share)| share).sum();
    let directions: f64 = irreps.iter().filter(|irrep| !irrep.is_trivial()).map(Irrep::directions).sum();
    let is_key = |i: usize| {
        let own = irreps[i].directions();
        !irreps[i].is_trivial() && shares[i] * (directions - own) > 3.0 * own * (1.0 - trivial - shares[i])
    };
    let mut found: Vec<usize> = (0..irreps.len()).filter(|&i| is_key(i)).collect();
    found.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
    found
}

impl fmt::Display for NotAGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATable => write!(f, "the answers are no square table of elements"),
            Self::Repeats(a) => write!(f, "an answer repeats among the products of element {a}"),
            Self::NoIdentity => write!(f, "no element leaves all others as they are"),
            Self::NotAssociative([a, b, c]) => write!(f, "({a}·{b})·{c} is not {a}·({b}·{c})"),
        }
    }
}

impl std::error::Error for NotAGroup {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finite::planted::{cyclic, dihedral, noise, quaternion, sums, symmetric};
    use crate::finite::representations::irreps;
    use crate::finite::table::score;

    #[test]
    fn tables_of_groups_are_told_from_others() {
        for (table, order, classes) in [
            (cyclic(7), 7, 7),
            (dihedral(5), 10, 4),
            (symmetric(4), 24, 5),
            (quaternion(), 8, 5),
            (symmetric(5), 120, 7),
        ] {
            let group = Group::of_table(&table).unwrap();
            assert_eq!((group.order(), group.classes().len()), (order, classes));
            assert_eq!(group.is_commutative(), classes == order);
        }
        assert!(
            Group::of_table(&cyclic(12)).unwrap().is_cyclic() && !Group::of_table(&dihedral(3)).unwrap().is_cyclic()
        );
        let subtraction: Vec<usize> = (0..49).map(|i| (7 + i / 7 - i % 7) % 7).collect();
        assert_eq!(Group::of_table(&subtraction), Err(NotAGroup::NoIdentity));
        let mut wrong = sums(7);
        wrong[8] = 3;
        assert_eq!(Group::of_table(&wrong), Err(NotAGroup::Repeats(1)));
        assert_eq!(Group::of_table(&[0, 1, 2]), Err(NotAGroup::NotATable));
        assert_eq!(Group::of_table(&[0, 1, 1, 5]), Err(NotAGroup::NotATable));
        // The smallest loop that is no group: a Latin square with an identity.
        let mut loop_of_five = vec![0, 1, 2, 3, 4, 1, 0, 3, 4, 2, 2, 4, 0, 1, 3, 3, 2, 4, 0, 1, 4, 3, 1, 2, 0];
        assert!(matches!(Group::of_table(&loop_of_five), Err(NotAGroup::NotAssociative(_))));
        loop_of_five.pop();
        assert_eq!(Group::of_table(&loop_of_five), Err(NotAGroup::NotATable));
    }

    #[test]
    fn random_matrices_are_shared_by_dimension_and_use_no_representation() {
        let group = Group::of_table(&symmetric(4)).unwrap();
        let irreps = irreps(&group, 1).unwrap();
        for seed in 0..10 {
            let shares = group.shares(&irreps, &noise(24 * 64, seed), 64);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(shares.iter().zip(&irreps).all(|(share, irrep)| (share - irrep.directions() / 24.0).abs() < 0.1));
            assert!(key_irreps(&irreps, &shares).is_empty(), "{shares:?}");
        }
    }

    #[test]
    fn taking_away_a_representation_leaves_the_others() {
        let table = symmetric(4);
        let group = Group::of_table(&table).unwrap();
        let all = irreps(&group, 0).unwrap();
        let of = |which: usize| -> Vec<f64> {
            let at = |i: usize| all[which].character[group.product(table[i / 24], group.inverse(i % 24))];
            (0..24 * 24 * 24).map(at).collect()
        };
        let both: Vec<f64> = of(3).iter().zip(of(4)).map(|(a, b)| 2.0 * a + b).collect();
        let left = group.without(&all, &[3], &both);
        assert!(left.iter().zip(of(4)).all(|(left, own)| (left - own).abs() < 1e-6));
        let everything: Vec<usize> = (0..all.len()).collect();
        assert!(group.without(&all, &everything, &both).iter().all(|x| x.abs() < 1e-6));
    }

    #[test]
    fn planted_representations_are_found_from_answers_alone() {
        for table in [symmetric(3), symmetric(4), dihedral(7), quaternion(), cyclic(11), symmetric(5)] {
            let group = Group::of_table(&table).unwrap();
            let irreps = irreps(&group, 3).unwrap();
            let n = group.order();
            let planted = irreps.len() - 1;
            let noise = noise(n * n * n, 2);
            let logits: Vec<f64> = (0..n * n * n)
                .map(|i| {
                    let g = group.product(table[i / n], group.inverse(i % n));
                    10.0 * irreps[planted].character[g] + 0.3 * noise[i]
                })
                .collect();
            let found = group.explained(&irreps, &logits);
            assert!((found.alphas[planted] - 10.0).abs() < 0.1 && found.explained[planted] > 0.99, "{found:?}");
            assert!(found.explained[..planted].iter().all(|x| *x < 1e-3));
            let sum = found.instead_of(&group, &irreps, &[planted], &logits);
            let [own, sum] = [&logits, &sum].map(|logits| score(logits, n, &table, None).loss);
            assert!(sum < own, "{sum} {own}");
            // An embedding of the elements of one matrix of the representation.
            let d = irreps[planted].dimension;
            let shares = group.shares(&irreps, &irreps[planted].matrices, d * d);
            assert!((shares[planted] - 1.0).abs() < 1e-9 && key_irreps(&irreps, &shares) == [planted]);
        }
    }
}
