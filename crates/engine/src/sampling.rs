//! How the next token is chosen from its probabilities.

use kernels::Backend;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::{Error, Result};

/// How the next token is chosen. The filters apply in the usual order: temperature, then the `top_k` likeliest, then
/// the likeliest that together reach `top_p` of what is left ("nucleus sampling", Holtzman et al. 2020).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What logits are divided by. Zero always takes the likeliest token; of equals, the one with the smaller id.
    pub temperature: f64,
    /// Only the `top_k` likeliest tokens may be chosen.
    pub top_k: Option<usize>,
    /// Only the smallest set of likeliest tokens whose probabilities sum to at least `top_p` may be chosen.
    pub top_p: f64,
    /// Start of the random stream. One number of it is used for every token.
    pub seed: u64,
}

impl Sampling {
    /// Always the likeliest token.
    pub const GREEDY: Self = Self { temperature: 0.0, top_k: None, top_p: 1.0, seed: 0 };

    /// Values that mean nothing.
    fn check(&self) -> Result<()> {
        let wrong = |why: &str| Err(Error::Input(why.to_owned()));
        if !self.temperature.is_finite() || self.temperature < 0.0 {
            return wrong("the temperature should be zero (the likeliest token) or a positive number");
        }
        if self.top_k == Some(0) {
            return wrong("top_k should be at least 1: with none to choose from there is no next token");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong("top_p should be above 0 and at most 1");
        }
        Ok(())
    }
}

/// Chooses token after token by one [`Sampling`].
pub(crate) struct Sampler {
    sampling: Sampling,
    random: Pcg64,
}

impl Sampler {
    /// At the start of its random stream.
    pub(crate) fn new(sampling: Sampling) -> Result<Self> {
        sampling.check()?;
        Ok(Self { sampling, random: Pcg64::seed_from_u64(sampling.seed) })
    }

    /// Chooses from natural log-probabilities `[d_vocab]`, none of them NaN.
    pub(crate) fn choose(&mut self, logprobs: &kernels::Buffer, backend: &dyn Backend) -> u32 {
        let vocabulary = logprobs.len();
        let Sampling { temperature, top_k, top_p, .. } = self.sampling;
        let kept = match top_k {
            _ if temperature == 0.0 => 1,
            None => vocabulary,
            Some(k) => k.min(vocabulary),
        };
        let top = backend.top_k(logprobs, vocabulary, kept);
        if temperature == 0.0 {
            return top.ids[0];
        }
        // Weights relative to the likeliest, so that no temperature makes all of them vanish.
        let best = f64::from(top.values[0]);
        let mut weights: Vec<f64> = top.values.iter().map(|&x| ((f64::from(x) - best) / temperature).exp()).collect();
        let mut total: f64 = weights.iter().sum();
        if top_p < 1.0 {
            let mut reached = 0.0;
            let enough = weights.iter().position(|weight| {
                reached += weight;
                reached >= top_p * total
            });
            weights.truncate(enough.map_or(weights.len(), |last| last + 1));
            total = weights.iter().sum();
        }
        // 53 bits make a number in 0..1 that f64 holds exactly.
        let mut left = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64 * total;
        let chosen = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave a crumb behind the last: it belongs to the last that has any weight.
        let last = || weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
        top.ids[chosen.unwrap_or_else(last)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use kernels::Naive;

    use super::*;

    /// How often each token is chosen out of 20 000, from unnormalised weights.
    fn frequencies(weights: &[f64], sampling: Sampling) -> Vec<f64> {
        let total: f64 = weights.iter().sum();
        let logprobs = Naive.upload(&weights.iter().map(|w| (w / total).ln()).collect::<Vec<_>>());
        let mut sampler = Sampler::new(sampling).unwrap();
        let mut counts = vec![0u32; weights.len()];
        for _ in 0..20_000 {
            counts[sampler.choose(&logprobs, &Naive) as usize] += 1;
        }
        counts.into_iter().map(|count| f64::from(count) / 20_000.0).collect()
    }

    fn check(weights: &[f64], sampling: Sampling, expected: &[f64]) {
        let found = frequencies(weights, sampling);
        for (found, expected) in found.iter().zip(expected) {
            // Four standard deviations of a count out of 20 000; what must never happen must not happen.
            let allowed = 4.0 * (expected * (1.0 - expected) / 20_000.0).sqrt();
            assert!((found - expected).abs() <= allowed, "{sampling:?}: {found} instead of {expected}");
        }
    }

    #[test]
    fn tokens_come_as_often_as_they_should() {
        let plain = Sampling { temperature: 1.0, seed: 5, ..Sampling::GREEDY };
        let weights = [0.1, 0.4, 0.2, 0.3];
        check(&weights, plain, &weights);
        check(&weights, Sampling { temperature: 0.5, ..plain }, &[1.0 / 30.0, 16.0 / 30.0, 4.0 / 30.0, 9.0 / 30.0]);
        check(&weights, Sampling { top_k: Some(2), ..plain }, &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0]);
        check(&weights, Sampling { top_p: 0.71, ..plain }, &[0.0, 4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0]);
        check(&weights, Sampling { top_p: 0.39, ..plain }, &[0.0, 1.0, 0.0, 0.0]);
        check(&weights, Sampling { top_k: Some(99), ..plain }, &weights);
        check(&weights, Sampling { temperature: 1e-9, ..plain }, &[0.0, 1.0, 0.0, 0.0]);
        check(&[0.5, 0.0, 0.5], plain, &[0.5, 0.0, 0.5]);
        check(&[0.2, 0.4, 0.4], Sampling::GREEDY, &[0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_seed_repeats() {
        let sampling = Sampling { temperature: 1.0, seed: 9, ..Sampling::GREEDY };
        let weights = [1.0; 8];
        assert_eq!(frequencies(&weights, sampling), frequencies(&weights, sampling));
        assert_ne!(frequencies(&weights, sampling), frequencies(&weights, Sampling { seed: 10, ..sampling }));
    }

    #[test]
    fn values_without_meaning_are_refused() {
        for wrong in [
            Sampling { temperature: -1.0, ..Sampling::GREEDY },
            Sampling { temperature: f64::NAN, ..Sampling::GREEDY },
            Sampling { top_k: Some(0), ..Sampling::GREEDY },
            Sampling { top_p: 0.0, ..Sampling::GREEDY },
            Sampling { top_p: 1.5, ..Sampling::GREEDY },
            Sampling { top_p: f64::NAN, ..Sampling::GREEDY },
        ] {
            assert!(Sampler::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
