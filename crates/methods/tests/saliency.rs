//! Saliency against slow derivatives: differences of the value on the f64 reference, step by step.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Array, Batch, Edit, Error, Logits, Model, Op, Run, Value, Where};
use kernels::{Cpu, Naive};
use methods::{Aim, Blank, Saliency, Subject, saliency};
use support::Golden;

const AIM: Aim =
    Aim { target: Some(17), against: Some(40), pos: -1, baseline: Blank::Zero, keep_first: false, steps: 400 };

fn of(model: &dyn Model, tokens: &[u32], edits: &[Edit], aim: Aim) -> Saliency {
    saliency(Subject { model, tokens, edits, memory: None, kept: None }, aim, &mut |_, _| Ok(())).unwrap()
}

/// The logit difference with given embeddings `[pos, d_model]`.
fn value(model: &dyn Model, tokens: &[u32], embeddings: &[f64], aim: Aim) -> f64 {
    let width = model.spec().sizes.d_model;
    let data = embeddings.iter().map(|&x| x as f32).collect();
    let array = Arc::new(Array { axes: None, shape: vec![tokens.len(), width], data });
    let op = Op::Set(Value::Loaded(BTreeMap::from([("embed".to_owned(), array)])));
    let edits = [Edit { point: "embed".parse().unwrap(), at: Where::default(), op }];
    let run = Run::new(model, Batch::one(tokens).unwrap()).edits(&edits).logits(Logits::Last);
    let logits = run.go().unwrap().logits.unwrap().to_f64().into_owned();
    logits[aim.target.unwrap() as usize] - aim.against.map_or(0.0, |id| logits[id as usize])
}

/// The gradient by central differences; embeddings pass an edit as f32, so steps are large and errors of order 1e-4.
fn slow_gradient(model: &dyn Model, tokens: &[u32], at: &[f64], aim: Aim) -> Vec<f64> {
    let step = 1.0 / 256.0;
    let moved = |i: usize, by: f64| {
        let mut moved = at.to_vec();
        moved[i] = f64::from((moved[i] + by) as f32);
        (value(model, tokens, &moved, aim), moved[i])
    };
    (0..at.len())
        .map(|i| {
            let ((high, to), (low, from)) = (moved(i, step), moved(i, -step));
            (high - low) / (to - from)
        })
        .collect()
}

fn close(ours: &[f32], known: &[f64], allowed: f64) {
    let size = known.iter().map(|x| x * x).sum::<f64>().sqrt();
    let error = ours.iter().zip(known).map(|(x, k)| (f64::from(*x) - k).powi(2)).sum::<f64>().sqrt();
    assert_eq!(ours.len(), known.len());
    assert!(error <= allowed * size, "{error} of {size}: {ours:?} {known:?}");
}

#[test]
fn scores_are_those_of_slow_differences() {
    for name in ["llama", "gpt2"] {
        let golden = Golden::new(name);
        let (naive, fast) = (golden.model(Arc::new(Naive)), golden.model(Arc::new(Cpu::new())));
        let tokens = &golden.tokens[..4];
        let width = naive.spec().sizes.d_model;
        let input = &golden.known("embed")[..4 * width];
        let gradient = slow_gradient(&*naive, tokens, input, AIM);
        let per_token = |row: fn(&[f64], &[f64]) -> f64| -> Vec<f64> {
            gradient.chunks_exact(width).zip(input.chunks_exact(width)).map(|(g, x)| row(g, x)).collect()
        };
        let norms = per_token(|g, _| g.iter().map(|g| g * g).sum::<f64>().sqrt());
        let products = per_token(|g, x| g.iter().zip(x).map(|(g, x)| g * x).sum());
        let whole = value(&*naive, tokens, input, AIM);
        let without = |pos: usize| {
            let mut without = input.to_vec();
            without[pos * width..(pos + 1) * width].fill(0.0);
            whole - value(&*naive, tokens, &without, AIM)
        };
        let occlusion: Vec<f64> = (0..4).map(without).collect();
        let empty = value(&*naive, tokens, &vec![0.0; 4 * width], AIM);
        for model in [&naive, &fast] {
            let found = of(&**model, tokens, &[], AIM);
            close(&found.gradient_norm, &norms, 2e-3);
            close(&found.gradient_input, &products, 5e-3);
            close(&found.occlusion, &occlusion, 1e-4);
            assert!((found.value - whole).abs() < 1e-4 && (found.baseline_value - empty).abs() < 1e-4);
            assert!(found.completeness_error.unwrap() < 5e-3 && found.steps <= 400, "{name}: {found:?}");
            let sum: f64 = found.integrated.iter().map(|&x| f64::from(x)).sum();
            assert!((sum - (whole - empty)).abs() <= 6e-3 * (whole - empty).abs());
        }
    }
}

#[test]
fn integrated_gradients_are_the_integral() {
    let golden = Golden::new("gpt2");
    let model = golden.model(Arc::new(Naive));
    let tokens = &golden.tokens[..3];
    let width = model.spec().sizes.d_model;
    let input = &golden.known("embed")[..3 * width];
    // The midpoint rule with far more steps, the derivative along the way by the methods' own gradient at an edited input.
    let steps = 600;
    let mut sums = [0.0; 3];
    for step in 0..steps {
        let share = (f64::from(step) + 0.5) / f64::from(steps);
        let edits = [format!("embed=*{share}").parse().unwrap()];
        let found = of(&*model, tokens, &edits, Aim { steps: 4, ..AIM });
        // Gradient · (share · input), so that the share is taken out again.
        sums.iter_mut().zip(&found.gradient_input).for_each(|(s, g)| *s += f64::from(*g) / share / f64::from(steps));
    }
    assert_eq!(input.len(), 3 * width);
    let found = of(&*model, tokens, &[], AIM);
    close(&found.integrated, &sums, 1e-2);
}

#[test]
fn tokens_that_come_later_do_not_matter() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let found = of(&*model, &golden.tokens[..5], &[], Aim { pos: 2, ..AIM });
    assert_eq!(found.position, 2);
    for scores in [&found.gradient_norm, &found.gradient_input, &found.integrated, &found.occlusion] {
        assert!(scores[3..].iter().all(|&x| x == 0.0) && scores[..3].iter().all(|&x| x != 0.0), "{scores:?}");
    }
    let alone = of(&*model, &golden.tokens[..3], &[], AIM);
    assert_eq!((alone.value, alone.occlusion.as_slice()), (found.value, &found.occlusion[..3]));
}

#[test]
fn the_baseline_may_be_the_mean_embedding() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Naive));
    let (tokens, width) = (&golden.tokens[..3], model.spec().sizes.d_model);
    let embedding = golden.weight("model.embed_tokens.weight").unwrap();
    let rows = embedding.len() / width;
    let mean: Vec<f64> =
        (0..width).map(|i| embedding.iter().skip(i).step_by(width).sum::<f64>() / rows as f64).collect();
    let aim = Aim { baseline: Blank::Mean, ..AIM };
    let found = of(&*model, tokens, &[], aim);
    assert!((found.baseline_value - value(&*model, tokens, &mean.repeat(3), aim)).abs() < 1e-5);
    assert!(found.completeness_error.unwrap() < 5e-3);
}

#[test]
fn the_likeliest_token_is_explained_if_none_is_named() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let logits = golden.known("logits");
    let width = logits.len() / golden.tokens.len();
    let last = &logits[logits.len() - width..];
    let likeliest = (0..width).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
    let found = of(&*model, &golden.tokens, &[], Aim { target: None, against: None, ..AIM });
    assert_eq!(found.target as usize, likeliest);
    assert!((found.value - last[likeliest]).abs() < 1e-4);
}

#[test]
fn few_steps_are_kept_to_and_wrong_questions_are_errors() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    for steps in [4, 5, 17, 40] {
        assert!(of(&*model, &golden.tokens, &[], Aim { steps, ..AIM }).steps <= steps);
    }
    let ask = |aim, edits: &[Edit]| {
        let subject = Subject { model: &*model, tokens: &golden.tokens, edits, memory: None, kept: None };
        saliency(subject, aim, &mut |_, _| Ok(())).unwrap_err()
    };
    for wrong in [Aim { steps: 3, ..AIM }, Aim { target: Some(128), ..AIM }, Aim { pos: 99, ..AIM }] {
        assert!(matches!(ask(wrong, &[]), Error::Input(_)));
    }
    let edits = ["blocks.1.mlp_out=*1e300".parse().unwrap()];
    assert!(matches!(ask(AIM, &edits), Error::NotFinite { .. }));
}
