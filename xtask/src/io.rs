//! Files and sockets are touched only at the edge of the program.

use crate::sources::Source;

/// Crates that may: what the others know of the world is handed to them.
const MAY: &[&str] = &["crates/store/", "crates/scan/", "crates/app/", "xtask/", "fuzz/"];

const SIGNS: &[&str] =
    &["std::fs", "std::net", "std::process", "File::open", "File::create", "TcpStream", "TcpListener", "UdpSocket"];

/// The part of a source that ships: no comments, and nothing from `#[cfg(test)]` to the end of the item it is on, by
/// rustfmt's layout.
fn shipped(source: &Source) -> Vec<(usize, &str)> {
    let mut lines = source.lines();
    let mut shipped = Vec::new();
    while let Some((number, line)) = lines.next() {
        if let Some(indent) = line.strip_suffix("#[cfg(test)]") {
            let item = lines.by_ref().map(|(_, line)| line).find(|line| !line.trim_start().starts_with('#'));
            if item.is_some_and(|item| item.ends_with('{')) {
                let end = format!("{indent}}}");
                lines.by_ref().find(|(_, line)| *line == end);
            }
        } else if !line.trim_start().starts_with("//") {
            shipped.push((number, line));
        }
    }
    shipped
}

/// Every line that touches files, sockets or processes where it may not.
pub(crate) fn check(files: &[Source]) -> Vec<String> {
    let held = |file: &&Source| {
        file.is("rs")
            && !MAY.iter().any(|folder| file.path.starts_with(folder))
            && !file.path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "examples"))
    };
    let mut problems = Vec::new();
    for file in files.iter().filter(held) {
        for (number, line) in shipped(file) {
            if let Some(sign) = SIGNS.iter().find(|sign| line.contains(**sign)) {
                problems.push(format!("{}:{number}: {sign} is for store, scan and app only", file.path));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&[Source { path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn this_repository_keeps_io_at_the_edge() {
        assert_eq!(check(&crate::sources::files(crate::root()).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn io_is_found_but_not_in_comments_tests_or_at_the_edge() {
        let reads = "use std::fs;\n";
        assert_eq!(found("crates/engine/src/weights.rs", reads), 1);
        assert_eq!(found("crates/store/src/gguf.rs", reads), 0);
        assert_eq!(found("crates/engine/tests/goldens.rs", reads), 0);
        assert_eq!(found("crates/engine/src/weights.rs", "// Never std::fs.\n"), 0);
        let tests = "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(found("crates/engine/src/weights.rs", tests), 0);
        assert_eq!(found("crates/engine/src/weights.rs", &format!("{tests}{reads}")), 1);
        assert_eq!(found("crates/engine/src/weights.rs", &format!("#[cfg(test)]\nmod tests;\n{reads}")), 1);
    }
}
