//! Overload: the server on one processor, the load on another, asked more and more and at last twice what it can carry.
//!
//! What it can carry is found first, with as many requests under way as it works on at once: on as many connections, and
//! on all of them in turn, which costs the server more memory that is not in its caches; the latter is the best that other loads are compared with,
//! since they come on as many connections. Then requests are due at a fixed rate (see [`crate::open_loop`]). Clients that are refused wait, as AWS's SDKs do, a random time of up to a second;
//! impatient ones don't. The CPU of refusals is shared out among the accepted requests: it is the figure to trust on a
//! machine that does other things, too. All of it is done in several rounds, each compared with the best of its own;
//! a figure is the median of the rounds.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::client::Client;
use crate::load::{Job, Outcome, Sample, Times};
use crate::open_loop::{Offered, offer};
use crate::process::cpu;
use crate::subject::Subject;
use crate::{Arguments, Result, load};

/// Requests under way that find out what the server can carry: what it works on at once, on one processor.
const AT_ONCE: usize = 64;
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

/// What one load came to.
struct Figures {
    due: f64,
    accepted: f64,
    times: Times,
    cpu: f64,
    refused: f64,
    refusals: Times,
    unsent: f64,
    /// The share of its processor that the load itself took.
    load: f64,
}

impl Figures {
    fn new(offered: Offered, time: Duration, spent: Spent) -> Self {
        let Offered { due, unsent, outcome: Outcome { accepted, refused, words: _ } } = offered;
        let per_second = |count: usize| count as f64 / time.as_secs_f64();
        Self {
            due: per_second(due),
            accepted: per_second(accepted.len()),
            cpu: spent.0.as_secs_f64() * 1e6 / accepted.len() as f64,
            times: Times::new(accepted),
            refused: per_second(refused.len()),
            refusals: Times::new(refused),
            unsent: per_second(unsent),
            load: spent.1.as_secs_f64() * 100.0 / time.as_secs_f64(),
        }
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
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds.max(1) {
        let mut few = load::connect(&sample.target, AT_ONCE).await?;
        let few = best(sample, &mut few, server, time).await?;
        // Only now: the server ends connections that nothing is asked on for long.
        let mut clients = load::connect(&sample.target, CLIENTS).await?;
        let best = best(sample, &mut clients, server, time).await?;
        let mut offered = Vec::new();
        for (factor, patient) in LOADS {
            let before = Spent::now(server)?;
            let figures = offer(&mut clients, &sample.ask, best.accepted * factor, time, patient).await?;
            offered.push(Figures::new(figures, time, Spent::now(server)?.since(before)));
        }
        rounds.push((few, best, offered));
    }
    println!(
        "| {} | due/s | accepted/s | of the best | p50 ms | p99 ms | of the best's | CPU us each | refused/s | p99 ms | unsent/s | the load's CPU |",
        job.name()
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let few = rounds.iter().map(|(few, best, _)| (best, few)).collect::<Vec<_>>();
    row(&format!("{AT_ONCE} connections, each asking again when answered"), &few);
    let bests = rounds.iter().map(|(_, best, _)| (best, best)).collect::<Vec<_>>();
    row(&format!("{AT_ONCE} requests at once, on {CLIENTS} connections in turn: the best"), &bests);
    for (index, (factor, patient)) in LOADS.into_iter().enumerate() {
        let name = format!("{factor} of it, {} clients", if patient { "patient" } else { "impatient" });
        let of_round = rounds.iter().filter_map(|(_, best, offered)| Some((best, offered.get(index)?)));
        row(&name, &of_round.collect::<Vec<_>>());
    }
    Ok(())
}

/// What the server can carry on these connections.
async fn best(sample: &Sample, clients: &mut Vec<Client>, server: u32, time: Duration) -> Result<Figures> {
    load::run_all_at_once(clients, AT_ONCE, &sample.ask, time / 4).await?;
    let before = Spent::now(server)?;
    let accepted = load::run_all_at_once(clients, AT_ONCE, &sample.ask, time).await?;
    let outcome = Outcome { accepted, ..Outcome::default() };
    let offered = Offered { due: outcome.accepted.len(), unsent: 0, outcome };
    Ok(Figures::new(offered, time, Spent::now(server)?.since(before)))
}

/// The medians of a load's figures, beside the best of the same round.
fn row(name: &str, rounds: &[(&Figures, &Figures)]) {
    let median = |figure: &dyn Fn(&Figures, &Figures) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(|(best, ours)| figure(best, ours)).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    };
    println!(
        "| {name} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} | {:.2} | {:.0} | {:.0} % |",
        median(&|_, ours| ours.due),
        median(&|_, ours| ours.accepted),
        median(&|best, ours| ours.accepted / best.accepted),
        median(&|_, ours| ours.times.at(500)),
        median(&|_, ours| ours.times.at(990)),
        median(&|best, ours| ours.times.at(990) / best.times.at(990)),
        median(&|_, ours| ours.cpu),
        median(&|_, ours| ours.refused),
        median(&|_, ours| ours.refusals.at(990)),
        median(&|_, ours| ours.unsent),
        median(&|_, ours| ours.load),
    );
}

/// Keeps this thread, and what it starts from here on, to one processor.
fn pin(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}
