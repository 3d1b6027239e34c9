//! Tests of [`super`].

use std::cell::Cell;
use std::collections::BTreeMap;

use engine::Stored;
use kernels::DType;

use super::{of_tensors, remembered_in};

fn tensor(shape: &[usize], bytes: &[u8]) -> Stored {
    Stored { dtype: DType::U8, shape: shape.into(), bytes: bytes.to_vec().into() }
}

fn digest(tensors: &[(&str, Stored)]) -> String {
    of_tensors(&tensors.iter().map(|(name, t)| ((*name).to_owned(), t.clone())).collect::<BTreeMap<_, _>>())
}

#[test]
fn stays_as_it_is_defined() {
    // SHA-256 of 1:u64 "a" 2:u64 "U8" 1:u64 2:u64 2:u64 "xy", computed elsewhere.
    let expected = "565f6d230770e1339a37a95bf9655ae9f2f89da2783aeb729b9434744e6833cd";
    assert_eq!(digest(&[("a", tensor(&[2], b"xy"))]), expected);
}

#[test]
fn names_shapes_encodings_and_bytes_all_count() {
    let base = digest(&[("a", tensor(&[2], b"xy")), ("b", tensor(&[1], b"z"))]);
    let others = [
        digest(&[("a", tensor(&[2], b"xy"))]),
        digest(&[("c", tensor(&[2], b"xy")), ("b", tensor(&[1], b"z"))]),
        digest(&[("a", tensor(&[1, 2], b"xy")), ("b", tensor(&[1], b"z"))]),
        digest(&[("a", tensor(&[2], b"xz")), ("b", tensor(&[1], b"z"))]),
        digest(&[("a", Stored { dtype: DType::I8, ..tensor(&[2], b"xy") }), ("b", tensor(&[1], b"z"))]),
    ];
    assert!(others.iter().all(|other| *other != base));
    assert_eq!(base, digest(&[("b", tensor(&[1], b"z")), ("a", tensor(&[2], b"xy"))]));
}

#[test]
fn remembered_until_a_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, file) = (dir.path().join("cache"), dir.path().join("model"));
    std::fs::write(&file, b"one").unwrap();
    let computed = Cell::new(0);
    let ask = |value: &str| {
        let files = [file.clone()];
        remembered_in(Some(&cache), &files, || {
            computed.set(computed.get() + 1);
            value.repeat(64)
        })
        .unwrap()
    };
    assert_eq!((ask("a"), computed.get()), ("a".repeat(64), 1));
    assert_eq!((ask("b"), computed.get()), ("a".repeat(64), 1));
    std::fs::write(&file, b"other").unwrap();
    assert_eq!((ask("c"), computed.get()), ("c".repeat(64), 2));
    // A cache that is damaged is written anew.
    for entry in std::fs::read_dir(cache.join("digests")).unwrap() {
        std::fs::write(entry.unwrap().path(), b"{\"files\":").unwrap();
    }
    assert_eq!((ask("d"), computed.get()), ("d".repeat(64), 3));
    assert_eq!((ask("e"), computed.get()), ("d".repeat(64), 3));
}

#[test]
fn without_a_cache_it_is_computed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model");
    std::fs::write(&file, b"one").unwrap();
    assert_eq!(remembered_in(None, std::slice::from_ref(&file), || "x".into()).unwrap(), "x");
    // A place where no folder can be made: a file is in its way.
    assert_eq!(remembered_in(Some(&file), std::slice::from_ref(&file), || "y".into()).unwrap(), "y");
    assert!(remembered_in(None, &[dir.path().join("none")], || "z".into()).is_err());
}
