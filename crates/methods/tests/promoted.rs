//! Promoted tokens and sub-updates against plain f64 arithmetic on the weights and on known activations.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Error, Model};
use kernels::{Backend, Cpu, Naive};
use methods::{Subject, promoted_tokens, sub_updates};
use support::Golden;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Token ids by falling value.
fn order(values: &[f64]) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..values.len() as u32).collect();
    ids.sort_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]).then(a.cmp(&b)));
    ids
}

fn rank(values: &[f64], id: u32) -> u32 {
    order(values).iter().position(|&other| other == id).unwrap() as u32
}

#[test]
fn promoted_tokens_are_products_with_the_unembedding() {
    for (name, unembedding, down, outs) in [
        ("llama", "model.embed_tokens.weight", "model.layers.1.mlp.down_proj.weight", true),
        ("mixtral", "", "", true),
        ("gpt2", "wte.weight", "h.1.mlp.c_proj.weight", false),
    ] {
        let golden = Golden::new(name);
        let model = golden.model(Arc::new(Cpu::new()));
        if unembedding.is_empty() {
            let error = promoted_tokens(&*model, 0, 0, 1, false).unwrap_err();
            assert!(matches!(error, Error::Input(why) if why.contains("experts")));
            continue;
        }
        let (unembedding, down) = (golden.weight(unembedding).unwrap(), golden.weight(down).unwrap());
        let width = model.spec().sizes.d_model;
        let neurons = down.len() / width;
        for neuron in 0..neurons {
            let vector: Vec<f64> =
                (0..width).map(|i| if outs { down[i * neurons + neuron] } else { down[neuron * width + i] }).collect();
            let scores: Vec<f64> = unembedding.chunks_exact(width).map(|row| dot(row, &vector)).collect();
            let found = promoted_tokens(&*model, 1, neuron, 5, false).unwrap();
            let order = order(&scores);
            assert_eq!(found.top_ids, order[..5], "{name} {neuron}");
            assert_eq!(found.bottom_ids, order.iter().rev().take(5).copied().collect::<Vec<_>>());
            for (ids, values) in [(&found.top_ids, &found.top_scores), (&found.bottom_ids, &found.bottom_scores)] {
                assert!(ids.iter().zip(values).all(|(&id, &x)| (f64::from(x) - scores[id as usize]).abs() < 1e-6));
            }
        }
    }
}

#[test]
fn gains_are_applied_if_asked() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let (unembedding, gain, down) = (
        golden.weight("model.embed_tokens.weight").unwrap(),
        golden.weight("model.norm.weight").unwrap(),
        golden.weight("model.layers.0.mlp.down_proj.weight").unwrap(),
    );
    let vector: Vec<f64> = (0..32).map(|i| down[i * 44 + 3] * gain[i]).collect();
    let scores: Vec<f64> = unembedding.chunks_exact(32).map(|row| dot(row, &vector)).collect();
    let found = promoted_tokens(&*model, 0, 3, 3, true).unwrap();
    assert_eq!(found.top_ids, order(&scores)[..3]);
    assert!((f64::from(found.top_scores[0]) - scores[found.top_ids[0] as usize]).abs() < 1e-6);
    assert_ne!(found.top_scores, promoted_tokens(&*model, 0, 3, 3, false).unwrap().top_scores);
}

#[test]
fn sub_updates_and_events_are_plain_arithmetic() {
    let golden = Golden::new("llama");
    let (n, width, neurons, k) = (golden.tokens.len(), 32, 44, 6);
    let backends: [Arc<dyn Backend>; 2] = [Arc::new(Cpu::new()), Arc::new(Naive)];
    let (rows, gain) =
        (golden.weight("model.embed_tokens.weight").unwrap(), golden.weight("model.norm.weight").unwrap());
    let read = |resid: &[f64]| -> Vec<f64> {
        let scale = (dot(resid, resid) / width as f64 + golden.eps()).sqrt();
        let normed: Vec<f64> = resid.iter().zip(&gain).map(|(x, g)| x / scale * g).collect();
        rows.chunks_exact(width).map(|row| dot(row, &normed)).collect()
    };
    for (backend, pos) in backends.into_iter().flat_map(|backend| (0..n).map(move |pos| (backend.clone(), pos))) {
        let model = golden.model(backend);
        let subject = Subject { model: &*model, tokens: &golden.tokens, edits: &[], memory: None, kept: None };
        let found = sub_updates(subject, pos as i64, k, &mut |_, _| Ok(())).unwrap();
        let at = |point: &str, width: usize| golden.known(point)[pos * width..][..width].to_vec();
        let states: Vec<[Vec<f64>; 2]> = (0..2)
            .map(|i| [format!("blocks.{i}.resid_mid"), format!("blocks.{i}.resid_post")].map(|p| read(&at(&p, width))))
            .collect();
        let predicted = order(&states[1][1])[0];
        assert_eq!((found.layers, found.k), (2, k));
        for (layer, [before, after]) in states.iter().enumerate() {
            let top = order(before)[0];
            assert_eq!(found.before[layer], top);
            assert_eq!(found.rank_after[layer], rank(after, top));
            assert_eq!(found.after[layer], order(after)[0]);
            let reference = if found.elimination == Some(layer) { top } else { predicted };
            assert_eq!(found.references[layer], reference);
            assert!(found.errors[layer] < 1e-5, "{}", found.errors[layer]);
            let down = golden.weight(&format!("model.layers.{layer}.mlp.down_proj.weight")).unwrap();
            let post = at(&format!("blocks.{layer}.mlp.post"), neurons);
            let vector = |neuron: usize| -> Vec<f64> { (0..width).map(|i| down[i * neurons + neuron]).collect() };
            let strengths: Vec<f64> =
                (0..neurons).map(|i| post[i].abs() * dot(&vector(i), &vector(i)).sqrt()).collect();
            for (rank, &neuron) in order(&strengths)[..k].iter().enumerate() {
                let cell = layer * k + rank;
                assert_eq!(found.neurons[cell], neuron);
                let m = post[neuron as usize];
                assert!((found.activations[cell] - m).abs() < 1e-5);
                assert!((found.sizes[cell] - strengths[neuron as usize]).abs() < 1e-5);
                let scores: Vec<f64> =
                    rows.chunks_exact(width).map(|row| m * dot(row, &vector(neuron as usize))).collect();
                assert_eq!(found.promotes[cell], order(&scores)[0]);
                assert!((found.scores[cell] - scores[reference as usize]).abs() < 1e-5);
            }
        }
        let first = |layer: usize, side: usize| order(&states[layer][side])[0] == predicted;
        let saturated = usize::from(!first(0, 1));
        assert_eq!(found.saturation, (!first(saturated, 0)).then_some(saturated));
        let lowered = [0, 1].map(|layer| found.rank_after[layer]);
        let most = usize::from(lowered[1] > lowered[0]);
        assert_eq!(found.elimination, (lowered[most] > 0).then_some(most));
    }
}

#[test]
fn sub_updates_make_up_the_layer_in_every_family() {
    for name in ["llama-biases", "qwen3", "gpt2", "neox", "olmo2", "gemma2", "phi3"] {
        let golden = Golden::new(name);
        for (backend, allowed) in [(Arc::new(Cpu::new()) as Arc<dyn Backend>, 1e-5), (Arc::new(Naive), 1e-12)] {
            let model = golden.model(backend);
            let subject = Subject { model: &*model, tokens: &golden.tokens, edits: &[], memory: None, kept: None };
            let found = sub_updates(subject, -1, 3, &mut |_, _| Ok(())).unwrap();
            assert!(found.errors.iter().all(|&error| error < allowed), "{name}: {:?}", found.errors);
        }
    }
}

#[test]
fn wrong_questions_are_errors() {
    let golden = Golden::new("llama");
    let model: Box<dyn Model> = golden.model(Arc::new(Cpu::new()));
    for (layer, neuron, k) in [(2, 0, 1), (0, 44, 1), (0, 0, 0), (0, 0, 129)] {
        assert!(matches!(promoted_tokens(&*model, layer, neuron, k, false), Err(Error::Input(_))));
    }
    let subject = Subject { model: &*model, tokens: &golden.tokens, edits: &[], memory: None, kept: None };
    for (pos, k) in [(7, 1), (0, 0), (0, 45)] {
        assert!(matches!(sub_updates(subject, pos, k, &mut |_, _| Ok(())), Err(Error::Input(_))));
    }
    let mixture = Golden::new("mixtral");
    let model = mixture.model(Arc::new(Cpu::new()));
    let subject = Subject { model: &*model, tokens: &mixture.tokens, edits: &[], memory: None, kept: None };
    assert!(matches!(sub_updates(subject, 0, 1, &mut |_, _| Ok(())), Err(Error::Input(_))));
}
