//! What cargo knows about the packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

fn output(program: &str, arguments: &[&str], root: &Path) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("{program} could not be started"))?;
    if !output.status.success() {
        bail!("{program} {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// `cargo metadata`, dependencies included, for the platform this runs on.
pub(crate) fn load(root: &Path) -> Result<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let version = output("rustc", &["-vV"], root)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", host];
    Ok(serde_json::from_str(&output(&cargo, &arguments, root)?)?)
}

/// The packages in a metadata document.
pub(crate) fn packages(metadata: &Value) -> Result<&[Value]> {
    Ok(metadata["packages"].as_array().context("cargo metadata without packages")?)
}

/// A package's text field.
pub(crate) fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

/// Whether a package is part of this repository: those have no registry to come from.
pub(crate) fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}
