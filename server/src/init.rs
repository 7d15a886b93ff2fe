//! `strongroom init`: root, recovery shares, store and the first administrator of a new installation.
//!
//! It may be interrupted at any moment and run again. Absent on purpose: leaving half an installation behind.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_admin_api::roles;
use strongroom_crypto::{SystemRandom, backup, shares};
use strongroom_engine::Parts;
use strongroom_model::root::RootOfTrust;
use strongroom_secret::SecretBytes;
use strongroom_store_embedded::EmbeddedStore;

use crate::administrator::{AccessKey, First};
use crate::config::{self, Config, RootConfig};
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
    /// The first administrator's access key, if there is to be one.
    pub(crate) access_key: Option<AccessKey>,
}

/// An installation that is made and not in its place yet: it can't be served before it is finished.
#[must_use]
pub(crate) struct Unfinished {
    staged: Places,
    staging: PathBuf,
    config: Config,
}

/// Where an installation is made. Only when its shares were shown is it moved to its place, so that whoever is
/// interrupted may begin again, and nothing is served whose shares nobody has seen.
const STAGING: &str = "initialising";

/// Makes the installation that a configuration describes, or makes it anew where that was interrupted. `None` when the
/// interrupted run had shown everything: then there is nothing to be shown any more.
pub(crate) fn init(path: &Path, asked: &Init<'_>) -> Result<(Option<Made>, Unfinished), Failure> {
    let config = config::read(path)?;
    telemetry::begin(&config.log);
    hardening::forbid_dumps();
    let data = &config.data_directory;
    let places = Places::in_directory(data);
    if places.store.exists() {
        return Err(Failure::Usage(format!("{} holds an installation already", data.display())));
    }
    let staging = data.join(STAGING);
    let staged = Places::in_directory(&staging);
    if staged.store.exists() && !staged.audit.exists() && places.audit.exists() {
        return Ok((None, Unfinished { staged, staging, config }));
    }
    if places.audit.exists() {
        let place = places.audit.display();
        let problem = format!("{place} holds the log of another installation: restore that one, or move the log away");
        return Err(Failure::Usage(problem));
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&staging);
    made.map_err(|source| Failure::File { doing: "make", path: staging.clone(), source })?;
    let store = Arc::new(wiring::open_or_create(&staged.store)?);
    strongroom_engine::begin_initialisation(&*store).map_err(WiringError::from)?;
    remove_tree(&staged.audit)?;
    let made = make(&config, asked, &staged, store)?;
    Ok((Some(made), Unfinished { staged, staging, config }))
}

/// Everything is closed again when this returns.
fn make(config: &Config, asked: &Init<'_>, staged: &Places, store: Arc<EmbeddedStore>) -> Result<Made, Failure> {
    let (private, public) = backup::generate(&SystemRandom).map_err(|_| Failure::Randomness)?;
    let (threshold, count) = asked.shares;
    let split = shares::split(&private, threshold, count, &SystemRandom);
    let split = split.map_err(|error| Failure::Usage(error.to_string()))?;
    let recovery = Recovery { secret: &private, threshold, shares: count };
    let mut roots: Vec<Arc<dyn RootOfTrust>> = Vec::new();
    for root in &config.root {
        if let RootConfig::Software { file, .. } = root {
            plan_file(file, &store)?;
        }
        roots.push(keeper::make(root, Some(&recovery), &*store, &ask_twice)?);
    }
    let (log, _) = wiring::open_log(&*store, staged, &config.node, &config.audit)?;
    let parts = wiring::parts(store, log, roots);
    strongroom_engine::initialise(&parts, public.0.to_vec(), (threshold, count)).map_err(WiringError::from)?;
    let access_key = asked.account.map(|account| administrator(config, parts, account, asked.administrator));
    Ok(Made {
        shares: split.iter().map(shares::Share::to_text).collect(),
        threshold,
        access_key: access_key.transpose()?,
    })
}

/// Has the store say that a root's file is about to be made, and removes the one that an interrupted run made: nothing
/// hangs on it, and its recovery slot is for shares that were never valid. Any other file is left alone.
fn plan_file(file: &Path, store: &EmbeddedStore) -> Result<(), Failure> {
    let location = format!("file {}", file.display());
    let begun = strongroom_engine::planned_root(store, &location).map_err(WiringError::from)?.is_some();
    match (file.exists(), begun) {
        (false, _) => keeper::plan(&location, store).map(drop),
        (true, true) => {
            fs::remove_file(file).map_err(|source| Failure::File { doing: "remove", path: file.to_owned(), source })
        }
        (true, false) => {
            let file = file.display();
            Err(Failure::Usage(format!(
                "{file} is there already, and not from an interrupted init: move it away first"
            )))
        }
    }
}

impl Unfinished {
    /// Moves the installation to its place, once what it made was shown.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let data = &self.config.data_directory;
        let places = Places::in_directory(data);
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| Failure::File { doing, path, source }
        };
        let sync = || File::open(data).and_then(|open| open.sync_all()).map_err(failed("make durable", data));
        if self.staged.audit.exists() {
            fs::rename(&self.staged.audit, &places.audit).map_err(failed("move into place", &places.audit))?;
            sync()?;
        }
        let store = wiring::open_or_create(&self.staged.store)?;
        strongroom_engine::finish_initialisation(&store).map_err(WiringError::from)?;
        drop(store);
        fs::rename(&self.staged.store, &places.store).map_err(failed("move into place", &places.store))?;
        sync()?;
        fs::remove_dir(&self.staging).map_err(failed("remove", &self.staging))
    }
}

fn remove_tree(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Failure::File { doing: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// The first tenant, its administrator and an access key.
fn administrator(config: &Config, parts: Parts, account: &str, name: &str) -> Result<AccessKey, Failure> {
    let role = roles::find(ROLE).ok_or(Failure::Usage(format!("this build has no role {ROLE}")))?;
    let engine = wiring::start(parts, false, 0)?;
    let (_, access_key) = First {
        service: "init",
        partition: &config.partition,
        account,
        tenant: account,
        principal: name,
        policy: (role.name, role.document),
    }
    .make(&engine, None)?;
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
