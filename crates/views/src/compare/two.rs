//! Two prompts or two models, side by side.

use std::borrow::Cow;
use std::cell::Cell;

use engine::Error as EngineError;
use figure::{Compare, Figure, difference};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{Answer, AnyView, Cx, Error, Progress, PromptRef, Result, VIEWS, View};

/// Any view, asked twice: of two prompts, or of two models.
///
/// Both answers are shown on one scale, and below them what changes from the first to the second: every number of the
/// second minus the same number of the first. `--against X` does the same on every view, as in `pellucid view
/// logit_lens MODEL --prompt A --against B`. Edits apply to both; an edit that takes values of another prompt takes
/// them from the model that it is made in.
///
/// Caveats: there is a difference only where the axes are equal: for prompts, where they have as many tokens; for
/// models, where they have as many layers, heads and so on. Positions are compared one by one, whatever tokens stand
/// there, and so are heads and neurons by their numbers, although those of two models need have nothing in common.
/// Words, such as the first choices of a lens, are the second's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Two {
    /// The view to ask, by its name: `logit_lens`.
    pub view: String,
    /// Its parameters as a JSON object, such as `{"k": 3}`; those that are left out have their defaults.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// The first prompt, if the view takes one.
    #[serde(default)]
    pub prompt: Option<PromptRef>,
    /// Another MODEL (zoo:NAME, hf:OWNER/NAME, an existing file or folder, or a checkpoint DIR@STEP), or else another
    /// prompt: token ids if the first is, a text if not.
    pub against: String,
}

/// Both answers, and what changes from the first to the second.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Whether two prompts are compared or two models.
    pub compared: Compared,
    /// What the first answer is of: a prompt, or a model's name.
    pub a_name: String,
    /// What the second answer is of.
    pub b_name: String,
    /// The first answer, in the view's own form (`pellucid views NAME` describes it).
    pub a: Written,
    /// The second answer, in the same form.
    pub b: Written,
    /// The difference as a figure: arrays that hold the second's numbers minus the first's. Null where the axes differ.
    pub difference: Option<Figure>,
    /// Why there is no difference; null where there is one.
    pub why_not: Option<String>,
    #[serde(skip)]
    figures: [Figure; 2],
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// One model on two prompts.
    Prompts,
    /// Two models.
    Models,
}

/// An answer as its view wrote it: one JSON object.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Written(Box<RawValue>);

impl JsonSchema for Written {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Answer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl View for Two {
    type Output = Output;

    fn example() -> Self {
        Self {
            view: "next_tokens".into(),
            parameters: Map::new(),
            prompt: Some(PromptRef::Tokens(vec![3, 5, 7, 5, 3])),
            against: "3,5,9,5,3".into(),
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let wrong = |why: String| Error::Parameters { view: "", why };
        let named = |view: &&AnyView| view.name == self.view || self.view == format!("{}/{}", view.shelf, view.name);
        let known = || VIEWS.iter().map(|view| view.name).collect::<Vec<_>>().join(", ");
        let view = VIEWS.iter().find(named);
        let view = view.ok_or_else(|| wrong(format!("there is no view `{}`; there are: {}", self.view, known())))?;
        let mut parameters = self.parameters.clone();
        if let Some(prompt) = &self.prompt {
            let key = view.prompt_parameter().ok_or_else(|| wrong(format!("`{}` takes no prompt", self.view)))?;
            let prompt = serde_json::to_value(prompt).map_err(|error| wrong(error.to_string()))?;
            parameters.insert(key, prompt);
        }
        compare(view, &parameters, &self.against, cx).map_err(|error| match error {
            Error::Parameters { view, why } => wrong(format!("those of `{view}`: {why}")),
            error => error,
        })
    }

    fn draw(output: &Output) -> Figure {
        let [a, b] = &output.figures;
        let what = match output.compared {
            Compared::Prompts => "Two prompts",
            Compared::Models => "Two models",
        };
        let figure = Compare::new(&output.a_name, a.clone(), &output.b_name, b.clone());
        let figure = figure.title(format!("{what}: {}", a.about().title));
        match &output.why_not {
            None => figure.caption(
                "Both on one scale, and what changes from the first to the second: each number of the second minus the \
                 same number of the first, place by place.",
            ),
            Some(why) => figure.caption(format!("Both, without their difference: {why}.")),
        }
        .into()
    }
}

/// Asks a view twice.
pub(crate) fn compare(view: &AnyView, parameters: &Map<String, Value>, against: &str, cx: &Cx<'_>) -> Result<Output> {
    if view.name == "two" {
        let why = "it compares other views, not itself".into();
        return Err(Error::Parameters { view: view.name, why });
    }
    let key = view.prompt_parameter();
    let first_prompt = key.as_ref().and_then(|key| parameters.get(key));
    let other = cx.other(against)?;
    let mut second = parameters.clone();
    if other.is_none() {
        let prompt = second_prompt(view, first_prompt, against)?;
        second.insert(key.clone().unwrap_or_default(), prompt);
    }
    let ask = |parameters: &Map<String, Value>, cx: &Cx<'_>| -> Result<(Written, Figure)> {
        let answer = view.run(Value::Object(parameters.clone()), cx)?;
        Ok((written(&*answer)?, answer.figure()))
    };
    let (first_half, second_half) = (Half::of(cx, 0), Half::of(cx, 1));
    let (a, first) = ask(parameters, &cx.watched_by(&first_half))?;
    let there = match &other {
        None => cx.watched_by(&second_half),
        Some(other) => cx.watched_by(&second_half).of_other(other),
    };
    let (b, second_figure) = ask(&second, &there).map_err(|error| of_second(against, error))?;
    let change = difference(&first, &second_figure);
    let why_not = change.is_none().then(|| why_not(&first, &second_figure));
    let [a_name, b_name] = match &other {
        Some(_) => [cx, &there].map(|cx| cx.file().name()),
        None => [first_prompt, key.as_ref().and_then(|key| second.get(key))].map(in_words),
    };
    let compared = if other.is_some() { Compared::Models } else { Compared::Prompts };
    Ok(Output { compared, a_name, b_name, a, b, difference: change, why_not, figures: [first, second_figure] })
}

/// The other prompt, as ids where the first is given so.
fn second_prompt(view: &AnyView, first: Option<&Value>, against: &str) -> Result<Value> {
    let wrong = |why: String| Error::Parameters { view: view.name, why };
    match first {
        None => {
            let why = format!("without a prompt it can only be asked of another model, and `{against}` is none");
            Err(wrong(why))
        }
        Some(Value::Array(_)) => {
            let ids = against.split(',').map(|id| id.trim().parse::<u32>()).collect::<Result<Vec<u32>, _>>();
            let why = || format!("`{against}` is neither a model nor token ids, as the first prompt is (3,5,113)");
            ids.map(Value::from).map_err(|_| wrong(why()))
        }
        Some(_) => Ok(Value::from(against)),
    }
}

fn written(answer: &dyn Answer) -> Result<Written> {
    let mut bytes = Vec::new();
    answer.write_json(&mut bytes)?;
    Ok(Written(serde_json::from_slice(&bytes)?))
}

/// An error of the second question says so; to give up is no error of either.
fn of_second(against: &str, error: Error) -> Error {
    match error {
        Error::Engine(EngineError::Cancelled) => error,
        error => Error::Second { against: against.into(), cause: Box::new(error) },
    }
}

/// Why two figures have no difference.
fn why_not(a: &Figure, b: &Figure) -> String {
    match (a, b) {
        (Figure::Text(_) | Figure::Code(_) | Figure::Graph(_) | Figure::Compare(_), _) => {
            format!("a figure of kind `{}` has no numbers to subtract", a.kind())
        }
        _ => "their axes are not equal; prompts must have as many tokens, models as many layers and heads".into(),
    }
}

/// A prompt as a name.
fn in_words(prompt: Option<&Value>) -> String {
    match prompt {
        Some(Value::Array(ids)) => {
            format!("tokens {}", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
        Some(Value::String(text)) => format!("\"{text}\""),
        _ => String::new(),
    }
}

/// One of two questions, as a share of the whole way. Text of an answer is not shown while it comes: two would be mixed.
struct Half<'a> {
    cx: &'a Cx<'a>,
    begins: u64,
    reached: Cell<u64>,
}

impl<'a> Half<'a> {
    /// What each of the two counts as.
    const WHOLE: u64 = 1000;

    fn of(cx: &'a Cx<'a>, half: u64) -> Self {
        Self { cx, begins: half * Self::WHOLE, reached: Cell::new(0) }
    }
}

impl Progress for Half<'_> {
    fn tick(&self, done: u64, of: u64) -> bool {
        let share = (u128::from(done) * u128::from(Self::WHOLE) / u128::from(of.max(1))) as u64;
        self.reached.set(self.reached.get().max(share.min(Self::WHOLE)));
        self.cx.tick(self.begins + self.reached.get(), 2 * Self::WHOLE).is_ok()
    }

    fn show(&self, _: &str) {}
}
