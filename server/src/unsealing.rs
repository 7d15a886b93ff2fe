//! Who unsealed the server, or tried to: kept until there is a log to record it in.
//!
//! Tries that failed wait in memory, the first few one by one and the rest by number, and are recorded once the server
//! is unsealed. A sealed server that ends before that takes them along: nothing can be recorded without a root.

use std::sync::Arc;

use parking_lot::Mutex;
use strongroom_admin::AdminDialect;
use strongroom_engine::{Call, Engine, EngineError, Noted};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal, Source};
use strongroom_model::clock::{Clock as _, Timestamp};
use strongroom_model::id::TenantId;

use crate::clock::SystemClock;
use crate::config::{RootConfig, SecretSource};

static ADMIN: AdminDialect = AdminDialect;
/// Failed tries that are recorded one by one.
const TRIES: usize = 64;

/// Who unseals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// An operator at the far end of a Unix socket.
    Operator {
        /// As the kernel says.
        uid: u32,
        /// The listener's name.
        listener: Arc<str>,
    },
    /// The server itself, with what its configuration points to.
    Unattended,
}

/// One try.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    /// Who.
    pub(crate) by: By,
    /// With what: a kind of secret, or where it came from. Never the secret.
    pub(crate) with: String,
    /// What was to be opened: a root's place or id; empty if it never came to that.
    pub(crate) root: String,
    /// Why it failed, if it did.
    pub(crate) failed: Option<String>,
}

/// Tries that are not recorded yet.
#[derive(Default)]
pub(crate) struct Tries(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    first: Vec<(Timestamp, Try)>,
    /// The first of those that are only counted, and how many they are.
    more: Option<(Timestamp, u64)>,
}

impl Tries {
    /// Keeps a try.
    pub(crate) fn keep(&self, tried: Try) {
        let now = SystemClock.now();
        let mut waiting = self.0.lock();
        if waiting.first.len() < TRIES || tried.failed.is_none() {
            waiting.first.push((now, tried));
        } else {
            let (first, count) = waiting.more.unwrap_or((now, 0));
            waiting.more = Some((first, count.saturating_add(1)));
        }
    }

    /// Records what was kept; what can't be recorded now stays. Blocks.
    pub(crate) fn record(&self, engine: &Engine) -> Result<(), EngineError> {
        let mut waiting = self.0.lock();
        let mut all: Vec<Noted> = waiting.first.iter().map(|(at, tried)| noted(*at, tried, 1)).collect();
        if let Some((first, count)) = waiting.more {
            let failed = Some("further tries, not told apart".to_owned());
            let tried = Try { by: By::Unattended, with: String::new(), root: String::new(), failed };
            all.push(noted(first, &tried, count));
        }
        if !all.is_empty() {
            engine.note(&all)?;
            *waiting = Waiting::default();
        }
        Ok(())
    }
}

fn noted(at: Timestamp, tried: &Try, count: u64) -> Noted {
    let mut call = Call::internal("unattended", "Unseal", &ADMIN);
    if let By::Operator { uid, listener } = &tried.by {
        call.caller = Arc::new(Caller {
            tenant: TenantId::INSTALLATION,
            account: Arc::from(""),
            policy_name: format!("arn:aws:strongroom:::operator/{uid}").into(),
            principal: Principal::Operator { uid: *uid },
            credential: None,
        });
        call.source = Arc::new(Source { listener: Arc::clone(listener), ..Source::default() });
    }
    let details = [("with", &tried.with), ("root", &tried.root)];
    call.detail =
        details.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.clone())).collect();
    let failed = tried.failed.as_ref().map(|problem| ("UnsealFailed", problem.clone()));
    Noted { call, action: Action::Unseal, at, failed, count }
}

/// Where a root is, for people.
pub(crate) fn place(root: &RootConfig) -> String {
    match root {
        RootConfig::Software { file, .. } => file.display().to_string(),
        RootConfig::Pkcs11 { token_label: Some(label), .. } => format!("token {label:?}"),
        RootConfig::Pkcs11 { token_serial, .. } => {
            format!("token with serial number {:?}", token_serial.as_deref().unwrap_or_default())
        }
    }
}

/// What the configuration says a root is unsealed with; `None` if it says nothing.
pub(crate) fn source(root: &RootConfig) -> Option<String> {
    let (RootConfig::Software { unseal: source, .. } | RootConfig::Pkcs11 { pin: source, .. }) = root;
    Some(match source.as_ref()? {
        SecretSource::KeyFile(path) => format!("key_file {}", path.display()),
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Environment(name) => format!("environment {name}"),
        SecretSource::Credential(name) => format!("credential {name}"),
    })
}
