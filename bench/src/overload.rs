//! Overload: the server on one processor, the load on another, asked more and more and at last twice what it can carry.
//!
//! What it can carry is found first, by as many connections as it works on at once. Then requests are due at a fixed
//! rate, whether or not earlier ones are answered, and each takes a connection that is free. Clients that are refused
//! wait, as AWS's SDKs do, a random time of up to a second; impatient ones don't. A request that finds no connection
//! free is counted, not sent: its client still waits for an earlier answer, or to try again. The CPU of refusals is shared
//! out among the accepted requests: it is the figure to trust on a machine that does other things, too.

use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::load::{Answer, Client, Figures, Job, Load, Samples};
use crate::process::{Served, Server};
use crate::{Arguments, Result, load};

/// Connections that find out what the server can carry: what it works on at once, on one processor.
const CONNECTIONS: usize = 64;
/// Connections for requests at a fixed rate: far more than it works on at once, so that some must be refused.
const CLIENTS: usize = 512;
/// How often the requests that are due are sent.
const BEAT: Duration = Duration::from_millis(1);
/// The longest that a refused client waits before it asks again.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The loads, as multiples of what can be carried, and whether refused clients wait.
const LOADS: [(f64, bool); 6] = [(0.5, true), (0.9, true), (1.1, true), (1.5, true), (2.0, true), (2.0, false)];

/// What became of the requests that were due.
#[derive(Default)]
struct Outcome {
    due: usize,
    unsent: usize,
    refused: Served,
    accepted: Served,
}

/// A connection whose request is answered, or failed.
type Returned = Result<(Client, Answer, Duration)>;

pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    // A process starts on the processors of the thread that starts it.
    pin(0)?;
    let directory = tempfile::tempdir()?;
    let server = Server::ours(arguments.server.as_deref(), directory.path(), &arguments.dev)?;
    pin(1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(loads(arguments, &server))
}

async fn loads(arguments: &Arguments, server: &Server) -> Result<()> {
    let time = Duration::from_secs(arguments.seconds);
    let job = arguments.jobs.first().copied().unwrap_or(Job::Encrypt);
    let samples = load::samples(&server.target).await?;
    let mut carrying = load::connect(&server.target, CONNECTIONS).await?;
    load::run(&mut carrying, job, &samples, time / 4).await?;
    let before = server.cpu()?;
    let served = load::run(&mut carrying, job, &samples, time).await?;
    let best = figures(served, time, server.cpu()?.saturating_sub(before));
    drop(carrying);
    let name = job.name();
    println!(
        "| {name} | due/s | accepted/s | of the best | p50 ms | p99 ms | CPU us each | refused/s | p99 ms | unsent/s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {CONNECTIONS} connections, each asking again when answered | | {:.0} | 1.00 | {:.2} | {:.2} | {:.1} | | | |",
        best.per_second,
        millis(best.p50),
        millis(best.p99),
        best.cpu_micros,
    );
    for (factor, patient) in LOADS {
        let mut clients = load::connect(&server.target, CLIENTS).await?;
        let before = server.cpu()?;
        let outcome = offer(&mut clients, (job, &samples), best.per_second * factor, time, patient).await?;
        row(factor, patient, &best, outcome, time, server.cpu()?.saturating_sub(before));
    }
    Ok(())
}

/// Sends requests at a rate for some time.
async fn offer(
    clients: &mut Vec<Client>,
    (job, samples): (Job, &Samples),
    rate: f64,
    time: Duration,
    patient: bool,
) -> Result<Outcome> {
    let body = samples.body(job)?;
    let mut outcome = Outcome::default();
    let (back, mut returned) = unbounded_channel();
    let (mut under_way, mut back_off) = (0usize, 0u32);
    let begun = Instant::now();
    let mut beat = tokio::time::interval(BEAT);
    while begun.elapsed() < time {
        beat.tick().await;
        let due = (begun.elapsed().min(time).as_secs_f64() * rate) as usize;
        while outcome.due < due {
            outcome.due += 1;
            collect(&mut returned, clients, &mut outcome, &mut under_way)?;
            let Some(client) = clients.pop() else {
                outcome.unsent += 1;
                continue;
            };
            under_way += 1;
            // Spread evenly over the whole, by the golden ratio: no two that follow each other wait alike.
            back_off = back_off.wrapping_add(2_654_435_769);
            let wait =
                if patient { BACK_OFF.mul_f64(f64::from(back_off) / f64::from(u32::MAX)) } else { Duration::ZERO };
            tokio::spawn(ask(client, job, body.clone(), wait, back.clone()));
        }
        collect(&mut returned, clients, &mut outcome, &mut under_way)?;
    }
    while under_way > 0 {
        let answered = returned.recv().await.ok_or("every connection is gone")?;
        keep(answered?, clients, &mut outcome, &mut under_way);
    }
    Ok(outcome)
}

/// One request; a client that is refused comes back once it has waited.
async fn ask(mut client: Client, job: Job, body: std::sync::Arc<str>, wait: Duration, back: UnboundedSender<Returned>) {
    let begun = Instant::now();
    let answered = client.offer(job.name(), &body).await;
    let took = begun.elapsed();
    if matches!(answered, Ok(Answer::Refused)) {
        tokio::time::sleep(wait).await;
    }
    // Nobody takes it back where another's failure has ended the benchmark.
    let _ = back.send(answered.map(|answer| (client, answer, took)));
}

fn collect(
    returned: &mut UnboundedReceiver<Returned>,
    clients: &mut Vec<Client>,
    outcome: &mut Outcome,
    under_way: &mut usize,
) -> Result<()> {
    while let Ok(answered) = returned.try_recv() {
        keep(answered?, clients, outcome, under_way);
    }
    Ok(())
}

fn keep(
    (client, answer, took): (Client, Answer, Duration),
    clients: &mut Vec<Client>,
    outcome: &mut Outcome,
    under_way: &mut usize,
) {
    *under_way -= 1;
    clients.push(client);
    match answer {
        Answer::Accepted(_) => outcome.accepted.push(took),
        Answer::Refused => outcome.refused.push(took),
    }
}

fn row(factor: f64, patient: bool, best: &Figures, outcome: Outcome, time: Duration, cpu: Duration) {
    let per_second = |count: usize| count as f64 / time.as_secs_f64();
    let (due, unsent) = (per_second(outcome.due), per_second(outcome.unsent));
    let refused = (!outcome.refused.is_empty()).then(|| figures(outcome.refused, time, Duration::ZERO));
    let accepted = figures(outcome.accepted, time, cpu);
    println!(
        "| {factor} of it, {} clients | {due:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {} | {} | {unsent:.0} |",
        if patient { "patient" } else { "impatient" },
        accepted.per_second,
        accepted.per_second / best.per_second,
        millis(accepted.p50),
        millis(accepted.p99),
        accepted.cpu_micros,
        refused.as_ref().map_or_else(String::new, |refused| format!("{:.0}", refused.per_second)),
        refused.as_ref().map_or_else(String::new, |refused| format!("{:.2}", millis(refused.p99))),
    );
}

fn figures(served: Served, time: Duration, cpu: Duration) -> Figures {
    Figures::of(&Load { served, cpu, time })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Keeps this thread, and what it starts from here on, to one processor.
fn pin(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}
