//! Alignment search where the direction is known.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Batch, Config, Edit, Error, Logits, Model, Run, Stored, Weights, arch};
use kernels::{Backend, Cpu, DType, Naive};
use methods::{Alignment, AlignmentSearch, Exchange, Interchange, Sides, Subspace, align};
use support::{Golden, random_plain};

const D: usize = 16;
const TOKENS: usize = 64;

/// A network without attention or neurons: the logits of tokens 0 and 1 are ±1.5 times the stream's part along `v`; all other
/// tokens, the prompts, lie at ±`v`, by turns, with another direction three times as large, of a sign of its own, and some
/// noise.
fn planted(backend: Arc<dyn Backend>, v: &[f32]) -> Box<dyn Model> {
    let config = serde_json::json!({
        "architectures": ["PlainTransformerForCausalLM"], "n_layers": 1, "d_model": D, "n_heads": 1, "d_head": 4,
        "d_vocab": TOKENS, "n_ctx": 8,
    });
    let mut state = 88_172_645_463_325_252_u64;
    let mut number = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    let nuisance: Vec<f32> = (0..D).map(|_| number()).collect();
    let along: f32 = nuisance.iter().zip(v).map(|(x, v)| x * v).sum();
    let nuisance: Vec<f32> = nuisance.iter().zip(v).map(|(x, v)| x - along * v).collect();
    let length = nuisance.iter().map(|x| x * x).sum::<f32>().sqrt();
    let mut embed = vec![0.0; 2 * D];
    for token in 2..TOKENS {
        let sign = if token % 2 == 0 { 1.0 } else { -1.0 };
        let size = 3.0 * number().signum() / length;
        embed.extend((0..D).map(|i| sign * v[i] + size * nuisance[i] + 0.2 * number()));
    }
    let mut unembed = vec![0.0; TOKENS * D];
    for i in 0..D {
        (unembed[i], unembed[D + i]) = (1.5 * v[i], -1.5 * v[i]);
    }
    let mut tensors = BTreeMap::new();
    let mut put = |name: &str, shape: [usize; 2], values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        tensors.insert(name.to_owned(), Stored { dtype: DType::F32, shape: shape.to_vec(), bytes: bytes.into() });
    };
    put("embed.weight", [TOKENS, D], &embed);
    put("unembed.weight", [TOKENS, D], &unembed);
    for part in ["q", "k", "v"] {
        put(&format!("blocks.0.attn.{part}.weight"), [4, D], &[0.0; 4 * D]);
    }
    put("blocks.0.attn.o.weight", [D, 4], &[0.0; 4 * D]);
    arch::build(&Config::HuggingFace(config), Weights::new(tensors), backend, u64::MAX).unwrap()
}

/// A direction of length 1.
fn direction() -> Vec<f32> {
    let raw: Vec<f32> = (0..D).map(|i| ((i * 5 + 3) % 7) as f32 - 3.0).collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.iter().map(|x| x / length).collect()
}

fn sides<'a>(model: &'a dyn Model, prompts: [&'a [Vec<u32>]; 2]) -> Sides<'a> {
    Sides { model, edits: &[], memory: None, prompts, answers: [0, 1], layer: 0, pos: -1 }
}

fn search(dimensions: usize) -> AlignmentSearch {
    AlignmentSearch { dimensions, steps: 150, batch: 32, rate: 0.1, tests: 100, controls: 5, seed: 1 }
}

fn of(sides: &Sides<'_>, asked: AlignmentSearch) -> Alignment {
    align(sides, asked, &mut |_, _| Ok(())).unwrap()
}

#[test]
fn a_planted_direction_is_recovered() {
    let v = direction();
    for backend in [Arc::new(Cpu::new()) as Arc<dyn Backend>, Arc::new(Naive)] {
        let model = planted(backend, &v);
        // Prompts of one token and of two: the last is what counts.
        let prompt = |token: u32| if token.is_multiple_of(3) { vec![5, token] } else { vec![token] };
        let both = [0, 1].map(|side| (2..TOKENS as u32).filter(|t| t % 2 == side).map(prompt).collect::<Vec<_>>());
        let found = of(&sides(&*model, [&both[0], &both[1]]), search(1));
        let row = found.subspace.rows();
        let cosine = row.iter().zip(&v).map(|(r, v)| r * f64::from(*v)).sum::<f64>().abs();
        assert!(cosine >= 0.99, "{cosine}");
        assert!(found.cosine_to_means < 0.99, "the means are led astray: {}", found.cosine_to_means);
        assert_eq!((found.trained.all, found.whole.all, found.none.changed), (1.0, 1.0, 0.0));
        assert!(found.random.iter().all(|random| random.all < 0.8), "{:?}", found.random);
        assert!(found.shuffled.all < 0.8, "{:?}", found.shuffled);
        assert!(found.losses[140..].iter().sum::<f64>() < 0.5 * found.losses[..10].iter().sum::<f64>());
        assert_eq!(found.prompts, [30, 32]);
        assert_eq!(found, of(&sides(&*model, [&both[0], &both[1]]), search(1)), "the same seed, the same numbers");
    }
}

#[test]
fn the_gradient_is_that_of_the_loss() {
    let model = random_plain(Arc::new(Naive), 3);
    let sets = [0, 1].map(|side| (0..5).map(|i| vec![2 + i, 9 + side, 20 + 3 * i + side]).collect::<Vec<Vec<u32>>>());
    let sides = Sides { layer: 1, ..sides(&*model, [&sets[0], &sets[1]]) };
    let exchange = Interchange::of(&sides).unwrap();
    let pairs = [(0, 7, 1), (6, 2, 0), (3, 4, 0)].map(|(base, source, answer)| Exchange { base, source, answer });
    let rows: Vec<f64> = (0..2 * D).map(|i| f64::from(((i * 11 + 4) % 13) as u32) / 6.0 - 1.0).collect();
    let subspace = Subspace::spanned(D, &rows);
    let (loss, gradient) = exchange.loss(&subspace, &pairs).unwrap();
    // Along turns of one row towards directions outside of the subspace, which keep rows orthonormal to first order.
    for (row, toward) in [(0, 3), (1, 8), (0, 12)] {
        let mut axis = vec![0.0; D];
        axis[toward] = 1.0;
        let within = subspace.project(&axis);
        let outside: Vec<f64> = axis.iter().zip(within).map(|(x, y)| x - y).collect();
        let length = outside.iter().map(|x| x * x).sum::<f64>().sqrt();
        let turned = |angle: f64| {
            let mut rows = subspace.rows().to_vec();
            for (x, o) in rows[row * D..(row + 1) * D].iter_mut().zip(&outside) {
                *x = *x * angle.cos() + o / length * angle.sin();
            }
            exchange.loss(&Subspace::spanned(D, &rows), &pairs).unwrap().0
        };
        // Activations pass an edit as f32, so that steps are large.
        let slope = (turned(2e-3) - turned(-2e-3)) / 4e-3;
        let known: f64 = gradient[row * D..(row + 1) * D].iter().zip(&outside).map(|(g, o)| g * o / length).sum();
        assert!((slope - known).abs() < 2e-3 * known.abs().max(0.05), "{slope} {known}");
    }
    // The loss itself by whole runs: what the first pair makes of the base by hand.
    let logits = |prompt: &[u32], edits: &[Edit]| {
        let run = Run::new(&*model, Batch::one(prompt).unwrap()).edits(edits).logits(Logits::Last);
        run.go().unwrap().logits.unwrap().to_f64().into_owned()
    };
    let one = [Exchange { base: 0, source: 7, answer: 1 }];
    let swapped = exchange.loss(&Subspace::whole(D), &one).unwrap().0;
    let mut capture = engine::Capture::of(vec![model.spec().point("blocks.1.resid_post").unwrap()]);
    Run::new(&*model, Batch::one(&sets[1][2]).unwrap()).tap(&mut capture).unwrap();
    let there = capture.into_all().remove(0).prompt(0);
    let array = engine::Array { axes: None, shape: vec![D], data: there[2 * D..].to_vec() };
    let mut patch: Edit = "blocks.1.resid_post[pos=-1]=set:f.npy".parse().unwrap();
    patch.load::<Error>(model.spec(), |_, _| Ok(array.clone())).unwrap();
    let said = logits(&sets[0][0], &[patch]);
    assert!((swapped - (1.0 + (said[0] - said[1]).exp()).ln()).abs() < 1e-5);
    let plain = logits(&sets[0][0], &[]);
    let none = exchange.loss(&Subspace::none(D), &one).unwrap().0;
    assert!((none - (1.0 + (plain[0] - plain[1]).exp()).ln()).abs() < 1e-5 && loss > 0.0);
}

#[test]
fn wrong_questions_are_errors() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let some: Vec<Vec<u32>> = (0..4).map(|i| vec![3 + i, 9]).collect();
    let right = sides(&*model, [&some, &some]);
    let fails = |sides: Sides<'_>, asked: AlignmentSearch| {
        let error = align(&sides, asked, &mut |_, _| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
    };
    let quick = AlignmentSearch { steps: 1, batch: 2, tests: 2, controls: 0, ..search(1) };
    for sides in [
        Sides { layer: 2, ..right },
        Sides { pos: -3, ..right },
        Sides { answers: [4, 4], ..right },
        Sides { answers: [4, 128], ..right },
        Sides { prompts: [&some, &some[..3]], ..right },
    ] {
        fails(sides, quick);
    }
    for asked in [
        AlignmentSearch { dimensions: 0, ..quick },
        AlignmentSearch { dimensions: 33, ..quick },
        AlignmentSearch { steps: 0, ..quick },
        AlignmentSearch { tests: 1, ..quick },
        AlignmentSearch { rate: f64::NAN, ..quick },
    ] {
        fails(right, asked);
    }
}
