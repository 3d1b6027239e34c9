//! Direct logit attribution: sums in every family, and single shares against plain arithmetic on known activations.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Batch, Capture, Edit, Error, Logits, Model, Run};
use kernels::{Backend, Cpu, Naive};
use methods::{DirectLogit, Subject, direct_logit};
use support::Golden;

const FAMILIES: [&str; 17] = [
    "llama",
    "llama-biases",
    "qwen2",
    "qwen3",
    "mistral",
    "gpt2",
    "gpt2-untied",
    "neox",
    "neox-sequential",
    "olmo2",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3-capped",
    "phi3",
    "mixtral",
    "qwen2-moe",
];

fn subject<'a>(model: &'a dyn Model, tokens: &'a [u32]) -> Subject<'a> {
    Subject { model, tokens, edits: &[], memory: None, kept: None }
}

fn ask(subject: Subject<'_>, token: u32, against: Option<u32>, pos: i64, neurons: usize) -> DirectLogit {
    direct_logit(subject, Some(token), against, pos, neurons, &mut |_, _| Ok(())).unwrap()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn contributions_sum_to_the_logit_in_every_family() {
    let backends: [(Arc<dyn Backend>, f64); 2] = [(Arc::new(Cpu::new()), 1e-4), (Arc::new(Naive), 1e-9)];
    for (name, (backend, allowed)) in FAMILIES.iter().flat_map(|name| backends.iter().map(move |b| (name, b))) {
        let golden = Golden::new(name);
        let model = golden.model(backend.clone());
        let logits = golden.known("logits");
        let cap = golden.config()["final_logit_softcapping"].as_f64();
        for (pos, token, against) in [(-1, 5, None), (2, 100, Some(7)), (0, 0, Some(127))] {
            let found = ask(subject(&*model, &golden.tokens), token, against, pos, 0);
            assert!((found.sum() - found.logit).abs() < *allowed, "{name}: {} {}", found.sum(), found.logit);
            assert!(found.other.abs() < *allowed, "{name}: nothing but the parts is in the stream: {}", found.other);
            let known = |token: u32| {
                let logit = logits[found.position * 128 + token as usize];
                cap.map_or(logit, |cap| cap * (logit / cap).atanh())
            };
            let known = known(token) - against.map_or(0.0, known);
            assert!((found.logit - known).abs() < 1e-4, "{name}: {} {known}", found.logit);
        }
    }
}

/// What a norm with a frozen divisor and the difference of two rows of the unembedding make of a stream.
fn frozen(golden: &Golden, names: [&str; 2], stream: &[f64], scale: f64, ids: [u32; 2]) -> f64 {
    let (norm, rows) = (names[0], golden.weight(names[1]).unwrap());
    let width = stream.len();
    let bias = golden.weight(&format!("{norm}.bias"));
    let gain = golden.weight(&format!("{norm}.weight")).unwrap();
    let mean = bias.as_ref().map_or(0.0, |_| stream.iter().sum::<f64>() / width as f64);
    let normed = |i: usize| (stream[i] - mean) / scale * gain[i] + bias.as_ref().map_or(0.0, |bias| bias[i]);
    let row = |id: u32| &rows[id as usize * width..][..width];
    (0..width).map(|i| normed(i) * (row(ids[0])[i] - row(ids[1])[i])).sum()
}

#[test]
fn a_share_is_what_the_logit_loses_without_the_part_under_the_same_divisor() {
    for (name, names) in [
        ("llama", ["model.norm", "model.embed_tokens.weight"]),
        ("gpt2", ["ln_f", "wte.weight"]),
        ("neox", ["gpt_neox.final_layer_norm", "embed_out.weight"]),
        ("olmo2", ["model.norm", "lm_head.weight"]),
    ] {
        let golden = Golden::new(name);
        let model = golden.model(Arc::new(Naive));
        let (n, width) = (golden.tokens.len(), model.spec().sizes.d_model);
        let last = model.spec().sizes.n_layers - 1;
        let found = ask(subject(&*model, &golden.tokens), 9, Some(77), -1, 0);
        let scale = golden.known("ln_final.scale")[n - 1];
        let whole = golden.known(&format!("blocks.{last}.resid_post"))[(n - 1) * width..].to_vec();
        let logit = frozen(&golden, names, &whole, scale, [9, 77]);
        assert!((logit - found.logit).abs() < 1e-5, "{name}: {logit} {}", found.logit);
        // What the last block's attention adds to the stream with the head and without it.
        let edit: Edit = format!("blocks.{last}.attn.z[head=1]=zero").parse().unwrap();
        let with = written(&golden, &*model, last, &[]);
        let without = written(&golden, &*model, last, &[edit]);
        let less: Vec<f64> = whole.iter().zip(with.iter().zip(&without)).map(|(x, (a, b))| x - a + b).collect();
        let share = logit - frozen(&golden, names, &less, scale, [9, 77]);
        let head = found.heads[last * found.n_heads + 1];
        assert!(share.abs() > 1e-4 && (share - head).abs() < 1e-5, "{name}: {share} {head}");
    }
}

/// What a block's attention adds to the stream at the last position under edits; a norm on it divides by what it divides
/// by without them.
fn written(golden: &Golden, model: &dyn Model, layer: usize, edits: &[Edit]) -> Vec<f64> {
    let at = |point: &str, edits: &[Edit]| at_last(model, &golden.tokens, &format!("blocks.{layer}.{point}"), edits);
    let gain = golden.weight(&format!("model.layers.{layer}.post_attention_layernorm.weight"));
    let post = model.spec().point(&format!("blocks.{layer}.ln1_post.scale")).and(gain);
    let Some(gain) = post else { return at("attn_out", edits) };
    let factor = at("ln1_post.scale", edits)[0] / at("ln1_post.scale", &[])[0];
    at("ln1_post.normalized", edits).iter().zip(gain).map(|(x, gain)| x * factor * gain).collect()
}

/// The last position's row of a point.
fn at_last(model: &dyn Model, tokens: &[u32], point: &str, edits: &[Edit]) -> Vec<f64> {
    let id = model.spec().point(point).unwrap();
    let mut capture = Capture::of(vec![id]);
    Run::new(model, Batch::one(tokens).unwrap()).edits(edits).logits(Logits::None).tap(&mut capture).unwrap();
    let all = capture.get(id).unwrap().data.to_f64().into_owned();
    all[all.len() - all.len() / tokens.len()..].to_vec()
}

#[test]
fn shares_are_products_with_the_direction_of_the_logit() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Naive));
    let (pos, token, against) = (4, 9, 77);
    let found = ask(subject(&*model, &golden.tokens), token, Some(against), pos as i64, 88);
    let (gain, rows) =
        (golden.weight("model.norm.weight").unwrap(), golden.weight("model.embed_tokens.weight").unwrap());
    let scale = golden.known("ln_final.scale")[pos];
    let row = |id: u32| &rows[id as usize * 32..][..32];
    let direction: Vec<f64> = (0..32).map(|i| (row(token)[i] - row(against)[i]) * gain[i] / scale).collect();
    let at = |point: &str, width: usize| golden.known(point)[pos * width..][..width].to_vec();
    assert!((found.scale - scale).abs() < 1e-6 && found.bias == 0.0 && found.pos_embed == 0.0);
    assert!((found.embed - dot(&direction, &at("embed", 32))).abs() < 1e-6);
    for layer in 0..2 {
        let results = at(&format!("blocks.{layer}.attn.result"), 4 * 32);
        for head in 0..4 {
            let known = dot(&direction, &results[head * 32..][..32]);
            assert!((found.heads[layer * 4 + head] - known).abs() < 1e-6);
        }
        let mlp = dot(&direction, &at(&format!("blocks.{layer}.mlp_out"), 32));
        assert!((found.mlps[layer] - mlp).abs() < 1e-5);
        // All 44 neurons of both layers were asked for: those of one layer make up its share.
        let of_layer = found.neurons.iter().filter(|neuron| neuron.layer == layer);
        assert!((of_layer.map(|neuron| neuron.contribution).sum::<f64>() - mlp).abs() < 1e-5);
        let (post, down) = (
            at(&format!("blocks.{layer}.mlp.post"), 44),
            golden.weight(&format!("model.layers.{layer}.mlp.down_proj.weight")).unwrap(),
        );
        for share in found.neurons.iter().filter(|share| share.layer == layer) {
            let column: Vec<f64> = (0..32).map(|i| down[i * 44 + share.neuron]).collect();
            assert!((share.activation - post[share.neuron]).abs() < 1e-5);
            assert!((share.contribution - post[share.neuron] * dot(&direction, &column)).abs() < 1e-6);
        }
    }
    assert!(found.neurons.windows(2).all(|pair| pair[0].contribution.abs() >= pair[1].contribution.abs()));
}

#[test]
fn norms_behind_layers_and_biases_have_their_part() {
    for name in ["gemma2", "olmo2"] {
        let golden = Golden::new(name);
        let model = golden.model(Arc::new(Naive));
        let found = ask(subject(&*model, &golden.tokens), 3, None, -1, 1000);
        // The heads of a layer and its biases make up what it adds.
        let sum_of_layer = found.neurons.iter().filter(|neuron| neuron.layer == 1).map(|n| n.contribution).sum::<f64>();
        assert!((sum_of_layer - found.mlps[1]).abs() < 1e-9, "{name}");
    }
    let golden = Golden::new("gpt2");
    let model = golden.model(Arc::new(Naive));
    let found = ask(subject(&*model, &golden.tokens), 3, None, -1, 0);
    assert!(found.bias != 0.0 && found.pos_embed != 0.0 && found.attention_biases.iter().all(|&x| x != 0.0));
}

#[test]
fn the_likeliest_token_is_the_default_and_edits_count() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let plain = subject(&*model, &golden.tokens);
    let whole = direct_logit(plain, None, None, -1, 0, &mut |_, _| Ok(())).unwrap();
    let last = &golden.known("logits")[6 * 128..];
    assert!(last.iter().all(|&logit| logit <= last[whole.token as usize]));
    let edits: [Edit; 1] = ["blocks.1.attn.z[head=2]=zero".parse().unwrap()];
    let without = direct_logit(Subject { edits: &edits, ..plain }, Some(whole.token), None, -1, 0, &mut |_, _| Ok(()));
    let without = without.unwrap();
    assert!(whole.heads[6] != 0.0 && without.heads[6] == 0.0 && (without.sum() - without.logit).abs() < 1e-4);
    // What is added to the stream itself belongs to no part, and is named.
    let edits: [Edit; 1] = ["blocks.1.resid_post=*2".parse().unwrap()];
    let twice = direct_logit(Subject { edits: &edits, ..plain }, Some(whole.token), None, -1, 0, &mut |_, _| Ok(()));
    let twice = twice.unwrap();
    assert!(whole.other.abs() < 1e-5 && twice.other.abs() > 0.01);
    assert!((twice.sum() - twice.logit).abs() < 1e-4);
}

#[test]
fn wrong_questions_are_errors() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let plain = subject(&*model, &golden.tokens);
    let fails = |subject: Subject<'_>, token, against, pos| {
        let error = direct_logit(subject, Some(token), against, pos, 0, &mut |_, _| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
    };
    fails(plain, 128, None, 0);
    fails(plain, 0, Some(128), 0);
    fails(plain, 0, None, 7);
    fails(plain, 0, None, -8);
    let edits: [Edit; 1] = ["ln_final.normalized=*2".parse().unwrap()];
    fails(Subject { edits: &edits, ..plain }, 0, None, 0);
    let cancelled = direct_logit(plain, None, None, -1, 0, &mut |_, _| Err(Error::Cancelled)).unwrap_err();
    assert!(matches!(cancelled, Error::Cancelled));
}
