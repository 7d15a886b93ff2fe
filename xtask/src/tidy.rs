//! `cargo xtask tidy`: the house's rules that neither rustc nor clippy knows.
//!
//! Errors end with exit status 1; sizes are warnings. Each finding says where, what, and how it is put right.

mod edges;
mod generated;
mod sources;

use crate::say;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Worth a look; does not fail the run.
    Warning,
    /// Fails the run.
    Error,
}

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    weight: Weight,
    /// File, or `file:line`, from the repository's root.
    place: String,
    what: String,
    remedy: String,
}

impl Finding {
    fn error(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { weight: Weight::Error, place: place.into(), what: what.into(), remedy: remedy.into() }
    }

    fn warning(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, place: place.into(), what: what.into(), remedy: remedy.into() }
    }
}

/// One file of the repository.
struct SourceFile {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
}

/// Runs every rule over the repository at `root`. True if no error was found.
///
/// # Errors
/// A sentence, where cargo, git or a file could not be read.
pub(crate) fn run(root: &Path) -> Result<bool, String> {
    let files = text_files(root)?;
    let mut findings = edges::check(root)?;
    findings.extend(sources::check(&files));
    findings.extend(generated::check(root)?);
    findings.sort_by(|a, b| (a.weight, &a.place).cmp(&(b.weight, &b.place)));
    for finding in &findings {
        let weight = match finding.weight {
            Weight::Warning => "warning",
            Weight::Error => "error",
        };
        say(&format!("{weight}: {}: {}\n    remedy: {}", finding.place, finding.what, finding.remedy));
    }
    let errors = findings.iter().filter(|finding| finding.weight == Weight::Error).count();
    say(&format!("tidy: {} files, {errors} errors, {} warnings", files.len(), findings.len() - errors));
    Ok(errors == 0)
}

/// Every text file that git tracks or would track.
fn text_files(root: &Path) -> Result<Vec<SourceFile>, String> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let output = git.output().map_err(|error| format!("git ls-files: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut files: Vec<SourceFile> = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // Deleted but still in the index, or not text: nothing to read.
        if let Ok(text) = std::fs::read_to_string(PathBuf::from(root).join(path)) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}
