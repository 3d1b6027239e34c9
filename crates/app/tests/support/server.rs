//! A server of the workbench, asked as a browser asks it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::command;

/// A server, ended with the test.
pub struct Server {
    pub process: Child,
    pub port: u16,
    pub token: String,
    pub place: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value.trim()))
    }
}

pub fn start(arguments: &[&str]) -> Server {
    start_in(tempfile::tempdir().unwrap(), arguments)
}

pub fn start_in(place: TempDir, arguments: &[&str]) -> Server {
    start_with(place, arguments, |_| {})
}

/// Starts one in its own folder, in an environment of its own.
pub fn start_with(place: TempDir, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Server {
    let mut command = command(&[]);
    change(&mut command);
    launch(command, place, arguments)
}

/// Starts one of another program.
pub fn start_program(program: Command) -> Server {
    launch(program, tempfile::tempdir().unwrap(), &[])
}

fn launch(mut command: Command, place: TempDir, arguments: &[&str]) -> Server {
    command.args(["open", "--no-browser", "--cache"]).arg(place.path().join("cache")).args(arguments);
    command.current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (address, token) = line.trim().split_once("/?token=").unwrap_or_else(|| panic!("no address: {line}"));
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    Server { process, port, token: token.to_owned(), place }
}

impl Server {
    pub fn cookie(&self) -> String {
        format!("pellucid-{}={}", self.port, self.token)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    }

    pub fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut reply = Vec::new();
        self.send(method, path, headers, body).read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(reply[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head, body: reply[end + 4..].to_vec() }
    }

    /// As the page asks.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        let (host, cookie) = (format!("127.0.0.1:{}", self.port), self.cookie());
        let headers = [("Host", &*host), ("Cookie", &cookie), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, &headers, &body)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &Value::Null)
    }

    /// Asks a view and waits until the job has ended.
    pub fn job(&self, question: &Value) -> Value {
        let job = self.ask("POST", "/api/jobs", question);
        assert_eq!(job.status, 200, "{}", String::from_utf8_lossy(&job.body));
        self.ended(&job.json()["id"])
    }

    /// A job of the tab `t`, once it has ended.
    pub fn ended(&self, id: &Value) -> Value {
        for _ in 0..600 {
            let jobs = self.get("/api/jobs?tab=t").json();
            let found = jobs.as_array().unwrap().iter().find(|job| job["id"] == *id).unwrap().clone();
            if ["done", "failed", "cancelled"].contains(&found["state"].as_str().unwrap()) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("job {id} does not end");
    }
}

/// A view's question, of the tab `t`.
pub fn question(model: &str, view: &str, parameters: &Value) -> Value {
    json!({ "model": model, "view": view, "parameters": parameters, "tab": "t" })
}
