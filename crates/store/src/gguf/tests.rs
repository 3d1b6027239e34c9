//! Tests of [`super`].

use std::path::Path;

use engine::Config;
use kernels::{Bytes, DType};

use super::{Gguf, Meta};
use crate::fuzz;
use crate::{Error, Result};

/// A value as it lies in a file: its type and its bytes.
type Encoded = (u32, Vec<u8>);

fn text_bytes(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn text(value: &str) -> Encoded {
    (8, text_bytes(value))
}

fn u32v(value: u32) -> Encoded {
    (4, value.to_le_bytes().into())
}

fn array(kind: u32, len: u64, elements: &[u8]) -> Encoded {
    (9, [&kind.to_le_bytes(), &len.to_le_bytes()[..], elements].concat())
}

fn texts(values: &[&str]) -> Encoded {
    array(8, values.len() as u64, &values.iter().flat_map(|v| text_bytes(v)).collect::<Vec<u8>>())
}

/// A tensor: name, lengths (innermost first), encoding, offset.
type Row<'a> = (&'a str, &'a [u64], u32, u64);

struct File<'a> {
    version: u32,
    keys: Vec<(&'a str, Encoded)>,
    rows: Vec<Row<'a>>,
    data: usize,
}

impl File<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.rows.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (name, (kind, value)) in &self.keys {
            out.extend(text_bytes(name));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        for (name, shape, encoding, offset) in &self.rows {
            out.extend(text_bytes(name));
            out.extend((shape.len() as u32).to_le_bytes());
            shape.iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(encoding.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend((0..self.data).map(|i| i as u8));
        out
    }

    fn parse(&self) -> Result<Gguf> {
        parse(self.bytes())
    }

    /// The message about why it cannot be read.
    fn refusal(&self) -> String {
        self.parse().unwrap_err().to_string()
    }
}

fn parse(bytes: Vec<u8>) -> Result<Gguf> {
    Gguf::parse(Bytes::from(bytes), Path::new("m.gguf"))
}

fn small() -> File<'static> {
    File {
        version: 3,
        keys: vec![
            ("general.architecture", text("llama")),
            ("llama.block_count", u32v(2)),
            ("llama.eps", (6, 1e-5_f32.to_le_bytes().into())),
            ("llama.kv", array(5, 2, &[3, 0, 0, 0, 1, 0, 0, 0])),
            ("flag", (7, vec![1])),
            ("negative", (11, (-7_i64).to_le_bytes().into())),
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.tokens", texts(&["a", "b", "ab"])),
            ("tokenizer.ggml.merges", texts(&["a b"])),
            ("tokenizer.ggml.token_type", array(5, 3, &[1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0])),
            ("tokenizer.ggml.bos_token_id", u32v(2)),
        ],
        rows: vec![("w", &[32, 3], 8, 0), ("b", &[3], 0, 128)],
        data: 128 + 12,
    }
}

#[test]
fn what_a_file_holds() {
    let file = small().parse().unwrap();
    let (w, b) = (&file.tensors()["w"], &file.tensors()["b"]);
    assert_eq!((w.dtype, w.shape.as_slice(), w.bytes.as_slice().len()), (DType::Q8_0, &[3, 32][..], 102));
    assert_eq!((b.dtype, b.shape.as_slice(), b.bytes.as_slice()[0]), (DType::F32, &[3][..], 128));
    let Config::Gguf(config) = file.config().unwrap() else { panic!("not GGUF") };
    assert_eq!(config["llama.eps"].as_f64(), Some(1e-5), "the decimal that was meant");
    assert_eq!(config["llama.kv"].to_string(), "[3,1]");
    assert_eq!((config["flag"].as_bool(), config["negative"].as_i64()), (Some(true), Some(-7)));
    assert!(config.get("tokenizer.ggml.tokens").is_none());
    let tokenizer = file.tokenizer().unwrap().unwrap();
    assert_eq!((tokenizer.model.as_str(), tokenizer.bos), ("gpt2", Some(2)));
    assert_eq!(tokenizer.tokens, ["a", "b", "ab"]);
    assert_eq!(tokenizer.merges, ["a b"]);
    assert_eq!(tokenizer.token_types, [1, 1, 3]);
    assert_eq!(file.array("llama.kv").unwrap().unwrap(), [Meta::Signed(3), Meta::Signed(1)]);
}

#[test]
fn version_2_is_read_and_others_are_refused_by_name() {
    assert!(File { version: 2, ..small() }.parse().is_ok());
    assert!(File { version: 1, ..small() }.refusal().contains("version 1"));
    assert!(File { version: 4, ..small() }.refusal().contains("version 4"));
    assert!(File { version: 3_u32.swap_bytes(), ..small() }.refusal().contains("gguf-convert-endian"));
    assert!(parse(b"PK\x03\x04".into()).unwrap_err().to_string().contains("not a GGUF file"));
}

#[test]
fn every_truncation_is_an_error() {
    let whole = small().bytes();
    for len in 0..whole.len() {
        let error = parse(whole[..len].to_vec()).expect_err("a part of a file");
        assert!(matches!(error, Error::Damaged { .. } | Error::Unsupported { .. }), "{len}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn no_flipped_bit_does_harm() {
    let mut bytes = small().bytes();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        fuzz::gguf(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn no_absurd_number_does_harm() {
    let whole = small().bytes();
    for at in 0..whole.len() - 8 {
        for number in [u64::MAX, u64::MAX / 2, 1 << 60, 1 << 32, 1 << 31, u64::from(u32::MAX)] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            fuzz::gguf(&bytes);
        }
    }
}

#[test]
fn counts_are_bounded_by_the_file() {
    let refusal = |keys| File { keys, rows: vec![], ..small() }.refusal();
    assert!(refusal(vec![("x", array(8, u64::MAX, &[]))]).contains("ends at byte"));
    assert!(refusal(vec![("x", array(4, u64::MAX, &[]))]).contains("cannot be"));
    assert!(refusal(vec![("x", array(10, u64::MAX / 8, &[]))]).contains("should follow"));
    assert!(refusal(vec![("x", array(9, 1, &array(4, 1, &[0; 4]).1))]).contains("array of arrays"));
    assert!(refusal(vec![("x", array(13, 1, &[0; 64]))]).contains("no value type 13"));
    assert!(refusal(vec![("x", (99, vec![]))]).contains("no value type 99"));
    assert!(refusal(vec![("x", (8, [&2_u64.to_le_bytes()[..], &[0xff, 0xfe]].concat()))]).contains("not UTF-8"));
    assert!(refusal(vec![("x", u32v(1)), ("x", u32v(2))]).contains("occurs twice"));
    let mut bytes = small().bytes();
    bytes[8..16].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    assert!(parse(bytes).unwrap_err().to_string().contains("no real file has more"));
}

#[test]
fn tensors_stay_in_the_file_and_apart() {
    let refusal = |rows: &[Row<'static>]| File { rows: rows.to_vec(), ..small() }.refusal();
    assert!(refusal(&[("w", &[64], 0, 0)]).contains("end after the file"));
    assert!(refusal(&[("w", &[1], 0, u64::MAX - 31)]).contains("end after the file"));
    assert!(refusal(&[("w", &[u64::MAX, u64::MAX], 0, 0)]).contains("no tensor is as large"));
    assert!(refusal(&[("w", &[33], 8, 0)]).contains("whole Q8_0 blocks"));
    assert!(refusal(&[("w", &[1], 0, 4)]).contains("no multiple of 32"));
    assert!(refusal(&[("w", &[1], 20, 0)]).contains("IQ4_NL"));
    assert!(refusal(&[("w", &[1], 12345, 0)]).contains("number 12345"));
    assert!(refusal(&[("w", &[1; 9], 0, 0)]).contains("9 dimensions"));
    assert!(refusal(&[("w", &[16], 0, 0), ("v", &[16], 0, 32)]).contains("tensors `w` and `v` overlap"));
    assert!(refusal(&[("w", &[1], 0, 0), ("w", &[1], 0, 32)]).contains("occurs twice"));
}

#[test]
fn alignment_and_parts_are_checked() {
    let refusal = |key, value| File { keys: vec![(key, value)], rows: vec![], ..small() }.refusal();
    for bad in [0, 3, 1 << 31] {
        assert!(refusal("general.alignment", u32v(bad)).contains("power of two"));
    }
    assert!(refusal("split.count", (2, vec![3, 0])).contains("one of 3 parts"));
    let aligned = File { keys: vec![("general.alignment", u32v(64))], rows: vec![("b", &[1], 0, 64)], ..small() };
    assert!(aligned.parse().is_ok());
}

#[test]
fn nan_weights_are_weights() {
    let file = File { rows: vec![("w", &[2], 0, 0)], ..small() };
    let mut bytes = file.bytes();
    let start = bytes.len() - file.data;
    bytes[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let gguf = parse(bytes).unwrap();
    let mut values = [0.0; 2];
    kernels::quant::dequantize(DType::F32, gguf.tensors()["w"].bytes.as_slice(), &mut values);
    assert!(values[0].is_nan());
}

#[test]
fn a_tokenizer_of_the_wrong_kinds_is_an_error() {
    let of = |value: Encoded| {
        let keys = vec![("tokenizer.ggml.model", text("gpt2")), ("tokenizer.ggml.tokens", value)];
        File { keys, rows: vec![], ..small() }.parse().unwrap().tokenizer()
    };
    assert!(of(u32v(1)).unwrap_err().to_string().contains("should be an array"));
    assert!(of(array(4, 1, &[0; 4])).unwrap_err().to_string().contains("should hold texts"));
    let bad = array(8, 1, &[&2_u64.to_le_bytes()[..], &[0xff, 0xfe]].concat());
    assert!(of(bad).unwrap_err().to_string().contains("not UTF-8"));
}
