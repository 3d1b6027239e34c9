//! Tokenizers against Hugging Face's own on 12,000 lines of mixed text each, both from `tokenizer.json` and from the
//! keys of a GGUF file. Lines and digests are those of `scripts/make_tokenizer_goldens.py`, which also explains how to
//! look at a line that differs.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs;
use std::path::PathBuf;

use engine::tokenizer::{Description, GgufDescription, JsonDescription, Special, Tokenizer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::lines::lines;

fn golden(name: &str) -> PathBuf {
    support::root().join("tests/golden/tokenizer").join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(golden(name)).unwrap()).unwrap()
}

fn from_json(name: &str) -> Tokenizer {
    let tokenizer = fs::read(golden(&format!("{name}.json"))).unwrap();
    Tokenizer::new(&Description::Json(JsonDescription { tokenizer, ..JsonDescription::default() })).unwrap()
}

/// The first 16 hexadecimal digits.
fn short(sha: Sha256) -> String {
    let first: [u8; 8] = *sha.finalize().first_chunk().unwrap();
    format!("{:016x}", u64::from_be_bytes(first))
}

fn check(name: &str, tokenizer: &Tokenizer) {
    const GROUP: usize = 100;
    let expected = fs::read_to_string(golden(&format!("{name}.digests"))).unwrap();
    let all = lines();
    assert_eq!(all.len(), 12_000);
    for (i, (group, row)) in all.chunks(GROUP).zip(expected.lines()).enumerate() {
        let (mut ids, mut texts) = (Sha256::new(), Sha256::new());
        for line in group {
            let found = tokenizer.encode(line, Special::Default).unwrap();
            ids.update((found.len() as u32).to_le_bytes());
            found.iter().for_each(|id| ids.update(id.to_le_bytes()));
            texts.update(tokenizer.decode(&found));
            texts.update([0]);
        }
        let row: Vec<&str> = row.split(' ').collect();
        let (from, to) = (i * GROUP, i * GROUP + GROUP - 1);
        assert_eq!(short(ids), row[0], "{name}: ids of some line from {from} to {to} differ");
        assert_eq!(short(texts), row[1], "{name}: the decoded text of some line from {from} to {to} differs");
    }
    assert_eq!(expected.lines().count() * GROUP, all.len());
}

/// The keys that a GGUF file would have for a byte-level `tokenizer.json`.
fn as_gguf(name: &str, pre: &str) -> GgufDescription {
    let file = json(&format!("{name}.json"));
    let mut tokens: Vec<(u64, String)> = file["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(token, id)| (id.as_u64().unwrap(), token.clone()))
        .collect();
    tokens.sort_unstable();
    let mut keys = GgufDescription { model: "gpt2".into(), pre: Some(pre.into()), ..GgufDescription::default() };
    keys.tokens = tokens.into_iter().map(|(_, token)| token).collect();
    keys.token_types = vec![1; keys.tokens.len()];
    for added in file["added_tokens"].as_array().unwrap() {
        keys.token_types[added["id"].as_u64().unwrap() as usize] = 3;
    }
    let merge = |merge: &Value| format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap());
    keys.merges = file["model"]["merges"].as_array().unwrap().iter().map(merge).collect();
    keys.bos = Some(0);
    keys
}

fn from_keys(keys: GgufDescription) -> Tokenizer {
    Tokenizer::new(&Description::Gguf(Box::new(keys))).unwrap()
}

#[test]
fn llama3_of_json() {
    check("llama3", &from_json("llama3"));
}

#[test]
fn llama3_of_gguf() {
    check("llama3", &from_keys(as_gguf("llama3", "llama-bpe")));
}

#[test]
fn qwen2_of_json() {
    check("qwen2", &from_json("qwen2"));
}

#[test]
fn starcoder_of_json() {
    check("starcoder", &from_json("starcoder"));
}

#[test]
fn starcoder_of_gguf() {
    check("starcoder", &from_keys(as_gguf("starcoder", "smollm")));
}

#[test]
fn bert_of_json() {
    check("bert", &from_json("bert"));
}

#[test]
fn llama2_of_json() {
    check("llama2", &from_json("llama2"));
}

#[test]
fn llama2_of_gguf() {
    let file = json("llama2.gguf.json");
    let array = |name: &str| file[name].as_array().unwrap().clone();
    let keys = GgufDescription {
        model: "llama".into(),
        tokens: array("tokens").iter().map(|t| t.as_str().unwrap().into()).collect(),
        scores: array("scores").iter().map(|s| s.as_f64().unwrap() as f32).collect(),
        token_types: array("token_types").iter().map(|k| k.as_i64().unwrap() as i32).collect(),
        unknown: Some(0),
        bos: Some(1),
        eos: Some(2),
        ..GgufDescription::default()
    };
    check("llama2", &from_keys(keys));
}

#[test]
fn smollm2_of_its_file() {
    let Some(path) = support::smollm2() else { return };
    let tokenizer = store::open(&path).unwrap().tokenizer().unwrap().unwrap();
    check("smollm2", &tokenizer);
}
