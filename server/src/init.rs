//! `strongroom init`: root, recovery shares, store and the first administrator of a new installation.

use std::path::Path;
use std::sync::Arc;

use strongroom_crypto::{SystemRandom, backup, random, shares};
use strongroom_model::id::RootId;
use strongroom_model::root::RootOfTrust;
use strongroom_root_pkcs11::Pkcs11Root;
use strongroom_root_software::{Argon2Cost, SoftwareRoot, SoftwareRootError, Unlocker};
use strongroom_secret::SecretBytes;
use strongroom_store_embedded::{EmbeddedStore, Options as StoreOptions};

use crate::config::{self, RootConfig, SecretSource};
use crate::wiring::{self, Places, WiringError};
use crate::{Failure, hardening, secrets, telemetry};

/// What `strongroom init` shows once and never again.
pub(crate) struct Made {
    /// Recovery shares of the backup key, as text.
    pub(crate) shares: Vec<SecretBytes>,
    /// How many of them are needed.
    pub(crate) threshold: u8,
}

/// Makes the installation that a configuration describes.
pub(crate) fn init(path: &Path, threshold: u8, count: u8) -> Result<Made, Failure> {
    let config = config::read(path)?;
    telemetry::begin(&config.log);
    hardening::forbid_dumps();
    let places = Places::in_directory(&config.data_directory);
    if places.store.exists() {
        return Err(Failure::Usage(format!("{} holds an installation already", config.data_directory.display())));
    }
    let (private, public) = backup::generate(&SystemRandom).map_err(|_| Failure::Randomness)?;
    let split = shares::split(&private, threshold, count, &SystemRandom);
    let split = split.map_err(|error| Failure::Usage(error.to_string()))?;
    let mut roots: Vec<Arc<dyn RootOfTrust>> = Vec::new();
    for root in &config.root {
        roots.push(make_root(root.get_ref(), &private, threshold, count)?);
    }
    let revision = strongroom_model::store::Revision::default();
    let store = EmbeddedStore::create(&places.store, revision, StoreOptions::default()).map_err(WiringError::from)?;
    let store = Arc::new(store);
    let (log, _) = wiring::open_log(&*store, &places, config.node.get_ref(), &config.audit)?;
    let parts = wiring::parts(store, log, roots);
    strongroom_engine::initialise(&parts, public.0.to_vec(), (threshold, count)).map_err(WiringError::from)?;
    Ok(Made { shares: split.iter().map(shares::Share::to_text).collect(), threshold })
}

/// Makes a root where the configuration says there is one.
fn make_root(
    config: &RootConfig,
    recovery: &strongroom_secret::Secret<32>,
    threshold: u8,
    count: u8,
) -> Result<Arc<dyn RootOfTrust>, Failure> {
    match config {
        RootConfig::Software { file, unseal } => {
            let failed = |source: SoftwareRootError| WiringError::SoftwareRoot { path: file.clone(), source };
            let recovery = Unlocker::Recovery { secret: recovery, threshold, shares: count };
            let root = match unseal {
                Some(SecretSource::KeyFile(path)) => {
                    let key = secrets::key_file(path)?;
                    SoftwareRoot::create(file, &[Unlocker::KeyFile(&key), recovery])
                }
                Some(source) => {
                    let passphrase = secrets::text(source)?;
                    SoftwareRoot::create(file, &[Unlocker::Passphrase(&passphrase, Argon2Cost::RECOMMENDED), recovery])
                }
                None => {
                    let passphrase = ask_twice("Passphrase of the new root: ")?;
                    SoftwareRoot::create(file, &[Unlocker::Passphrase(&passphrase, Argon2Cost::RECOMMENDED), recovery])
                }
            };
            Ok(Arc::new(root.map_err(failed)?))
        }
        RootConfig::Pkcs11 { .. } => Ok(provision_token(config, &pin_of(config)?)?),
    }
}

/// The PIN of a token, from where the configuration says it is, or from the terminal.
pub(crate) fn pin_of(config: &RootConfig) -> Result<SecretBytes, Failure> {
    match config {
        RootConfig::Pkcs11 { pin: Some(source), .. } => Ok(secrets::text(source)?),
        _ => ask("PIN of the token: "),
    }
}

/// Makes a root's keys inside a token.
pub(crate) fn provision_token(config: &RootConfig, pin: &SecretBytes) -> Result<Arc<dyn RootOfTrust>, WiringError> {
    let id = RootId::from_bytes(random::bytes(&SystemRandom).map_err(|_| WiringError::UnknownToken)?);
    let pin = SecretBytes::copy_from(pin.expose());
    let root = Pkcs11Root::provision(wiring::token_config(config, id)?, wiring::launcher(), pin, None)?;
    Ok(Arc::new(root))
}

/// Asks for a secret at the terminal, without showing it.
pub(crate) fn ask(prompt: &str) -> Result<SecretBytes, Failure> {
    let answer = rpassword::prompt_password(prompt);
    let answer = answer.map_err(|source| Failure::File { doing: "read from", path: "the terminal".into(), source })?;
    Ok(SecretBytes::take(answer.into_bytes()))
}

fn ask_twice(prompt: &str) -> Result<SecretBytes, Failure> {
    let first = ask(prompt)?;
    match ask("Once more: ")?.equals(first.expose()) {
        true => Ok(first),
        false => Err(Failure::Usage("the two are not the same".to_owned())),
    }
}
