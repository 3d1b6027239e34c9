//! Training on a finite domain.

use std::ops::Range;
use std::sync::Arc;

use engine::optim::{AdamW, Lion, Muon, Optimiser, Schedule, Sgd};
use kernels::Backend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::split::Examples;
use super::{FiniteMark, Inputs, OneLayer, Progress, Split};
use crate::curve::Curve;
use crate::folder::{State, Sums};
use crate::training::{Lesson, Timetable, drive};
use crate::{Error, Event, Folder, Network, Outcome, Parameters, Random, Result};

/// Distinguishes batches from other uses of a seed.
const BATCH: u64 = 1 << 48;

/// What is trained on what.
#[derive(Debug)]
pub struct FiniteSubject<'a> {
    /// The network: one block without norms ([`Network::plain`]).
    pub network: &'a Network,
    /// Its heads.
    pub n_heads: usize,
    /// Inputs to learn from, and others.
    pub split: &'a Split,
    /// If it adds modulo a number: that number. Then progress is measured too.
    pub modulus: Option<usize>,
}

/// How steps follow from gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Gradient descent, with momentum if that is not 0.
    Sgd,
    /// AdamW.
    #[default]
    AdamW,
    /// Lion: signs of averaged gradients.
    Lion,
    /// Muon, orthogonalised momentum, for matrices inside the network; AdamW for embeddings and biases.
    Muon,
}

/// When a training has reached what it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enough {
    /// The loss on inputs that are kept aside has to be below this, in nats…
    pub loss: f64,
    /// …at all measurements of so many steps.
    pub steps: u64,
}

/// How it is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct FiniteCourse {
    /// How steps follow from gradients.
    pub rule: Rule,
    /// Learning rate, and the largest number of steps.
    pub schedule: Schedule,
    /// Inputs of a step; 0 for all.
    pub batch: usize,
    /// β₁ and β₂ of Adam and Lion.
    pub betas: (f64, f64),
    /// Of gradient descent and Muon.
    pub momentum: f64,
    /// Weight decay, of all parameters.
    pub decay: f64,
    /// Start of all random streams.
    pub seed: u64,
    /// Steps between measurements; the state is saved at each.
    pub every: u64,
    /// Steps after which a checkpoint is kept.
    pub checkpoints: Vec<u64>,
    /// When to stop before the last step.
    pub enough: Option<Enough>,
    /// Threads to use.
    pub threads: usize,
}

/// Trains in a folder, from the start or from the state that was saved there. `watch` is told what happens; when it
/// says `false`, training stops, and the same call goes on from there.
pub fn train_finite(
    folder: &Folder,
    subject: &FiniteSubject<'_>,
    course: &FiniteCourse,
    backend: &Arc<dyn Backend>,
    watch: &mut dyn FnMut(Event<'_, FiniteMark>) -> bool,
) -> Result<Outcome> {
    let start = subject.network.draw(course.seed);
    let step = OneLayer::of(&start, subject.n_heads)?;
    let optimiser = course.optimiser(&start);
    let fresh = State { parameters: start, optimiser, sums: Sums::default() };
    let timetable = Timetable { steps: course.schedule.steps, every: course.every, checkpoints: &course.checkpoints };
    let Split { train, test } = subject.split;
    let length = train.tokens.len() / train.len().max(1);
    let inputs = |part: &Examples| Inputs::new(&part.tokens, length, &part.answers);
    let all = subject.modulus.map(|p| All::of(p, train, test, length)).transpose()?;
    let mut trainer = Trainer {
        course,
        backend: &**backend,
        step,
        examples: train,
        train: inputs(train)?,
        test: if test.is_empty() { None } else { Some(inputs(test)?) },
        length,
        all,
    };
    folder.write_config(subject.network)?;
    drive(folder, fresh, timetable, &**backend, &mut trainer, watch)
}

impl FiniteCourse {
    fn optimiser(&self, parameters: &Parameters) -> Optimiser {
        let n = parameters.values.len();
        let adam = || AdamW::new(n, self.betas, 1e-8, self.decay);
        match self.rule {
            Rule::Sgd => Optimiser::Sgd(Sgd::new(n, self.momentum, self.decay)),
            Rule::AdamW => Optimiser::AdamW(adam()),
            Rule::Lion => Optimiser::Lion(Lion::new(n, self.betas, self.decay)),
            Rule::Muon => Optimiser::Muon(Muon::new(self.momentum, inner(parameters), adam())),
        }
    }
}

/// The matrices that neither read nor write tokens: places and shapes.
fn inner(parameters: &Parameters) -> Vec<(Range<usize>, [usize; 2])> {
    let inner = parameters.tensors().iter().filter(|tensor| tensor.name.starts_with("blocks."));
    inner.filter_map(|t| Some((t.range.clone(), t.shape.clone().try_into().ok()?))).collect()
}

struct Trainer<'a> {
    course: &'a FiniteCourse,
    backend: &'a dyn Backend,
    step: OneLayer,
    examples: &'a Examples,
    train: Inputs,
    test: Option<Inputs>,
    length: usize,
    all: Option<All>,
}

/// All pairs of numbers below a modulus.
struct All {
    p: usize,
    inputs: Inputs,
    /// Whether a pair is learnt from.
    learnt: Vec<bool>,
}

impl All {
    fn of(p: usize, train: &Examples, test: &Examples, length: usize) -> Result<Self> {
        let mut pairs = vec![(false, &[][..]); p * p];
        for (part, is_learnt) in [(train, true), (test, false)] {
            for (&number, tokens) in part.numbers.iter().zip(part.tokens.chunks_exact(length)) {
                pairs[number as usize] = (is_learnt, tokens);
            }
        }
        let tokens: Vec<u32> = pairs.iter().flat_map(|pair| pair.1).copied().collect();
        let inputs = Inputs::new(&tokens, length, &vec![0; p * p])?;
        Ok(Self { p, inputs, learnt: pairs.iter().map(|pair| pair.0).collect() })
    }
}

impl Trainer<'_> {
    /// The inputs of a step that does not see all.
    fn batch(&self, step: u64) -> Result<Inputs> {
        let mut random = Random::new(self.course.seed, BATCH.wrapping_add(step));
        let chosen: Vec<usize> = (0..self.course.batch).map(|_| random.below(self.examples.len())).collect();
        let tokens: Vec<u32> = chosen
            .iter()
            .flat_map(|&i| &self.examples.tokens[i * self.length..(i + 1) * self.length])
            .copied()
            .collect();
        let answers: Vec<u32> = chosen.iter().map(|&i| self.examples.answers[i]).collect();
        Inputs::new(&tokens, self.length, &answers)
    }
}

impl Lesson for Trainer<'_> {
    type Mark = FiniteMark;

    fn gradient(&mut self, parameters: &Parameters, step: u64) -> Result<(f64, Vec<f32>, usize)> {
        let batch = if self.course.batch > 0 { Some(self.batch(step)?) } else { None };
        let inputs = batch.as_ref().unwrap_or(&self.train);
        let slope = self.step.slope(self.backend, &parameters.values, inputs, self.course.threads);
        Ok((slope.loss, slope.gradient, inputs.len()))
    }

    fn pace(&self, step: u64) -> (f64, f64) {
        (self.course.schedule.rate(step), f64::INFINITY)
    }

    fn decayed(&self, parameters: &Parameters) -> Vec<Range<usize>> {
        let all = 0..parameters.values.len();
        vec![all]
    }

    fn measure(&mut self, parameters: &Parameters, step: u64, sums: Sums) -> Result<FiniteMark> {
        let values = &parameters.values;
        let score = |inputs: &Inputs| self.step.score(self.backend, values, inputs, self.course.threads);
        let (train_loss, train_accuracy) = score(&self.train);
        let test = self.test.as_ref().map(score);
        if !train_loss.is_finite() {
            return Err(Error::Diverged { step });
        }
        Ok(FiniteMark {
            step,
            rate: self.course.schedule.rate(step),
            train_loss,
            train_accuracy,
            test_loss: test.map(|(loss, _)| loss),
            test_accuracy: test.map(|(_, accuracy)| accuracy),
            gradient_norm: (sums.steps > 0).then(|| sums.norm / sums.steps as f64),
            progress: self.all.as_ref().and_then(|all| {
                let logits = self.step.logits(self.backend, values, &all.inputs, self.course.threads);
                Progress::of(parameters, &logits, all.p, &all.learnt)
            }),
            squared_weights: values.iter().map(|&x| f64::from(x) * f64::from(x)).sum(),
        })
    }

    fn enough(&self, curve: &Curve) -> bool {
        let Some(Enough { loss, steps }) = self.course.enough else { return false };
        let mut newest = curve.newest::<FiniteMark>().peekable();
        let Some(last) = newest.peek().map(|mark| mark.step) else { return false };
        let below = newest.take_while(|mark| mark.test_loss.is_some_and(|test| test < loss));
        below.last().is_some_and(|first| last - first.step >= steps)
    }
}
