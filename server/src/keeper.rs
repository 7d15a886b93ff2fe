//! The roots that the configuration names: opened where they exist, made where they do not.
//!
//! The configuration file is the truth about roots. What is made here becomes one of the installation's roots only when
//! the engine has taken it in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_admin::ConfiguredRoots;
use strongroom_crypto::{SystemRandom, random};
use strongroom_engine::RootRow;
use strongroom_model::id::RootId;
use strongroom_model::root::RootOfTrust;
use strongroom_model::store::Store;
use strongroom_root_pkcs11::Pkcs11Root;
use strongroom_root_software::{Argon2Cost, SoftwareRoot, SoftwareRootError, Unlocker};
use strongroom_secret::{Secret, SecretBytes};
use strongroom_store_embedded::EmbeddedStore;

use crate::config::{self, RootConfig, SecretSource};
use crate::wiring::{self, WiringError};
use crate::{Failure, secrets, unsealing};

/// What recovery shares restore, for the slot of a new software root.
pub(crate) struct Recovery<'a> {
    pub(crate) secret: &'a Secret<32>,
    pub(crate) threshold: u8,
    pub(crate) shares: u8,
}

/// How a root is unsealed for which the configuration has no way: asked once, when the root is made.
pub(crate) type Asking<'a> = &'a dyn Fn(&str) -> Result<SecretBytes, Failure>;

/// Looks after the roots of a running server.
pub(crate) struct Keeper {
    configuration: PathBuf,
    store: Arc<EmbeddedStore>,
}

impl Keeper {
    pub(crate) fn new(configuration: &Path, store: Arc<EmbeddedStore>) -> Self {
        Self { configuration: configuration.to_owned(), store }
    }

    fn new_roots(&self) -> Result<Vec<Arc<dyn RootOfTrust>>, Failure> {
        let config = config::read(&self.configuration)?;
        let known = strongroom_engine::roots(&*self.store).map_err(WiringError::from)?;
        let (mut new, mut failure) = (Vec::new(), None);
        for root in config.root.iter().filter(|root| !is_known(root, &known)) {
            match open_or_make(root, &known, None, &*self.store, &nobody_to_ask) {
                Ok(root) if known.iter().any(|known| known.id == root.describe().id) => {}
                Ok(root) => new.push(root),
                // A root that is lost must not keep another from taking its place.
                Err(error) => {
                    tracing::warn!(error = crate::chain(&error), "a root of the configuration cannot be added");
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(failure) if new.is_empty() => Err(failure),
            _ if new.is_empty() => {
                let path = self.configuration.display();
                Err(Failure::Usage(format!("the installation knows every root that {path} names")))
            }
            _ => Ok(new),
        }
    }
}

impl ConfiguredRoots for Keeper {
    fn open_new(&self) -> Result<Vec<Arc<dyn RootOfTrust>>, String> {
        self.new_roots().map_err(|failure| crate::chain(&failure))
    }
}

/// Whether a root file is seen to be the installation's without opening it. A token has to be asked.
fn is_known(config: &RootConfig, known: &[RootRow]) -> bool {
    let RootConfig::Software { file, .. } = config else { return false };
    SoftwareRoot::open(file).is_ok_and(|sealed| known.iter().any(|known| known.id == sealed.id()))
}

fn nobody_to_ask(prompt: &str) -> Result<SecretBytes, Failure> {
    let asked = prompt.trim_end_matches([':', ' ']);
    Err(Failure::Usage(format!(
        "a root of the configuration has no `unseal` or `pin`, and nobody to ask for it: {asked}"
    )))
}

/// Opens a root, or makes it where there is none.
pub(crate) fn open_or_make(
    config: &RootConfig,
    known: &[RootRow],
    recovery: Option<&Recovery<'_>>,
    store: &dyn Store,
    ask: Asking<'_>,
) -> Result<Arc<dyn RootOfTrust>, Failure> {
    match config {
        RootConfig::Software { file, .. } if !file.exists() => make(config, recovery, store, ask),
        RootConfig::Software { .. } => {
            let opened = wiring::open_root(config, known, None)?;
            opened.ok_or_else(|| Failure::Usage("a root that exists has no `unseal` in the configuration".to_owned()))
        }
        RootConfig::Pkcs11 { .. } => match wiring::open_root(config, known, None) {
            Ok(Some(root)) => Ok(root),
            Ok(None) | Err(WiringError::UnknownToken) => make(config, recovery, store, ask),
            Err(error) => Err(error.into()),
        },
    }
}

/// Makes a root where the configuration says there is to be one.
pub(crate) fn make(
    config: &RootConfig,
    recovery: Option<&Recovery<'_>>,
    store: &dyn Store,
    ask: Asking<'_>,
) -> Result<Arc<dyn RootOfTrust>, Failure> {
    let RootConfig::Software { file, unseal } = config else {
        let pin = pin_of(config, ask)?;
        return provision_token(config, store, &pin);
    };
    let key;
    let passphrase;
    let unlocker = match unseal {
        Some(SecretSource::KeyFile(path)) => {
            key = secrets::key_file(path)?;
            Unlocker::KeyFile(&key)
        }
        source => {
            passphrase = match source {
                Some(source) => secrets::text(source)?,
                None => ask("Passphrase of the new root: ")?,
            };
            Unlocker::Passphrase(&passphrase, Argon2Cost::RECOMMENDED)
        }
    };
    let recovery = recovery.map(|Recovery { secret, threshold, shares }| Unlocker::Recovery {
        secret,
        threshold: *threshold,
        shares: *shares,
    });
    let unlockers: Vec<_> = std::iter::once(unlocker).chain(recovery).collect();
    let failed = |source: SoftwareRootError| WiringError::SoftwareRoot { path: file.clone(), source };
    Ok(Arc::new(SoftwareRoot::create(file, &unlockers).map_err(failed)?))
}

/// The PIN of a token, from where the configuration says it is, or as asked.
pub(crate) fn pin_of(config: &RootConfig, ask: Asking<'_>) -> Result<SecretBytes, Failure> {
    match config {
        RootConfig::Pkcs11 { pin: Some(source), .. } => Ok(secrets::text(source)?),
        _ => ask("PIN of the token: "),
    }
}

/// Makes a root's keys inside a token, or finds those that were begun. The store has the id first.
pub(crate) fn provision_token(
    config: &RootConfig,
    store: &dyn Store,
    pin: &SecretBytes,
) -> Result<Arc<dyn RootOfTrust>, Failure> {
    let id = plan(&unsealing::place(config), store)?;
    let pin = SecretBytes::copy_from(pin.expose());
    let root = Pkcs11Root::provision(wiring::token_config(config, id)?, wiring::launcher(), pin, None);
    Ok(Arc::new(root.map_err(WiringError::from)?))
}

/// Has the store say that a root is about to be made.
pub(crate) fn plan(location: &str, store: &dyn Store) -> Result<RootId, Failure> {
    let fresh = RootId::from_bytes(random::bytes(&SystemRandom).map_err(|_| Failure::Randomness)?);
    Ok(strongroom_engine::plan_root(store, location, fresh).map_err(WiringError::from)?)
}
