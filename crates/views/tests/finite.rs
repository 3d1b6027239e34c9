//! What views of networks for finitely many inputs tell of one that adds modulo 7, whose mechanism is known.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::PathBuf;
use std::sync::Arc;

use engine::{Edit, Error as EngineError};
use kernels::Cpu;
use serde_json::{Value, json};
use views::{Cx, Error, Opened, VIEWS};

fn addition() -> Opened {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/addition");
    Opened::open(&folder, Arc::new(Cpu::new()), u64::MAX).unwrap()
}

fn ask(opened: &Opened, view: &str, parameters: Value, edits: &[Edit]) -> views::Result<Value> {
    let view = VIEWS.iter().find(|known| known.name == view).unwrap();
    let mut written = Vec::new();
    view.run(parameters, &Cx::new(opened).edits(edits))?.write_json(&mut written)?;
    Ok(serde_json::from_slice(&written).unwrap())
}

fn numbers(array: &Value) -> Vec<f64> {
    array["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

#[test]
fn spectra_are_of_weights_and_of_activations() {
    let opened = addition();
    let shares = |of: &str, over: &str, edits: &[Edit]| {
        let found = ask(&opened, "fourier", json!({"of": of, "over": over}), edits).unwrap();
        numbers(&found["shares"])
    };
    // The three frequencies are embedded alike, and read with falling strength.
    let embedding = shares("embedding", "first", &[]);
    assert!(embedding.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.05), "{embedding:?}");
    assert_eq!(shares("embed.weight", "first", &[]), embedding);
    let unembedding = shares("unembedding", "first", &[]);
    assert!(unembedding.is_sorted_by(|a, b| a > b) && (unembedding[0] - 36.0 / 77.0).abs() < 0.05, "{unembedding:?}");
    assert!(shares("neuron_logits", "first", &[]).is_sorted_by(|a, b| a > b));
    // Positions do not differ between numbers, but for what attention does.
    for over in ["first", "second", "sum"] {
        for of in ["blocks.0.mlp.post", "blocks.0.attn.pattern", "logits"] {
            assert!((shares(of, over, &[]).iter().sum::<f64>() - 1.0).abs() < 1e-5, "{of} {over}");
        }
    }
    assert!(shares("embed", "first", &[]).iter().all(|share| share.is_nan()), "the sign is the same for all");
    let edits: [Edit; 1] = ["blocks.0.mlp.post[neuron=0..8]=zero".parse().unwrap()];
    let without = shares("logits", "sum", &edits);
    assert!(without[0] < 0.01 && shares("logits", "sum", &[])[0] > 0.3, "{without:?}");
}

#[test]
fn numbers_are_on_a_circle_in_their_order() {
    let opened = addition();
    for (of, radius) in [("embedding", 1.0), ("unembedding", 4.0)] {
        let found = ask(&opened, "embedding_circle", json!({"of": of, "frequency": 3}), &[]).unwrap();
        let (x, y, turn) = (numbers(&found["x"]), numbers(&found["y"]), numbers(&found["turn"]));
        assert_eq!((x.len(), turn[2]), (8, 6.0));
        assert!(x[7].is_nan() && y[7].is_nan() && turn[7].is_nan(), "the sign is no number");
        let step = std::f64::consts::TAU / 7.0;
        for i in 0..7 {
            assert!((x[i].hypot(y[i]) / radius - 1.0).abs() < 0.15, "{of} {i}");
            let angle = y[i].atan2(x[i]) - y[0].atan2(x[0]) - turn[i] * step;
            assert!(angle.cos() > 0.98, "{of} {i}: {angle}");
        }
    }
    assert_eq!(ask(&opened, "embedding_circle", json!({}), &[]).unwrap()["of"], "embedding");
}

#[test]
fn logits_peak_at_the_right_answer() {
    let opened = addition();
    let found = ask(&opened, "residue_logits", json!({"frequencies": [3, 1, 2, 2]}), &[]).unwrap();
    assert_eq!((numbers(&found["frequencies"]), &found["accuracy"]), (vec![1.0, 2.0, 3.0], &json!(1.0)));
    let (mean, residues) = (numbers(&found["mean"]), numbers(&found["residues"]));
    assert_eq!(residues, [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
    assert!((0..7).all(|i| i == 3 || mean[i] < mean[3]));
    assert!(found["explained"].as_f64().unwrap() > 0.7);
    assert!(numbers(&found["phases"]).iter().all(|phase| phase.abs() < 0.1));
    let right = numbers(&found["right"]);
    assert!((right.iter().sum::<f64>() / 49.0 - mean[3]).abs() < 1e-4);
    // It does not subtract: differences hardly depend on anything.
    let wrong = ask(&opened, "residue_logits", json!({"answer": "difference", "frequencies": [1, 2, 3]}), &[]).unwrap();
    assert!(wrong["explained"].as_f64().unwrap() < 0.1 && wrong["accuracy"].as_f64().unwrap() < 0.3);
    let one = ask(&opened, "residue_logits", json!({}), &[]).unwrap();
    assert_eq!(numbers(&one["frequencies"]), [1.0, 2.0, 3.0]);
    let edits: [Edit; 1] = ["blocks.0.mlp.post=zero".parse().unwrap()];
    let none = ask(&opened, "residue_logits", json!({}), &edits).unwrap();
    assert_eq!(numbers(&none["frequencies"]).len(), 1, "none stands out, so the strongest");
    let edits: [Edit; 1] = ["logits=zero".parse().unwrap()];
    let nothing = ask(&opened, "residue_logits", json!({}), &edits).unwrap();
    assert!(nothing["explained"].is_null() && (nothing["loss"].as_f64().unwrap() - 8.0_f64.ln()).abs() < 1e-9);
    let nothing = ask(&opened, "fourier", json!({"of": "logits"}), &edits).unwrap();
    assert!(nothing["gini"].is_null() && numbers(&nothing["shares"]).iter().all(|x| x.is_nan()));
}

#[test]
fn neurons_have_the_frequencies_they_were_made_for() {
    let opened = addition();
    let found = ask(&opened, "neuron_waves", json!({"neuron": 9}), &[]).unwrap();
    let frequencies = numbers(&found["frequencies"]);
    assert!(frequencies.iter().enumerate().all(|(i, k)| *k as usize == 1 + i / 8), "{frequencies:?}");
    let (activation, fit) = (numbers(&found["activation"]), numbers(&found["fit"]));
    let mean = activation.iter().sum::<f64>() / 49.0;
    let squares = |other: &dyn Fn(usize) -> f64| (0..49).map(|i| (activation[i] - other(i)).powi(2)).sum::<f64>();
    let explained = 1.0 - squares(&|i| fit[i]) / squares(&|_| mean);
    assert!((explained - numbers(&found["explained"])[9]).abs() < 1e-4 && found["neuron"] == 9);
    // A neuron that is switched off is the same for all.
    let edits: [Edit; 1] = ["blocks.0.mlp.post[neuron=9]=zero".parse().unwrap()];
    let off = ask(&opened, "neuron_waves", json!({"neuron": 9}), &edits).unwrap();
    assert!(numbers(&off["frequencies"])[9].is_nan() && numbers(&off["activation"]).iter().all(|x| *x == 0.0));
    assert_ne!(ask(&opened, "neuron_waves", json!({}), &edits).unwrap()["neuron"], 9);
}

#[test]
fn attention_is_what_an_edit_makes_it() {
    let opened = addition();
    let found = ask(&opened, "attention_waves", json!({"head": 1}), &[]).unwrap();
    let attention = numbers(&found["attention"]);
    assert!(attention.iter().all(|x| (0.0..1.0).contains(x)) && found["head"] == 1);
    let mean = attention.iter().sum::<f64>() / 49.0;
    assert!((numbers(&found["mean"])[1] - mean).abs() < 1e-5);
    let by_difference = numbers(&found["by_difference"]);
    assert!(numbers(&found["explained"]).iter().zip(&by_difference).all(|(one, all)| one <= all));
    let edits: [Edit; 1] = ["blocks.0.attn.pattern[head=1]=set:0.25".parse().unwrap()];
    let fixed = ask(&opened, "attention_waves", json!({"head": 1}), &edits).unwrap();
    assert!(numbers(&fixed["explained"])[1].is_nan() && numbers(&fixed["frequencies"])[1] == 0.0);
    assert!(numbers(&fixed["wave"]).iter().all(|x| *x == 0.25));
}

#[test]
fn what_is_not_there_is_told() {
    let opened = addition();
    for (view, parameters, told) in [
        ("fourier", json!({"of": "blocks.0.mlp.down.weight"}), "no weight with a row for each token"),
        ("fourier", json!({"of": "nonsense"}), "`nonsense` is no point"),
        ("embedding_circle", json!({"frequency": 4}), "1 to 3"),
        ("residue_logits", json!({"frequencies": [2, 4]}), "no frequency 4"),
        ("residue_logits", json!({"frequencies": [0]}), "no frequency 0"),
        ("neuron_waves", json!({"layer": 1}), "no layer 1"),
        ("neuron_waves", json!({"neuron": 24}), "0 to 23"),
        ("attention_waves", json!({"head": 2}), "0 to 1"),
        ("attention_waves", json!({"layer": 3}), "no layer 3"),
    ] {
        let error = ask(&opened, view, parameters, &[]).err().unwrap();
        assert!(matches!(&error, Error::Engine(EngineError::Input(why)) if why.contains(told)), "{view}: {error}");
    }
    let edits: [Edit; 1] = ["embed=zero".parse().unwrap()];
    for view in ["fourier", "embedding_circle"] {
        assert!(ask(&opened, view, json!({}), &edits).is_err(), "{view}");
    }
    let error = ask(&opened, "embedding_circle", json!({"frequency": 0}), &[]).err().unwrap();
    assert!(matches!(error, Error::Parameters { .. }), "{error}");
}

#[test]
fn the_program_is_held_beside_the_network() {
    let opened = addition();
    let found = ask(&opened, "program", json!({"prompt": [3, 5, 7], "term": 2}), &[]).unwrap();
    assert_eq!(found["closed_form"], "(a + b) % 7");
    assert_eq!((&found["agree_network"], &found["domain_size"]), (&json!(49), &json!(49)));
    for who in ["network_answer", "waves_answer", "closed_form_answer"] {
        assert_eq!(found[who], 1, "{who}");
    }
    let (waves, sum) = (numbers(&found["waves"]), numbers(&found["sum"]));
    assert_eq!(found["waves"]["dims"], json!(["row", "d_vocab"]));
    for (answer, sum) in sum.iter().enumerate() {
        let parts: f64 = waves.iter().skip(answer).step_by(7).sum();
        assert!((parts - sum).abs() < 1e-4);
    }
    // Neurons 8 to 15 were made for frequency 2, all around the circle.
    let written: Vec<f64> = numbers(&found["neuron_cosine"])
        .iter()
        .zip(numbers(&found["neuron_sine"]))
        .map(|(cosine, sine)| cosine.hypot(sine))
        .collect();
    let least = written[8..16].iter().copied().fold(f64::INFINITY, f64::min);
    let others = written[..8].iter().chain(&written[16..]).copied().fold(0.0, f64::max);
    assert!(least > 5.0 * others, "{written:?}");

    let zero: Edit = "blocks.0.mlp.post=zero".parse().unwrap();
    let without = ask(&opened, "program", json!({}), &[zero]).unwrap();
    assert!(without["family"].is_null() && without["why"].as_str().unwrap().contains("does something else"));
    let says = |parameters: Value, part: &str| {
        let error = ask(&opened, "program", parameters, &[]).unwrap_err();
        assert!(matches!(error, Error::Engine(EngineError::Input(_))) && error.to_string().contains(part), "{error}");
    };
    says(json!({"prompt": [3, 7, 5]}), "3 7 5 are none of the inputs");
    says(json!({"term": 4}), "7 answers have 1 to 3");
}

#[test]
fn views_of_any_network_are_shown_of_a_very_small_one() {
    let opened = addition();
    let found = ask(&opened, "next_tokens", json!({"prompt": [3, 5, 7], "k": 50}), &[]).unwrap();
    assert_eq!(found["top_ids"]["shape"], json!([3, 8]), "all there are");
    assert_eq!(found["top_ids"]["data"][16], 1, "3 + 5 is 1 modulo 7");
    // In three positions nothing can be repeated.
    let found = ask(&opened, "pattern", json!({"prompt": [3, 5, 7]}), &[]).unwrap();
    assert!(numbers(&found["induction"]).iter().all(|score| score.is_nan()));
    assert!(numbers(&found["first_token"]).iter().all(|score| (0.0..=1.0).contains(score)));
}
