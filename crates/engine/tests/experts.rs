//! Mixtures of experts: who is chosen, what is computed, and what edits of either do.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Array, Batch, Capture, Config, Edit, Error, Model, PointId, Reference, Run, Weights, arch};
use kernels::Cpu;
use serde_json::json;
use support::{all_points, golden_network, golden_parts, relative};

const TOKENS: [u32; 7] = [5, 17, 99, 5, 17, 64, 127];

struct Seen(Box<dyn Model>, Capture);

impl Seen {
    fn of(variant: &str, edits: &[&str]) -> Self {
        let model = golden_network(variant, Arc::new(Cpu::new()));
        let edits = parsed(&*model, edits);
        let mut capture = Capture::of(all_points(&*model));
        Run::new(&*model, Batch::one(&TOKENS).unwrap()).edits(&edits).tap(&mut capture).unwrap();
        Self(model, capture)
    }

    /// The rows of a point.
    fn rows(&self, name: &str) -> Vec<Vec<f32>> {
        let values = self.1.get(self.0.spec().point(name).unwrap()).unwrap().prompt(0);
        values.chunks_exact(values.len() / TOKENS.len()).map(<[f32]>::to_vec).collect()
    }
}

/// Edits; `+NUMBER:x` adds a number everywhere.
fn parsed(model: &dyn Model, edits: &[&str]) -> Vec<Edit> {
    let load = |text: &&str| {
        let mut edit: Edit = text.parse().unwrap();
        let load = |reference: Reference<'_>, id: PointId| {
            let Reference::File(number) = reference else { unreachable!("no other is used here") };
            let width = model.spec().points[id.index()].width();
            let number = number.trim_end_matches(":x").parse().unwrap();
            Ok::<_, Error>(Array { axes: None, shape: vec![width], data: vec![number; width] })
        };
        edit.load(model.spec(), load).unwrap();
        edit
    };
    edits.iter().map(load).collect()
}

/// The logits when nobody looks on the way.
fn unseen(variant: &str, edits: &[&str]) -> Vec<f32> {
    let model = golden_network(variant, Arc::new(Cpu::new()));
    let edits = parsed(&*model, edits);
    let run = Run::new(&*model, Batch::one(&TOKENS).unwrap()).edits(&edits);
    run.go().unwrap().logits.unwrap().to_f32().into_owned()
}

#[test]
fn each_token_goes_to_the_likeliest_experts_alone() {
    let seen = Seen::of("qwen2-moe", &[]);
    let (probs, weights) = (seen.rows("blocks.1.mlp.router.probs"), seen.rows("blocks.1.mlp.router.weights"));
    for (row, (probs, weights)) in probs.iter().zip(&weights).enumerate() {
        assert!((probs.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let mut order: Vec<usize> = (0..4).collect();
        order.sort_by(|&a, &b| probs[b].total_cmp(&probs[a]));
        for (rank, e) in order.into_iter().enumerate() {
            assert_eq!(weights[e], if rank < 2 { probs[e] } else { 0.0 });
            for point in ["pre", "pre_linear", "post", "out"] {
                let here = &seen.rows(&format!("blocks.1.mlp.experts.{e}.{point}"))[row];
                assert_eq!(here.iter().any(|&x| x != 0.0), rank < 2, "{point} of expert {e} at {row}");
            }
        }
    }
}

#[test]
fn what_experts_add_sums_to_the_layers_output() {
    let seen = Seen::of("qwen2-moe", &[]);
    let names = ["experts.0", "experts.1", "experts.2", "experts.3", "shared"];
    let parts = names.map(|name| seen.rows(&format!("blocks.0.mlp.{name}.out")).concat());
    let sum: Vec<f64> = (0..parts[0].len()).map(|i| parts.iter().map(|part| f64::from(part[i])).sum()).collect();
    let whole: Vec<f64> = seen.rows("blocks.0.mlp_out").concat().into_iter().map(f64::from).collect();
    assert!(relative(&whole, &sum) < 1e-6);
}

#[test]
fn chosen_weights_are_shares_where_the_configuration_says_so() {
    for weights in Seen::of("qwen3-moe", &[]).rows("blocks.3.mlp.router.weights") {
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{weights:?}");
    }
}

#[test]
fn an_edit_of_the_router_decides_who_computes() {
    let edits = ["blocks.0.mlp.router.logits[expert=1]=+100:x"];
    for weights in Seen::of("mixtral", &edits).rows("blocks.0.mlp.router.weights") {
        assert!((weights[1] - 1.0).abs() < 1e-6, "{weights:?}");
    }
    // A weight given to an expert that was not chosen makes it compute.
    let edits = ["blocks.0.mlp.router.weights[expert=1]=+0.5:x"];
    let seen = Seen::of("qwen2-moe", &edits);
    assert!(seen.rows("blocks.0.mlp.experts.1.post").iter().all(|row| row.iter().any(|&x| x != 0.0)));
    assert!(seen.rows("logits").concat() == unseen("qwen2-moe", &edits));
}

#[test]
fn an_expert_can_be_silenced_in_three_ways() {
    let plain = unseen("mixtral", &[]);
    let points = ["router.weights[expert=2]", "experts.2.post", "experts.2.out"];
    let ways = points.map(|point| unseen("mixtral", &[&*format!("blocks.0.mlp.{point}=zero")]));
    assert!(ways[0] != plain);
    assert!(ways[0] == ways[1] && ways[1] == ways[2]);
}

#[test]
fn only_at_the_output_do_edits_of_tokens_that_went_elsewhere_count() {
    let plain = unseen("qwen3-moe", &[]);
    // No token of the prompt goes to expert 0.
    assert!(Seen::of("qwen3-moe", &[]).rows("blocks.3.mlp.router.weights").iter().all(|weights| weights[0] == 0.0));
    assert!(unseen("qwen3-moe", &["blocks.3.mlp.experts.0.post=+1:x"]) == plain);
    assert!(unseen("qwen3-moe", &["blocks.3.mlp.experts.0.out=+1:x"]) != plain);
}

#[test]
fn the_anatomy_has_every_expert() {
    let model = golden_network("qwen2-moe", Arc::new(Cpu::new()));
    let anatomy = model.anatomy().unwrap();
    let points = &model.spec().points;
    let neurons = |layer: usize| anatomy.layers[layer].mlps.iter().map(|mlp| &*points[mlp.neurons.index()].name);
    let expected = ["experts.0", "experts.1", "experts.2", "experts.3", "shared"];
    assert!(neurons(1).eq(expected.map(|name| format!("blocks.1.mlp.{name}.post"))));
}

#[test]
fn numbers_of_experts_that_cannot_be_are_refused() {
    for (field, value, told) in [
        ("num_experts_per_tok", json!(4), "4 of 3 experts"),
        ("num_local_experts", json!(200_000_000), "block_sparse_moe.gate.weight"),
        ("num_local_experts", json!(0), "`num_local_experts` is 0"),
    ] {
        let (mut config, tensors) = golden_parts("mixtral");
        config[field] = value;
        let built =
            arch::build(&Config::HuggingFace(config), Weights::new(tensors), Arc::new(Cpu::new()), u64::MAX).err();
        assert!(built.unwrap().to_string().contains(told), "{field}: {told}");
    }
}
