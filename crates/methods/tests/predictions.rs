//! The logit lens and the next tokens against plain f64 arithmetic on Hugging Face's own activations.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Error, Model};
use kernels::{Backend, Cpu, Naive};
use methods::{Subject, logit_lens, next_tokens};
use support::Golden;

const K: usize = 4;

fn subject<'a>(model: &'a dyn Model, tokens: &'a [u32]) -> Subject<'a> {
    Subject { model, tokens, edits: &[], memory: None, kept: None }
}

/// Natural log-softmax.
fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total = logits.iter().map(|x| (x - most).exp()).sum::<f64>().ln() + most;
    logits.iter().map(|x| x - total).collect()
}

/// Token ids by falling value.
fn order(values: &[f64]) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..values.len()).collect();
    ids.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    ids
}

/// Final norm and unembedding of one position of the stream, then log-softmax.
fn unembedded(golden: &Golden, resid: &[f64]) -> Vec<f64> {
    let gain = golden.weight("model.norm.weight").unwrap();
    let matrix = golden.weight("lm_head.weight").or_else(|| golden.weight("model.embed_tokens.weight")).unwrap();
    let scale = (resid.iter().map(|x| x * x).sum::<f64>() / resid.len() as f64 + golden.eps()).sqrt();
    let normed: Vec<f64> = resid.iter().zip(&gain).map(|(x, g)| x / scale * g).collect();
    let logits = matrix.chunks_exact(resid.len()).map(|row| row.iter().zip(&normed).map(|(w, x)| w * x).sum());
    log_softmax(&logits.collect::<Vec<_>>())
}

fn check_lens(name: &str, backend: Arc<dyn Backend>, allowed: f64) {
    let golden = Golden::new(name);
    let model = golden.model(backend);
    let lens = logit_lens(subject(&*model, &golden.tokens), K, &mut |_, _| Ok(())).unwrap();
    let n = golden.tokens.len();
    let points: Vec<String> =
        std::iter::once("embed".into()).chain((0..lens.layers - 1).map(|i| format!("blocks.{i}.resid_post"))).collect();
    assert_eq!((lens.positions, points.len()), (n, model.spec().sizes.n_layers + 1));
    let d_model = model.spec().sizes.d_model;
    let at = |point: &str, pos: usize| unembedded(&golden, &golden.known(point)[pos * d_model..(pos + 1) * d_model]);
    for pos in 0..n {
        let last = at(points.last().unwrap(), pos);
        let first = order(&last)[0];
        for (layer, point) in points.iter().enumerate() {
            let cell = layer * n + pos;
            let row = at(point, pos);
            for (j, &id) in order(&row)[..K].iter().enumerate() {
                assert_eq!(lens.top_ids[cell * K + j] as usize, id, "{name}: {point}, position {pos}");
                assert!((f64::from(lens.top_probs[cell * K + j]) - row[id].exp()).abs() < allowed);
            }
            let kl: f64 = last.iter().zip(&row).map(|(p, q)| p.exp() * (p - q)).sum();
            assert!((lens.kl_to_final[cell] - kl).abs() < allowed * 10.0, "{} {kl}", lens.kl_to_final[cell]);
            assert_eq!(lens.rank_of_final[cell] as usize, order(&row).iter().position(|&id| id == first).unwrap());
        }
    }
    assert!(lens.kl_to_final[(lens.layers - 1) * n..].iter().all(|&kl| kl == 0.0));
    assert!(lens.kl_to_final[..n].iter().any(|&kl| kl > 0.1), "the embedding is not the answer");
}

#[test]
fn the_lens_is_plain_arithmetic_on_the_stream() {
    for name in ["llama", "qwen2", "qwen3", "mistral"] {
        check_lens(name, Arc::new(Naive), 1e-6);
        check_lens(name, Arc::new(Cpu::new()), 1e-5);
    }
}

#[test]
fn next_tokens_are_plain_arithmetic_on_the_logits() {
    for name in ["llama", "mistral"] {
        let golden = Golden::new(name);
        let model = golden.model(Arc::new(Cpu::new()));
        let found = next_tokens(subject(&*model, &golden.tokens), K, &mut |_, _| Ok(())).unwrap();
        let n = golden.tokens.len();
        let logits = golden.known("logits");
        for (pos, row) in logits.chunks_exact(logits.len() / n).enumerate() {
            let row = log_softmax(row);
            let order = order(&row);
            for (j, &id) in order[..K].iter().enumerate() {
                assert_eq!(found.top_ids[pos * K + j] as usize, id);
                assert!((f64::from(found.top_probs[pos * K + j]) - row[id].exp()).abs() < 1e-5);
            }
            let entropy: f64 = row.iter().map(|x| -x.exp() * x).sum();
            assert!((found.entropy[pos] - entropy).abs() < 1e-5);
            match golden.tokens.get(pos + 1).map(|&next| next as usize) {
                Some(next) => {
                    assert!((f64::from(found.actual_logprob[pos]) - row[next]).abs() < 1e-5);
                    assert_eq!(found.actual_rank[pos] as usize, order.iter().position(|&id| id == next).unwrap());
                }
                None => assert!(found.actual_logprob[pos].is_nan() && found.actual_rank[pos] == -1),
            }
        }
    }
}

#[test]
fn long_prompts_are_answered_in_pieces() {
    // More positions than are compared at once; a position's answer does not depend on how many follow.
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let long: Vec<u32> = (0..64).map(|i| (i * 37 + 5) % 128).collect();
    let mut told = Vec::new();
    let whole = logit_lens(subject(&*model, &long), K, &mut |done, of| {
        told.push((done, of));
        Ok(())
    })
    .unwrap();
    let part = logit_lens(subject(&*model, &long[..20]), K, &mut |_, _| Ok(())).unwrap();
    for layer in 0..whole.layers {
        let cells = |lens: &methods::LogitLens| lens.kl_to_final[layer * lens.positions..][..20].to_vec();
        assert_eq!(cells(&whole), cells(&part));
    }
    assert!(told.len() > 2 && told.is_sorted() && told.last() == Some(&(6 * 64, 6 * 64)));
}

#[test]
fn edits_behind_the_last_block_reach_the_answer() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let edits = ["ln_final.normalized[d_model=3]=*-8".parse().unwrap()];
    let plain = subject(&*model, &golden.tokens);
    let edited = Subject { edits: &edits, ..plain };
    let [a, b] = [plain, edited].map(|subject| logit_lens(subject, K, &mut |_, _| Ok(())).unwrap());
    let last = a.top_probs.len() - golden.tokens.len() * K;
    assert_eq!(a.top_probs[..last], b.top_probs[..last]);
    assert_ne!(a.top_probs[last..], b.top_probs[last..]);
    let next = next_tokens(edited, K, &mut |_, _| Ok(())).unwrap();
    assert_eq!(next.top_probs, b.top_probs[last..]);
}

#[test]
fn wrong_questions_and_bad_numbers_are_errors() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let ask = |subject, k| logit_lens(subject, k, &mut |_, _| Ok(())).unwrap_err();
    let plain = subject(&*model, &golden.tokens);
    assert!(matches!(ask(plain, 0), Error::Input(_)));
    assert!(matches!(ask(plain, 129), Error::Input(_)));
    assert!(matches!(ask(Subject { tokens: &[], ..plain }, 1), Error::Input(_)));
    assert!(matches!(ask(Subject { memory: Some(10), ..plain }, 1), Error::Memory { .. }));
    let edits = ["blocks.1.mlp_out=*1e300".parse().unwrap()];
    let bad = Subject { edits: &edits, ..plain };
    assert!(matches!(ask(bad, 1), Error::NotFinite { point, .. } if point == "blocks.1.mlp_out"));
    let cancelled = logit_lens(plain, 1, &mut |_, _| Err(Error::Cancelled)).unwrap_err();
    assert!(matches!(cancelled, Error::Cancelled));
}
