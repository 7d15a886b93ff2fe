//! Chores of this repository that are written in Rust: `cargo xtask tidy`.
//!
//! Deliberately absent: building, testing and releasing, which are `./test` and cargo itself.

mod tidy;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("tidy") => repository().and_then(|root| tidy::run(&root)),
        _ => Err("usage: cargo xtask tidy".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            say(&message);
            ExitCode::FAILURE
        }
    }
}

/// The repository's root, which is this crate's parent folder.
fn repository() -> Result<PathBuf, String> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).ok_or_else(|| format!("{} has no parent folder", here.display()))
}

/// Prints one line; a closed pipe is no concern of a linter.
fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
