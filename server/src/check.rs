//! `strongroom check`: what `serve` would refuse, found without serving.
//!
//! Absent on purpose: roots, whose secrets may not be at hand, and addresses, which a running server holds.

use std::path::Path;

use strongroom_http::TlsHandle;

use crate::{Failure, config, run, wiring};

/// Reads a configuration and the certificates that it names.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let config = config::read(path)?;
    let profiles = config.listener.iter().filter_map(|listener| Some((&listener.name, listener.tls.as_ref()?)));
    let refused = profiles.filter_map(|(name, tls)| {
        let error = TlsHandle::load(run::profile(tls)).err()?;
        Some(format!("{}: listener {name:?}: {}", path.display(), crate::chain(&error)))
    });
    let external = wiring::external_key_managers(&config.external_key_manager, &config.external_key_managers).err();
    let external = external.map(|error| format!("{}: {}", path.display(), crate::chain(&error)));
    let refused: Vec<_> = refused.chain(external).collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(Failure::Usage(refused.join("\n"))),
    }
}
