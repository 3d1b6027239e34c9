//! Distributed alignment search: a direction of the residual stream that carries a variable, found by training an exchange
//! along it (Geiger, Wu, Potts, Icard & Goodman 2023, arXiv 2303.02536).

mod interchange;
mod subspace;

pub use interchange::{Exchange, Interchange, Sides};
pub use subspace::Subspace;

use engine::{Error, Result};
use rand_core::SeedableRng;
use rand_pcg::Pcg64;

use self::interchange::below;
use crate::Tick;
use crate::place::dot;

/// How a subspace is trained, and what it is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlignmentSearch {
    /// Dimensions of the subspace.
    pub dimensions: usize,
    /// Steps of the optimiser.
    pub steps: usize,
    /// Pairs in each step.
    pub batch: usize,
    /// How far the subspace turns in a step at first, about, as an angle in radians; it falls to 0 by the end.
    pub rate: f64,
    /// Pairs that are measured, half of them of prompts with unlike answers.
    pub tests: usize,
    /// Random subspaces to compare with.
    pub controls: usize,
    /// What chance depends on.
    pub seed: u64,
}

/// How often an exchange brings about the answer that it should.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InterchangeAccuracy {
    /// Of all pairs: half of them should change the answer, half should leave it.
    pub all: f64,
    /// Of the pairs whose prompts have unlike answers alone.
    pub changed: f64,
}

/// What [`align`] finds. Accuracies are of pairs of prompts that nothing was trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// The trained subspace.
    pub subspace: Subspace,
    /// `[step]`: mean loss of the pairs of each step, in nats.
    pub losses: Vec<f64>,
    /// With the trained subspace exchanged.
    pub trained: InterchangeAccuracy,
    /// With one that was trained in the same way on answers dealt out at random.
    pub shuffled: InterchangeAccuracy,
    /// With random ones.
    pub random: Vec<InterchangeAccuracy>,
    /// With the whole residual stream exchanged: no subspace can do what this cannot, but by chance or by excess.
    pub whole: InterchangeAccuracy,
    /// With nothing exchanged.
    pub none: InterchangeAccuracy,
    /// Mean part of each side's activations along the first direction.
    pub levels: [f64; 2],
    /// How much of the difference between the two sides' mean activations lies in the subspace: the cosine between them.
    pub cosine_to_means: f64,
    /// Prompts that were trained on, and those kept for measuring.
    pub prompts: [usize; 2],
}

/// Trains a subspace in which exchanging two prompts' activations exchanges their answers, and measures it on other prompts.
///
/// Half of each side's prompts, at least two of each, are trained on. Pairs are drawn evenly, half of them from one side and
/// half across. The loss is the cross entropy, among the two answers, of the one that the source has. `tick` is told at
/// each step and measurement.
pub fn align(sides: &Sides<'_>, asked: AlignmentSearch, tick: Tick<'_>) -> Result<Alignment> {
    let d = sides.model.spec().sizes.d_model;
    if !(1..=d).contains(&asked.dimensions) {
        return Err(Error::Input(format!("{} dimensions are asked for: the stream has {d}", asked.dimensions)));
    }
    if asked.steps == 0 || asked.batch == 0 || asked.tests < 2 || !(asked.rate.is_finite() && asked.rate > 0.0) {
        let why = "there is at least one step, one pair in it and two to measure, and the rate is above 0";
        return Err(Error::Input(why.into()));
    }
    let of = (2 * asked.steps + asked.controls + 4) as u64;
    tick(0, of)?;
    let exchange = Interchange::of(sides)?;
    let mut random = Pcg64::seed_from_u64(engine::mixed(asked.seed));
    let [train, test] = exchange.split(&mut random);
    let pairs = exchange.pairs(&test, asked.tests, &mut random);
    let mut done = 1;
    let mut trained = |shuffled: bool, random: &mut Pcg64| -> Result<(Subspace, Vec<f64>)> {
        let labels = if shuffled { exchange.shuffled(&train, random) } else { exchange.labels() };
        let mut subspace = Subspace::random(asked.dimensions, d, random);
        let mut losses = Vec::with_capacity(asked.steps);
        for step in 0..asked.steps {
            tick(done, of)?;
            done += 1;
            let mut some = exchange.pairs(&train, asked.batch, random);
            for pair in &mut some {
                pair.answer = labels[pair.source];
            }
            let (loss, gradient) = exchange.loss(&subspace, &some)?;
            losses.push(loss);
            let rate = asked.rate * (1.0 - step as f64 / asked.steps as f64);
            subspace.step(&gradient, rate);
        }
        Ok((subspace, losses))
    };
    let (subspace, losses) = trained(false, &mut random)?;
    let (wrong, _) = trained(true, &mut random)?;
    let mut measured = |subspace: &Subspace| -> Result<InterchangeAccuracy> {
        tick(done, of)?;
        done += 1;
        exchange.accuracy(subspace, &pairs)
    };
    let controls = (0..asked.controls).map(|_| Subspace::random(asked.dimensions, d, &mut random)).collect::<Vec<_>>();
    let difference = exchange.mean_difference(&train);
    let within = subspace.project(&difference);
    let found = Alignment {
        trained: measured(&subspace)?,
        shuffled: measured(&wrong)?,
        random: controls.iter().map(&mut measured).collect::<Result<_>>()?,
        whole: measured(&Subspace::whole(d))?,
        none: measured(&Subspace::none(d))?,
        cosine_to_means: (dot(&within, &within) / dot(&difference, &difference)).sqrt(),
        levels: exchange.levels(&subspace.rows()[..d]),
        prompts: [train.len(), test.len()],
        losses,
        subspace,
    };
    tick(of, of)?;
    Ok(found)
}

/// One of some things, drawn evenly.
pub(crate) fn one_of<'a, T>(things: &'a [T], random: &mut Pcg64) -> &'a T {
    &things[below(things.len(), random)]
}
