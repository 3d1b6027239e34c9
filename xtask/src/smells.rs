//! Lengths worth a look. A long file or function may be right, so these are reported and never fail.

use crate::sources::Source;

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 80;

/// Whether a line starts a function, by rustfmt's layout.
fn starts_function(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
    let line = line.strip_prefix("const ").unwrap_or(line);
    let line = line.strip_prefix("unsafe ").unwrap_or(line);
    line.starts_with("fn ")
}

/// Functions of a formatted source: name, first line, number of lines. A function ends at the first closing brace
/// that stands as far left as its beginning.
fn functions(source: &Source) -> Vec<(&str, usize, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| starts_function(line)) {
        let indent = line.len() - line.trim_start().len();
        let closes = |l: &&str| l.len() - l.trim_start().len() == indent && l.trim_start().starts_with('}');
        let length =
            if line.ends_with(['}', ';']) { 1 } else { lines[i..].iter().take_while(|l| !closes(l)).count() + 1 };
        let name = line.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next()).unwrap_or_default();
        found.push((name, i + 1, length));
    }
    found
}

/// Long files and functions, a line each.
pub(crate) fn find(files: &[Source]) -> Vec<String> {
    let mut smells = Vec::new();
    for file in files.iter().filter(|file| file.is("rs")) {
        let length = file.text.lines().count();
        if length > FILE_LINES {
            smells.push(format!("{}: {length} lines", file.path));
        }
        for (name, line, length) in functions(file).into_iter().filter(|&(_, _, length)| length > FUNCTION_LINES) {
            smells.push(format!("{}:{line}: fn {name} has {length} lines", file.path));
        }
    }
    smells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured() {
        let text = "impl A {\n    pub const fn one(&self) -> u8 {\n        if x {\n        }\n        1\n    }\n}\nfn two<T>() {}\n";
        let source = Source { path: "a.rs".into(), text: text.into() };
        assert_eq!(functions(&source), [("one", 2, 5), ("two", 8, 1)]);
    }

    #[test]
    fn long_ones_are_reported() {
        let text = format!("fn long() {{\n{}}}\n", "    call();\n".repeat(FILE_LINES));
        let found = find(&[Source { path: "a.rs".into(), text }]);
        assert_eq!(found, ["a.rs: 802 lines", "a.rs:1: fn long has 802 lines"]);
    }
}
