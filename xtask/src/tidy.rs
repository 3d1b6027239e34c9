//! Rules of the house that a compiler does not check.

use crate::sources::Source;

/// Names that tell nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "misc", "helper", "helpers", "stuff"];

/// Marks of unfinished work. In two parts, so that this file does not find itself.
const UNFINISHED: &[(&str, &str)] = &[("TO", "DO"), ("FIX", "ME"), ("to", "do!"), ("unimple", "mented!")];

/// Folders of one machine that mean nothing on another.
const FOREIGN_FOLDERS: &[&str] = &["work", "tmp", "root", "home"];

/// Hosts of package indexes: everyone uses their clients as they have them configured.
const HOSTS: &[(&str, &str)] = &[("pypi", ".org"), ("python", "hosted"), ("npmjs", ".org"), ("deb.debian", ".org")];

/// Text that people write, by ending; `run` and the hooks have none.
fn is_written(file: &Source) -> bool {
    ["rs", "toml", "md", "py", "sh", "ts", "svelte", "css", "html", "yml"].iter().any(|e| file.is(e))
        || file.path == "run"
        || file.path == ".ci/run"
}

/// Whether a line names a folder at the root of some machine: `/NAME` that is not part of a longer path or word.
fn names_foreign_folder(line: &str) -> Option<&'static str> {
    FOREIGN_FOLDERS.iter().copied().find(|folder| {
        line.match_indices(&format!("/{folder}")).any(|(at, found)| {
            let starts = line[..at].chars().next_back().is_none_or(|before| " \"'`(=,:".contains(before));
            let goes_on = |after: char| after.is_alphanumeric() || "_-.".contains(after);
            starts && !line[at + found.len()..].starts_with(goes_on)
        })
    })
}

fn check_line(line: &str) -> Option<String> {
    if line.contains('\t') {
        return Some("a tab".into());
    }
    if line.ends_with(' ') {
        return Some("space at the end of the line".into());
    }
    if let Some((a, b)) = UNFINISHED.iter().find(|(a, b)| line.contains(&format!("{a}{b}"))) {
        return Some(format!("{a}{b}: finish it, or file an issue"));
    }
    if let Some((a, b)) = HOSTS.iter().find(|(a, b)| line.contains(&format!("{a}{b}"))) {
        return Some(format!("{a}{b}: package indexes are used through their clients, as configured"));
    }
    names_foreign_folder(line).map(|folder| format!("/{folder}: a path of one machine"))
}

fn check_file(file: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    if file.is("rs") && !file.text.starts_with("//!") {
        problems.push(format!("{}:1: starts without a //! comment that says what it is about", file.path));
    }
    let folders = file.path.split('/').rev().skip(1);
    if file.is("rs") && folders.chain([file.stem()]).any(|part| EMPTY_NAMES.contains(&part)) {
        problems.push(format!("{}: name it after its subject", file.path));
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        problems.push(format!("{}: should end with one line break", file.path));
    }
    let found = file.lines().filter_map(|(number, line)| Some((number, check_line(line)?)));
    problems.extend(found.map(|(number, problem)| format!("{}:{number}: {problem}", file.path)));
    problems
}

/// Every breach of the rules.
pub(crate) fn check(files: &[Source]) -> Vec<String> {
    files.iter().filter(|file| is_written(file)).flat_map(check_file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[Source { path: path.into(), text: text.into() }])
    }

    #[test]
    fn this_repository_is_tidy() {
        assert_eq!(check(&crate::sources::files(crate::root()).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn breaches_are_found() {
        let unfinished = format!("//! A.\n// {}{}: later\n", "TO", "DO");
        for (path, text) in [
            ("a.rs", "fn f() {}\n"),
            ("src/utils.rs", "//! A.\n"),
            ("src/common/a.rs", "//! A.\n"),
            ("a.rs", "//! A."),
            ("a.rs", "//! A.\n\n"),
            ("a.md", "one \n"),
            ("a.sh", "\tone\n"),
            ("a.rs", unfinished.as_str()),
        ] {
            assert_eq!(found(path, text).len(), 1, "{path}: {text:?}");
        }
        assert_eq!(found("a.rs", "//! A.\n"), Vec::<String>::new());
        assert_eq!(found("a.bin", "\t \n\n"), Vec::<String>::new());
    }

    #[test]
    fn paths_of_one_machine() {
        let folder = "tmp";
        for line in [format!("see /{folder}/x"), format!("\"/{folder}\""), format!("cd /{folder}")] {
            assert_eq!(names_foreign_folder(&line), Some(folder), "{line}");
        }
        for line in ["crates/work/x", "https://x.y/home", "a/tmpfile", "and/or", "target/tmp", "$x/root"] {
            assert_eq!(names_foreign_folder(line), None, "{line}");
        }
    }
}
