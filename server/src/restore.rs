//! `strongroom restore` and `strongroom recover`: what brings an installation back, while no server runs.
//!
//! Both take the backup key's private half: from recovery shares, or from a file where one was kept. A store is restored
//! beside its place and moved there whole. Absent on purpose: the audit log, which is copied by itself.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_crypto::shares::{self, Share};
use strongroom_engine::BackupReport;
use strongroom_model::root::RootOfTrust;
use strongroom_secret::{Secret, SecretBytes};
use strongroom_store_embedded::{EmbeddedStore, Options as StoreOptions};

use crate::keeper::{self, Recovery};
use crate::secrets::SecretError;
use crate::wiring::{self, Places, WiringError};
use crate::{Failure, config, hardening, init, secrets, telemetry};

/// Most shares that are read: more than there can be.
const SHARES: usize = 255;
/// Longest line with a share, in bytes.
const SHARE_BYTES: u64 = 1024;

/// Opens a backup to its end, and makes the store from it unless it is only to be checked.
pub(crate) fn restore(
    path: &Path,
    backup: &Path,
    check: bool,
    key_file: Option<&Path>,
) -> Result<BackupReport, Failure> {
    let config = config::read(path)?;
    telemetry::begin(&config.log);
    hardening::forbid_dumps();
    let places = Places::in_directory(&config.data_directory);
    if !check && places.store.exists() {
        return Err(Failure::Usage(format!("{} is there already; move it away first", places.store.display())));
    }
    let private = private_half(key_file)?;
    let unreadable = |source| Failure::File { doing: "read", path: backup.to_owned(), source };
    let open = || File::open(backup).map(BufReader::new).map_err(unreadable);
    let failed = |source| Failure::Restore { path: backup.to_owned(), source };
    // Nothing is written before all of it is known to open.
    let report = strongroom_engine::check_backup(&mut open()?, &private).map_err(failed)?;
    if check {
        return Ok(report);
    }
    let unfinished = beside(&places.store);
    let failure = |doing, path: &Path, source| Failure::File { doing, path: path.to_owned(), source };
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|error| failure("remove", &unfinished, error))?;
    }
    fs::create_dir_all(&config.data_directory).map_err(|error| failure("make", &config.data_directory, error))?;
    let store = EmbeddedStore::create(&unfinished, report.revision, StoreOptions::default());
    let store = store.map_err(WiringError::from)?;
    let restored = strongroom_engine::restore(&mut open()?, &private, &store).map_err(failed)?;
    drop(store);
    fs::rename(&unfinished, &places.store).map_err(|error| failure("move into place", &places.store, error))?;
    let synced = File::open(&config.data_directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| failure("make durable", &config.data_directory, error))?;
    Ok(restored)
}

/// Brings every domain key back under the roots that the configuration names, none of which need be known; those that do
/// not exist are made. Answers how many domain keys there are.
pub(crate) fn recover(path: &Path, key_file: Option<&Path>) -> Result<usize, Failure> {
    let config = config::read(path)?;
    telemetry::begin(&config.log);
    hardening::forbid_dumps();
    let places = Places::in_directory(&config.data_directory);
    let store = Arc::new(EmbeddedStore::open(&places.store, StoreOptions::default()).map_err(WiringError::from)?);
    let installation = strongroom_engine::installation(&*store).map_err(WiringError::from)?;
    let (threshold, count) = installation.ok_or_else(|| Failure::Usage("there is no installation".to_owned()))?.shares;
    let known = strongroom_engine::roots(&*store).map_err(WiringError::from)?;
    let private = private_half(key_file)?;
    // Where the key was never split there is no slot for shares either.
    let recovery = (threshold > 1).then_some(Recovery { secret: &private, threshold, shares: count });
    let mut roots: Vec<Arc<dyn RootOfTrust>> = Vec::new();
    for root in &config.root {
        roots.push(keeper::open_or_make(root, &known, recovery.as_ref(), &*store, &init::ask_twice)?);
    }
    let (log, _) = wiring::open_log(&*store, &places, &config.node, &config.audit)?;
    let parts = wiring::parts(store, log, roots);
    Ok(strongroom_engine::recover(&parts, &private).map_err(WiringError::from)?)
}

/// The backup key's private half: from a file, or from shares: asked for at the terminal, or one a line on standard input.
fn private_half(key_file: Option<&Path>) -> Result<Secret<32>, Failure> {
    if let Some(path) = key_file {
        return Ok(secrets::key_file(path)?);
    }
    let asked = std::io::stdin().is_terminal();
    let mut given = Vec::new();
    while given.len() < SHARES {
        let line = if asked { init::ask("Share (empty to end): ")? } else { line()? };
        if line.is_empty() {
            break;
        }
        let text = str::from_utf8(line.expose()).map_err(|_| SecretError::Kind("this text"))?;
        given.push(Share::parse(text.trim()).map_err(SecretError::from)?);
    }
    Ok(shares::combine(&given).map_err(SecretError::from)?)
}

fn line() -> Result<SecretBytes, Failure> {
    let mut line = Vec::with_capacity(usize::try_from(SHARE_BYTES).unwrap_or_default());
    let mut input = std::io::Read::take(std::io::stdin().lock(), SHARE_BYTES);
    let read = input.read_until(b'\n', &mut line);
    let mut line = SecretBytes::take(line);
    read.map_err(|source| Failure::File { doing: "read from", path: "standard input".into(), source })?;
    line.truncate(line.expose().trim_ascii_end().len());
    Ok(line)
}

fn beside(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}
