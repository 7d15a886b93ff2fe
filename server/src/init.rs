//! `strongroom init`: root, recovery shares, store and the first administrator of a new installation.

use std::path::Path;
use std::sync::Arc;

use strongroom_admin_api::roles;
use strongroom_crypto::{SystemRandom, backup, shares};
use strongroom_engine::Parts;
use strongroom_model::root::RootOfTrust;
use strongroom_secret::SecretBytes;
use strongroom_store_embedded::{EmbeddedStore, Options as StoreOptions};

use crate::administrator::{AccessKey, First};
use crate::config::{self, Config};
use crate::keeper::{self, Recovery};
use crate::wiring::{self, Places, WiringError};
use crate::{Failure, hardening, telemetry};

/// The role of the first administrator.
const ROLE: &str = "tenant-administrator";

/// What `strongroom init` is told.
pub(crate) struct Init<'a> {
    /// Recovery shares that are needed, and that are made.
    pub(crate) shares: (u8, u8),
    /// The account of a first tenant, if there is to be one.
    pub(crate) account: Option<&'a str>,
    /// The name of its administrator.
    pub(crate) administrator: &'a str,
}

/// What `strongroom init` shows once and never again.
pub(crate) struct Made {
    /// Recovery shares of the backup key, as text.
    pub(crate) shares: Vec<SecretBytes>,
    /// How many of them are needed.
    pub(crate) threshold: u8,
    /// The first administrator's access key. The installation is made even if this failed, and its shares must be shown.
    pub(crate) access_key: Result<Option<AccessKey>, Failure>,
}

/// Makes the installation that a configuration describes.
pub(crate) fn init(path: &Path, asked: &Init<'_>) -> Result<Made, Failure> {
    let config = config::read(path)?;
    telemetry::begin(&config.log);
    hardening::forbid_dumps();
    let places = Places::in_directory(&config.data_directory);
    if places.store.exists() {
        return Err(Failure::Usage(format!("{} holds an installation already", config.data_directory.display())));
    }
    let (private, public) = backup::generate(&SystemRandom).map_err(|_| Failure::Randomness)?;
    let (threshold, count) = asked.shares;
    let split = shares::split(&private, threshold, count, &SystemRandom);
    let split = split.map_err(|error| Failure::Usage(error.to_string()))?;
    let made = std::fs::create_dir_all(&config.data_directory);
    made.map_err(|source| Failure::File { doing: "make", path: config.data_directory.clone(), source })?;
    let recovery = Recovery { secret: &private, threshold, shares: count };
    let mut roots: Vec<Arc<dyn RootOfTrust>> = Vec::new();
    for root in &config.root {
        roots.push(keeper::make(root.get_ref(), Some(&recovery), &ask_twice)?);
    }
    let revision = strongroom_model::store::Revision::default();
    let store = EmbeddedStore::create(&places.store, revision, StoreOptions::default()).map_err(WiringError::from)?;
    let store = Arc::new(store);
    let (log, _) = wiring::open_log(&*store, &places, config.node.get_ref(), &config.audit)?;
    let parts = wiring::parts(store, log, roots);
    strongroom_engine::initialise(&parts, public.0.to_vec(), (threshold, count)).map_err(WiringError::from)?;
    Ok(Made {
        shares: split.iter().map(shares::Share::to_text).collect(),
        threshold,
        access_key: asked
            .account
            .map(|account| administrator(&config, parts, account, asked.administrator))
            .transpose(),
    })
}

/// The first tenant, its administrator and an access key.
fn administrator(config: &Config, parts: Parts, account: &str, name: &str) -> Result<AccessKey, Failure> {
    let role = roles::find(ROLE).ok_or(Failure::Usage(format!("this build has no role {ROLE}")))?;
    let engine = wiring::start(parts, false)?;
    let (_, access_key) = First {
        service: "init",
        partition: &config.partition,
        account,
        tenant: account,
        principal: name,
        policy: (role.name, role.document),
    }
    .make(&engine)?;
    engine.checkpoint().map_err(WiringError::from)?;
    Ok(access_key)
}

/// Asks for a secret at the terminal, without showing it.
pub(crate) fn ask(prompt: &str) -> Result<SecretBytes, Failure> {
    let answer = rpassword::prompt_password(prompt);
    let answer = answer.map_err(|source| Failure::File { doing: "read from", path: "the terminal".into(), source })?;
    Ok(SecretBytes::take(answer.into_bytes()))
}

/// Asks for a new secret, twice.
pub(crate) fn ask_twice(prompt: &str) -> Result<SecretBytes, Failure> {
    let first = ask(prompt)?;
    match ask("Once more: ")?.equals(first.expose()) {
        true => Ok(first),
        false => Err(Failure::Usage("the two are not the same".to_owned())),
    }
}
