//! Circuits of heads against the whole matrices, which the method never makes.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::Error;
use kernels::{Backend, Cpu, Naive};
use methods::{CircuitOptions, HeadCircuits, Pair, head_circuits};
use nalgebra::DMatrix;
use support::Golden;

const OPTIONS: CircuitOptions = CircuitOptions { k: 12, positions: 10, draws: 4, seed: 1 };

fn ask(golden: &Golden, backend: Arc<dyn Backend>, layer: usize, head: usize) -> HeadCircuits {
    head_circuits(&*golden.model(backend), layer, head, OPTIONS, &mut |_, _| Ok(())).unwrap()
}

/// A tensor of the file as a matrix.
fn matrix(golden: &Golden, name: &str, columns: usize) -> DMatrix<f64> {
    let values = golden.weight(name).unwrap();
    DMatrix::from_row_slice(values.len() / columns, columns, &values)
}

/// A matrix whose columns are multiplied by a gain.
fn times(matrix: &DMatrix<f64>, gain: &[f64]) -> DMatrix<f64> {
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |r, c| matrix[(r, c)] * gain[c])
}

/// A matrix whose rows have the mean 0.
fn centred(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |r, c| matrix[(r, c)] - matrix.row(r).mean())
}

/// A head's whole circuits: QK `[d_model, d_model]` from source to destination, OV `[d_model, d_model]` from source to
/// output, both through the norm before.
struct Whole {
    qk: DMatrix<f64>,
    ov: DMatrix<f64>,
}

fn llama(golden: &Golden, layer: usize, head: usize) -> Whole {
    let part = |name: &str, head: usize| {
        let whole = matrix(golden, &format!("model.layers.{layer}.self_attn.{name}_proj.weight"), 32);
        let gain = golden.weight(&format!("model.layers.{layer}.input_layernorm.weight")).unwrap();
        times(&whole.rows(head * 8, 8).into_owned(), &gain)
    };
    let o = matrix(golden, &format!("model.layers.{layer}.self_attn.o_proj.weight"), 32);
    Whole {
        qk: part("q", head).transpose() * part("k", head / 2) / 8_f64.sqrt(),
        ov: o.columns(head * 8, 8) * part("v", head / 2),
    }
}

fn gpt2(golden: &Golden, layer: usize, head: usize) -> Whole {
    let whole = matrix(golden, &format!("h.{layer}.attn.c_attn.weight"), 72).transpose();
    let gain = golden.weight(&format!("h.{layer}.ln_1.weight")).unwrap();
    let part = |which: usize| centred(&times(&whole.rows(which * 24 + head * 8, 8).into_owned(), &gain));
    let o = matrix(golden, &format!("h.{layer}.attn.c_proj.weight"), 24).transpose();
    Whole { qk: part(0).transpose() * part(1) / 8_f64.sqrt(), ov: o.columns(head * 8, 8) * part(2) }
}

fn check_pairs(found: &[Pair], known: &DMatrix<f64>) {
    let mut all: Vec<f64> = known.iter().copied().collect();
    all.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(found.len(), OPTIONS.k);
    for (pair, expected) in found.iter().zip(&all) {
        assert!((pair.score - expected).abs() < 1e-5 * all[0], "{} {expected}", pair.score);
        assert!((pair.score - known[(pair.left as usize, pair.right as usize)]).abs() < 1e-5 * all[0]);
    }
}

/// Token circuits: destination by source, source by output; and the copying score of all eigenvalues of the latter.
fn check(found: &HeadCircuits, whole: &Whole, embedding: &DMatrix<f64>, unembedding: &DMatrix<f64>) {
    check_pairs(&found.looks, &(embedding * &whole.qk * embedding.transpose()));
    let ov = embedding * whole.ov.transpose() * unembedding.transpose();
    check_pairs(&found.writes, &ov);
    let eigenvalues = ov.complex_eigenvalues();
    let sum: f64 = eigenvalues.iter().map(|x| x.re).sum();
    let sizes: f64 = eigenvalues.iter().map(|x| x.norm()).sum();
    assert!((found.copying - sum / sizes).abs() < 1e-4, "{} {}", found.copying, sum / sizes);
}

#[test]
fn circuits_are_those_of_the_whole_matrices() {
    let golden = Golden::new("llama");
    let embedding = matrix(&golden, "model.embed_tokens.weight", 32);
    let unembedding = times(&embedding, &golden.weight("model.norm.weight").unwrap());
    for (layer, head) in [(0, 0), (1, 1), (1, 3)] {
        for backend in [Arc::new(Cpu::new()) as Arc<dyn Backend>, Arc::new(Naive)] {
            let found = ask(&golden, backend, layer, head);
            check(&found, &llama(&golden, layer, head), &embedding, &unembedding);
        }
    }
    let golden = Golden::new("gpt2");
    let embedding = matrix(&golden, "wte.weight", 24);
    let unembedding = centred(&times(&embedding, &golden.weight("ln_f.weight").unwrap()));
    for (layer, head) in [(0, 2), (1, 0)] {
        let found = ask(&golden, Arc::new(Cpu::new()), layer, head);
        check(&found, &gpt2(&golden, layer, head), &embedding, &unembedding);
    }
}

#[test]
fn compositions_are_those_of_the_whole_matrices() {
    let golden = Golden::new("llama");
    let score = |a: &DMatrix<f64>, b: &DMatrix<f64>| (a * b).norm() / (a.norm() * b.norm());
    for head in 0..4 {
        let found = ask(&golden, Arc::new(Cpu::new()), 1, head);
        let own = llama(&golden, 1, head);
        for before in 0..4 {
            let ov = llama(&golden, 0, before).ov;
            for (scores, known) in [
                (&found.compositions.q, score(&own.qk.transpose(), &ov)),
                (&found.compositions.k, score(&own.qk, &ov)),
                (&found.compositions.v, score(&own.ov, &ov)),
            ] {
                assert!((scores[before] + found.baseline.mean - known).abs() < 1e-6, "{} {known}", scores[before]);
            }
        }
    }
    let first = ask(&golden, Arc::new(Cpu::new()), 0, 0).compositions;
    assert!(first.q.is_empty() && first.k.is_empty() && first.v.is_empty());
}

#[test]
fn the_baseline_is_that_of_whole_random_matrices() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let ask = |draws, seed| {
        let options = CircuitOptions { k: 1, positions: 1, draws, seed };
        head_circuits(&*model, 0, 0, options, &mut |_, _| Ok(())).unwrap().baseline
    };
    let found = ask(2000, 3);
    assert_eq!(found, ask(2000, 3));
    assert_ne!(found, ask(2000, 4));
    // Another source of even numbers (Weyl's sequence of the golden ratio's powers would be too regular): a linear
    // congruential generator, and whole products of 32 by 32.
    let mut state = 12_345_u64;
    let mut even = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let scores: Vec<f64> = (0..2000)
        .map(|_| {
            let [a, b, c, d] = [(); 4].map(|()| DMatrix::from_fn(8, 32, |_, _| even()));
            let (left, right) = (a.transpose() * b, c.transpose() * d);
            (&left * &right).norm() / (left.norm() * right.norm())
        })
        .collect();
    let mean = scores.iter().sum::<f64>() / 2000.0;
    let deviation = (scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1999.0).sqrt();
    // Five standard errors of either.
    assert!((found.mean - mean).abs() < 5.0 * deviation * (2.0_f64 / 2000.0).sqrt(), "{} {mean}", found.mean);
    assert!((found.deviation / deviation - 1.0).abs() < 0.15, "{} {deviation}", found.deviation);
}

#[test]
fn positions_alone_learned() {
    let golden = Golden::new("gpt2");
    let positions = matrix(&golden, "wpe.weight", 24);
    let known = &positions * gpt2(&golden, 0, 1).qk * positions.transpose();
    let found = ask(&golden, Arc::new(Cpu::new()), 0, 1);
    assert_eq!(found.positions, 10);
    for (dst, src) in (0..10).flat_map(|dst| (0..10).map(move |src| (dst, src))) {
        let score = found.positional[dst * 10 + src];
        assert!(if src > dst { score.is_nan() } else { (score - known[(dst, src)]).abs() < 1e-5 });
    }
    let options = CircuitOptions { positions: 1000, ..OPTIONS };
    let all = head_circuits(&*golden.model(Arc::new(Cpu::new())), 0, 0, options, &mut |_, _| Ok(())).unwrap();
    assert_eq!(all.positions, 16, "no more than the model was made for");
}

#[test]
fn positions_alone_rotated() {
    let golden = Golden::new("qwen2");
    let config = golden.config();
    let size = |name: &str| config[name].as_u64().unwrap() as usize;
    let (width, heads, kv_heads) = (size("hidden_size"), size("num_attention_heads"), size("num_key_value_heads"));
    let d_head = width / heads;
    let base = config["rope_theta"].as_f64().or_else(|| config["rope_parameters"]["rope_theta"].as_f64()).unwrap();
    let (layer, head) = (1, heads - 1);
    let embedding = matrix(&golden, "model.embed_tokens.weight", width);
    let mean: Vec<f64> = embedding.column_iter().map(|column| column.mean()).collect();
    let scale = (mean.iter().map(|x| x * x).sum::<f64>() / width as f64 + golden.eps()).sqrt();
    let gain = golden.weight(&format!("model.layers.{layer}.input_layernorm.weight")).unwrap();
    let read = DMatrix::from_fn(width, 1, |i, _| mean[i] / scale * gain[i]);
    let vector = |part: &str, head: usize| -> Vec<f64> {
        let name = format!("model.layers.{layer}.self_attn.{part}_proj");
        let weight = matrix(&golden, &format!("{name}.weight"), width);
        let bias = golden.weight(&format!("{name}.bias")).unwrap();
        (0..d_head).map(|i| (weight.row(head * d_head + i) * &read)[0] + bias[head * d_head + i]).collect()
    };
    let (q, k) = (vector("q", head), vector("k", head / (heads / kv_heads)));
    let found = ask(&golden, Arc::new(Cpu::new()), layer, head);
    for (dst, src) in (0..10).flat_map(|dst| (0..=dst).map(move |src| (dst, src))) {
        // Of each pair of elements as a complex number: the real part of q · conj(k) · e^(i · distance · frequency).
        let half = d_head / 2;
        let score: f64 = (0..half)
            .map(|i| {
                let angle = (dst - src) as f64 * base.powf(-2.0 * i as f64 / d_head as f64);
                let (re, im) = (q[i] * k[i] + q[i + half] * k[i + half], q[i + half] * k[i] - q[i] * k[i + half]);
                re * angle.cos() - im * angle.sin()
            })
            .sum::<f64>()
            / (d_head as f64).sqrt();
        let ours = found.positional[dst * 10 + src];
        assert!((ours - score).abs() < 1e-5 * score.abs().max(1.0), "{dst} {src}: {ours} {score}");
    }
}

#[test]
fn wrong_questions_are_errors_and_it_can_be_ended() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    for (layer, head, k) in [(2, 0, 1), (0, 4, 1), (0, 0, 0), (0, 0, 129)] {
        let asked = head_circuits(&*model, layer, head, CircuitOptions { k, ..OPTIONS }, &mut |_, _| Ok(()));
        assert!(matches!(asked, Err(Error::Input(_))));
    }
    let mut told = Vec::new();
    head_circuits(&*model, 1, 0, OPTIONS, &mut |done, of| {
        told.push((done, of));
        Ok(())
    })
    .unwrap();
    assert!(told.is_sorted() && told.last().unwrap().0 == told.last().unwrap().1);
    for patience in 0..told.len() {
        let mut left = patience;
        let ended = head_circuits(&*model, 1, 0, OPTIONS, &mut |_, _| {
            if left == 0 {
                return Err(Error::Cancelled);
            }
            left -= 1;
            Ok(())
        });
        assert!(matches!(ended, Err(Error::Cancelled)));
    }
}
