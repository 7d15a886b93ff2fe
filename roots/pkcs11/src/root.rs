//! A token as a root of trust: what callers see.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use crossbeam_channel::RecvTimeoutError;
use minicbor::bytes::ByteVec;
use strongroom_model::id::RootId;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey, RootDescription, RootError, RootOfTrust};
use strongroom_secret::{Secret, SecretBytes};

use crate::blob;
use crate::error::{CallError, Pkcs11Error};
use crate::health::RootHealth;
use crate::launcher::Launcher;
use crate::limits::{self, CONTEXT_BYTES, PIN_BYTES, QUEUE_MOST, RANDOM_BYTES, SESSIONS_MOST};
use crate::link::Unsent;
use crate::protocol::{Call, Fault, Reply, SecretField, TokenSelector, Wrapping};
use crate::supervisor::Shared;

/// Which token, and how it is used.
#[derive(Clone, Debug)]
pub struct Config {
    /// The PKCS#11 module: the path of a shared library.
    pub module: PathBuf,
    /// The token among those of the module.
    pub token: TokenSelector,
    /// The root's id, by which its keys are found in the token.
    pub root: RootId,
    /// How many calls run in the token at once: 1 to [`SESSIONS_MOST`].
    pub sessions: usize,
    /// How many calls may be under way, running and waiting together: 1 to [`QUEUE_MOST`].
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
    supervised: Arc<Supervised>,
    wrapping: Wrapping,
    location: Arc<str>,
    deadline: Duration,
}

struct Supervised {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails, and there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Pkcs11Root {
    /// Opens a root whose keys are in the token. Waits no longer than the configured deadline; the child process is gone
    /// again if this fails.
    ///
    /// # Errors
    /// When the token or the keys are not there or unfit, the PIN is wrong, or the module does not answer.
    pub fn open(config: Config, launcher: Launcher, pin: SecretBytes) -> Result<Self, Pkcs11Error> {
        Self::begin(config, launcher, pin, Call::Find)
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
        Self::begin(config, launcher, pin, Call::Provision(wrapping))
    }

    /// The same root with another deadline for its calls.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// How the root is doing. Never blocks.
    #[must_use]
    pub fn health(&self) -> RootHealth {
        self.supervised.shared.state.lock().condition.health(Instant::now())
    }

    fn begin(config: Config, launcher: Launcher, pin: SecretBytes, call: Call) -> Result<Self, Pkcs11Error> {
        let bounded = |what, value: usize, least, most| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(Pkcs11Error::Bounds { what, least, most }) }
        };
        bounded("the number of sessions", config.sessions, 1, SESSIONS_MOST)?;
        bounded("the length of the queue", config.queue, 1, QUEUE_MOST)?;
        bounded("the length of the PIN", pin.len(), 1, PIN_BYTES)?;
        let deadline = config.deadline;
        let shared = Arc::new(Shared::new(config, launcher, pin));
        let thread = std::thread::Builder::new().name("token".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.supervise()
        });
        let thread = Some(thread.map_err(Pkcs11Error::Thread)?);
        let supervised = Arc::new(Supervised { shared, thread });
        let mut root = Self { supervised, wrapping: Wrapping::AesGcm, location: Arc::from(""), deadline };
        let shared = &root.supervised.shared;
        let until = Instant::now() + deadline;
        let wrapping = match shared.started(until).and_then(|()| root.call_within(call, until)) {
            Ok(Reply::Provisioned(wrapping)) => wrapping,
            Ok(_) => return Err(Pkcs11Error::Root(senseless())),
            Err(error) => return Err(error.into_open_error(&shared.config.token, shared.config.root)),
        };
        let (label, serial) = shared.state.lock().token.clone().unwrap_or_default();
        root.location = Arc::from(format!("token {label:?}, serial number {serial:?}"));
        root.wrapping = wrapping;
        Ok(root)
    }

    fn call(&self, call: Call) -> Result<Reply, RootError> {
        self.call_within(call, Instant::now() + self.deadline).map_err(RootError::from)
    }

    fn call_within(&self, call: Call, deadline: Instant) -> Result<Reply, CallError> {
        let shared = &self.supervised.shared;
        let _inside = Inside::enter(shared).ok_or(CallError::Root(RootError::Busy))?;
        let link = shared.link(deadline, self.deadline)?;
        let timeout = || CallError::Root(RootError::Timeout(self.deadline));
        let ended = || CallError::Root(RootError::Unavailable { cause: "the module stopped during the call".into() });
        let receiver = link.send(call, deadline).map_err(|unsent| match unsent {
            Unsent::Full => CallError::Root(RootError::Busy),
            Unsent::Late => timeout(),
            Unsent::Ended => ended(),
        })?;
        let outcome = match receiver.recv_deadline(deadline) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Fault::Expired)) | Err(RecvTimeoutError::Timeout) => Err(timeout()),
            Ok(Err(fault)) => Err(CallError::Fault(fault)),
            // The supervisor has noted the one failure that ended all these calls.
            Err(RecvTimeoutError::Disconnected) => return Err(ended()),
        };
        self.note(&outcome);
        outcome
    }

    /// Tells the breaker how it went. A token that refuses a blob is well.
    fn note(&self, outcome: &Result<Reply, CallError>) {
        let now = Instant::now();
        let condition = &mut self.supervised.shared.state.lock().condition;
        match outcome {
            Ok(_) | Err(CallError::Fault(Fault::Refused | Fault::Unsupported(_))) => condition.success(now),
            Err(error) => condition.failure(RootError::from(error.clone()), now),
        }
    }
}

/// A place among the callers, given back on drop.
struct Inside<'a>(&'a Shared);

impl<'a> Inside<'a> {
    fn enter(shared: &'a Shared) -> Option<Self> {
        let before = shared.callers.fetch_add(1, Ordering::Relaxed);
        let inside = Self(shared);
        (before < shared.config.queue).then_some(inside)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn senseless() -> RootError {
    RootError::Unavailable { cause: "the child process answered something else".into() }
}

impl RootOfTrust for Pkcs11Root {
    fn describe(&self) -> RootDescription {
        RootDescription {
            id: self.supervised.shared.config.root,
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
        let header = blob::header(self.wrapping, self.supervised.shared.config.root);
        let bound = ByteVec::from([header.as_slice(), context].concat());
        let key = SecretField(SecretBytes::copy_from(key.expose()));
        match self.call(Call::Wrap { bound, key })? {
            Reply::Wrapped { iv, text } => Ok([header.as_slice(), &iv, &text].concat()),
            _ => Err(senseless()),
        }
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Secret<32>, RootError> {
        let header = blob::header(self.wrapping, self.supervised.shared.config.root);
        let (iv, text) = blob::parse(self.wrapping, &header, wrapped).ok_or(RootError::Refused)?;
        if context.len() > CONTEXT_BYTES {
            return Err(RootError::Refused);
        }
        let bound = ByteVec::from([header.as_slice(), context].concat());
        match self.call(Call::Unwrap { bound, iv: iv.to_vec().into(), text: text.to_vec().into() })? {
            Reply::Secret(key) => Secret::copy_from(key.0.expose()).ok_or(RootError::Refused),
            _ => Err(senseless()),
        }
    }

    fn checkpoint_key(&self) -> Result<CheckpointKey, RootError> {
        match self.call(Call::CheckpointKey)? {
            Reply::Public(point) => {
                Ok(CheckpointKey { algorithm: CheckpointAlgorithm::EcdsaP256, public: point.to_vec() })
            }
            _ => Err(senseless()),
        }
    }

    fn sign_checkpoint(&self, message: &[u8]) -> Result<[u8; 64], RootError> {
        let digest = digest(&SHA256, message).as_ref().to_vec();
        match self.call(Call::Sign(digest.into()))? {
            Reply::Public(signature) => signature.as_slice().try_into().map_err(|_| senseless()),
            _ => Err(senseless()),
        }
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), RootError> {
        let deadline = Instant::now() + self.deadline;
        for part in bytes.chunks_mut(RANDOM_BYTES) {
            let length = u32::try_from(part.len()).unwrap_or(0);
            match self.call_within(Call::Random(length), deadline)? {
                Reply::Secret(drawn) if drawn.0.len() == part.len() => part.copy_from_slice(drawn.0.expose()),
                _ => return Err(senseless()),
            }
        }
        Ok(())
    }
}
