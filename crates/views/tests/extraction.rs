//! The program is taken out of the network that ships, and none out of networks that have none.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::PathBuf;
use std::sync::Arc;

use engine::{Config, Model, arch};
use extract::{Extraction, emit, extract};
use kernels::Cpu;
use lab::finite::{Ask, Operation, Task};
use lab::{Network, Parameters};
use methods::finite::Finite;
use views::{Opened, extracted};

fn zoo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../zoo/sums")
}

fn sums(modulus: u32) -> Task {
    Ask::Modular { operation: Operation::Add, modulus }.task().unwrap()
}

fn network(task: &Task) -> Network {
    Network::plain(&task.domain, task.words.len(), 32, 2, 64).unwrap()
}

fn model(network: &Network, parameters: &Parameters) -> Box<dyn Model> {
    let config = Config::HuggingFace(network.config.clone());
    arch::build(&config, parameters.weights(), Arc::new(Cpu::new()), u64::MAX).unwrap()
}

fn of(model: &dyn Model, task: &Task) -> Extraction {
    let finite = Finite::new(model, &[], None).unwrap();
    extract(&finite, Some(&|input| task.answer(input)), 0, &mut |_, _| Ok(())).unwrap()
}

#[test]
fn the_network_that_adds_is_a_sum_of_cosines_is_addition() {
    let opened = Opened::open(&zoo(), Arc::new(Cpu::new()), u64::MAX).unwrap();
    let finite = Finite::new(opened.model().unwrap(), &[], None).unwrap();
    let Extraction { report, mechanism, program, .. } =
        extracted(opened.file(), &finite, 0, &mut |_, _| Ok(())).unwrap();
    assert_eq!(report.closed_form.as_deref(), Some("(a + b) % 113"), "{report:?}");
    assert_eq!(
        (report.domain_size, report.agree_network, report.agree_spec),
        (Some(12_769), Some(12_769), Some(12_769))
    );
    assert!(report.bits.unwrap() * 2 < report.table_bits.unwrap());
    let (found, controls) = (report.mechanism.unwrap(), report.controls.unwrap());
    assert!(found.logit_fve >= 0.95 && found.neurons_explained.unwrap() >= 0.95, "{found:?}");
    assert!(found.neurons_explained_of_all.unwrap() >= 0.8 && found.neurons_in_use.unwrap() > 100, "{found:?}");
    assert!(found.margin.unwrap() > 1.0 && found.agree_network == 12_769, "{found:?}");
    assert!(controls.other_frequencies_fve.iter().all(|&fve| fve < 0.3), "{controls:?}");
    assert!(controls.accuracy_without_key < 0.05, "{controls:?}");
    assert!(controls.accuracy_without_others.iter().all(|&accuracy| accuracy >= 0.95), "{controls:?}");
    assert_eq!((controls.other_frequencies_fve.len(), controls.accuracy_without_others.len()), (10, 10));
    let (mechanism, program) = (mechanism.unwrap(), program.unwrap());
    for (a, b) in [(0, 0), (57, 56), (112, 112)] {
        assert_eq!((mechanism.run(&[a, b]).unwrap(), program.run(&[a, b]).unwrap()), ((a + b) % 113, (a + b) % 113));
    }
    let source = emit::rust(&mechanism).unwrap();
    for frequency in found.frequencies {
        assert!(source.contains(&format!("mlp.down, frequency {frequency}")), "{source}");
    }
}

#[test]
fn networks_without_a_program_say_why() {
    let task = sums(23);
    let network = network(&task);
    let random = of(&*model(&network, &network.draw(1)), &task);
    assert!(random.program.is_none() && random.report.family.is_none(), "{:?}", random.report);
    assert!(random.report.why.contains("frequency stands out"), "{}", random.report.why);
    assert_eq!((random.report.domain_size, random.report.unexplained.behaviour), (Some(529), 1.0));
    // The shipped network before it understood, and one whose unembedding is put together at random.
    let before = zoo().join("checkpoints/1500.safetensors");
    let bytes = store::map(&before).unwrap();
    let tensors = store::safetensors::Safetensors::parse(&bytes, &before).unwrap().tensors;
    let config = serde_json::from_slice(&std::fs::read(zoo().join("config.json")).unwrap()).unwrap();
    let weights = engine::Weights::new(tensors);
    let remembers = arch::build(&Config::HuggingFace(config), weights, Arc::new(Cpu::new()), u64::MAX).unwrap();
    let remembers = of(&*remembers, &sums(113));
    assert!(remembers.program.is_none() && remembers.report.family.is_none(), "{:?}", remembers.report);
    assert!(!remembers.report.why.is_empty());
}

#[test]
fn a_network_without_a_domain_is_told_so() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/llama");
    let opened = Opened::open(&golden, Arc::new(Cpu::new()), u64::MAX).unwrap();
    let error = Finite::new(opened.model().unwrap(), &[], None).err().unwrap().to_string();
    assert!(error.contains("for which inputs it was made"), "{error}");
}
