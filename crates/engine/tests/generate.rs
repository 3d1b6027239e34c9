//! Generation: the tokens are those of whole passes, whatever is edited, seen or cached on the way.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{
    Batch, Closure, Edit, End, Error, Generation, Model, Run, Sampling, Stored, Weights, arch, diagnose, unembed,
};
use kernels::{Cpu, Naive};
use support::{Noise, VOCAB, random_llama};

fn cpu() -> Box<dyn Model> {
    random_llama(Arc::new(Cpu::new()))
}

fn tokens(generated: &engine::Generated) -> Vec<u32> {
    generated.chosen.iter().map(|c| c.token).collect()
}

/// The likeliest tokens one after another, each from a pass over the whole text so far.
fn without_cache(model: &dyn Model, prompt: &[u32], edits: &[Edit], most: usize) -> Vec<u32> {
    let mut text = prompt.to_vec();
    for _ in 0..most {
        let run = Run::new(model, Batch::one(&text).unwrap()).edits(edits).prompt_lengths(vec![prompt.len()]);
        let logits = run.go().unwrap().logits.unwrap();
        text.push(model.backend().top_k(&logits, VOCAB as usize, 1).ids[text.len() - 1]);
    }
    text.split_off(prompt.len())
}

#[test]
fn tokens_are_the_same_with_the_cache_as_without() {
    let prompt = Noise::new(21).tokens(9, VOCAB);
    let edits: Vec<Vec<Edit>> = [
        &[][..],
        &["blocks.1.attn.z[head=2]=zero"],
        &["blocks.0.resid_post[pos=-1]=*3", "blocks.2.attn.pattern[src=0]=zero", "blocks.1.mlp.post[pos=12]=*-2"],
    ]
    .map(|edits| edits.iter().map(|edit| edit.parse().unwrap()).collect())
    .into();
    let mut texts = Vec::new();
    for model in [cpu(), random_llama(Arc::new(Naive))] {
        for edits in &edits {
            let generated = Generation::new(&*model, &prompt, 20).edits(edits).go(|_| Ok(())).unwrap();
            assert_eq!(tokens(&generated), without_cache(&*model, &prompt, edits, 20));
            assert_eq!(generated.end, End::Length);
            texts.push(tokens(&generated));
        }
    }
    assert!(texts[0] != texts[1] && texts[0] != texts[2], "the edits change the text");
    assert_eq!(texts[..3], texts[3..], "both backends agree");
}

#[test]
fn points_seen_while_generating_are_those_of_the_whole_text() {
    let model = cpu();
    let prompt = Noise::new(22).tokens(6, VOCAB);
    let id = model.spec().point("blocks.2.resid_post").unwrap();
    let mut rows = Vec::new();
    let mut tap = Closure::at(vec![id], |seen| {
        assert_eq!(seen.batch.past(0) * 24, rows.len());
        rows.extend_from_slice(&seen.tensor.data.to_f32());
        Ok(None)
    });
    let generated = Generation::new(&*model, &prompt, 5).tap(&mut tap, |_| Ok(())).unwrap();
    let whole: Vec<u32> = prompt.iter().copied().chain(tokens(&generated)).collect();
    let mut capture = engine::Capture::of(vec![id]);
    Run::new(&*model, Batch::one(&whole[..whole.len() - 1]).unwrap()).tap(&mut capture).unwrap();
    assert!(rows == capture.get(id).unwrap().prompt(0));
}

#[test]
fn log_probabilities_are_those_of_the_model() {
    let model = cpu();
    let prompt = Noise::new(23).tokens(4, VOCAB);
    let sampling = Sampling { temperature: 2.0, top_k: Some(20), seed: 3, ..Sampling::GREEDY };
    let generated = Generation::new(&*model, &prompt, 8).sampling(sampling).go(|_| Ok(())).unwrap();
    let again = Generation::new(&*model, &prompt, 8).sampling(sampling).go(|_| Ok(())).unwrap();
    assert_eq!(generated, again);
    let mut text = prompt;
    for chosen in &generated.chosen {
        let logits = Run::new(&*model, Batch::one(&text).unwrap()).go().unwrap().logits.unwrap();
        let logits = logits.to_f64()[(text.len() - 1) * VOCAB as usize..].to_vec();
        let expected = logits[chosen.token as usize] - logits.iter().map(|x| x.exp()).sum::<f64>().ln();
        assert!((chosen.logprob - expected).abs() < 1e-5);
        text.push(chosen.token);
    }
}

#[test]
fn a_text_ends_for_one_of_three_reasons() {
    let model = cpu();
    let prompt = Noise::new(24).tokens(5, VOCAB);
    let plain = Generation::new(&*model, &prompt, 6).go(|_| Ok(())).unwrap();
    let third = tokens(&plain)[2];
    let stopped = Generation::new(&*model, &prompt, 6).stop(&[third]).go(|_| Ok(())).unwrap();
    let before = tokens(&plain).iter().position(|&t| t == third).unwrap();
    assert_eq!((tokens(&stopped), stopped.end), (tokens(&plain)[..before].to_vec(), End::Stop(third)));
    let long = Noise::new(25).tokens(598, VOCAB);
    let full = Generation::new(&*model, &long, 10).go(|_| Ok(())).unwrap();
    assert_eq!((full.chosen.len(), full.end), (3, End::Context), "600 positions, and one token chosen after the last");
    assert_eq!(Generation::new(&*model, &prompt, 0).go(|_| Ok(())).unwrap().chosen, []);
}

#[test]
fn a_callback_ends_the_generation() {
    let model = cpu();
    let mut seen = 0;
    let stop = |_| {
        seen += 1;
        if seen == 3 { Err(Error::Cancelled) } else { Ok(()) }
    };
    assert!(matches!(Generation::new(&*model, &[1, 2], 50).go(stop), Err(Error::Cancelled)));
    assert_eq!(seen, 3);
    assert!(Generation::new(&*model, &[], 5).go(|_| Ok(())).is_err(), "an empty prompt");
}

#[test]
fn the_first_bad_place_is_named() {
    let mut tensors = support::tensors(7);
    let name = "model.layers.1.mlp.up_proj.weight";
    let damaged: &mut Stored = tensors.get_mut(name).unwrap();
    let mut bytes = damaged.bytes.as_slice().to_vec();
    bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    damaged.bytes = bytes.into();
    let weights = Weights::new(tensors);
    assert_eq!(weights.not_finite(), [name]);
    let model = arch::build(&engine::Config::HuggingFace(support::config()), weights, Arc::new(Cpu::new()), u64::MAX);
    let model = model.unwrap();
    let error = Generation::new(&*model, &[1, 2, 3], 2).go(|_| Ok(())).unwrap_err();
    assert!(
        matches!(&error, Error::NotFinite { point, culprit } if point == "blocks.1.mlp.pre_linear" && culprit == "NaN at position 0"),
        "{error}"
    );
    let whole = cpu();
    let strong: Edit = "blocks.0.attn.attn_scores[head=1,dst=2,src=0]=*-1e60".parse().unwrap();
    let error = diagnose(&*whole, Batch::one(&[1, 2, 3]).unwrap(), &[strong], None);
    assert!(
        matches!(&error, Error::NotFinite { point, culprit } if point == "blocks.0.attn.attn_scores" && culprit == "inf at pos/dst 2"),
        "{error}"
    );
}

#[test]
fn unembedding_the_last_stream_gives_the_logits() {
    let model = cpu();
    let id = model.spec().point("blocks.2.resid_post").unwrap();
    let mut capture = engine::Capture::of(vec![id]);
    let logits = Run::new(&*model, Batch::one(&[5, 6, 7]).unwrap()).tap(&mut capture).unwrap().logits.unwrap();
    let resid = engine::Tensor::constant((*capture.get(id).unwrap().data).clone());
    assert!(unembed(&*model, &resid).data == logits);
}
