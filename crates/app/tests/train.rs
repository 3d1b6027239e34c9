//! Training, interrupted in every way there is.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Ran, command, fails, finish, json, ok, path, tensors};
use tempfile::TempDir;

/// Three texts of made-up words that follow each other by a simple rule.
fn corpus() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"];
    for (name, step) in [("a", 1), ("b", 2), ("c", 3)] {
        let text: Vec<&str> = (0..2500_usize).map(|i| words[(i * step + i / 40) % words.len()]).collect();
        fs::write(folder.path().join(format!("{name}.txt")), text.join(" ")).unwrap();
    }
    folder
}

/// A small training of so many steps in `out`.
fn recipe(corpus: &TempDir, out: &Path, steps: u64) -> Vec<String> {
    let settings = "train text --vocab 280 --layers 2 --d-model 16 --heads 2 --d-mlp 24 --ctx 32 --batch 4 --lr 1e-2 \
                    --warm-up 5 --evaluate 10 --checkpoints 10,30 --held-out 0.2 --seed 3";
    let mut arguments: Vec<String> = settings.split_whitespace().map(Into::into).collect();
    let steps = steps.to_string();
    arguments.extend(["--steps", &steps, "--corpus", path(corpus), "-o", out.to_str().unwrap()].map(Into::into));
    arguments
}

fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn train(arguments: &[String], threads: &str) -> Ran {
    finish(command(&strs(arguments)).env("PELLUCID_THREADS", threads))
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), fs::read(path).unwrap());
            }
        }
    }
    found
}

fn same(folder: &Path, reference: &Path) {
    let (ours, theirs) = (files(folder), files(reference));
    let names = |of: &BTreeMap<PathBuf, Vec<u8>>| of.keys().map(|p| p.display().to_string()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    for (name, bytes) in &ours {
        assert!(*bytes == theirs[name], "{} differs", name.display());
    }
}

/// A finished training to compare with, which was never interrupted, on one thread.
fn uninterrupted(corpus: &TempDir, steps: u64) -> TempDir {
    let out = tempfile::tempdir().unwrap();
    let ran = train(&recipe(corpus, out.path(), steps), "1");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    out
}

#[test]
fn what_was_trained_is_a_model() {
    let (corpus, parent) = (corpus(), tempfile::tempdir().unwrap());
    let out = parent.path().join("new/model");
    let mut arguments = recipe(&corpus, &out, 60);
    arguments.push("--json".into());
    let ran = train(&arguments, "2");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("step 60: loss") && ran.stderr.contains("tokens/s"), "{}", ran.stderr);
    let measured: Value = serde_json::from_str(&ran.stdout).unwrap();
    let names: Vec<String> = files(&out).keys().map(|name| name.display().to_string()).collect();
    let expected = [
        "checkpoints/10.safetensors",
        "checkpoints/30.safetensors",
        "config.json",
        "curve.jsonl",
        "evaluation.json",
        "model.safetensors",
        "recipe.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, expected);
    let curve = fs::read_to_string(out.join("curve.jsonl")).unwrap();
    let marks: Vec<Value> = curve.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<u64> = marks.iter().map(|mark| mark["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 10, 20, 30, 40, 50, 60]);
    let loss = |i: usize| marks[i]["held_out_loss"].as_f64().unwrap();
    assert!((loss(0) - 280_f64.ln()).abs() < 0.2 && loss(6) < 0.7 * loss(0), "{curve}");
    let (ours, table) = (&measured["held_out_bits_per_byte"], &measured["five_gram_bits_per_byte"]);
    assert!(ours.as_f64().unwrap() < 8.0 && table.as_f64().unwrap() < 8.0);
    let written: Value = serde_json::from_slice(&fs::read(out.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(written, measured);
    let recipe: Value = serde_json::from_slice(&fs::read(out.join("recipe.json")).unwrap()).unwrap();
    assert_eq!((&recipe["recipe"], &recipe["parameters"]["d_mlp"]), (&"text".into(), &24.into()));
    assert!(
        recipe["corpus"].as_array().unwrap().len() == 3 && recipe["corpus"][0]["sha256"].as_str().unwrap().len() == 64
    );

    let card = json(&["card", out.to_str().unwrap(), "--json"]);
    assert_eq!((&card["family"], &card["d_vocab"]), (&"llama".into(), &measured_vocabulary(&out).into()));
    let said = json(&["view", "next_tokens", out.to_str().unwrap(), "--prompt", "one two three", "--json"]);
    assert!(said.is_object());
    let early = tensors(&out.join("checkpoints/10.safetensors"));
    let late = tensors(&out.join("model.safetensors"));
    assert!(early.keys().eq(late.keys()) && early != late);

    let again = train(&arguments, "1");
    assert_eq!((again.status, again.stdout), (0, ran.stdout));
    assert!(again.stderr.contains("finished already"), "{}", again.stderr);
}

fn measured_vocabulary(out: &Path) -> u64 {
    let config: Value = serde_json::from_slice(&fs::read(out.join("config.json")).unwrap()).unwrap();
    config["vocab_size"].as_u64().unwrap()
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_bytes() {
    let corpus = corpus();
    let reference = uninterrupted(&corpus, 100);
    let out = tempfile::tempdir().unwrap();
    let arguments = recipe(&corpus, out.path(), 100);
    let mut kills = 0;
    // Moments that differ from run to run are what is wanted here; that they grow makes sure of an end.
    let moment = |attempt: u64| {
        let noise = u64::from(std::time::SystemTime::now().elapsed().unwrap_or_default().subsec_nanos()) % 97;
        Duration::from_millis(20 + attempt * 35 + noise)
    };
    loop {
        let mut child = command(&strs(&arguments))
            .env("PELLUCID_THREADS", if kills % 2 == 0 { "2" } else { "1" })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + moment(kills);
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_some() {
            assert!(child.wait().unwrap().success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 2, "it was killed {kills} times");
    same(out.path(), reference.path());
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_saves_and_says_how_to_go_on() {
    let corpus = corpus();
    let reference = uninterrupted(&corpus, 250);
    let out = tempfile::tempdir().unwrap();
    let arguments = recipe(&corpus, out.path(), 250);
    // Long enough to be stopped in its middle: a state is there before half of it is over.
    let child = command(&strs(&arguments)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !out.path().join("state.safetensors").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: stopped after step") && said.contains("the same command goes on"), "{said}");
    let ran = train(&arguments, "2");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    same(out.path(), reference.path());
}

#[cfg(target_os = "linux")]
#[test]
fn where_nothing_more_can_be_written_the_last_state_is_kept() {
    let corpus = corpus();
    let reference = uninterrupted(&corpus, 60);
    let out = tempfile::tempdir().unwrap();
    let arguments = recipe(&corpus, out.path(), 60);
    // Files may have at most so many blocks of 512 bytes: enough for the tokenizer and not for a state.
    let program = env!("CARGO_BIN_EXE_pellucid");
    let limited = |blocks: u64| {
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = std::process::Command::new("sh");
        finish(shell.args(["-c", &line, program]).args(&arguments))
    };
    let size = |name: &str| fs::metadata(reference.path().join(name)).unwrap().len();
    let (weights, tokenizer) = (size("model.safetensors"), size("tokenizer.json"));
    assert!(tokenizer < 3 * weights, "a state is the largest file");
    let ran = limited((2 * weights).max(tokenizer).div_ceil(512) + 1);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("state.safetensors: cannot write"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the same command goes on"), "{}", ran.stderr);
    assert!(!out.path().join("state.safetensors").exists());
    let partial = files(out.path()).keys().any(|name| name.to_string_lossy().contains("partial"));
    assert!(!partial, "nothing half written is left");

    let ran = train(&arguments, "2");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    same(out.path(), reference.path());
}

#[test]
fn recipes_are_listed_and_explained() {
    assert!(ok(&["train"]).stdout.contains("text"));
    let help = ok(&["train", "text", "--help"]).stdout;
    for told in ["--corpus <PATH>", "--d-mlp <N>", "[default: 2048]", "--precision <f32|f16>", "-o, --output <DIR>"] {
        assert!(help.contains(told), "{told}: {help}");
    }
}

/// Runs what should fail with a last line that says all of `expected`, whatever progress was told before.
fn fails_in_the_end(arguments: &[&str], expected: &[&str]) {
    let ran = finish(&mut command(arguments));
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{arguments:?}: {}", ran.stderr);
    assert!(last.starts_with("error: ") && !last.contains("defect"), "{arguments:?}: {}", ran.stderr);
    for part in expected {
        assert!(last.contains(part), "{arguments:?} should say `{part}`: {last}");
    }
}

#[test]
fn what_cannot_be_meant_is_told() {
    let corpus = corpus();
    let texts = path(&corpus);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let begun = ["train", "text", "--corpus", texts, "-o", out];
    let with = |more: &[&'static str]| [&begun[..], more].concat();
    fails(&["train", "poems", "-o", out], 2, &["`poems`"]);
    fails(&["train", "text", "-o", out], 2, &["--corpus <PATH>"]);
    fails(&["train", "text", "--corpus", texts], 2, &["--output <DIR>"]);
    fails(&with(&["--vocab", "100"]), 2, &["from 257", "--vocab"]);
    fails(&["train", "text", "--corpus", "nowhere.txt", "-o", out], 1, &["nowhere.txt: no such file"]);
    fails(&with(&["--heads", "3"]), 1, &["128 cannot be shared among 3 heads"]);
    fails(&with(&["--deviation", "0"]), 1, &["standard deviation of 0"]);
    assert!(!Path::new(out).exists(), "what cannot be made leaves no folder");

    let one = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let empty = one("empty.txt", b"");
    fails(&["train", "text", "--corpus", &empty, "-o", out], 1, &["nothing in them"]);
    fails(&["train", "text", "--corpus", &one("binary.txt", &[0xff]), "-o", out], 1, &["not UTF-8"]);
    let short = one("short.txt", b"a few words\nand a few more");
    fails_in_the_end(&["train", "text", "--corpus", &short, "-o", out], &["too few for a context of 256"]);
    fails(&["train", "text", "--corpus", texts, "-o", texts], 1, &["not empty, and no training lies there"]);
    fails(&["train", "text", "--corpus", texts, "-o", &empty], 1, &["a file lies where"]);
    #[cfg(target_os = "linux")]
    fails(&["train", "text", "--corpus", texts, "-o", "/proc/pellucid"], 1, &["/proc/pellucid: "]);

    let small = ["--ctx", "16", "--d-model", "8", "--heads", "2", "--batch", "1", "--steps", "2", "--vocab", "260"];
    assert_eq!(finish(&mut command(&with(&small))).status, 0, "a folder that a failure left empty can be used");
    fails(&begun, 1, &["another training lies there", "choose another folder"]);
    fs::write(corpus.path().join("d.txt"), "more").unwrap();
    fails(&with(&small), 1, &["it learns from other texts"]);
    fs::write(Path::new(out).join("recipe.json"), "{").unwrap();
    fails(&with(&small), 1, &["recipe.json: ", "remove the folder to start again"]);
}

#[test]
fn a_rate_that_is_too_high_is_told() {
    let (corpus, out) = (corpus(), tempfile::tempdir().unwrap());
    let mut arguments = recipe(&corpus, out.path(), 60);
    arguments.extend(["--lr", "1e30"].map(Into::into));
    let at = arguments.iter().position(|a| a == "1e-2").unwrap();
    arguments.drain(at - 1..=at);
    let ran = train(&arguments, "2");
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("the loss is not finite at step"), "{}", ran.stderr);
}
