//! Running the program, and models to run it on.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may; each test file uses its own share")]

pub mod server;
pub mod snapshot;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempDir;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A golden network: `config.json` and `model.safetensors`, no tokenizer.
pub fn golden(name: &str) -> String {
    root().join("tests/golden").join(name).to_str().unwrap().to_owned()
}

/// SmolLM2, if it has been fetched. On CI it has to be.
pub fn smollm2() -> Option<String> {
    let path = root().join("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    if path.is_file() {
        return Some(path.to_str().unwrap().to_owned());
    }
    let excused = std::env::var_os("PELLUCID_WITHOUT_MODELS").is_some();
    assert!(excused || std::env::var_os("CI").is_none(), "{} is missing: ./run models fetches it", path.display());
    println!("left out: {} is missing; ./run models fetches it", path.display());
    None
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program with these arguments, away from the user's own settings.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pellucid"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "COLORTERM", "COLORFGBG", "LC_ALL", "LC_CTYPE", "LANG", "RUST_BACKTRACE"]
    {
        command.env_remove(name);
    }
    command.env("COLUMNS", "100").env("HF_HUB_OFFLINE", "1");
    command
}

pub fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub fn run(arguments: &[&str]) -> Ran {
    finish(&mut command(arguments))
}

/// Runs what should succeed.
pub fn ok(arguments: &[&str]) -> Ran {
    let ran = run(arguments);
    assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.stderr);
    ran
}

/// Runs what should print one JSON document and nothing else.
pub fn json(arguments: &[&str]) -> Value {
    let ran = ok(arguments);
    assert_eq!(ran.stderr, "", "{arguments:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Runs what should fail with a status and one line that says all of `expected`.
pub fn fails(arguments: &[&str], status: i32, expected: &[&str]) {
    let ran = run(arguments);
    assert_eq!(ran.status, status, "{arguments:?}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{arguments:?}: standard output is for results");
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.ends_with('\n'), "{arguments:?}: {}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{arguments:?}: {}", ran.stderr);
    assert!(!ran.stderr.contains("defect"), "{arguments:?}: {}", ran.stderr);
    for part in expected {
        assert!(ran.stderr.contains(part), "{arguments:?} should say `{part}`: {}", ran.stderr);
    }
}

/// A tensor of floats from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

/// The tensors of a safetensors file; whole numbers are read as floats too.
pub fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |tensor: &safetensors::tensor::TensorView<'_>| match tensor.dtype() {
        safetensors::Dtype::I64 => {
            tensor.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f32).collect()
        }
        _ => tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
    };
    let tensor = |t: safetensors::tensor::TensorView<'_>| Tensor { shape: t.shape().to_vec(), data: read(&t) };
    file.tensors().into_iter().map(|(name, t)| (name, tensor(t))).collect()
}

/// ‖x − reference‖₂ / ‖reference‖₂; infinities must be the same.
pub fn relative(x: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(x.len(), reference.len());
    let pairs = || x.iter().zip(reference).filter(|(a, b)| a != b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let difference = pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let size = reference.iter().filter(|b| b.is_finite()).map(|&b| f64::from(b).powi(2)).sum::<f64>().sqrt();
    if difference == 0.0 { 0.0 } else { difference / size.max(1e-30) }
}

/// A copy of a golden network whose tensors may be changed, with or without a tokenizer.
pub fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(Path::new(&golden(name)).join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// A golden network with a tokenizer of one token for each printable ASCII character: `a` has the id that it has in
/// ASCII.
pub fn with_tokenizer(name: &str) -> TempDir {
    let folder = copy(name);
    // Byte-level vocabularies write a space as U+0120.
    let spelled = |c: char| if c == ' ' { '\u{120}'.to_string() } else { c.to_string() };
    let vocab: serde_json::Map<String, Value> = (' '..='~').map(|c| (spelled(c), Value::from(c as u32))).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": [],
        },
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

/// A folder's path as text.
pub fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}
