//! Networks that learn the tables of groups, and the representations that they use.

use lab::finite::Ask;
use methods::finite::{Finite, Group, NeuronLogits, Over, irreps, key_irreps};
use schemars::JsonSchema;

use crate::pupil::Lessons;
use crate::{Bench, Reproduction, Result, Row};

/// Networks that learn to multiply in a group use its irreducible representations, and which of them differs by chance.
///
/// Networks of one block learn the tables of a cyclic, a dihedral and a symmetric group from most of their pairs, each from
/// several starts. The analysis is told neither the group nor the right answers: what a network answers to all pairs is
/// taken for a table, and where that is a group, its real irreducible representations are found by numbers alone. A network
/// uses those whose odds in the map from neurons to logits, share to rest, are more than three times what an even spread would
/// give. It is held against logits whose part in the representations that it uses is taken away, and against logits without
/// all others.
///
/// Configurations (width, neurons, decay, share) were found by trial of what generalises in a few thousand steps. With too
/// few pairs small groups are only remembered, and S5 takes longer than this allows: it is not tried.
///
/// The publication counts characters over the complex numbers, with networks of more steps and other sizes; that
/// representations explain the logits is compared, not how well to the last digit.
#[derive(Debug, JsonSchema)]
pub struct Universality;

/// A group, and how its table is taught.
struct Course {
    group: &'static str,
    order: usize,
    share: f64,
    d_model: usize,
    d_mlp: usize,
    decay: f64,
    steps: u64,
}

const COURSES: [Course; 3] = [
    Course { group: "c53", order: 53, share: 0.6, d_model: 64, d_mlp: 128, decay: 1.0, steps: 3000 },
    Course { group: "d17", order: 34, share: 0.8, d_model: 128, d_mlp: 256, decay: 3.0, steps: 4000 },
    Course { group: "s4", order: 24, share: 0.8, d_model: 128, d_mlp: 256, decay: 3.0, steps: 4000 },
];
/// Starts of each group.
const STARTS: u64 = 4;
const ALL: u64 = 11_000 * STARTS;

/// What was found of one network.
struct Found {
    right: f64,
    /// None where its answers are no group.
    group: Option<InGroup>,
}

struct InGroup {
    order: usize,
    is_cyclic: bool,
    is_commutative: bool,
    /// Places and dimensions of the representations that are used, the most used first.
    used: Vec<(usize, usize)>,
    /// How many there are, but for the trivial one.
    of: usize,
    /// Part of the logits' variance that characters of those in use explain, and all others together.
    explained: f64,
    by_others: f64,
    /// Accuracy without what logits have of them, and of others.
    without_used: f64,
    without_others: f64,
    /// Loss of the sum of characters, as a share of the loss.
    instead: f64,
}

impl Reproduction for Universality {
    const SOURCE: &'static str = "Chughtai, Chan and Nanda 2023, A Toy Model of Universality: Reverse Engineering How \
                                  Networks Learn Group Operations, arXiv 2302.03025";

    fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut done = 0;
        for course in &COURSES {
            let mut all = Vec::new();
            for start in 0..STARTS {
                all.push(course.trained(bench, start, done)?);
                done += course.steps;
            }
            rows.extend(course.rows(&all));
        }
        Ok(rows)
    }
}

impl Course {
    fn trained(&self, bench: &Bench<'_>, start: u64, done: u64) -> Result<Found> {
        let seed = bench.seed.wrapping_mul(1000).wrapping_add(start);
        let lessons = Lessons {
            share: self.share,
            d_model: self.d_model,
            d_mlp: self.d_mlp,
            decay: self.decay,
            steps: self.steps,
            until: 1e-4,
            patience: 300,
            ..Lessons::of(Ask::Group { group: self.group.into() }, seed)
        };
        let name = format!("{}-{seed}", self.group);
        let pupil = lessons.teach(bench, &name, &mut |step| bench.tick(done + step, ALL))?;
        let opened = pupil.open()?;
        let table = Finite::new(opened.model()?, &[], None)?.table(&[], &mut |_, _| bench.tick(done, ALL))?;
        let right = table.score(&pupil.right(), None, Over::Vocabulary).accuracy;
        let Ok(group) = Group::of_table(&table.given()) else { return Ok(Found { right, group: None }) };
        let all = irreps(&group, seed)?;
        let map = NeuronLogits::of(opened.model()?)?;
        let used = key_irreps(&all, &group.shares(&all, &map.data, map.neurons));
        let others: Vec<usize> = (0..all.len()).filter(|i| !all[*i].is_trivial() && !used.contains(i)).collect();
        let logits = table.answer_logits();
        let fit = group.explained(&all, &logits);
        let sum = |some: &[usize]| some.iter().map(|&i| fit.explained[i]).sum::<f64>();
        let own = table.score(group.table(), None, Over::Vocabulary);
        let with = |logits: &[f64]| table.with_answers(logits).score(group.table(), None, Over::Vocabulary);
        let without = |some: &[usize]| with(&group.without(&all, some, &logits)).accuracy;
        let instead = with(&fit.instead_of(&group, &all, &used, &logits)).loss / own.loss;
        Ok(Found {
            right,
            group: Some(InGroup {
                order: group.order(),
                is_cyclic: group.is_cyclic(),
                is_commutative: group.is_commutative(),
                explained: sum(&used),
                by_others: sum(&others),
                without_used: without(&used),
                without_others: without(&others),
                instead,
                of: all.len() - 1,
                used: used.into_iter().map(|i| (i, all[i].dimension)).collect(),
            }),
        })
    }

    fn rows(&self, all: &[Found]) -> Vec<Row> {
        let n = all.len();
        let known: Vec<&InGroup> = all.iter().filter_map(|found| found.group.as_ref()).collect();
        let name = self.group.to_uppercase();
        let row = |claim: String, published: &str, ours: f64, unit: &str, holds: bool| {
            Row::new(format!("{name}: {claim}"), published, ours, unit, holds && ours.is_finite())
        };
        let of = |value: fn(&InGroup) -> f64| known.iter().map(|one| value(one)).collect::<Vec<f64>>();
        let told = |values: &[f64]| {
            let (least, most) = range(values);
            format!("mean of {}, {least:.3} to {most:.3}", values.len())
        };
        let is_it = |one: &&&InGroup| {
            let cyclic = self.group.starts_with('c');
            one.order == self.order && one.is_cyclic == cyclic && one.is_commutative == cyclic
        };
        let right: Vec<String> = all.iter().map(|found| format!("{:.3}", found.right)).collect();
        let mut sets: Vec<Vec<usize>> = known
            .iter()
            .map(|one| {
                let mut used: Vec<usize> = one.used.iter().map(|(place, _)| *place).collect();
                used.sort_unstable();
                used
            })
            .collect();
        let dimensions = |one: &&InGroup| {
            one.used.iter().map(|(place, dimension)| format!("{place} ({dimension})")).collect::<Vec<_>>().join(" ")
        };
        let used = known.iter().map(dimensions).collect::<Vec<_>>().join("; ");
        let representations = known.first().map_or(0, |one| one.of);
        sets.sort();
        sets.dedup();
        let explained = of(|one| one.explained);
        let others = of(|one| one.by_others);
        let (without_used, without_others) = (of(|one| one.without_used), of(|one| one.without_others));
        let instead = of(|one| one.instead);
        vec![
            row(
                format!("networks whose answers are this group, from answers alone (right: {})", right.join(", ")),
                "all that generalise",
                known.iter().filter(is_it).count() as f64,
                &format!("of {n} networks"),
                known.iter().filter(is_it).count() == n,
            ),
            row(
                format!("logits are sums of characters of a few representations ({})", told(&explained)),
                "nearly all",
                mean(&explained),
                "share of the variance",
                range(&explained).0 >= 0.9,
            ),
            row(
                format!("a baseline: characters of all other representations but the trivial ({})", told(&others)),
                "little",
                mean(&others),
                "share of the variance",
                range(&others).1 < 0.1,
            ),
            row(
                format!("the sum of characters instead of the logits ({})", told(&instead)),
                "better than they are",
                mean(&instead),
                "of the loss",
                range(&instead).1 < 1.0,
            ),
            row(
                format!("logits without the representations in use ({})", told(&without_used)),
                "useless",
                mean(&without_used),
                "right",
                range(&without_used).1 < 0.3,
            ),
            row(
                format!("a baseline: without all others ({})", told(&without_others)),
                "as good as before",
                mean(&without_others),
                "right",
                range(&without_others).0 >= 0.99,
            ),
            row(
                format!(
                    "which of {representations} representations are used differs between starts (dimensions in brackets, by \
                     start: {used})"
                ),
                "differs",
                sets.len() as f64,
                "different sets",
                sets.len() > 1,
            ),
        ]
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &x| (least.min(x), most.max(x)))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
