//! Overload: the server on one processor, the load on another, asked more and more and at last twice what it can carry.
//!
//! What it can carry is found first, by as many connections as it works on at once. Then requests are due at a fixed
//! rate (see [`crate::open_loop`]). Clients that are refused wait, as AWS's SDKs do, a random time of up to a second;
//! impatient ones don't. The CPU of refusals is shared out among the accepted requests: it is the figure to trust on a
//! machine that does other things, too.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::load::{Job, Times};
use crate::open_loop::{Offered, offer};
use crate::process::cpu;
use crate::subject::Subject;
use crate::{Arguments, Result, load};

/// Connections that find out what the server can carry: what it works on at once, on one processor.
const CONNECTIONS: usize = 64;
/// Connections for requests at a fixed rate: far more than it works on at once, so that some must be refused.
const CLIENTS: usize = 512;
/// The loads, as multiples of what can be carried, and whether refused clients wait.
const LOADS: [(f64, bool); 6] = [(0.5, true), (0.9, true), (1.1, true), (1.5, true), (2.0, true), (2.0, false)];

/// CPU time of the server, and of this program.
#[derive(Clone, Copy)]
struct Spent(Duration, Duration);

impl Spent {
    fn now(server: u32) -> Result<Self> {
        let ours = cpu(std::process::id())?;
        // The server is a child of this program.
        let server = cpu(server)?;
        Ok(Self(server, ours.saturating_sub(server)))
    }

    fn since(self, before: Self) -> Self {
        Self(self.0.saturating_sub(before.0), self.1.saturating_sub(before.1))
    }
}

pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A process starts on the processors of the thread that starts it.
    pin(0)?;
    let subject = runtime.block_on(Subject::dev(arguments, directory.path()))?;
    pin(1)?;
    runtime.block_on(loads(arguments, &subject))
}

async fn loads(arguments: &Arguments, subject: &Subject) -> Result<()> {
    let time = Duration::from_secs(arguments.seconds);
    let job = arguments.jobs.first().copied().unwrap_or(Job::Encrypt);
    let (server, sample) = (subject.id()?, subject.samples.of(job)?);
    let mut carrying = load::connect(&sample.target, CONNECTIONS).await?;
    load::run_all(&mut carrying, &sample.ask, time / 4).await?;
    let before = Spent::now(server)?;
    let served = Times::new(load::run_all(&mut carrying, &sample.ask, time).await?);
    let spent = Spent::now(server)?.since(before);
    let best = served.count() as f64 / time.as_secs_f64();
    drop(carrying);
    println!(
        "| {} | due/s | accepted/s | of the best | p50 ms | p99 ms | CPU us each | refused/s | p99 ms | unsent/s | the load's CPU |",
        job.name()
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {CONNECTIONS} connections, each asking again when answered | | {best:.0} | 1.00 | {:.2} | {:.2} | {:.1} | | | | {:.0} % |",
        served.at(500),
        served.at(990),
        spent.0.as_secs_f64() * 1e6 / served.count() as f64,
        spent.1.as_secs_f64() * 100.0 / time.as_secs_f64(),
    );
    for (factor, patient) in LOADS {
        let mut clients = load::connect(&sample.target, CLIENTS).await?;
        let before = Spent::now(server)?;
        let offered = offer(&mut clients, &sample.ask, best * factor, time, patient).await?;
        row(factor, patient, best, offered, time, Spent::now(server)?.since(before));
    }
    Ok(())
}

fn row(factor: f64, patient: bool, best: f64, offered: Offered, time: Duration, spent: Spent) {
    let Offered { due, unsent, outcome } = offered;
    let (accepted, refused) = (Times::new(outcome.accepted), Times::new(outcome.refused));
    let per_second = |count: usize| count as f64 / time.as_secs_f64();
    println!(
        "| {factor} of it, {} clients | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} | {:.2} | {:.0} | {:.0} % |",
        if patient { "patient" } else { "impatient" },
        per_second(due),
        per_second(accepted.count()),
        per_second(accepted.count()) / best,
        accepted.at(500),
        accepted.at(990),
        spent.0.as_secs_f64() * 1e6 / accepted.count() as f64,
        per_second(refused.count()),
        refused.at(990),
        per_second(unsent),
        spent.1.as_secs_f64() * 100.0 / time.as_secs_f64(),
    );
}

/// Keeps this thread, and what it starts from here on, to one processor.
fn pin(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}
