//! Induction heads, and the change of phase in which they form.

use std::sync::Arc;

use engine::optim::Schedule;
use kernels::{Backend, Cpu};
use lab::{Course, Event, Folder, Mark, Network, Outcome, Passage, Positions, Precision, Random, Recipe, Repeat, Shape};
use schemars::JsonSchema;
use serde_json::json;

use crate::{Bench, Reproduction, Result, Row};

/// Induction heads form suddenly in networks of attention alone with two layers, and not with one.
///
/// Three networks of two layers and three of one are trained from different starts on the same kind of text: passages of
/// 16 tokens, drawn from a random table of which token follows which, each said four times. Repetition is all that
/// there is to learn beyond the table. At every 25th step the largest induction score of any head is measured on random
/// tokens that repeat (no passage of the training), and how much better late tokens are predicted than early ones.
///
/// The publication's networks are larger and learn from English; what is compared is whether and how suddenly, not how
/// well.
#[derive(Debug, JsonSchema)]
pub struct Induction;

const VOCABULARY: usize = 64;
/// Tokens of a passage.
const PASSAGE: usize = 16;
/// How often it is said.
const TIMES: usize = 4;
const STEPS: u64 = 1200;
/// Steps between measurements.
const EVERY: u64 = 25;
/// The stream of chance that texts are drawn from.
const TEXT: u64 = 1 << 40;
/// Networks of each kind.
const RUNS: u64 = 3;

impl Reproduction for Induction {
    const SOURCE: &'static str = "Olsson et al. 2022, In-context Learning and Induction Heads, arXiv 2209.11895";

    fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
        let (mut two, mut one) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            two.push(trained(bench, 2, run)?);
            one.push(trained(bench, 1, run)?);
        }
        let scores = |all: &[Vec<Mark>]| -> Vec<f64> { all.iter().map(|marks| score(last(marks))).collect() };
        let phases: Vec<Phase> = two.iter().map(|marks| Phase::of(marks)).collect();
        let each = |of: fn(&Phase) -> f64| -> Vec<f64> { phases.iter().map(of).collect() };
        let gains = |all: &[Vec<Mark>]| -> Vec<f64> { all.iter().map(|marks| -last(marks).in_context).collect() };
        let (formed, never) = (scores(&two), scores(&one));
        let (width, gain, steeper) = (each(|p| p.width), each(|p| p.gain), each(|p| p.steeper));
        let (with, without) = (mean(&gains(&two)), mean(&gains(&one)));
        Ok(vec![
            Row::new(
                format!("two layers form induction heads (largest score, mean of {RUNS} ± sd {:.3})", sd(&formed)),
                "they form",
                mean(&formed),
                "attention to the token after the last copy",
                formed.iter().all(|&score| score >= 0.4),
            ),
            Row::new(
                format!("one layer does not (sd {:.3})", sd(&never)),
                "none form",
                mean(&never),
                "attention to the token after the last copy",
                never.iter().all(|&score| score < 0.1),
            ),
            Row::new(
                "they form suddenly: from a tenth to nine tenths of the final score",
                0.25,
                mean(&width),
                "share of the training",
                width.iter().all(|&width| width <= 0.25),
            ),
            Row::new(
                "most of the gain from context comes in that window",
                "most",
                mean(&gain),
                "share of the whole gain",
                gain.iter().all(|&gain| gain > 0.5),
            ),
            Row::new(
                "the loss bends there: its fall in the window over its fall in as many steps before",
                "a bump, visible in the loss",
                mean(&steeper),
                "ratio",
                steeper.iter().all(|&ratio| ratio > 1.0),
            ),
            Row::new(
                "one layer gains less from context than two",
                "less",
                without - with,
                "nats, late minus early tokens",
                without < with,
            ),
        ])
    }
}

/// When a network's induction score rises.
struct Phase {
    /// From a tenth to nine tenths of its final value, as a share of the training.
    width: f64,
    /// Share of the whole gain from context that falls into it, a measurement on either side included.
    gain: f64,
    /// The loss's fall in it, over that in as many measurements before.
    steeper: f64,
}

impl Phase {
    fn of(marks: &[Mark]) -> Self {
        let end = score(last(marks));
        let above = |share: f64| marks.iter().position(|mark| score(mark) >= share * end).unwrap_or(0);
        let (from, to) = (above(0.1).saturating_sub(1), (above(0.9) + 1).min(marks.len() - 1));
        let fall = |from: usize, to: usize| marks[from].held_out_loss - marks[to].held_out_loss;
        let before = fall(from.saturating_sub(to - from), from);
        let context = |from: &Mark, to: &Mark| from.in_context - to.in_context;
        Self {
            width: (marks[above(0.9)].step - marks[above(0.1)].step) as f64 / STEPS as f64,
            gain: context(&marks[from], &marks[to]) / context(&marks[0], last(marks)),
            steeper: fall(from, to) / before,
        }
    }
}

/// Trains one network, and gives its measurements.
fn trained(bench: &Bench<'_>, layers: usize, run: u64) -> Result<Vec<Mark>> {
    let seed = bench.seed.wrapping_mul(1000).wrapping_add(run);
    let network = Network::decoder(&Shape {
        d_vocab: VOCABULARY,
        n_ctx: PASSAGE * TIMES * 2,
        n_layers: layers,
        d_model: 64,
        n_heads: 4,
        d_mlp: 0,
        positions: Positions::Rotary,
        tied: false,
        deviation: 0.02,
    })?;
    let text = text(seed, 4000);
    let (held_out, train) = text.split_at(text.len() / 10);
    let subject = lab::Subject { network: &network, train, held_out, context: PASSAGE * TIMES };
    let course = Course {
        schedule: Schedule { peak: 3e-3, warm_up: 100, steps: STEPS, floor: 0.1 },
        batch: 32,
        betas: (0.9, 0.98),
        decay: 0.01,
        clip: 1.0,
        repeat: Repeat { share: 0.0, of: Passage::Text },
        seed,
        every: EVERY,
        checkpoints: vec![],
        threads: kernels::threads(),
    };
    let recipe = Recipe {
        recipe: "induction".into(),
        revision: 1,
        parameters: json!({ "layers": layers, "seed": seed }),
        corpus: vec![],
        made_by: concat!("pellucid ", env!("CARGO_PKG_VERSION")).into(),
    };
    let folder = Folder::open(&bench.scratch.join(format!("{layers}-{seed}")), &recipe, Precision::F32)?;
    let backend: Arc<dyn Backend> = Arc::new(Cpu::new());
    let done = (run * 2 + u64::from(layers == 1)) * STEPS;
    let (mut marks, mut cancelled) = (Vec::new(), None);
    let outcome = lab::train(&folder, &subject, &course, &backend, &mut |event| {
        match event {
            Event::Marked(mark) => marks.push(mark.clone()),
            Event::Step { step, .. } => cancelled = bench.tick(done + step, 2 * RUNS * STEPS).err(),
            Event::From(_) => {}
        }
        cancelled.is_none()
    })?;
    match (outcome, cancelled) {
        (Outcome::Finished(_), _) => Ok(marks),
        (Outcome::Stopped(_), error) => Err(error.unwrap_or(engine::Error::Cancelled).into()),
    }
}

/// Passages from a random table of followers, each said several times in a row.
fn text(seed: u64, passages: usize) -> Vec<u32> {
    let mut random = Random::new(seed, TEXT);
    let mut unit = || random.unit();
    // Weights to the fourth power: a few followers are likely, all are possible.
    let table: Vec<Vec<f64>> =
        (0..VOCABULARY).map(|_| (0..VOCABULARY).map(|_| unit().powi(4)).collect()).collect();
    let mut tokens = Vec::with_capacity(passages * PASSAGE * TIMES);
    for _ in 0..passages {
        let mut token = (unit() * VOCABULARY as f64) as usize;
        let mut passage = Vec::with_capacity(PASSAGE);
        for _ in 0..PASSAGE {
            passage.push(token as u32);
            let mut left = unit() * table[token].iter().sum::<f64>();
            token = table[token].iter().position(|weight| { left -= weight; left < 0.0 }).unwrap_or(0);
        }
        (0..TIMES).for_each(|_| tokens.extend(&passage));
    }
    tokens
}

fn score(mark: &Mark) -> f64 {
    mark.induction.unwrap_or(0.0)
}

fn last(marks: &[Mark]) -> &Mark {
    &marks[marks.len() - 1]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of a sample.
fn sd(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt()
}
