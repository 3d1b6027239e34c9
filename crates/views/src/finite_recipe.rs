//! What recipes for networks on finite domains have in common.

use engine::optim::Schedule;
use lab::finite::{
    Ask, Asked, Enough, FiniteCourse, FiniteMark, FiniteSubject, Labels, Operation, Rule, Task, train_finite,
};
use lab::{Event, Folder, Network, Outcome, Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::makers::text::TextPrecision;
use crate::{Made, News, Result, Workplace};

/// The network, and how it learns. Parameters of every recipe of a finite domain.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FiniteRecipe {
    /// Share of the inputs that is learnt from, the rest being kept aside; 0 for 0.3, or more where that would be fewer than 840
    /// inputs, up to 0.9. Of a domain of more than 65,536 inputs as many are drawn first.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// What is said to be right: `shuffled` deals the answers out at random, so that there is nothing to understand.
    #[serde(default)]
    pub labels: Labels,
    /// Width of the residual stream.
    #[serde(default = "defaults::d_model")]
    #[schemars(range(min = 1, max = 4096))]
    pub d_model: usize,
    /// Attention heads, which share the width evenly.
    #[serde(default = "defaults::heads")]
    #[schemars(range(min = 1, max = 256))]
    pub heads: usize,
    /// Neurons (ReLU); 0 for attention alone.
    #[serde(default = "defaults::d_mlp")]
    #[schemars(range(max = 65_536))]
    pub d_mlp: usize,
    /// How steps follow from gradients.
    #[serde(default)]
    pub optimiser: Rule,
    /// Learning rate, reached after the warm-up and kept.
    #[serde(default = "defaults::lr")]
    #[schemars(range(min = 0.0))]
    pub lr: f64,
    /// Weight decay of all parameters, decoupled from the gradient.
    #[serde(default = "defaults::weight_decay")]
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// How slowly Adam and Lion forget gradients.
    #[serde(default = "defaults::beta1")]
    #[schemars(range(min = 0.0, max = 0.9999))]
    pub beta1: f64,
    /// How slowly Adam forgets their squares, and Lion its memory.
    #[serde(default = "defaults::beta2")]
    #[schemars(range(min = 0.0, max = 0.99999))]
    pub beta2: f64,
    /// Share of the last step that `sgd` keeps up, and of the last momentum that `muon` does.
    #[serde(default = "defaults::momentum")]
    #[schemars(range(min = 0.0, max = 0.9999))]
    pub momentum: f64,
    /// Steps in which the learning rate rises.
    #[serde(default = "defaults::warm_up")]
    pub warm_up: u64,
    /// Steps at most.
    #[serde(default = "defaults::steps")]
    pub steps: u64,
    /// Training ends when the loss on the inputs kept aside was below this, in nats, at every measurement of `patience`
    /// steps; 0 to go on to the last step.
    #[serde(default = "defaults::until")]
    #[schemars(range(min = 0.0))]
    pub until: f64,
    /// How long that has to last.
    #[serde(default = "defaults::patience")]
    pub patience: u64,
    /// Inputs of a step, drawn at random; 0 for all of them.
    #[serde(default)]
    #[schemars(range(max = 65_536))]
    pub batch: usize,
    /// Steps between measurements. The state is saved at each.
    #[serde(default = "defaults::evaluate")]
    #[schemars(range(min = 1))]
    pub evaluate: u64,
    /// Steps whose weights are kept, in `checkpoints/STEP.safetensors`.
    #[serde(default)]
    pub checkpoints: Vec<u64>,
    /// How files hold the weights: `f16` takes half the space. Training is in 32 bits.
    #[serde(default)]
    pub precision: TextPrecision,
    /// What chance depends on: which inputs are learnt from, the first weights, the batches.
    #[serde(default)]
    pub seed: u64,
}

mod defaults {
    pub(super) const fn d_model() -> usize {
        128
    }
    pub(super) const fn heads() -> usize {
        4
    }
    pub(super) const fn d_mlp() -> usize {
        512
    }
    pub(super) const fn lr() -> f64 {
        1e-3
    }
    pub(super) const fn weight_decay() -> f64 {
        1.0
    }
    pub(super) const fn beta1() -> f64 {
        0.9
    }
    pub(super) const fn beta2() -> f64 {
        0.98
    }
    pub(super) const fn momentum() -> f64 {
        0.95
    }
    pub(super) const fn warm_up() -> u64 {
        10
    }
    pub(super) const fn steps() -> u64 {
        40_000
    }
    pub(super) const fn until() -> f64 {
        1e-5
    }
    pub(super) const fn patience() -> u64 {
        1000
    }
    pub(super) const fn evaluate() -> u64 {
        100
    }
}

impl Default for FiniteRecipe {
    fn default() -> Self {
        serde_json::from_value(json!({})).expect("every parameter has a default")
    }
}

impl FiniteRecipe {
    /// Trains a network for a question. `recipe` is the whole recipe, by its name.
    pub(crate) fn make(
        &self,
        ask: &Ask,
        (name, revision, parameters): (&str, u32, Value),
        place: &Workplace<'_>,
    ) -> Result<Made> {
        let task = ask.task()?;
        let share = if self.share > 0.0 { self.share } else { usual_share(&task) };
        let asked = Asked { ask: ask.clone(), labels: self.labels, share, seed: self.seed };
        let split = asked.split(&task)?;
        let recipe = Recipe {
            recipe: name.into(),
            revision,
            parameters,
            corpus: vec![],
            made_by: concat!("pellucid ", env!("CARGO_PKG_VERSION")).into(),
        };
        let network = Network::plain(&task.domain, task.words.len(), self.d_model, self.heads, self.d_mlp)?;
        let folder = Folder::open(place.folder(), &recipe, self.precision.into())?;
        if let Some(evaluation) = folder.evaluation()? {
            place.tell(&News::Told("this network is trained already"));
            return Ok(Made::Whole(evaluation));
        }
        if folder.tokenizer()?.is_none() {
            asked.begin(&folder, &recipe, &task, &split)?;
        }
        place.tell(&News::Told(&format!(
            "{}: {} inputs to learn from, {} kept aside",
            task.about,
            split.train.len(),
            split.test.len()
        )));
        let modulus = match ask {
            Ask::Modular { operation: Operation::Add, modulus } => Some(*modulus as usize),
            _ => None,
        };
        let subject = FiniteSubject { network: &network, n_heads: self.heads, split: &split, modulus };
        let mut last = None;
        let mut watch = |event: Event<'_, FiniteMark>| self.tell(place, &event, &mut last);
        match train_finite(&folder, &subject, &self.course(place.threads()), place.backend(), &mut watch)? {
            Outcome::Stopped(step) => Ok(Made::Part(step)),
            Outcome::Finished(parameters) => {
                let mut evaluation = serde_json::to_value(&last).unwrap_or_default();
                evaluation["parameters"] = parameters.values.len().into();
                evaluation["train_inputs"] = split.train.len().into();
                evaluation["test_inputs"] = split.test.len().into();
                folder.finish(&evaluation)?;
                Ok(Made::Whole(evaluation))
            }
        }
    }

    /// The training that it describes.
    pub(crate) fn course(&self, threads: usize) -> FiniteCourse {
        FiniteCourse {
            rule: self.optimiser,
            schedule: Schedule { peak: self.lr, warm_up: self.warm_up, steps: self.steps, floor: 1.0 },
            batch: self.batch,
            betas: (self.beta1, self.beta2),
            momentum: self.momentum,
            decay: self.weight_decay,
            seed: self.seed,
            every: self.evaluate,
            checkpoints: self.checkpoints.clone(),
            enough: (self.until > 0.0).then_some(Enough { loss: self.until, steps: self.patience }),
            threads,
        }
    }

    /// Passes on what happens.
    fn tell(&self, place: &Workplace<'_>, event: &Event<'_, FiniteMark>, last: &mut Option<FiniteMark>) -> bool {
        match *event {
            Event::From(done) => place.tell(&News::From { done, of: self.steps }),
            Event::Step { step, loss, items } => {
                place.tell(&News::Step { done: step, of: self.steps, items, unit: "inputs", loss })
            }
            Event::Marked(mark) => {
                *last = Some(mark.clone());
                let part = |loss: f64, right: f64| format!("loss {loss:.2e}, right {:.1} %", 100.0 * right);
                let test = mark.test_loss.zip(mark.test_accuracy);
                let test =
                    test.map_or_else(String::new, |(loss, right)| format!("; kept aside: {}", part(loss, right)));
                let progress = mark.progress.as_ref().map_or_else(String::new, |progress| {
                    let frequencies: Vec<String> = progress.key_frequencies.iter().map(ToString::to_string).collect();
                    format!(
                        "; restricted {:.1e}, excluded {:.1e}, frequencies [{}]",
                        progress.restricted_loss,
                        progress.excluded_loss,
                        frequencies.join(" ")
                    )
                });
                place.tell(&News::Told(&format!(
                    "step {}: {}{test}; squared weights {:.0}{progress}",
                    mark.step,
                    part(mark.train_loss, mark.train_accuracy),
                    mark.squared_weights
                )))
            }
        }
    }
}

/// What networks of the usual size find out a rule from: modulo 53 and more it is the published share.
pub(crate) fn usual_share(task: &Task) -> f64 {
    const SHARE: f64 = 0.3;
    const LEAST: f64 = 840.0;
    let inputs = task.domain.len().map_or(f64::INFINITY, |n| n as f64);
    (LEAST / inputs).clamp(SHARE, 0.9)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn small_domains_are_learnt_from_more() {
        let share = |modulus| usual_share(&Ask::Modular { operation: Operation::Add, modulus }.task().unwrap());
        assert_eq!((share(127), share(53), share(5)), (0.3, 0.3, 0.9));
        assert!((share(41) * 1681.0 - 840.0).abs() < 1e-9);
    }
}
