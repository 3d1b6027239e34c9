//! What arrives from the network, told to whoever waits.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use store::Arriving;

/// How often the line is written anew.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells on standard error which file arrives and how much of it is here: at a terminal in one line that is written
/// anew, elsewhere in one line for each file. Ctrl-C ends the program, and leaves what has come for the next time.
pub(crate) struct Arrivals {
    at_terminal: bool,
    file: String,
    written: Option<Instant>,
}

impl Arrivals {
    pub(crate) fn new() -> Self {
        Self { at_terminal: io::stderr().is_terminal(), file: String::new(), written: None }
    }

    pub(crate) fn tell(&mut self, arriving: Arriving<'_>) -> ControlFlow<()> {
        let begins = self.file != arriving.file;
        if begins {
            arriving.file.clone_into(&mut self.file);
        }
        let ends = arriving.done == arriving.of;
        let mut out = io::stderr();
        let told = if !self.at_terminal {
            if begins { writeln!(out, "fetching {}", in_words(arriving)) } else { Ok(()) }
        } else if begins || ends || self.written.is_none_or(|last| last.elapsed() > INTERVAL) {
            self.written = Some(Instant::now());
            write!(out, "\r\x1b[Kfetching {}", in_words(arriving)).and_then(|()| out.flush())
        } else {
            Ok(())
        };
        // Nobody there to be told is no reason to stop.
        let _ = told;
        ControlFlow::Continue(())
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        if self.at_terminal && self.written.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A file's name and how much of it is here.
fn in_words(arriving: Arriving<'_>) -> String {
    let (name, megabytes) = (figure::visible(arriving.file), |bytes: u64| bytes as f64 / 1e6);
    match (arriving.done, arriving.of) {
        (done, 0) => format!("{name} ({:.1} MB)", megabytes(done)),
        (0, of) => format!("{name} ({:.1} MB)", megabytes(of)),
        (done, of) => format!("{name} ({:.1} of {:.1} MB)", megabytes(done), megabytes(of)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let of = |done, of| in_words(Arriving { file: "a\n.b", done, of });
        assert_eq!(of(0, 2_000_000), "a⏎.b (2.0 MB)");
        assert_eq!(of(500_000, 2_000_000), "a⏎.b (0.5 of 2.0 MB)");
        assert_eq!(of(500_000, 0), "a⏎.b (0.5 MB)");
    }
}
