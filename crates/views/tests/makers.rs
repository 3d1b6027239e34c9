//! What holds for every recipe.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::sync::Arc;

use kernels::Cpu;
use serde_json::{Value, json};
use views::{Error, MAKERS, News, Onlooker, Workplace};

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
        refused(json!({}), "missing field");
        assert!(!Path::new("nowhere").exists());
    }
}
