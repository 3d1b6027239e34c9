//! Figures that belong together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};
use crate::figure::Figure;

/// Figures that belong together, one above the other or in a grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The figures in order.
    pub figures: Vec<Figure>,
    /// How they are laid out.
    #[serde(default)]
    pub layout: Layout,
}

/// How the figures of a group are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One above the other.
    #[default]
    Vertical,
    /// In rows of this many.
    Grid(u32),
}

impl Group {
    /// These figures, one above the other.
    pub fn new(figures: impl IntoIterator<Item = impl Into<Figure>>) -> Self {
        let figures = figures.into_iter().map(Into::into).collect();
        Group { about: About::default(), figures, layout: Layout::Vertical }
    }

    /// Adds a figure.
    pub fn with(mut self, figure: impl Into<Figure>) -> Self {
        self.figures.push(figure.into());
        self
    }

    /// Lays the figures out in rows of this many.
    pub fn grid(mut self, columns: u32) -> Self {
        self.layout = Layout::Grid(columns);
        self
    }
}

describe!(Group);
