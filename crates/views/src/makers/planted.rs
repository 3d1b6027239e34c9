//! A network whose circuit is known.

use lab::planted::{Options, Sizes, TASKS, Task, plant};
use lab::{Folder, Precision, Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Made, Maker, News, Result, Workplace};

/// Plants a network whose circuit is known: a program of sequence operations, compiled to weights.
///
/// The task's program is laid out over attention heads and feed-forward layers (as Tracr does, Lindner et al. 2023), among
/// decoys that compute and are not used, in a residual stream that is turned at random. The network answers every input as
/// the program does: after each letter comes the answer so far. Prompts are letters, such as `abca`, and a beginning is put
/// before them. `truth.json` in the folder names the circuit's edges, and pairs of prompts that it tells apart, so that
/// whatever looks for circuits can be held against them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// What the network does; `truth.json` says it in words.
    #[schemars(extend("enum" = names()))]
    pub task: String,
    /// Letters there are; 0 for as many as the task usually has.
    #[serde(default)]
    #[schemars(range(max = 8))]
    pub letters: usize,
    /// Letters of the longest prompt; 0 for as many as the task usually has.
    #[serde(default)]
    #[schemars(range(max = 9))]
    pub length: usize,
    /// Heads and maps of no use in every layer, beyond heads that fill it up.
    #[serde(default = "defaults::decoys")]
    #[schemars(range(max = 64))]
    pub decoys: usize,
    /// Whether the residual stream is turned at random, so that no axis of it means anything.
    #[serde(default = "defaults::rotated")]
    pub rotated: bool,
    /// How much more attention goes to what is selected, in nats.
    #[serde(default = "defaults::sharpness")]
    #[schemars(range(min = 4.0, max = 60.0))]
    pub sharpness: f64,
    /// Noise on all weights, as a share of each tensor's root mean square: then every part does a little of everything.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub noise: f64,
    /// What chance depends on: the decoys, the order of heads, the turning, the noise, the pairs of prompts.
    #[serde(default)]
    pub seed: u64,
}

mod defaults {
    pub(super) const fn decoys() -> usize {
        2
    }
    pub(super) const fn rotated() -> bool {
        true
    }
    pub(super) const fn sharpness() -> f64 {
        20.0
    }
}

/// Inputs that a network is tried on at most.
const INPUTS: usize = 10_000;

fn names() -> Vec<&'static str> {
    TASKS.iter().map(|task| task.name).collect()
}

impl Maker for Planted {
    fn example() -> Self {
        serde_json::from_value(json!({ "task": "reverse" })).expect("every other parameter has a default")
    }

    fn make(&self, place: &Workplace<'_>) -> Result<Made> {
        let task = Task::named(&self.task)?;
        let or = |given: usize, usual: usize| if given == 0 { usual } else { given };
        let sizes = Sizes { letters: or(self.letters, task.usual.letters), length: or(self.length, task.usual.length) };
        let Self { decoys, rotated, sharpness, noise, seed, .. } = *self;
        let planted = plant(task, &Options { sizes, decoys, rotated, sharpness, noise, seed })?;
        let recipe = Recipe {
            recipe: "planted".into(),
            revision: Self::REVISION,
            parameters: serde_json::to_value(self).unwrap_or_default(),
            corpus: vec![],
            made_by: concat!("pellucid ", env!("CARGO_PKG_VERSION")).into(),
        };
        let folder = Folder::open(place.folder(), &recipe, Precision::F32)?;
        if let Some(evaluation) = folder.evaluation()? {
            place.tell(&News::Told("this network is planted already"));
            return Ok(Made::Whole(evaluation));
        }
        planted.save(&folder, &recipe, seed)?;
        let model = planted.model(place.backend().clone())?;
        let inputs = planted.all_inputs(INPUTS).unwrap_or_else(|| planted.inputs(INPUTS, seed));
        let measured = planted.measure(&*model, &inputs)?;
        let evaluation = json!({
            "task": task.name,
            "parameters": planted.parameters.values.len(),
            "edges": planted.truth.edges.len(),
            "inputs": measured.inputs,
            "answers": measured.answers,
            "right": measured.right,
            "largest_error": measured.largest_error,
        });
        folder.finish(&evaluation)?;
        Ok(Made::Whole(evaluation))
    }
}
