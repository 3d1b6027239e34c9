//! The licences of everything that is linked in, and where it comes from.

use anyhow::Result;
use serde_json::Value;

use crate::metadata::{is_ours, packages, text};

/// Licences under which a dependency may be used in a program under MIT or Apache-2.0.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether a licence expression can be met: one side of each `OR`, both sides of each `AND`. An old-fashioned `/`
/// means `OR`. Brackets are taken to bind an `OR` inside an `AND`, which is how they occur.
fn can_be_met(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let either = |alternatives: &str| alternatives.split(" OR ").any(|one| ALLOWED.contains(&one.trim()));
    if expression.contains('(') {
        return expression.split(" AND ").all(|part| either(part.trim().trim_matches(['(', ')'])));
    }
    expression.split(" OR ").any(|choice| choice.split(" AND ").all(|one| ALLOWED.contains(&one.trim())))
}

/// Dependencies under other licences, and those that come from elsewhere than the registry.
pub(crate) fn check(metadata: &Value) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in packages(metadata)?.iter().filter(|p| !is_ours(p)) {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if !can_be_met(licence) {
            problems.push(format!("{name}: licence '{licence}' is not on the list in xtask/src/licences.rs"));
        }
        if !text(package, "source").starts_with("registry+") {
            problems.push(format!("{name}: comes from {}, not from the registry", text(package, "source")));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dependency_may_be_used() {
        let metadata = crate::metadata::load(crate::root()).unwrap();
        assert_eq!(check(&metadata).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn expressions() {
        for fine in ["MIT", "MIT/Apache-2.0", "GPL-2.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT AND ISC"] {
            assert!(can_be_met(fine), "{fine}");
        }
        for not in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND AGPL-3.0"] {
            assert!(!can_be_met(not), "{not}");
        }
    }
}
