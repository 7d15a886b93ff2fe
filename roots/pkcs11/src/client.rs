//! One token behind its child process: calls with a deadline, a bounded number at a time, and how it is doing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use strongroom_model::id::{ObjectId, RootId};
use strongroom_model::root::RootError;
use strongroom_secret::SecretBytes;

use crate::error::{CallError, Pkcs11Error};
use crate::health::RootHealth;
use crate::launcher::Launcher;
use crate::limits::{PIN_BYTES, QUEUE_MOST, SESSIONS_MOST};
use crate::link::{Ending, NoAnswer, Outcome, Unsent};
use crate::protocol::{Act, Call, Fault, Reply, SecretField, TokenSelector};
use crate::renewal::Renewal;
use crate::root::Config;
use crate::supervisor::{Known, Shared};

/// Which token, and how it is used.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) module: PathBuf,
    pub(crate) token: TokenSelector,
    /// The root whose keys are used; none for a key store.
    pub(crate) root: Option<RootId>,
    pub(crate) sessions: usize,
    pub(crate) queue: usize,
    /// How long a call may take unless its caller says otherwise.
    pub(crate) deadline: Duration,
}

impl Settings {
    pub(crate) fn of_root(config: Config) -> Self {
        let Config { module, token, root, sessions, queue, deadline } = config;
        Self { module, token, root: Some(root), sessions, queue, deadline }
    }

    /// What shows whether the token serves again.
    pub(crate) const fn probe(&self) -> Call {
        match self.root {
            Some(_) => Call::Find,
            None => Call::Probe,
        }
    }
}

/// A supervised token. Cheap to clone; the child ends with the last clone.
#[derive(Clone)]
pub(crate) struct Client(Arc<Supervised>);

struct Supervised {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.shared.stop();
        let this = std::thread::current().id();
        // The last to hold it may be a call that the thread itself has just ended.
        if let Some(thread) = self.thread.take_if(|thread| thread.thread().id() != this) {
            // It panicked if this fails, and there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Client {
    /// Starts the supervisor, which starts a child as soon as it can.
    ///
    /// # Errors
    /// When a setting is out of bounds, or no thread can be started.
    pub(crate) fn start(settings: Settings, launcher: Launcher, pin: SecretBytes) -> Result<Self, Pkcs11Error> {
        let bounded = |what, value: usize, least, most| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(Pkcs11Error::Bounds { what, least, most }) }
        };
        bounded("the number of sessions", settings.sessions, 1, SESSIONS_MOST)?;
        bounded("the length of the queue", settings.queue, 1, QUEUE_MOST)?;
        bounded("the length of the PIN", pin.len(), 1, PIN_BYTES)?;
        let shared = Arc::new(Shared::new(settings, launcher, pin));
        let thread = std::thread::Builder::new().name("token".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.supervise()
        });
        let thread = Some(thread.map_err(Pkcs11Error::Thread)?);
        Ok(Self(Arc::new(Supervised { shared, thread })))
    }

    /// Waits for the first start of a child to succeed, or says why it failed.
    pub(crate) fn started(&self, deadline: Instant) -> Result<(), CallError> {
        self.0.shared.started(deadline)
    }

    /// Which token it is, once known.
    pub(crate) fn token(&self) -> Option<Known> {
        self.0.shared.state.lock().token.clone()
    }

    /// Which token it is meant to be.
    pub(crate) fn selector(&self) -> &TokenSelector {
        &self.0.shared.config.token
    }

    /// How the token is doing. Never blocks.
    pub(crate) fn health(&self) -> RootHealth {
        self.0.shared.state.lock().condition.health(Instant::now())
    }

    /// Whether a call would be handed to a running child at once.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.shared.ready().is_some()
    }

    /// Makes a call; `allowed` is how long it may take in all, for the error that says that it took longer.
    pub(crate) fn call(&self, call: &Call, deadline: Instant, allowed: Duration) -> Result<Reply, CallError> {
        let shared = &self.0.shared;
        let _inside = Inside::enter(shared).ok_or(CallError::Root(RootError::Busy))?;
        let answer = loop {
            match shared.link(deadline, allowed)?.send(call, deadline, deadline) {
                Ok(mut flight) => break flight.wait_until(deadline),
                Err(Unsent::Full) => return Err(CallError::Root(RootError::Busy)),
                Err(Unsent::Late) => return Err(CallError::Root(RootError::Timeout(allowed))),
                // That link is not given out again: the next one is to a new child.
                Err(Unsent::Ended) => {}
            }
        };
        self.told(call.uses_what_there_is(), answer, deadline, allowed)
    }

    /// Begins a use without waiting for it. `after` is told what came of it, at its deadline at the latest; nothing where it
    /// can't be begun without waiting.
    pub(crate) fn begin(
        &self,
        call: &Call,
        deadline: Instant,
        allowed: Duration,
        after: impl FnOnce(Option<Result<Reply, CallError>>) + Send + 'static,
    ) {
        let busy = || Some(Err(CallError::Root(RootError::Busy)));
        let Some(inside) = Inside::enter(&self.0.shared) else { return after(busy()) };
        let Some(link) = self.0.shared.ready() else {
            drop(inside);
            return after(None);
        };
        let (client, uses) = (self.clone(), call.uses_what_there_is());
        let ended = move |ending| {
            let outcome = match ending {
                Ending::Answer(outcome) => Some(client.told(uses, Ok(outcome), deadline, allowed)),
                Ending::None(none) => Some(client.told(uses, Err(none), deadline, allowed)),
                Ending::Unsent(Unsent::Full) => busy(),
                Ending::Unsent(Unsent::Late | Unsent::Ended) => None,
            };
            drop(inside);
            after(outcome);
        };
        link.begin(call, deadline, Box::new(ended));
    }

    /// What came of a call, once the breaker is told.
    fn told(
        &self,
        uses: bool,
        answer: Result<Outcome, NoAnswer>,
        deadline: Instant,
        allowed: Duration,
    ) -> Result<Reply, CallError> {
        let timeout = || CallError::Root(RootError::Timeout(allowed));
        let ended = || CallError::Root(RootError::Unavailable { cause: "the module stopped during the call".into() });
        let outcome = match answer {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Fault::Expired)) | Err(NoAnswer::Late) => Err(timeout()),
            Ok(Err(fault)) => Err(CallError::Fault(fault)),
            // The supervisor has noted the one failure that ended all these calls. It ends a child that hangs just when
            // the time of a call is up: whoever notices first, the call was too late.
            Err(NoAnswer::Gone) if Instant::now() >= deadline => return Err(timeout()),
            Err(NoAnswer::Gone) => return Err(ended()),
        };
        self.note(uses, &outcome);
        outcome
    }

    /// Encrypts and decrypts with an object made for that.
    pub(crate) fn works_with(&self, object: ObjectId, deadline: Instant, allowed: Duration) -> Result<(), CallError> {
        const BOUND: &[u8] = b"trial";
        const TEXT: [u8; 16] = [0x5a; 16];
        let act = |act| self.call(&Call::Object { object, act }, deadline, allowed);
        let text = SecretField(SecretBytes::copy_from(&TEXT));
        let Reply::Wrapped { iv, text } = act(Act::Seal { additional: BOUND.to_vec().into(), text })? else {
            return Err(CallError::Root(senseless()));
        };
        match act(Act::Open { additional: BOUND.to_vec().into(), iv, text })? {
            Reply::Secret(opened) if opened.0.equals(&TEXT) => Ok(()),
            _ => Err(CallError::Root(senseless())),
        }
    }

    /// Tells the breaker how it went. A token that refuses a blob is well. One that lacks what is to be used has its module
    /// begun anew.
    fn note(&self, uses: bool, outcome: &Result<Reply, CallError>) {
        let now = Instant::now();
        let state = &mut *self.0.shared.state.lock();
        let condition = &mut state.condition;
        let lacking = matches!(outcome, Err(CallError::Fault(Fault::NoObject | Fault::NotProvisioned)));
        let begins_anew = lacking && uses && condition.renewal.take(now);
        if let Some(link) = state.link.as_ref().filter(|_| begins_anew) {
            link.refuse();
        }
        // A root has but one set of keys: what is found once is found.
        match outcome {
            Ok(_) if uses && self.0.shared.config.root.is_some() => {
                condition.renewal = Renewal::new();
            }
            Ok(_) => condition.renewal.found(now),
            Err(_) => {}
        }
        match outcome {
            Ok(_) | Err(CallError::Fault(Fault::Refused | Fault::Unsupported(_) | Fault::NoObject)) => {
                condition.success(now);
            }
            Err(error) => condition.failure(RootError::from(error.clone()), now),
        }
    }
}

/// A place among the callers, given back on drop.
struct Inside(Arc<Shared>);

impl Inside {
    fn enter(shared: &Arc<Shared>) -> Option<Self> {
        let before = shared.callers.fetch_add(1, Ordering::Relaxed);
        let inside = Self(Arc::clone(shared));
        (before < shared.config.queue).then_some(inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn senseless() -> RootError {
    RootError::Unavailable { cause: "the child process answered something else".into() }
}
