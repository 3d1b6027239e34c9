//! Networks that ship inside the program: `zoo:NAME`, and `zoo:NAME@STEP` for a checkpoint of its training.
//!
//! A network is a folder of `zoo/` in the source tree, as a training leaves it: `config.json`, `model.safetensors`,
//! `tokenizer.json`, `recipe.json`, `curve.jsonl`, `checkpoints/STEP.safetensors`; and `card.json`, which says in words
//! where it comes from. `cargo xtask codegen` lists them.

mod shipped;

use kernels::Bytes;

use crate::error::similar;
use crate::source::{nearest_steps, step_of};
use crate::{Error, Result};

/// A network in the program: its name, and its files by their paths in its folder.
#[derive(Debug)]
pub(crate) struct Shipped {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [(&'static str, &'static [u8])],
}

/// Every network, by name.
pub(crate) fn all() -> &'static [Shipped] {
    shipped::SHIPPED
}

impl Shipped {
    /// What to give as MODEL to open it.
    pub(crate) fn reference(&self) -> String {
        format!("zoo:{}", self.name)
    }

    /// A file's bytes.
    pub(crate) fn file(&self, path: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes)
    }

    /// The weights at a step of training, or at its end.
    pub(crate) fn weights(&self, step: Option<u64>) -> Option<Bytes> {
        let path = step.map_or_else(|| "model.safetensors".into(), |step| format!("checkpoints/{step}.safetensors"));
        self.file(&path).map(|bytes| Bytes::new(std::sync::Arc::new(bytes)))
    }

    /// The steps of which there is a checkpoint.
    pub(crate) fn steps(&self) -> Vec<u64> {
        let names = self.files.iter().filter_map(|(path, _)| path.strip_prefix("checkpoints/"));
        names.filter_map(step_of).collect()
    }
}

/// Finds `NAME` or `NAME@STEP`.
pub(crate) fn find(networks: &'static [Shipped], name_and_step: &str) -> Result<(&'static Shipped, Option<u64>)> {
    let wrong = |why: String| Error::Reference { asked: format!("zoo:{name_and_step}"), why };
    let (name, step) = name_and_step.split_once('@').map_or((name_and_step, None), |(name, step)| (name, Some(step)));
    let Some(network) = networks.iter().find(|network| network.name == name) else {
        let near = similar(name, networks.iter().map(|network| network.name));
        let near: Vec<String> = near.iter().map(|name| format!("zoo:{name}")).collect();
        let there = if near.is_empty() {
            "none ship with this version".into()
        } else {
            format!("there is {}", near.join(", "))
        };
        return Err(wrong(format!("no such network; {there}. `pellucid models` lists them all")));
    };
    let Some(step) = step else { return Ok((network, None)) };
    let steps = network.steps();
    match step.parse().ok().filter(|step| steps.contains(step)) {
        Some(step) => Ok((network, Some(step))),
        None => Err(wrong(nearest_steps(step, steps))),
    }
}

#[cfg(test)]
mod tests;
