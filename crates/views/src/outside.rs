//! Views that are programs of the user's.

use engine::Spec;
use schemars::Schema;
use serde_json::Value;

use crate::{Answer, Cx, Result, Why};

/// A view that is no struct of ours. Whoever starts it, asks it and bounds it stands behind this.
pub trait Outside: Sync {
    /// The JSON schema of its parameters.
    fn schema(&self) -> Schema;

    /// The JSON schema of its output.
    fn output_schema(&self) -> Schema;

    /// Parameters that any model that fits can answer.
    fn example(&self) -> Value;

    /// Whether a model has what the question needs; if not, why in words.
    fn fits(&self, spec: &Spec) -> Result<(), Why>;

    /// Finds the answer.
    fn run(&self, parameters: Value, cx: &Cx<'_>) -> Result<Box<dyn Answer>>;

    /// A digest of the program: another program gives other answers.
    fn digest(&self) -> Option<String>;
}
