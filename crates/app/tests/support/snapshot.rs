//! Answers kept as text in `tests/snapshots/`, compared up to the rounding of their numbers. `PELLUCID_SNAPSHOTS=write`
//! writes what is found instead.

use std::path::PathBuf;

/// Compares with the snapshot of that name.
pub fn check(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var("PELLUCID_SNAPSHOTS").is_ok_and(|value| value == "write") {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((number, ours, theirs)) = difference(found, &expected) {
        panic!("{name}, line {number}:\n  found    {ours}\n  expected {theirs}");
    }
}

/// The first lines that differ by more than the rounding of their numbers.
fn difference<'a>(found: &'a str, expected: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let (mut ours, mut theirs) = (found.lines(), expected.lines());
    for number in 1.. {
        match (ours.next(), theirs.next()) {
            (None, None) => return None,
            (a, b) if a.zip(b).is_some_and(|(a, b)| same(a, b)) => {}
            (a, b) => return Some((number, a.unwrap_or("(nothing)"), b.unwrap_or("(nothing)"))),
        }
    }
    None
}

/// Equal text, and numbers equal up to the rounding of f32 arithmetic and of printing.
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (pieces(a), pieces(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-4 * a.abs().max(b.abs()).max(1e-3),
            _ => a == b,
        })
}

/// Numbers and what is between them.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let numeric = |c: char| c.is_ascii_digit() || ".e-+".contains(c);
    for (at, pair) in
        line.char_indices().zip(line.chars().skip(1)).map(|((at, c), next)| (at + c.len_utf8(), (c, next)))
    {
        if numeric(pair.0) != numeric(pair.1) {
            pieces.push(&line[start..at]);
            start = at;
        }
    }
    pieces.push(&line[start..]);
    pieces
}

#[test]
fn rounding_is_allowed_and_nothing_else() {
    assert!(same("a 0.123456 b", "a 0.123457 b") && same("", "") && same("x", "x"));
    assert!(!same("a 0.123 b", "a 0.124 b") && !same("a 1", "b 1") && !same("1 2", "1") && !same("", "x"));
}
