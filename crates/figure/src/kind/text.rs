//! Prose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};

/// Prose: paragraphs, wrapped to the width at hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Text {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The text. Line breaks are kept; an empty line parts paragraphs.
    pub body: String,
}

impl Text {
    /// A figure of this text.
    pub fn new(body: impl Into<String>) -> Self {
        Text { about: About::default(), body: body.into() }
    }
}

describe!(Text);
