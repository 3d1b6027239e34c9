//! A hub of one model on this machine, which does what it is told, damage included.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may; each test uses a part")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The commit that every revision is.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How this hub behaves.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// Files of the model. Weights are given out as large files are: with their digest, from another server.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How many bytes of weights a connection carries before it breaks, for so many connections.
    pub breaks: Option<(usize, usize)>,
    /// After that many bytes of weights, nothing more comes, and the connection stays.
    pub stalls: Option<usize>,
    /// Whether parts of a file are given out.
    pub no_ranges: bool,
    /// A byte of the weights that comes out wrong.
    pub wrong_byte: Option<usize>,
    /// What is said about the length of weights.
    pub said_length: Option<u64>,
    /// What is said to be the `ETag` of small files.
    pub said_etag: Option<String>,
    /// What is said to be the commit.
    pub said_commit: Option<String>,
    /// Status and `X-Error-Code` for lists of files, and for files.
    pub list_refused: Option<(u16, &'static str)>,
    pub files_refused: Option<(u16, &'static str)>,
    /// How many requests are answered with status 503 first.
    pub busy: usize,
}

/// A request: its first line, and its headers in small letters.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
}

/// A hub, and the server that it sends on to for large files. Both end with the test's process.
pub struct LocalHub {
    pub endpoint: String,
    behaviour: Arc<Mutex<Behaviour>>,
    at_hub: Arc<Mutex<Vec<Request>>>,
    at_store: Arc<Mutex<Vec<Request>>>,
}

/// SHA-256 as the hub writes it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A safetensors file of one tensor of bytes.
pub fn safetensors(name: &str, data: &[u8]) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[0,{0}]}}}}"#, data.len());
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn is_large(name: &str) -> bool {
    [".safetensors", ".gguf", ".bin"].iter().any(|ending| name.ends_with(ending))
}

impl LocalHub {
    pub fn new(behaviour: Behaviour) -> Self {
        let behaviour = Arc::new(Mutex::new(behaviour));
        let (at_hub, at_store) = (Arc::default(), Arc::default());
        let large_files = serve(&behaviour, &at_store, give_large);
        let hub = move |behaviour: &mut Behaviour, request: &Request, stream: &mut TcpStream| {
            answer(behaviour, request, stream, &large_files);
        };
        let endpoint = serve(&behaviour, &at_hub, hub);
        Self { endpoint, behaviour, at_hub, at_store }
    }

    pub fn with_files(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        Self::new(Behaviour { files, ..Behaviour::default() })
    }

    pub fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap()
    }

    /// What was asked of the hub since the last time.
    pub fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut self.at_hub.lock().unwrap())
    }

    /// What was asked of the server of large files since the last time.
    pub fn asked_for_large(&self) -> Vec<Request> {
        std::mem::take(&mut self.at_store.lock().unwrap())
    }
}

/// Starts a server and gives its address.
fn serve(
    behaviour: &Arc<Mutex<Behaviour>>,
    log: &Arc<Mutex<Vec<Request>>>,
    answer: impl Fn(&mut Behaviour, &Request, &mut TcpStream) + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (behaviour, log, answer) = (behaviour.clone(), log.clone(), Arc::new(answer));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let (behaviour, log, answer) = (behaviour.clone(), log.clone(), answer.clone());
            thread::spawn(move || {
                let Some(request) = read_request(&stream) else { return };
                log.lock().unwrap().push(request.clone());
                // What is decided about this request does not keep others waiting.
                let mut decided = behaviour.lock().unwrap().clone();
                if let Some((bytes, times)) = decided.breaks {
                    let counts = times > 0 && request.line.starts_with("GET /large/");
                    behaviour.lock().unwrap().breaks =
                        (times > usize::from(counts)).then(|| (bytes, times - usize::from(counts)));
                }
                let mut now = behaviour.lock().unwrap();
                now.busy = now.busy.saturating_sub(1);
                drop(now);
                answer(&mut decided, &request, &mut stream);
            });
        }
    });
    address
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let line = lines.next()?.ok()?;
    let mut headers = BTreeMap::new();
    for header in lines.map_while(Result::ok).take_while(|header| !header.is_empty()) {
        if let Some((name, value)) = header.split_once(": ") {
            headers.insert(name.to_lowercase(), value.to_owned());
        }
    }
    Some(Request { line, headers })
}

/// One answer; the connection ends with it. To `HEAD` goes no body.
fn reply(stream: &mut TcpStream, request: &Request, status: u16, headers: &[(&str, String)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n"));
    if !request.line.starts_with("HEAD ") {
        let _ = stream.write_all(body);
    }
}

fn answer(behaviour: &Behaviour, request: &Request, stream: &mut TcpStream, large_files: &str) {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    let refuse = |stream: &mut TcpStream, (status, code): (u16, &str)| {
        reply(stream, request, status, &[("X-Error-Code", code.to_owned())], b"");
    };
    if behaviour.busy > 0 {
        return refuse(stream, (503, ""));
    }
    let commit = behaviour.said_commit.as_deref().unwrap_or(COMMIT);
    if path.starts_with("/api/models/org/tiny/revision/") {
        if let Some(refused) = behaviour.list_refused {
            return refuse(stream, refused);
        }
        let siblings: Vec<_> = behaviour.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let json = serde_json::json!({ "id": "org/tiny", "sha": commit, "siblings": siblings }).to_string();
        return reply(stream, request, 200, &[], json.as_bytes());
    }
    if let Some(refused) = behaviour.files_refused {
        return refuse(stream, refused);
    }
    // A small file moves once inside the hub, as on the real one.
    if let Some(name) = path.strip_prefix(&format!("/org/tiny/resolve/{COMMIT}/")) {
        let Some(bytes) = behaviour.files.get(name) else { return refuse(stream, (404, "EntryNotFound")) };
        if is_large(name) {
            let length = behaviour.said_length.unwrap_or(bytes.len() as u64);
            let headers = [
                ("Location", format!("{large_files}/large/{name}?signed")),
                ("X-Linked-Etag", format!("\"{}\"", sha256(bytes))),
                ("X-Linked-Size", length.to_string()),
                ("ETag", "\"of-this-page\"".to_owned()),
            ];
            return reply(stream, request, 302, &headers, b"");
        }
        return reply(stream, request, 307, &[("Location", format!("/moved/{name}"))], b"moved");
    }
    match path.strip_prefix("/moved/").and_then(|name| behaviour.files.get(name)) {
        Some(bytes) => {
            let etag = behaviour.said_etag.clone().unwrap_or_else(|| sha256(bytes)[..40].to_owned());
            reply(stream, request, 200, &[("ETag", format!("W/\"{etag}\""))], bytes);
        }
        None => refuse(stream, (404, "RepoNotFound")),
    }
}

/// Gives out weights, from a byte on where that is asked for, with the damage that was ordered.
fn give_large(behaviour: &mut Behaviour, request: &Request, stream: &mut TcpStream) {
    let name = request.line.split(['/', '?']).nth(2).unwrap_or_default();
    let mut bytes = behaviour.files[name].clone();
    if let Some(at) = behaviour.wrong_byte {
        bytes[at] ^= 1;
    }
    let range = request.headers.get("range").filter(|_| !behaviour.no_ranges);
    let from = range.map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap());
    let rest = &bytes[from.unwrap_or(0)..];
    let (status, mut headers) =
        (if from.is_some() { 206 } else { 200 }, vec![("Content-Length", rest.len().to_string())]);
    if let Some(from) = from {
        headers.push(("Content-Range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())));
    }
    let stalls = behaviour.stalls.filter(|_| from.is_none());
    let most = behaviour.breaks.map(|(bytes, _)| bytes).or(stalls).unwrap_or(usize::MAX);
    reply(stream, request, status, &headers, &rest[..rest.len().min(most)]);
    if stalls.is_some() {
        thread::sleep(Duration::from_mins(1));
    }
}
