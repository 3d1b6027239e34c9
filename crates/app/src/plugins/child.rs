//! A program that is run within bounds: of time, of what it says, and until somebody wants no more.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// The most that a program may answer.
const MOST_BYTES: u64 = 64 << 20;
/// How many of the last lines of its errors are told, and how much of each.
const LINES: usize = 3;
const MOST_OF_A_LINE: u64 = 400;
/// How often it is seen whether somebody still waits.
const STEP: Duration = Duration::from_millis(20);

/// What a program is given, and how long it may take.
pub(super) struct Call<'a> {
    pub(super) program: &'a Path,
    pub(super) argument: &'a str,
    pub(super) input: Vec<u8>,
    pub(super) folder: &'a Path,
    pub(super) time: Duration,
}

/// How a call ended without an answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nobody waits any more.
    Cancelled,
    /// Words for: the program ...
    Because(String),
}

/// What comes from the program while it runs.
enum News {
    Answer(std::io::Result<Vec<u8>>),
    Line(String),
}

impl Call<'_> {
    /// Runs the program and gives what it wrote to its standard output. A line `progress DONE OF` on its standard error
    /// is told to `tick`, which says whether to go on.
    pub(super) fn answer(self, tick: &mut dyn FnMut(u64, u64) -> bool) -> Result<Vec<u8>, Failed> {
        let because = |why: String| Failed::Because(why);
        let mut command = Command::new(self.program);
        command.arg(self.argument).current_dir(self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what it starts itself ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let started = command.spawn().map_err(|error| because(format!("cannot be started: {error}")))?;
        let mut running = Running(started);
        let news = running.attend(self.input);
        let since = Instant::now();
        let (mut answer, mut said, mut progress) = (None, Vec::new(), (0, 0));
        let status = loop {
            match news.recv_timeout(STEP) {
                Ok(News::Answer(bytes)) => {
                    answer = Some(bytes.map_err(|error| because(format!("could not be read: {error}")))?);
                    if answer.as_ref().is_some_and(|bytes| bytes.len() as u64 > MOST_BYTES) {
                        return Err(because(format!("answered more than {} MiB and was ended", MOST_BYTES >> 20)));
                    }
                }
                Ok(News::Line(line)) => match steps(&line) {
                    Some(steps) => progress = steps,
                    None => keep(&mut said, line),
                },
                Err(RecvTimeoutError::Timeout) => {}
                // Both its outputs have ended; so will it.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(STEP),
            }
            if !tick(progress.0, progress.1) {
                return Err(Failed::Cancelled);
            }
            if since.elapsed() > self.time {
                return Err(because(format!("did not answer within {} s and was ended", self.time.as_secs_f64())));
            }
            if let Some(status) = running.0.try_wait().map_err(|error| because(format!("was lost: {error}")))? {
                break status;
            }
        };
        // What it left running could hold its outputs open; what it wrote last may still be on its way.
        running.end_group();
        let end = Instant::now() + Duration::from_secs(1);
        while let Ok(late) = news.recv_timeout(end.saturating_duration_since(Instant::now())) {
            match late {
                News::Answer(bytes) => answer = bytes.ok(),
                News::Line(line) => keep(&mut said, line),
            }
        }
        match answer {
            Some(bytes) if status.success() => Ok(bytes),
            _ => Err(because(ended(status, &said))),
        }
    }
}

/// A program that does not outlive the wait for it.
struct Running(Child);

impl Running {
    /// Gives it its input and listens to it, each on a thread: a program that does not listen must not stop us.
    fn attend(&mut self, input: Vec<u8>) -> Receiver<News> {
        // Few lines wait at a time: one that floods is slowed down, not heard out.
        let (send, news) = mpsc::sync_channel(64);
        if let Some(mut stdin) = self.0.stdin.take() {
            // One that does not want its input closes it.
            thread::spawn(move || stdin.write_all(&input));
        }
        if let Some(stdout) = self.0.stdout.take() {
            let send = send.clone();
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let read = stdout.take(MOST_BYTES + 1).read_to_end(&mut bytes);
                send.send(News::Answer(read.map(|_| bytes)))
            });
        }
        if let Some(stderr) = self.0.stderr.take() {
            thread::spawn(move || {
                let mut lines = BufReader::new(stderr);
                while let Some(line) = next_line(&mut lines) {
                    if send.send(News::Line(line)).is_err() {
                        break;
                    }
                }
            });
        }
        news
    }

    /// Ends it and whatever it started.
    fn end_group(&mut self) {
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has been waited for ended with its group.
        if let Ok(None) = self.0.try_wait() {
            self.end_group();
            let _ = self.0.wait();
        }
    }
}

/// The next line, or as much of it as is told; nothing at the end.
fn next_line(lines: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    lines.take(MOST_OF_A_LINE).read_until(b'\n', &mut line).ok()?;
    (!line.is_empty()).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// What `progress 3 10` says.
fn steps(line: &str) -> Option<(u64, u64)> {
    let (done, of) = line.strip_prefix("progress ")?.split_once(' ')?;
    Some((done.parse().ok()?, of.trim().parse().ok()?))
}

fn keep(said: &mut Vec<String>, line: String) {
    if !line.trim().is_empty() {
        said.push(line);
        said.drain(..said.len().saturating_sub(LINES));
    }
}

/// How it ended, and what it said last.
fn ended(status: ExitStatus, said: &[String]) -> String {
    let how = match status.code() {
        Some(0) => "ended without an answer".to_owned(),
        Some(code) => format!("failed with status {code}"),
        None => format!("was ended from outside ({status})"),
    };
    if said.is_empty() { how } else { format!("{how}: {}", said.join(" | ")) }
}

/// A program's file name.
pub(super) fn file_name(program: &Path) -> String {
    program.file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned()
}
