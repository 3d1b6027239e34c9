//! What a maker is: a recipe for a thing that lasts.

use std::path::Path;
use std::sync::Arc;

use kernels::Backend;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// A recipe that makes a thing that lasts, in a folder of its own.
///
/// As with a view, the struct is the recipe: its fields are the parameters, its doc comments the help that people read.
/// It lives in `views/makers/<name>.rs` under its name in camel case, and is entered into the list by
/// `cargo xtask codegen`. Making may be stopped at any time, by whoever waits or by a failure; the same recipe in the
/// same folder goes on from what was saved last, and ends with the same bytes as if it had never been stopped.
pub trait Maker: Serialize + DeserializeOwned + JsonSchema + 'static {
    /// Raised when the same recipe makes something else than before.
    const REVISION: u32 = 1;

    /// Parameters to start from, complete but for what only the user has.
    fn example() -> Self;

    /// Makes the thing, or goes on making it.
    fn make(&self, place: &Workplace<'_>) -> Result<Made>;
}

/// Where a maker works, and with what.
pub struct Workplace<'a> {
    folder: &'a Path,
    backend: Arc<dyn Backend>,
    threads: usize,
    onlooker: &'a dyn Onlooker,
}

/// Whoever waits for a thing to be made.
pub trait Onlooker {
    /// Told what happens. `false` asks for an end, before which everything done so far is saved.
    fn sees(&self, news: &News<'_>) -> bool;
}

/// What happens while a thing is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum News<'a> {
    /// Something worth a line.
    Told(&'a str),
    /// It goes on from `done` of `of` steps that were made at another time.
    From {
        /// Steps made before.
        done: u64,
        /// All of them.
        of: u64,
    },
    /// A step was made.
    Step {
        /// Steps made so far.
        done: u64,
        /// All of them.
        of: u64,
        /// How much went through in this one.
        items: usize,
        /// What those are: `tokens`.
        unit: &'a str,
        /// What the step was to make small.
        loss: f64,
    },
}

/// How making ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// The thing is there. What was measured of it at the end, as an object.
    Whole(Value),
    /// It was stopped after so many steps, which are saved.
    Part(u64),
}

impl<'a> Workplace<'a> {
    /// A folder to work in, with a backend, on so many threads. Results do not depend on the number.
    pub fn new(folder: &'a Path, backend: Arc<dyn Backend>, threads: usize, onlooker: &'a dyn Onlooker) -> Self {
        Self { folder, backend, threads, onlooker }
    }

    /// The folder.
    pub fn folder(&self) -> &'a Path {
        self.folder
    }

    /// Where operations run.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Threads to use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Tells whoever waits; whether to go on.
    pub fn tell(&self, news: &News<'_>) -> bool {
        self.onlooker.sees(news)
    }
}

/// A maker by its functions alone, so that all of them fit in one list.
#[derive(Clone, Copy)]
pub struct AnyMaker {
    /// What it is asked for by.
    pub name: &'static str,
    /// Raised when the same recipe makes something else than before.
    pub revision: u32,
    schema: fn() -> Schema,
    example: fn() -> Result<Value, serde_json::Error>,
    make: fn(Value, &Workplace<'_>) -> Result<Made>,
}

impl AnyMaker {
    /// A maker, by its place in the list.
    pub const fn of<M: Maker>(name: &'static str) -> Self {
        Self {
            name,
            revision: M::REVISION,
            schema: || schemars::schema_for!(M),
            example: || serde_json::to_value(M::example()),
            make: make::<M>,
        }
    }

    /// The JSON schema of its parameters, with doc comments as descriptions.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// Its doc comment.
    pub fn help(&self) -> String {
        let schema = self.schema();
        schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Parameters to start from.
    pub fn example(&self) -> Result<Value, serde_json::Error> {
        (self.example)()
    }

    /// Makes the thing, with parameters as JSON.
    pub fn make(&self, parameters: Value, place: &Workplace<'_>) -> Result<Made> {
        (self.make)(parameters, place).map_err(|error| match error {
            Error::Parameters { why, .. } => Error::Parameters { view: self.name, why },
            error => error,
        })
    }
}

fn make<M: Maker>(parameters: Value, place: &Workplace<'_>) -> Result<Made> {
    let maker: M =
        serde_json::from_value(parameters).map_err(|e| Error::Parameters { view: "", why: e.to_string() })?;
    maker.make(place)
}
