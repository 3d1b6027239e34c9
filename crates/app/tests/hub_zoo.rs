//! Models by other references than paths: of the hub, of the zoo, checkpoints of a training.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../store/tests/support/hub.rs"]
mod hub;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hub::{LocalHub, sha256};
use serde_json::{Value, json};
use support::{Ran, command, copy, fails, finish, golden, json, ok, path, root};
use tempfile::TempDir;

/// A hub that has the golden network `llama` under the name `org/tiny`.
fn local_hub() -> LocalHub {
    let file = |name: &str| fs::read(Path::new(&golden("llama")).join(name)).unwrap();
    LocalHub::with_files(&[("config.json", &file("config.json")), ("model.safetensors", &file("model.safetensors"))])
}

/// The program as its user's settings send it to that hub, with an empty cache in `folder`.
fn at_hub(local: &LocalHub, folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.env("HF_ENDPOINT", &local.endpoint).env("HF_HUB_CACHE", folder.path().join("hub"));
    command
        .env("HF_TOKEN", "hf_secret")
        .env("PELLUCID_MODELS", folder.path().join("none"))
        .env_remove("HF_HUB_OFFLINE");
    command
}

fn card(ran: &Ran) -> Value {
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_model_of_the_hub_is_fetched_once_and_listed() {
    let (local, folder) = (local_hub(), tempfile::tempdir().unwrap());
    let asked = ["card", "hf:org/tiny", "--json"];
    let fetched = finish(&mut at_hub(&local, &folder, &asked));
    let megabytes = local.behaviour().files["model.safetensors"].len() as f64 / 1e6;
    assert!(fetched.stderr.contains(&format!("fetching model.safetensors ({megabytes:.1} MB)")), "{}", fetched.stderr);
    let expected = json(&["card", &golden("llama"), "--json"]);
    assert_eq!(card(&fetched)["weights_sha256"], expected["weights_sha256"]);
    local.asked();
    let again = finish(&mut at_hub(&local, &folder, &asked));
    assert_eq!((card(&again), again.stderr.as_str()), (card(&fetched), ""));
    assert!(local.asked().is_empty());
    let models = card(&finish(&mut at_hub(&local, &folder, &["models", "--json"])));
    let listed = models.as_array().unwrap().last().unwrap();
    assert_eq!((&listed["model"], &listed["name"]), (&json!("hf:org/tiny"), &json!("tiny")));
}

/// Waits until something holds, as long as a slow machine may need.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_that_is_killed_goes_on_where_it_was() {
    let (local, folder) = (local_hub(), tempfile::tempdir().unwrap());
    local.behaviour().stalls = Some(5000);
    let weights = local.behaviour().files["model.safetensors"].clone();
    let blob = folder.path().join("hub/models--org--tiny/blobs").join(sha256(&weights));
    let partial = blob.with_extension("incomplete");
    let asked = ["card", "hf:org/tiny", "--json"];
    let mut child: Child = at_hub(&local, &folder, &asked).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the weights begin to come", || fs::metadata(&partial).is_ok_and(|found| found.len() == 5000));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!blob.exists());
    local.asked_for_large();
    card(&finish(&mut at_hub(&local, &folder, &asked)));
    assert_eq!(local.asked_for_large()[0].headers["range"], "bytes=5000-");
    assert_eq!(fs::read(&blob).unwrap(), weights);
    assert!(!partial.exists());
}

#[test]
fn refusals_are_one_line() {
    let (local, folder) = (local_hub(), tempfile::tempdir().unwrap());
    local.behaviour().files_refused = Some((403, "GatedRepo"));
    let ran = finish(&mut at_hub(&local, &folder, &["card", "hf:org/tiny"]));
    assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: `hf:org/tiny`: only for those who accept its terms"), "{}", ran.stderr);
    let ran = finish(at_hub(&local, &folder, &["card", "hf:org/tiny"]).env("HF_HUB_OFFLINE", "1"));
    assert!(ran.status == 1 && ran.stderr.contains("Unset that to fetch it once"), "{}", ran.stderr);
    fails(&["card", "hf:not a name"], 1, &["hf:OWNER/NAME"]);
}

#[test]
fn a_training_and_its_checkpoints() {
    let folder = copy("llama");
    let checkpoints = folder.path().join("checkpoints");
    fs::create_dir(&checkpoints).unwrap();
    fs::copy(Path::new(&golden("llama-biases")).join("model.safetensors"), checkpoints.join("5.safetensors")).unwrap();
    fs::copy(folder.path().join("model.safetensors"), checkpoints.join("40.safetensors")).unwrap();
    let recipe = json!({ "recipe": "text", "parameters": { "seed": 3, "steps": 50 } });
    fs::write(folder.path().join("recipe.json"), recipe.to_string()).unwrap();
    let at = |step: &str| format!("{}@{step}", path(&folder));
    let (last, then) = (json(&["card", path(&folder), "--json"]), json(&["card", &at("40"), "--json"]));
    assert_eq!(last["weights_sha256"], then["weights_sha256"]);
    assert_eq!(then["training"], "text: seed 3, steps 50");
    assert!(then["name"].as_str().unwrap().ends_with("@40"));
    let answer = |model: &str| ok(&["view", "next_tokens", model, "--tokens", "3,5,8", "--json"]).stdout;
    assert_eq!(answer(path(&folder)), answer(&at("40")));
    // The other checkpoint has tensors of another network, which shows that it is the one that was read.
    fails(&["card", &at("5")], 1, &["is [48, 32] and should be [32, 32]"]);
    fails(&["card", &at("39")], 1, &["no checkpoint of that step; the nearest are 5, 40"]);
}

#[test]
fn networks_that_ship() {
    fails(&["card", "zoo:planets"], 1, &["`zoo:planets`: no such network"]);
    let models = json(&["models", "--json"]);
    let listed = models.as_array().unwrap().iter().map(|model| model["model"].as_str().unwrap());
    let shipped: Vec<&str> = listed.take_while(|model| model.starts_with("zoo:")).collect();
    let folders = fs::read_dir(root().join("zoo")).into_iter().flatten().map(|entry| entry.unwrap());
    let whole = folders.filter(|folder| folder.path().join("model.safetensors").is_file());
    let mut expected: Vec<String> =
        whole.map(|folder| format!("zoo:{}", folder.file_name().to_str().unwrap())).collect();
    expected.sort();
    assert_eq!(shipped, expected, "first come all networks of zoo/");
    assert!(["zoo:induction", "zoo:talk"].iter().all(|known| shipped.contains(known)), "{shipped:?}");
    for network in shipped {
        let card = json(&["card", network, "--json"]);
        assert_eq!(format!("zoo:{}", card["name"].as_str().unwrap()), network);
        for field in ["licence", "source", "training", "weights_sha256", "parameters"] {
            assert!(!card[field].is_null(), "{network}: {field}");
        }
        ok(&["view", "next_tokens", network, "--tokens", "1,2,3", "--json"]);
        let typo = format!("{network}x");
        fails(&["card", &typo], 1, &[&format!("there is {network}")]);
        fails(&["card", &format!("{network}@1000000000")], 1, &["checkpoint"]);
    }
}
