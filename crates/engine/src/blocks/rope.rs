//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864) and the ways in which its frequencies are stretched
//! for longer contexts.

use std::f64::consts::TAU;

use kernels::{Backend, RopeStyle};

use crate::Batch;
use crate::graph::Angles;

/// How the plain frequencies base^(−2i/d) are changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// Divided throughout.
    Linear {
        /// What they are divided by.
        factor: f64,
    },
    /// Llama 3.1: long waves divided by `factor`, short ones kept, those between blended.
    Llama3 {
        /// What long waves are divided by.
        factor: f64,
        /// Waves longer than `original / low` count as long.
        low: f64,
        /// Waves shorter than `original / high` count as short.
        high: f64,
        /// The context before it was stretched.
        original: f64,
    },
    /// `YaRN` (Peng et al. 2023, arXiv 2309.00071).
    Yarn {
        /// How many times longer the context becomes.
        factor: f64,
        /// Rotations over the original context above which a frequency is kept.
        beta_fast: f64,
        /// Rotations below which it is divided by `factor`.
        beta_slow: f64,
        /// The context before it was stretched.
        original: f64,
        /// What cos and sin are multiplied by.
        attention: f64,
        /// Whether the ends of the blend are rounded outwards to whole dimensions.
        truncate: bool,
    },
    /// Divided one by one by given factors (`rope_freqs.weight` of a GGUF file).
    Factors(Vec<f64>),
    /// `LongRoPE` (Ding et al. 2024, arXiv 2402.13753): divided one by one by factors that depend on the length of the
    /// whole text.
    Long {
        /// Factors for texts of up to `original` tokens.
        short: Vec<f64>,
        /// Factors for longer ones.
        long: Vec<f64>,
        /// The context before it was stretched.
        original: usize,
        /// What cos and sin are multiplied by.
        attention: f64,
    },
}

/// Rotary embedding of the first `rotary` elements of every head.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    frequencies: Vec<f64>,
    /// The length of text beyond which these frequencies hold instead, and these.
    beyond: Option<(usize, Vec<f64>)>,
    amplitude: f64,
    style: RopeStyle,
}

impl Rope {
    /// Frequencies for `rotary` elements of a head.
    pub fn new(rotary: usize, base: f64, scaling: &Scaling, style: RopeStyle) -> Self {
        let plain = |i: usize| base.powf(-2.0 * i as f64 / rotary as f64);
        let half = rotary.div_ceil(2);
        let stretched = |i: usize| {
            let f = plain(i);
            match scaling {
                Scaling::None => f,
                Scaling::Linear { factor } => f / factor,
                Scaling::Factors(factors) | Scaling::Long { short: factors, .. } => {
                    f / factors.get(i).copied().unwrap_or(1.0)
                }
                Scaling::Llama3 { factor, low, high, original } => {
                    let wavelength = TAU / f;
                    if wavelength < original / high {
                        f
                    } else if wavelength > original / low {
                        f / factor
                    } else {
                        let share = (original / wavelength - low) / (high - low);
                        (1.0 - share) * f / factor + share * f
                    }
                }
                Scaling::Yarn { factor, beta_fast, beta_slow, original, truncate, .. } => {
                    // The dimension that makes so many rotations over the original context.
                    let dimension =
                        |rotations: f64| rotary as f64 * (original / (rotations * TAU)).ln() / (2.0 * base.ln());
                    let (mut from, mut to) = (dimension(*beta_fast), dimension(*beta_slow));
                    if *truncate {
                        (from, to) = (from.floor(), to.ceil());
                    }
                    (from, to) = (from.max(0.0), to.min(rotary as f64 - 1.0));
                    if to <= from {
                        to = from + 0.001;
                    }
                    let divided = ((i as f64 - from) / (to - from)).clamp(0.0, 1.0);
                    f / factor * divided + f * (1.0 - divided)
                }
            }
        };
        // Networks were trained with frequencies rounded to f32.
        let rounded = |frequency: f64| f64::from(frequency as f32);
        let frequencies = (0..half).map(|i| rounded(stretched(i))).collect();
        let (amplitude, beyond) = match scaling {
            Scaling::Yarn { attention, .. } => (*attention, None),
            Scaling::Long { long, original, attention, .. } => {
                let far = long.iter().take(half).enumerate().map(|(i, factor)| rounded(plain(i) / factor));
                (*attention, Some((*original, far.collect())))
            }
            _ => (1.0, None),
        };
        Self { frequencies, beyond, amplitude, style }
    }

    /// Pairs of elements that rotate together; half as many as rotated elements.
    pub fn pairs(&self) -> usize {
        self.frequencies.len()
    }

    /// The angle per position of each pair, in radians, rounded to f32 as networks are trained with.
    pub fn frequencies(&self) -> &[f64] {
        &self.frequencies
    }

    /// The same in a text of so many tokens.
    pub fn frequencies_of(&self, length: usize) -> &[f64] {
        match &self.beyond {
            Some((most, frequencies)) if length > *most => frequencies,
            _ => &self.frequencies,
        }
    }

    /// The length of text beyond which all frequencies change, those of earlier positions too.
    pub fn changes_beyond(&self) -> Option<usize> {
        self.beyond.as_ref().map(|(length, _)| *length)
    }

    /// The angles of every row of a batch.
    pub fn angles(&self, backend: &dyn Backend, batch: &Batch) -> Angles {
        let n = batch.rows() * self.frequencies.len();
        let (mut cos, mut sin) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for prompt in 0..batch.prompts() {
            let positions = batch.past(prompt)..batch.past(prompt) + batch.range(prompt).len();
            for position in positions.clone() {
                for frequency in self.frequencies_of(positions.end) {
                    let (s, c) = (position as f64 * frequency).sin_cos();
                    cos.push(c * self.amplitude);
                    sin.push(s * self.amplitude);
                }
            }
        }
        Angles { cos: backend.upload(&cos).into(), sin: backend.upload(&sin).into(), style: self.style }
    }
}
