//! Tests of [`super`].

use std::path::Path;

use kernels::{Bytes, DType};

use super::Safetensors;
use crate::{Error, Result, fuzz};

fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend((0..data).map(|i| i as u8));
    bytes
}

fn parse(bytes: Vec<u8>) -> Result<Safetensors> {
    Safetensors::parse(&Bytes::from(bytes), Path::new("m.safetensors"))
}

fn refusal(header: &str, data: usize) -> String {
    parse(file(header, data)).unwrap_err().to_string()
}

const GOOD: &str = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[],"data_offsets":[24,32]},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;

#[test]
fn what_a_file_holds() {
    let read = parse(file(GOOD, 32)).unwrap();
    assert_eq!(read.metadata["format"], "pt");
    let (a, b) = (&read.tensors["a"], &read.tensors["b"]);
    assert_eq!((a.dtype, a.shape.as_slice(), a.bytes.as_slice().len()), (DType::F32, &[2, 3][..], 24));
    assert_eq!((b.dtype, b.shape.len(), b.bytes.as_slice()[0]), (DType::I64, 0, 24));
}

#[test]
fn every_truncation_and_every_addition_is_an_error() {
    let whole = file(GOOD, 32);
    for len in 0..whole.len() {
        let error = parse(whole[..len].to_vec()).expect_err("a part of a file");
        assert!(matches!(error, Error::Damaged { .. }), "{len}: {error}");
    }
    assert!(refusal(GOOD, 33).contains("1 bytes of it belong to no tensor"));
    assert!(refusal(GOOD, 31).contains("the file ends 1 bytes before this tensor does"));
}

#[test]
fn no_flipped_bit_does_harm() {
    let mut bytes = file(GOOD, 32);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        fuzz::safetensors(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let one = |body: &str, data| refusal(&format!("{{\"a\":{{{body}}}}}"), data);
    let shape = |s: &str| format!(r#""dtype":"F32","shape":{s},"data_offsets":[0,4]"#);
    let offsets = |o: &str| format!(r#""dtype":"F32","shape":[1],"data_offsets":{o}"#);
    assert!(one(&shape("[2]"), 4).contains("takes 8 bytes"));
    assert!(one(&shape("[18446744073709551615,18446744073709551615]"), 4).contains("no tensor is as large"));
    assert!(one(&shape("[-1]"), 4).contains("header is not right"));
    assert!(one(&shape("[1e99]"), 4).contains("header is not right"));
    assert!(one(&offsets("[4,0]"), 4).contains("its offsets are 4 to 0"));
    assert!(one(&offsets("[18446744073709551611,18446744073709551615]"), 4).contains("the file ends"));
    assert!(one(r#""dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]"#, 4).contains("F8_E4M3"));
    assert!(one(r#""dtype":"F32""#, 0).contains("missing field"));
    assert!(refusal("[]", 0).contains("an object of tensors"));
    assert!(refusal(&"[".repeat(100_000), 0).contains("header is not right"));
    let row = |name: &str, from: u32, to: u32| {
        format!(r#""{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[{from},{to}]}}"#, to - from)
    };
    assert!(refusal(&format!("{{{},{}}}", row("a", 0, 4), row("a", 0, 4)), 4).contains("occurs twice"));
    assert!(refusal(&format!("{{{},{}}}", row("a", 0, 4), row("b", 2, 6)), 6).contains("`a` and `b` overlap"));
    assert!(refusal(&format!("{{{},{}}}", row("a", 0, 2), row("b", 4, 6)), 6).contains("belong to no tensor"));
}

#[test]
fn a_header_longer_than_any_is_not_even_looked_for() {
    let mut bytes = u64::MAX.to_le_bytes().to_vec();
    bytes.extend([0; 64]);
    assert!(parse(bytes).unwrap_err().to_string().contains("may not be a safetensors file"));
}
