//! Configurations: a network is built as they say, and run if it can be.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine::{Batch, Config, Run, Stored, Weights, arch};
use kernels::{DType, Naive};

use crate::beside;

/// A `config.json`, or GGUF metadata as JSON where that names an architecture, beside the weights of a small network
/// of the Llama family: two blocks, 32 wide, four heads over two.
pub(super) fn config(bytes: &[u8]) {
    let Ok(value) = beside::parse_config(bytes, Path::new(super::PATH)) else { return };
    let gguf = value.get("general.architecture").is_some();
    let config = if gguf { Config::Gguf(value) } else { Config::HuggingFace(value) };
    let weights = Weights::new(tensors(gguf).into_iter().collect());
    if let Ok(model) = arch::build(&config, weights, Arc::new(Naive), u64::MAX) {
        let batch = Batch::one(&[1, 2, 3]).expect("a prompt");
        let _ = Run::new(&*model, batch).memory(1 << 28).go();
    }
}

/// The tensors by the names that one kind of file or the other has for them.
fn tensors(gguf: bool) -> BTreeMap<String, Stored> {
    const BLOCK: [(&str, &str, &[usize]); 9] = [
        ("input_layernorm", "attn_norm", &[32]),
        ("self_attn.q_proj", "attn_q", &[32, 32]),
        ("self_attn.k_proj", "attn_k", &[16, 32]),
        ("self_attn.v_proj", "attn_v", &[16, 32]),
        ("self_attn.o_proj", "attn_output", &[32, 32]),
        ("post_attention_layernorm", "ffn_norm", &[32]),
        ("mlp.gate_proj", "ffn_gate", &[44, 32]),
        ("mlp.up_proj", "ffn_up", &[44, 32]),
        ("mlp.down_proj", "ffn_down", &[32, 44]),
    ];
    let mut all = BTreeMap::new();
    let mut add = |hugging_face: String, ours: String, shape: &[usize]| {
        let bytes = vec![0; 4 * shape.iter().product::<usize>()];
        let stored = Stored { dtype: DType::F32, shape: shape.into(), bytes: bytes.into() };
        all.insert(format!("{}.weight", if gguf { ours } else { hugging_face }), stored);
    };
    add("model.embed_tokens".into(), "token_embd".into(), &[128, 32]);
    add("model.norm".into(), "output_norm".into(), &[32]);
    for layer in 0..2 {
        for (hugging_face, ours, shape) in BLOCK {
            add(format!("model.layers.{layer}.{hugging_face}"), format!("blk.{layer}.{ours}"), shape);
        }
    }
    all
}
