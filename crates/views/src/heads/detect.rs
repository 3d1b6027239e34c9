//! Heads of known kinds, and heads that look where a given pattern says.

use engine::Spec;
use figure::{Array, ColourScale, Dim, Figure, Group, Guide, Heatmap, Table};
use methods::{Kind, Match, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cx, Error, PromptRef, Result, View, Why};

/// Which heads are of a known kind, such as induction heads, or attend as a given pattern does.
///
/// Every head of the network gets a score of each kind, and the strongest are listed. Four kinds (induction, previous
/// token, duplicate token, first token) are scored by mean
/// attention, 0 to 1, as in the view `pattern`: induction on a random text given twice, the others on the prompt. Without
/// a prompt all are scored on the random text, where nothing but repetition can be found.
///
/// With `--pattern` one more score tells how far each head's attention on the prompt agrees with a pattern that is looked
/// for: `previous`, `duplicate`, `induction` or `first`, or a matrix [pos/dst, pos/src] in a file (FILE.npy or
/// FILE.safetensors:NAME), as long as the prompt on both sides. `--measure mul` is the share of all attention that lies
/// where the pattern is 1; `--measure abs` is 1 less the mean over destinations of |attention − pattern|, which also
/// tells apart patterns whose rows are of different weight.
///
/// Caveat: where a head looks is not what it moves. Zeroing its `attn.z` shows what it does for an answer.
///
/// Source: Olsson et al., "In-context Learning and Induction Heads" (2022); TransformerLens's `detect_head`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// The text to look at; without one, a random text given twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptRef>,
    /// A pattern to look for: previous, duplicate, induction, first, or a matrix in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// How attention is compared with that pattern.
    #[serde(default)]
    pub measure: Measure,
    /// Leave attention to the first token out of that comparison.
    #[serde(default)]
    pub exclude_first: bool,
    /// Leave attention of each token to itself out of that comparison.
    #[serde(default)]
    pub exclude_current: bool,
    /// How many heads of each kind to list.
    #[serde(default = "default_k")]
    #[schemars(range(min = 1))]
    pub k: usize,
    /// Length of the random text that is given twice, at most half of what the model takes.
    #[serde(default = "default_repeat")]
    #[schemars(range(min = 2))]
    pub repeat: usize,
    /// Seed of that random text.
    #[serde(default)]
    pub seed: u64,
}

/// How a head's attention is compared with a pattern that is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The share of all attention that lies where the pattern is.
    #[default]
    Mul,
    /// 1 less the mean over destinations of the absolute differences.
    Abs,
}

fn default_k() -> usize {
    10
}

fn default_repeat() -> usize {
    50
}

/// Scores of every head for each kind, and the heads with the highest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The tokens that were looked at as text, [pos].
    pub tokens: Array<String>,
    /// Their ids, [pos].
    pub ids: Array<u32>,
    /// The kinds, [row]: induction, previous token, duplicate token, first token, and the pattern if one was given.
    pub kinds: Array<String>,
    /// Score of each head for each kind, [row, layer, head]; NaN where the text has nothing to score it by.
    pub scores: Array<f32>,
    /// Layers of the heads with the highest scores, in falling order, [row, k]; −1 where fewer heads have a score.
    pub top_layers: Array<i64>,
    /// Their heads, [row, k]; −1 where fewer heads have a score.
    pub top_heads: Array<i64>,
    /// Their scores, [row, k]; NaN where fewer heads have one.
    pub top_scores: Array<f32>,
}

impl View for Detect {
    type Output = Output;

    fn fits(spec: &Spec) -> Result<(), Why> {
        Why::needs_vocabulary(spec)?;
        Why::needs_per_layer(spec, "attn.pattern")
    }

    fn example() -> Self {
        let prompt = Some(PromptRef::Tokens(vec![3, 5, 7, 5, 3]));
        let (measure, pattern) = (Measure::Mul, Some("previous".to_owned()));
        let (k, repeat, seed) = (3, 8, 0);
        Self { prompt, pattern, measure, exclude_first: false, exclude_current: false, k, repeat, seed }
    }

    fn run(&self, cx: &Cx<'_>) -> Result<Output> {
        let prompt = self.prompt.as_ref().map(|prompt| cx.prompt(prompt)).transpose()?;
        let ids: &[u32] = prompt.as_ref().map_or(&[], |prompt| &prompt.ids);
        let (random, edits) = methods::random_repeat(cx.subject(ids)?, self.period(cx)?, self.seed)?;
        let on_random = Subject { tokens: &random, edits: &edits, ..cx.subject(ids)? };
        let on_text = if prompt.is_some() { cx.subject(ids)? } else { on_random };
        let wanted = self.wanted(cx, on_text.tokens)?;
        let twice = methods::patterns(on_random, None, None, &mut |done, of| cx.tick(done, 2 * of))?;
        let found = match &prompt {
            Some(_) => methods::patterns(on_text, None, None, &mut |done, of| cx.tick(of + done, 2 * of))?,
            None => twice.clone(),
        };
        let (n, grid) = (found.positions, [found.layers.len(), found.heads.len()]);
        let mut kinds = vec![
            ("induction", twice.score(|pattern| methods::induction(pattern, random.len() / 2))),
            ("previous token", found.score(|pattern| methods::previous_token(pattern, n))),
            ("duplicate token", found.score(|pattern| methods::duplicate_token(pattern, on_text.tokens))),
            ("first token", found.score(|pattern| methods::first_token(pattern, n))),
        ];
        let name = self.pattern.as_ref().map(|name| format!("pattern: {name}"));
        if let (Some(name), Some(wanted)) = (&name, &wanted) {
            kinds.push((name.as_str(), found.score(|pattern| self.how().score(pattern, wanted, n))));
        }
        let k = self.k.min(grid[0] * grid[1]);
        let top: Vec<Option<(usize, f64)>> = kinds.iter().flat_map(|(_, scores)| strongest(scores, k)).collect();
        let cell = |of: fn(usize, usize) -> usize| {
            top.iter().map(move |top| top.map_or(-1, |(at, _)| of(at, grid[1]) as i64)).collect()
        };
        let (by_rank, ranks) = ([Dim::Row, Dim::K], [kinds.len(), k]);
        let scores = kinds.iter().flat_map(|(_, scores)| scores.iter().map(|&x| x as f32)).collect();
        Ok(Output {
            tokens: Array::vector(Dim::Pos, cx.words(on_text.tokens)?),
            ids: Array::vector(Dim::Pos, on_text.tokens.to_vec()),
            kinds: Array::vector(Dim::Row, kinds.iter().map(|(kind, _)| (*kind).to_owned()).collect()),
            scores: Array::new([Dim::Row, Dim::Layer, Dim::Head], [kinds.len(), grid[0], grid[1]], scores)?,
            top_layers: Array::new(by_rank, ranks, cell(|at, heads| at / heads))?,
            top_heads: Array::new(by_rank, ranks, cell(|at, heads| at % heads))?,
            top_scores: Array::new(
                by_rank,
                ranks,
                top.iter().map(|t| t.map_or(f32::NAN, |(_, x)| x as f32)).collect(),
            )?,
        })
    }

    fn draw(output: &Output) -> Figure {
        let kinds = || output.kinds.data().iter().map(String::as_str);
        let map = Heatmap::new(output.scores.clone())
            .colour(ColourScale::tint().domain(0.0, 1.0).label("score"))
            .x(Guide::new("head"))
            .y(Guide::new("layer"))
            .panels(Guide::new("kind").ticks(kinds()))
            .upwards();
        Group::new([ranking(output), map.into()])
            .title("Heads by kind")
            .caption(
                "Scores are shares of attention, 0 to 1: to what followed the same token in a random text given twice, to \
                 the token before, to earlier occurrences of the same token, to the first token, and, if one was given, to \
                 where a pattern says. Draw a head with the view `pattern`, --layer and --head.",
            )
            .caveat("Where a head looks is not what it moves.")
            .into()
    }
}

impl Detect {
    /// Tokens of the random text, before it is repeated: a model with a short context still gets a score.
    fn period(&self, cx: &Cx<'_>) -> Result<usize> {
        Ok(cx.model()?.spec().sizes.n_ctx.map_or(self.repeat, |n| self.repeat.min(n / 2)))
    }

    fn how(&self) -> Match {
        let measure = match self.measure {
            Measure::Mul => methods::Measure::Mul,
            Measure::Abs => methods::Measure::Abs,
        };
        Match { measure, exclude_first: self.exclude_first, exclude_current: self.exclude_current }
    }

    /// The pattern that is looked for on these tokens, if one was given.
    fn wanted(&self, cx: &Cx<'_>, tokens: &[u32]) -> Result<Option<Vec<f32>>> {
        let Some(pattern) = &self.pattern else { return Ok(None) };
        let kind = match pattern.as_str() {
            "previous" => Kind::Previous,
            "duplicate" => Kind::Duplicate,
            "induction" => Kind::Induction,
            "first" => Kind::First,
            file if file.contains('.') => return matrix(cx, file, tokens.len()).map(Some),
            other => {
                let why = format!(
                    "`{other}` is no pattern: give previous, duplicate, induction or first, or a matrix as FILE.npy or \
                     FILE.safetensors:NAME"
                );
                return Err(Error::Parameters { view: "detect", why });
            }
        };
        Ok(Some(kind.wanted(tokens)))
    }
}

/// A pattern from a file: `[n, n]`, finite, nothing above the diagonal.
fn matrix(cx: &Cx<'_>, file: &str, n: usize) -> Result<Vec<f32>> {
    let array = cx.array(file)?;
    let wrong = |why: String| Err(Error::Parameters { view: "detect", why: format!("{file}: {why}") });
    if array.shape != [n, n] {
        let shape = &array.shape;
        return wrong(format!("the pattern has shape {shape:?}, and the text has {n} tokens: it should be [{n}, {n}]"));
    }
    if array.values.iter().any(|x| !x.is_finite()) {
        return wrong("the pattern holds values that are not finite".into());
    }
    match (0..n * n).find(|cell| cell % n > cell / n && array.values[*cell] != 0.0) {
        Some(cell) => wrong(format!(
            "the pattern wants attention from position {} to {}, which comes later: no head can look there",
            cell / n,
            cell % n
        )),
        None => Ok(array.values),
    }
}

/// Places and values of the `k` highest scores, in falling order, NaN left out; nothing where there are fewer.
fn strongest(scores: &[f64], k: usize) -> Vec<Option<(usize, f64)>> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|&i| !scores[i].is_nan()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    (0..k).map(|rank| order.get(rank).map(|&at| (at, scores[at]))).collect()
}

/// The strongest heads of each kind, as layer.head with the score beside it.
fn ranking(output: &Output) -> Figure {
    let k = output.top_scores.size(Dim::K).unwrap_or(0);
    let mut table = Table::new(Dim::K).title("Strongest heads, as layer.head");
    table = table.numbers("rank", (1..=k).map(|rank| rank as f64)).decimals(0);
    for (row, kind) in output.kinds.data().iter().enumerate() {
        let cells = row * k..(row + 1) * k;
        let name = |at: usize| match (output.top_layers.data()[at], output.top_heads.data()[at]) {
            (-1, _) => String::new(),
            (layer, head) => format!("{layer}.{head}"),
        };
        table = table.words(kind, cells.clone().map(name));
        table = table.floats("score", cells.map(|at| output.top_scores.data()[at])).decimals(2);
    }
    table.into()
}
