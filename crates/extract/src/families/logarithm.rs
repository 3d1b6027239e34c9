//! Multiplication as addition: modulo a prime p, the numbers 1 to p − 1 are powers of a generator, and the exponents add
//! up modulo p − 1. Networks that learn multiplication learn it on these exponents.

use super::modular::{balanced, is_prime, likely_primes, power};
use super::{Family, Found};
use crate::program::{Expr, Table};
use crate::{Input, Outputs, Program};

/// Discrete logarithms modulo a prime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logarithms {
    /// The prime.
    pub prime: u64,
    /// The smallest number whose powers are all of 1 to p − 1.
    pub generator: u64,
    /// Of each number from 0 to p − 1; that of 0 has no meaning, and is 0.
    pub log: Vec<i64>,
    /// The generator to the power of 0 to p − 2.
    pub exp: Vec<i64>,
}

impl Logarithms {
    /// Of a prime below 2^16; none of other numbers.
    pub fn new(prime: u64) -> Option<Self> {
        if !is_prime(prime) || prime >= 1 << 16 {
            return None;
        }
        let order = prime - 1;
        let divisors: Vec<u64> = (2..=order).filter(|&d| order.is_multiple_of(d) && is_prime(d)).collect();
        let generates = |g: u64| divisors.iter().all(|d| power(g, order / d, prime) != 1);
        let generator = (1..prime).find(|&g| generates(g))?;
        let mut log = vec![0; prime as usize];
        let exp: Vec<i64> = (0..order).map(|e| power(generator, e, prime) as i64).collect();
        exp.iter().enumerate().for_each(|(e, &x)| log[x as usize] = e as i64);
        Some(Self { prime, generator, log, exp })
    }

    /// g^(k + Σ wᵢ log xᵢ) by tables of logarithms and powers: how a network multiplies. 0 where an input is 0 that has
    /// a weight.
    pub fn mechanism(&self, inputs: &[Input], weights: &[i64], k: i64) -> Program {
        let mut program = Program::of("multiplication by logarithms", inputs, 0_i64.into(), 0..self.prime as u32);
        let origin = format!("logarithms to base {} modulo {}; that of 0 has no meaning", self.generator, self.prime);
        let log = program.table(Table::whole("log", self.log.clone(), Some(&origin)));
        let origin = format!("powers of {} modulo {}", self.generator, self.prime);
        let exp = program.table(Table::whole("exp", self.exp.clone(), Some(&origin)));
        let used = || weights.iter().enumerate().filter(|(_, w)| **w != 0);
        let sum = used().fold(Expr::from(k), |sum, (i, &w)| sum + Expr::at(log, Expr::Input(i)) * w);
        let product = Expr::at(exp, sum % (self.prime as i64 - 1));
        let zero = used().map(|(i, _)| Expr::Input(i).equals(0_i64)).reduce(|x, y| x | y);
        program.answer = match zero {
            Some(zero) => Expr::choose(zero, 0_i64.into(), product),
            None => product,
        };
        program
    }
}

/// Products of powers modulo a prime: g^k Π xᵢ^wᵢ, division among them. It needs the whole table, and the tokens 0 to
/// p − 1, or 1 to p − 1, at each position that varies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logarithm;

impl Family for Logarithm {
    fn name(&self) -> &'static str {
        "logarithm"
    }

    fn find(&self, outputs: &Outputs) -> Option<Found> {
        likely_primes(outputs).into_iter().filter(|&p| p > 2).find_map(|p| self.modulo(outputs, &Logarithms::new(p)?))
    }
}

impl Logarithm {
    fn modulo(self, outputs: &Outputs, logarithms: &Logarithms) -> Option<Found> {
        let (p, varying) = (logarithms.prime as u32, outputs.varying());
        let residues = |&i: &usize| {
            let tokens = outputs.inputs()[i].tokens();
            tokens.start <= 1 && tokens.end == p
        };
        if !outputs.is_complete() || !varying.iter().all(residues) {
            return None;
        }
        let domain = crate::outputs::domain(outputs.inputs(), &outputs.answers()).ok()?;
        let mut ones = outputs.input(0).to_vec();
        for &i in &varying {
            ones[i] = 1;
        }
        let order = i64::from(p) - 1;
        let log = |input: &[u32]| {
            let answer = outputs.answer(domain.index(input)? as usize);
            (answer != 0).then(|| logarithms.log[answer as usize])
        };
        let k = log(&ones)?;
        let mut weights = vec![0; outputs.inputs().len()];
        for &i in &varying {
            let mut input = ones.clone();
            input[i] = logarithms.generator as u32;
            weights[i] = balanced(log(&input)? - k, order);
        }
        // A power that is 1 everywhere else may still be 0 at 0.
        let matters = |i: usize| {
            let mut input = ones.clone();
            input[i] = 0;
            let answer = domain.index(&input).map(|row| i64::from(outputs.answer(row as usize)));
            weights[i] != 0 || answer.is_some_and(|answer| answer != logarithms.exp[k as usize])
        };
        let factors: Vec<usize> = varying.iter().copied().filter(|&i| matters(i)).collect();
        let used = |input: &[u32]| factors.iter().any(|&i| input[i] == 0);
        let fits = |input: &[u32], answer: u32| {
            let sum = varying.iter().map(|&i| weights[i] * logarithms.log[input[i] as usize]).sum::<i64>() + k;
            i64::from(answer) == logarithms.exp[sum.rem_euclid(order) as usize]
        };
        if !outputs.rows().all(|(input, answer)| used(input) || fits(input, answer)) {
            return None;
        }
        let zero = outputs.rows().find(|(input, _)| used(input)).map_or(0, |(_, answer)| answer);
        let program = outputs.program("product", product(&factors, &weights, logarithms.exp[k as usize], p, zero));
        let why =
            format!("to base {}, the answers' logarithms modulo {order} are this sum, 0 apart", logarithms.generator);
        Found::new(&self, &program, &why)
    }
}

/// c Π xᵢ^wᵢ modulo p over some inputs, where x⁻¹ is x^(p − 2), and x^(p − 1) is 1 except at 0 (Fermat); `zero` where one
/// of them is 0.
fn product(inputs: &[usize], weights: &[i64], c: i64, p: u32, zero: u32) -> Expr {
    let p = i64::from(p);
    let factors = inputs.iter().map(|&i| match weights[i] {
        1 => Expr::Input(i),
        2 => Expr::Input(i) * Expr::Input(i) % p,
        0 => Expr::power_mod(Expr::Input(i), (p - 1).into(), p.into()),
        w => Expr::power_mod(Expr::Input(i), w.rem_euclid(p - 1).into(), p.into()),
    });
    let product = if c == 1 { None } else { Some(Expr::from(c)) };
    let product = factors.fold(product, |product, factor| {
        Some(match product {
            None => factor,
            Some(product) => product * factor % p,
        })
    });
    let product = product.unwrap_or_else(|| c.into()) % p;
    let is_zero = inputs.iter().map(|&i| Expr::Input(i).equals(0_i64)).reduce(|x, y| x | y);
    match is_zero.filter(|_| zero != 0) {
        Some(is_zero) => Expr::choose(is_zero, zero.into(), product),
        None => product,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inputs(p: u32, first: u32) -> Vec<Input> {
        vec![Input::new("a", first..p), Input::new("b", first..p), Input::new("equals", p..p + 1)]
    }

    #[test]
    fn logarithms_turn_products_into_sums() {
        let logarithms = Logarithms::new(113).unwrap();
        assert_eq!((logarithms.generator, logarithms.exp.len()), (3, 112));
        let mechanism = logarithms.mechanism(&inputs(113, 0), &[1, 1, 0], 0);
        let product = Program::of("p", &inputs(113, 0), Expr::Input(0) * Expr::Input(1) % 113_i64, 0..113);
        assert!(Outputs::of(&product).unwrap().agree(&mechanism));
        assert_eq!((Logarithms::new(15), Logarithms::new(2).map(|l| l.exp)), (None, Some(vec![1])));
    }

    #[test]
    fn products_and_quotients_are_found() {
        let found = |p: u32, first: u32, weights: &[i64], k: i64| {
            let planted = Logarithms::new(p.into()).unwrap().mechanism(&inputs(p, first), weights, k);
            let outputs = Outputs::of(&planted).unwrap();
            let found = Logarithm.find(&outputs).unwrap();
            assert!(outputs.agree(&found.program), "{}", found.program);
            found.program.to_string()
        };
        assert_eq!(found(97, 0, &[1, 1, 0], 0), "(a·b) mod 97");
        assert_eq!(found(97, 1, &[1, -1, 0], 0), "(a·(b^95 mod 97)) mod 97");
        found(31, 0, &[2, -3, 0], 5);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn planted_products_are_found(which in 0..5_usize, v in -4..5_i64, w in -4..5_i64, k in 0..4_i64, first in 0..2_u32) {
            let p = [5, 7, 11, 13, 17][which];
            let planted = Logarithms::new(p.into()).unwrap().mechanism(&inputs(p, first), &[v, w, 0], k);
            let outputs = Outputs::of(&planted).unwrap();
            let found = Logarithm.find(&outputs).unwrap();
            prop_assert!(outputs.agree(&found.program), "{}", found.program);
        }

        #[test]
        fn random_tables_are_not(given in prop::collection::vec(1..11_u32, 121)) {
            let inputs = vec![Input::new("a", 0..11), Input::new("b", 0..11)];
            prop_assert!(Logarithm.find(&Outputs::complete(inputs, 0..11, given).unwrap()).is_none());
        }
    }
}
