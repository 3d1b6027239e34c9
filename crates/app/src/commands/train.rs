//! `pellucid train RECIPE [--PARAM VALUE]... -o DIR`

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::ArgMatches;
use kernels::{Backend, Cpu, Naive};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use views::{MAKERS, Made, News, Onlooker, Workplace};

use crate::failure::usage_error;
use crate::parameters::{given, parameters};
use crate::prose::{definitions, summary};
use crate::{colours, output};

/// How often the line that shows progress is written anew.
const INTERVAL: Duration = Duration::from_millis(250);

/// The recipes, for `train` without one.
pub(super) fn list(matches: &ArgMatches) -> Result<()> {
    let told: Vec<_> = MAKERS.iter().map(|maker| (maker.name.to_owned(), summary(&maker.help()))).collect();
    let list = definitions(&told, colours::style(matches).width.min(100));
    output::print(&format!("{list}\n`pellucid train RECIPE --help` explains one and lists its parameters.\n"))
}

pub(super) fn run(name: &str, matches: &ArgMatches) -> Result<()> {
    let Some(maker) = MAKERS.iter().find(|maker| maker.name == name) else {
        return Err(usage_error(format!("there is no recipe `{name}`")));
    };
    let asked = Value::Object(given(matches, &parameters(&maker.schema())));
    let folder = matches.get_one::<PathBuf>("folder").cloned().unwrap_or_default();
    let backend: Arc<dyn Backend> = match matches.get_one::<String>("backend").map(String::as_str) {
        Some("naive") => Arc::new(Naive),
        _ => Arc::new(Cpu::new()),
    };
    let watching = Watching::new();
    let made = maker.make(asked, &Workplace::new(&folder, backend, kernels::threads(), &watching));
    watching.clear();
    match made {
        Ok(Made::Whole(measured)) => {
            eprintln!("finished: {}", folder.display());
            if matches.get_flag("json") { output::print_json(&measured) } else { output::print(&in_words(&measured)) }
        }
        Ok(Made::Part(step)) => {
            Err(anyhow!("stopped after step {step}, which is saved: the same command goes on from there"))
        }
        Err(error @ views::Error::Lab(lab::Error::Store(_))) if watching.began.get() => {
            Err(anyhow!("{error}; what was saved before is kept, and the same command goes on from it"))
        }
        Err(error) => Err(error.into()),
    }
}

/// What was measured at the end, a line each; lists are for JSON.
fn in_words(measured: &Value) -> String {
    let fields = measured.as_object().into_iter().flatten();
    let shown = fields.filter_map(|(name, value)| match value {
        Value::Number(number) => {
            let fraction = number.as_f64().filter(|_| number.is_f64());
            let shown = fraction.map_or_else(|| number.to_string(), |fraction| format!("{fraction:.4}"));
            Some(format!("{}: {shown}\n", name.replace('_', " ")))
        }
        _ => None,
    });
    shown.collect()
}

/// Whoever waits at the terminal.
struct Watching {
    stopped: Arc<AtomicBool>,
    terminal: bool,
    /// When the first step of this run began, the steps made before it, and what went through since.
    since: RefCell<Option<(Instant, u64, usize)>>,
    /// How fast it goes and how long it takes, in words.
    pace: RefCell<String>,
    written: Cell<Option<Instant>>,
    began: Cell<bool>,
}

impl Watching {
    /// From now on the first Ctrl-C asks for an end, and the second ends the program.
    fn new() -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        // Without these a signal ends the program as it always does, and what was saved last is kept.
        let _ = flag::register_conditional_shutdown(SIGINT, 130, stopped.clone());
        let _ = flag::register(SIGINT, stopped.clone());
        let _ = flag::register(SIGTERM, stopped.clone());
        Self {
            stopped,
            terminal: io::stderr().is_terminal(),
            since: RefCell::default(),
            pace: RefCell::default(),
            written: Cell::new(None),
            began: Cell::new(false),
        }
    }

    /// Takes the progress line away.
    fn clear(&self) {
        if self.written.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn say(&self, line: &str) {
        self.clear();
        let _ = writeln!(io::stderr(), "{}", figure::visible(line));
    }

    fn step(&self, done: u64, of: u64, items: usize, unit: &str, loss: f64) {
        let now = Instant::now();
        let mut since = self.since.borrow_mut();
        let (began, before, through) = since.get_or_insert((now, done, 0));
        let seconds = now.duration_since(*began).as_secs_f64();
        // The first step only starts the clock.
        if done > *before {
            *through += items;
            let left = seconds / (done - *before) as f64 * of.saturating_sub(done) as f64;
            *self.pace.borrow_mut() = format!("{:.0} {unit}/s, {} left", *through as f64 / seconds, duration(left));
        }
        if self.terminal && self.written.get().is_none_or(|last| now.duration_since(last) > INTERVAL) {
            let _ = write!(io::stderr(), "\r\x1b[Kstep {done} of {of}: loss {loss:.4}, {}", self.pace.borrow());
            let _ = io::stderr().flush();
            self.written.set(Some(now));
        }
    }
}

impl Onlooker for Watching {
    fn sees(&self, news: &News<'_>) -> bool {
        match *news {
            News::Told(text) => {
                let pace = self.pace.take();
                self.say(&if pace.is_empty() { text.to_owned() } else { format!("{text} ({pace})") });
            }
            News::From { done, of } => {
                self.began.set(true);
                if done > 0 {
                    self.say(&format!("going on from step {done} of {of}"));
                }
            }
            News::Step { done, of, items, unit, loss } => self.step(done, of, items, unit, loss),
        }
        !self.stopped.load(Ordering::Relaxed)
    }
}

/// A time in words.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn times_and_measurements_in_words() {
        assert_eq!([1.2, 89.0, 95.0, 7200.0].map(duration), ["1 s", "89 s", "2 min", "2.0 h"]);
        let measured = serde_json::json!({ "held_out_loss": 1.0 / 3.0, "tokens": 5, "texts": ["a"], "none": null });
        assert_eq!(in_words(&measured), "held out loss: 0.3333\ntokens: 5\n");
    }
}
