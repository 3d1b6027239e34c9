//! What every pass promises, held on the golden network of every variant of every family.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{
    Batch, Cache, Capture, Closure, Config, Edit, Generation, Logits, Model, Objective, Run, Tensor, Weights, arch,
    gradients,
};
use kernels::{Buffer, Cpu};
use support::{Noise, all_points, golden_network, golden_parts, variants};

/// Tokens of every golden network's vocabulary.
const VOCAB: u32 = 128;

fn each(check: impl Fn(&str, &dyn Model)) {
    for variant in variants() {
        check(&variant, &*golden_network(&variant, Arc::new(Cpu::new())));
    }
}

fn capture_all(model: &dyn Model, batch: Batch, edits: &[Edit]) -> (Capture, Arc<Buffer>) {
    let mut capture = Capture::of(all_points(model));
    let output = Run::new(model, batch).edits(edits).tap(&mut capture).unwrap();
    (capture, output.logits.unwrap())
}

#[test]
fn every_point_is_met_once_in_order() {
    each(|variant, model| {
        let mut met = Vec::new();
        let mut tap = Closure::at(all_points(model), |seen| {
            met.push(seen.id);
            Ok(None)
        });
        Run::new(model, Batch::one(&[1, 2, 3]).unwrap()).tap(&mut tap).unwrap();
        assert_eq!(met, all_points(model), "{variant}");
    });
}

#[test]
fn looking_and_edits_that_change_nothing_change_no_bit() {
    each(|variant, model| {
        let batch = Batch::one(&Noise::new(1).tokens(11, VOCAB)).unwrap();
        let plain = Run::new(model, batch.clone()).go().unwrap().logits.unwrap();
        let (seen, logits) = capture_all(model, batch.clone(), &[]);
        assert!(plain == logits, "{variant}: looking");
        let same = |name: &str| format!("{name}=*1").parse().unwrap();
        let identities: Vec<Edit> = model.spec().points.iter().map(|point| same(&point.name)).collect();
        assert!(plain == capture_all(model, batch.clone(), &identities).1, "{variant}: edits");
        let recorded = gradients(model, batch, &[], &Objective::NextToken, &all_points(model), false).unwrap();
        for (id, activation) in &recorded.activations {
            assert!(activation.prompt(0) == seen.get(*id).unwrap().prompt(0), "{variant}: recording");
        }
    });
}

#[test]
fn a_prompt_has_the_same_bits_alone_and_in_a_batch() {
    each(|variant, model| {
        let mut noise = Noise::new(2);
        let prompts: Vec<Vec<u32>> = [1, 14, 4, 7].map(|n| noise.tokens(n, VOCAB)).into();
        let (together, _) = capture_all(model, Batch::new(&prompts).unwrap(), &[]);
        for (i, prompt) in prompts.iter().enumerate() {
            let (alone, _) = capture_all(model, Batch::one(prompt).unwrap(), &[]);
            for id in all_points(model) {
                let (a, b) = (alone.get(id).unwrap(), together.get(id).unwrap());
                assert!(a.prompt(0) == b.prompt(i), "{variant}: {} of prompt {i}", a.point.name);
            }
        }
    });
}

#[test]
fn the_cache_gives_the_bits_of_the_whole_prompt() {
    each(|variant, model| {
        let tokens = Noise::new(3).tokens(12, VOCAB);
        let (whole, logits) = capture_all(model, Batch::one(&tokens).unwrap(), &[]);
        let resid = model.spec().point("blocks.1.resid_post").unwrap();
        let mut cache = Cache::new(model, 1);
        let mut rows = Vec::new();
        let mut last = None;
        // The first part is longer than the length at which Phi-3's rotation changes.
        for part in [&tokens[..6], &tokens[6..7], &tokens[7..]] {
            let mut capture = Capture::of(vec![resid]);
            let batch = Batch::after(&[part], cache.lengths()).unwrap();
            let run = Run::new(model, batch).cache(&mut cache).logits(Logits::Last);
            last = run.tap(&mut capture).unwrap().logits;
            rows.extend(capture.get(resid).unwrap().prompt(0));
        }
        assert!(rows == whole.get(resid).unwrap().prompt(0), "{variant}");
        assert!(*last.unwrap().to_f32() == logits.to_f32()[11 * VOCAB as usize..], "{variant}");
    });
}

#[test]
fn generation_chooses_what_whole_passes_choose() {
    each(|variant, model| {
        let mut tokens = Noise::new(4).tokens(3, VOCAB);
        let generated = Generation::new(model, &tokens, 8).go(|_| Ok(())).unwrap();
        for chosen in generated.chosen {
            let logits =
                Run::new(model, Batch::one(&tokens).unwrap()).logits(Logits::Last).go().unwrap().logits.unwrap();
            let logits = logits.to_f32();
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            assert_eq!(chosen.token as usize, best, "{variant} after {tokens:?}");
            tokens.push(chosen.token);
        }
        assert_eq!(tokens.len(), 11, "{variant}");
    });
}

#[test]
fn a_pass_can_start_in_the_middle() {
    each(|variant, model| {
        let batch = Batch::one(&[5, 6, 7, 8]).unwrap();
        let (capture, logits) = capture_all(model, batch.clone(), &[]);
        let resid = capture.get(model.spec().point("blocks.1.resid_pre").unwrap()).unwrap();
        let started = Run::new(model, batch).start_at(1, Tensor::constant((*resid.data).clone())).go().unwrap();
        assert!(started.logits.unwrap() == logits, "{variant}");
    });
}

#[test]
fn tensors_that_are_left_over_or_lacking_are_refused() {
    for variant in variants() {
        let (config, tensors) = golden_parts(&variant);
        let refused = |tensors| {
            let built = arch::build(
                &Config::HuggingFace(config.clone()),
                Weights::new(tensors),
                Arc::new(Cpu::new()),
                u64::MAX,
            );
            built.err().map(|error| error.to_string())
        };
        let mut more = tensors.clone();
        more.insert("model.stray.weight".into(), tensors.values().next().unwrap().clone());
        assert!(refused(more).unwrap().contains("model.stray.weight"), "{variant}");
        for lacking in tensors.keys().filter(|name| name.ends_with(".weight")) {
            let mut fewer = tensors.clone();
            fewer.remove(lacking);
            assert!(refused(fewer).unwrap().contains(lacking), "{variant} without {lacking}");
        }
    }
}

#[test]
fn a_cache_does_not_reach_across_the_length_at_which_keys_change() {
    let model = golden_network("phi3-long", Arc::new(Cpu::new()));
    assert_eq!(model.spec().keys_change_beyond, Some(5));
    let mut cache = Cache::new(&*model, 1);
    Run::new(&*model, Batch::one(&[1, 2, 3]).unwrap()).cache(&mut cache).go().unwrap();
    let mut go_on = |tokens: &[u32]| {
        let batch = Batch::after(&[tokens], cache.lengths()).unwrap();
        Run::new(&*model, batch).cache(&mut cache).go().map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(go_on(&[4, 5]), Ok(()));
    assert!(go_on(&[6]).unwrap_err().contains("longer than 5 tokens"));
}
