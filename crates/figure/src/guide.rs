//! What is written along an axis of a figure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The words along an axis: its label, a name for each place, and what the places are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guide {
    /// The axis label, with its unit. Empty: the name of the array's axis.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// One name per place: tokens, layers, heads. Empty: the indices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<String>,
    /// The index that each place has along its dim, where that is not 0, 1, 2, ...: the heads that were
    /// chosen, the positions that are shown. A place that is none of the dim has [`Guide::NONE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indices: Vec<u32>,
    /// What the dim belongs to, where two figures have the same dim of different things: `model-a`.
    /// Axes are linked only within one space.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
}

impl Guide {
    /// The index of a place that is none of its dim, such as the embedding among layers.
    pub const NONE: u32 = u32::MAX;

    /// A guide with this axis label.
    pub fn new(label: impl Into<String>) -> Self {
        Guide { label: label.into(), ..Guide::default() }
    }

    /// Names the places.
    pub fn ticks(mut self, ticks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ticks = ticks.into_iter().map(Into::into).collect();
        self
    }

    /// Says which indices along the dim the places are.
    pub fn indices(mut self, indices: impl IntoIterator<Item = u32>) -> Self {
        self.indices = indices.into_iter().collect();
        self
    }

    /// Says what the dim belongs to.
    pub fn space(mut self, space: impl Into<String>) -> Self {
        self.space = space.into();
        self
    }

    /// Whether it says nothing.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The name of a place: its tick, else its index.
    pub fn name(&self, place: usize) -> String {
        match self.ticks.get(place) {
            Some(tick) => tick.clone(),
            None => self.index(place).to_string(),
        }
    }

    /// The index of a place along its dim.
    pub fn index(&self, place: usize) -> usize {
        self.indices.get(place).map_or(place, |&index| index as usize)
    }
}
