//! Several questions about one prompt need one pass, and are answered the same.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{Anatomy, Batch, Edit, Graph, Kept, Model, Pass, PointId, Result, Run, Spec, Tensor};
use kernels::{Backend, Cpu};
use methods::{Subject, direct_logit, logit_lens, next_tokens, patterns, residual};
use support::Golden;

/// A model that counts its passes.
struct Counting(Box<dyn Model>, AtomicUsize);

impl Model for Counting {
    fn spec(&self) -> &Spec {
        self.0.spec()
    }

    fn backend(&self) -> &Arc<dyn Backend> {
        self.0.backend()
    }

    fn forward(&self, pass: &mut Pass<'_>) -> Result<Tensor> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.forward(pass)
    }

    fn unembed(&self, graph: &mut Graph<'_>, resid: &Tensor) -> Tensor {
        self.0.unembed(graph, resid)
    }

    fn anatomy(&self) -> Option<Anatomy<'_>> {
        self.0.anatomy()
    }
}

#[test]
fn a_pass_that_was_kept_serves_every_method_with_the_same_bits() {
    let golden = Golden::new("llama");
    let model = Counting(golden.model(Arc::new(Cpu::new())), AtomicUsize::new(0));
    let edits: Vec<Edit> = vec!["blocks.0.attn.z[head=1]=zero".parse().unwrap()];
    let all: Vec<PointId> = model.spec().points.iter().filter_map(|point| model.spec().point(&point.name)).collect();
    let run = Run::new(&model, Batch::one(&golden.tokens).unwrap()).edits(&edits);
    let kept = Kept::of(run, all).unwrap();
    let passes = || model.1.swap(0, Ordering::Relaxed);
    assert_eq!(passes(), 1);
    let alone = Subject { model: &model, tokens: &golden.tokens, edits: &edits, memory: None, kept: None };
    let shared = Subject { kept: Some(&kept), ..alone };
    let quiet = &mut |_, _| Ok(());
    let mut answers = |subject: Subject<'_>| {
        let lens = logit_lens(subject, 3, quiet).unwrap();
        let next = next_tokens(subject, 3, quiet).unwrap();
        let heads = patterns(subject, None, None, quiet).unwrap();
        let stream = residual(subject, quiet).unwrap().norms();
        let shares = direct_logit(subject, None, None, -1, 4, quiet).unwrap();
        format!("{lens:?} {next:?} {heads:?} {stream:?} {shares:?}")
    };
    let known = answers(alone);
    assert!(passes() >= 5);
    assert!(answers(shared) == known);
    assert_eq!(passes(), 0);

    // Another prompt, other edits: it is of no use, and does no harm.
    let other = Subject { tokens: &golden.tokens[..3], ..shared };
    let plain = Subject { edits: &[], ..shared };
    for subject in [other, plain] {
        let ours = format!("{:?}", next_tokens(subject, 2, quiet).unwrap());
        assert_eq!(passes(), 1);
        let known = next_tokens(Subject { kept: None, ..subject }, 2, quiet).unwrap();
        assert_eq!(ours, format!("{known:?}"));
        assert_eq!(passes(), 1);
    }
}
