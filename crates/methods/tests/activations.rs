//! Activations of neurons, and weighted attention, against plain f64 arithmetic on known activations.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Batch, Capture, Error, Logits, Model, Run};
use kernels::{Backend, Cpu, Naive};
use methods::{Subject, Weight, activations, patterns, strongest, weighted};
use support::Golden;

fn subject<'a>(model: &'a dyn Model, tokens: &'a [u32]) -> Subject<'a> {
    Subject { model, tokens, edits: &[], memory: None, kept: None }
}

/// A point over some tokens, by a run of its own.
fn point(model: &dyn Model, tokens: &[u32], name: &str) -> Vec<f32> {
    let id = model.spec().point(name).unwrap();
    let mut capture = Capture::of(vec![id]);
    Run::new(model, Batch::one(tokens).unwrap()).logits(Logits::None).tap(&mut capture).unwrap();
    capture.get(id).unwrap().data.to_f32().into_owned()
}

#[test]
fn activations_are_columns_of_the_layer() {
    for (name, backend) in [("llama", Arc::new(Cpu::new()) as Arc<dyn Backend>), ("gpt2", Arc::new(Naive))] {
        let golden = Golden::new(name);
        let model = golden.model(backend);
        let known = golden.known("blocks.1.mlp.post");
        let n = golden.tokens.len();
        let width = known.len() / n;
        let all = activations(subject(&*model, &golden.tokens), 1, None, width, &mut |_, _| Ok(())).unwrap();
        let mut seen = all.neurons.clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..width).collect::<Vec<_>>());
        let peaks: Vec<f32> = all.data.chunks(n).map(|x| x.iter().fold(0.0, |m: f32, x| m.max(x.abs()))).collect();
        assert!(peaks.is_sorted_by(|a, b| a >= b), "{name}");
        for (&neuron, found) in all.neurons.iter().zip(all.data.chunks(n)) {
            for (pos, &x) in found.iter().enumerate() {
                assert!((f64::from(x) - known[pos * width + neuron]).abs() < 1e-5, "{name} {neuron} {pos}");
            }
            let one = activations(subject(&*model, &golden.tokens), 1, Some(neuron), 1, &mut |_, _| Ok(())).unwrap();
            assert_eq!(one.data, found);
        }
    }
}

#[test]
fn the_strongest_pieces_are_those_of_a_search_by_hand() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let vocabulary = model.spec().sizes.d_vocab.unwrap();
    // More pieces than are read at once, and a short one at the end.
    let tokens: Vec<u32> = (0..7 * 20 + 3).map(|i| ((i * i + 3 * i) % vocabulary) as u32).collect();
    let (layer, neuron, length, k) = (0, 5, 7, 4);
    let width = model.spec().points[model.spec().point("blocks.0.mlp.post").unwrap().index()].axes[1].1.unwrap();
    let mut pieces: Vec<(usize, Vec<f32>)> = tokens
        .chunks(length)
        .enumerate()
        .map(|(i, piece)| {
            let rows = point(&*model, piece, "blocks.0.mlp.post");
            (i * length, rows.iter().skip(neuron).step_by(width).copied().collect())
        })
        .collect();
    let all: Vec<f32> = pieces.iter().flat_map(|(_, values)| values.clone()).collect();
    let peak = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    pieces.sort_by(|a, b| peak(&b.1).total_cmp(&peak(&a.1)));
    let mut told = 0;
    let mut tick = |done: u64, of: u64| {
        assert!(done <= of && of == 21);
        told += 1;
        Ok(())
    };
    let found = strongest(subject(&*model, &tokens), layer, neuron, length, k, &mut tick).unwrap();
    assert_eq!((found.pieces, told), (21, 3));
    let samples: Vec<_> = found.samples.iter().map(|sample| (sample.start, sample.values.clone())).collect();
    assert_eq!(samples, pieces[..k]);
    let mean = all.iter().map(|&x| f64::from(x)).sum::<f64>() / all.len() as f64;
    assert!((found.mean - mean).abs() < 1e-9);
    let best = found.tokens[0];
    let at: Vec<f64> =
        tokens.iter().zip(&all).filter(|(token, _)| **token == best.id).map(|(_, &x)| f64::from(x)).collect();
    assert_eq!(best.count, at.len());
    assert!((best.mean - at.iter().sum::<f64>() / at.len() as f64).abs() < 1e-9);
    assert!(found.tokens.len() == k && found.tokens.is_sorted_by(|a, b| a.mean >= b.mean));
}

#[test]
fn weighted_attention_is_the_size_of_what_is_moved() {
    // Grouped heads, and heads with keys and values of their own.
    for (name, o) in [("llama", "model.layers.1.self_attn.o_proj.weight"), ("gpt2", "h.1.attn.c_proj.weight")] {
        let golden = Golden::new(name);
        let model = golden.model(Arc::new(Cpu::new()));
        let sizes = &model.spec().sizes;
        let (heads, d_model) = (sizes.n_heads.unwrap(), sizes.d_model);
        let (pattern, v, o) =
            (golden.known("blocks.1.attn.pattern"), golden.known("blocks.1.attn.v"), golden.weight(o).unwrap());
        let n = golden.tokens.len();
        let d = o.len() / d_model / heads;
        let kv_heads = v.len() / n / d;
        let asked = subject(&*model, &golden.tokens);
        let found = patterns(asked, Some(1), None, &mut |_, _| Ok(())).unwrap();
        let by = |by| weighted(asked, &found, by, &mut |_, _| Ok(())).unwrap();
        let (values, outputs) = (by(Weight::Value), by(Weight::Output));
        for (i, &p) in pattern.iter().enumerate() {
            let (head, src) = (i / (n * n), i % n);
            let value = &v[(src * kv_heads + head * kv_heads / heads) * d..][..d];
            let size = value.iter().map(|x| x * x).sum::<f64>().sqrt();
            // Hugging Face's GPT-2 keeps this matrix the other way round.
            let at = |row: usize, i: usize| {
                if name == "gpt2" { o[(head * d + i) * d_model + row] } else { o[row * heads * d + head * d + i] }
            };
            let written =
                (0..d_model).map(|row| (0..d).map(|i| at(row, i) * value[i]).sum::<f64>().powi(2)).sum::<f64>().sqrt();
            assert!((f64::from(values[i]) - p * size).abs() < 1e-5, "{name} {i}");
            assert!((f64::from(outputs[i]) - p * written).abs() < 1e-5, "{name} {i}");
        }
    }
}

#[test]
fn wrong_questions_are_errors_and_it_can_be_ended() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let asked = subject(&*model, &golden.tokens);
    let told = |result: Result<(), Error>, part: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    told(activations(asked, 9, None, 1, &mut |_, _| Ok(())).map(|_| ()), "no layer 9");
    told(activations(asked, 0, Some(9999), 1, &mut |_, _| Ok(())).map(|_| ()), "no neuron 9999");
    told(strongest(asked, 0, 0, 0, 1, &mut |_, _| Ok(())).map(|_| ()), "pieces have 0 tokens");
    told(strongest(asked, 0, 0, 2, 1, &mut |_, _| Err(Error::Cancelled)).map(|_| ()), &Error::Cancelled.to_string());
    let experts = Golden::new("mixtral");
    let model = experts.model(Arc::new(Cpu::new()));
    told(activations(subject(&*model, &experts.tokens), 0, None, 1, &mut |_, _| Ok(())).map(|_| ()), "no neurons");
}
