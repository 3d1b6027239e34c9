//! Norms and similarities of the residual stream against plain f64 arithmetic on Hugging Face's own activations.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Edit, Error};
use kernels::Cpu;
use methods::{Residual, Subject, residual};
use support::Golden;

fn of(golden: &Golden, edits: &[Edit]) -> Residual {
    let model = golden.model(Arc::new(Cpu::new()));
    let subject = Subject { model: &*model, tokens: &golden.tokens, edits, memory: None, kept: None };
    residual(subject, &mut |_, _| Ok(())).unwrap()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / norm(a) / norm(b)
}

fn close(ours: f32, known: f64) {
    assert!((f64::from(ours) - known).abs() < 1e-4 * known.abs().max(1.0), "{ours} {known}");
}

#[test]
fn norms_and_cosines_are_plain_arithmetic_on_the_stream() {
    for (name, parallel) in [("llama", false), ("qwen3", false), ("gpt2", false), ("neox", true)] {
        let golden = Golden::new(name);
        let found = of(&golden, &[]);
        let (n, d, blocks) = (found.positions, found.d_model, found.blocks);
        assert_eq!(n, golden.tokens.len());
        let point = |i: usize, local: &str| golden.known(&format!("blocks.{i}.{local}"));
        let row = |i: usize| if i == 0 { point(0, "resid_pre") } else { point(i - 1, "resid_post") };
        let at = |x: &[f64], pos: usize| x[pos * d..(pos + 1) * d].to_vec();
        let (norms, similar) = (found.norms(), found.similarity());
        for pos in 0..n {
            for i in 0..=blocks {
                close(norms.resid[i * n + pos], norm(&at(&row(i), pos)));
            }
            for i in 0..blocks {
                let cell = i * n + pos;
                let (attn, mlp) = (at(&point(i, "attn_out"), pos), at(&point(i, "mlp_out"), pos));
                let before = at(&row(i), pos);
                let middle = if parallel { before.clone() } else { at(&point(i, "resid_mid"), pos) };
                close(norms.attn_out[cell], norm(&attn));
                close(norms.mlp_out[cell], norm(&mlp));
                close(norms.attn_share[cell], norm(&attn) / norm(&before));
                close(norms.mlp_share[cell], norm(&mlp) / norm(&middle));
                close(similar.consecutive[cell], cosine(&before, &at(&row(i + 1), pos)));
                close(similar.attn_cosine[cell], cosine(&attn, &before));
                close(similar.mlp_cosine[cell], cosine(&mlp, &middle));
                let update: Vec<f64> = attn.iter().zip(&mlp).map(|(a, b)| a + b).collect();
                close(similar.attn_share[cell], dot(&attn, &update) / dot(&update, &update));
                close(similar.attn_share[cell] + similar.mlp_share[cell], 1.0);
            }
        }
        for i in 0..=blocks {
            for j in 0..=blocks {
                let mean = (0..n).map(|pos| cosine(&at(&row(i), pos), &at(&row(j), pos))).sum::<f64>() / n as f64;
                close(similar.rows[i * (blocks + 1) + j], mean);
            }
        }
    }
}

#[test]
fn what_is_removed_writes_nothing() {
    let golden = Golden::new("llama");
    let edits = ["blocks.1.mlp_out=zero".parse().unwrap()];
    let found = of(&golden, &edits);
    let n = found.positions;
    let (norms, similar) = (found.norms(), found.similarity());
    assert!(norms.mlp_out[n..2 * n].iter().chain(&norms.mlp_share[n..2 * n]).all(|&x| x == 0.0));
    assert!(similar.attn_share[n..2 * n].iter().all(|&x| x == 1.0), "the attention writes the whole update");
    assert!(similar.mlp_cosine[n..2 * n].iter().all(|x| x.is_nan()), "nothing has no direction");
    assert!(norms.mlp_out[..n].iter().all(|&x| x > 0.0));
}

#[test]
fn damage_and_impatience_are_errors() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let edits = ["blocks.0.mlp_out=*1e300".parse().unwrap()];
    let subject = Subject { model: &*model, tokens: &golden.tokens, edits: &edits, memory: None, kept: None };
    let error = residual(subject, &mut |_, _| Ok(())).unwrap_err();
    assert!(matches!(error, Error::NotFinite { point, .. } if point == "blocks.0.mlp_out"));
    let plain = Subject { edits: &[], ..subject };
    assert!(matches!(residual(plain, &mut |_, _| Err(Error::Cancelled)), Err(Error::Cancelled)));
    assert!(matches!(residual(Subject { memory: Some(10), ..plain }, &mut |_, _| Ok(())), Err(Error::Memory { .. })));
}
