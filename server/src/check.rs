//! `strongroom check`: what `serve` would refuse, found without serving.
//!
//! Absent on purpose: roots, whose secrets may not be at hand, and addresses, which a running server holds.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use strongroom_http::TlsHandle;

use crate::commands::output;
use crate::config::TlsConfig;
use crate::{Failure, config, run, wiring};

const DAY: i64 = 24 * 60 * 60;
/// A certificate that ends within so many seconds is worth a word.
const SOON: i64 = 30 * DAY;

/// Reads a configuration and the certificates that it names. Tells that all is well, and which certificates end soon: in lines
/// or, for programs, as one line of JSON.
pub(crate) fn check(path: &Path, for_programs: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let mistakes = match look(path) {
        Ok((mistakes, _)) if !mistakes.is_empty() => mistakes,
        Ok((_, warnings)) => {
            let told = match for_programs {
                true => writeln!(out, "{}", json!({ "ok": true, "warnings": warnings })),
                false => {
                    let warned = warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"));
                    warned.and_then(|()| writeln!(out, "{}: OK", path.display()))
                }
            };
            return told.map_err(output);
        }
        Err(failure) if for_programs => crate::chain(&failure).lines().map(str::to_owned).collect(),
        Err(failure) => return Err(failure),
    };
    if for_programs {
        writeln!(out, "{}", json!({ "ok": false, "mistakes": mistakes })).map_err(output)?;
    }
    Err(Failure::Usage(mistakes.join("\n")))
}

/// The seconds for which a listener's certificates go on holding. Serving begins with one that does not, for it may be renewed
/// without a restart. And whether its own is an authority's.
fn left(tls: &TlsConfig) -> Result<(i64, bool), strongroom_http::Error> {
    let now = i64::try_from(crate::now().0 / 1000).unwrap_or(i64::MAX);
    let handle = TlsHandle::load(run::profile(tls))?;
    Ok((handle.holds_for(now)?, handle.is_authority()))
}

/// What must not be, and what is worth a word.
fn look(path: &Path) -> Result<(Vec<String>, Vec<String>), Failure> {
    let config = config::read(path)?;
    let profiles = config.listener.iter().filter_map(|listener| Some((&listener.name, listener.tls.as_ref()?)));
    let (mut refused, mut warnings) = (Vec::new(), Vec::new());
    for (name, tls) in profiles {
        let left = left(tls);
        if let Ok((_, true)) = left {
            warnings.push(format!("listener {name:?}: {}", run::AUTHORITY_SERVES));
        }
        match left {
            Err(error) => refused.push(format!("{}: listener {name:?}: {}", path.display(), crate::chain(&error))),
            Ok((left, _)) if left < SOON => {
                let (chain, days) = (tls.certificate_chain.display(), left / DAY);
                let unit = if days == 1 { "day" } else { "days" };
                warnings.push(format!("listener {name:?}: {chain}: a certificate ends in {days} {unit}; renew it"));
            }
            Ok(_) => {}
        }
    }
    let external = wiring::external_key_managers(&config.external_key_manager, &config.external_key_managers).err();
    let external = external.map(|error| format!("{}: {}", path.display(), crate::chain(&error)));
    refused.extend(external);
    Ok((refused, warnings))
}
