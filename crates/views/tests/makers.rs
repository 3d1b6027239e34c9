//! What holds for every recipe.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::sync::Arc;

use kernels::Cpu;
use serde_json::{Value, json};
use views::{Error, MAKERS, Made, News, Onlooker, Workplace};

struct Deaf;

impl Onlooker for Deaf {
    fn sees(&self, _: &News<'_>) -> bool {
        true
    }
}

#[test]
fn recipes_are_listed_in_order_and_explained() {
    let names: Vec<&str> = MAKERS.iter().map(|maker| maker.name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]) && names.contains(&"text"), "{names:?}");
    for maker in MAKERS {
        assert!(maker.help().len() > 40 && maker.revision > 0, "{}", maker.name);
        let schema = maker.schema();
        let properties = schema.as_value()["properties"].as_object().unwrap();
        for (name, property) in properties {
            let help = property["description"].as_str().unwrap_or_default();
            assert!(help.ends_with('.'), "{}.{name}: {help}", maker.name);
        }
        let example = maker.example().unwrap();
        assert!(example.as_object().unwrap().keys().all(|name| properties.contains_key(name)), "{}", maker.name);
    }
}

/// Recipes that were written down stay readable.
#[test]
fn words_of_choices_are_kept() {
    let words = |maker: &str, parameter: &str| -> Vec<String> {
        let schema = MAKERS.iter().find(|known| known.name == maker).unwrap().schema();
        let property = &schema.as_value()["properties"][parameter];
        let choices = property["$ref"].as_str().and_then(|path| schema.as_value().pointer(&path[1..]));
        let choices = choices.unwrap_or(property)["oneOf"].as_array().unwrap();
        choices.iter().map(|one| one["const"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words("modular-addition", "labels"), ["right", "shuffled"]);
    assert_eq!(words("modular-addition", "optimiser"), ["sgd", "adamw", "lion", "muon"]);
    assert_eq!(words("modular-addition", "operation"), ["add", "subtract", "multiply", "square_add"]);
    assert_eq!(words("sequence", "question"), ["majority", "duplicate", "distinct", "median", "lookup"]);
}

#[test]
fn parameters_that_are_not_there_are_refused() {
    for maker in MAKERS {
        let place = Workplace::new(Path::new("nowhere"), Arc::new(Cpu::new()), 1, &Deaf);
        let refused = |parameters: Value, part: &str| {
            let error = maker.make(parameters, &place).unwrap_err();
            assert!(matches!(&error, Error::Parameters { view, .. } if *view == maker.name), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        };
        let mut unknown = maker.example().unwrap();
        unknown["no_such"] = json!(1);
        refused(unknown, "no_such");
        if maker.schema().get("required").is_some() {
            refused(json!({}), "missing field");
        }
        let mut wrong = maker.example().unwrap();
        wrong["seed"] = json!("seven");
        refused(wrong, "seven");
        assert!(!Path::new("nowhere").exists());
    }
}

#[test]
fn what_is_planted_opens_and_names_its_circuit() {
    let folder = tempfile::tempdir().unwrap();
    let planted = MAKERS.iter().find(|maker| maker.name == "planted").unwrap();
    let make = |parameters: Value| {
        let place = Workplace::new(folder.path(), Arc::new(Cpu::new()), 1, &Deaf);
        planted.make(parameters, &place)
    };
    let made = make(json!({ "task": "induction", "seed": 4 })).unwrap();
    let Made::Whole(evaluation) = &made else { panic!("it is made at once") };
    assert_eq!((&evaluation["inputs"], &evaluation["right"]), (&json!(4096), &json!(4096 * 6)));
    assert_eq!(make(json!({ "task": "induction", "seed": 4 })).unwrap(), made, "it is there already");
    assert!(
        make(json!({ "task": "induction", "seed": 5 })).unwrap_err().to_string().contains("seed is 4 there and 5 here")
    );

    let file = store::open(folder.path()).unwrap();
    let model = engine::arch::build(file.config().unwrap(), file.weights(), Arc::new(Cpu::new()), u64::MAX).unwrap();
    let tokenizer = file.tokenizer().unwrap().unwrap();
    let tokens = tokenizer.encode("abcab", engine::tokenizer::Special::Default).unwrap();
    let batch = engine::Batch::one(&tokens).unwrap();
    let logits =
        engine::Run::new(&*model, batch).logits(engine::Logits::Last).go().unwrap().logits.unwrap().to_f64().to_vec();
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
    assert_eq!(tokenizer.decode(&[best as u32]), "c", "what came after the first b");

    let truth: Value = serde_json::from_slice(&std::fs::read(folder.path().join("truth.json")).unwrap()).unwrap();
    let all = methods::Edges::of(&model.anatomy().unwrap());
    for edge in truth["edges"].as_array().unwrap() {
        assert!(all.place(edge.as_str().unwrap().parse().unwrap()).is_some(), "{edge}");
    }
}
