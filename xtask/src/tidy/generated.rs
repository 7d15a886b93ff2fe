//! Documents that the binary writes: what is committed must be what it would write today.

use super::Finding;
use std::path::Path;
use std::process::Command;

/// A committed file and the arguments with which the binary prints it.
struct Document {
    path: &'static str,
    arguments: &'static [&'static str],
}

/// Nothing is generated yet.
const DOCUMENTS: &[Document] = &[];

/// Compares each document with what `cargo run -p strongroom` prints.
///
/// # Errors
/// A sentence, where cargo cannot be run.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for document in DOCUMENTS {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).args(["run", "--quiet", "--package", "strongroom", "--"]).args(document.arguments);
        let output = cargo.output().map_err(|error| format!("cargo run: {error}"))?;
        let committed = std::fs::read(root.join(document.path)).unwrap_or_default();
        if !output.status.success() || committed != output.stdout {
            let command = document.arguments.join(" ");
            findings.push(Finding::error(
                document.path,
                "is not what the binary prints today",
                format!("cargo run -p strongroom -- {command} > {}", document.path),
            ));
        }
    }
    Ok(findings)
}
