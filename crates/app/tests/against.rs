//! `--against`: two prompts or two models, in every form, from the command line.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use serde_json::{Value, json};
use support::{copy, fails, golden, json, ok, path, with_tokenizer};

fn numbers(array: &Value) -> Vec<f64> {
    array["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn minus(b: &Value, a: &Value) -> Vec<f64> {
    numbers(b).iter().zip(numbers(a)).map(|(b, a)| b - a).collect()
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn two_prompts_of_one_length_have_a_difference() {
    let folder = with_tokenizer("llama");
    let alone = |prompt: &str| json(&["view", "pattern", path(&folder), "--prompt", prompt, "--json"]);
    let (a, b) = (alone("a cat"), alone("a dog"));
    let both = json(&["view", "pattern", path(&folder), "--prompt", "a cat", "--against", "a dog", "--json"]);
    assert_eq!((&both["a"], &both["b"]), (&a, &b), "each is what the view says by itself");
    assert_eq!((&both["a_name"], &both["b_name"]), (&json!("\"a cat\""), &json!("\"a dog\"")));
    assert_eq!((&both["compared"], &both["why_not"]), (&json!("prompts"), &Value::Null));
    let one_head = ["--layer", "1", "--head", "2"];
    let question = ["view", "pattern", path(&folder), "--prompt", "a cat", "--against", "a dog", "--json"];
    let one = json(&[&question[..], &one_head].concat());
    let change = &one["difference"];
    assert_eq!(change["kind"], "heatmap");
    close(&numbers(&change["values"]), &minus(&one["b"]["pattern"], &one["a"]["pattern"]));
    let ticks: Vec<&str> = change["x"]["ticks"].as_array().unwrap().iter().map(|tick| tick.as_str().unwrap()).collect();
    assert_eq!(ticks, ["a", " ", "c → d", "a → o", "t → g"]);
}

#[test]
fn prompts_of_different_lengths_are_shown_without_a_difference() {
    let folder = with_tokenizer("llama");
    let question = ["view", "logit_lens", path(&folder), "--prompt", "a cat", "--against", "a horse"];
    let both = json(&[&question[..], &["--json"]].concat());
    assert_eq!(both["difference"], Value::Null);
    assert!(both["why_not"].as_str().unwrap().contains("axes are not equal"));
    assert_eq!(both["b"]["tokens"]["shape"], json!([7]));
    let shown = ok(&question).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("without their difference: their axes are not equal"), "{shown}");
    let text = ["view", "sample", path(&folder), "--max-new-tokens", "3", "--prompt", "a", "--against", "b", "--json"];
    let text = json(&text);
    assert!(text["difference"].is_null() == text["why_not"].is_string());
}

#[test]
fn two_models_are_compared_on_one_prompt() {
    let (folder, other) = (with_tokenizer("llama"), with_tokenizer("mistral"));
    let question = ["view", "logit_lens", path(&folder), "--prompt", "abc", "--json", "--against"];
    let both = json(&[&question[..], &[path(&other)]].concat());
    let alone = json(&["view", "logit_lens", path(&other), "--prompt", "abc", "--json"]);
    assert_eq!((&both["b"], &both["compared"]), (&alone, &json!("models")));
    let same = json(&[&question[..], &[path(&folder)]].concat());
    assert!(numbers(&same["difference"]["values"]).iter().all(|&x| x == 0.0), "nothing changes to itself");
}

#[test]
fn token_ids_are_compared_with_token_ids() {
    let model = golden("llama");
    let both = json(&["view", "next_tokens", &model, "--tokens", "3,5,7", "--against", "3, 5,9", "--json"]);
    assert_eq!(both["b"], json(&["view", "next_tokens", &model, "--tokens", "3,5,9", "--json"]));
    fails(
        &["view", "next_tokens", &model, "--tokens", "3,5,7", "--against", "abc"],
        2,
        &["`abc` is neither a model nor token ids"],
    );
}

#[test]
fn edits_apply_to_both() {
    let (folder, other) = (with_tokenizer("llama"), with_tokenizer("mistral"));
    // The other prompt's values are each model's own.
    for edit in ["blocks.0.mlp_out[pos=-1]=zero", "blocks.0.attn_out[pos=1]=patch:xyz"] {
        let alone = |model| json(&["view", "next_tokens", model, "--prompt", "abc", "--edit", edit, "--json"]);
        let question = ["view", "next_tokens", path(&folder), "--prompt", "abc", "--edit", edit, "--json", "--against"];
        let both = json(&[&question[..], &[path(&other)]].concat());
        assert_eq!((&both["a"], &both["b"]), (&alone(path(&folder)), &alone(path(&other))), "{edit}");
    }
}

#[test]
fn the_view_two_does_the_same() {
    let folder = with_tokenizer("llama");
    let by_flag = ["view", "logit_lens", path(&folder), "--prompt", "ab", "--against", "cd", "--k", "2", "--json"];
    let question = ["view", "two", path(&folder), "--prompt", "ab", "--against", "cd"];
    let by_name = [&question[..], &["--view", "logit_lens", "--parameters", r#"{"k": 2}"#, "--json"]].concat();
    assert_eq!(json(&by_flag), json(&by_name));
    let with = |view: &'static str, expected: &[&str]| {
        fails(&[&question[..], &["--view", view]].concat(), 2, expected);
    };
    with("lens", &["there is no view `lens`", "logit_lens"]);
    with("two", &["compares other views"]);
    fails(&[&question[..], &["--view", "logit_lens", "--parameters", r#"{"kk": 2}"#]].concat(), 2, &["kk"]);
    fails(&[&question[..], &["--view", "logit_lens", "--parameters", "2"]].concat(), 2, &["a JSON object"]);
    fails(&["view", "two", path(&folder), "--view", "logit_lens", "--against", "x"], 2, &["without a prompt"]);
}

#[test]
fn every_form_shows_both_and_the_change() {
    let folder = with_tokenizer("llama");
    let question = ["view", "logit_lens", path(&folder), "--prompt", "abc", "--against", "abd"];
    let shown = ok(&question).stdout;
    for part in ["\"abc\"", "\"abd\"", "change: \"abd\" minus \"abc\""] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let written = |ending: &str| {
        let file = folder.path().join(format!("out.{ending}"));
        ok(&[&question[..], &["-o", file.to_str().unwrap()]].concat());
        std::fs::read(&file).unwrap()
    };
    let document: Value = serde_json::from_slice(&written("json")).unwrap();
    assert_eq!(document, json(&[&question[..], &["--json"]].concat()));
    assert!(String::from_utf8(written("csv")).unwrap().lines().count() > 12);
    for ending in ["svg", "html"] {
        assert!(String::from_utf8(written(ending)).unwrap().contains("change: "), "{ending}");
    }
    assert!(written("png").starts_with(b"\x89PNG\r\n\x1a\n"));
}

#[test]
fn what_is_wrong_with_the_second_is_said() {
    let folder = with_tokenizer("llama");
    let bare = copy("llama");
    let question = ["view", "next_tokens", path(&folder), "--prompt", "abc", "--against"];
    fails(&[&question[..], &[path(&bare)]].concat(), 1, &["against `", "no tokenizer"]);
    fails(&[&question[..], &["zoo:nothing-of-that-name"]].concat(), 1, &["nothing-of-that-name"]);
    fails(&[&question[..], &[""]].concat(), 1, &["against ``"]);
}
