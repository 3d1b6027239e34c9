//! Views that are programs: the one of the documentation, and some that misbehave.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use support::server::{question, start_with};
use support::{Ran, command, finish, golden, root};
use tempfile::TempDir;

const DESCRIBES: &str =
    r#"{"protocol": 1, "help": "Odd.", "parameters": {"properties": {}}, "figures": ["text"], "seconds": 2}"#;

/// A folder with programs in it; each is a shell script of what `describe` and `run` do.
fn programs(scripts: &[(&str, &str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, describe, run) in scripts {
        let script = format!("#!/bin/sh\nif [ \"$1\" = describe ]; then\n{describe}\nelse\n{run}\nfi\n");
        let path = folder.path().join(format!("pellucid-view-{name}"));
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// The program with a folder of plug-ins in front of its `PATH`.
fn with(folder: &Path, arguments: &[&str]) -> Ran {
    let path = std::env::var("PATH").unwrap();
    finish(command(arguments).env("PATH", format!("{}:{path}", folder.display())))
}

fn describes(more: &str) -> String {
    format!("cat <<'END'\n{DESCRIBES}\nEND\n{more}")
}

#[test]
fn the_documented_one_is_asked_like_any_other() {
    let folder = root().join("docs/plug-ins");
    let source = fs::read_to_string(folder.join("pellucid-view-entropy")).unwrap();
    assert!(source.lines().count() <= 40, "a plug-in is a page at most");
    let ask = |arguments: &[&str]| {
        let ran = with(&folder, arguments);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        ran.stdout
    };
    assert!(ask(&["views"]).contains("outside/entropy"));
    let help = ask(&["views", "entropy"]);
    assert!(help.contains("How spread each head's attention is.") && help.contains("--layer N"), "{help}");
    let model = golden("llama");
    let question = ["view", "entropy", &model, "--tokens", "3,5,7,5", "--layer", "1"];
    let told: serde_json::Value = serde_json::from_str(&ask(&[&question[..], &["--json"]].concat())).unwrap();
    assert_eq!(told["entropy"]["shape"], json!([4, 4]));
    // The same from our own numbers.
    let own: serde_json::Value =
        serde_json::from_str(&ask(&["view", "pattern", &model, "--tokens", "3,5,7,5", "--layer", "1", "--json"]))
            .unwrap();
    let pattern: Vec<f64> = own["pattern"]["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    for (row, bits) in pattern.chunks(4).zip(told["entropy"]["data"].as_array().unwrap()) {
        let expected: f64 = row.iter().filter(|&&p| p > 0.0).map(|p| -p * p.log2()).sum();
        assert!((expected - bits.as_f64().unwrap()).abs() < 1e-6, "{row:?} {bits}");
    }
    // Under an edit it sees what the edit leaves.
    let edit = ["--edit", "blocks.1.attn.attn_scores=zero", "--json"];
    let even: serde_json::Value = serde_json::from_str(&ask(&[&question[..], &edit].concat())).unwrap();
    assert!((even["entropy"]["data"][3].as_f64().unwrap() - 2.0).abs() < 1e-6, "{even}");
    let place = tempfile::tempdir().unwrap();
    for form in ["svg", "png", "html", "csv", "txt"] {
        let file = place.path().join(format!("x.{form}"));
        ask(&[&question[..], &["-o", file.to_str().unwrap()]].concat());
        assert!(fs::metadata(&file).unwrap().len() > 100, "{form}");
    }
    let wrong = with(&folder, &["view", "entropy", &model, "--tokens", "3,5", "--layer", "7"]);
    assert!(wrong.status == 2 && wrong.stderr.contains("blocks.7.attn.pattern"), "{}", wrong.stderr);
    let unfit = with(&folder, &["view", "entropy", &model, "--tokens", "3,5"]);
    assert!(unfit.status == 2 && unfit.stderr.contains("--layer"), "{}", unfit.stderr);
}

#[test]
fn what_misbehaves_is_told_and_left_behind() {
    let text = r#"'{"output": {"x": 1}, "figure": {"kind": "text", "body": "well"}}'"#;
    let good = format!("cat >/dev/null; echo {text}");
    let folder = programs(&[
        ("good", &describes(""), &good),
        ("deaf", &describes(""), &format!("echo {text}")),
        ("hangs", &describes(""), "sleep 60"),
        ("crashes", &describes(""), "echo 'no such layer' >&2; exit 3"),
        ("dies", &describes(""), "kill -SEGV $$"),
        ("floods", &describes(""), "yes"),
        ("shouts", &describes(""), "yes >&2"),
        ("babbles", &describes(""), "echo '{\"output\": NaN}'"),
        ("silent", &describes(""), "true"),
        ("other", &describes(""), r#"echo '{"output": {}, "figure": {"kind": "code", "source": "x"}}'"#),
        (
            "misshapen",
            &describes(""),
            r#"echo '{"output": {}, "figure": {"kind": "heatmap", "values": {"dims": ["pos"], "shape": [9], "data": [1]}}}'"#,
        ),
        ("leaves", &describes(""), &format!("sleep 60 & echo $! >\"${{0%/*}}/child\"; echo {text}")),
        ("norms", &describes(""), &good),
        ("wordless", "exit 1", &good),
        (
            "newer",
            "echo '{\"protocol\": 2, \"help\": \"x\", \"parameters\": {\"properties\": {}}, \"figures\": []}'",
            &good,
        ),
        ("asleep", "sleep 60", &good),
    ]);
    let since = Instant::now();
    let listed = with(folder.path(), &["views"]);
    assert_eq!(listed.status, 0, "{}", listed.stderr);
    assert!(since.elapsed() < Duration::from_secs(30), "the one that sleeps is not waited for");
    assert!(listed.stdout.contains("outside/good") && !listed.stdout.contains("outside/asleep"), "{}", listed.stdout);
    for why in [
        "`norms` is a view of Pellucid's own",
        "`pellucid-view-wordless` failed with status 1",
        "protocol 2",
        "`pellucid-view-asleep` did not answer within 5 s",
    ] {
        assert!(listed.stderr.contains(why), "{why}: {}", listed.stderr);
    }
    let model = golden("llama");
    for name in ["good", "deaf", "leaves"] {
        let ran = with(folder.path(), &["view", name, &model, "--json"]);
        assert_eq!((ran.status, ran.stdout.trim()), (0, "{\"x\":1}"), "{name}: {}", ran.stderr);
    }
    // What it left running ended with it; it may still have to be fetched by whoever adopted it.
    let child = fs::read_to_string(folder.path().join("child")).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    let is_over = |stat: &str| stat.is_empty() || stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
    assert!(is_over(&state), "{state}");
    for (name, why) in [
        ("hangs", "did not answer within 2 s"),
        ("crashes", "failed with status 3: no such layer"),
        ("dies", "was ended from outside"),
        ("floods", "answered more than 64 MiB"),
        ("shouts", "did not answer within 2 s"),
        ("babbles", "answered what is no"),
        ("silent", "answered what is no"),
        ("other", "a figure of kind `code`"),
        ("misshapen", "answered what is no"),
    ] {
        let ran = with(folder.path(), &["view", name, &model]);
        assert_eq!(ran.status, 1, "{name}: {}", ran.stdout);
        assert!(ran.stderr.contains(why) && ran.stderr.lines().count() == 1, "{name}: {}", ran.stderr);
    }
}

#[test]
fn the_server_runs_none_that_nobody_allowed() {
    let marks = tempfile::tempdir().unwrap();
    let ran = marks.path().join("ran");
    let run = format!(
        "cat >/dev/null; date +%N >>{}; echo '{{\"output\": {{}}, \"figure\": {{\"kind\": \"text\", \"body\": \"x\"}}}}'",
        ran.display()
    );
    let folder = programs(&[("marks", &describes(""), &run), ("waits", DESCRIBES_LONG, "sleep 600")]);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let server = start_with(tempfile::tempdir().unwrap(), &[], |command| {
        command.env("PATH", path);
    });
    let views = server.get("/api/state").json()["views"].clone();
    let outside =
        |name: &str| views.as_array().unwrap().iter().find(|view| view["name"] == name).unwrap()["outside"].clone();
    assert_eq!((outside("marks"), outside("norms")), (json!(true), json!(false)));
    let model = golden("llama");
    let mut marks_it = question(&model, "marks", &json!({}));
    let refused = server.ask("POST", "/api/jobs", &marks_it);
    assert_eq!((refused.status, ran.exists()), (403, false), "{}", refused.json());
    marks_it["allowed"] = json!(true);
    assert_eq!(server.job(&marks_it)["state"], "done");
    assert_eq!(server.job(&marks_it)["state"], "done");
    let times = |ran: &Path| fs::read_to_string(ran).unwrap().lines().count();
    assert_eq!(times(&ran), 1, "its answer is kept");
    // Another program of that name gives another answer.
    let program = folder.path().join("pellucid-view-marks");
    let text = fs::read_to_string(&program).unwrap();
    fs::write(&program, text + "# changed\n").unwrap();
    assert_eq!(server.job(&marks_it)["state"], "done");
    assert_eq!(times(&ran), 2);
    let mut waits = question(&model, "waits", &json!({}));
    waits["allowed"] = json!(true);
    let job = server.ask("POST", "/api/jobs", &waits).json();
    assert_eq!(server.job(&question(&model, "norms", &json!({ "prompt": [1, 2] })))["state"], "done");
    let since = Instant::now();
    assert_eq!(server.ask("DELETE", &format!("/api/jobs/{}?tab=t", job["id"]), &json!(null)).status, 204);
    assert_eq!(server.ended(&job["id"])["state"], "cancelled");
    assert!(since.elapsed() < Duration::from_secs(20), "it is not waited for");
}

const DESCRIBES_LONG: &str =
    r#"echo '{"protocol": 1, "help": "Slow.", "parameters": {"properties": {}}, "figures": ["text"], "seconds": 900}'"#;
