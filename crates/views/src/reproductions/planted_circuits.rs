//! Circuits that were put there, and what each method for finding circuits finds of them.

use std::sync::Arc;

use kernels::Cpu;
use lab::Random;
use lab::planted::{Options, Planted, TASKS, plant};
use methods::{Ablation, Behaviour, CircuitMethod, Contrast, Edge, Edges, Metric, ScoreOptions, auroc, score_behaviour};
use schemars::JsonSchema;

use crate::{Bench, Reproduction, Result, Row};

/// Methods for finding circuits find those of networks that were made to have them.
///
/// Programs of sequence operations are compiled to transformers (Lindner et al. 2023, arXiv 2301.05062): which edges their
/// answers go through follows from who reads what, and is not measured. Each method scores every edge from the same 20
/// random pairs of prompts, with the settings that it has for any network; the area under the curve (AUROC) says how often
/// an edge of the circuit is scored above one that is none. Baselines are how far what a sender adds differs between the
/// prompts, random scores, and circuits whose edges were drawn at random. In networks with noise on every weight no edge is
/// without all effect; of those only networks count that still answer.
///
/// The publication's networks are trained to have a circuit, which is harder to find than a compiled one.
#[derive(Debug, JsonSchema)]
pub struct PlantedCircuits;

/// Pairs of prompts for each network.
const PAIRS: usize = 20;
/// Inputs that a network's answers are tried on at most.
const INPUTS: usize = 5000;
/// AUROC from which on a circuit counts as found.
const BAR: f64 = 0.9;
/// Noise on weights, as a share of each tensor's root mean square.
const NOISE: f64 = 0.005;
/// Random circuits for each network.
const SHUFFLES: u64 = 20;
/// The stream of chance that random circuits are drawn from.
const SHUFFLED: u64 = 1 << 46;

/// The methods, by the names that publications have for them.
const METHODS: [(CircuitMethod, &str); 4] = [
    (CircuitMethod::Eap, "EAP"),
    (CircuitMethod::EapIg, "EAP-IG"),
    (CircuitMethod::Acdc, "ACDC"),
    (CircuitMethod::Probing, "probing"),
];
const BASELINES: [CircuitMethod; 2] = [CircuitMethod::Difference, CircuitMethod::Random];

impl Reproduction for PlantedCircuits {
    const SOURCE: &'static str = "Gupta et al. 2024, InterpBench: Semi-Synthetic Transformers for Evaluating Mechanistic \
                                  Interpretability Techniques, arXiv 2407.14494";

    fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
        let mut done = Progress { done: 0, of: 2 * TASKS.len() as u64 };
        let clean = planted(bench, 0.0, &mut done)?;
        let mut noisy = planted(bench, NOISE, &mut done)?;
        noisy.retain(|found| found.right >= 0.99);
        let worst = clean.iter().map(|found| found.right).fold(1.0, f64::min);
        let (best, _) = best(&clean);
        let found = over_bar(&clean, best);
        let shuffled = mean(&clean.iter().map(|found| found.shuffled[best]).collect::<Vec<_>>());
        let mut rows = vec![
            Row::new(
                format!("{} compiled networks answer as their programs do (the worst of them)", clean.len()),
                1.0,
                worst,
                "share of answers",
                worst == 1.0,
            ),
            Row::new(
                format!("the best method finds compiled circuits: {} ({})", METHODS[best].1, told(&clean)),
                "ACDC best, EAP-IG competitive",
                of_method(&clean, best),
                "mean AUROC",
                of_method(&clean, best) >= BAR,
            ),
            Row::new(
                format!("networks of {} whose circuit it finds, AUROC at least {BAR}", clean.len()),
                20.0,
                found as f64,
                "networks",
                found >= 20,
            ),
            Row::new("the same against random circuits of as many edges", 0.5, shuffled, "mean AUROC", near_chance(shuffled)),
        ];
        rows.extend(baselines(&clean));
        rows.push(with_noise(&noisy));
        Ok(rows)
    }
}

/// What was found of one network.
struct Found {
    /// Share of right answers.
    right: f64,
    /// AUROC of each method.
    methods: [f64; METHODS.len()],
    /// The same against random circuits, a mean.
    shuffled: [f64; METHODS.len()],
    baselines: [f64; BASELINES.len()],
}

struct Progress {
    done: u64,
    of: u64,
}

impl Progress {
    fn next(&mut self, bench: &Bench<'_>) -> Result<()> {
        bench.tick(self.done, self.of)?;
        self.done += 1;
        Ok(())
    }
}

/// Plants every task, and looks for it.
fn planted(bench: &Bench<'_>, noise: f64, progress: &mut Progress) -> Result<Vec<Found>> {
    let one = |(i, task)| {
        progress.next(bench)?;
        let seed = bench.seed.wrapping_mul(1000).wrapping_add(i as u64);
        let planted = plant(task, &Options { noise, ..Options::usual(task, seed) })?;
        look(&planted, seed)
    };
    TASKS.iter().enumerate().map(one).collect()
}

fn look(planted: &Planted, seed: u64) -> Result<Found> {
    let model = planted.model(Arc::new(Cpu::new()))?;
    let inputs = planted.all_inputs(INPUTS).unwrap_or_else(|| planted.inputs(INPUTS, seed));
    let measured = planted.measure(&*model, &inputs)?;
    let scored = scored(&*model, &planted.contrasts(PAIRS, seed)?, &planted.truth.edges, seed)?;
    Ok(Found { right: measured.right as f64 / measured.answers as f64, ..scored })
}

/// Scores every edge by every method, and holds the scores against a circuit.
fn scored(model: &dyn engine::Model, contrasts: &[Contrast], truth: &[Edge], seed: u64) -> Result<Found> {
    let mut quiet = |_, _| Ok(());
    let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    let behaviour = Behaviour::new(model, contrasts, metric, ablation, None, &mut quiet)?;
    let truth = marks(behaviour.edges(), truth);
    let options = ScoreOptions { seed, ..ScoreOptions::default() };
    let mut found = Found { right: 1.0, methods: [0.0; 4], shuffled: [0.0; 4], baselines: [0.0; 2] };
    for (i, (method, _)) in METHODS.into_iter().enumerate() {
        let scores = score_behaviour(&behaviour, method, &options, &mut quiet)?;
        found.methods[i] = auroc(&scores, &truth);
        found.shuffled[i] = against_chance(&scores, &truth, seed);
    }
    for (i, method) in BASELINES.into_iter().enumerate() {
        found.baselines[i] = auroc(&score_behaviour(&behaviour, method, &options, &mut quiet)?, &truth);
    }
    Ok(found)
}

fn marks(edges: &Edges, truth: &[Edge]) -> Vec<bool> {
    edges.all().map(|edge| truth.contains(&edge)).collect()
}

/// The mean AUROC against random circuits of as many edges.
fn against_chance(scores: &[f64], truth: &[bool], seed: u64) -> f64 {
    let one = |i| {
        let mut shuffled = truth.to_vec();
        Random::new(seed, SHUFFLED + i).shuffle(&mut shuffled);
        auroc(scores, &shuffled)
    };
    mean(&(0..SHUFFLES).map(one).collect::<Vec<_>>())
}

fn of_method(all: &[Found], method: usize) -> f64 {
    mean(&all.iter().map(|found| found.methods[method]).collect::<Vec<_>>())
}

/// The method of the highest mean, and that.
fn best(all: &[Found]) -> (usize, f64) {
    let means = (0..METHODS.len()).map(|method| (method, of_method(all, method)));
    means.fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
}

fn over_bar(all: &[Found], method: usize) -> usize {
    all.iter().filter(|found| found.methods[method] >= BAR).count()
}

/// Every method's mean, lowest, and number over the bar.
fn told(all: &[Found]) -> String {
    let one = |(i, (_, name)): (usize, &(CircuitMethod, &str))| {
        let lowest = all.iter().map(|found| found.methods[i]).fold(1.0, f64::min);
        format!("{name} {:.3}, lowest {lowest:.3}, {} at {BAR}", of_method(all, i), over_bar(all, i))
    };
    METHODS.iter().enumerate().map(one).collect::<Vec<_>>().join("; ")
}

fn baselines(all: &[Found]) -> [Row; 2] {
    let of = |i: usize| mean(&all.iter().map(|found| found.baselines[i]).collect::<Vec<_>>());
    let (difference, random) = (of(0), of(1));
    [
        Row::new(
            "a baseline: how much what a sender adds differs between the prompts",
            "below the methods",
            difference,
            "mean AUROC",
            difference < best(all).1,
        ),
        Row::new("a baseline: random scores", 0.5, random, "mean AUROC", near_chance(random)),
    ]
}

fn with_noise(all: &[Found]) -> Row {
    let (best, score) = best(all);
    Row::new(
        format!(
            "with noise on all weights, of the {} networks that still answer: {} ({})",
            all.len(),
            METHODS[best].1,
            told(all)
        ),
        "ACDC best, EAP-IG competitive",
        score,
        "mean AUROC",
        score >= BAR && over_bar(all, best) >= 20,
    )
}

fn near_chance(auroc: f64) -> bool {
    (auroc - 0.5).abs() < 0.05
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
