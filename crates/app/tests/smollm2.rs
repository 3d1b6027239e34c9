//! The program on the real SmolLM2-135M, against what Hugging Face's weights compute (`tests/golden/smollm2`).

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use support::{Tensor, json, ok, relative, root, smollm2, tensors};

const MARY: &str = "When Mary and John went to the store, John gave a drink to";
const PROMPTS: [(&str, &str); 5] = [
    ("france", "The capital of France is"),
    ("mary", MARY),
    ("emoji", "I love 🍕 and 🏳️‍🌈 — naïve café 👩🏽‍🚀!"),
    ("cjk", "東京は日本の首都です。北京是中国的首都。"),
    ("repeats", "one two three one two three one two three one two"),
];

fn known(name: &str) -> BTreeMap<String, Tensor> {
    tensors(&root().join("tests/golden/smollm2").join(format!("{name}.safetensors")))
}

fn numbers(array: &Value) -> Vec<f64> {
    let number = |x: &Value| x.as_f64().unwrap_or(f64::NAN);
    array["data"].as_array().unwrap().iter().map(number).collect()
}

fn as_numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.data.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn predictions_are_those_of_hugging_face() {
    let Some(model) = smollm2() else { return };
    for (name, prompt) in PROMPTS {
        let known = known(name);
        let next = json(&["view", "next_tokens", &model, "--prompt", prompt, "--k", "10", "--json"]);
        assert_eq!(numbers(&next["ids"]), as_numbers(&known["tokens"]), "{name}: tokens");
        let (ids, probabilities) = (numbers(&next["top_ids"]), numbers(&next["top_probs"]));
        let (top, logits) = (&known["top_ids"].data, &known["top_logits"].data);
        for pos in 0..known["tokens"].data.len() {
            for rank in 0..10 {
                let (ours, theirs) = (pos * 10 + rank, pos * 50 + rank);
                let p = f64::from(logits[theirs] - known["log_sum_exp"].data[pos]).exp();
                assert!((probabilities[ours] - p).abs() < 1e-3, "{name}: position {pos}, rank {rank}");
                // Where Hugging Face's own logits are nearly equal, either order is right.
                let apart = |a: usize, b: usize| (logits[a] - logits[b]).abs() > 4e-3;
                let clear = (rank == 0 || apart(theirs, theirs - 1)) && apart(theirs, theirs + 1);
                assert!(!clear || ids[ours] == f64::from(top[theirs]), "{name}: position {pos}, rank {rank}");
            }
        }
    }
}

#[test]
fn shares_of_a_logit_sum_to_it() {
    let Some(model) = smollm2() else { return };
    let known = known("mary");
    for (target, minus) in [(" Mary", None), (" Mary", Some(" John"))] {
        let question =
            ["view", "direct_logit", &model, "--prompt", MARY, "--target", target, "--neurons", "50000", "--json"];
        let split = json(&[&question[..], &minus.map_or(vec![], |minus| vec!["--minus", minus])].concat());
        let (ids, at) = (numbers(&split["target_ids"]), |name: &str| split[name].as_f64().unwrap());
        let logit_of = |id: f64| {
            let rank = known["top_ids"].data[13 * 50..].iter().position(|&top| f64::from(top) == id).unwrap();
            f64::from(known["top_logits"].data[13 * 50 + rank])
        };
        let logit = logit_of(ids[0]) - ids.get(1).map_or(0.0, |&id| logit_of(id));
        assert!((at("logit") - logit).abs() < 4e-3, "{} {logit}", at("logit"));
        let (heads, mlps) = (numbers(&split["heads"]), numbers(&split["mlps"]));
        let parts: f64 = heads.iter().chain(&mlps).sum::<f64>() + at("embed") + at("bias");
        println!("{target} {minus:?}: logit {} parts {parts} other {} error {}", at("logit"), at("other"), at("error"));
        assert!((parts - at("logit")).abs() < 1e-4 && at("other").abs() < 1e-4 && at("error") < 1e-4, "{parts}");
        // All 1536 neurons of 30 layers make up what the feed-forward layers add.
        let neurons = numbers(&split["neuron_shares"]);
        let rest = neurons.iter().sum::<f64>() - mlps.iter().sum::<f64>();
        println!("neurons less layers {rest}");
        assert!(neurons.len() == 30 * 1536 && rest.abs() < 1e-3, "{rest}");
    }
}

#[test]
fn the_lens_ends_in_the_prediction_and_starts_far_from_it() {
    let Some(model) = smollm2() else { return };
    let lens = json(&["view", "logit_lens", &model, "--prompt", MARY, "--k", "3", "--json"]);
    assert_eq!(lens["top_probs"]["dims"], serde_json::json!(["layer", "pos", "k"]));
    assert_eq!(lens["top_probs"]["shape"], serde_json::json!([31, 14, 3]));
    assert_eq!(lens["top_tokens"]["data"][(30 * 14 + 13) * 3], " Mary");
    let (kl, rank) = (numbers(&lens["kl_to_final"]), numbers(&lens["rank_of_final"]));
    assert!(kl[30 * 14..].iter().chain(&rank[30 * 14..]).all(|&x| x == 0.0));
    assert!(kl[..14].iter().all(|&kl| kl > 1.0), "the embedding is far from the answer");
    // The climb of the answer at the last position.
    assert!(rank[14 * 15 + 13] > 500.0 && rank[14 * 29 + 13] < 50.0);
}

#[test]
fn patterns_and_the_residual_stream_are_those_of_hugging_face() {
    let Some(model) = smollm2() else { return };
    let known = known("mary");
    let n = known["tokens"].data.len();
    let view = json(&["view", "pattern", &model, "--prompt", MARY, "--json"]);
    assert_eq!(view["pattern"]["dims"], serde_json::json!(["layer", "head", "pos/dst", "pos/src"]));
    let pattern = numbers(&view["pattern"]);
    for (head, expected) in known["pattern_last"].data.chunks_exact(n).enumerate() {
        let last = &pattern[(head + 1) * n * n - n..(head + 1) * n * n];
        let error = last.iter().zip(expected).map(|(x, e)| (x - f64::from(*e)).abs()).fold(0.0, f64::max);
        assert!(error < 1e-4, "head {head}: {error}");
    }
    // Heads 3 and 4 of layer 17 and head 6 of layer 18 continue repetitions; head 0 of layer 16 looks one back.
    let (induction, previous) = (numbers(&view["induction"]), numbers(&view["previous_token"]));
    assert!([(17, 3), (17, 4), (18, 6)].iter().all(|(layer, head)| induction[layer * 9 + head] > 0.6));
    assert!(previous[16 * 9] > 0.6 && induction[..9 * 10].iter().all(|&score| score < 0.3));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.safetensors");
    let points = ["--point", "embed", "*.resid_post"];
    ok(&[&["capture", &model, "--prompt", MARY, "-o", file.to_str().unwrap()], &points[..]].concat());
    let found = tensors(&file);
    for layer in 0..31 {
        let name = if layer == 0 { "embed".to_owned() } else { format!("blocks.{}.resid_post", layer - 1) };
        for (i, pos) in [n - 2, n - 1].into_iter().enumerate() {
            let expected = &known["resid"].data[(layer * 2 + i) * 576..][..576];
            let error = relative(&found[&name].data[pos * 576..][..576], expected);
            assert!(error < 2e-4, "{name}, position {pos}: {error}");
        }
    }
}

#[test]
fn heads_are_of_the_kinds_that_their_patterns_show() {
    let Some(model) = smollm2() else { return };
    let found = json(&["view", "detect", &model, "--prompt", MARY, "--k", "3", "--json"]);
    let (layers, heads, scores) =
        (numbers(&found["top_layers"]), numbers(&found["top_heads"]), numbers(&found["top_scores"]));
    let top =
        |kind: usize| (0..3).map(|i| (layers[kind * 3 + i] as usize, heads[kind * 3 + i] as usize)).collect::<Vec<_>>();
    assert!(top(0).iter().all(|head| [(17, 3), (17, 4), (18, 6)].contains(head)), "induction: {:?}", top(0));
    assert!(top(1).contains(&(16, 0)), "previous token: {:?}", top(1));
    assert!(scores[..6].iter().all(|&score| score > 0.5), "{scores:?}");
}

#[test]
fn saliency_is_complete_and_finds_the_name() {
    let Some(model) = smollm2() else { return };
    for (prompt, options) in
        [(MARY, &["--target", " Mary", "--minus", " John"][..]), ("one two three one two three one two", &[][..])]
    {
        let found = json(&[&["view", "saliency", &model, "--prompt", prompt, "--json"], options].concat());
        assert!(found["completeness_error"].as_f64().unwrap() < 0.01, "{prompt}: {}", found["completeness_error"]);
        let sum: f64 = numbers(&found["integrated_gradients"]).iter().sum();
        let whole = found["value"].as_f64().unwrap() - found["baseline_value"].as_f64().unwrap();
        assert!((sum - whole).abs() < 0.01 * whole.abs() + 1e-3, "{prompt}: {sum} {whole}");
        if prompt == MARY {
            let occlusion = numbers(&found["occlusion"]);
            let most = (1..occlusion.len()).max_by(|&a, &b| occlusion[a].abs().total_cmp(&occlusion[b].abs())).unwrap();
            assert_eq!(found["tokens"]["data"][most], " Mary", "{occlusion:?}");
        }
    }
}

#[test]
fn greedy_text_is_that_of_hugging_face() {
    let Some(model) = smollm2() else { return };
    for (name, prompt) in PROMPTS {
        let known = known(name);
        let text = json(&["view", "sample", &model, "--prompt", prompt, "--max-new-tokens", "24", "--json"]);
        let ours = numbers(&text["ids"]);
        assert!(ours.len() == 24 || text["ended"] == "stop", "{name}");
        for (step, (ours, theirs)) in ours.iter().zip(as_numbers(&known["greedy"])).enumerate() {
            if known["greedy_gap"].data[step] < 4e-3 {
                break;
            }
            assert_eq!(*ours, theirs, "{name}: step {step}");
        }
        assert_eq!(text["tokens"]["data"].as_array().unwrap().len(), ours.len());
    }
}

#[test]
fn a_seed_repeats_and_another_does_not() {
    let Some(model) = smollm2() else { return };
    let sample = |seed: &str| {
        let hot = ["--temperature", "0.9", "--top-k", "50", "--top-p", "0.95", "--max-new-tokens", "12"];
        let text =
            json(&[&["view", "sample", &model, "--prompt", "Once upon", "--seed", seed, "--json"], &hot[..]].concat());
        text["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
}

#[test]
fn removing_a_head_that_helps_lowers_the_answer() {
    let Some(model) = smollm2() else { return };
    let probability = |edits: &[&str]| {
        let edits: Vec<&str> = edits.iter().flat_map(|edit| ["--edit", edit]).collect();
        let next =
            json(&[&["view", "next_tokens", &model, "--prompt", MARY, "--k", "1", "--json"], &edits[..]].concat());
        assert_eq!(next["top_tokens"]["data"][13], " Mary");
        numbers(&next["top_probs"])[13]
    };
    let plain = probability(&[]);
    let one = probability(&["blocks.20.attn.z[head=0]=zero"]);
    let three = probability(&[
        "blocks.20.attn.z[head=0]=zero",
        "blocks.23.attn.z[head=0]=zero",
        "blocks.28.attn.z[head=1]=zero",
    ]);
    assert!((0.90..0.94).contains(&plain), "{plain}");
    assert!((0.78..0.88).contains(&one), "{one}");
    assert!((0.50..0.65).contains(&three), "{three}");
}

#[test]
fn a_chat_is_put_into_the_template() {
    let Some(model) = smollm2() else { return };
    let next = json(&["view", "next_tokens", &model, "--prompt", "Hi", "--chat", "--json"]);
    let tokens: Vec<&str> = next["tokens"]["data"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let text = tokens.concat();
    assert!(text.contains("<|im_start|>user\nHi<|im_end|>") && text.ends_with("<|im_start|>assistant\n"), "{text}");
}

#[test]
fn the_card_says_what_it_is() {
    let Some(model) = smollm2() else { return };
    let card = json(&["card", &model, "--json"]);
    for (name, value) in [
        ("n_layers", 30),
        ("n_heads", 9),
        ("n_kv_heads", 3),
        ("d_model", 576),
        ("d_mlp", 1536),
        ("d_vocab", 49152),
        ("n_ctx", 8192),
        ("parameters", 134_515_008),
    ] {
        assert_eq!(card[name], value, "{name}");
    }
    assert_eq!((&card["family"], &card["licence"]), (&Value::from("llama"), &Value::from("apache-2.0")));
    assert_eq!(card["dtype"], "Q4_1");
}

/// A matrix `[rows, columns]` of the file, read without the engine.
fn matrix(model: &str, name: &str) -> (usize, Vec<f32>) {
    let file = store::open(std::path::Path::new(model)).unwrap();
    let tensor = &file.tensors()[name];
    let mut values = vec![0.0; tensor.shape.iter().product()];
    kernels::quant::dequantize(tensor.dtype, tensor.bytes.as_slice(), &mut values);
    (tensor.shape[1], values)
}

#[test]
fn neurons_promote_the_tokens_that_their_vectors_point_to() {
    let Some(model) = smollm2() else { return };
    let (width, unembedding) = matrix(&model, "token_embd.weight");
    for (layer, neuron) in [(0, 0), (3, 700), (17, 1535), (29, 41)] {
        let (neurons, down) = matrix(&model, &format!("blk.{layer}.ffn_down.weight"));
        let vector: Vec<f64> = (0..width).map(|i| f64::from(down[i * neurons + neuron])).collect();
        let score = |row: &[f32]| row.iter().zip(&vector).map(|(&x, v)| f64::from(x) * v).sum::<f64>();
        let mut scores: Vec<(f64, usize)> = unembedding.chunks_exact(width).map(score).zip(0..).collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (layer, neuron) = (layer.to_string(), neuron.to_string());
        let question =
            ["view", "promoted_tokens", &model, "--layer", &layer, "--neuron", &neuron, "--k", "12", "--json"];
        let found = json(&question);
        let mut lowest = scores.clone();
        lowest.reverse();
        for (end, known) in [("top", &scores), ("bottom", &lowest)] {
            let (ids, values) = (numbers(&found[format!("{end}_ids")]), numbers(&found[format!("{end}_scores")]));
            for rank in 0..12 {
                assert!((values[rank] - known[rank].0).abs() < 1e-5, "{layer}.{neuron}: {end} {rank}");
                let alone = |a: usize, b: usize| (known[a].0 - known[b].0).abs() > 1e-5;
                let clear = (rank == 0 || alone(rank, rank - 1)) && alone(rank, rank + 1);
                assert!(!clear || ids[rank] == known[rank].1 as f64, "{layer}.{neuron}: {end} {rank}");
            }
        }
    }
}

#[test]
fn sub_updates_sum_to_what_layers_write() {
    let Some(model) = smollm2() else { return };
    let question = ["view", "promoted_tokens", &model, "--layer", "0", "--neuron", "0", "--prompt", MARY, "--json"];
    let found = json(&question);
    let errors = numbers(&found["sum_error"]);
    assert!(errors.len() == 30 && errors.iter().all(|&error| error < 1e-5), "{errors:?}");
    let saturation = found["saturation"].as_i64().unwrap();
    assert!((20..30).contains(&saturation), "the answer is settled late: {saturation}");
}

#[test]
fn circuits_tell_what_heads_do() {
    let Some(model) = smollm2() else { return };
    // Head 3 of layer 17 continues repetitions: it raises what it looks at. Head 0 of layer 16 looks at the token before,
    // whatever that is, and tells others of it.
    let copying = |layer: &str, head: &str| {
        let question =
            ["view", "head_circuits", &model, "--layer", layer, "--head", head, "--draws", "20", "--k", "8", "--json"];
        let found = json(&question);
        let scores = numbers(&found["qk_scores"]);
        assert!(scores.len() == 8 && scores.windows(2).all(|pair| pair[0] >= pair[1]));
        found["copying_score"].as_f64().unwrap()
    };
    let (copier, other) = (copying("17", "3"), copying("16", "0"));
    assert!(copier > 0.5 && other.abs() < 0.1, "{copier} {other}");
}

#[test]
fn spectra_of_every_matrix() {
    let Some(model) = smollm2() else { return };
    let found = json(&["view", "spectra", &model, "--only", "blk.1.", "--json"]);
    assert_eq!(found["names"]["shape"], serde_json::json!([7]));
    let (shape, values) = (&found["singular_values"]["shape"], numbers(&found["singular_values"]));
    assert_eq!(shape, &serde_json::json!([7, 576]));
    for (row, &norm) in numbers(&found["frobenius"]).iter().enumerate() {
        let of_row = values[row * 576..][..576].iter().filter(|x| !x.is_nan());
        let squares: f64 = of_row.map(|x| x * x).sum();
        assert!((squares.sqrt() / norm - 1.0).abs() < 1e-5, "{row}");
    }
}
