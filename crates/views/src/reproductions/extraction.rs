//! Programs read out of networks, over numbers, starts and questions.

use extract::Report;
use lab::finite::{Ask, Labels, Operation, Sequence};
use methods::finite::Finite;
use schemars::JsonSchema;

use crate::finite_recipe::usual_share;
use crate::pupil::Lessons;
use crate::{Bench, Reproduction, Result, Row};

/// Programs come out of networks that learnt to calculate, and none out of those that did not.
///
/// Networks are trained by the recipes, and read as `extract` reads them: the waves in the weights, or the characters of a
/// group's representations, and the formula that this comes down to. First there is addition modulo three primes, **five
/// starts each**, with 30 % of the pairs as published, and one start each modulo other primes, of which the smallest are given
/// more by the recipe's rule. Then there are other questions, one start each. The controls have nothing to be read: a network
/// that was drawn and not trained, one that was stopped while it only remembers, one that was taught answers dealt out at
/// random, one that was shown all of a table too small to need a rule.
///
/// A program counts if it answers all inputs as is right and at least 99 % as the network does, and takes less than half the
/// bits of the table of answers. All starts count, also those that have not generalised by their last step. Other questions are
/// not published; a row of theirs holds if there is such a program.
///
/// A neuron is in use if it is among the fewest that make up 99 % of the variance that neurons write into the logits. The
/// published share is of all neurons of one network; both are told.
#[derive(Debug, JsonSchema)]
pub struct Extraction;

/// Primes of which several networks are trained.
const PRIMES: [u32; 3] = [59, 97, 113];
/// Starts of each.
const STARTS: u64 = 5;
/// Primes of which one network is trained.
const ONCE: [u32; 7] = [31, 37, 41, 43, 47, 53, 127];
/// Of the networks that do not learn to calculate.
const MEMORY: u64 = 1500;

/// A network to be trained.
struct Trial {
    name: String,
    lessons: Lessons,
}

/// What came of one.
struct Found {
    about: String,
    steps: u64,
    report: Report,
}

impl Reproduction for Extraction {
    const SOURCE: &'static str = "Nanda et al. 2023, Progress measures for grokking via mechanistic interpretability, arXiv \
                                  2301.05217; Michaud et al. 2024, Opening the AI black box: program synthesis via mechanistic \
                                  interpretability, arXiv 2402.05110";

    fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
        let first = bench.seed.wrapping_mul(1000);
        let of_prime = |p| (0..STARTS).map(|start| Trial::addition(p, first.wrapping_add(start))).collect();
        let primes = PRIMES.into_iter().map(of_prime).collect::<Result<Vec<Vec<Trial>>>>()?;
        let once = ONCE.into_iter().map(|p| Trial::addition(p, first)).collect::<Result<Vec<Trial>>>()?;
        let (questions, controls) = (questions(first), controls(first)?);
        let trials = || primes.iter().flatten().chain(&once).chain(&questions).chain(&controls);
        let all: u64 = trials().map(|trial| trial.lessons.steps).sum();
        let mut done = 0;
        let mut found = Vec::new();
        for trial in trials() {
            found.push(trial.found(bench, &mut |step| bench.tick(done + step, all))?);
            done += trial.lessons.steps;
        }
        let mut found = found.into_iter();
        let mut next = |n: usize| found.by_ref().take(n).collect::<Vec<_>>();
        let mut rows: Vec<Row> = primes.iter().flat_map(|trials| starts(&next(trials.len()))).collect();
        rows.extend(next(once.len()).iter().map(|one| one.row("a program that is right for all inputs")));
        rows.extend(next(questions.len()).iter().map(|one| one.row("not published")));
        rows.extend(next(controls.len()).iter().zip(&controls).map(|(one, trial)| one.control(&trial.name)));
        Ok(rows)
    }
}

/// Other questions than addition.
fn questions(seed: u64) -> Vec<Trial> {
    let modular = |operation| Ask::Modular { operation, modulus: 59 };
    let group = |group: &str| Ask::Group { group: group.into() };
    let trial = |name: &str, ask, share, steps| Trial {
        name: name.into(),
        lessons: Lessons { share, steps, ..Lessons::of(ask, seed) },
    };
    let mut all = vec![
        trial("subtract", modular(Operation::Subtract), 0.5, 20_000),
        trial("multiply", modular(Operation::Multiply), 0.5, 20_000),
        trial("square-add", modular(Operation::SquareAdd), 0.5, 20_000),
        trial("parity", Ask::Parity { length: 10 }, 0.5, 10_000),
        trial("s3", group("s3"), 0.8, 10_000),
        trial("d17", group("d17"), 0.8, 4000),
        trial("s4", group("s4"), 0.8, 4000),
        trial("maximum", Ask::Maximum { length: 2, numbers: 16 }, 0.8, 10_000),
        trial("median", Ask::Sequence { question: Sequence::Median, length: 3, letters: 5 }, 0.8, 10_000),
    ];
    // Larger groups are not generalised from with the usual decay.
    for trial in all.iter_mut().filter(|trial| ["d17", "s4"].contains(&trial.name.as_str())) {
        (trial.lessons.d_mlp, trial.lessons.decay) = (256, 3.0);
    }
    all
}

/// Networks that have nothing to be read.
fn controls(seed: u64) -> Result<Vec<Trial>> {
    let trial = |name: &str, labels, steps| -> Result<Trial> {
        let Trial { lessons, .. } = Trial::addition(59, seed)?;
        Ok(Trial { name: name.into(), lessons: Lessons { labels, steps, ..lessons } })
    };
    let by_heart =
        Lessons { share: 1.0, steps: 3000, until: 0.0, ..Lessons::of(Ask::Group { group: "s3".into() }, seed) };
    Ok(vec![
        trial("drawn and not trained", Labels::Right, 0)?,
        trial("stopped while it remembers", Labels::Right, MEMORY)?,
        trial("answers dealt out at random", Labels::Shuffled, MEMORY)?,
        Trial { name: "all of a small table learnt by heart".into(), lessons: by_heart },
    ])
}

impl Trial {
    fn addition(modulus: u32, seed: u64) -> Result<Self> {
        let ask = Ask::Modular { operation: Operation::Add, modulus };
        let share = usual_share(&ask.task()?);
        Ok(Self { name: format!("addition-{modulus}"), lessons: Lessons { share, ..Lessons::of(ask, seed) } })
    }

    fn found(&self, bench: &Bench<'_>, tick: &mut dyn FnMut(u64) -> engine::Result<()>) -> Result<Found> {
        let seed = self.lessons.seed;
        let pupil = self.lessons.teach(bench, &format!("{} {seed}", self.name), tick)?;
        let opened = pupil.open()?;
        let finite = Finite::new(opened.model()?, &[], None)?;
        let known = |input: &[u32]| pupil.task.answer(input);
        let report = extract::extract(&finite, Some(&known), seed, &mut |_, _| tick(pupil.steps()))?.report;
        Ok(Found { about: pupil.task.about.clone(), steps: pupil.steps(), report })
    }
}

impl Found {
    /// Whether there is a short program that is right, and nearly the network: that needs not be right everywhere.
    fn holds(&self) -> bool {
        let report = &self.report;
        let short = report.bits.zip(report.table_bits).is_some_and(|(bits, table)| 2 * bits < table);
        let right = report.agree_spec.is_some() && report.agree_spec == report.domain_size;
        report.family.is_some() && short && right && report.unexplained.behaviour <= 0.01
    }

    fn network_right(&self) -> f64 {
        self.report.network_right.zip(self.report.domain_size).map_or(f64::NAN, |(right, of)| right as f64 / of as f64)
    }

    /// The program, or why there is none.
    fn told(&self) -> String {
        let network = format!("the network is right for {:.3} after {} steps", self.network_right(), self.steps);
        let logits = 1.0 - self.report.unexplained.logits;
        match &self.report.closed_form {
            Some(form) => {
                let bits = self.report.bits.zip(self.report.table_bits);
                let bits = bits.map_or_else(String::new, |(bits, table)| format!(" of {bits} bits, its table {table}"));
                format!("{form}{bits}; its mechanism explains {logits:.3} of the logits; {network}")
            }
            None => format!("none: {}; {network}", self.report.why),
        }
    }

    fn row(&self, published: &str) -> Row {
        let right = self.report.agree_network.zip(self.report.domain_size);
        let share = right.map_or(0.0, |(agree, of)| agree as f64 / of as f64);
        let claim = format!("{}: {}", self.about, self.told());
        Row::new(claim, published, share, "of the inputs answered as by the network", self.holds())
    }

    fn control(&self, name: &str) -> Row {
        let claim = format!("control, {name}: {}", self.told());
        let programs = f64::from(u8::from(self.report.family.is_some()));
        Row::new(claim, "none", programs, "programs", self.report.family.is_none())
    }
}

/// The rows of several starts.
fn starts(all: &[Found]) -> Vec<Row> {
    let about = &all[0].about;
    let n = all.len();
    let of = |value: &dyn Fn(&Report) -> Option<f64>| -> Vec<f64> {
        all.iter().map(|one| value(&one.report).unwrap_or(f64::NAN)).collect()
    };
    let listed =
        |values: &[f64], digits: usize| values.iter().map(|x| format!("{x:.digits$}")).collect::<Vec<_>>().join(", ");
    let least =
        |values: &[f64]| values.iter().copied().fold(f64::INFINITY, |a, b| if b < a || b.is_nan() { b } else { a });
    let most = |values: &[f64]| values.iter().copied().fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a });
    let programs = all.iter().filter(|one| one.holds()).count();
    let steps = all.iter().map(|one| one.steps.to_string()).collect::<Vec<_>>().join(", ");
    let right = all.iter().map(Found::network_right).collect::<Vec<_>>();
    let fve = of(&|report| report.mechanism.as_ref().map(|mechanism| mechanism.logit_fve));
    let others = of(&|report| Some(most(&report.controls.as_ref()?.other_frequencies_fve)));
    let used = of(&|report| report.mechanism.as_ref()?.neurons_explained);
    let every = of(&|report| report.mechanism.as_ref()?.neurons_explained_of_all);
    let without = of(&|report| Some(report.controls.as_ref()?.accuracy_without_key));
    let kept = of(&|report| Some(least(&report.controls.as_ref()?.accuracy_without_others)));
    let frequencies = all.iter().map(|one| {
        let mut frequencies = one.report.mechanism.as_ref().map_or(vec![], |mechanism| mechanism.frequencies.clone());
        frequencies.sort_unstable();
        frequencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    });
    let frequencies = frequencies.collect::<Vec<_>>().join("; ");
    let row = |claim: String, published: &str, ours: f64, unit: &str, holds: bool| {
        Row::new(format!("{about}: {claim}"), published, ours, unit, holds)
    };
    vec![
        row(
            format!(
                "a short program that is right for all pairs (steps {steps}; networks right for {}; key \
                 frequencies {frequencies})",
                listed(&right, 3)
            ),
            "found by hand, for one network",
            programs as f64,
            &format!("of {n} starts"),
            programs == n,
        ),
        row(
            format!(
                "key waves explain the logits, the least ({}; other frequencies at most {:.1e})",
                listed(&fve, 3),
                most(&others)
            ),
            "0.95 of one network",
            least(&fve),
            "of the variance",
            least(&fve) >= 0.95 && most(&others) < 0.3,
        ),
        row(
            format!(
                "neurons in use that one frequency explains to 85 %, the least ({}; of all neurons {})",
                listed(&used, 2),
                listed(&every, 2)
            ),
            "0.846 of all neurons of one network",
            least(&used),
            "of the neurons",
            least(&used) >= 0.8,
        ),
        row(
            format!("without the key frequencies, the most ({})", listed(&without, 3)),
            "useless",
            most(&without),
            "right",
            most(&without) < 0.05,
        ),
        row(
            format!("without as many others, the least ({})", listed(&kept, 3)),
            "as before",
            least(&kept),
            "right",
            least(&kept) >= 0.95,
        ),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn networks_that_know_nothing_are_rows_that_do_not_hold() {
        let scratch = tempfile::tempdir().unwrap();
        let open = |_: &str| unreachable!("nothing is opened by name");
        let bench = Bench::new(0, scratch.path(), &open, &crate::Quiet);
        let trial = |seed, labels| {
            let Trial { name, lessons } = Trial::addition(13, seed).unwrap();
            Trial { name, lessons: Lessons { steps: 3, labels, ..lessons } }
        };
        let found = |trial: Trial| trial.found(&bench, &mut |_| Ok(())).unwrap();
        let all = [0, 1].map(|start| found(trial(start, Labels::Right)));
        let rows = starts(&all);
        assert!(rows.iter().all(|row| !row.holds), "{rows:?}");
        assert!(rows[0].claim.contains("steps 3, 3") && rows[0].unit == "of 2 starts", "{rows:?}");
        assert!(!all[0].row("not published").holds);
        let control = found(Trial { name: "shuffled".into(), ..trial(0, Labels::Shuffled) }).control("shuffled");
        assert!(control.holds && control.claim.contains("control, shuffled: none"), "{control:?}");
        // A program that is right and short holds.
        let mut known = all.into_iter().next().unwrap();
        let report = &mut known.report;
        (report.family, report.closed_form) = (Some("it".into()), Some("(a + b) % 13".into()));
        (report.agree_network, report.agree_spec) = (report.domain_size, report.domain_size);
        (report.bits, report.table_bits) = (Some(40), Some(600));
        report.unexplained.behaviour = 0.005;
        assert!(known.row("not published").holds && !known.control("it").holds);
    }
}
