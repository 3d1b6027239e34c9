//! Whether a program answers as the network does: on every input where these can be counted out, else on random ones and
//! on those that a search for disagreement comes to.

use std::collections::HashSet;
use std::ops::Range;

use engine::Domain;
use lab::Random;
use serde::{Deserialize, Serialize};

use crate::program::Program;
use crate::{Cancelled, Error, Result, outputs};

/// Distinguishes streams of random numbers that come from one seed.
const DRAWS: u64 = 1;
const SEARCH: u64 = 2;

/// What the network answers to one input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed {
    /// The answer: the largest logit.
    pub answer: u32,
    /// By how much its logit exceeds the next.
    pub margin: f64,
}

/// The network: answers to a batch of inputs.
pub type Network<'a> =
    &'a mut dyn FnMut(&[Vec<u32>]) -> Result<Vec<Observed>, Box<dyn std::error::Error + Send + Sync>>;

/// Told how many inputs of how many are done, now and then; may call it off.
pub type Tick<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), Cancelled>;

/// How thoroughly to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Every input is tried where there are no more than this.
    pub exhaustive: u64,
    /// Else so many are drawn.
    pub draws: u64,
    /// And the search for disagreement tries so many.
    pub search: u64,
    /// The seed of both.
    pub seed: u64,
    /// Inputs given to the network at once.
    pub batch: usize,
    /// Counterexamples to keep.
    pub keep: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { exhaustive: 1 << 20, draws: 20_000, search: 20_000, seed: 0, batch: 1024, keep: 10 }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Inputs of the domain, if there are fewer than 2^64.
    pub size: Option<u64>,
    /// Inputs tried.
    pub tried: u64,
    /// Of these, those on which program and network agree.
    pub agree: u64,
    /// Whether every input was tried: then agreement on all is a proof.
    pub exhaustive: bool,
    /// The first inputs on which they do not agree.
    pub counterexamples: Vec<Counterexample>,
    /// Where not every input was tried: they disagree on no larger a share of the domain, with 95 % confidence. It rests
    /// on the drawn inputs alone.
    pub upper_bound: Option<f64>,
}

impl Verdict {
    /// Whether no disagreement was found.
    pub fn holds(&self) -> bool {
        self.agree == self.tried
    }
}

/// An input on which program and network do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// The tokens.
    pub input: Vec<u32>,
    /// What the network answers.
    pub network: u32,
    /// What the program answers; none where it has no value.
    pub program: Option<u32>,
}

/// Checks a program against a network on a domain of the program's inputs.
pub fn check(
    program: &Program,
    domain: &Domain,
    network: Network<'_>,
    effort: &Effort,
    tick: Tick<'_>,
) -> Result<Verdict> {
    outputs::no_position_is_empty(domain)?;
    let size = domain.len();
    let exhaustive = size.is_some_and(|size| size <= effort.exhaustive);
    let total = if exhaustive { size.unwrap_or(0) } else { effort.draws + effort.search };
    let verdict = Verdict { size, tried: 0, agree: 0, exhaustive, counterexamples: vec![], upper_bound: None };
    let mut check = Check { program, network, effort, tick, total, verdict };
    if exhaustive {
        let mut next = 0;
        while next < total {
            let end = total.min(next + effort.batch.max(1) as u64);
            check.compare(&(next..end).map(|i| domain.input(i)).collect::<Vec<_>>())?;
            next = end;
        }
    } else {
        let worst = check.draw(domain)?;
        let disagree = check.verdict.tried - check.verdict.agree;
        check.verdict.upper_bound = Some(upper_bound(disagree, check.verdict.tried));
        check.search(domain, worst)?;
    }
    Ok(check.verdict)
}

/// An input and the network's margin on it.
type Uncertain = (f64, Vec<u32>);

struct Check<'a> {
    program: &'a Program,
    network: Network<'a>,
    effort: &'a Effort,
    tick: Tick<'a>,
    total: u64,
    verdict: Verdict,
}

impl Check<'_> {
    /// Asks both about some inputs; the network's margins.
    fn compare(&mut self, inputs: &[Vec<u32>]) -> Result<Vec<f64>> {
        let observed = (self.network)(inputs).map_err(Error::Network)?;
        if observed.len() != inputs.len() {
            let why = format!("{} inputs were given, {} answers came back", inputs.len(), observed.len());
            return Err(Error::Network(why.into()));
        }
        for (input, observed) in inputs.iter().zip(&observed) {
            let program = self.program.run(input).ok();
            if program == Some(observed.answer) {
                self.verdict.agree += 1;
            } else if self.verdict.counterexamples.len() < self.effort.keep {
                let (input, network) = (input.clone(), observed.answer);
                self.verdict.counterexamples.push(Counterexample { input, network, program });
            }
        }
        self.verdict.tried += inputs.len() as u64;
        (self.tick)(self.verdict.tried, self.total)?;
        Ok(observed.iter().map(|observed| observed.margin).collect())
    }

    /// Tries inputs drawn evenly. Those on which the network is least certain come back, the least first.
    fn draw(&mut self, domain: &Domain) -> Result<Vec<Uncertain>> {
        let mut random = Random::new(self.effort.seed, DRAWS);
        let mut worst: Vec<Uncertain> = Vec::new();
        let mut left = self.effort.draws as usize;
        while left > 0 {
            let inputs: Vec<_> = (0..left.min(self.effort.batch.max(1))).map(|_| drawn(domain, &mut random)).collect();
            left -= inputs.len();
            worst.extend(self.compare(&inputs)?.into_iter().zip(inputs));
            worst.sort_by(|a, b| a.0.total_cmp(&b.0));
            worst.dedup_by(|a, b| a.1 == b.1);
            worst.truncate(64);
        }
        Ok(worst)
    }

    /// Climbs towards inputs on which the network is uncertain, since it is there that its answer may change: from the
    /// least certain so far, by changes of one token, to the least certain neighbour. Where none is less certain, the
    /// climb starts again from the next, at last from anywhere.
    fn search(&mut self, domain: &Domain, worst: Vec<Uncertain>) -> Result<()> {
        let mut random = Random::new(self.effort.seed, SEARCH);
        let mut seen: HashSet<Vec<u32>> = HashSet::new();
        let mut starts = worst.into_iter();
        let neighbours = self.effort.batch.clamp(1, 64);
        let mut left = self.effort.search as usize;
        let mut at = starts.next();
        while left > 0 {
            let (margin, here) = at.take().unwrap_or_else(|| (f64::INFINITY, drawn(domain, &mut random)));
            let near = (0..neighbours.min(left)).map(|_| neighbour(domain, &here, &mut random));
            let near: Vec<Vec<u32>> = near.filter(|input| seen.insert(input.clone())).collect();
            // A round counts in full even if all was seen before, so that a small neighbourhood comes to an end.
            left -= neighbours.min(left);
            let margins = if near.is_empty() { vec![] } else { self.compare(&near)? };
            let best = margins.into_iter().zip(near).min_by(|a, b| a.0.total_cmp(&b.0));
            at = best.filter(|(found, _)| *found < margin).or_else(|| starts.next());
        }
        Ok(())
    }
}

/// An input drawn evenly.
fn drawn(domain: &Domain, random: &mut Random) -> Vec<u32> {
    domain.tokens.iter().map(|tokens| token(tokens, random)).collect()
}

/// The input with one token drawn anew.
fn neighbour(domain: &Domain, input: &[u32], random: &mut Random) -> Vec<u32> {
    let mut changed = input.to_vec();
    if !changed.is_empty() {
        let at = random.below(changed.len());
        changed[at] = token(&domain.tokens[at], random);
    }
    changed
}

fn token(tokens: &Range<u32>, random: &mut Random) -> u32 {
    tokens.start + random.below(tokens.len()) as u32
}

/// The share of disagreement above which so few among so many would be seen in less than 5 % of cases (Clopper & Pearson
/// 1934; with none it is 1 − 0.05^(1/n), about 3/n, "the rule of three").
pub fn upper_bound(disagree: u64, tried: u64) -> f64 {
    if disagree >= tried {
        return 1.0;
    }
    let at_most = |share: f64| -> f64 {
        let (mut term, mut sum) = ((tried as f64) * (1.0 - share).ln(), 0.0);
        for k in 0..=disagree {
            sum += term.exp();
            term += ((tried - k) as f64 / (k + 1) as f64).ln() + share.ln() - (1.0 - share).ln();
        }
        sum
    };
    let (mut low, mut high) = (disagree as f64 / tried as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Expr, Input};

    fn sum(count: u32, positions: usize) -> (Program, Domain) {
        let inputs: Vec<Input> = (0..positions).map(|i| Input::new(&format!("x{i}"), 0..count)).collect();
        let total = (0..positions).map(Expr::Input).reduce(|x, y| x + y).unwrap();
        let domain = outputs::domain(&inputs, &(0..count)).unwrap();
        (Program::of("sum", &inputs, total % i64::from(count), 0..count), domain)
    }

    fn verdict(count: u32, positions: usize, effort: Effort, answer: &dyn Fn(&[u32]) -> Observed) -> Verdict {
        let (program, domain) = sum(count, positions);
        let mut network = |inputs: &[Vec<u32>]| Ok(inputs.iter().map(|input| answer(input)).collect());
        let mut last = 0;
        let mut tick = |done, of| {
            assert!(done > last && done <= of);
            last = done;
            Ok(())
        };
        check(&program, &domain, &mut network, &effort, &mut tick).unwrap()
    }

    fn right(input: &[u32], count: u32) -> Observed {
        Observed { answer: input.iter().sum::<u32>() % count, margin: 1.0 }
    }

    #[test]
    fn small_domains_are_tried_out() {
        let effort = Effort { batch: 100, keep: 2, ..Effort::default() };
        let all = verdict(31, 2, effort, &|input| right(input, 31));
        assert!(all.exhaustive && all.holds() && all.tried == 961 && all.upper_bound.is_none());
        let wrong = |input: &[u32]| match input {
            [3, _] => Observed { answer: 0, margin: 1.0 },
            _ => right(input, 31),
        };
        let some = verdict(31, 2, effort, &wrong);
        assert_eq!((some.tried - some.agree, some.counterexamples.len()), (30, 2));
        let first = Counterexample { input: vec![3, 0], network: 0, program: Some(3) };
        assert_eq!(some.counterexamples[0], first);
    }

    #[test]
    fn a_search_finds_what_draws_do_not() {
        // One input of 10^8 is wrong, and margins fall towards it.
        let target = [3, 1, 4, 1, 5, 9, 2, 6];
        let answer = |input: &[u32]| {
            let apart = input.iter().zip(&target).filter(|(x, y)| x != y).count();
            let margin = apart as f64;
            if apart == 0 { Observed { answer: 9, margin } } else { Observed { margin, ..right(input, 10) } }
        };
        let effort = Effort { draws: 2000, search: 10_000, seed: 5, ..Effort::default() };
        let found = verdict(10, 8, effort, &answer);
        assert!(!found.exhaustive && found.counterexamples[0].input == target, "{found:?}");
        assert!((found.upper_bound.unwrap() - 3.0 / 2000.0).abs() < 1e-5);
        let blind = verdict(10, 8, Effort { search: 0, ..effort }, &answer);
        assert!(blind.holds() && blind.tried == 2000);
        assert_eq!(verdict(10, 8, effort, &answer), found, "seeds repeat");
    }

    #[test]
    fn inputs_are_drawn_from_the_domain() {
        let domain = Domain { tokens: vec![3..5, 7..8, 0..3], answers: 0..1 };
        let mut random = Random::new(1, 2);
        let mut seen = HashSet::new();
        for _ in 0..100 {
            let input = drawn(&domain, &mut random);
            let near = neighbour(&domain, &input, &mut random);
            assert!(near.iter().zip(&input).filter(|(x, y)| x != y).count() <= 1);
            seen.extend([domain.index(&input).unwrap(), domain.index(&near).unwrap()]);
        }
        assert_eq!(seen.len() as u64, domain.len().unwrap());
    }

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        assert!((upper_bound(0, 10) - (1.0 - 0.05_f64.powf(0.1))).abs() < 1e-12);
        // With exact binomial coefficients, 50 tries at this share give 3 or fewer in 5 % of cases.
        let share: f64 = upper_bound(3, 50);
        let term = |k: i32, ways: f64| ways * share.powi(k) * (1.0 - share).powi(50 - k);
        assert!((term(0, 1.0) + term(1, 50.0) + term(2, 1225.0) + term(3, 19_600.0) - 0.05).abs() < 1e-12, "{share}");
        assert!(upper_bound(5_000, 20_000) > 0.25 && upper_bound(5_000, 20_000) < 0.26);
        assert_eq!((upper_bound(4, 4), upper_bound(0, 0)), (1.0, 1.0));
    }

    #[test]
    fn it_can_be_called_off_and_a_network_may_fail() {
        let (program, domain) = sum(5, 2);
        let effort = Effort::default();
        let mut network = |inputs: &[Vec<u32>]| Ok(inputs.iter().map(|input| right(input, 5)).collect());
        let stopped = check(&program, &domain, &mut network, &effort, &mut |_, _| Err(Cancelled));
        assert!(matches!(stopped, Err(Error::Cancelled(_))));
        let failed = check(&program, &domain, &mut |_| Err("no memory".into()), &effort, &mut |_, _| Ok(()));
        assert_eq!(failed.unwrap_err().to_string(), "the network: no memory");
        let short = check(&program, &domain, &mut |_| Ok(vec![]), &effort, &mut |_, _| Ok(()));
        assert!(short.unwrap_err().to_string().contains("0 answers came back"));
        let empty = Domain { tokens: vec![0..5, 2..2], ..domain };
        let none = check(&program, &empty, &mut |_| Ok(vec![]), &effort, &mut |_, _| Ok(()));
        assert!(none.unwrap_err().to_string().contains("position 1 of the domain allows no token"));
    }
}
