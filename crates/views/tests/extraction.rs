//! The program is taken out of the network that ships, and none out of networks that have none.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Config, Model, Stored, Weights, arch};
use extract::{Extraction, emit, extract};
use kernels::{Bytes, Cpu, DType};
use lab::finite::{Ask, FiniteMark, Operation, Task};
use lab::{Network, Parameters, Random};
use methods::finite::Finite;
use serde_json::json;
use tempfile::tempdir;
use views::{MAKERS, Made, News, Onlooker, Opened, Workplace, extracted};

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

/// The network that ships, some of its tensors changed.
fn shipped(file: &str, change: impl Fn(&mut BTreeMap<String, Stored>)) -> Box<dyn Model> {
    let path = zoo().join(file);
    let mut tensors = store::safetensors::Safetensors::parse(&store::map(&path).unwrap(), &path).unwrap().tensors;
    change(&mut tensors);
    let config = serde_json::from_slice(&std::fs::read(zoo().join("config.json")).unwrap()).unwrap();
    arch::build(&Config::HuggingFace(config), Weights::new(tensors), Arc::new(Cpu::new()), u64::MAX).unwrap()
}

fn unembedding_at_random(tensors: &mut BTreeMap<String, Stored>) {
    let unembedding = tensors.get_mut("unembed.weight").unwrap();
    let mut random = Random::new(3, 0);
    let drawn = (0..unembedding.shape.iter().product()).flat_map(|_| (random.normal() as f32).to_le_bytes());
    *unembedding = Stored { dtype: DType::F32, bytes: Bytes::from(drawn.collect::<Vec<u8>>()), ..unembedding.clone() };
}

struct Deaf;

impl Onlooker for Deaf {
    fn sees(&self, _: &News<'_>) -> bool {
        true
    }
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
    // The shipped network before it understood.
    let remembers = of(&*shipped("checkpoints/1500.safetensors", |_| ()), &sums(113));
    assert!(remembers.program.is_none() && remembers.report.family.is_none(), "{:?}", remembers.report);
    assert!(!remembers.report.why.is_empty());
    // The network that adds, its unembedding drawn at random: all before it is as it was.
    let scrambled = of(&*shipped("model.safetensors", unembedding_at_random), &sums(113));
    assert!(scrambled.program.is_none() && scrambled.report.family.is_none(), "{:?}", scrambled.report);
    assert!(scrambled.report.why.contains("frequency stands out"), "{}", scrambled.report.why);
}

/// What comes of a network that is trained on the spot.
fn of_trained(maker: &str, recipe: serde_json::Value) -> (FiniteMark, Extraction) {
    let folder = tempdir().unwrap();
    let place = Workplace::new(folder.path(), Arc::new(Cpu::new()), 2, &Deaf);
    let maker = MAKERS.iter().find(|one| one.name == maker).unwrap();
    let Made::Whole(evaluation) = maker.make(recipe, &place).unwrap() else { panic!("it was not stopped") };
    let opened = Opened::open(folder.path(), Arc::new(Cpu::new()), u64::MAX).unwrap();
    let finite = Finite::new(opened.model().unwrap(), &[], None).unwrap();
    let extraction = extracted(opened.file(), &finite, 0, &mut |_, _| Ok(())).unwrap();
    (serde_json::from_value(evaluation).unwrap(), extraction)
}

/// It knows answers by heart that follow no rule.
#[test]
fn a_network_that_learnt_shuffled_labels_has_no_program() {
    let recipe = json!({
        "modulus": 17, "labels": "shuffled", "share": 1.0, "d_model": 32, "heads": 2, "d_mlp": 64,
        "lr": 0.01, "weight_decay": 0.0, "steps": 400, "evaluate": 400, "seed": 1
    });
    let (mark, extraction) = of_trained("modular-addition", recipe);
    assert!(mark.train_accuracy > 0.99, "{mark:?}");
    let report = extraction.report;
    assert!(extraction.program.is_none() && extraction.mechanism.is_none() && report.family.is_none(), "{report:?}");
    // What is right is not known where labels were dealt out.
    assert_eq!((report.network_right, report.agree_spec, extraction.right), (None, None, None));
    assert!(
        report.why.contains("frequency stands out") && report.why.contains("no group's products"),
        "{}",
        report.why
    );
}

/// It was told all 36 products, and has them in its logits as any table does.
#[test]
fn a_network_that_learnt_products_by_heart_has_no_program() {
    let recipe = json!({
        "group": "s3", "share": 1.0, "d_model": 32, "heads": 2, "d_mlp": 64,
        "lr": 0.01, "weight_decay": 0.0, "steps": 200, "evaluate": 200, "seed": 1
    });
    let (mark, extraction) = of_trained("group-composition", recipe);
    assert_eq!(mark.train_accuracy, 1.0);
    let report = extraction.report;
    assert!(extraction.program.is_none() && extraction.mechanism.is_none() && report.family.is_none(), "{report:?}");
    assert!(report.why.contains("a table of the right answers"), "{}", report.why);
    let found = report.mechanism.unwrap();
    assert_eq!((found.agree_network, found.waves.len(), found.representations.len()), (36, 0, 2));
}

#[test]
fn a_network_without_a_domain_is_told_so() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/llama");
    let opened = Opened::open(&golden, Arc::new(Cpu::new()), u64::MAX).unwrap();
    let error = Finite::new(opened.model().unwrap(), &[], None).err().unwrap().to_string();
    assert!(error.contains("for which inputs it was made"), "{error}");
}
