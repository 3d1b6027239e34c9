//! Replays what the fuzz targets have found (`fuzz/corpus`), and holds the list of targets together.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use store::fuzz::{TARGETS, run};

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_target_has_a_file_and_inputs() {
    let fuzz = support::root().join("fuzz");
    let table: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz.join("fuzz_targets")), table);
    assert_eq!(names(&fuzz.join("corpus")), table);
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is missing in fuzz/Cargo.toml");
        let body = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(body.contains(&format!("run(\"{name}\"")), "fuzz_targets/{name}.rs runs another target");
    }
}

#[test]
fn no_known_input_does_harm() {
    for (name, body) in TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(support::root().join("fuzz/corpus").join(name)).unwrap() {
            body(&fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "fuzz/corpus/{name} is empty");
        run(name, b"");
    }
}
