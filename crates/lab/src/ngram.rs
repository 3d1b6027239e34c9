//! A table of counts to compare with: how well text is predicted by the few bytes before each.

use std::f64::consts::LN_2;

use ahash::AHashMap;

/// Bytes of which the last is predicted from the others.
pub const ORDER: usize = 5;

/// A 5-gram model over bytes, smoothed by Witten and Bell's interpolation (Bell, Cleary & Witten 1990, method C): what
/// follows a context c is predicted by
///
/// ```text
/// P(x | c) = (N(cx) + T(c) · P(x | c without its first byte)) / (N(c) + T(c))
/// ```
///
/// where N counts occurrences and T different followers; below the empty context all 256 bytes are alike.
#[derive(Clone, Debug, Default)]
pub struct Ngram {
    /// By a context and the byte after it.
    follows: AHashMap<u64, u32>,
    /// By a context: occurrences, different followers.
    contexts: AHashMap<u64, (u32, u32)>,
}

/// Up to 7 bytes as a number that tells their count too.
fn key(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |key, &byte| key << 8 | u64::from(byte))
}

impl Ngram {
    /// Counts texts. A context never reaches over the start of its text.
    pub fn count<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut model = Self::default();
        for text in texts {
            let bytes = text.as_bytes();
            for at in 0..bytes.len() {
                for from in at.saturating_sub(ORDER - 1)..=at {
                    let seen = model.follows.entry(key(&bytes[from..=at])).or_default();
                    *seen += 1;
                    let new = u32::from(*seen == 1);
                    let (occurrences, followers) = model.contexts.entry(key(&bytes[from..at])).or_default();
                    *occurrences += 1;
                    *followers += new;
                }
            }
        }
        model
    }

    /// The probability of a byte after some bytes.
    pub fn probability(&self, before: &[u8], byte: u8) -> f64 {
        let before = &before[before.len().saturating_sub(ORDER - 1)..];
        let mut probability = 1.0 / 256.0;
        for from in (0..=before.len()).rev() {
            let context = &before[from..];
            let Some(&(occurrences, followers)) = self.contexts.get(&key(context)) else { break };
            let mut whole = [0; ORDER];
            whole[..context.len()].copy_from_slice(context);
            whole[context.len()] = byte;
            let seen = self.follows.get(&key(&whole[..=context.len()])).copied().unwrap_or(0);
            let (n, t) = (f64::from(occurrences), f64::from(followers));
            probability = (f64::from(seen) + t * probability) / (n + t);
        }
        probability
    }

    /// Bits for each byte of some texts.
    pub fn bits_per_byte<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> f64 {
        let (mut nats, mut count) = (0.0, 0_usize);
        for text in texts {
            let bytes = text.as_bytes();
            nats -= (0..bytes.len()).map(|at| self.probability(&bytes[..at], bytes[at]).ln()).sum::<f64>();
            count += bytes.len();
        }
        nats / LN_2 / count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let model = Ngram::count(["the cat sat on the mat", "a cat"]);
        for before in ["", "t", "the ", "the cat", "zzzz", "é"] {
            let sum: f64 = (0..=255).map(|byte| model.probability(before.as_bytes(), byte)).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{before:?}: {sum}");
        }
    }

    #[test]
    fn small_counts_by_hand() {
        // Of "ab": N() = 2, T() = 2; N(a) = 1, T(a) = 1, N(ab) = 1.
        let model = Ngram::count(["ab"]);
        let b = (1.0 + 2.0 / 256.0) / 4.0;
        assert!((model.probability(b"", b'b') - b).abs() < 1e-15);
        assert!((model.probability(b"a", b'b') - f64::midpoint(1.0, b)).abs() < 1e-15);
        assert!((model.probability(b"b", b'b') - b).abs() < 1e-15, "nothing followed b");
    }

    #[test]
    fn what_repeats_costs_little_and_noise_costs_eight_bits() {
        let text = "abcdefgh".repeat(200);
        assert!(Ngram::count([text.as_str()]).bits_per_byte([text.as_str()]) < 0.05);
        assert_eq!(Ngram::default().bits_per_byte(["xyz"]), 8.0);
    }
}
