//! Counts over bins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::axis::Dim;
use crate::guide::Guide;
use crate::kind::lines::Scale;

/// Counts over bins, for one or several distributions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// How many values fall in each bin, axes `[bin]` or `[series, bin]`.
    pub counts: Array<f64>,
    /// The edges of the bins in rising order, one more than there are bins, axes `[bin]`.
    pub edges: Array<f64>,
    /// One name per distribution.
    #[serde(default)]
    pub series: Guide,
    /// What was counted, with its unit: the label of the x axis.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// How the counts are spaced.
    #[serde(default)]
    pub y_scale: Scale,
}

impl Histogram {
    /// A histogram from counts and the edges of the bins.
    pub fn new(counts: Array<f64>, edges: Vec<f64>) -> Self {
        Histogram {
            about: About::default(),
            counts,
            edges: Array::vector(Dim::Bin, edges),
            series: Guide::default(),
            label: String::new(),
            y_scale: Scale::Linear,
        }
    }

    /// Counts the finite values into this many bins of equal width between the smallest and the
    /// largest. The last bin includes its upper edge.
    pub fn of(values: impl IntoIterator<Item = f64>, bins: usize) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
        let bins = bins.max(1);
        let mut low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let mut high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() {
            (low, high) = (0.0, 1.0);
        } else if low == high {
            let half = (low.abs() * 0.5).max(0.5);
            (low, high) = (low - half, high + half);
        }
        // Weighted ends, not a sum of widths: no step of it overflows for ranges as wide as f64.
        let width = high / bins as f64 - low / bins as f64;
        let edge = |t: f64| low * (1.0 - t) + high * t;
        let edges = (0..=bins).map(|i| edge(i as f64 / bins as f64)).collect();
        let mut counts = vec![0.0; bins];
        for value in values {
            let bin = ((value / width - low / width).floor() as usize).min(bins - 1);
            counts[bin] += 1.0;
        }
        Histogram::new(Array::vector(Dim::Bin, counts), edges)
    }

    /// Names the distributions.
    pub fn series(mut self, series: Guide) -> Self {
        self.series = series;
        self
    }

    /// Says what was counted.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Spaces the counts by powers of ten.
    pub fn log_y(mut self) -> Self {
        self.y_scale = Scale::Log;
        self
    }
}

impl Histogram {
    /// Number of distributions and of bins, whatever the rank of the counts.
    pub(crate) fn extent(&self) -> [usize; 2] {
        match *self.counts.shape() {
            [] => [1, 1],
            [ref leading @ .., bins] => [leading.iter().product(), bins],
        }
    }

    /// The count that the foot of the bars stands for: zero, or half of one where powers of ten are
    /// shown, so that a single count has a height.
    pub(crate) fn least(&self) -> f64 {
        if self.y_scale == Scale::Log { 0.5 } else { 0.0 }
    }
}

describe!(Histogram);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_is_counted_once() {
        let histogram = Histogram::of([0.0, 0.1, 0.5, 1.0, f64::NAN, f64::INFINITY], 2);
        assert_eq!(histogram.counts.data(), [2.0, 2.0]);
        assert_eq!(histogram.edges.data(), [0.0, 0.5, 1.0]);
        for values in [vec![], vec![7.0], vec![f64::MAX, f64::MIN], vec![1e-320, 2e-320]] {
            let histogram = Histogram::of(values.clone(), 5);
            assert_eq!(histogram.counts.data().iter().sum::<f64>(), values.len() as f64, "{values:?}");
            assert!(histogram.edges.data().iter().all(|edge| edge.is_finite()), "{values:?}");
        }
    }
}
