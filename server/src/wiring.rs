//! From configuration to an engine: store, roots, log, in that order.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use strongroom_admin::AdminDialect;
use strongroom_audit_log::{FileLog, Recovery};
use strongroom_aws_kms::Cluster;
use strongroom_crypto::SystemRandom;
use strongroom_engine::{Engine, EngineError, InternalFault, OfferedStore, Options, Parts, RootRow};
use strongroom_model::clock::Clock;
use strongroom_model::id::RootId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::root::RootOfTrust;
use strongroom_model::store::{Revision, Store};
use strongroom_root_pkcs11::{
    Config as TokenConfig, Launcher, Pkcs11Error, Pkcs11KeyStore, Pkcs11Root, StoreConfig, TokenSelector,
};
use strongroom_root_software::{Credential, SoftwareRoot, SoftwareRootError};
use strongroom_secret::SecretBytes;
use strongroom_store_embedded::{EmbeddedStore, OpenError, Options as StoreOptions};
use strongroom_xks_client::{ClientCertificate, Hosts, Network, NetworkError, Route};

use crate::clock::SystemClock;
use crate::config::{
    AuditConfig, ClusterConfig, ExternalKeyManagerConfig, ExternalKeyManagersConfig, KeyStoreConfig, KeyStoreKind,
    RootConfig, SecretSource, TokenName,
};
use crate::hardening;
use crate::secrets::{self, Given, SecretError};

/// The hidden subcommand in which a PKCS#11 module runs.
pub(crate) const MODULE_COMMAND: &str = "pkcs11-module";

/// What operators of the installation may do: everything of the admin API, and nothing with key material.
const OPERATOR_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Operators","Effect":"Allow","Action":"strongroom:*","Resource":"*"}]}"#;

/// Why a server could not be wired together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WiringError {
    /// The store.
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    /// The audit log.
    #[error("the audit log cannot be opened")]
    Log(#[from] strongroom_audit_log::OpenError),
    /// A software root.
    #[error("the software root {} cannot be opened", .path.display())]
    SoftwareRoot {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: SoftwareRootError,
    },
    /// A token.
    #[error("the token cannot be opened")]
    Token(#[from] Pkcs11Error),
    /// A key store.
    #[error("the key store {name} cannot be opened")]
    KeyStore {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: KeyStoreCause,
    },
    /// The external key managers.
    #[error("external key managers cannot be asked")]
    ExternalKeyManagers(#[from] NetworkError),
    /// A file of an external key manager.
    #[error("what the external key manager {host} has in {} cannot be read", .path.display())]
    ExternalKeyManagerFile {
        /// Its host.
        host: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key of the certificate that an external key manager is shown.
    #[error("the client key for the external key manager {host} cannot be fetched")]
    ExternalKeyManagerKey {
        /// Its host.
        host: String,
        /// Why.
        #[source]
        cause: SecretError,
    },
    /// No root that the store knows lives in the token.
    #[error("the token holds the keys of none of this installation's roots; add it with: strongroom root add")]
    UnknownToken,
    /// A secret.
    #[error("a root cannot be unsealed")]
    Secret(#[from] SecretError),
    /// The store was put back to an older state.
    #[error(
        "the store is older than the audit log: it lacks {changes} changes that the log tells of; restore a newer store, \
         or accept the loss once: strongroom serve --accept-rollback"
    )]
    RolledBack {
        /// How many.
        changes: u64,
    },
    /// A fault that the engine tells nobody outside.
    #[error("the engine cannot be started")]
    Fault(#[source] InternalFault),
    /// The engine.
    #[error("the engine cannot do this")]
    Engine(#[source] EngineError),
}

/// Why a key store could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyStoreCause {
    /// It has no name that rows could have.
    #[error("its name is not of the form")]
    Name,
    /// Its PIN.
    #[error("its PIN cannot be fetched")]
    Secret(#[from] SecretError),
    /// Its tokens.
    #[error("its tokens cannot be used")]
    Token(#[from] Pkcs11Error),
}

impl From<EngineError> for WiringError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Internal(InternalFault::StoreOlderThanLog { changes }) => Self::RolledBack { changes },
            EngineError::Internal(fault) => Self::Fault(fault),
            other => Self::Engine(other),
        }
    }
}

/// Where things lie in a data directory.
pub(crate) struct Places {
    /// The store's directory.
    pub(crate) store: PathBuf,
    /// The audit log's directory.
    pub(crate) audit: PathBuf,
}

impl Places {
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self { store: directory.join("store"), audit: directory.join("audit") }
    }
}

/// Opens a store, or makes it where there is none; one that was not made to its end is made to it.
pub(crate) fn open_or_create(directory: &Path) -> Result<EmbeddedStore, WiringError> {
    match EmbeddedStore::create(directory, Revision::default(), StoreOptions::default()) {
        Err(OpenError::Exists { .. }) => Ok(EmbeddedStore::open(directory, StoreOptions::default())?),
        created => Ok(created?),
    }
}

/// Opens a root that the configuration tells how to unseal.
pub(crate) fn open_root(
    config: &RootConfig,
    known: &[RootRow],
    given: Option<&Given>,
) -> Result<Option<Arc<dyn RootOfTrust>>, WiringError> {
    match config {
        RootConfig::Software { file, unseal } => {
            let failed = |source| WiringError::SoftwareRoot { path: file.clone(), source };
            let sealed = SoftwareRoot::open(file).map_err(failed)?;
            let root = match (unseal, given) {
                (Some(SecretSource::KeyFile(path)), _) => {
                    sealed.unseal(&Credential::KeyFile(&secrets::key_file(path)?)).map_err(failed)?
                }
                (Some(source), _) => sealed.unseal(&Credential::Passphrase(&secrets::text(source)?)).map_err(failed)?,
                (None, Some(Given::Passphrase(passphrase))) => {
                    sealed.unseal(&Credential::Passphrase(passphrase)).map_err(failed)?
                }
                (None, Some(Given::Recovery(secret))) => {
                    sealed.unseal(&Credential::Recovery(secret)).map_err(failed)?
                }
                (None, _) => return Ok(None),
            };
            Ok(Some(Arc::new(root)))
        }
        RootConfig::Pkcs11 { pin, .. } => {
            let pin = match (pin, given) {
                (Some(source), _) => secrets::text(source)?,
                (None, Some(Given::Pin(pin))) => SecretBytes::copy_from(pin.expose()),
                (None, _) => return Ok(None),
            };
            open_token(config, known, &pin).map(Some)
        }
    }
}

/// Finds which of the installation's roots lives in the token.
fn open_token(config: &RootConfig, known: &[RootRow], pin: &SecretBytes) -> Result<Arc<dyn RootOfTrust>, WiringError> {
    for row in known.iter().filter(|row| row.kind == "pkcs11") {
        match Pkcs11Root::open(token_config(config, row.id)?, launcher(), SecretBytes::copy_from(pin.expose())) {
            Ok(root) => return Ok(Arc::new(root)),
            Err(Pkcs11Error::NotProvisioned { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(WiringError::UnknownToken)
}

/// What the PKCS#11 room needs to know of a token.
pub(crate) fn token_config(config: &RootConfig, root: RootId) -> Result<TokenConfig, WiringError> {
    let RootConfig::Pkcs11 { module, token_label, token_serial, sessions, deadline, .. } = config else {
        return Err(WiringError::UnknownToken);
    };
    let token = match (token_label, token_serial) {
        (Some(label), _) => TokenSelector::Label(label.clone()),
        (None, serial) => TokenSelector::Serial(serial.clone().unwrap_or_default()),
    };
    let mut token = TokenConfig::new(module.clone(), token, root);
    token.sessions = *sessions;
    token.deadline = *deadline;
    Ok(token)
}

/// How the child process is started in which a PKCS#11 module runs: this program again.
pub(crate) fn launcher() -> Launcher {
    Launcher::of_this_program(vec![OsString::from(MODULE_COMMAND)])
}

/// Begins to keep the key stores of a configuration ready; their tokens need not be there yet.
pub(crate) fn key_stores(configs: &[KeyStoreConfig]) -> Result<Vec<Arc<Pkcs11KeyStore>>, WiringError> {
    configs.iter().map(key_store).collect()
}

/// The same, with the accounts that each is offered to.
pub(crate) fn offered_stores(configs: &[KeyStoreConfig]) -> Result<Vec<OfferedStore>, WiringError> {
    let offer = |config: &KeyStoreConfig| Ok(OfferedStore { store: key_store(config)?, accounts: config.offered_to() });
    configs.iter().map(offer).collect()
}

/// The key stores that AWS's clients find, and how.
pub(crate) fn clusters(configs: &[KeyStoreConfig]) -> Vec<Cluster> {
    let known = configs.iter().filter_map(|config| {
        let ClusterConfig { cluster, accounts } = config.aws_kms.clone()?;
        let accounts = accounts.unwrap_or_else(|| config.accounts.clone());
        Some(Cluster { id: cluster, store: KeyStoreName::new(&config.name)?, accounts })
    });
    known.collect()
}

fn key_store(config: &KeyStoreConfig) -> Result<Arc<Pkcs11KeyStore>, WiringError> {
    let KeyStoreKind::Pkcs11 = config.kind;
    let failed = |cause: KeyStoreCause| WiringError::KeyStore { name: config.name.clone(), cause };
    let name = KeyStoreName::new(&config.name).ok_or_else(|| failed(KeyStoreCause::Name))?;
    let token = |token: &TokenName| match token {
        TokenName::Label(label) => TokenSelector::Label(label.clone()),
        TokenName::Serial(serial) => TokenSelector::Serial(serial.clone()),
    };
    let mut store = StoreConfig::new(name, config.module.clone(), config.tokens.iter().map(token).collect());
    store.sessions = config.sessions.unwrap_or(store.sessions);
    store.queue = config.queue.unwrap_or(store.queue);
    let deadline = config.deadline_milliseconds.map(|deadline| Duration::from_millis(deadline.get().into()));
    store.deadline = deadline.unwrap_or(store.deadline);
    let pin = secrets::text(&config.pin).map_err(|error| failed(error.into()))?;
    Pkcs11KeyStore::start(store, &launcher(), &pin).map(Arc::new).map_err(|error| failed(error.into()))
}

/// What external key managers are asked from: nothing is asked before a tenant names one.
pub(crate) fn external_key_managers(
    listed: &[ExternalKeyManagerConfig],
    all: &ExternalKeyManagersConfig,
) -> Result<Network, WiringError> {
    let path = &all.certificate_authorities;
    let authorities = std::fs::read(path).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "no certificate authorities: external key managers need their own");
        Vec::new()
    });
    let routes = listed.iter().map(route).collect::<Result<_, _>>()?;
    let hosts = Hosts { authorities: &authorities, routes, only_routes: all.only_listed };
    Ok(Network::start(hosts, Arc::new(SystemClock))?)
}

fn route(config: &ExternalKeyManagerConfig) -> Result<Route, WiringError> {
    let read = |path: &PathBuf| {
        let unreadable =
            |source| WiringError::ExternalKeyManagerFile { host: config.host.clone(), path: path.clone(), source };
        std::fs::read(path).map_err(unreadable)
    };
    let secret = |path: &PathBuf| {
        let failed = |cause| WiringError::ExternalKeyManagerKey { host: config.host.clone(), cause };
        secrets::private_key(path).map_err(failed)
    };
    let certificate = match (&config.client_certificate, &config.client_key) {
        (Some(chain), Some(key)) => Some(ClientCertificate { chain: read(chain)?, key: secret(key)? }),
        _ => None,
    };
    Ok(Route {
        host: config.host.clone(),
        service: config.service.clone(),
        address: config.address,
        authorities: config.authorities.as_ref().map(read).transpose()?,
        certificate,
        deadline: config.deadline_milliseconds.map(|deadline| Duration::from_millis(deadline.get().into())),
    })
}

/// Opens the log, which must have at least what the store knows of.
pub(crate) fn open_log(
    store: &dyn Store,
    places: &Places,
    node: &str,
    audit: &AuditConfig,
) -> Result<(Arc<FileLog>, Recovery), WiringError> {
    let saved = strongroom_engine::saved_head(store, node)?;
    let mut options = strongroom_audit_log::Options::new(node.to_owned());
    options.segment_bytes = audit.segment_bytes;
    let (log, recovery) = FileLog::open(&places.audit, options, Arc::new(SystemClock), saved.as_ref())?;
    if let Some(torn) = recovery.torn {
        tracing::warn!(?torn, "the last write to the audit log had not been finished; it was taken back");
    }
    Ok((Arc::new(log), recovery))
}

/// Puts the parts together.
pub(crate) fn parts(store: Arc<EmbeddedStore>, log: Arc<FileLog>, roots: Vec<Arc<dyn RootOfTrust>>) -> Parts {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Parts {
        store,
        log,
        roots,
        clock,
        random: Arc::new(SystemRandom),
        arena: hardening::arena(),
        key_stores: Vec::new(),
        external: None,
    }
}

/// Starts the engine with so many RSA key pairs made ahead, over a store that was put back to an older state only if that is
/// accepted.
pub(crate) fn start(parts: Parts, accept_rollback: bool, rsa_pairs: usize) -> Result<Arc<Engine>, WiringError> {
    let options = Options { operator_policy: OPERATOR_POLICY.to_owned(), rsa_pairs };
    if !accept_rollback {
        return Ok(Engine::start(parts, &options)?);
    }
    let (engine, rolled_back) = Engine::start_accepting_rollback(parts, &options, &AdminDialect)?;
    if rolled_back.lost > 0 {
        let (lost, reapplied) = (rolled_back.lost, rolled_back.reapplied);
        tracing::warn!(
            lost,
            reapplied,
            "an older store is served: changes are lost; suspensions and destructions hold"
        );
    }
    Ok(engine)
}
