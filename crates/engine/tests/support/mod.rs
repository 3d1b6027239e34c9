//! Networks for tests: a random tiny llama, and the golden networks that Hugging Face's implementation was run on.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may; each test file uses its own share")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Config, Model, PointId, Select, Stored, Weights, arch};
use kernels::{Backend, DType};
use safetensors::SafeTensors;
use serde_json::json;

/// A small deterministic stream of numbers in −1..1.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn vector(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| self.next() * scale).collect()
    }

    pub fn tokens(&mut self, n: usize, vocab: u32) -> Vec<u32> {
        (0..n).map(|_| (f32::midpoint(self.next(), 1.0) * vocab as f32) as u32 % vocab).collect()
    }
}

/// Sizes of the random llama.
pub const VOCAB: u32 = 61;
const D: usize = 24;
const MLP: usize = 40;
const HEADS: usize = 4;
const KV: usize = 2;
const D_HEAD: usize = 8;
pub const LAYERS: usize = 3;

pub fn config() -> serde_json::Value {
    json!({
        "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": LAYERS, "hidden_size": D, "intermediate_size": MLP,
        "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": D_HEAD, "vocab_size": VOCAB,
        "max_position_embeddings": 600, "tie_word_embeddings": true,
    })
}

pub fn tensors(seed: u64) -> BTreeMap<String, Stored> {
    let mut noise = Noise::new(seed);
    let mut tensors = BTreeMap::new();
    let mut put = |name: String, shape: &[usize], around: f32, scale: f32| {
        let n = shape.iter().product();
        let bytes: Vec<u8> = noise.vector(n, scale).iter().flat_map(|x| (x + around).to_le_bytes()).collect();
        tensors.insert(name, Stored { dtype: DType::F32, shape: shape.to_vec(), bytes: bytes.into() });
    };
    put("model.embed_tokens.weight".into(), &[VOCAB as usize, D], 0.0, 1.0);
    put("model.norm.weight".into(), &[D], 1.0, 0.3);
    for i in 0..LAYERS {
        let name = |local: &str| format!("model.layers.{i}.{local}");
        put(name("input_layernorm.weight"), &[D], 1.0, 0.3);
        put(name("post_attention_layernorm.weight"), &[D], 1.0, 0.3);
        for (local, outs) in [("q_proj", HEADS * D_HEAD), ("k_proj", KV * D_HEAD), ("v_proj", KV * D_HEAD)] {
            put(name(&format!("self_attn.{local}.weight")), &[outs, D], 0.0, 0.5);
            put(name(&format!("self_attn.{local}.bias")), &[outs], 0.0, 0.2);
        }
        put(name("self_attn.o_proj.weight"), &[D, HEADS * D_HEAD], 0.0, 0.4);
        put(name("self_attn.q_norm.weight"), &[D_HEAD], 1.0, 0.3);
        put(name("self_attn.k_norm.weight"), &[D_HEAD], 1.0, 0.3);
        put(name("mlp.gate_proj.weight"), &[MLP, D], 0.0, 0.5);
        put(name("mlp.up_proj.weight"), &[MLP, D], 0.0, 0.5);
        put(name("mlp.down_proj.weight"), &[D, MLP], 0.0, 0.4);
    }
    tensors
}

/// A random llama with every part the family knows: grouped heads, biases, norms of q and k, tied embeddings.
pub fn random_llama(backend: Arc<dyn Backend>) -> Box<dyn Model> {
    arch::build(&Config::HuggingFace(config()), Weights::new(tensors(7)), backend, u64::MAX).unwrap()
}

/// Every variant of every family: the folders of `tests/golden` that hold a network.
pub fn variants() -> Vec<String> {
    let folders = fs::read_dir(golden("")).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = folders
        .filter(|folder| folder.path().join("golden.safetensors").is_file())
        .map(|folder| folder.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 14, "{names:?}");
    names
}

/// The folder of a variant.
pub fn golden(variant: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(variant)
}

/// Its configuration and tensors.
pub fn golden_parts(variant: &str) -> (serde_json::Value, BTreeMap<String, Stored>) {
    let folder = golden(variant);
    let config = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter().map(|(name, view)| {
        (name, Stored { dtype: DType::F32, shape: view.shape().to_vec(), bytes: view.data().to_vec().into() })
    });
    (config, stored.collect())
}

/// Its network.
pub fn golden_network(variant: &str, backend: Arc<dyn Backend>) -> Box<dyn Model> {
    let (config, tensors) = golden_parts(variant);
    arch::build(&Config::HuggingFace(config), Weights::new(tensors), backend, u64::MAX).unwrap()
}

pub fn all_points(model: &dyn Model) -> Vec<PointId> {
    "*".parse::<Select>().unwrap().resolve(model.spec()).unwrap()
}

/// ‖x − reference‖₂ / ‖reference‖₂.
pub fn relative(x: &[f64], reference: &[f64]) -> f64 {
    assert_eq!(x.len(), reference.len());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut x.iter().zip(reference).map(|(a, b)| if a == b { 0.0 } else { a - b }));
    let size = norm(&mut reference.iter().map(|&b| if b.is_finite() { b } else { 0.0 }));
    if difference == 0.0 { 0.0 } else { difference / size.max(1e-30) }
}
