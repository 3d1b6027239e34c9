//! Induction heads, and the change of phase in which they form.

use std::sync::Arc;

use engine::optim::Schedule;
use kernels::{Backend, Cpu};
use lab::{
    Course, Event, Folder, Mark, Network, Outcome, Passage, Positions, Precision, Random, Recipe, Repeat, Shape,
};
use schemars::JsonSchema;
use serde_json::json;

use crate::{Bench, Reproduction, Result, Row};

/// Induction heads form suddenly in networks of attention alone with two layers, and not with one.
///
/// Three networks of two layers and three of one are trained from different starts on the same kind of sequence. Half of
/// the sequences are drawn from a random table of which token follows which; in the other half tokens are drawn evenly,
/// 8 to 32 of them, again and again: those can only be predicted by looking back. At every 25th step the largest
/// induction score of any head is measured on random tokens that repeat (no passage of the training), and the loss.
///
/// The publication's networks are larger and learn from English; what is compared is whether and how suddenly, not how
/// well.
#[derive(Debug, JsonSchema)]
pub struct Induction;

const VOCABULARY: usize = 64;
const CONTEXT: usize = 128;
const STEPS: u64 = 3000;
/// Steps between measurements.
const EVERY: u64 = 50;
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
        let losses = |all: &[Vec<Mark>]| -> Vec<f64> { all.iter().map(|marks| loss(last(marks))).collect() };
        let (formed, never) = (scores(&two), scores(&one));
        let width: Vec<f64> = phases.iter().map(|phase| phase.width).collect();
        let (inside, before): (Vec<f64>, Vec<f64>) = phases.iter().map(|phase| (phase.fall, phase.fall_before)).unzip();
        let (deep, shallow) = (losses(&two), losses(&one));
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
                format!(
                    "the training loss bends there: its fall in the window, and in as many steps before ({:.3})",
                    mean(&before)
                ),
                "a bump, visible in the loss",
                mean(&inside),
                "nats a token",
                inside.iter().zip(&before).all(|(inside, before)| inside > before),
            ),
            Row::new(
                format!("one layer is left behind: its loss at the end, and that of two ({:.3})", mean(&deep)),
                "two layers gain more from context",
                mean(&shallow),
                "nats a token",
                shallow.iter().zip(&deep).all(|(one, two)| one > two),
            ),
        ])
    }
}

/// When a network's induction score rises.
struct Phase {
    /// From a tenth to nine tenths of its final value, as a share of the training.
    width: f64,
    /// How far the training loss falls in it, a measurement on either side included.
    fall: f64,
    /// How far it falls in as many measurements before.
    fall_before: f64,
}

impl Phase {
    fn of(marks: &[Mark]) -> Self {
        let end = score(last(marks));
        let above = |share: f64| marks.iter().position(|mark| score(mark) >= share * end).unwrap_or(0);
        // The first measurement comes before the first step, and has no training loss.
        let (from, to) = (above(0.1).max(2) - 1, (above(0.9) + 1).min(marks.len() - 1));
        let fall = |from: usize, to: usize| loss(&marks[from]) - loss(&marks[to]);
        Self {
            width: (marks[above(0.9)].step - marks[above(0.1)].step) as f64 / STEPS as f64,
            fall: fall(from, to),
            fall_before: fall(from.saturating_sub(to - from).max(1), from),
        }
    }
}

/// Trains one network, and gives its measurements.
fn trained(bench: &Bench<'_>, layers: usize, run: u64) -> Result<Vec<Mark>> {
    let seed = bench.seed.wrapping_mul(1000).wrapping_add(run);
    let network = Network::decoder(&Shape {
        d_vocab: VOCABULARY,
        n_ctx: CONTEXT,
        n_layers: layers,
        d_model: 64,
        n_heads: 2,
        d_mlp: 0,
        positions: Positions::Rotary,
        tied: false,
        deviation: 0.1,
    })?;
    let text = text(seed, 400_000);
    let (held_out, train) = text.split_at(text.len() / 10);
    let subject = lab::Subject { network: &network, train, held_out, context: CONTEXT };
    let course = Course {
        schedule: Schedule { peak: 1e-2, warm_up: 100, steps: STEPS, floor: 0.1 },
        batch: 32,
        betas: (0.9, 0.99),
        decay: 0.0,
        clip: 1.0,
        repeat: Repeat { share: 0.5, of: Passage::Random(VOCABULARY as u32) },
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

/// Tokens from a random table of followers.
fn text(seed: u64, tokens: usize) -> Vec<u32> {
    let mut random = Random::new(seed, TEXT);
    // Weights to the fourth power: a few followers are likely, all are possible.
    let mut row = || -> Vec<f64> { (0..VOCABULARY).map(|_| random.unit().powi(4)).collect() };
    let table: Vec<Vec<f64>> = (0..VOCABULARY).map(|_| row()).collect();
    let sums: Vec<f64> = table.iter().map(|row| row.iter().sum()).collect();
    let mut token = 0;
    let follow = |_| {
        let mut left = random.unit() * sums[token];
        let falls = |weight: &f64| {
            left -= weight;
            left < 0.0
        };
        token = table[token].iter().position(falls).unwrap_or(0);
        token as u32
    };
    (0..tokens).map(follow).collect()
}

fn score(mark: &Mark) -> f64 {
    mark.induction.unwrap_or(0.0)
}

/// Mean training loss since the measurement before; NaN at the first, which comes before any step.
fn loss(mark: &Mark) -> f64 {
    mark.loss.unwrap_or(f64::NAN)
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
