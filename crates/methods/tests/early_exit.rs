//! Early exit against the lens, counted by hand.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Capture, Logits, Model, Run};
use kernels::{Backend, Cpu, Naive};
use methods::{DOMINANT, ExitRule, Groups, Parameter, Readout, Subject, halves, logit_lens, tradeoff, trial};

fn subject<'a>(model: &'a dyn Model, tokens: &'a [u32]) -> Subject<'a> {
    Subject { model, tokens, edits: &[], memory: None, kept: None }
}

/// A network of six blocks: the golden ones have two, too few to stop early in.
fn model(backend: Arc<dyn Backend>) -> Box<dyn Model> {
    support::random_plain(backend, 6)
}

fn tokens(n: u32, seed: u32) -> Vec<u32> {
    (0..n).map(|i| (i * i * 7 + i * seed + 3) % support::PLAIN_VOCABULARY as u32).collect()
}

fn texts(model: &dyn Model, groups: Option<&Groups>) -> Readout {
    let parts = (1..4).map(|seed| Readout::of(subject(model, &tokens(40, seed)), groups, &mut |_, _| Ok(())).unwrap());
    Readout::join(parts.collect()).unwrap()
}

#[test]
fn what_is_read_is_what_the_lens_says() {
    let model = model(Arc::new(Naive));
    let read = texts(&*model, None);
    assert_eq!((read.layers, read.positions), (6, 120));
    for seed in 1..4 {
        let ids = tokens(40, seed);
        let lens = logit_lens(subject(&*model, &ids), 1, &mut |_, _| Ok(())).unwrap();
        for pos in 0..40 {
            let at = (seed as usize - 1) * 40 + pos;
            let tops: Vec<u32> = (1..7).map(|row| lens.top_ids[row * 40 + pos]).collect();
            assert_eq!(read.top[at * 6..at * 6 + 6], tops);
            assert!((0..6).all(|layer| read.probs[at * 6 + layer] == lens.top_probs[(layer + 1) * 40 + pos]));
            let settled = read.settled()[at];
            assert!(tops[settled..].iter().all(|&id| id == tops[5]) && (settled == 0 || tops[settled - 1] != tops[5]));
        }
    }
}

#[test]
fn outcomes_are_counted_right() {
    let model = model(Arc::new(Cpu::new()));
    let read = texts(&*model, None);
    let positions: Vec<usize> = (0..120).step_by(2).collect();
    for rule in [ExitRule::Confidence, ExitRule::Patience] {
        let count = |Parameter { from, enough }: Parameter| {
            let (mut saved, mut agree, mut exits) = (0, 0, vec![]);
            for &pos in &positions {
                let tops = &read.top[pos * 6..pos * 6 + 6];
                let stops = |layer: usize| match rule {
                    ExitRule::Confidence => layer >= from && f64::from(read.probs[pos * 6 + layer]) >= enough,
                    _ => {
                        layer + 1 >= enough as usize
                            && (0..enough as usize).all(|back| tops[layer - back] == tops[layer])
                    }
                };
                let exit = (0..6).find(|&layer| layer == 5 || stops(layer)).unwrap();
                saved += 5 - exit;
                agree += usize::from(tops[exit] == tops[5]);
                exits.push(exit);
            }
            // Every position with every exit.
            let hits = positions.iter().flat_map(|&pos| exits.iter().map(move |&exit| (pos, exit)));
            let hits = hits.filter(|&(pos, exit)| read.top[pos * 6 + exit] == read.top[pos * 6 + 5]).count();
            [f64::from(saved as u32) / 60.0, f64::from(agree as u32) / 60.0, hits as f64 / 3600.0]
        };
        let curve = tradeoff(&read, &positions, rule);
        assert!(curve.is_sorted_by(|(_, a), (_, b)| a.saved < b.saved && a.agreement > b.agreement) && curve.len() > 2);
        for (parameter, found) in &curve {
            let known = count(*parameter);
            let same =
                [found.saved, found.agreement, found.random].iter().zip(known).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(same, "{found:?} {known:?}");
        }
        // No other parameter saves as much and agrees more.
        for from in 0..5 {
            for step in 1..40 {
                let enough = if rule == ExitRule::Patience {
                    f64::from(step)
                } else {
                    1.0 / (1.0 + f64::exp(-0.25 * f64::from(step - 20)))
                };
                let [saved, agreement, _] = count(Parameter { from, enough });
                assert!(
                    saved == 0.0
                        || curve.iter().any(|(_, o)| o.saved >= saved - 1e-9 && o.agreement >= agreement - 1e-9)
                );
            }
        }
    }
}

#[test]
fn a_parameter_is_chosen_on_one_half_alone() {
    let model = model(Arc::new(Cpu::new()));
    let read = texts(&*model, None);
    let [choose, test] = halves(120, 8, 3);
    let mut all = [&choose[..], &test[..]].concat();
    all.sort_unstable();
    assert_eq!(all, (0..120).collect::<Vec<_>>());
    assert!(choose.len().abs_diff(test.len()) <= 8 && halves(120, 8, 4)[0] != choose);
    for rule in [ExitRule::Confidence, ExitRule::Patience] {
        let found = trial(&read, rule, 0.8, [&choose, &test]).unwrap();
        let curve = tradeoff(&read, &choose, rule);
        let good = curve.iter().filter(|(_, outcome)| outcome.agreement >= 0.8).map(|(_, outcome)| outcome.saved);
        assert!((found.chosen_on.saved - good.fold(0.0, f64::max)).abs() < 1e-12);
        assert!(found.tested.saved > 0.0 && found.tested != found.chosen_on);
        // The same parameter on the other half: as if that were all there is.
        let again = trial(&read, rule, found.tested.agreement.min(0.8), [&test, &choose]).unwrap();
        assert!(again.chosen_on.saved >= found.tested.saved - 1e-12);
        // What cannot be had is not claimed.
        let never = trial(&read, rule, 1.1, [&choose, &test]).unwrap();
        assert_eq!((never.tested.saved, never.tested.agreement), (0.0, 1.0));
    }
    assert!(trial(&read, ExitRule::Groups, 0.9, [&choose, &test]).is_err(), "read without groups");
    assert!(trial(&read, ExitRule::Patience, 0.9, [&[], &test]).is_err());
}

#[test]
fn groups_are_of_alike_vectors_and_the_rule_is_the_publications() {
    let model = model(Arc::new(Naive));
    let groups = Groups::of(&*model, 5, 2, &mut |_, _| Ok(())).unwrap();
    assert_eq!(groups, Groups::of(&*model, 5, 2, &mut |_, _| Ok(())).unwrap());
    let read = texts(&*model, Some(&groups));
    let [choose, test] = halves(120, 8, 1);
    let found = trial(&read, ExitRule::Groups, 0.0, [&choose, &test]).unwrap();
    // The lists of groups by hand, in the order of |m|·‖v‖.
    let anatomy = model.anatomy().unwrap();
    let mut lists = vec![];
    for seed in 1..4 {
        let ids = tokens(40, seed);
        let points: Vec<_> = anatomy.layers.iter().map(|layer| layer.mlps[0].neurons).collect();
        let mut capture = Capture::of(points.clone());
        Run::new(&*model, engine::Batch::one(&ids).unwrap()).logits(Logits::None).tap(&mut capture).unwrap();
        for pos in 0..40 {
            let of_layer = |layer: usize| -> Vec<u16> {
                let down = &anatomy.layers[layer].mlps[0].down.weight.matrix;
                let (written, m) = (model.backend().unpack(down), capture.get(points[layer]).unwrap().prompt(0));
                let size = |i: usize| {
                    let norm = written.iter().skip(i).step_by(down.ins).map(|x| x * x).sum::<f32>().sqrt();
                    m[pos * down.ins + i].abs() * norm
                };
                let mut order: Vec<usize> = (0..down.ins).collect();
                order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
                order[..DOMINANT].iter().map(|&neuron| groups.group(layer, neuron)).collect()
            };
            lists.push((0..6).map(of_layer).collect::<Vec<_>>());
        }
    }
    let settled = read.settled();
    let (mut saved, mut agree) = (0, 0);
    for &pos in &test {
        let like = |layer: usize, at: usize| -> Vec<usize> {
            let known = choose.iter().filter(|&&other| settled[other] == at);
            known
                .map(|&other| (0..DOMINANT).filter(|&i| lists[pos][layer][i] == lists[other][layer][i]).count())
                .collect()
        };
        let mean = |all: &[usize]| all.iter().sum::<usize>() as f64 / all.len() as f64;
        let stops = |layer: usize| {
            let own = like(layer, layer);
            !own.is_empty()
                && (layer + 1..6)
                    .map(|at| like(layer, at))
                    .filter(|other| !other.is_empty())
                    .all(|other| own.iter().max() > other.iter().max() && mean(&own) > mean(&other))
        };
        let exit = (0..6).find(|&layer| layer == 5 || stops(layer)).unwrap();
        saved += 5 - exit;
        agree += usize::from(read.top[pos * 6 + exit] == read.top[pos * 6 + 5]);
    }
    assert!(saved > 0);
    assert!((found.tested.saved - saved as f64 / test.len() as f64).abs() < 1e-9);
    assert!((found.tested.agreement - agree as f64 / test.len() as f64).abs() < 1e-9);
    for count in [0, 1_000_000] {
        assert!(Groups::of(&*model, count, 0, &mut |_, _| Ok(())).is_err());
    }
}
