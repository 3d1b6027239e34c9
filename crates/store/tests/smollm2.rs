//! The real SmolLM2-135M against what Hugging Face's weights compute (`tests/golden/smollm2`, explained in
//! `scripts/make_smollm2_goldens.py`): residual stream, patterns, logits, every point and every gradient in sketches,
//! and greedy continuations.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use engine::{Batch, Cache, Capture, Captured, Logits, Model, Objective, PointId, Run, Select, arch, gradients};
use kernels::{Cpu, DType};
use store::safetensors::Safetensors;

const PROMPTS: &[&str] = &["france", "mary", "code", "emoji", "cjk", "repeats", "random-repeat"];
const SIGNS: usize = 8;

struct Golden(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Golden {
    fn load(prompt: &str) -> Self {
        let path = folder().join(format!("{prompt}.safetensors"));
        let parsed = Safetensors::parse(&store::map(&path).unwrap(), &path).unwrap();
        let tensors = parsed.tensors.into_iter().map(|(name, stored)| {
            let bytes = stored.bytes.as_slice();
            let values = match stored.dtype {
                DType::I64 => bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
                _ => bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
            };
            (name, (stored.shape, values))
        });
        Self(tensors.collect())
    }

    fn get(&self, name: &str) -> &[f64] {
        &self.0[name].1
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        self.get(name).iter().map(|&x| x as u32).collect()
    }
}

/// SmolLM2, loaded once for all tests of a process.
fn model() -> Option<&'static dyn Model> {
    static MODEL: OnceLock<Option<Box<dyn Model>>> = OnceLock::new();
    let load = || {
        let file = store::open(&support::smollm2()?).unwrap();
        Some(arch::build(file.config().unwrap(), file.weights(), Arc::new(Cpu::new()), u64::MAX).unwrap())
    };
    MODEL.get_or_init(load).as_deref()
}

/// ‖x − reference‖₂ / ‖reference‖₂.
fn relative(x: &[f64], reference: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut x.iter().zip(reference).map(|(a, b)| a - b)) / norm(&mut reference.iter().copied())
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/smollm2")
}

fn all_points(model: &dyn Model) -> Vec<PointId> {
    "*".parse::<Select>().unwrap().resolve(model.spec()).unwrap()
}

/// Norm and dot products with the fixed signs.
fn sketch(values: &[f32]) -> (f64, [f64; SIGNS]) {
    let (mut square, mut dots) = (0.0, [0.0; SIGNS]);
    for (i, &x) in values.iter().enumerate() {
        let x = if x.is_infinite() { 0.0 } else { f64::from(x) };
        square += x * x;
        let mut z = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        for (j, dot) in dots.iter_mut().enumerate() {
            *dot += if z >> j & 1 == 0 { x } else { -x };
        }
    }
    (square.sqrt(), dots)
}

/// The relative error that two sketches tell.
fn sketch_error(ours: &[f64; SIGNS], reference: &[f64], norm: f64) -> f64 {
    let square: f64 = ours.iter().zip(reference).map(|(a, b)| (a - b) * (a - b)).sum();
    (square / SIGNS as f64).sqrt() / norm.max(1e-12)
}

/// Rows of the residual stream, `embed` and each `resid_post`, of one prompt.
fn stream(model: &dyn Model, capture: &Capture) -> Vec<Vec<f32>> {
    let mut points = vec![model.spec().point("embed").unwrap()];
    points.extend(model.spec().per_layer("resid_post"));
    points.into_iter().map(|id| capture.get(id).unwrap().prompt(0)).collect()
}

#[test]
fn activations_equal_the_reference() {
    let Some(model) = model() else { return };
    for prompt in PROMPTS {
        let golden = Golden::load(prompt);
        let tokens = golden.ids("tokens");
        let mut capture = Capture::of(all_points(model));
        let logits = Run::new(model, Batch::one(&tokens).unwrap()).tap(&mut capture).unwrap().logits.unwrap();
        let d_model = model.spec().sizes.d_model;
        for (layer, row) in stream(model, &capture).iter().enumerate() {
            for (pos, vector) in row.chunks_exact(d_model).enumerate() {
                let at = layer * tokens.len() + pos;
                let (norm, dots) = sketch(vector);
                let reference = golden.get("resid_norm")[at];
                assert!((norm - reference).abs() < 2e-4 * reference, "{prompt}: norm at layer {layer}, position {pos}");
                let error = sketch_error(&dots, &golden.get("resid_sketch")[at * SIGNS..][..SIGNS], reference);
                assert!(error < 2e-4, "{prompt}: residual stream at layer {layer}, position {pos}: {error:e}");
            }
            let last: Vec<f64> = row[row.len() - 2 * d_model..].iter().map(|&x| f64::from(x)).collect();
            for (pos, (ours, reference)) in last
                .chunks_exact(d_model)
                .zip(golden.get("resid")[layer * 2 * d_model..].chunks_exact(d_model))
                .enumerate()
            {
                let error = relative(ours, reference);
                assert!(
                    error < 2e-4,
                    "{prompt}: residual stream at layer {layer}, position {pos} of the last two: {error:e}"
                );
            }
        }
        check_patterns(model, prompt, &golden, &capture);
        check_logits(prompt, &golden, &logits.to_f32(), tokens.len());
        for (i, captured) in capture.into_all().iter().enumerate() {
            let (_, dots) = sketch(&captured.prompt(0));
            let error =
                sketch_error(&dots, &golden.get("point_sketch")[i * SIGNS..][..SIGNS], golden.get("point_norm")[i]);
            assert!(error < 2e-4, "{prompt}: {}: {error:e}", captured.point.name);
        }
    }
}

fn check_patterns(model: &dyn Model, prompt: &str, golden: &Golden, capture: &Capture) {
    let n = golden.get("tokens").len();
    let close = |ours: &[f32], reference: &[f64], what: &str| {
        let worst = ours.iter().zip(reference).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{prompt}: {what}: {worst:e}");
    };
    let pattern = |layer: usize| {
        capture.get(model.spec().point(&format!("blocks.{layer}.attn.pattern")).unwrap()).unwrap().prompt(0)
    };
    for (i, pair) in golden.ids("pattern_heads").chunks_exact(2).enumerate() {
        let (layer, head) = (pair[0] as usize, pair[1] as usize);
        close(
            &pattern(layer)[head * n * n..][..n * n],
            &golden.get("patterns")[i * n * n..],
            &format!("pattern of head {layer}.{head}"),
        );
    }
    for layer in 0..model.spec().sizes.n_layers {
        let heads = model.spec().sizes.n_heads.unwrap();
        for (head, matrix) in pattern(layer).chunks_exact(n * n).enumerate() {
            close(
                &matrix[(n - 1) * n..],
                &golden.get("pattern_last")[(layer * heads + head) * n..],
                &format!("last row of head {layer}.{head}"),
            );
        }
    }
}

fn check_logits(prompt: &str, golden: &Golden, logits: &[f32], n: usize) {
    let (top, sample) = (golden.get("top_ids").len() / n, golden.ids("sample_ids"));
    for (pos, row) in logits.chunks_exact(logits.len() / n).enumerate() {
        for (j, &id) in sample.iter().enumerate() {
            let difference = f64::from(row[id as usize]) - golden.get("sample_logits")[pos * sample.len() + j];
            assert!(difference.abs() < 2e-3, "{prompt}: logit of {id} at {pos}: {difference:e}");
        }
        let reference = &golden.get("top_logits")[pos * top..][..top];
        let ids = &golden.ids("top_ids")[pos * top..][..top];
        let mut order: Vec<u32> = (0..row.len() as u32).collect();
        order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
        for k in 0..top {
            let difference = f64::from(row[ids[k] as usize]) - reference[k];
            assert!(difference.abs() < 2e-3, "{prompt}: logit of {} at {pos}: {difference:e}", ids[k]);
            // The order counts where the reference's own gap to both neighbours exceeds what rounding can turn over.
            let clear = |a: usize, b: usize| b >= top || (reference[a] - reference[b]).abs() > 4e-3;
            if k < 10 && clear(k, k + 1) && (k == 0 || clear(k, k - 1)) {
                assert_eq!(order[k], ids[k], "{prompt}: rank {k} at {pos}");
            }
        }
    }
}

#[test]
fn greedy_continuations_equal_the_reference() {
    let Some(model) = model() else { return };
    for prompt in PROMPTS {
        let golden = Golden::load(prompt);
        let mut cache = Cache::new(model, 1);
        let mut next = golden.ids("tokens");
        for (step, (&expected, gap)) in golden.ids("greedy").iter().zip(golden.get("greedy_gap")).enumerate() {
            let batch = Batch::after(&[&next], cache.lengths()).unwrap();
            let logits = Run::new(model, batch).cache(&mut cache).logits(Logits::Last).go().unwrap().logits.unwrap();
            let best = logits.to_f32().iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 as u32;
            assert!(best == expected || *gap < 4e-3, "{prompt}: step {step}: {best} and not {expected}");
            next = vec![expected];
        }
    }
}

#[test]
fn gradients_equal_the_reference() {
    let Some(model) = model() else { return };
    for prompt in ["france", "mary"] {
        let golden = Golden::load(prompt);
        let batch = Batch::one(&golden.ids("tokens")).unwrap();
        let found = gradients(model, batch, &[], &Objective::NextToken, &all_points(model), true).unwrap();
        assert!((found.value - golden.get("loss")[0]).abs() < 1e-4, "{prompt}: loss");
        let check = |kind: &str, i: usize, name: &str, values: &[f32]| {
            let norm = golden.get(&format!("{kind}_norm"))[i];
            let error =
                sketch_error(&sketch(values).1, &golden.get(&format!("{kind}_sketch"))[i * SIGNS..][..SIGNS], norm);
            assert!(error < 1e-3, "{prompt}: {kind} at {name}: {error:e}");
        };
        for (i, captured) in found.points.values().enumerate() {
            check("grad", i, &captured.point.name, &captured.prompt(0));
        }
        let names: serde_json::Value =
            serde_json::from_slice(&fs::read(folder().join("origin.json")).unwrap()).unwrap();
        let names = names["parameters_in_order"].as_array().unwrap();
        assert_eq!(names.len(), model.spec().parameters.len());
        for (i, name) in names.iter().enumerate() {
            let id = model.spec().parameters.iter().position(|p| p.name == name.as_str().unwrap()).unwrap();
            check("grad_param", i, name.as_str().unwrap(), &found.parameters[&id].to_f32());
        }
    }
}

#[test]
fn a_prompt_alone_has_the_bits_it_has_in_a_batch() {
    let Some(model) = model() else { return };
    let prompts: Vec<Vec<u32>> = PROMPTS.iter().map(|p| Golden::load(p).ids("tokens")).collect();
    let wanted: Vec<PointId> =
        Select::resolve_all(&["blocks.29.*".parse().unwrap(), "logits".parse().unwrap()], model.spec()).unwrap();
    let run = |prompts: &[Vec<u32>]| {
        let mut capture = Capture::of(wanted.clone());
        Run::new(model, Batch::new(prompts).unwrap()).tap(&mut capture).unwrap();
        capture.into_all()
    };
    let together: Vec<Captured> = run(&prompts);
    for (i, prompt) in prompts.iter().enumerate() {
        for (a, b) in run(std::slice::from_ref(prompt)).iter().zip(&together) {
            assert!(a.prompt(0) == b.prompt(i), "{} of {}", a.point.name, PROMPTS[i]);
        }
    }
}
