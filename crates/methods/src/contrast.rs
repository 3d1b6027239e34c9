//! Two prompts that differ in what a behaviour depends on, and what tells of that behaviour.

use engine::{Error, Result, Stem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A prompt, one that differs from it, and where the two should lead to different predictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// The prompt that brings the behaviour about.
    pub clean: Vec<u32>,
    /// One of as many tokens that does not.
    pub corrupt: Vec<u32>,
    /// Where to look, and for what; at least one.
    pub asks: Vec<Ask>,
}

/// What a prediction is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The position whose next token is predicted.
    pub pos: usize,
    /// The token that is right after the clean prompt.
    pub answer: u32,
    /// The one it competes with.
    pub wrong: u32,
}

/// One number about the predictions that a contrast asks for: the mean over its [`Ask`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Logit of the answer minus that of the wrong token.
    #[default]
    LogitDiff,
    /// Probability of the answer.
    Prob,
    /// Kullback-Leibler divergence from the clean run's prediction to the one at hand, in nats.
    Kl,
    /// The logit difference as a share of the way from the corrupt run's (0) to the clean run's (1).
    Normalised,
}

impl Contrast {
    /// Refuses prompts of unequal lengths, and asks that name no position or no token of the vocabulary.
    pub fn check(&self, d_vocab: usize) -> Result<()> {
        let (clean, corrupt) = (self.clean.len(), self.corrupt.len());
        if clean != corrupt {
            return Err(Error::Input(format!(
                "the clean prompt has {clean} tokens and the corrupt one {corrupt}: positions can only be exchanged between \
                 prompts of equal length"
            )));
        }
        if self.asks.is_empty() {
            return Err(Error::Input("no position is asked about".into()));
        }
        for Ask { pos, answer, wrong } in &self.asks {
            if *pos >= clean {
                return Err(Error::Input(format!("there is no position {pos}: the prompt has {clean} tokens")));
            }
            if let Some(token) = [answer, wrong].into_iter().find(|&&token| token as usize >= d_vocab) {
                return Err(Error::Input(format!("there is no token {token}: the vocabulary has {d_vocab}")));
            }
        }
        Ok(())
    }
}

impl Metric {
    /// The tokens whose logits it reads; all of the vocabulary if not given.
    fn columns(self, asks: &[Ask]) -> Option<Vec<u32>> {
        let mut columns: Vec<u32> = asks.iter().flat_map(|ask| [ask.answer, ask.wrong]).collect();
        columns.sort_unstable();
        columns.dedup();
        matches!(self, Self::LogitDiff | Self::Normalised).then_some(columns)
    }
}

/// A metric of a contrast, ready to be read off logits.
pub(crate) struct Meter<'a> {
    metric: Metric,
    asks: &'a [Ask],
    /// The tokens whose logits are read, in rising order; all if not given.
    columns: Option<Vec<u32>>,
    /// What the clean run predicts, as log-probabilities `[asks, d_vocab]`; only kept for a divergence from it.
    clean: Vec<f64>,
    /// The logit differences of the two runs.
    differences: Ends,
    /// The metric of the two runs.
    pub(crate) ends: Ends,
}

/// One number of the clean and of the corrupt run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ends {
    pub(crate) clean: f64,
    pub(crate) corrupt: f64,
}

impl Ends {
    /// How far a value is on the way from the corrupt run's (0) to the clean run's (1); NaN if they are the same.
    pub(crate) fn share(self, value: f64) -> f64 {
        (value - self.corrupt) / (self.clean - self.corrupt)
    }
}

impl<'a> Meter<'a> {
    /// Calibrates a metric on the two runs' logits `[asks, d_vocab]`.
    pub(crate) fn new(metric: Metric, asks: &'a [Ask], clean: &[f32], corrupt: &[f32]) -> Self {
        let nothing = Ends { clean: f64::NAN, corrupt: f64::NAN };
        let mut meter = Self { metric, asks, columns: None, clean: Vec::new(), differences: nothing, ends: nothing };
        if metric == Metric::Kl {
            meter.clean = meter.rows(clean).flat_map(log_softmax).collect();
        }
        meter.differences = Ends { clean: meter.difference(clean), corrupt: meter.difference(corrupt) };
        meter.ends = Ends { clean: meter.read(clean), corrupt: meter.read(corrupt) };
        meter.columns = metric.columns(asks);
        meter
    }

    /// A prompt, and what has to be read of it.
    pub(crate) fn stem(&self, tokens: &[u32]) -> Stem {
        let positions = self.asks.iter().map(|ask| ask.pos).collect();
        Stem { tokens: tokens.to_vec(), positions, columns: self.columns.clone() }
    }

    /// The metric of logits as [`stem`](Self::stem) reads them, the mean over the asks.
    pub(crate) fn read(&self, logits: &[f32]) -> f64 {
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / self.asks.len() as f64;
        match self.metric {
            Metric::LogitDiff => self.difference(logits),
            Metric::Normalised => self.differences.share(self.difference(logits)),
            Metric::Prob => {
                let prob =
                    |(row, ask): (&[f32], &Ask)| log_softmax(row).nth(ask.answer as usize).unwrap_or(f64::NAN).exp();
                mean(&mut self.rows(logits).zip(self.asks).map(prob))
            }
            Metric::Kl => {
                let width = logits.len() / self.asks.len();
                let kl = |(row, clean): (&[f32], &[f64])| {
                    clean
                        .iter()
                        .zip(log_softmax(row))
                        .map(|(p, q)| if p.exp() > 0.0 { p.exp() * (p - q) } else { 0.0 })
                        .sum()
                };
                mean(&mut self.rows(logits).zip(self.clean.chunks_exact(width)).map(kl))
            }
        }
    }

    fn difference(&self, logits: &[f32]) -> f64 {
        let place = |token: u32| match &self.columns {
            None => token as usize,
            Some(columns) => columns.partition_point(|&column| column < token),
        };
        let difference =
            |(row, ask): (&[f32], &Ask)| f64::from(row[place(ask.answer)]) - f64::from(row[place(ask.wrong)]);
        self.rows(logits).zip(self.asks).map(difference).sum::<f64>() / self.asks.len() as f64
    }

    /// One row for each ask.
    fn rows<'b>(&self, logits: &'b [f32]) -> impl Iterator<Item = &'b [f32]> + use<'b> {
        logits.chunks_exact((logits.len() / self.asks.len()).max(1))
    }
}

fn log_softmax(row: &[f32]) -> impl Iterator<Item = f64> + '_ {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&x| f64::from(x - most).exp()).sum();
    let log = f64::from(most) + sum.ln();
    row.iter().map(move |&x| f64::from(x) - log)
}
