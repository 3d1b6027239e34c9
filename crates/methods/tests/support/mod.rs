//! The golden networks: small random ones, with the activations that Hugging Face's implementation gives.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may; each test file uses its own share")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Config, Model, Stored, Weights, arch};
use kernels::{Backend, DType};
use safetensors::SafeTensors;

/// A golden network and what is known about it.
pub struct Golden {
    config: serde_json::Value,
    weights: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    known: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Tokens of its first prompt.
    pub tokens: Vec<u32>,
}

impl Golden {
    pub fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
        let known = std::fs::read(folder.join("golden.safetensors")).unwrap();
        let tokens = SafeTensors::deserialize(&known).unwrap().tensor("0/tokens").unwrap().data().to_vec();
        Self {
            config: serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap(),
            weights: floats(&std::fs::read(folder.join("model.safetensors")).unwrap()),
            known: floats(&known),
            tokens: tokens.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect(),
        }
    }

    /// The network on a backend.
    pub fn model(&self, backend: Arc<dyn Backend>) -> Box<dyn Model> {
        let stored = |(shape, values): &(Vec<usize>, Vec<f32>)| {
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            Stored { dtype: DType::F32, shape: shape.clone(), bytes: bytes.into() }
        };
        let tensors = self.weights.iter().map(|(name, tensor)| (name.clone(), stored(tensor))).collect();
        arch::build(&Config::HuggingFace(self.config.clone()), Weights::new(tensors), backend, u64::MAX).unwrap()
    }

    /// A tensor of the file, by Hugging Face's name.
    pub fn weight(&self, name: &str) -> Option<Vec<f64>> {
        self.weights.get(name).map(|(_, values)| values.iter().map(|&x| f64::from(x)).collect())
    }

    /// A known activation of the first prompt.
    pub fn known(&self, point: &str) -> Vec<f64> {
        self.known[&format!("0/{point}")].1.iter().map(|&x| f64::from(x)).collect()
    }

    /// Its `config.json`.
    pub fn config(&self) -> &serde_json::Value {
        &self.config
    }

    pub fn eps(&self) -> f64 {
        self.config["rms_norm_eps"].as_f64().unwrap()
    }
}

fn floats(bytes: &[u8]) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensors = file.tensors().into_iter().filter(|(_, tensor)| tensor.dtype() == safetensors::Dtype::F32);
    let values = |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    tensors.map(|(name, tensor)| (name, (tensor.shape().to_vec(), values(tensor.data())))).collect()
}
