//! Which tokens each step sees.

use crate::random::Random;
use crate::{Error, Result};

/// Distinguishes streams of random numbers that come from one seed: windows, and what happens in them.
const EPOCH: u64 = 1 << 32;
const PASSAGE: u64 = 1 << 33;

/// Sequences that are one passage again and again, so that it pays to look back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeat {
    /// Their share.
    pub share: f64,
    /// Whether the passage is of the texts; else its tokens are drawn evenly from the vocabulary.
    pub of: Passage,
}

/// What repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passage {
    /// A passage of the texts.
    #[default]
    Text,
    /// Tokens drawn evenly from a vocabulary of that size.
    Random(u32),
}

/// The order in which a long run of tokens is learnt from. Sequence i follows from i and the seed alone, so a training
/// that goes on needs no other memory than its step.
///
/// Each pass over the tokens cuts them into windows anew, from a random start, and takes all windows once in a random
/// order.
#[derive(Debug)]
pub struct Order<'a> {
    tokens: &'a [u32],
    length: usize,
    seed: u64,
    repeat: Repeat,
    /// The windows' first tokens in the pass that was asked for last.
    pass: Option<(u64, Vec<usize>)>,
}

impl<'a> Order<'a> {
    /// Sequences of `length` tokens, some of them of one repeated passage (see [`Order::sequence`]).
    pub fn new(tokens: &'a [u32], length: usize, seed: u64, repeat: Repeat) -> Result<Self> {
        if length < 2 {
            return Err(Error::Recipe("a context of fewer than 2 tokens has nothing to predict".into()));
        }
        if tokens.len() < 2 * length {
            return Err(Error::Corpus(format!(
                "they have {} tokens to learn from, too few for a context of {length}: give more text, or a shorter \
                 context",
                tokens.len()
            )));
        }
        if !(0.0..=1.0).contains(&repeat.share) {
            return Err(Error::Recipe(format!(
                "a share of {} of the sequences cannot repeat: give 0 to 1",
                repeat.share
            )));
        }
        Ok(Self { tokens, length, seed, repeat, pass: None })
    }

    /// Sequences in one pass over the tokens.
    pub fn per_pass(&self) -> u64 {
        ((self.tokens.len() - self.length) / self.length) as u64
    }

    /// Sequence `i`. Where it is to repeat, its first tokens, a sixteenth to a half of its length, stand in it again and
    /// again; how many is drawn evenly.
    pub fn sequence(&mut self, i: u64) -> Vec<u32> {
        let (pass, place) = (i / self.per_pass(), (i % self.per_pass()) as usize);
        if self.pass.as_ref().is_none_or(|(known, _)| *known != pass) {
            self.pass = Some((pass, self.starts(pass)));
        }
        let start = self.pass.as_ref().map_or(0, |(_, starts)| starts[place]);
        let mut sequence = self.tokens[start..start + self.length].to_vec();
        let mut random = Random::new(self.seed, PASSAGE.wrapping_add(i));
        if random.unit() < self.repeat.share {
            let least = (self.length / 16).max(1);
            let period = least + random.below(self.length / 2 - least + 1);
            if let Passage::Random(vocabulary) = self.repeat.of {
                sequence[..period].fill_with(|| random.below(vocabulary as usize) as u32);
            }
            for at in period..self.length {
                sequence[at] = sequence[at - period];
            }
        }
        sequence
    }

    fn starts(&self, pass: u64) -> Vec<usize> {
        let mut random = Random::new(self.seed, EPOCH.wrapping_add(pass));
        let phase = random.below(self.length);
        let mut starts: Vec<usize> = (0..self.per_pass() as usize).map(|w| phase + w * self.length).collect();
        random.shuffle(&mut starts);
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Repeat = Repeat { share: 0.0, of: Passage::Text };

    fn share(share: f64) -> Repeat {
        Repeat { share, ..NONE }
    }

    #[test]
    fn a_pass_takes_every_window_once() {
        let tokens: Vec<u32> = (0..1000).collect();
        let mut order = Order::new(&tokens, 30, 5, NONE).unwrap();
        let n = order.per_pass();
        assert_eq!(n, 32);
        for pass in 0..3 {
            let mut all: Vec<u32> = (pass * n..(pass + 1) * n).flat_map(|i| order.sequence(i)).collect();
            all.sort_unstable();
            let first = all[0];
            assert_eq!(all, (first..first + 960).collect::<Vec<_>>());
        }
        let firsts: Vec<u32> = (0..3 * n).map(|i| order.sequence(i)[0]).collect();
        assert!(firsts[..32] != firsts[32..64] && firsts[0] % 30 != firsts[32] % 30);
    }

    #[test]
    fn a_sequence_follows_from_its_number_alone() {
        let tokens: Vec<u32> = (0..500).collect();
        let mut order = Order::new(&tokens, 16, 5, share(0.5)).unwrap();
        let forward: Vec<Vec<u32>> = (0..100).map(|i| order.sequence(i)).collect();
        for i in (0..100).rev() {
            assert_eq!(Order::new(&tokens, 16, 5, share(0.5)).unwrap().sequence(i), forward[i as usize]);
        }
        assert_ne!(Order::new(&tokens, 16, 6, share(0.5)).unwrap().sequence(0), forward[0]);
    }

    #[test]
    fn passages_return_in_the_share_asked_for() {
        let tokens: Vec<u32> = (0..100_000).collect();
        let mut order = Order::new(&tokens, 64, 5, share(0.25)).unwrap();
        let mut periods = Vec::new();
        for i in 0..2000 {
            let sequence = order.sequence(i);
            let period = (1..64).find(|&at| sequence[at] == sequence[0]).unwrap_or(64);
            assert!((period..64).all(|at| sequence[at] == sequence[at - period]), "{sequence:?}");
            periods.push(period);
        }
        let repeated: Vec<usize> = periods.into_iter().filter(|&period| period < 64).collect();
        assert!((430..570).contains(&repeated.len()), "{} of 2000", repeated.len());
        assert_eq!((repeated.iter().min(), repeated.iter().max()), (Some(&4), Some(&32)));
        let mut shortest = Order::new(&tokens, 2, 5, share(1.0)).unwrap();
        let sequence = shortest.sequence(0);
        assert_eq!(sequence[0], sequence[1]);
    }

    #[test]
    fn passages_may_be_random() {
        let tokens = vec![0; 1000];
        let repeat = Repeat { share: 1.0, of: Passage::Random(50) };
        let mut order = Order::new(&tokens, 64, 5, repeat).unwrap();
        let mut seen = [false; 50];
        (0..200).flat_map(|i| order.sequence(i)).for_each(|token| seen[token as usize] = true);
        assert!(seen.iter().all(|&seen| seen), "every token of the vocabulary, and no other");
        assert_ne!(order.sequence(0)[..4], order.sequence(1)[..4]);
    }

    #[test]
    fn too_little_to_learn_from_is_told() {
        let tokens = [0; 50];
        assert!(Order::new(&tokens, 26, 0, NONE).unwrap_err().to_string().contains("too few"));
        assert!(Order::new(&tokens, 1, 0, NONE).is_err() && Order::new(&tokens, 20, 0, share(1.5)).is_err());
    }
}
