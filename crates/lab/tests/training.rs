//! The loop on small networks: against the f64 reference, against itself stopped and gone on with, and against bad
//! files.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;

use engine::optim::Schedule;
use engine::{Config, arch};
use kernels::{Backend, Cpu, Naive};
use lab::bpe::Files;
use lab::{
    Course, Event, Folder, Mark, Network, Outcome, Parameters, Passage, Positions, Precision, Recipe, Repeat, Shape,
    Subject, evaluate, train,
};
use serde_json::json;
use tempfile::TempDir;

const SHAPE: Shape = Shape {
    d_vocab: 24,
    n_ctx: 16,
    n_layers: 2,
    d_model: 8,
    n_heads: 2,
    d_mlp: 12,
    positions: Positions::Rotary,
    tied: true,
    deviation: 0.1,
};

/// Networks of every kind that can be trained.
fn shapes() -> Vec<Shape> {
    vec![
        SHAPE,
        Shape { tied: false, ..SHAPE },
        Shape { d_mlp: 0, tied: false, ..SHAPE },
        Shape { d_mlp: 0, positions: Positions::Learned, ..SHAPE },
    ]
}

/// Tokens with something to learn in them.
fn tokens(count: u32) -> Vec<u32> {
    (0..count).map(|i| (i * i / 7 + i / 3) % 24).collect()
}

fn course(steps: u64) -> Course {
    Course {
        schedule: Schedule { peak: 0.01, warm_up: 3, steps, floor: 0.1 },
        batch: 3,
        betas: (0.9, 0.95),
        decay: 0.1,
        clip: 1.0,
        repeat: Repeat { share: 0.3, of: Passage::Random(24) },
        seed: 5,
        every: 4,
        checkpoints: vec![],
        threads: 2,
    }
}

fn cpu() -> Arc<dyn Backend> {
    Arc::new(Cpu::new())
}

fn recipe() -> Recipe {
    Recipe { recipe: "text".into(), revision: 1, parameters: json!({}), corpus: vec![], made_by: String::new() }
}

/// A training that is told to stop when `stop` says so.
fn run(
    out: &TempDir,
    shape: &Shape,
    course: &Course,
    backend: &Arc<dyn Backend>,
    mut stop: impl FnMut(&Event<'_>) -> bool,
) -> (lab::Result<Outcome>, Vec<Mark>) {
    let folder = Folder::open(out.path(), &recipe(), Precision::F32).unwrap();
    folder.begin(&recipe(), &Files { tokenizer: vec![], config: vec![] }).unwrap();
    let network = Network::decoder(shape).unwrap();
    let (train_on, held_out) = (tokens(600), tokens(300));
    let subject = Subject { network: &network, train: &train_on, held_out: &held_out, context: 16 };
    let mut marks = Vec::new();
    let outcome = train(&folder, &subject, course, backend, &mut |event| {
        if let Event::Marked(mark) = &event {
            marks.push((*mark).clone());
        }
        !stop(&event)
    });
    (outcome, marks)
}

fn finished(outcome: lab::Result<Outcome>) -> Parameters {
    match outcome.unwrap() {
        Outcome::Finished(parameters) => parameters,
        Outcome::Stopped(step) => panic!("it stopped at {step}"),
    }
}

#[test]
fn planned_tensors_are_those_of_the_network() {
    for shape in shapes() {
        let network = Network::decoder(&shape).unwrap();
        let parameters = network.draw(1);
        let config = Config::HuggingFace(network.config.clone());
        let model = arch::build(&config, parameters.weights(), Arc::new(Cpu::new()), u64::MAX).unwrap();
        assert_eq!(model.spec().parameter_count(), parameters.values.len() as u64);
        let sequence = tokens(16);
        let (loss, _) = evaluate::sequences(&*model, &[&sequence]).unwrap();
        assert!((loss - 24_f64.ln()).abs() < 0.3, "{shape:?}: {loss}");
        assert_ne!(network.draw(2), parameters);
    }
    assert!(Network::decoder(&Shape { n_heads: 3, ..SHAPE }).is_err());
    assert!(Network::decoder(&Shape { d_model: 6, n_heads: 2, ..SHAPE }).is_err(), "heads of 3 do not rotate");
    assert!(Network::decoder(&Shape { positions: Positions::Learned, ..SHAPE }).is_err());
}

#[test]
fn steps_are_those_of_the_reference() {
    for shape in shapes() {
        let (fast, slow) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let course = course(8);
        let (fast, fast_marks) = run(&fast, &shape, &course, &cpu(), |_| false);
        let (slow, slow_marks) = run(&slow, &shape, &course, &(Arc::new(Naive) as Arc<dyn Backend>), |_| false);
        let (fast, slow) = (finished(fast), finished(slow));
        let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let difference = squares(&mut fast.values.iter().zip(&slow.values).map(|(a, b)| a - b));
        let size = squares(&mut slow.values.iter().copied());
        assert!(difference < 1e-4 * size, "{shape:?}: {difference} of {size}");
        for (fast, slow) in fast_marks.iter().zip(&slow_marks) {
            assert!((fast.held_out_loss - slow.held_out_loss).abs() < 1e-4, "{fast:?} {slow:?}");
            assert!((fast.loss.unwrap_or(0.0) - slow.loss.unwrap_or(0.0)).abs() < 1e-4, "{fast:?} {slow:?}");
        }
        assert_eq!(fast_marks.iter().map(|mark| mark.step).collect::<Vec<_>>(), [0, 4, 8]);
    }
}

#[test]
fn stopped_after_every_step_it_ends_with_the_same_numbers() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (expected, marks) = run(&whole, &SHAPE, &course(10), &cpu(), |_| false);
    let expected = finished(expected);
    let mut stops = 0;
    let (last, seen) = loop {
        let threads = 1 + stops % 3;
        let course = Course { threads, ..course(10) };
        let (outcome, seen) = run(&parts, &SHAPE, &course, &cpu(), |e| matches!(e, Event::Step { .. }));
        match outcome.unwrap() {
            Outcome::Stopped(step) => {
                stops += 1;
                assert_eq!(step, stops as u64);
            }
            Outcome::Finished(parameters) => break (parameters, seen),
        }
    };
    assert_eq!(stops, 9, "after the last step it is finished");
    assert_eq!(last, expected);
    assert_eq!(seen.last(), marks.last(), "sums over steps are saved too");
    let curve = |folder: &TempDir| std::fs::read(folder.path().join("curve.jsonl")).unwrap();
    assert_eq!(curve(&parts), curve(&whole));
}

#[test]
fn a_state_that_is_no_state_is_told() {
    let out = tempfile::tempdir().unwrap();
    let (outcome, _) = run(&out, &SHAPE, &course(10), &cpu(), |e| matches!(e, Event::Step { .. }));
    assert!(matches!(outcome.unwrap(), Outcome::Stopped(1)));
    let other = Shape { d_mlp: 16, ..SHAPE };
    let (outcome, _) = run(&out, &other, &course(10), &cpu(), |_| false);
    let message = outcome.unwrap_err().to_string();
    assert!(message.contains("state.safetensors: tensor `model.layers.0.mlp.gate_proj.weight` is not"), "{message}");
    std::fs::write(out.path().join("state.safetensors"), b"short").unwrap();
    let (outcome, _) = run(&out, &SHAPE, &course(10), &cpu(), |_| false);
    assert!(outcome.unwrap_err().to_string().contains("state.safetensors: the file is damaged"));
}

#[test]
fn losses_over_texts_weigh_every_token_once() {
    let network = Network::decoder(&SHAPE).unwrap();
    let config = Config::HuggingFace(network.config.clone());
    let model = arch::build(&config, network.draw(1).weights(), Arc::new(Cpu::new()), u64::MAX).unwrap();
    let tokens = tokens(16);
    let whole = evaluate::texts(&*model, &tokens, 30, 16).unwrap();
    let (mean, _) = evaluate::sequences(&*model, &[&tokens]).unwrap();
    assert!((whole.nats_per_token - mean).abs() < 1e-6);
    let bits = whole.nats_per_token * 15.0 / std::f64::consts::LN_2 / 30.0;
    assert!((whole.bits_per_byte - bits).abs() < 1e-9);
    let in_pieces = evaluate::texts(&*model, &tokens, 30, 4).unwrap();
    assert!((in_pieces.nats_per_token - mean).abs() < 0.2 && in_pieces != whole);
    assert!(evaluate::texts(&*model, &tokens[..1], 30, 16).is_err());
}
