//! The server of the workbench, asked as a browser asks it, and as one should not.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Value, json};
use support::server::{Reply, question, start, start_in};
use support::{command, golden};

#[test]
fn only_the_page_of_this_server_may_ask() {
    let server = start(&[]);
    let (host, cookie) = (format!("127.0.0.1:{}", server.port), server.cookie());
    let status = |path: &str, headers: &[(&str, &str)]| server.raw("GET", path, headers, "").status;
    let entrance = server.raw("GET", &format!("/?token={}", server.token), &[("Host", &host)], "");
    assert_eq!((entrance.status, entrance.header("location")), (303, Some("/")), "the token leaves the address");
    let linked = [("Host", &*host), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")];
    let from_a_page = server.raw("GET", &format!("/?token={}", server.token), &linked, "");
    assert_eq!((from_a_page.status, from_a_page.header("set-cookie")), (200, entrance.header("set-cookie")));
    let set = entrance.header("set-cookie").unwrap();
    assert!(set.starts_with(&cookie) && set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let page = server.raw("GET", "/", &[("Host", &host), ("Cookie", &cookie)], "");
    assert!(page.status == 200 && page.header("content-type").unwrap().starts_with("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for path in ["/", "/api/state", "/assets/x.js", "/api/events"] {
        assert_eq!(status(path, &[("Host", &host)]), 401, "{path}");
        assert_eq!(status(path, &[("Host", "evil.example"), ("Cookie", &cookie)]), 421, "{path}");
        let foreign = [("Host", &*host), ("Cookie", &cookie), ("Origin", "http://evil.example")];
        assert_eq!(status(path, &foreign), 403, "{path}");
    }
    assert_eq!(status(&format!("/?token={}", "0".repeat(server.token.len())), &[("Host", &host)]), 401);
    assert_eq!(status("/healthz", &[("Host", &host)]), 200);
    for path in ["/api/nothing", "/../Cargo.toml", "/assets/../../Cargo.toml", "/api/artifacts/..%2F..%2Fetc"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn answers_are_those_of_the_command_line() {
    let server = start(&[]);
    let model = golden("llama");
    let opened = server.ask("POST", "/api/open", &json!({ "reference": model })).json();
    assert_eq!((&opened["card"]["n_layers"], &opened["fits"]["logit_lens"]), (&json!(2), &Value::Null));
    assert!(opened["points"].as_array().unwrap().iter().any(|point| point["name"] == "blocks.1.attn.z"));
    let parameters = json!({ "prompt": [3, 5, 7, 5, 3] });
    let mut asked = question(&model, "pattern", &parameters);
    asked["edits"] = json!(["blocks.0.attn.z[head=1]=zero"]);
    let job = server.job(&asked);
    assert_eq!(job["state"], "done", "{job}");
    let key = job["key"].as_str().unwrap();
    let by_hand = support::json(&[
        "view",
        "pattern",
        &model,
        "--tokens",
        "3,5,7,5,3",
        "--edit",
        "blocks.0.attn.z[head=1]=zero",
        "--json",
    ]);
    assert_eq!(server.get(&format!("/api/artifacts/{key}/export.json")).json(), by_hand);
    let artifact = server.get(&format!("/api/artifacts/{key}")).json();
    assert_eq!(artifact["figure"]["kind"], "group");
    assert_eq!(artifact["provenance"]["edits"][0], "blocks.0.attn.z[head=1]=zero");
    for (form, start) in [("svg", "<svg"), ("csv", ""), ("html", "<!"), ("txt", "")] {
        let file = server.get(&format!("/api/artifacts/{key}/export.{form}"));
        assert!(file.status == 200 && file.body.starts_with(start.as_bytes()), "{form}");
        assert!(file.header("content-disposition").unwrap().contains(&format!("pattern.{form}")));
    }
    assert!(server.get(&format!("/api/artifacts/{key}/export.png")).body.starts_with(b"\x89PNG"));
    assert_eq!(server.get(&format!("/api/artifacts/{key}/export.exe")).status, 404);
}

#[test]
fn large_arrays_come_as_raw_numbers_sliced_and_pooled() {
    let server = start(&[]);
    let model = "zoo:talk";
    let ids: Vec<u32> = (0..80).map(|i| i % 60).collect();
    let parameters = json!({ "prompt": ids, "layer": 1, "head": 2 });
    let job = server.job(&question(model, "pattern", &parameters));
    assert_eq!(job["state"], "done", "{job}");
    let key = job["key"].as_str().unwrap();
    let artifact = server.get(&format!("/api/artifacts/{key}")).json();
    assert_eq!(artifact["arrays"][0]["shape"], json!([80, 80]), "{}", artifact["arrays"]);
    let reference = format!("/api/artifacts/{key}/arrays/0");
    assert!(artifact["figure"].to_string().contains(&reference));
    let floats = |reply: &Reply| -> Vec<f32> {
        reply.body.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    };
    let whole = server.get(&reference);
    let typed = server.get(&format!("/api/artifacts/{key}/export.json")).json();
    let known: Vec<f32> =
        typed["pattern"]["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    assert_eq!((whole.header("x-shape"), whole.header("x-dtype")), (Some("80,80"), Some("f32")));
    // What is masked is not a number in the figure.
    let same = |(drawn, known): (&f32, &f32)| drawn == known || drawn.is_nan() && *known == 0.0;
    assert!(floats(&whole).iter().zip(&known).all(same));
    let row = server.get(&format!("{reference}?slice=pos/dst:7"));
    assert_eq!((row.header("x-shape"), &row.body[..]), (Some("80"), &whole.body[7 * 320..8 * 320]));
    let pooled = server.get(&format!("{reference}?pool=maxabs:16"));
    assert_eq!((pooled.header("x-shape"), pooled.body.len()), (Some("16,16"), 1024));
    for wrong in ["?slice=layer:1", "?slice=x", "?pool=mean:3", "?pool=maxabs:0"] {
        assert_eq!(server.get(&format!("{reference}{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(server.get(&format!("/api/artifacts/{key}/arrays/9")).status, 404);
}

#[test]
fn progress_comes_as_events_and_jobs_can_be_cancelled() {
    let server = start(&[]);
    let (host, cookie) = (format!("127.0.0.1:{}", server.port), server.cookie());
    let stream = server.send("GET", "/api/events?tab=t", &[("Host", &host), ("Cookie", &cookie)], "");
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = move || -> Value {
        let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
        serde_json::from_str(&data).unwrap()
    };
    let model = "zoo:talk";
    let prompt: Vec<u32> = (0..120).map(|i| i % 60).collect();
    let slow = question(
        model,
        "saliency",
        &json!({ "prompt": prompt, "steps": 1_000_000, "baseline": "zero", "keep_first": false }),
    );
    let id = server.ask("POST", "/api/jobs", &slow).json()["id"].clone();
    let quick = server.job(&question(model, "norms", &json!({ "prompt": [1, 2, 3] })));
    assert_eq!(quick["state"], "done", "a long job holds up no short one");
    let cancelled = server.ask("DELETE", &format!("/api/jobs/{id}?tab=t"), &Value::Null);
    assert_eq!(cancelled.status, 204);
    let (mut states, mut steps) = (vec![], 0);
    while ["cancelled", "done", "failed"].iter().all(|end| states.last() != Some(&json!(end))) {
        let job = next();
        if job["id"] == id {
            states.push(job["state"].clone());
            steps = steps.max(job["of"].as_u64().unwrap());
        }
    }
    assert!(steps > 0, "how much there is to do is told");
    assert!(states.contains(&json!("running")) && states.ends_with(&[json!("cancelled")]), "{states:?}");
    assert_eq!(server.ask("DELETE", "/api/jobs/999", &Value::Null).status, 404);
}

#[test]
fn what_cannot_be_asked_is_told_in_one_line() {
    let server = start(&[]);
    let model = golden("llama");
    let refused = |path: &str, body: &Value, told: &str| {
        let reply = server.ask("POST", path, body);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!((400..500).contains(&reply.status) && error.contains(told) && !error.contains('\n'), "{path}: {error}");
    };
    refused("/api/open", &json!({ "reference": "/no/such/file" }), "/no/such/file");
    refused("/api/open", &json!({ "reference": "zoo:planets" }), "no such network");
    refused("/api/jobs", &question(&model, "nothing", &json!({})), "no view `nothing`");
    refused("/api/edits", &json!({ "model": model, "edit": "blocks.9.attn.z=zero" }), "blocks.9");
    let failed = server.job(&question(&model, "logit_lens", &json!({ "prompt": [9999] })));
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("9999"), "{failed}");
    let failed = server.job(&question(&model, "logit_lens", &json!({ "prompt": [1], "kk": 2 })));
    assert!(failed["error"].as_str().unwrap().contains("kk"), "{failed}");
    let huge = format!("\"{}\"", "x".repeat(5 << 20));
    let (host, cookie) = (format!("127.0.0.1:{}", server.port), server.cookie());
    let headers = [("Host", &*host), ("Cookie", &cookie), ("Content-Type", "application/json")];
    assert_eq!(server.raw("POST", "/api/open", &headers, &huge).status, 413);
}

#[test]
fn workspaces_are_kept_and_stay_in_their_folder() {
    let server = start(&[]);
    let listed = server.get("/api/workspaces").json();
    assert!(listed.as_array().unwrap().iter().any(|one| one["builtin"] == true), "{listed}");
    let first = server.get("/api/workspaces/first-steps").json();
    assert_eq!(first["workspace"]["views"].as_array().unwrap().len(), 6);
    let kept = server.ask("PUT", "/api/workspaces/mine", &json!({ "workspace": first["workspace"] }));
    assert_eq!((kept.status, &kept.json()["workspace"]), (200, &first["workspace"]));
    assert!(server.place.path().join("workspaces/mine.wb.yaml").is_file());
    let wrong = server.ask("PUT", "/api/workspaces/mine", &json!({ "text": "version: 1\ntitle: x\nrun: me\n" }));
    assert_eq!((wrong.status, &wrong.json()["line"]), (400, &json!(3)));
    assert_eq!(server.get("/api/workspaces/mine").json()["workspace"], first["workspace"], "nothing is lost");
    for name in ["..%2Fup", "%2Fetc%2Fpasswd", "a%5Cb"] {
        assert_eq!(
            server.ask("PUT", &format!("/api/workspaces/{name}"), &json!({ "workspace": first["workspace"] })).status,
            400
        );
        assert_eq!(server.get(&format!("/api/workspaces/{name}")).status, 404);
        assert_eq!(server.ask("DELETE", &format!("/api/workspaces/{name}"), &Value::Null).status, 400);
    }
    let text = server.ask("POST", "/api/workspaces/text", &json!({ "workspace": first["workspace"] })).json();
    assert!(text["text"].as_str().unwrap().starts_with("version: 2\n"), "{text}");
    let delete = |name: &str| server.ask("DELETE", &format!("/api/workspaces/{name}"), &Value::Null);
    assert_eq!(delete("mine").status, 204);
    assert_eq!(server.get("/api/workspaces/mine").status, 404);
    let ships = delete("first-steps").json();
    assert!(ships["error"].as_str().unwrap().contains("ships"), "{ships}");
}

#[test]
fn after_a_kill_finished_answers_are_there_and_nothing_half_written() {
    let model = golden("llama");
    let asked = question(&model, "logit_lens", &json!({ "prompt": [3, 5, 7] }));
    let mut server = start(&[]);
    let first = server.job(&asked);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let place = std::mem::replace(&mut server.place, tempfile::tempdir().unwrap());
    let again = start_in(place, &[]);
    let job = again.ask("POST", "/api/jobs", &asked).json();
    assert_eq!((&job["state"], &job["key"]), (&json!("done"), &first["key"]), "it is not worked out again");
    assert_eq!(again.token, server.token, "a page that is open may go on");
    let entries = std::fs::read_dir(again.place.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let answers = entries.filter(|path| !path.ends_with(".token"));
    assert_eq!(answers.filter(|path| path.join("artifact.json").is_file()).count(), 1);
}

#[test]
fn what_the_command_line_asked_for_is_told_to_the_page_alone() {
    let model = golden("llama");
    let server = start(&[&model, "--prompt", "one", "--prompt", "--two", "--workspace", "indirect-objects"]);
    let told = server.get("/api/state").json()["start"].clone();
    let (models, prompts) = (json!([model]), json!(["one", "--two"]));
    assert_eq!(
        (&told["models"], &told["prompts"], &told["workspace"]),
        (&models, &prompts, &json!("indirect-objects"))
    );
    let other = start(&[]).get("/api/state").json()["start"].clone();
    assert_eq!((&other["models"], &other["workspace"]), (&json!([]), &json!(null)));
    assert!(told["id"].as_str().unwrap().len() > 20 && told["id"] != other["id"]);
}

#[test]
fn messages_are_put_into_the_chat_template() {
    let Some(model) = support::smollm2() else { return };
    let server = start(&[]);
    assert_eq!(server.ask("POST", "/api/open", &json!({ "reference": model })).json()["chat"], true);
    assert_eq!(server.ask("POST", "/api/open", &json!({ "reference": "zoo:talk" })).json()["chat"], false);
    let tokens = |chat: bool| {
        let asked = json!({ "model": model, "text": "Who are you?", "chat": chat });
        server.ask("POST", "/api/tokens", &asked).json()["tokens"].as_array().unwrap().len()
    };
    assert!(tokens(true) > tokens(false) + 5);
    let key = |chat: bool| {
        let mut asked = question(&model, "norms", &json!({ "prompt": "Who are you?" }));
        asked["chat"] = chat.into();
        let job = server.job(&asked);
        assert_eq!(job["state"], "done", "{job}");
        server.get(&format!("/api/artifacts/{}/export.json", job["key"].as_str().unwrap())).json()["ids"]["shape"][0]
            .clone()
    };
    assert_eq!((key(true), key(false)), (json!(tokens(true)), json!(tokens(false))));
    let without = server.ask("POST", "/api/tokens", &json!({ "model": "zoo:talk", "text": "x", "chat": true })).json();
    assert!(without["error"].as_str().unwrap().contains("chat template"), "{without}");
}

#[test]
fn an_answer_is_kept_for_the_files_it_was_made_of() {
    let server = start(&[]);
    let texts = server.place.path().join("texts");
    std::fs::create_dir(&texts).unwrap();
    let write = |words: &str| std::fs::write(texts.join("a.txt"), words).unwrap();
    let key = || {
        let asked = question("zoo:talk", "top_samples", &json!({ "text": texts, "neuron": 1 }));
        let job = server.job(&asked);
        assert_eq!(job["state"], "done", "{job}");
        job["key"].clone()
    };
    let of_prompt = || {
        // It happens to be called like the folder that the server runs beside.
        let asked = question("zoo:talk", "norms", &json!({ "prompt": "texts" }));
        server.ask("POST", "/api/jobs", &asked).json()["key"].clone()
    };
    write("The state of the Union is strong.");
    let (first, prompt) = (key(), of_prompt());
    assert_eq!(key(), first);
    write("The state of the Union is weak.");
    assert_ne!(key(), first);
    assert_eq!(of_prompt(), prompt, "a prompt is no path");
}

#[test]
fn a_training_is_followed() {
    let server = start(&[]);
    let folder = server.place.path().join("net");
    let recipe = ["--modulus", "5", "--d-model", "8", "--heads", "1", "--d-mlp", "8", "--until", "0"];
    let course = ["--steps", "20", "--evaluate", "10", "--checkpoints", "10", "-o", folder.to_str().unwrap()];
    let trained = command(&["train", "modular-addition"]).args(recipe).args(course).output().unwrap();
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let asked = question(folder.to_str().unwrap(), "progress", &json!({}));
    let now = || {
        let opened = server.ask("POST", "/api/open", &json!({ "reference": folder })).json();
        (opened["training"].as_bool().unwrap(), opened["weights"].clone(), server.job(&asked)["key"].clone())
    };
    // As it was after 10 steps, before it ended.
    let [weights, evaluation] = ["model.safetensors", "evaluation.json"].map(|name| folder.join(name));
    let [last, ended] = [&weights, &evaluation].map(|path| std::fs::read(path).unwrap());
    std::fs::copy(folder.join("checkpoints/10.safetensors"), &weights).unwrap();
    std::fs::remove_file(&evaluation).unwrap();
    let before = now();
    assert!(before.0 && now() == before);
    std::fs::write(&weights, last).unwrap();
    std::fs::write(&evaluation, ended).unwrap();
    let after = now();
    assert!(!after.0 && after.1 != before.1 && after.2 != before.2, "{before:?} {after:?}");
}

#[test]
fn a_workspace_and_a_port_that_cannot_be_used() {
    let server = start(&[]);
    support::fails(&["open", "--no-browser", "--port", &server.port.to_string()], 1, &["cannot be used", "--port"]);
    let file = server.place.path().join("broken.wb.yaml");
    std::fs::write(&file, "version: 1\ntitle: [\n").unwrap();
    support::fails(&["open", "--no-browser", "--workspace", file.to_str().unwrap()], 1, &["broken.wb.yaml"]);
    assert!(!Path::new("workspaces").exists());
}
