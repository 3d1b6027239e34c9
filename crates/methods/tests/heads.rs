//! Patterns and the scores of heads.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Edit, Error};
use kernels::Cpu;
use methods::{Subject, duplicate_token, first_token, induction, patterns, previous_token, random_repeat};
use support::Golden;

#[test]
fn patterns_are_hugging_faces() {
    let golden = Golden::new("qwen3");
    let model = golden.model(Arc::new(Cpu::new()));
    let subject = Subject { model: &*model, tokens: &golden.tokens, edits: &[], memory: None, kept: None };
    let all = patterns(subject, None, None, &mut |_, _| Ok(())).unwrap();
    let n = golden.tokens.len();
    assert_eq!((all.layers.as_slice(), all.heads.as_slice(), all.positions), (&[0, 1][..], &[0, 1, 2, 3][..], n));
    let known: Vec<f64> = (0..2).flat_map(|i| golden.known(&format!("blocks.{i}.attn.pattern"))).collect();
    assert_eq!(all.data.len(), known.len());
    assert!(all.data.iter().zip(&known).all(|(x, known)| (f64::from(*x) - known).abs() < 1e-5));
    let one = patterns(subject, Some(1), Some(2), &mut |_, _| Ok(())).unwrap();
    assert_eq!(one.data, all.data[6 * n * n..7 * n * n]);
    assert!(matches!(patterns(subject, Some(2), None, &mut |_, _| Ok(())), Err(Error::Input(_))));
    assert!(matches!(patterns(subject, None, Some(4), &mut |_, _| Ok(())), Err(Error::Input(_))));
}

/// A head that gives all its attention to one source, chosen for each destination.
fn looking(positions: usize, at: impl Fn(usize) -> usize) -> Vec<f32> {
    let mut pattern = vec![0.0; positions * positions];
    for dst in 0..positions {
        pattern[dst * positions + at(dst)] = 1.0;
    }
    pattern
}

#[test]
fn scores_tell_the_kinds_of_head_apart() {
    let tokens = [7, 8, 9, 7, 8, 9];
    let previous = looking(6, |dst| dst.saturating_sub(1));
    let first = looking(6, |_| 0);
    let duplicate = looking(6, |dst| if dst >= 3 { dst - 3 } else { dst });
    let after = looking(6, |dst| if dst >= 3 { dst - 2 } else { 0 });
    let scores = |pattern: &[f32]| {
        [previous_token(pattern, 6), first_token(pattern, 6), duplicate_token(pattern, &tokens), induction(pattern, 3)]
    };
    let fifth = 1.0 / 5.0;
    assert_eq!(scores(&previous), [1.0, fifth, 0.0, 0.0]);
    assert_eq!(scores(&first), [fifth, 1.0, 1.0 / 3.0, 0.0]);
    assert_eq!(scores(&duplicate), [0.0, fifth, 1.0, 0.0]);
    assert_eq!(scores(&after), [fifth, 2.0 / 5.0, 0.0, 1.0]);
    assert!(duplicate_token(&previous, &[1, 2, 3, 4, 5, 6]).is_nan());
    assert!(previous_token(&[1.0], 1).is_nan());
    assert_eq!(duplicate_token(&looking(3, |_| 1), &[4, 4, 4]), 0.5, "attention to oneself is not to a duplicate");
}

#[test]
fn a_random_repeat_is_even_and_repeats() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let edits: Vec<Edit> = [
        "blocks.0.attn.z[head=1]=zero",
        "blocks.0.attn.z[pos=-1]=zero",
        "blocks.0.attn.pattern[src=0]=zero",
        "embed=patch:other",
    ]
    .map(|edit| edit.parse().unwrap())
    .into();
    let subject = Subject { model: &*model, tokens: &[1], edits: &edits, memory: None, kept: None };
    let (tokens, held) = random_repeat(subject, 32, 1).unwrap();
    assert_eq!(tokens[..32], tokens[32..]);
    assert_eq!(held, edits[..1]);
    assert_eq!(random_repeat(subject, 32, 1).unwrap().0, tokens);
    assert_ne!(random_repeat(subject, 32, 2).unwrap().0, tokens);
    for wrong in [0, 1, 33] {
        assert!(random_repeat(subject, wrong, 0).is_err(), "{wrong} tokens twice in 64 positions");
    }
    let mut counts = [0; 128];
    for seed in 0..4000 {
        random_repeat(subject, 32, seed).unwrap().0[..32].iter().for_each(|&token| counts[token as usize] += 1);
    }
    // A thousand of each are expected; five standard deviations of that are about 160.
    assert!(counts.iter().all(|count| (840..1160).contains(count)), "{counts:?}");
}
