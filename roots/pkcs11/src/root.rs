//! A token as a root of trust: what callers see.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use minicbor::bytes::ByteVec;
use strongroom_model::id::RootId;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey, RootDescription, RootError, RootOfTrust};
use strongroom_secret::{Secret, SecretBytes};

use crate::blob;
use crate::client::{Client, Settings, senseless};
use crate::error::Pkcs11Error;
use crate::health::RootHealth;
use crate::launcher::Launcher;
use crate::limits::{self, CONTEXT_BYTES, RANDOM_BYTES};
use crate::protocol::{Call, Reply, SecretField, TokenSelector, Wrapping};
use crate::supervisor::Known;

/// Which token, and how it is used.
#[derive(Clone, Debug)]
pub struct Config {
    /// The PKCS#11 module: the path of a shared library.
    pub module: PathBuf,
    /// The token among those of the module.
    pub token: TokenSelector,
    /// The root's id, by which its keys are found in the token.
    pub root: RootId,
    /// How many calls run in the token at once: 1 to [`limits::SESSIONS_MOST`].
    pub sessions: usize,
    /// How many calls may be under way, running and waiting together: 1 to [`limits::QUEUE_MOST`].
    pub queue: usize,
    /// How long a call may take, waiting included.
    pub deadline: Duration,
}

impl Config {
    /// The usual bounds: [`limits::SESSIONS`], [`limits::QUEUE`], [`limits::DEADLINE`].
    #[must_use]
    pub const fn new(module: PathBuf, token: TokenSelector, root: RootId) -> Self {
        let (sessions, queue, deadline) = (limits::SESSIONS, limits::QUEUE, limits::DEADLINE);
        Self { module, token, root, sessions, queue, deadline }
    }
}

/// A root of trust in a PKCS#11 token, behind a child process. Cheap to clone; the child ends with the last clone.
#[derive(Clone)]
pub struct Pkcs11Root {
    client: Client,
    id: RootId,
    wrapping: Wrapping,
    location: Arc<str>,
    deadline: Duration,
}

impl Pkcs11Root {
    /// Opens a root whose keys are in the token. Waits no longer than the configured deadline; the child process is gone
    /// again if this fails.
    ///
    /// # Errors
    /// When the token or the keys are not there or unfit, the PIN is wrong, or the module does not answer.
    pub fn open(config: Config, launcher: Launcher, pin: SecretBytes) -> Result<Self, Pkcs11Error> {
        Self::begin(config, launcher, pin, &Call::Find)
    }

    /// As [`Pkcs11Root::open`], but makes the keys that are not there yet. Calling it again with the same root id finds them,
    /// so it may be repeated after a failure. `wrapping` is how a new wrapping key shall wrap; by default AES-GCM where
    /// the token has it.
    ///
    /// # Errors
    /// As for [`Pkcs11Root::open`], or when the token cannot make the keys or wrap with them.
    pub fn provision(
        config: Config,
        launcher: Launcher,
        pin: SecretBytes,
        wrapping: Option<Wrapping>,
    ) -> Result<Self, Pkcs11Error> {
        Self::begin(config, launcher, pin, &Call::Provision(wrapping))
    }

    /// The same root with another deadline for its calls.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// How the root is doing. Never blocks.
    #[must_use]
    pub fn health(&self) -> RootHealth {
        self.client.health()
    }

    fn begin(config: Config, launcher: Launcher, pin: SecretBytes, call: &Call) -> Result<Self, Pkcs11Error> {
        let (token, id, deadline) = (config.token.clone(), config.root, config.deadline);
        let client = Client::start(Settings::of_root(config), launcher, pin)?;
        let mut root = Self { client, id, wrapping: Wrapping::AesGcm, location: Arc::from(""), deadline };
        let until = Instant::now() + deadline;
        let begun = root.client.started(until).and_then(|()| root.client.call(call, until, deadline));
        let wrapping = match begun {
            Ok(Reply::Provisioned(wrapping)) => wrapping,
            Ok(_) => return Err(Pkcs11Error::Root(senseless())),
            Err(error) => return Err(error.into_open_error(&token, id)),
        };
        let Known { label, serial, .. } = root.client.token().unwrap_or_default();
        root.location = Arc::from(format!("token {label:?}, serial number {serial:?}"));
        root.wrapping = wrapping;
        Ok(root)
    }

    fn call(&self, call: &Call) -> Result<Reply, RootError> {
        self.client.call(call, Instant::now() + self.deadline, self.deadline).map_err(RootError::from)
    }
}

impl RootOfTrust for Pkcs11Root {
    fn describe(&self) -> RootDescription {
        RootDescription {
            id: self.id,
            kind: "pkcs11",
            location: self.location.as_ref().to_owned(),
            wrapping: match self.wrapping {
                Wrapping::AesGcm => "AES-256-GCM in the token".into(),
                Wrapping::KeyWrapPad => "AES-256 key wrap with padding in the token".into(),
            },
        }
    }

    fn wrap(&self, context: &[u8], key: &Secret<32>) -> Result<Vec<u8>, RootError> {
        if context.len() > CONTEXT_BYTES {
            return Err(RootError::Unsupported { mechanism: format!("a context of more than {CONTEXT_BYTES} bytes") });
        }
        let header = blob::header(self.wrapping, self.id);
        let bound = ByteVec::from([header.as_slice(), context].concat());
        let key = SecretField(SecretBytes::copy_from(key.expose()));
        match self.call(&Call::Wrap { bound, key })? {
            Reply::Wrapped { iv, text } => Ok([header.as_slice(), &iv, &text].concat()),
            _ => Err(senseless()),
        }
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Secret<32>, RootError> {
        let header = blob::header(self.wrapping, self.id);
        let (iv, text) = blob::parse(self.wrapping, &header, wrapped).ok_or(RootError::Refused)?;
        if context.len() > CONTEXT_BYTES {
            return Err(RootError::Refused);
        }
        let bound = ByteVec::from([header.as_slice(), context].concat());
        match self.call(&Call::Unwrap { bound, iv: iv.to_vec().into(), text: text.to_vec().into() })? {
            Reply::Secret(key) => Secret::copy_from(key.0.expose()).ok_or(RootError::Refused),
            _ => Err(senseless()),
        }
    }

    fn checkpoint_key(&self) -> Result<CheckpointKey, RootError> {
        match self.call(&Call::CheckpointKey)? {
            Reply::Public(point) => {
                Ok(CheckpointKey { algorithm: CheckpointAlgorithm::EcdsaP256, public: point.to_vec() })
            }
            _ => Err(senseless()),
        }
    }

    fn sign_checkpoint(&self, message: &[u8]) -> Result<[u8; 64], RootError> {
        let digest = digest(&SHA256, message).as_ref().to_vec();
        match self.call(&Call::Sign(digest.into()))? {
            Reply::Public(signature) => signature.as_slice().try_into().map_err(|_| senseless()),
            _ => Err(senseless()),
        }
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), RootError> {
        let deadline = Instant::now() + self.deadline;
        for part in bytes.chunks_mut(RANDOM_BYTES) {
            let length = u32::try_from(part.len()).unwrap_or(0);
            match self.client.call(&Call::Random(length), deadline, self.deadline)? {
                Reply::Secret(drawn) if drawn.0.len() == part.len() => part.copy_from_slice(drawn.0.expose()),
                _ => return Err(senseless()),
            }
        }
        Ok(())
    }
}
