//! Named bars.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::guide::Guide;
use crate::number::optional_pair;

/// Named bars from zero: the top predictions with their probabilities, a score per head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bars {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The lengths, axes `[bar]`, or `[series, bar]` for groups of bars.
    pub values: Array<f32>,
    /// One name per bar.
    #[serde(default)]
    pub bars: Guide,
    /// One name per series.
    #[serde(default)]
    pub series: Guide,
    /// What the lengths are, with the unit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The values that the picture spans, with zero. Nothing: those of the bars.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_pair")]
    #[schemars(with = "Option<[f64; 2]>")]
    pub domain: Option<[f64; 2]>,
}

impl Bars {
    /// Bars of these lengths.
    pub fn new(values: Array<f32>) -> Self {
        Bars {
            about: About::default(),
            values,
            bars: Guide::default(),
            series: Guide::default(),
            label: String::new(),
            domain: None,
        }
    }

    /// Names the bars.
    pub fn bars(mut self, bars: Guide) -> Self {
        self.bars = bars;
        self
    }

    /// Names the series.
    pub fn series(mut self, series: Guide) -> Self {
        self.series = series;
        self
    }

    /// Says what the lengths are.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Fixes the values that the picture spans: 0 to 1 for probabilities.
    pub fn domain(mut self, low: f64, high: f64) -> Self {
        self.domain = Some([low, high]);
        self
    }
}

impl Bars {
    /// Number of series and of bars, whatever the rank of the values.
    pub(crate) fn extent(&self) -> [usize; 2] {
        match *self.values.shape() {
            [] => [1, 1],
            [ref leading @ .., bars] => [leading.iter().product(), bars],
        }
    }

    /// The lowest and highest value that the picture spans, zero included.
    pub(crate) fn span(&self) -> [f64; 2] {
        let widen = |[low, high]: [f64; 2], x: f64| [low.min(x), high.max(x)];
        if let Some(ends) = self.domain.filter(|ends| ends.iter().all(|end| end.is_finite())) {
            return ends.map(|end| end.clamp(f64::MIN / 4.0, f64::MAX / 4.0)).into_iter().fold([0.0; 2], widen);
        }
        let values = self.values.data().iter().map(|&x| f64::from(x));
        values.filter(|x| x.is_finite()).fold([0.0; 2], widen)
    }
}

describe!(Bars);
