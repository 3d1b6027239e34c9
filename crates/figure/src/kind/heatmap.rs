//! One matrix as coloured cells, or a stack of them side by side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::array::Array;
use crate::colour::ColourScale;
use crate::guide::Guide;

/// A matrix as coloured cells, or a stack of matrices as small multiples on one colour scale.
///
/// The axes of `values` are `[y, x]`, or `[panel, y, x]` for a stack. An array of another rank is
/// drawn as the nearest of these: one axis as a single row, more than three with the leading axes
/// joined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heatmap {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The values, axes `[y, x]` or `[panel, y, x]`. NaN cells are hatched.
    pub values: Array<f32>,
    /// A word in each cell, of the same shape as the values: the top token of a logit lens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Array<String>>,
    /// What to tell about each cell on request, of the same shape as the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Array<String>>,
    /// How values become colours.
    #[serde(default)]
    pub colour: ColourScale,
    /// Along the columns.
    #[serde(default)]
    pub x: Guide,
    /// Along the rows.
    #[serde(default)]
    pub y: Guide,
    /// One name per matrix of a stack.
    #[serde(default)]
    pub panels: Guide,
    /// Rows run upwards: the first row is at the bottom, as layers of a network are drawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upwards: bool,
    /// Cells right of the diagonal do not exist, as in the pattern of causal attention, and are left
    /// blank.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub causal: bool,
}

impl Heatmap {
    /// A heatmap of these values.
    pub fn new(values: Array<f32>) -> Self {
        Heatmap {
            about: About::default(),
            values,
            labels: None,
            details: None,
            colour: ColourScale::default(),
            x: Guide::default(),
            y: Guide::default(),
            panels: Guide::default(),
            upwards: false,
            causal: false,
        }
    }

    /// Writes a word in each cell.
    pub fn labels(mut self, labels: Array<String>) -> Self {
        self.labels = Some(labels);
        self
    }

    /// Gives each cell something to tell on request.
    pub fn details(mut self, details: Array<String>) -> Self {
        self.details = Some(details);
        self
    }

    /// Says how values become colours.
    pub fn colour(mut self, colour: ColourScale) -> Self {
        self.colour = colour;
        self
    }

    /// Sets what is written along the columns.
    pub fn x(mut self, x: Guide) -> Self {
        self.x = x;
        self
    }

    /// Sets what is written along the rows.
    pub fn y(mut self, y: Guide) -> Self {
        self.y = y;
        self
    }

    /// Names the matrices of a stack.
    pub fn panels(mut self, panels: Guide) -> Self {
        self.panels = panels;
        self
    }

    /// Lets rows run upwards, the first at the bottom.
    pub fn upwards(mut self) -> Self {
        self.upwards = true;
        self
    }

    /// Leaves cells right of the diagonal blank.
    pub fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// Number of matrices, rows and columns, whatever the rank of the values.
    pub fn extent(&self) -> [usize; 3] {
        match *self.values.shape() {
            [] => [1, 1, 1],
            [x] => [1, 1, x],
            [y, x] => [1, y, x],
            [ref leading @ .., y, x] => [leading.iter().product(), y, x],
        }
    }
}

describe!(Heatmap);
