//! A text whose tokens are coloured by value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::axis::Dim;
use crate::colour::ColourScale;

/// A text, token by token, each coloured by a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The tokens in order, axes `[pos]`, exactly as the tokenizer gives them, blanks included.
    pub tokens: Array<String>,
    /// One value per token, axes `[pos]`. NaN: no value, no colour. Empty: no colours at all.
    pub values: Array<f32>,
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
            details: Vec::new(),
            colour: ColourScale::tint(),
        }
    }

    /// Gives each token a value.
    pub fn values(mut self, values: Vec<f32>) -> Self {
        self.values = Array::vector(Dim::Pos, values);
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
}

describe!(Tokens);
