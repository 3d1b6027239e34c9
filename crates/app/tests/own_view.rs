//! The view that docs/adding-a-view.md has people write: 40 lines in one file, and it is everywhere.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use support::server::{question, start_program};
use support::{finish, golden, root};

/// The example of this crate that has the view in it; cargo builds examples with tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().with_file_name("examples").join("with_a_view");
    assert!(program.is_file(), "{} is missing: cargo build --package pellucid --examples", program.display());
    program
}

fn ok(arguments: &[&str]) -> String {
    let ran = finish(Command::new(program()).args(arguments));
    assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.stderr);
    ran.stdout
}

#[test]
fn a_view_of_forty_lines_is_in_the_command_line_the_reference_and_the_workbench() {
    let source = std::fs::read_to_string(root().join("docs/adding-a-view/surprise.rs")).unwrap();
    assert!(source.lines().count() <= 40);
    let page = std::fs::read_to_string(root().join("docs/adding-a-view.md")).unwrap();
    assert!(page.contains("{{#include adding-a-view/surprise.rs}}"));
    assert!(ok(&["views"]).contains("lens/surprise"));
    let reference = ok(&["views", "surprise"]);
    for line in source.lines().filter_map(|line| line.trim().strip_prefix("/// ")) {
        let words = line.trim_end_matches('.').split(' ').take(4).collect::<Vec<_>>().join(" ");
        // What `Output` is for stands beside its fields.
        assert!(reference.contains(&words) || words.starts_with("The surprise"), "{words}: {reference}");
    }
    let model = golden("llama");
    let asked = ["--tokens", "3,5,7,5"];
    let answer: Value =
        serde_json::from_str(&ok(&[&["view", "surprise", &model, "--json"], &asked[..]].concat())).unwrap();
    let known: Value =
        serde_json::from_str(&ok(&[&["view", "next_tokens", &model, "--json"], &asked[..]].concat())).unwrap();
    assert_eq!(answer["bits"]["data"][0], "NaN");
    for pos in 1..4 {
        let nats = -known["actual_logprob"]["data"][pos - 1].as_f64().unwrap();
        let bits = answer["bits"]["data"][pos].as_f64().unwrap();
        assert!((bits * std::f64::consts::LN_2 - nats).abs() < 1e-5, "{bits} bits, {nats} nats");
    }
    let server = start_program(Command::new(program()));
    let state = server.get("/api/state").json();
    let told = state["views"].as_array().unwrap().iter().find(|view| view["name"] == "surprise").unwrap().clone();
    assert_eq!((&told["shelf"], &told["outside"]), (&json!("lens"), &json!(false)));
    assert_eq!(told["schema"]["properties"]["prompt"]["format"], "prompt");
    let job = server.job(&question(&model, "surprise", &json!({ "prompt": [3, 5, 7, 5] })));
    assert_eq!(job["state"], "done", "{job}");
    let artifact = server.get(&format!("/api/artifacts/{}", job["key"].as_str().unwrap())).json();
    assert_eq!(artifact["figure"]["kind"], "tokens");
}
