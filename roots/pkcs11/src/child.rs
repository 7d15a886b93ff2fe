//! The child process: the only place where the module's code runs.
//!
//! One thread reads requests, one for each session carries them out. It dies with its parent, leaves no core dump, and
//! ends by killing itself: exit handlers of modules are known to crash, and nothing here needs them.
#![expect(unsafe_code, reason = "the disposition of signals is an operating system interface")]

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getpid, getppid, kill_process, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};

use crate::frames::{Incoming, Reader, Writer};
use crate::handover::Queue;
use crate::limits::{QUEUE_MOST, SESSIONS_MOST};
use crate::protocol::{Configure, Fault, Reply, Request, Response};
use crate::token::{Token, Worker};

/// Serves as the child of a [`crate::Pkcs11Root`], over the socket that its launcher gave it as standard input. Call it
/// first thing in the hidden subcommand that the launcher names. Never returns: the process ends with its parent.
pub fn child_main() -> ! {
    // Nobody is there to be told of a failure but the parent, who sees the socket close.
    let _ = serve();
    end()
}

struct Job {
    request: Request,
    arrived: Instant,
}

fn serve() -> io::Result<()> {
    ignore_stop_signals();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut reader = Reader::new(socket.try_clone()?);
    let mut writer = Writer::new(socket);
    let Incoming::Message(configure) = reader.next::<Configure>()? else { return Ok(()) };
    // The parent may have died before the death signal was asked for.
    if getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs()) != Some(configure.parent) {
        return Ok(());
    }
    let sessions = (configure.sessions as usize).clamp(1, SESSIONS_MOST);
    let queue = (configure.queue as usize).clamp(1, QUEUE_MOST);
    // The first session is kept open to the end, whatever becomes of the workers': it holds the login.
    let (token, _anchor) = match Token::load(&configure) {
        Ok(loaded) => loaded,
        Err(fault) => return writer.write(&Response { id: 0, outcome: Err(fault) }),
    };
    drop(configure);
    let ready = Reply::Ready { label: token.label.clone(), serial: token.serial.clone() };
    writer.write(&Response { id: 0, outcome: Ok(ready) })?;

    let answers = Mutex::new(writer);
    let jobs = Queue::new(queue);
    std::thread::scope(|scope| {
        for number in 0..sessions {
            let (token, jobs, answers) = (&token, &jobs, &answers);
            let thread = std::thread::Builder::new().name(format!("session-{number}"));
            if thread.spawn_scoped(scope, move || work(token, jobs, answers)).is_err() {
                end();
            }
        }
        while let Ok(Incoming::Message(request)) = reader.next::<Request>() {
            jobs.push(Job { request, arrived: Instant::now() });
        }
        end()
    })
}

/// A terminal or a service manager signals the whole group; the parent still needs its child to drain.
fn ignore_stop_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler, so no code of ours can run at a bad moment.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn work(token: &Token, jobs: &Queue<Job>, answers: &Mutex<Writer>) {
    let _ended = EndTogether;
    let mut worker = Worker::new(token);
    loop {
        let Job { request, arrived } = jobs.take();
        let budget = Duration::from_millis(request.budget.into());
        let outcome = if arrived.elapsed() >= budget { Err(Fault::Expired) } else { worker.perform(&request.call) };
        let written = answers.lock().write(&Response { id: request.id, outcome });
        if written.is_err() {
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
