//! Views that are programs of the user's: executables `pellucid-view-NAME` in the folders of `PATH`.
//!
//! Such a program is asked in two ways. `pellucid-view-NAME describe` prints what it is: help, parameters, the points it
//! wants captured. `pellucid-view-NAME run` reads one JSON document and prints another: typed output, and a figure. Both
//! run within bounds (`child`); nothing that a program does can harm more than its own answer. docs/plug-ins.md tells the
//! protocol.

mod child;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, thread};

use engine::{Batch, Select, Spec};
use figure::Figure;
use schemars::Schema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use views::{Answer, AnyView, Cx, Error, Outside, PromptRef, Result, Why, prompt_parameter};

use crate::commands::capture::Job;
use child::{Call, Failed, file_name};

/// How the protocol is counted.
const PROTOCOL: u32 = 1;
const PREFIX: &str = "pellucid-view-";
/// How long a program may take to say what it is.
const TO_DESCRIBE: Duration = Duration::from_secs(5);
/// How long one may ask to be given for an answer.
const LONGEST: u64 = 3600;

/// Which programs are of interest to a command line: none, one, or all. To know what a program is, it has to be run.
enum Wanted {
    None,
    One(String),
    All,
}

impl Wanted {
    /// What the words after the program's own name ask for.
    fn of(words: &[String]) -> Self {
        let Some(at) = words.iter().position(|word| ["open", "view", "views"].contains(&word.as_str())) else {
            return Self::None;
        };
        match words.get(at + 1).filter(|name| !name.starts_with('-') && words[at] != "open") {
            Some(name) => Self::One(name.rsplit('/').next().unwrap_or_default().to_owned()),
            None => Self::All,
        }
    }
}

/// The views that this command line may ask: ours, and those of the user's programs.
pub(crate) fn with_ours(ours: &'static [AnyView]) -> &'static [AnyView] {
    let words: Vec<String> = env::args().skip(1).collect();
    let mut programs = match Wanted::of(&words) {
        Wanted::None => return ours,
        Wanted::One(name) => found().into_iter().filter(|(known, _)| *known == name).collect(),
        Wanted::All => found(),
    };
    programs.retain(|name, program| {
        let is_ours = ours.iter().any(|view| view.name == name);
        if is_ours {
            eprintln!("{} is left out: `{name}` is a view of Pellucid's own", program.display());
        }
        !is_ours
    });
    if programs.is_empty() {
        return ours;
    }
    let described: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = programs.iter().map(|(name, path)| scope.spawn(|| Plugin::described(name, path))).collect();
        asked.into_iter().flat_map(thread::ScopedJoinHandle::join).collect()
    });
    let mut all = ours.to_vec();
    for outcome in described {
        match outcome {
            // They live as long as the process, as ours do.
            Ok(plugin) => {
                let (name, revision) = (plugin.name.clone().leak(), plugin.about.revision);
                all.push(AnyView::outside(name, revision, Box::leak(plugin)));
            }
            Err(error) => eprintln!("{error}; it is left out"),
        }
    }
    all.leak()
}

/// Every program in the folders of `PATH`; of a name that is there twice, the first.
fn found() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    // A path that is not absolute means another program in another folder.
    let path = env::var_os("PATH").unwrap_or_default();
    for folder in env::split_paths(&path).filter(|folder| folder.is_absolute()) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let file = entry.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_prefix(PREFIX)) else { continue };
            let name = name.strip_suffix(env::consts::EXE_SUFFIX).unwrap_or(name);
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if is_name && is_executable(&entry.path()) {
                found.entry(name.to_owned()).or_insert(entry.path());
            }
        }
    }
    found
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// What a program says of itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    protocol: u32,
    /// A line, and after an empty one more.
    help: String,
    /// JSON schemas.
    parameters: Value,
    #[serde(default = "anything")]
    output: Value,
    /// The kinds of figure it may answer with.
    figures: Vec<String>,
    /// Globs of points whose activations it wants; `{NAME}` stands for a parameter's value.
    #[serde(default)]
    points: Vec<String>,
    #[serde(default)]
    example: Map<String, Value>,
    #[serde(default = "one")]
    revision: u32,
    /// How long it may take.
    #[serde(default = "minute")]
    seconds: f64,
}

fn anything() -> Value {
    json!({})
}

fn one() -> u32 {
    1
}

fn minute() -> f64 {
    60.0
}

/// A program that said what it is.
struct Plugin {
    name: String,
    path: PathBuf,
    about: About,
    schema: Schema,
    output: Schema,
}

impl Plugin {
    fn described(name: &str, path: &Path) -> Result<Box<Self>> {
        let folder = tempfile::tempdir().map_err(|error| wrong(path, format!("has no folder to run in: {error}")))?;
        let call =
            Call { program: path, argument: "describe", input: vec![], folder: folder.path(), time: TO_DESCRIBE };
        let told = call.answer(&mut |_, _| true).map_err(|failed| of(path, failed))?;
        let because = |why: String| wrong(path, format!("does not describe itself as it should: {why}"));
        let about: About = serde_json::from_slice(&told).map_err(|error| because(error.to_string()))?;
        if about.protocol != PROTOCOL {
            return Err(because(format!("it speaks protocol {}, this program {PROTOCOL}", about.protocol)));
        }
        if !(about.seconds > 0.0 && about.seconds <= LONGEST as f64) {
            return Err(because(format!("seconds: {} is not between 0 and {LONGEST}", about.seconds)));
        }
        let mut parameters = about.parameters.clone();
        let Some(fields) = parameters.as_object_mut().filter(|fields| fields.contains_key("properties")) else {
            return Err(because("parameters: a JSON schema with `properties` is wanted".into()));
        };
        // Help comes from one place, as with ours.
        fields.insert("description".into(), about.help.clone().into());
        let schema = Schema::try_from(parameters).map_err(|error| because(error.to_string()))?;
        let output = Schema::try_from(about.output.clone()).map_err(|error| because(error.to_string()))?;
        Ok(Box::new(Self { name: name.into(), path: path.into(), about, schema, output }))
    }

    /// The points it wants, for these parameters.
    fn points(&self, parameters: &Value) -> engine::Result<Vec<Select>> {
        let fill = |glob: &String| {
            let fields = parameters.as_object().into_iter().flatten();
            let filled = fields.fold(glob.clone(), |glob, (name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                glob.replace(&format!("{{{name}}}"), &value)
            });
            any_of_braces(&filled).parse()
        };
        self.about.points.iter().map(fill).collect()
    }

    /// The prompt among the parameters.
    fn prompt(&self, parameters: &Value) -> Option<PromptRef> {
        serde_json::from_value(parameters[prompt_parameter(&self.schema)?].clone()).ok()
    }
}

/// A glob in which whatever has no value stands for anything.
fn any_of_braces(glob: &str) -> String {
    let mut parts = glob.split('{');
    let head = parts.next().unwrap_or_default().to_owned();
    parts.fold(head, |glob, part| glob + "*" + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// What it is asked, as JSON on its standard input.
#[derive(Serialize)]
struct Question<'a> {
    protocol: u32,
    parameters: &'a Value,
    model: Value,
    /// The prompt's tokens as text and as ids; empty without a prompt.
    tokens: &'a [String],
    ids: &'a [u32],
    /// A safetensors file: each point under its name, f32, and `tokens`.
    captured: Option<&'a Path>,
}

/// What it answers, as JSON on its standard output.
#[derive(Deserialize)]
struct Answered {
    output: Value,
    figure: Figure,
}

impl Answer for Answered {
    fn write_json(&self, to: &mut dyn std::io::Write) -> std::result::Result<(), serde_json::Error> {
        serde_json::to_writer(to, &self.output)
    }

    fn figure(&self) -> Figure {
        self.figure.clone()
    }
}

impl Outside for Plugin {
    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    fn output_schema(&self) -> Schema {
        self.output.clone()
    }

    fn example(&self) -> Value {
        Value::Object(self.about.example.clone())
    }

    fn fits(&self, spec: &Spec) -> std::result::Result<(), Why> {
        let globs = self.points(&Value::Null).map_err(|error| Why(error.to_string()))?;
        Select::resolve_all(&globs, spec).map(|_| ()).map_err(|error| Why(error.to_string()))
    }

    fn run(&self, parameters: Value, cx: &Cx<'_>) -> Result<Box<dyn Answer>> {
        let folder =
            tempfile::tempdir().map_err(|error| wrong(&self.path, format!("has no folder to run in: {error}")))?;
        let prompt = self.prompt(&parameters).map(|prompt| cx.prompt(&prompt)).transpose()?;
        let globs = self.points(&parameters)?;
        let mut captured = None;
        if let (Some(prompt), false) = (&prompt, globs.is_empty()) {
            let points = Select::resolve_all(&globs, cx.model()?.spec())?;
            let path = folder.path().join("captured.safetensors");
            let job = Job { cx, batch: Batch::one(&prompt.ids)?, about: String::new(), points: &points };
            job.capture(&path).map_err(|error| match error.downcast::<Error>() {
                Ok(error) => error,
                Err(error) => Error::Model(format!("{error:#}")),
            })?;
            captured = Some(path);
        }
        let sizes = &cx.model()?.spec().sizes;
        let question = Question {
            protocol: PROTOCOL,
            parameters: &parameters,
            model: json!({
                "name": cx.file().name(), "n_layers": sizes.n_layers, "n_heads": sizes.n_heads,
                "d_model": sizes.d_model, "d_mlp": sizes.d_mlp, "d_vocab": sizes.d_vocab,
            }),
            tokens: prompt.as_ref().map_or(&[], |prompt| &prompt.words),
            ids: prompt.as_ref().map_or(&[], |prompt| &prompt.ids),
            captured: captured.as_deref(),
        };
        let input = serde_json::to_vec(&question)?;
        let time = Duration::from_secs_f64(self.about.seconds);
        let call = Call { program: &self.path, argument: "run", input, folder: folder.path(), time };
        let told = call.answer(&mut |done, of| cx.tick(done, of).is_ok()).map_err(|failed| of(&self.path, failed))?;
        let answered: Answered = serde_json::from_slice(&told)
            .map_err(|error| wrong(&self.path, format!("answered what is no {{\"output\", \"figure\"}}: {error}")))?;
        let kind = answered.figure.kind();
        if !self.about.figures.iter().any(|stated| stated == kind) {
            return Err(wrong(
                &self.path,
                format!("answered with a figure of kind `{kind}`, which it did not describe"),
            ));
        }
        Ok(Box::new(answered))
    }

    fn digest(&self) -> Option<String> {
        fs::read(&self.path).ok().map(|bytes| store::digest::of_bytes(&bytes))
    }
}

fn wrong(path: &Path, why: String) -> Error {
    Error::Program { program: file_name(path), why }
}

fn of(path: &Path, failed: Failed) -> Error {
    match failed {
        Failed::Cancelled => engine::Error::Cancelled.into(),
        Failed::Because(why) => wrong(path, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_asked_is_described() {
        let wanted = |line: &str| match Wanted::of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()) {
            Wanted::None => "none".to_owned(),
            Wanted::One(name) => name,
            Wanted::All => "all".to_owned(),
        };
        assert_eq!(wanted("card zoo:talk"), "none");
        assert_eq!(wanted("--backend naive view outside/entropy zoo:talk"), "entropy");
        assert_eq!(wanted("views entropy"), "entropy");
        for line in ["views", "views --json", "open zoo:talk", "open", "view --help"] {
            assert_eq!(wanted(line), "all", "{line}");
        }
    }

    #[test]
    fn globs_take_what_is_known() {
        assert_eq!(any_of_braces("blocks.{layer}.attn.{what}"), "blocks.*.attn.*");
        assert_eq!(any_of_braces("embed"), "embed");
        assert_eq!(any_of_braces("blocks.{"), "blocks.*");
    }
}
