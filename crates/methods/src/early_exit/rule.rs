//! When to stop, and what that saves and costs.

use engine::{Error, Result};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::Readout;

/// When to stop after a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitRule {
    /// The likeliest token is at least so probable, from some block on: the first blocks may be sure of nonsense.
    #[default]
    Confidence,
    /// The likeliest token has been the same after so many blocks in a row.
    Patience,
    /// The groups of the largest sub-updates are more like those of positions that settled at this block than like those
    /// that settled at any later one (Geva et al. 2022, arXiv 2203.14680, section 5.2). It has no parameter.
    Groups,
}

/// What stopping by a rule saves and costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Mean number of blocks that are left out.
    pub saved: f64,
    /// Share of positions at which the token is that of the whole network.
    pub agreement: f64,
    /// The same, expected where the same exits are dealt out to the positions at random.
    pub random: f64,
}

/// Where a rule's choice lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// The first block after which it may stop.
    pub from: usize,
    /// The probability or the number of blocks that is enough; infinite for never, NaN of a rule without one.
    pub enough: f64,
}

/// A rule whose parameter was chosen on some positions, on others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// What was chosen; never to stop, where nothing was good enough.
    pub parameter: Parameter,
    /// On the positions that it was chosen on; what it would be there is all that a choice can see.
    pub chosen_on: Outcome,
    /// On the others.
    pub tested: Outcome,
}

/// Parts a text's positions in two halves, in blocks of `block` positions in a row (neighbours are alike), drawn by a seed.
pub fn halves(positions: usize, block: usize, seed: u64) -> [Vec<usize>; 2] {
    let block = block.clamp(1, (positions / 2).max(1));
    let count = positions.div_ceil(block);
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = Pcg64::seed_from_u64(engine::mixed(seed));
    for last in (1..count).rev() {
        order.swap(last, ((u128::from(random.next_u64()) * (last as u128 + 1)) >> 64) as usize);
    }
    let (first, second) = order.split_at(count / 2);
    [first, second].map(|blocks| {
        let mut blocks = blocks.to_vec();
        blocks.sort_unstable();
        blocks.iter().flat_map(|&i| i * block..((i + 1) * block).min(positions)).collect()
    })
}

/// The block at which each of some positions stops.
fn exits(readout: &Readout, positions: &[usize], rule: ExitRule, parameter: Parameter) -> Vec<usize> {
    let last = readout.layers - 1;
    let Parameter { from, enough } = parameter;
    let exit = |&pos: &usize| match rule {
        ExitRule::Confidence => {
            (from..last).find(|&layer| f64::from(readout.probs[pos * readout.layers + layer]) >= enough).unwrap_or(last)
        }
        ExitRule::Patience => {
            let tops = readout.tops(pos);
            let run = |layer: usize| tops[..=layer].iter().rev().take_while(|&&id| id == tops[layer]).count();
            (from..last).find(|&layer| run(layer) as f64 >= enough).unwrap_or(last)
        }
        ExitRule::Groups => last,
    };
    positions.iter().map(exit).collect()
}

fn outcome(readout: &Readout, positions: &[usize], exits: &[usize]) -> Outcome {
    let last = readout.layers - 1;
    let agrees = |pos: usize, layer: usize| readout.tops(pos)[layer] == readout.tops(pos)[last];
    let n = positions.len() as f64;
    let mut shares = vec![0.0; readout.layers];
    for &exit in exits {
        shares[exit] += 1.0 / n;
    }
    let chance = |&pos: &usize| -> f64 {
        shares.iter().enumerate().filter(|(layer, _)| agrees(pos, *layer)).map(|(_, share)| share).sum()
    };
    Outcome {
        saved: exits.iter().map(|&exit| (last - exit) as f64).sum::<f64>() / n,
        agreement: positions.iter().zip(exits).filter(|&(&pos, &exit)| agrees(pos, exit)).count() as f64 / n,
        random: positions.iter().map(chance).sum::<f64>() / n,
    }
}

/// The parameters at which a rule is tried.
fn parameters(readout: &Readout, rule: ExitRule) -> Vec<Parameter> {
    let blocks = 0..readout.layers - 1;
    match rule {
        // Probabilities evenly in ln of the odds, from 0.12 to 0.999994.
        ExitRule::Confidence => blocks
            .flat_map(|from| {
                let odds = (-8..=48).map(|step| (-0.25 * f64::from(step)).exp());
                odds.map(move |odds| Parameter { from, enough: 1.0 / (1.0 + odds) })
            })
            .collect(),
        ExitRule::Patience => blocks.map(|blocks| Parameter { from: 0, enough: (blocks + 1) as f64 }).collect(),
        ExitRule::Groups => vec![],
    }
}

/// What a rule saves and costs on some positions, at the parameters that are worth choosing: none of the others saves more
/// without agreeing less. By rising saving. Nothing of [`ExitRule::Groups`].
pub fn tradeoff(readout: &Readout, positions: &[usize], rule: ExitRule) -> Vec<(Parameter, Outcome)> {
    let at = |parameter| (parameter, outcome(readout, positions, &exits(readout, positions, rule, parameter)));
    let mut all: Vec<(Parameter, Outcome)> = parameters(readout, rule).into_iter().map(at).collect();
    all.sort_by(|(_, a), (_, b)| b.saved.total_cmp(&a.saved).then(b.agreement.total_cmp(&a.agreement)));
    let mut best = f64::NEG_INFINITY;
    all.retain(|(_, outcome)| {
        let better = outcome.agreement > best;
        best = best.max(outcome.agreement);
        better
    });
    all.reverse();
    all
}

/// Chooses the parameter that saves most on one part of the positions at no less than some agreement, and measures it on
/// the other part. [`ExitRule::Groups`] is only learnt on the one and measured on the other.
pub fn trial(readout: &Readout, rule: ExitRule, agreement: f64, [choose, test]: [&[usize]; 2]) -> Result<Trial> {
    if choose.is_empty() || test.is_empty() {
        return Err(Error::Input("the text is too short to be parted in two halves".into()));
    }
    if rule == ExitRule::Groups {
        if !readout.has_groups() {
            return Err(Error::Input("the text was read without the groups of its sub-updates".into()));
        }
        let settled = readout.settled();
        let learnt =
            |positions: &[usize]| outcome(readout, positions, &by_groups(readout, &settled, choose, positions));
        let parameter = Parameter { from: 0, enough: f64::NAN };
        return Ok(Trial { parameter, chosen_on: learnt(choose), tested: learnt(test) });
    }
    let points = tradeoff(readout, choose, rule);
    let best = points.iter().rfind(|(_, outcome)| outcome.agreement >= agreement);
    let parameter = best.map_or(Parameter { from: 0, enough: f64::INFINITY }, |(parameter, _)| *parameter);
    let at = |positions: &[usize]| outcome(readout, positions, &exits(readout, positions, rule, parameter));
    Ok(Trial { parameter, chosen_on: at(choose), tested: at(test) })
}

/// The block at which each of some positions stops, by what others had where they settled: after a block, the number of
/// places at which two lists of groups are equal is compared with the lists of those that settled there, and with those of
/// each later block; both its mean and its largest must be greater than all of theirs.
fn by_groups(readout: &Readout, settled: &[usize], known: &[usize], positions: &[usize]) -> Vec<usize> {
    let layers = readout.layers;
    let mut of_layer: Vec<Vec<usize>> = vec![vec![]; layers];
    for &pos in known {
        of_layer[settled[pos]].push(pos);
    }
    let likeness = |pos: usize, layer: usize, others: &[usize]| -> Option<(usize, f64)> {
        let own = readout.dominant(pos, layer);
        let equal = |&other: &usize| own.iter().zip(readout.dominant(other, layer)).filter(|(a, b)| a == b).count();
        let (mut most, mut sum, mut count) = (0, 0, 0_usize);
        // A position is not compared with itself.
        for likeness in others.iter().filter(|&&other| other != pos).map(equal) {
            (most, sum, count) = (most.max(likeness), sum + likeness, count + 1);
        }
        (count > 0).then(|| (most, sum as f64 / count as f64))
    };
    let exit = |&pos: &usize| {
        let stops = |&layer: &usize| {
            likeness(pos, layer, &of_layer[layer]).is_some_and(|(most, mean)| {
                let mut later = of_layer[layer + 1..].iter().filter_map(|others| likeness(pos, layer, others));
                later.all(|(other_most, other_mean)| most > other_most && mean > other_mean)
            })
        };
        (0..layers - 1).find(stops).unwrap_or(layers - 1)
    };
    positions.iter().map(exit).collect()
}
