//! What the cards of our own networks say of them, measured again.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Model, arch};
use kernels::Cpu;
use lab::finite::{Asked, FiniteMark};
use lab::{Mark, Recipe, evaluate};
use methods::finite::{Finite, Fourier, NeuronLogits, Over, Terms, key_frequencies, only, score, squared_weights};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo").join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn curve(name: &str) -> Vec<Mark> {
    let lines = fs::read_to_string(folder(name).join("curve.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The network at a step of its training, or at its end.
fn model(name: &str, step: Option<u64>) -> Box<dyn Model> {
    let folder = folder(name);
    let weights = step.map_or_else(|| "model.safetensors".into(), |step| format!("checkpoints/{step}.safetensors"));
    let bytes = store::map(&folder.join(&weights)).unwrap();
    let tensors = store::safetensors::Safetensors::parse(&bytes, Path::new(&weights)).unwrap().tensors;
    let config = engine::Config::HuggingFace(json(&folder.join("config.json")));
    arch::build(&config, engine::Weights::new(tensors), Arc::new(Cpu::new()), u64::MAX).unwrap()
}

fn checkpoints(name: &str) -> Vec<u64> {
    let entries = fs::read_dir(folder(name).join("checkpoints")).unwrap();
    let step = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let mut steps: Vec<u64> = entries.map(|entry| step(entry.unwrap().path())).collect();
    steps.sort_unstable();
    steps
}

#[test]
fn trainings_are_whole_and_their_evaluations_are_on_their_cards() {
    for name in ["induction", "talk"] {
        let recipe: Recipe = serde_json::from_value(json(&folder(name).join("recipe.json"))).unwrap();
        let marks = curve(name);
        assert_eq!(marks.last().unwrap().step, recipe.parameters["steps"].as_u64().unwrap());
        let kept: Vec<u64> = serde_json::from_value(recipe.parameters["checkpoints"].clone()).unwrap();
        assert_eq!(checkpoints(name), kept);
        let evaluation = json(&folder(name).join("evaluation.json"));
        let said = |field: &str| evaluation[field].as_f64().unwrap();
        assert_eq!(model(name, None).spec().parameter_count(), evaluation["parameters"].as_u64().unwrap());
        let (ours, table) = (said("held_out_bits_per_byte"), said("five_gram_bits_per_byte"));
        let card = fs::read_to_string(folder(name).join("card.md")).unwrap();
        for figure in [ours, table] {
            assert!(card.contains(&format!("{figure:.3}")), "{name}: {figure:.3} is not on its card");
        }
        assert!(json(&folder(name).join("card.json"))["licence"].is_string());
    }
    let evaluation = json(&folder("talk").join("evaluation.json"));
    let bits = |field: &str| evaluation[field].as_f64().unwrap();
    assert!(bits("held_out_bits_per_byte") < 0.85 * bits("five_gram_bits_per_byte"), "it learnt more than a table");
}

/// The phase change of Olsson et al. 2022: induction heads form within a few steps, late in the training, and the loss
/// on natural text rises for a moment.
#[test]
fn induction_heads_form_within_a_few_steps() {
    let (induction, _) = evaluate::head_scores(&*model("induction", None)).unwrap().unwrap();
    assert!(induction >= 0.4, "{induction}");
    let evaluation = json(&folder("induction").join("evaluation.json"));
    assert!((evaluation["induction"].as_f64().unwrap() - induction).abs() < 1e-5);
    let before = checkpoints("induction")[0];
    let (none_yet, _) = evaluate::head_scores(&*model("induction", Some(before))).unwrap().unwrap();
    assert!(none_yet < 0.1, "{none_yet}");

    let marks = curve("induction");
    let score = |mark: &Mark| mark.induction.unwrap();
    let first = marks.iter().position(|mark| score(mark) > 0.1).unwrap();
    let formed = marks.iter().position(|mark| score(mark) > 0.4).unwrap();
    let (began, ended) = (marks[first].step, marks[formed].step);
    assert!(began >= before && ended - began <= 300, "from {began} to {ended}");
    let lowest = marks[..first].iter().map(|mark| mark.held_out_loss).fold(f64::INFINITY, f64::min);
    let highest = marks[first..=formed + 2].iter().map(|mark| mark.held_out_loss).fold(0.0, f64::max);
    assert!(highest > lowest + 0.05, "the bump: {lowest} to {highest}");
}

#[test]
fn both_are_small() {
    let mut bytes = 0;
    let mut folders = vec![folder("induction"), folder("talk")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let about = entry.metadata().unwrap();
            if about.is_dir() { folders.push(entry.path()) } else { bytes += about.len() }
        }
    }
    assert!(bytes <= 5_000_000, "{bytes}");
}

fn sums_curve() -> Vec<FiniteMark> {
    let lines = fs::read_to_string(folder("sums").join("curve.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The network that adds: its curve, checkpoints and weights say the same.
#[test]
fn sums_became_right_on_what_it_never_saw() {
    let marks = sums_curve();
    let recipe: Recipe = serde_json::from_value(json(&folder("sums").join("recipe.json"))).unwrap();
    let kept: Vec<u64> = serde_json::from_value(recipe.parameters["checkpoints"].clone()).unwrap();
    assert_eq!(checkpoints("sums"), kept);
    let asked = Asked::of(&store::open(&folder("sums")).unwrap()).unwrap().unwrap();
    let task = asked.ask.task().unwrap();
    let split = asked.split(&task).unwrap();
    assert_eq!(json(&folder("sums").join("inputs.json"))["train"], serde_json::json!(split.train.numbers));
    let card = fs::read_to_string(folder("sums").join("card.md")).unwrap();
    for (step, mark) in [(Some(1500), 15), (Some(7000), 70), (None, marks.len() - 1)] {
        let (model, mark) = (model("sums", step), &marks[mark]);
        assert!(step.is_none_or(|step| step == mark.step));
        let finite = Finite::new(&*model, &[], None).unwrap();
        let table = finite.table(&[], &mut |_, _| Ok(())).unwrap();
        let right = task.answers();
        let mut aside = vec![true; table.len()];
        split.train.numbers.iter().for_each(|&number| aside[number as usize] = false);
        let scored = table.score(&right, Some(&aside), Over::Vocabulary);
        // Files hold 16-bit floats.
        assert!((scored.accuracy - mark.test_accuracy.unwrap()).abs() < 0.01, "{step:?}: {scored:?} {mark:?}");
        assert!((scored.loss / mark.test_loss.unwrap() - 1.0).abs() < 0.2, "{step:?}: {scored:?} {mark:?}");
        let row = format!("| {} | {:.1}", mark.step, 100.0 * mark.test_accuracy.unwrap());
        let on_card = card
            .lines()
            .any(|line| line.starts_with(&format!("| {} |", mark.step)) && line.contains(&row[row.len() - 4..]));
        assert!(on_card, "{row} is not on the card");
    }
    assert_eq!(marks.last().unwrap().test_accuracy, Some(1.0));
}

/// The progress measures of its last mark, which training took of its own parameters, are those of the network that ships,
/// which the methods read through the engine.
#[test]
fn sums_measures_as_it_did_at_the_end_of_its_training() {
    let mark = sums_curve().pop().unwrap();
    let progress = mark.progress.unwrap();
    let asked = Asked::of(&store::open(&folder("sums")).unwrap()).unwrap().unwrap();
    let task = asked.ask.task().unwrap();
    let (p, right) = (task.domain.answers.len(), task.answers());
    let mut learnt = vec![false; right.len()];
    asked.split(&task).unwrap().train.numbers.iter().for_each(|&number| learnt[number as usize] = true);
    let model = model("sums", None);
    let table = Finite::new(&*model, &[], None).unwrap().table(&[], &mut |_, _| Ok(())).unwrap();
    let map = NeuronLogits::of(&*model).unwrap();
    let key = key_frequencies(&map.shares());
    assert_eq!(key, progress.key_frequencies);
    let loss = |terms, counted| score(&only(&table.logits, p, &key, terms), table.vocabulary, &right, counted).loss;
    let embedding = &model.anatomy().unwrap().embedding.matrix;
    let embedded: Vec<f64> = model.backend().unpack(embedding)[..p * embedding.ins].iter().map(|&x| x.into()).collect();
    // A 16-bit float holds 11 bits, so each weight may be off by 2^-11 of itself, some up and some down: sums over many are
    // off by less, and so is what follows from them. Of a loss of e^-17 it is the logarithm that is off by such a share.
    let rounding = 0.5_f64.powi(11);
    let near = |what: &str, found: f64, mark: f64, share: f64| {
        assert!((found / mark - 1.0).abs() < share, "{what}: {found}, and {mark} on the curve");
    };
    let restricted = progress.restricted_loss;
    near("restricted loss", loss(Terms::Sums, None), restricted, rounding * -restricted.ln());
    near("excluded loss", loss(Terms::AllButSums, Some(&learnt)), progress.excluded_loss, rounding);
    let gini = Fourier::new(p).shares(&embedded, embedding.ins).gini();
    near("the embedding's Gini", gini, progress.gini_embedding.unwrap(), rounding);
    near("the neurons' Gini", map.shares().gini(), progress.gini_logits.unwrap(), rounding);
    near("squared weights", squared_weights(&*model), mark.squared_weights, rounding);
}
