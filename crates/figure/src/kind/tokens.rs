//! A text whose tokens are coloured by value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::axis::Dim;
use crate::colour::ColourScale;
use crate::figure::Figure;
use crate::guide::Guide;
use crate::{Group, Text};

/// More series than this are not drawn below each other.
const MOST_APART: usize = 24;

/// A text, token by token, each coloured by a value; or by several, one series of which is shown at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The tokens in order, axes `[pos]`, exactly as the tokenizer gives them, blanks included.
    pub tokens: Array<String>,
    /// One value per token, axes `[pos]`, or one per series and token, axes `[series, pos]`: a neuron each. NaN: no value,
    /// no colour. Empty: no colours at all.
    pub values: Array<f32>,
    /// One name per series.
    #[serde(default, skip_serializing_if = "Guide::is_default")]
    pub series: Guide,
    /// What to tell about each token on request, a line each. Empty: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// How values become colours.
    #[serde(default)]
    pub colour: ColourScale,
}

impl Tokens {
    /// A figure of these tokens without colours.
    pub fn new(tokens: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Tokens {
            about: About::default(),
            tokens: Array::vector(Dim::Pos, tokens.into_iter().map(Into::into).collect()),
            values: Array::vector(Dim::Pos, Vec::new()),
            series: Guide::default(),
            details: Vec::new(),
            colour: ColourScale::tint(),
        }
    }

    /// Gives each token a value.
    pub fn values(mut self, values: Vec<f32>) -> Self {
        self.values = Array::vector(Dim::Pos, values);
        self
    }

    /// Gives each token a value of each of several series, axes `[series, pos]`, with what is written along the first.
    pub fn values_of(mut self, series: Guide, values: Array<f32>) -> Self {
        (self.series, self.values) = (series, values);
        self
    }

    /// Says how values become colours.
    pub fn colour(mut self, colour: ColourScale) -> Self {
        self.colour = colour;
        self
    }

    /// Gives each token something to tell on request.
    pub fn details(mut self, details: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.details = details.into_iter().map(Into::into).collect();
        self
    }

    /// Where there are several series, a figure of each on one scale, as they are drawn where nobody can choose.
    pub(crate) fn apart(&self) -> Option<Group> {
        let &[series, n] = self.values.shape() else { return None };
        let [low, high] = self.colour.ends(self.values.data().iter().map(|&x| f64::from(x)));
        let colour = self.colour.clone().domain(low, high);
        let one = Tokens { about: About::default(), series: Guide::default(), colour, ..self.clone() };
        let dim = self.values.dims()[0].to_string();
        let label = if self.series.label.is_empty() { &dim } else { &self.series.label };
        let strip = |i: usize| {
            let name = self.series.ticks.get(i).cloned();
            let name = name.unwrap_or_else(|| format!("{label} {}", self.series.index(i)));
            let values = self.values.data()[i * n..(i + 1) * n].to_vec();
            Figure::from(one.clone().values(values).title(name))
        };
        let mut figures: Vec<Figure> = (0..series.min(MOST_APART)).map(strip).collect();
        if series > MOST_APART {
            figures.push(Text::new(format!("and {} more", series - MOST_APART)).into());
        }
        Some(Group::new(figures))
    }
}

describe!(Tokens);
