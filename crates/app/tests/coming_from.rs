//! The commands of `docs/coming-from.md`, each run on a small network.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use support::{command, finish, path, root, with_tokenizer};

/// Every command between backticks on the page.
fn commands(page: &str) -> Vec<&str> {
    page.split('`').skip(1).step_by(2).filter(|code| code.starts_with("pellucid ")).collect()
}

/// A command's words, as a shell would give them: blanks separate, quotes of both kinds hold together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in command.chars() {
        match (quote, c) {
            (None, ' ') => words.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => words.last_mut().unwrap().push(c),
        }
    }
    assert!(quote.is_none(), "a quote is never closed: {command}");
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_of_the_page_runs() {
    let page = std::fs::read_to_string(root().join("docs/coming-from.md")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() >= 30, "{} commands were found", commands.len());
    let model = with_tokenizer("llama");
    let place = tempfile::tempdir().unwrap();
    for text in commands {
        let words: Vec<String> = words(text)
            .into_iter()
            .skip(1)
            .map(|word| if word == "MODEL" { path(&model).into() } else { word })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = finish(command(&words).current_dir(place.path()));
        assert_eq!(ran.status, 0, "{text}: {}", ran.stderr);
        match words.iter().position(|&word| word == "-o") {
            None => assert!(!ran.stdout.is_empty(), "{text}"),
            Some(at) => assert!(place.path().join(words[at + 1]).metadata().unwrap().len() > 0, "{text}"),
        }
    }
}
