//! What Unseal computes, computed here and held against plain f64 arithmetic on Hugging Face's own activations, or
//! against the f64 backend; also where Unseal's own answer is another one.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Batch, Capture, Closure, Edit, Logits, Model, Op, Run, Tensor, Value};
use kernels::{Cpu, Naive};
use methods::{HeadSources, Subject, Target, head_sources, logit_lens};
use support::Golden;

const ALLOWED: f64 = 1e-4;
const D: usize = 32;
const HEADS: usize = 4;
const D_HEAD: usize = 8;

fn subject<'a>(model: &'a dyn Model, tokens: &'a [u32], edits: &'a [Edit]) -> Subject<'a> {
    Subject { model, tokens, edits, memory: None, kept: None }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn close(found: &[f64], known: &[f64], what: &str) {
    assert_eq!(found.len(), known.len(), "{what}");
    for (i, (found, known)) in found.iter().zip(known).enumerate() {
        let same = found == known || (found - known).abs() <= ALLOWED * known.abs().max(1.0);
        assert!(same, "{what} {i}: {found} {known}");
    }
}

/// All activations of a pass at one point.
fn captured(model: &dyn Model, tokens: &[u32], edits: &[Edit], point: &str) -> Vec<f64> {
    let id = model.spec().point(point).unwrap();
    let mut capture = Capture::of(vec![id]);
    Run::new(model, Batch::one(tokens).unwrap()).edits(edits).logits(Logits::None).tap(&mut capture).unwrap();
    capture.get(id).unwrap().data.to_f64().into_owned()
}

fn logits(model: &dyn Model, tokens: &[u32], edits: &[Edit]) -> Vec<f64> {
    let run = Run::new(model, Batch::one(tokens).unwrap()).edits(edits).logits(Logits::All);
    run.go().unwrap().logits.unwrap().to_f64().into_owned()
}

/// Logits of the f64 network when a function changes one activation, without any edit.
fn logits_changed(golden: &Golden, tokens: &[u32], point: &str, change: impl Fn(&mut Vec<f64>)) -> Vec<f64> {
    let model = golden.model(Arc::new(Naive));
    let id = model.spec().point(point).unwrap();
    let mut tap = Closure::at(vec![id], |seen| {
        let mut values = seen.tensor.data.to_f64().into_owned();
        change(&mut values);
        Ok(Some(Tensor::constant(seen.backend.upload(&values))))
    });
    let run = Run::new(&*model, Batch::one(tokens).unwrap()).logits(Logits::All);
    run.tap(&mut tap).unwrap().logits.unwrap().to_f64().into_owned()
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| (x - most).exp()).sum();
    logits.iter().map(|x| x - most - sum.ln()).collect()
}

/// `save_output`.
#[test]
fn captures_are_what_the_network_computes() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    for point in ["blocks.0.resid_post", "blocks.1.attn.z", "blocks.1.mlp.post", "blocks.0.attn.pattern"] {
        close(&captured(&*model, &golden.tokens, &[], point), &golden.known(point), point);
    }
}

/// `generate_logit_lense`: log-probability, rank and KL(final‖layer). Unseal leaves the final norm out.
#[test]
fn the_lens_goes_through_the_final_norm() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let found = logit_lens(subject(&*model, &golden.tokens, &[]), 3, &mut |_, _| Ok(())).unwrap();
    let (gain, rows) =
        (golden.weight("model.norm.weight").unwrap(), golden.weight("model.embed_tokens.weight").unwrap());
    let unembed = |x: &[f64]| -> Vec<f64> { rows.chunks_exact(D).map(|row| dot(row, x)).collect() };
    let normed = |x: &[f64]| -> Vec<f64> {
        let scale = (dot(x, x) / D as f64 + golden.eps()).sqrt();
        x.iter().zip(&gain).map(|(x, gain)| x / scale * gain).collect()
    };
    let streams = ["embed", "blocks.0.resid_post", "blocks.1.resid_post"].map(|point| golden.known(point));
    let n = found.positions;
    let mut without_differs = false;
    for pos in 0..n {
        let last = log_softmax(&unembed(&normed(&streams[2][pos * D..][..D])));
        let best = (0..last.len()).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
        for (layer, stream) in streams.iter().enumerate() {
            let row = &stream[pos * D..][..D];
            let (here, without) = (log_softmax(&unembed(&normed(row))), log_softmax(&unembed(row)));
            let mut sorted = here.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let cell = layer * n + pos;
            let probs: Vec<f64> = found.top_probs[cell * 3..][..3].iter().map(|&p| f64::from(p)).collect();
            close(&probs, &sorted[..3].iter().map(|x| x.exp()).collect::<Vec<_>>(), "probabilities");
            let kl: f64 = last.iter().zip(&here).map(|(p, q)| p.exp() * (p - q)).sum();
            close(&[found.kl_to_final[cell]], &[kl], "KL");
            let rank = here.iter().filter(|&&x| x > here[best]).count();
            assert_eq!(found.rank_of_final[cell] as usize, rank);
            without_differs |= (without[best] - here[best]).abs() > 0.1;
        }
    }
    assert!(without_differs, "without the norm the numbers are others");
}

/// `compute_attn_logits` and `transformers_get_attention`.
#[test]
fn attention_logits_are_scaled_products_of_queries_and_keys() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let n = golden.tokens.len();
    let (q, k) = (golden.known("blocks.1.attn.rot_q"), golden.known("blocks.1.attn.rot_k"));
    let mut scores = vec![];
    for (head, dst) in (0..HEADS).flat_map(|head| (0..n).map(move |dst| (head, dst))) {
        let query = &q[(dst * HEADS + head) * D_HEAD..][..D_HEAD];
        // Two query heads share a key.
        let key = |src: usize| &k[(src * 2 + head / 2) * D_HEAD..][..D_HEAD];
        let score = |src| if src > dst { f64::NEG_INFINITY } else { dot(query, key(src)) / (D_HEAD as f64).sqrt() };
        scores.extend((0..n).map(score));
    }
    close(&captured(&*model, &golden.tokens, &[], "blocks.1.attn.attn_scores"), &scores, "scores");
    let pattern: Vec<f64> = scores.chunks_exact(n).flat_map(log_softmax).map(f64::exp).collect();
    close(&captured(&*model, &golden.tokens, &[], "blocks.1.attn.pattern"), &pattern, "pattern");
}

/// `split_heads` of `create_logit_hook`, for which Unseal cuts `d_model` into pieces: a head's output is its columns of
/// the output matrix times its z.
#[test]
fn heads_are_split_by_head() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let (z, o) = (golden.known("blocks.0.attn.z"), golden.weight("model.layers.0.self_attn.o_proj.weight").unwrap());
    let column = |pos: usize, head: usize, i: usize| -> f64 {
        dot(&o[i * D + head * D_HEAD..][..D_HEAD], &z[(pos * HEADS + head) * D_HEAD..][..D_HEAD])
    };
    let n = golden.tokens.len();
    let places = || (0..n).flat_map(|pos| (0..HEADS).map(move |head| (pos, head)));
    let known: Vec<f64> =
        places().flat_map(|(pos, head)| (0..D).map(move |i| (pos, head, i))).map(|(p, h, i)| column(p, h, i)).collect();
    let result = captured(&*model, &golden.tokens, &[], "blocks.0.attn.result");
    close(&result, &known, "results");
    let sums: Vec<f64> =
        (0..n * D).map(|at| (0..HEADS).map(|h| result[(at / D * HEADS + h) * D + at % D]).sum()).collect();
    close(&sums, &golden.known("blocks.0.attn_out"), "the heads' sum");
    let slice: Vec<f64> =
        (0..D).map(|i| golden.known("blocks.0.attn_out")[i] * f64::from(u8::from(i < D_HEAD))).collect();
    let differs = slice.iter().zip(&known).any(|(slice, head)| (slice - head).abs() > 1e-2);
    assert!(differs, "a piece of d_model is no head");
}

fn sources(golden: &Golden, target: Target) -> HeadSources {
    let model = golden.model(Arc::new(Cpu::new()));
    head_sources(subject(&*model, &golden.tokens, &[]), target, &mut |_, _| Ok(())).unwrap()
}

/// `gpt_attn_wrapper` and `create_logit_hook`: per head and source, centred or as a difference.
#[test]
fn what_a_head_takes_from_a_source_is_plain_arithmetic() {
    let golden = Golden::new("llama");
    let n = golden.tokens.len();
    let (gain, rows) =
        (golden.weight("model.norm.weight").unwrap(), golden.weight("model.embed_tokens.weight").unwrap());
    let row = |id: usize| rows[id * D..][..D].to_vec();
    let mean: Vec<f64> = (0..D).map(|i| (0..128).map(|id| rows[id * D + i]).sum::<f64>() / 128.0).collect();
    let cases = [(None, false, vec![0.0; D]), (Some(7), false, row(7)), (None, true, mean)];
    for (pos, (minus, centred, taken)) in
        [(-1, &cases[0]), (3, &cases[1]), (-2, &cases[2])].map(|(pos, case)| (pos, case.clone()))
    {
        let found = sources(&golden, Target { token: Some(9), minus, centred, pos });
        let dst = found.direct.position;
        let scale = golden.known("ln_final.scale")[dst];
        let direction: Vec<f64> = (0..D).map(|i| (row(9)[i] - taken[i]) * gain[i] / scale).collect();
        let mut known = vec![];
        for layer in 0..2 {
            let point = |local: &str| golden.known(&format!("blocks.{layer}.attn.{local}"));
            let (pattern, v) = (point("pattern"), point("v"));
            let o = golden.weight(&format!("model.layers.{layer}.self_attn.o_proj.weight")).unwrap();
            for (head, src) in (0..HEADS).flat_map(|head| (0..n).map(move |src| (head, src))) {
                let value = &v[(src * 2 + head / 2) * D_HEAD..][..D_HEAD];
                let written: Vec<f64> = (0..D).map(|i| dot(&o[i * D + head * D_HEAD..][..D_HEAD], value)).collect();
                known.push(pattern[(head * n + dst) * n + src] * dot(&direction, &written));
            }
        }
        close(&found.contributions, &known, "contributions");
    }
}

/// Also behind norms with a mean, biases, norms after the attention and grouped heads.
#[test]
fn sources_sum_to_their_heads_in_every_family() {
    for name in ["llama", "gpt2", "neox", "qwen3", "olmo2", "gemma2", "phi3", "mixtral"] {
        let golden = Golden::new(name);
        for pos in [0, 4, -1] {
            let found = sources(&golden, Target { token: Some(5), minus: Some(11), centred: false, pos });
            let n = golden.tokens.len();
            let rest = found.direct.heads.len() * n;
            assert_eq!((found.contributions.len(), found.pattern.len()), (rest, rest));
            // What a head adds by the bias of its values is part of its values, and so of the sum.
            let sums: Vec<f64> = found.contributions.chunks_exact(n).map(|row| row.iter().sum()).collect();
            close(&sums, &found.direct.heads, name);
            let attention: Vec<f64> = found.pattern.chunks_exact(n).map(|row| row.iter().sum()).collect();
            assert!(attention.iter().all(|sum| (sum - 1.0).abs() < 1e-4), "{name}: {attention:?}");
            let later = found.direct.position + 1;
            assert!(found.contributions.chunks_exact(n).all(|row| row[later..].iter().all(|&x| x == 0.0)), "{name}");
        }
    }
}

/// `hidden_patch_hook_fn`.
#[test]
fn a_hidden_state_of_another_prompt_can_be_put_in() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let (tokens, other) = (&golden.tokens, golden.tokens.iter().map(|id| (id + 1) % 128).collect::<Vec<u32>>());
    let point = "blocks.0.resid_post";
    let there = captured(&*model, &other, &[], point);
    let mut edit: Edit = "blocks.0.resid_post[pos=2]=patch:x".parse().unwrap();
    let axes = model.spec().points[model.spec().point(point).unwrap().index()].axes.iter().map(|(axis, _)| *axis);
    let array = engine::Array {
        axes: Some(axes.collect()),
        shape: vec![other.len(), D],
        data: there.iter().map(|&x| x as f32).collect(),
    };
    edit.op = Op::Patch(Value::Loaded(BTreeMap::from([(point.to_owned(), Arc::new(array))])));
    let known = logits_changed(&golden, tokens, point, |values| {
        values[2 * D..3 * D].copy_from_slice(&there[2 * D..3 * D]);
    });
    close(&logits(&*model, tokens, &[edit]), &known, "patched");
}

/// `replace_activation(slice)`, whose slice Unseal reads with `eval`.
#[test]
fn a_slice_of_an_activation_can_be_replaced() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    for (edit, factor) in [("zero", 0.0), ("*-1.5", -1.5)] {
        let edit: Edit = format!("blocks.1.attn.z[head=1|3,pos=2..5]={edit}").parse().unwrap();
        let known = logits_changed(&golden, &golden.tokens, "blocks.1.attn.z", |values| {
            for (pos, head) in (2..5).flat_map(|pos| [(pos, 1), (pos, 3)]) {
                values[(pos * HEADS + head) * D_HEAD..][..D_HEAD].iter_mut().for_each(|x| *x *= factor);
            }
        });
        close(&logits(&*model, &golden.tokens, &[edit]), &known, "replaced");
    }
}

/// `additive_output_noise`, the same noise whenever the seed is.
#[test]
fn noise_is_added_where_it_is_asked_for() {
    let golden = Golden::new("llama");
    let model = golden.model(Arc::new(Cpu::new()));
    let edit = |text: &str| -> [Edit; 1] { [text.parse().unwrap()] };
    let added = |text: &str, tokens: &[u32]| -> Vec<f64> {
        let (with, plain) = (captured(&*model, tokens, &edit(text), "embed"), captured(&*model, tokens, &[], "embed"));
        with.iter().zip(&plain).map(|(with, plain)| with - plain).collect()
    };
    let noise = added("embed=noise:0.1:3", &golden.tokens);
    let size = (dot(&noise, &noise) / noise.len() as f64).sqrt();
    assert!((0.08..0.12).contains(&size), "{size}");
    let twice = added("embed=noise:0.2:3", &golden.tokens);
    close(&twice, &noise.iter().map(|x| 2.0 * x).collect::<Vec<_>>(), "noise of twice the size");
    assert!(added("embed=noise:0.1", &golden.tokens) != noise, "another seed");
    close(&added("embed=noise:0.1:3", &golden.tokens[..3]), &noise[..3 * D], "a shorter prompt");
    let only = added("embed[pos=1]=noise:0.1:3", &golden.tokens);
    assert!(only[..D].iter().chain(&only[2 * D..]).all(|&x| x == 0.0));
    close(&only[D..2 * D], &noise[D..2 * D], "one position");
    let known = logits_changed(&golden, &golden.tokens, "embed", |values| {
        values.iter_mut().zip(&noise).for_each(|(x, noise)| *x += noise);
    });
    close(&logits(&*model, &golden.tokens, &edit("embed=noise:0.1:3")), &known, "logits");
    for wrong in ["noise:", "noise:-1", "noise:inf", "noise:1:x", "noise:1:-2"] {
        assert!(format!("embed={wrong}").parse::<Edit>().is_err(), "{wrong}");
    }
    let text = edit("embed[pos=1]=noise:0.1:3")[0].to_string();
    assert_eq!(edit(&text), edit("embed[pos=1]=noise:0.1:3"));
}
