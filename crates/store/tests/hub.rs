//! Fetching models from a hub on this machine that breaks connections, sends wrong bytes and refuses.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "support/hub.rs"]
mod hub;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hub::{Behaviour, COMMIT, LocalHub, Request, safetensors, sha256};
use store::{Arriving, Error, Hub};
use tempfile::TempDir;

const CONFIG: &[u8] = br#"{"architectures":["X"]}"#;

/// Weights of a length that several reads are needed for.
fn weights() -> Vec<u8> {
    let data: Vec<u8> = (0..1_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    safetensors("w", &data)
}

/// A hub with a model of one file of weights, and an empty cache.
fn usual() -> (LocalHub, TempDir, Hub) {
    with(&[("config.json", CONFIG), ("model.safetensors", &weights()), ("pytorch_model.bin", b"\x80\x02")])
}

fn with(files: &[(&str, &[u8])]) -> (LocalHub, TempDir, Hub) {
    let local = LocalHub::with_files(files);
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub {
        endpoint: local.endpoint.clone(),
        cache: cache.path().join("hub"),
        token: Some("hf_secret".into()),
        offline: false,
    };
    (local, cache, hub)
}

fn fetch(hub: &Hub) -> Result<PathBuf, Error> {
    hub.resolve("hf:org/tiny", &mut |_| ControlFlow::Continue(()))
}

/// Why fetching fails, in one line that names the model.
fn refusal(hub: &Hub) -> String {
    let message = fetch(hub).unwrap_err().to_string();
    assert!(message.starts_with("`hf:org/tiny`: ") && !message.contains('\n'), "{message}");
    assert!(!message.contains("hf_secret"), "{message}");
    message
}

/// Names in the folder of blobs.
fn blobs(hub: &Hub) -> Vec<String> {
    let entries = fs::read_dir(hub.cache.join("models--org--tiny/blobs")).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Where requests for a part began.
fn ranges(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.headers.get("range").map_or("whole", String::as_str)).collect()
}

#[test]
fn what_is_needed_comes_into_the_usual_cache_once() {
    let (local, _cache, hub) = usual();
    let mut seen = Vec::new();
    let mut watch = |arriving: Arriving<'_>| {
        seen.push((arriving.file.to_owned(), arriving.done, arriving.of));
        ControlFlow::Continue(())
    };
    let folder = hub.resolve("hf:org/tiny", &mut watch).unwrap();
    let model = store::open(&folder).unwrap();
    assert_eq!((model.bytes(), model.config().unwrap().architecture()), (1_000_000, Some("X")));
    let repository = hub.cache.join("models--org--tiny");
    assert_eq!(folder, repository.join("snapshots").join(COMMIT));
    assert_eq!(fs::read_to_string(repository.join("refs/main")).unwrap(), COMMIT);
    let (weights, etag) = (weights(), sha256(&weights()));
    assert_eq!(fs::read(repository.join("blobs").join(&etag)).unwrap(), weights);
    assert_eq!(blobs(&hub).len(), 2, "two files, nothing unfinished");
    #[cfg(unix)]
    assert_eq!(fs::read_link(folder.join("model.safetensors")).unwrap(), Path::new("../../blobs").join(&etag));
    let of_weights: Vec<_> = seen.iter().filter(|(file, ..)| file == "model.safetensors").collect();
    let length = weights.len() as u64;
    assert_eq!((of_weights[0].1, of_weights[0].2), (0, length));
    assert_eq!(of_weights.last().unwrap().1, length);
    assert!(of_weights.is_sorted() && of_weights.len() > 3);

    let (asked, large) = (local.asked(), local.asked_for_large());
    assert!(asked.iter().all(|request| request.headers["authorization"] == "Bearer hf_secret"));
    assert!(large.iter().all(|request| !request.headers.contains_key("authorization")), "the token stays at the hub");
    assert!(asked.iter().all(|request| !request.line.contains("pytorch_model")));
    assert!(asked.iter().chain(&large).all(|request| request.headers["user-agent"].starts_with("pellucid/")));

    assert_eq!(fetch(&hub).unwrap(), folder);
    assert!(local.asked().is_empty(), "what is there is opened without the network");
}

#[test]
fn a_connection_that_breaks_is_continued() {
    let (local, _cache, hub) = usual();
    local.behaviour().breaks = Some((300_000, 2));
    let folder = fetch(&hub).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(ranges(&local.asked_for_large()), ["whole", "bytes=300000-", "bytes=600000-"]);
}

#[test]
fn one_that_brings_nothing_is_given_up_and_continued_the_next_time() {
    let (local, _cache, hub) = usual();
    local.behaviour().breaks = Some((200_000, 1));
    let mut steps = 0;
    // The second connection brings nothing, nor do those after it.
    let stopped = hub.resolve("hf:org/tiny", &mut |arriving| {
        if arriving.file == "model.safetensors" && arriving.done == 200_000 {
            steps += 1;
            local.behaviour().breaks = Some((0, 100));
        }
        ControlFlow::Continue(())
    });
    let message = stopped.unwrap_err().to_string();
    assert!(steps > 1 && message.contains("0.2 MB of it are kept: the same command goes on from there"), "{message}");
    local.behaviour().breaks = None;
    local.asked_for_large();
    let folder = fetch(&hub).unwrap();
    assert_eq!(ranges(&local.asked_for_large()), ["bytes=200000-"]);
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
}

#[test]
fn stopping_keeps_what_came_and_gives_it_no_name() {
    let (local, _cache, hub) = usual();
    let mut done = 0;
    let stopped = hub.resolve("hf:org/tiny", &mut |arriving| {
        done = arriving.done;
        if arriving.done > 500_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(Error::Stopped { .. })));
    let etag = sha256(&weights());
    assert!(blobs(&hub).contains(&format!("{etag}.incomplete")) && !blobs(&hub).contains(&etag));
    let offline = Hub { offline: true, ..hub.clone() };
    assert!(refusal(&offline).contains("HF_HUB_OFFLINE"), "half a model is none");
    local.asked_for_large();
    fetch(&hub).unwrap();
    assert_eq!(ranges(&local.asked_for_large()), [format!("bytes={done}-")]);
    assert_eq!(fs::read(hub.cache.join("models--org--tiny/blobs").join(etag)).unwrap(), weights());
}

#[test]
fn a_server_without_parts_sends_the_whole_anew() {
    let (local, _cache, hub) = usual();
    (local.behaviour().no_ranges, local.behaviour().breaks) = (true, Some((300_000, 1)));
    let folder = fetch(&hub).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(ranges(&local.asked_for_large()), ["whole", "bytes=300000-"]);
}

#[test]
fn a_wrong_byte_is_found_and_nothing_kept() {
    let (local, _cache, hub) = usual();
    local.behaviour().wrong_byte = Some(777_777);
    let message = refusal(&hub);
    assert!(message.contains("model.safetensors is damaged: its SHA-256 is"), "{message}");
    assert_eq!(blobs(&hub).len(), 1, "only the configuration");
    assert!(!hub.cache.join("models--org--tiny/refs").exists());
    local.behaviour().wrong_byte = None;
    store::open(&fetch(&hub).unwrap()).unwrap();
}

#[test]
fn so_is_one_in_what_was_there_before() {
    let (_local, _cache, hub) = usual();
    let partial = hub.cache.join("models--org--tiny/blobs").join(sha256(&weights()) + ".incomplete");
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    let mut begun = weights()[..400_000].to_vec();
    begun[7] ^= 1;
    fs::write(&partial, &begun).unwrap();
    assert!(refusal(&hub).contains("SHA-256"));
    assert!(!partial.exists());
    // More than there is of the file cannot be a beginning of it.
    fs::write(&partial, vec![0; 2_000_000]).unwrap();
    store::open(&fetch(&hub).unwrap()).unwrap();
}

#[test]
fn a_length_that_is_not_the_stated_one() {
    let (local, _cache, hub) = usual();
    local.behaviour().said_length = Some(999_999);
    let message = refusal(&hub);
    assert!(message.contains("bytes came where 999999 should"), "{message}");
    assert_eq!(blobs(&hub).len(), 1);
}

#[test]
fn refusals_say_what_to_do() {
    for (refused, told) in [
        ((401, "GatedRepo"), "then set HF_TOKEN"),
        ((403, "GatedRepo"), "Accept them at http://127.0.0.1"),
        ((403, ""), "then set HF_TOKEN"),
        ((401, "RepoNotFound"), "there is no such model, or it is not for everybody"),
    ] {
        for list in [true, false] {
            let (local, _cache, hub) = usual();
            let mut behaviour = local.behaviour();
            *(if list { &mut behaviour.list_refused } else { &mut behaviour.files_refused }) = Some(refused);
            drop(behaviour);
            let message = refusal(&hub);
            assert!(message.contains(told), "{refused:?}: {message}");
            assert_eq!(local.asked().len(), if list { 1 } else { 2 }, "asked once more is refused once more");
        }
    }
    let (local, _cache, hub) = usual();
    local.behaviour().list_refused = Some((404, "RepoNotFound"));
    assert!(refusal(&hub).contains("there is no such model at http://127.0.0.1"));
    local.behaviour().list_refused = Some((404, "RevisionNotFound"));
    let message = hub.resolve("hf:org/tiny@v9", &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(message.starts_with("`hf:org/tiny@v9`: it has no branch, tag or commit `v9`"), "{message}");
    local.behaviour().list_refused = Some((418, ""));
    assert!(refusal(&hub).contains("status 418"));
}

#[test]
fn a_busy_hub_is_asked_again_and_an_absent_one_given_up() {
    let (local, _cache, hub) = usual();
    local.behaviour().busy = 2;
    fetch(&hub).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_local, _cache, hub) = usual();
    let message = refusal(&Hub { endpoint: format!("http://{nobody}"), ..hub.clone() });
    assert!(
        message.contains("cannot be reached") && message.contains("Check the network and HF_ENDPOINT"),
        "{message}"
    );
    assert!(refusal(&Hub { endpoint: "ftp://x".into(), ..hub.clone() }).contains("HF_ENDPOINT is `ftp://x`"));
    assert!(refusal(&Hub { token: Some("a b".into()), ..hub }).contains("HF_TOKEN"));
}

#[test]
fn offline_nothing_is_asked() {
    let (local, _cache, hub) = usual();
    let offline = Hub { offline: true, ..hub.clone() };
    let message = refusal(&offline);
    assert!(message.contains("HF_HUB_OFFLINE forbids to fetch it. Unset that to fetch it once"), "{message}");
    assert!(local.asked().is_empty());
    let folder = fetch(&hub).unwrap();
    local.asked();
    assert_eq!(fetch(&offline).unwrap(), folder);
    // Fetched by its commit, it has no branch; offline it will do for one.
    fs::remove_dir_all(hub.cache.join("models--org--tiny/refs")).unwrap();
    assert_eq!(fetch(&offline).unwrap(), folder);
    assert!(local.asked().is_empty());
    assert_eq!(fetch(&hub).unwrap(), folder);
    assert_eq!(local.asked().len(), 1, "the list alone: every file is there");
}

#[test]
fn revisions() {
    let (local, _cache, hub) = usual();
    let at = |revision: &str| hub.resolve(&format!("hf:org/tiny@{revision}"), &mut |_| ControlFlow::Continue(()));
    let folder = at("refs/pr/1").unwrap();
    assert!(local.asked()[0].line.contains("/revision/refs%2Fpr%2F1 "));
    assert_eq!(fs::read_to_string(hub.cache.join("models--org--tiny/refs/refs/pr/1")).unwrap(), COMMIT);
    assert_eq!(at("refs/pr/1").unwrap(), folder);
    assert_eq!(at(COMMIT).unwrap(), folder);
    assert!(local.asked().is_empty());
    let offline = Hub { offline: true, ..hub.clone() };
    let other = offline.resolve("hf:org/tiny@v1", &mut |_| ControlFlow::Continue(()));
    assert!(other.is_err(), "another revision than the one asked for will not do");
}

#[test]
fn shards_and_gguf() {
    let index = br#"{"metadata":{},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;
    let (a, b) = (safetensors("a", b"a"), safetensors("b", b"bb"));
    let (_local, _cache, hub) = with(&[
        ("config.json", CONFIG),
        ("model.safetensors.index.json", index),
        ("1.safetensors", &a),
        ("2.safetensors", &b),
        ("3.safetensors", b"not named"),
    ]);
    let model = store::open(&fetch(&hub).unwrap()).unwrap();
    assert_eq!((model.tensors().len(), model.files().len(), blobs(&hub).len()), (2, 2, 4));
    // A snapshot that lacks a shard is not whole, and is completed.
    let shard = model.files()[1].clone();
    fs::remove_file(&shard).unwrap();
    fetch(&hub).unwrap();
    assert!(shard.is_file());

    let (_local, _cache, hub) = with(&[("tiny.gguf", b"GGUF"), ("README.md", b"")]);
    assert_eq!(fetch(&hub).unwrap().file_name().unwrap(), "tiny.gguf");
}

#[test]
fn repositories_without_weights_that_can_be_read() {
    let (local, _cache, hub) = with(&[("config.json", CONFIG), ("pytorch_model.bin", b"\x80\x02")]);
    let message = refusal(&hub);
    assert!(message.contains("Python pickles only (pytorch_model.bin)"), "{message}");
    assert_eq!(local.asked().len(), 1, "nothing is fetched");
}

#[test]
fn a_hub_cannot_write_outside_the_cache() {
    let escapes: [fn(&mut Behaviour); 3] = [
        |behaviour| behaviour.said_commit = Some("../../../escaped".into()),
        |behaviour| behaviour.said_etag = Some("../../escaped".into()),
        |behaviour| {
            let index = br#"{"weight_map":{"w":"../../../escaped"}}"#;
            behaviour.files.insert("model.safetensors.index.json".into(), index.to_vec());
        },
    ];
    for escape in escapes {
        let (local, cache, hub) = usual();
        escape(&mut local.behaviour());
        let error = fetch(&hub).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        let mut outside = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(outside.all(|name| name == "hub"), "{error}");
    }
}

#[test]
fn two_programs_fetch_one_file_once() {
    let (local, _cache, hub) = usual();
    std::thread::scope(|scope| {
        let both = [scope.spawn(|| fetch(&hub)), scope.spawn(|| fetch(&hub))];
        for one in both {
            store::open(&one.join().unwrap().unwrap()).unwrap();
        }
    });
    assert_eq!(local.asked_for_large().len(), 1);
}
