//! `strongroom key-store list --config`: whether the key stores of a configuration would serve, found without a server.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use strongroom_model::key_store::KeyStore as _;

use crate::commands::output;
use crate::{Failure, config, wiring};

/// How long tokens may take to be ready.
const READY: Duration = Duration::from_secs(10);

/// Tells of every key store and each of its tokens; an error if a store can't serve.
pub(crate) fn list(path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let config = config::read(path)?;
    let stores = wiring::key_stores(&config.key_store)?;
    let mut silent = Vec::new();
    for store in &stores {
        // What it comes to, the probe tells; a group serves while one of its tokens does.
        let _ = store.await_tokens(READY);
        let name = store.describe().name;
        let told = match store.probe(READY) {
            Ok(()) => "serves".to_owned(),
            Err(error) => {
                silent.push(name.to_string());
                format!("does not serve: {error}")
            }
        };
        writeln!(out, "{name}: {told}").map_err(output)?;
        for member in store.health() {
            let cause = member.last_error.map(|error| format!(": {error}")).unwrap_or_default();
            writeln!(out, "  {}: {}{cause}", member.location, member.state).map_err(output)?;
        }
    }
    match silent.is_empty() {
        true => Ok(()),
        false => Err(Failure::Usage(format!("these key stores do not serve: {}", silent.join(", ")))),
    }
}
