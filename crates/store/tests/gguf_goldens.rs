//! Golden networks converted to GGUF (by `scripts/make_gguf_goldens.py`) against the same in Hugging Face's own files:
//! equal parameters under equal names, and equal bits at every point.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;

use engine::{Batch, Capture, Model, Run, Select, arch};
use kernels::Cpu;
use store::Format;

fn network(variant: &str, file: &str, format: Format, budget: u64) -> Box<dyn Model> {
    let file = store::open(&support::root().join("tests/golden").join(variant).join(file)).unwrap();
    assert_eq!(file.format(), format);
    arch::build(file.config().unwrap(), file.weights(), Arc::new(Cpu::new()), budget).unwrap()
}

fn activations(model: &dyn Model) -> Capture {
    let mut capture = Capture::of("*".parse::<Select>().unwrap().resolve(model.spec()).unwrap());
    let batch = Batch::new(&[vec![5, 17, 99, 5, 17, 64, 127], vec![3, 88, 3, 41]]).unwrap();
    Run::new(model, batch).tap(&mut capture).unwrap();
    capture
}

#[test]
fn a_converted_network_is_the_same_network() {
    for variant in ["gpt2", "neox", "olmo2", "phi3-long", "gemma2", "gemma3", "mixtral", "qwen2-moe"] {
        let ours = network(variant, "model.gguf", Format::Gguf, u64::MAX);
        let theirs = network(variant, "model.safetensors", Format::Safetensors, u64::MAX);
        assert_eq!(ours.spec().sizes, theirs.spec().sizes, "{variant}");
        assert_eq!(ours.spec().parameters.len(), theirs.spec().parameters.len(), "{variant}");
        for (a, b) in ours.spec().parameters.iter().zip(&theirs.spec().parameters) {
            assert_eq!((&a.name, &a.shape), (&b.name, &b.shape), "{variant}");
            assert!(a.values(&**ours.backend()) == b.values(&**theirs.backend()), "{variant}: {}", a.name);
        }
        // Matrices that stay in the file's encoding are expanded, or cut out of a stack, whenever they are needed.
        let stored = network(variant, "model.gguf", Format::Gguf, 0);
        let (ours, stored) = (activations(&*ours), activations(&*stored));
        for ((a, b), c) in ours.into_all().iter().zip(activations(&*theirs).into_all()).zip(stored.into_all()) {
            assert_eq!(a.point.name, b.point.name, "{variant}");
            assert!(a.data == b.data, "{variant}: {}", a.point.name);
            assert!(a.data == c.data, "{variant}: {} of a network that is not expanded", a.point.name);
        }
    }
}
