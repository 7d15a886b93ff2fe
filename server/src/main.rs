//! `strongroom`: the server and its command line in one program.
//!
//! Wires configuration to store, roots, log, engine and front ends, runs them, and drains. Absent on purpose: anything
//! that another room could hold.

mod administrator;
mod admission;
mod check;
mod clock;
mod commands;
mod config;
mod dev;
mod gateway;
mod hardening;
mod identifiers;
mod init;
mod keeper;
mod key_stores;
mod manual;
mod material;
mod metrics;
mod reload;
mod restore;
mod retention;
mod run;
mod secrets;
mod serve;
mod telemetry;
mod unseal;
mod unsealing;
mod wiring;

use std::path::PathBuf;
use std::process::ExitCode;

use strongroom_authentication::chain;
use strongroom_model::clock::{Clock as _, Timestamp};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why the program ended without doing what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// Store, roots, log or engine.
    #[error(transparent)]
    Wiring(#[from] wiring::WiringError),
    /// Listeners or signals.
    #[error(transparent)]
    Run(#[from] run::RunError),
    /// A secret.
    #[error(transparent)]
    Secret(#[from] secrets::SecretError),
    /// A certificate.
    #[error("a development certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// A file.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A backup.
    #[error("the backup {} cannot be used", .path.display())]
    Restore {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: strongroom_engine::RestoreError,
    },
    /// The threads of the server.
    #[error("the server's threads cannot be started")]
    Threads(#[source] std::io::Error),
    /// The machine gives no randomness.
    #[error("the random number generator failed")]
    Randomness,
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(String),
}

fn main() -> ExitCode {
    commands::run()
}

/// The wall clock, for certificates.
fn now() -> Timestamp {
    clock::SystemClock.now()
}

/// The threads that serve: one for each core, and no more than are of use.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_its_error_tells_is_told_once() {
        let address = strongroom_http::Address::Tcp("127.0.0.1:1".parse().unwrap());
        let source = std::io::Error::other("Address already in use");
        let source = strongroom_http::Error::Bind { address, source };
        let error = run::RunError::Listener { name: "dev".to_owned(), source };
        let told = chain(&error);
        assert_eq!(told.matches("Address already in use").count(), 1, "{told}");
        assert!(told.starts_with("listener \"dev\" cannot be opened: cannot listen on "), "{told}");
    }
}
