//! Every architecture variant against Hugging Face's implementation, at every point, and its gradients.
//!
//! `tests/golden/VARIANT` holds a random network and what `scripts/make_goldens.py` computed of it.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use engine::{Batch, Capture, Config, Model, Objective, Run, Stored, Weights, arch, gradients};
use kernels::{Backend, Cpu, Naive};
use safetensors::SafeTensors;
use support::{all_points, relative};

/// The bound of the fast backend; the f64 one is held to the rounding of the goldens themselves.
const FAST: f64 = 1e-5;
const REFERENCE: f64 = 2e-6;

struct Golden {
    model: Box<dyn Model>,
    values: BTreeMap<String, Vec<f64>>,
    tokens: Vec<Vec<u32>>,
}

fn load(variant: &str, backend: Arc<dyn Backend>) -> Golden {
    let (folder, model) = (support::golden(variant), support::golden_network(variant, backend));
    let origin: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("origin.json")).unwrap()).unwrap();
    let names: Vec<&str> = model.spec().points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!(origin["points_in_order"], serde_json::json!(names), "{variant}");
    let bytes = fs::read(folder.join("golden.safetensors")).unwrap();
    let (mut values, mut tokens) = (BTreeMap::new(), Vec::new());
    for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
        if name.ends_with("/tokens") {
            tokens.push((
                name,
                view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect(),
            ));
        } else {
            values.insert(
                name,
                view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
            );
        }
    }
    tokens.sort();
    Golden { model, values, tokens: tokens.into_iter().map(|(_, t)| t).collect() }
}

fn check_activations(variant: &str, backend: Arc<dyn Backend>, bound: f64) {
    let golden = load(variant, backend);
    let mut capture = Capture::of(all_points(&*golden.model));
    // Both prompts in one batch: neither may notice the other.
    Run::new(&*golden.model, Batch::new(&golden.tokens).unwrap()).tap(&mut capture).unwrap();
    let (mut checked, expected) =
        (0, golden.values.keys().filter(|name| !name.starts_with("grad") && *name != "loss").count());
    for captured in capture.into_all() {
        for i in 0..golden.tokens.len() {
            let ours: Vec<f64> = captured.prompt(i).iter().map(|&x| f64::from(x)).collect();
            let error = relative(&ours, &golden.values[&format!("{i}/{}", captured.point.name)]);
            assert!(error < bound, "{variant}: {} of prompt {i}: {error:e}", captured.point.name);
            checked += 1;
        }
    }
    assert_eq!(checked, expected, "{variant}: every named activation of the reference was compared");
}

fn check_gradients(variant: &str, backend: Arc<dyn Backend>, bound: f64) {
    let golden = load(variant, backend);
    let model = &*golden.model;
    let found =
        gradients(model, Batch::one(&golden.tokens[0]).unwrap(), &[], &Objective::NextToken, &all_points(model), true)
            .unwrap();
    assert!((found.value - golden.values["loss"][0]).abs() < 1e-5);
    let (mut checked, expected) = (0, golden.values.keys().filter(|name| name.starts_with("grad")).count());
    let mut check = |name: &str, ours: &[f64]| {
        let reference = &golden.values[name];
        // Gradients that are zero but for rounding (keys of a uniform pattern, say) have no relative error.
        if reference.iter().map(|x| x * x).sum::<f64>().sqrt() > 1e-7 {
            let error = relative(ours, reference);
            assert!(error < bound, "{variant}: {name}: {error:e}");
        }
        checked += 1;
    };
    for captured in found.points.values() {
        check(&format!("grad/{}", captured.point.name), &captured.data.to_f64());
    }
    for (id, grad) in &found.parameters {
        check(&format!("grad_param/{}", model.spec().parameters[*id].name), &grad.to_f64());
    }
    assert_eq!(checked, expected, "{variant}: every gradient of the reference was compared");
}

#[test]
fn activations_of_the_reference_backend() {
    for variant in &support::variants() {
        check_activations(variant, Arc::new(Naive), REFERENCE);
    }
}

#[test]
fn activations_of_the_fast_backend() {
    for variant in &support::variants() {
        check_activations(variant, Arc::new(Cpu::new()), FAST);
    }
}

#[test]
fn gradients_of_the_reference_backend() {
    for variant in &support::variants() {
        check_gradients(variant, Arc::new(Naive), 1e-5);
    }
}

#[test]
fn gradients_of_the_fast_backend() {
    for variant in &support::variants() {
        check_gradients(variant, Arc::new(Cpu::new()), 1e-4);
    }
}

#[test]
fn leftover_missing_and_misshapen_tensors_are_refused() {
    let build = |change: &dyn Fn(&mut BTreeMap<String, Stored>)| {
        let mut tensors = support::tensors(3);
        change(&mut tensors);
        arch::build(&Config::HuggingFace(support::config()), Weights::new(tensors), Arc::new(Cpu::new()), u64::MAX)
            .err()
            .map(|e| e.to_string())
    };
    assert_eq!(build(&|_| ()), None);
    let message = build(&|t| {
        let stray = t["model.norm.weight"].clone();
        t.insert("model.layers.0.stray.weight".into(), stray);
    });
    assert!(message.unwrap().contains("model.layers.0.stray.weight"));
    let message = build(&|t| {
        t.remove("model.layers.1.mlp.up_proj.weight");
    });
    assert!(message.unwrap().contains("model.layers.1.mlp.up_proj.weight"));
    let message = build(&|t| t.get_mut("model.norm.weight").unwrap().shape = vec![3]);
    assert!(message.unwrap().contains("[3] and should be [24]"));
}
