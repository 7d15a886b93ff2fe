//! `strongroom key-store list --config`: whether the key stores of a configuration would serve, found without a server.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use strongroom_model::key_store::KeyStore as _;

use crate::commands::output;
use crate::{Failure, config, wiring};

/// How long tokens may take to be ready.
const READY: Duration = Duration::from_secs(10);

/// Tells of every key store and each of its tokens, in lines or, for programs, as one line of JSON; an error if a store can't
/// serve.
pub(crate) fn list(path: &Path, for_programs: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let config = config::read(path)?;
    let stores = wiring::key_stores(&config.key_store)?;
    let (mut silent, mut items) = (Vec::new(), Vec::new());
    for store in &stores {
        // What it comes to, the probe tells; a group serves while one of its tokens does.
        let _ = store.await_tokens(READY);
        let name = store.describe().name;
        let failed = store.probe(READY).err().map(|error| error.to_string());
        silent.extend(failed.iter().map(|_| name.to_string()));
        if for_programs {
            let tokens = store.health().into_iter().map(|member| {
                let error = member.last_error.as_ref().map(ToString::to_string);
                json!({ "token": member.location, "state": member.state.to_string(), "last_error": error })
            });
            let tokens: Vec<_> = tokens.collect();
            items.push(json!({
                "name": name.to_string(), "serves": failed.is_none(), "last_error": failed, "tokens": tokens,
            }));
            continue;
        }
        let told = failed.map_or_else(|| "serves".to_owned(), |error| format!("does not serve: {error}"));
        writeln!(out, "{name}: {told}").map_err(output)?;
        for member in store.health() {
            let cause = member.last_error.map(|error| format!(": {error}")).unwrap_or_default();
            writeln!(out, "  {}: {}{cause}", member.location, member.state).map_err(output)?;
        }
    }
    if for_programs {
        writeln!(out, "{}", json!({ "items": items })).map_err(output)?;
    }
    match silent.is_empty() {
        true => Ok(()),
        false => Err(Failure::Usage(format!("these key stores do not serve: {}", silent.join(", ")))),
    }
}
