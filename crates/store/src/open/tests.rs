//! Tests of [`super`].

use std::fs;
use std::path::Path;

use engine::Config;

use super::open;
use crate::digest::of_tensors;
use crate::{Error, Format};

/// A safetensors file of one tensor of bytes.
fn safetensors(name: &str, data: &[u8]) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[0,{0}]}}}}"#, data.len());
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn refusal(path: &Path) -> String {
    let message = open(path).unwrap_err().to_string();
    assert!(!message.contains('\n') && message.contains(&*path.file_name().unwrap().to_string_lossy()), "{message}");
    message
}

const CONFIG: (&str, &[u8]) = ("config.json", br#"{"architectures":["X"]}"#);

#[test]
fn a_file_or_its_folder() {
    let dir =
        folder(&[CONFIG, ("model.safetensors", &safetensors("w", b"abc")), ("README.md", b"---\nlicense: mit\n---\n")]);
    let (by_folder, by_file) = (open(dir.path()).unwrap(), open(&dir.path().join("model.safetensors")).unwrap());
    for model in [&by_folder, &by_file] {
        assert_eq!(model.format(), Format::Safetensors);
        assert_eq!(model.config().unwrap().architecture(), Some("X"));
        assert_eq!(model.tensors()["w"].bytes.as_slice(), b"abc");
        assert_eq!((model.bytes(), model.parameters(), model.dtype()), (3, 3, Some("U8")));
        assert_eq!(model.licence().as_deref(), Some("mit"));
        assert!(model.tokenizer_description().unwrap().is_none());
    }
    assert_eq!(by_folder.name(), dir.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(by_file.name(), "model");
    assert_eq!(of_tensors(by_folder.tensors()), of_tensors(by_file.tensors()));
}

#[test]
fn shards() {
    let index = br#"{"metadata":{},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;
    let (a, b) = (safetensors("a", b"a"), safetensors("b", b"bb"));
    let all: [(&str, &[u8]); 4] =
        [CONFIG, ("model.safetensors.index.json", index), ("1.safetensors", &a), ("2.safetensors", &b)];
    let dir = folder(&all);
    for path in [dir.path().to_path_buf(), dir.path().join("model.safetensors.index.json")] {
        let model = open(&path).unwrap();
        assert_eq!((model.tensors().len(), model.files().len(), model.bytes()), (2, 2, 3));
    }
    let missing = folder(&all[..3]);
    let message = open(missing.path()).unwrap_err().to_string();
    assert!(message.contains("2.safetensors is missing"), "{message}");
    fs::write(dir.path().join("2.safetensors"), safetensors("c", b"cc")).unwrap();
    assert!(open(dir.path()).unwrap_err().to_string().contains("does not say that it is here"));
    fs::write(dir.path().join("2.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    assert!(open(dir.path()).unwrap_err().to_string().contains("and it is not"));
}

#[test]
fn an_index_names_files_beside_it_only() {
    for file in ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "", ".."] {
        let index = format!(r#"{{"weight_map":{{"a":"{file}"}}}}"#);
        let dir = folder(&[CONFIG, ("model.safetensors.index.json", index.as_bytes())]);
        assert!(
            open(dir.path()).unwrap_err().to_string().contains("not the name of a file beside the index"),
            "{file}"
        );
    }
}

#[test]
fn pickles_are_refused_with_what_to_do() {
    let dir = folder(&[
        ("a.pt", b"PK\x03\x04..."),
        ("b.bin", b"\x80\x02..."),
        ("c.safetensors", b"PK\x03\x04......."),
        ("d", b"\x80\x04."),
    ]);
    for name in ["a.pt", "b.bin", "c.safetensors", "d"] {
        let message = refusal(&dir.path().join(name));
        assert!(message.contains("save_file(torch.load"), "{message}");
    }
    assert!(matches!(open(dir.path()), Err(Error::Damaged { .. } | Error::Pickle { .. })));
    let only = folder(&[CONFIG, ("pytorch_model.bin", b"\x80\x02...")]);
    assert!(matches!(open(only.path()), Err(Error::Pickle { .. })));
}

#[test]
fn what_is_no_model_is_refused_by_what_it_is() {
    let weights = safetensors("w", b"abc");
    let dir = folder(&[
        ("a.gguf", b"not one"),
        ("b.onnx", b"x"),
        ("c.txt", b"x"),
        ("d.npz", b"PK\x03\x04"),
        ("e.safetensors", &weights),
    ]);
    for (name, why) in [
        ("a.gguf", "does not begin as GGUF files do"),
        ("b.onnx", "does not read yet"),
        ("c.txt", "not a model that is known"),
        ("d.npz", "NumPy archive"),
    ] {
        let message = refusal(&dir.path().join(name));
        assert!(message.contains(why), "{message}");
    }
    // Tensors can be looked at without knowing what network they form.
    let unknown = open(&dir.path().join("e.safetensors")).unwrap();
    assert!(unknown.tensors().contains_key("w") && unknown.source().is_none());
    let message = unknown.config().unwrap_err().to_string();
    assert!(message.contains("e.safetensors") && message.contains("config.json is missing"), "{message}");
    assert!(refusal(&dir.path().join("a.gguff")).contains("no such file or folder; there is a.gguf"));
    let gguf = folder(&[("m.gguf", b"GGUF")]);
    assert!(open(gguf.path()).unwrap_err().to_string().contains("Name that file itself"));
    let empty = folder(&[]);
    assert!(open(empty.path()).unwrap_err().to_string().contains("model.safetensors is missing"));
    let two = folder(&[("a.safetensors", &weights), ("b.safetensors", &weights)]);
    assert!(open(two.path()).unwrap_err().to_string().contains("Name one of them"));
}

#[test]
fn a_configuration_has_to_be_an_object() {
    for (json, why) in [("[1]", "not a JSON object"), ("{", "not JSON"), ("\u{fffd}", "not JSON")] {
        let dir = folder(&[("config.json", json.as_bytes()), ("model.safetensors", &safetensors("w", b"abc"))]);
        assert!(open(dir.path()).unwrap_err().to_string().contains(why), "{json}");
    }
    let deep = "[".repeat(1 << 20);
    let dir = folder(&[("config.json", deep.as_bytes()), ("model.safetensors", &safetensors("w", b"abc"))]);
    assert!(open(dir.path()).is_err());
}

#[test]
fn tokenizers_beside_the_weights() {
    let weights = safetensors("w", b"abc");
    let dir = folder(&[CONFIG, ("model.safetensors", &weights), ("tokenizer.model", b"x")]);
    let message = open(dir.path()).unwrap().tokenizer_description().unwrap_err().to_string();
    assert!(message.contains("save_pretrained"), "{message}");
    fs::write(dir.path().join("tokenizer.json"), b"{").unwrap();
    let model = open(dir.path()).unwrap();
    assert!(model.tokenizer_description().unwrap().is_some());
    assert!(matches!(model.tokenizer(), Err(Error::Tokenizer { .. })));
    assert!(matches!(model.config().unwrap(), Config::HuggingFace(_)));
}
