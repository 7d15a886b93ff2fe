//! The child process: the only place where the module's code runs.
//!
//! One thread for each session takes requests and carries them out. It dies with its parent, leaves no core dump, and
//! ends by killing itself: exit handlers of modules are known to crash, and nothing here needs them.
#![expect(unsafe_code, reason = "the disposition of signals is an operating system interface")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getpid, getppid, kill_process, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};

use crate::limits::{SESSIONS_MOST, START};
use crate::packets::{Incoming, Patience, Room};
use crate::protocol::{Configure, Fault, Moment, Reply, Request, Response};
use crate::token::{Token, Worker};

/// Serves as the child of a [`crate::Pkcs11Root`], over the socket that its launcher gave it as standard input. Call it
/// first thing in the hidden subcommand that the launcher names. Never returns: the process ends with its parent.
pub fn child_main() -> ! {
    // Nobody is there to be told of a failure but the parent, who sees the socket close.
    let _ = serve();
    end()
}

fn serve() -> io::Result<()> {
    ignore_stop_signals();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut room = Room::new();
    let (Incoming::Message(configure), lanes) = room.receive_with::<Configure>(&socket)? else { return Ok(()) };
    // The parent may have died before the death signal was asked for.
    if getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs()) != Some(configure.parent) {
        return Ok(());
    }
    let sessions = (configure.sessions as usize).clamp(1, SESSIONS_MOST);
    // The first session is kept open to the end, whatever becomes of the workers': it holds the login.
    let loaded = Token::load(&configure);
    drop(configure);
    let (outcome, loaded) = match loaded {
        Ok((token, anchor)) => {
            let (label, serial, product) = (token.label.clone(), token.serial.clone(), token.product.clone());
            let ready = Reply::Ready { label, serial, product };
            (Ok(ready), Some((token, anchor)))
        }
        Err(fault) => (Err(fault), None),
    };
    let told = room.send(&socket, &Response { id: 0, outcome }, Instant::now() + START);
    let (Some((token, _anchor)), Ok(())) = (loaded, told) else { return Ok(()) };
    std::thread::scope(|scope| {
        for number in 0..sessions {
            let (token, socket, lanes) = (&token, &socket, lanes.as_slice());
            let thread = std::thread::Builder::new().name(format!("session-{number}"));
            if thread.spawn_scoped(scope, move || work(token, socket, lanes)).is_err() {
                end();
            }
        }
    });
    Ok(())
}

/// A terminal or a service manager signals the whole group; the parent still needs its child to drain.
fn ignore_stop_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler, so no code of ours can run at a bad moment.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Takes requests from the socket that all sessions share: the kernel gives each to one of those that wait.
fn work(token: &Token, socket: &OwnedFd, lanes: &[OwnedFd]) {
    let _ended = EndTogether;
    let (mut worker, mut room) = (Worker::new(token), Room::new());
    while let Ok(Incoming::Message(request)) = room.receive::<Request>(socket, Patience::Wait) {
        let outcome = if Moment::now() >= request.until { Err(Fault::Expired) } else { worker.perform(&request.call) };
        let Some(lane) = lanes.get(request.lane as usize) else { break };
        // The parent takes answers in soon, whether or not anybody waits for them.
        if room.send(lane, &Response { id: request.id, outcome }, Instant::now() + START).is_err() {
            break;
        }
    }
}

/// A worker that stops, by a panic for instance, takes the process with it: the parent starts a whole one.
struct EndTogether;

impl Drop for EndTogether {
    fn drop(&mut self) {
        end();
    }
}

fn end() -> ! {
    loop {
        // Cannot fail for one's own process, and does not return.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
