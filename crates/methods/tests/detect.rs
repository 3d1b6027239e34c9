//! Scores of patterns against ones that are looked for, by hand.

#![allow(clippy::unwrap_used, reason = "a test may")]

use methods::{Kind, Match, Measure};

/// Three tokens, the pattern of one head.
const PATTERN: [f32; 9] = [1.0, 0.0, 0.0, 0.75, 0.25, 0.0, 0.5, 0.25, 0.25];

fn score(wanted: &[f32], how: Match) -> f64 {
    how.score(&PATTERN, wanted, 3)
}

#[test]
fn wanted_patterns_are_the_definitions() {
    let rows = |kind: Kind, tokens: &[u32]| -> Vec<Vec<usize>> {
        let looks = |row: &[f32]| (0..tokens.len()).filter(|&src| row[src] == 1.0).collect();
        kind.wanted(tokens).chunks_exact(tokens.len()).map(looks).collect()
    };
    let tokens = [7, 8, 7, 7, 8];
    assert_eq!(rows(Kind::Previous, &tokens), [vec![], vec![0], vec![1], vec![2], vec![3]]);
    assert_eq!(rows(Kind::First, &tokens), [vec![], vec![0], vec![0], vec![0], vec![0]]);
    assert_eq!(rows(Kind::Duplicate, &tokens), [vec![], vec![], vec![0], vec![0, 2], vec![1]]);
    // After the 7 at 0 comes place 1, after the 7 at 2 place 3, after the 8 at 1 place 2.
    assert_eq!(rows(Kind::Induction, &tokens), [vec![], vec![], vec![1], vec![1, 3], vec![2]]);
    assert_eq!(Kind::Previous.wanted(&[]), [0.0; 0]);
}

#[test]
fn measures_are_plain_sums() {
    let previous = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let mul = Match::default();
    assert_eq!(score(&previous, mul), (0.75 + 0.25) / 3.0);
    // Without the first column: 0.25 of the attention 0.25 + 0.25 + 0.25.
    assert_eq!(score(&previous, Match { exclude_first: true, ..mul }), 1.0 / 3.0);
    // Without the diagonal: 1.0 of 0.75 + 0.5 + 0.25.
    assert_eq!(score(&previous, Match { exclude_current: true, ..mul }), 1.0 / 1.5);
    assert_eq!(score(&previous, Match { exclude_first: true, exclude_current: true, ..mul }), 1.0);
    let abs = Match { measure: Measure::Abs, ..mul };
    assert_eq!(score(&PATTERN, abs), 1.0);
    // Differences: 1 in row 0, 0.25 + 0.25 in row 1, 0.5 + 0.75 + 0.25 in row 2.
    assert_eq!(score(&previous, abs), 1.0 - 3.0 / 3.0);
    assert_eq!(score(&previous, Match { exclude_first: true, ..abs }), 1.0 - 1.25 / 3.0);
    assert_eq!(score(&previous, Match { exclude_first: true, exclude_current: true, ..abs }), 1.0 - 0.75 / 3.0);
}

#[test]
fn nothing_left_has_no_score() {
    let how = Match { exclude_first: true, ..Match::default() };
    assert!(how.score(&[1.0, 0.0, 1.0, 0.0], &[0.0; 4], 2).is_nan());
    assert_eq!(Match { measure: Measure::Abs, ..how }.score(&[1.0, 0.0, 1.0, 0.0], &[0.0; 4], 2), 1.0);
}
