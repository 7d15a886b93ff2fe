//! The thread that keeps a child running: starts it, kills it when it hangs, starts it again.
//!
//! The thread lives as long as the root: the kernel kills the child when the thread that started it ends.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use strongroom_model::root::RootError;
use strongroom_secret::SecretBytes;
use tracing::{info, warn};

use crate::client::Settings;
use crate::error::CallError;
use crate::health::Condition;
use crate::launcher::Launcher;
use crate::limits::{LANES_MOST, PAUSE, PAUSE_MOST, PROBE, START, TICK};
use crate::link::{Flight, Lanes, Link, NoAnswer};
use crate::packets::{self, Incoming, Patience, Room};
use crate::protocol::{Configure, Fault, Reply, Response, SecretField};

/// What callers and the supervisor share.
pub(crate) struct Shared {
    pub(crate) config: Settings,
    launcher: Launcher,
    pin: SecretBytes,
    pub(crate) state: Mutex<State>,
    /// Signalled whenever `state` changes.
    pub(crate) changed: Condvar,
    /// Calls inside, waiting for a child included.
    pub(crate) callers: AtomicUsize,
}

/// What a token says of itself.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) label: String,
    pub(crate) serial: String,
    /// Manufacturer, model and versions.
    pub(crate) product: String,
}

/// What changes.
pub(crate) struct State {
    /// The running child, once it is ready.
    pub(crate) link: Option<Arc<Link>>,
    pub(crate) condition: Condition,
    /// Which token it is, once known.
    pub(crate) token: Option<Known>,
    /// Why the last start failed, if it did and none succeeded since.
    pub(crate) start_error: Option<CallError>,
    pub(crate) stopping: bool,
}

/// Why a child is no longer tended.
enum Ended {
    Stopping,
    Crashed,
    Hung,
    Lost(String),
    PinRefused,
    /// It does not find what should be in the token; another may.
    Lacking,
}

impl Shared {
    pub(crate) fn new(config: Settings, launcher: Launcher, pin: SecretBytes) -> Self {
        let state = State {
            link: None,
            condition: Condition::new(Instant::now()),
            token: None,
            start_error: None,
            stopping: false,
        };
        Self { config, launcher, pin, state: Mutex::new(state), changed: Condvar::new(), callers: AtomicUsize::new(0) }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// The supervisor's whole life.
    pub(crate) fn supervise(&self) {
        let mut pause = PAUSE;
        loop {
            match self.start() {
                Ok((mut child, link)) => {
                    let ended = self.tend(&link);
                    // Whoever is told that the child has ended finds that in the token's health already.
                    self.note_end(ended);
                    link.end();
                    stop(&mut child);
                    if link.answers() > 0 {
                        pause = PAUSE;
                    }
                }
                Err(error) => self.note_failed_start(error),
            }
            let mut state = self.state.lock();
            let until = Instant::now() + pause;
            // A refused PIN is not tried again: tokens lock themselves after a few wrong ones.
            while !state.stopping && (state.condition.pin_refused || Instant::now() < until) {
                if state.condition.pin_refused {
                    self.changed.wait(&mut state);
                } else {
                    self.changed.wait_until(&mut state, until);
                }
            }
            if state.stopping {
                return;
            }
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    /// Starts a child and waits until it has logged in.
    fn start(&self) -> Result<(Child, Arc<Link>), CallError> {
        let unavailable = |act: &str, error: std::io::Error| {
            CallError::Root(RootError::Unavailable { cause: format!("cannot {act} the child process: {error}") })
        };
        let (mut child, socket) = self.launcher.launch().map_err(|error| unavailable("start", error))?;
        let lanes = self.greet(&socket).map_err(|error| unavailable("reach", error));
        match lanes.and_then(|lanes| self.await_ready(&socket).map(|token| (lanes, token))) {
            Ok((lanes, token)) => {
                let link = Arc::new(Link::new(socket, lanes, self.config.queue));
                info!(label = token.label, serial = token.serial, process = child.id(), "the token is ready");
                self.change(|state| {
                    state.link = Some(Arc::clone(&link));
                    state.token = Some(token);
                    state.start_error = None;
                    state.condition.set_running(true, Instant::now());
                });
                Ok((child, link))
            }
            Err(error) => {
                stop(&mut child);
                Err(error)
            }
        }
    }

    /// Tells a new child what it is to serve, and how to answer; our ends of its lanes.
    fn greet(&self, socket: &OwnedFd) -> std::io::Result<Lanes> {
        set_socket_timeout(socket, Timeout::Recv, Some(TICK))?;
        let lanes = (self.config.sessions * 2).min(LANES_MOST - 1);
        let (common, other) = packets::pair()?;
        let pairs: Vec<_> = (0..lanes).map(|_| packets::pair()).collect::<Result<_, _>>()?;
        let (own, others): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let ours = Lanes { common, own };
        let theirs: Vec<_> = std::iter::once(&other).chain(&others).map(OwnedFd::as_fd).collect();
        let sent = Room::new().send_with(socket, &self.configure(), &theirs);
        sent.map(|()| ours).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn configure(&self) -> Configure {
        Configure {
            parent: std::process::id(),
            module: self.config.module.as_os_str().as_bytes().to_vec().into(),
            token: self.config.token.clone(),
            root: self.config.root,
            sessions: u32::try_from(self.config.sessions).unwrap_or(1),
            pin: SecretField(SecretBytes::copy_from(self.pin.expose())),
        }
    }

    fn await_ready(&self, socket: &OwnedFd) -> Result<Known, CallError> {
        let failed = |cause: &str| CallError::Root(RootError::Unavailable { cause: cause.to_owned() });
        let (mut room, until) = (Room::new(), Instant::now() + START);
        loop {
            match room.receive::<Response>(socket, Patience::Wait) {
                Ok(Incoming::Message(Response { outcome: Ok(Reply::Ready { label, serial, product }), .. })) => {
                    return Ok(Known { label, serial, product });
                }
                Ok(Incoming::Message(Response { outcome: Err(fault), .. })) => return Err(CallError::Fault(fault)),
                Ok(Incoming::Nothing) if self.state.lock().stopping => return Err(failed("it is being closed")),
                Ok(Incoming::Nothing) if Instant::now() < until => {}
                Ok(Incoming::Nothing) => return Err(CallError::Root(RootError::Timeout(START))),
                Ok(Incoming::Message(_) | Incoming::End) | Err(_) => {
                    return Err(failed("the child process ended while it started"));
                }
            }
        }
    }

    /// Watches over the child until it must be ended.
    fn tend(&self, link: &Link) -> Ended {
        let (mut room, mut probe) = (Room::new(), None);
        // Once it is ready, a child says nothing here, but the end of its socket shows its own, or that it is of no more use.
        while let Ok(Incoming::Nothing) = room.receive::<Response>(link.socket(), Patience::Wait) {
            if self.state.lock().stopping {
                return Ended::Stopping;
            }
            link.collect();
            let now = Instant::now();
            if link.hangs(now) {
                return Ended::Hung;
            }
            if link.refuses() && !link.is_closed() && link.is_idle() {
                return Ended::Lacking;
            }
            probe = self.probe(link, probe, now);
        }
        match link.fatal() {
            Some(Fault::WrongPin) => Ended::PinRefused,
            Some(Fault::Lost(text)) => Ended::Lost(text),
            _ if self.state.lock().stopping => Ended::Stopping,
            _ => Ended::Crashed,
        }
    }

    /// While the last call failed, asks the token for something small now and then: perhaps nobody else does any more.
    fn probe<'a>(&self, link: &'a Link, under_way: Option<Flight<'a>>, now: Instant) -> Option<Flight<'a>> {
        if let Some(mut flight) = under_way {
            match flight.look() {
                // A token that lacks what the probe needs has answered all the same.
                Ok(Ok(_) | Err(Fault::Unsupported(_))) => {
                    self.change(|state| state.condition.success(now));
                    return None;
                }
                Err(NoAnswer::Late) => return Some(flight),
                _ => {}
            }
        }
        if self.state.lock().condition.breaker.take_probe(now) {
            return link.send(&self.config.probe(), now + self.config.deadline.max(PROBE), now).ok();
        }
        None
    }

    fn note_end(&self, ended: Ended) {
        let now = Instant::now();
        let error = match ended {
            Ended::Stopping => None,
            Ended::Lacking => {
                info!(token = %self.config.token, "the module does not find in the token what should be there; it is begun anew");
                None
            }
            Ended::Crashed => Some(RootError::Unavailable { cause: "the module crashed".into() }),
            Ended::Hung => Some(RootError::Unavailable { cause: "the module hung and was ended".into() }),
            Ended::Lost(cause) => Some(RootError::Unavailable { cause }),
            Ended::PinRefused => Some(RootError::WrongCredential),
        };
        self.change(|state| {
            state.link = None;
            state.condition.set_running(false, now);
            if let Some(error) = error {
                warn!(token = %self.config.token, cause = words(&error), "the child process of the token has ended");
                state.condition.failure(error, now);
            }
        });
    }

    fn note_failed_start(&self, error: CallError) {
        let now = Instant::now();
        let shown = RootError::from(error.clone());
        warn!(token = %self.config.token, cause = words(&shown), "the token could not be reached");
        self.change(|state| {
            state.start_error = Some(error);
            state.condition.failure(shown, now);
        });
    }

    /// Makes the supervisor end soon.
    pub(crate) fn stop(&self) {
        self.change(|state| state.stopping = true);
    }

    /// Waits for the first start of a child to succeed, or says why it failed.
    pub(crate) fn started(&self, deadline: Instant) -> Result<(), CallError> {
        let mut state = self.state.lock();
        loop {
            if let Some(error) = &state.start_error {
                return Err(error.clone());
            }
            if state.condition.starts > 0 {
                return Ok(());
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return Err(CallError::Root(RootError::Timeout(self.config.deadline)));
            }
        }
    }

    /// The child that is ready now, if calls are not refused.
    pub(crate) fn ready(&self) -> Option<Arc<Link>> {
        let state = self.state.lock();
        let link = state.link.as_ref().filter(|link| state.condition.refusal().is_none() && !link.refuses());
        link.map(Arc::clone)
    }

    /// Waits for a child to be ready; `Err` when none will be in time or calls are refused.
    pub(crate) fn link(&self, deadline: Instant, allowed: Duration) -> Result<Arc<Link>, CallError> {
        let mut state = self.state.lock();
        loop {
            if let Some(refusal) = state.condition.refusal() {
                return Err(CallError::Root(refusal));
            }
            // The supervisor puts another in the place of one that refuses.
            if let Some(link) = state.link.as_ref().filter(|link| !link.refuses()) {
                return Ok(Arc::clone(link));
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return Err(CallError::Root(RootError::Timeout(allowed)));
            }
        }
    }
}

/// Ends a child for good. Only a process stuck in the kernel could make this wait, and no caller waits for it.
fn stop(child: &mut Child) {
    // Fails only if it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// What ails a token, which may be a key store's as well as a root's.
fn words(error: &RootError) -> String {
    match error {
        RootError::Unavailable { cause } => cause.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::TokenSelector;

    fn shared() -> Shared {
        let settings = Settings {
            module: "/nowhere".into(),
            token: TokenSelector::Label("none".into()),
            root: None,
            sessions: 1,
            queue: 1,
            deadline: Duration::from_secs(1),
        };
        Shared::new(settings, Launcher::of_this_program(Vec::new()), SecretBytes::take(vec![1]))
    }

    #[test]
    fn a_link_to_a_child_that_ends_is_not_given_out_until_there_is_another() {
        let shared = shared();
        let link = || {
            let lanes = Lanes { common: packets::pair().unwrap().0, own: Vec::new() };
            Arc::new(Link::new(packets::pair().unwrap().0, lanes, 1))
        };
        let soon = Duration::from_millis(20);
        let given = || shared.link(Instant::now() + soon, soon);
        for end in [Link::close, Link::end] {
            let first = link();
            shared.change(|state| state.link = Some(Arc::clone(&first)));
            assert!(Arc::ptr_eq(&given().ok().unwrap(), &first));
            end(&first);
            assert!(matches!(given(), Err(CallError::Root(RootError::Timeout(_)))));
        }
        let second = link();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| shared.link(Instant::now() + START, START));
            shared.change(|state| state.link = Some(Arc::clone(&second)));
            assert!(Arc::ptr_eq(&waiting.join().unwrap().ok().unwrap(), &second));
        });
    }
}
