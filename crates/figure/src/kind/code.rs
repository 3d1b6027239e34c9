//! Program text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::{About, describe};

/// Program text, shown line by line with line numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Code {
    /// Words around the figure.
    #[serde(flatten)]
    pub about: About,
    /// The program.
    pub source: String,
    /// The programming language, in lower case, such as `rust` or `python`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// Lines to point out, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marked: Vec<u32>,
}

impl Code {
    /// A figure of this program.
    pub fn new(source: impl Into<String>) -> Self {
        Code { source: source.into(), ..Code::default() }
    }

    /// Names the programming language.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// Points out lines, counted from 1.
    pub fn marked(mut self, lines: impl IntoIterator<Item = u32>) -> Self {
        self.marked = lines.into_iter().collect();
        self
    }
}

describe!(Code);
