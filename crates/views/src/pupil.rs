//! Networks of one block that a reproduction trains on finite domains.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use kernels::{Backend, Cpu};
use lab::finite::{Ask, Asked, FiniteCourse, FiniteMark, FiniteSubject, Labels, Split, Task, train_finite};
use lab::{Event, Folder, Network, Outcome, Precision, Recipe};
use serde::Serialize;

use crate::finite_recipe::FiniteRecipe;
use crate::{Bench, Opened, Result};

/// How a network is taught. All that is not said is as in the recipes of finite domains.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Lessons {
    /// What it is asked.
    pub(crate) ask: Ask,
    /// What it is told is right.
    pub(crate) labels: Labels,
    /// Share of the inputs that it learns from.
    pub(crate) share: f64,
    /// Width of the residual stream.
    pub(crate) d_model: usize,
    /// Attention heads.
    pub(crate) heads: usize,
    /// Neurons.
    pub(crate) d_mlp: usize,
    /// Whether it attends to all positions alike, whatever is there: queries and keys are zero and stay so.
    pub(crate) even_attention: bool,
    /// Weight decay.
    pub(crate) decay: f64,
    /// Steps at most.
    pub(crate) steps: u64,
    /// Training ends when the loss on the inputs kept aside was below this for `patience` steps; 0 to go on to the last.
    pub(crate) until: f64,
    /// How long a network has to be good enough.
    pub(crate) patience: u64,
    /// Steps whose weights are kept.
    pub(crate) checkpoints: Vec<u64>,
    /// What chance depends on.
    pub(crate) seed: u64,
}

/// A network that was taught.
pub(crate) struct Pupil {
    folder: PathBuf,
    /// What it was asked.
    pub(crate) task: Task,
    /// What it learnt from, and what not.
    pub(crate) split: Split,
    /// What was measured while it learnt.
    pub(crate) marks: Vec<FiniteMark>,
}

impl Lessons {
    /// The configuration of Nanda et al. 2023, which the recipes have.
    pub(crate) fn of(ask: Ask, seed: u64) -> Self {
        let recipe = FiniteRecipe::default();
        Self {
            ask,
            labels: Labels::Right,
            share: 0.3,
            d_model: recipe.d_model,
            heads: recipe.heads,
            d_mlp: recipe.d_mlp,
            even_attention: false,
            decay: recipe.weight_decay,
            steps: recipe.steps,
            until: recipe.until,
            patience: recipe.patience,
            checkpoints: vec![],
            seed,
        }
    }

    /// Teaches a network in a folder of this name; `tick` is told the steps made.
    pub(crate) fn teach(
        &self,
        bench: &Bench<'_>,
        name: &str,
        tick: &mut dyn FnMut(u64) -> engine::Result<()>,
    ) -> Result<Pupil> {
        let path = bench.scratch.join(name);
        let asked = Asked { ask: self.ask.clone(), labels: self.labels, share: self.share, seed: self.seed };
        let task = self.ask.task()?;
        let split = asked.split(&task)?;
        let recipe = Recipe {
            recipe: "reproduction".into(),
            revision: 1,
            parameters: serde_json::to_value(self).unwrap_or_default(),
            corpus: vec![],
            made_by: concat!("pellucid ", env!("CARGO_PKG_VERSION")).into(),
        };
        let network = Network::plain(&task.domain, task.words.len(), self.d_model, self.heads, self.d_mlp)?;
        let network = if self.even_attention { network.attending_evenly() } else { network };
        let folder = Folder::open(&path, &recipe, Precision::F32)?;
        if folder.evaluation()?.is_some() {
            return Ok(Pupil { marks: folder.marks()?, folder: path, task, split });
        }
        if folder.tokenizer()?.is_none() {
            asked.begin(&folder, &recipe, &task, &split)?;
        }
        let subject = FiniteSubject { network: &network, n_heads: self.heads, split: &split, modulus: None };
        let backend: Arc<dyn Backend> = Arc::new(Cpu::new());
        let mut cancelled = None;
        let outcome = train_finite(&folder, &subject, &self.course(), &backend, &mut |event| {
            if let Event::Step { step, .. } = event {
                cancelled = tick(step).err();
            }
            cancelled.is_none()
        })?;
        match (outcome, cancelled) {
            (Outcome::Finished(_), None) => {
                folder.finish(&serde_json::Value::Null)?;
                Ok(Pupil { marks: folder.marks()?, folder: path, task, split })
            }
            (_, error) => Err(error.unwrap_or(engine::Error::Cancelled).into()),
        }
    }

    fn course(&self) -> FiniteCourse {
        let recipe = FiniteRecipe {
            weight_decay: self.decay,
            steps: self.steps,
            until: self.until,
            patience: self.patience,
            checkpoints: self.checkpoints.clone(),
            seed: self.seed,
            ..FiniteRecipe::default()
        };
        recipe.course(kernels::threads())
    }
}

impl Pupil {
    /// The network at the end of its training.
    pub(crate) fn open(&self) -> Result<Opened> {
        Opened::open(&self.folder, Arc::new(Cpu::new()), u64::MAX)
    }

    /// The network after one of the steps whose weights were kept.
    pub(crate) fn open_at(&self, step: u64) -> Result<Opened> {
        let checkpoint =
            store::resolve(&format!("{}@{step}", self.folder.display()), &mut |_| ControlFlow::Continue(()))?;
        Ok(Opened::new(checkpoint.open()?, Arc::new(Cpu::new()), u64::MAX))
    }

    /// Steps made.
    pub(crate) fn steps(&self) -> u64 {
        self.last().step
    }

    /// The last measurement.
    pub(crate) fn last(&self) -> &FiniteMark {
        &self.marks[self.marks.len() - 1]
    }

    /// Share of the inputs kept aside that it answered rightly at the end.
    pub(crate) fn accuracy(&self) -> f64 {
        self.last().test_accuracy.unwrap_or(f64::NAN)
    }

    /// The right answers to all inputs, counted from the first answer.
    pub(crate) fn right(&self) -> Vec<usize> {
        self.task.answers()
    }

    /// Which of all inputs it learnt from.
    pub(crate) fn learnt(&self) -> Vec<bool> {
        let mut learnt = vec![false; self.task.domain.len().unwrap_or(0) as usize];
        self.split.train.numbers.iter().for_each(|&i| learnt[i as usize] = true);
        learnt
    }
}

#[cfg(test)]
mod tests {
    use engine::optim::Schedule;
    use lab::finite::{Enough, Operation, Rule};

    use super::*;

    #[test]
    fn lessons_are_as_published() {
        let lessons = Lessons::of(Ask::Modular { operation: Operation::Add, modulus: 113 }, 3);
        assert_eq!((lessons.d_model, lessons.heads, lessons.d_mlp, lessons.share), (128, 4, 512, 0.3));
        let course = FiniteCourse {
            rule: Rule::AdamW,
            schedule: Schedule { peak: 1e-3, warm_up: 10, steps: 40_000, floor: 1.0 },
            batch: 0,
            betas: (0.9, 0.98),
            // AdamW has none.
            momentum: lessons.course().momentum,
            decay: 1.0,
            seed: 3,
            every: 100,
            checkpoints: vec![],
            enough: Some(Enough { loss: 1e-5, steps: 1000 }),
            threads: kernels::threads(),
        };
        assert_eq!(lessons.course(), course);
        assert_eq!(Lessons { until: 0.0, ..lessons }.course(), FiniteCourse { enough: None, ..course });
    }
}
