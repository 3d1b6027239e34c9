//! What describes models and views.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use serde_json::{Value, json};
use support::{command, fails, finish, golden, json, ok, run, with_tokenizer};

#[test]
fn help_tells_what_there_is() {
    let ran = ok(&["--help"]);
    for told in ["models", "views", "points", "card", "capture", "view", "--backend", "--memory", "Exit status"] {
        assert!(ran.stdout.contains(told), "{told}");
    }
    assert!(!ran.stdout.contains("  bench"), "measurements are for a script");
    assert!(ok(&["--version"]).stdout.starts_with("pellucid "));
    let ran = run(&[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("Usage: pellucid"));
    for command in ["models", "views", "points", "card", "capture", "view"] {
        assert!(ok(&[command, "--help"]).stdout.contains("Usage: pellucid"), "{command}");
    }
}

#[test]
fn help_of_a_view_is_its_doc_comment() {
    let list = ok(&["view", "--help"]).stdout;
    for view in views::VIEWS {
        assert!(list.contains(view.name));
        let help = ok(&["view", view.name, "--help"]).stdout;
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let paragraphs = view.help();
        for paragraph in paragraphs.split("\n\n") {
            assert!(words(&help).contains(&words(paragraph)), "{}: {paragraph}", view.name);
        }
        let asks = view.schema().as_value()["properties"].get("prompt").is_some();
        let of_prompts = ["--prompt", "--prompt-file", "--tokens", "--special", "--chat"];
        for flag in of_prompts.iter().filter(|_| asks).chain(&["--json", "--output"]) {
            assert!(help.contains(flag), "{}: {flag}", view.name);
        }
        let explained = ok(&["views", view.name]).stdout;
        for name in view.schema().as_value()["properties"].as_object().unwrap().keys() {
            assert!(help.contains(&format!("--{}", name.replace('_', "-"))), "{}: {name}", view.name);
            assert!(explained.contains(&format!("--{}", name.replace('_', "-"))), "{}: {name}", view.name);
        }
        for name in view.output_schema().as_value()["properties"].as_object().unwrap().keys() {
            assert!(explained.contains(name.as_str()), "{}: {name}", view.name);
        }
    }
    assert!(ok(&["view", "logit_lens", "--help"]).stdout.contains("[default: 5]"));
}

#[test]
fn views_are_listed_with_their_schemas() {
    let plain = ok(&["views"]).stdout;
    assert!(plain.contains("lens/logit_lens") && plain.contains("attention/pattern"));
    let all = json(&["views", "--json"]);
    let names: Vec<&str> = all.as_array().unwrap().iter().map(|view| view["name"].as_str().unwrap()).collect();
    assert_eq!(names, views::VIEWS.iter().map(|view| view.name).collect::<Vec<_>>());
    let one = json(&["views", "lens/next_tokens", "--json"]);
    assert_eq!((&one["name"], &one["shelf"]), (&json!("next_tokens"), &json!("lens")));
    assert!(one["parameters"]["properties"]["k"]["default"] == 5 && one["output"]["properties"]["entropy"].is_object());
    fails(&["views", "tuned_lens"], 2, &["no view `tuned_lens`", "logit_lens"]);
}

#[test]
fn points_are_listed_with_their_axes() {
    let points = json(&["points", &golden("llama"), "--json"]);
    let points = points.as_array().unwrap();
    assert_eq!(points.len(), 2 + 2 + 2 * 21);
    assert_eq!(points[0], json!({ "name": "embed", "layer": null, "dims": ["pos", "d_model"], "shape": [null, 32] }));
    let pattern = points.iter().find(|point| point["name"] == "blocks.1.attn.pattern").unwrap();
    assert_eq!(pattern["dims"], json!(["head", "pos/dst", "pos/src"]));
    assert_eq!((&pattern["shape"], &pattern["layer"]), (&json!([4, null, null]), &json!(1)));
    let plain = ok(&["points", &golden("llama")]).stdout;
    assert!(
        plain.contains("blocks.{i}.attn.z") && plain.contains("[pos, head 4, d_head 8]") && plain.contains("0 to 1")
    );
}

#[test]
fn a_card_has_the_fixed_fields() {
    let card = json(&["card", &golden("qwen3"), "--json"]);
    let names: Vec<&str> = card.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names.join(" "),
        "name family parameters n_layers n_heads n_kv_heads d_model d_mlp d_vocab n_ctx dtype tokenizer weights_sha256 \
         licence source training"
    );
    assert_eq!(card["name"], "qwen3");
    assert_eq!(card["family"], "llama");
    for (name, value) in [
        ("n_layers", 2),
        ("n_heads", 4),
        ("n_kv_heads", 1),
        ("d_model", 32),
        ("d_mlp", 44),
        ("d_vocab", 128),
        ("n_ctx", 64),
        // Embedding, final norm; per block two norms, q and o, k and v, norms of q and k, three MLP matrices.
        ("parameters", 128 * 32 + 32 + 2 * (2 * 32 + 2 * 64 * 32 + 2 * 16 * 32 + 2 * 16 + 3 * 44 * 32)),
    ] {
        assert_eq!(card[name], value, "{name}");
    }
    assert_eq!(card["dtype"], "F32");
    assert!(["tokenizer", "licence", "source", "training"].iter().all(|name| card[*name] == Value::Null));
    let digest = card["weights_sha256"].as_str().unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(json(&["card", &golden("qwen3"), "--json"])["weights_sha256"], digest, "remembered");
    assert_ne!(json(&["card", &golden("llama"), "--json"])["weights_sha256"], digest);
    let plain = ok(&["card", &golden("qwen3")]).stdout;
    assert!(plain.contains("n_kv_heads") && plain.contains("not known"));
    let folder = with_tokenizer("llama");
    assert_eq!(json(&["card", support::path(&folder), "--json"])["tokenizer"], "tokenizer.json");
}

#[test]
fn models_are_found_by_name() {
    let empty = tempfile::tempdir().unwrap();
    let with = |arguments: &[&str], models: &str| {
        finish(command(arguments).env("PELLUCID_MODELS", models).env("HF_HOME", empty.path()))
    };
    let goldens = support::root().join("tests/golden");
    let goldens = goldens.to_str().unwrap();
    let ran = with(&["models", "--json"], goldens);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let qwen = found.as_array().unwrap().iter().find(|model| model["name"] == "qwen3").unwrap();
    assert_eq!((&qwen["format"], &qwen["architecture"]), (&json!("safetensors"), &json!("Qwen3ForCausalLM")));
    assert!(qwen["bytes"].as_u64().unwrap() > 10_000);
    assert!(with(&["models"], goldens).stdout.contains("qwen3"));
    assert_eq!(with(&["points", "qwen3", "--json"], goldens).status, 0, "a name stands for its model");
    let none = with(&["models"], empty.path().to_str().unwrap());
    assert_eq!(none.status, 0);
    assert!(none.stderr.contains("no models in"), "{}", none.stderr);
    let only: Value =
        serde_json::from_str(&with(&["models", "--json"], empty.path().to_str().unwrap()).stdout).unwrap();
    let shipped = |model: &Value| model["model"].as_str().unwrap().starts_with("zoo:");
    assert!(only.as_array().unwrap().iter().all(shipped), "{only}");
}

#[test]
fn measurements_are_documents() {
    let capture = json(&["bench", "capture", &golden("llama"), "--tokens-shape", "2x8", "--rounds", "2", "--json"]);
    assert!(capture["cold_seconds"].as_f64().unwrap() > 0.0 && capture["warm_seconds"].as_f64().unwrap() > 0.0);
    let decode = json(&["bench", "decode", &golden("llama"), "--tokens", "5", "--rounds", "1", "--json"]);
    assert!(decode["tokens_per_second"].as_f64().unwrap() > 0.0);
}
