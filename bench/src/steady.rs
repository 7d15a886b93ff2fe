//! A steady rate of requests, as AWS KMS brings them to a key store: how long they take from when they are due.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

use std::time::Duration;

use crate::load::{Job, Times};
use crate::open_loop::{Offered, offer};
use crate::process::{Server, cpu};
use crate::{Arguments, Result, WARM_UP, load, subject};

/// Connections: enough for all requests that fall due in a tenth of a second.
const CLIENTS: usize = 192;
/// What AWS's service asks of a proxy and what it waits for at most.
const AIM: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_millis(250);

pub(crate) fn measure(arguments: &Arguments, rate: f64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let jobs = match arguments.jobs.is_empty() {
            true => [Job::XKS, Job::XKS_RESIDENT].concat(),
            false => arguments.jobs.clone(),
        };
        let directory = tempfile::tempdir()?;
        let bare = Server::floor(&crate::certificates::Certificate::of_server(directory.path())?)?;
        let subjects = subject::subjects(arguments, &jobs, directory.path()).await?;
        println!(
            "| operation | server | due/s | answered/s | p50 ms | p99 ms | p99.9 ms | beyond 10 ms | beyond 250 ms | refused | unsent | CPU us/request |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
        for (subject, jobs) in &subjects {
            for job in jobs {
                let sample = subject.samples.of(*job)?;
                let servers = [("floor", &bare.target, bare.id()), ("strongroom", &sample.target, subject.id()?)];
                for (name, target, server) in servers {
                    let mut clients = load::connect(target, CLIENTS).await?;
                    offer(&mut clients, &sample.ask, rate, WARM_UP, true).await?;
                    subject.samples.settle().await?;
                    let before = cpu(server)?;
                    let time = Duration::from_secs(arguments.seconds);
                    let offered = offer(&mut clients, &sample.ask, rate, time, true).await?;
                    subject.samples.settle().await?;
                    row(*job, name, offered, time, cpu(server)?.saturating_sub(before));
                }
            }
        }
        Ok(())
    })
}

fn row(job: Job, server: &str, offered: Offered, time: Duration, cpu: Duration) {
    let Offered { due, unsent, outcome } = offered;
    let (accepted, refused) = (Times::new(outcome.accepted), outcome.refused.len());
    let per_second = |count: usize| count as f64 / time.as_secs_f64();
    println!(
        "| {} | {server} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {} | {refused} | {unsent} | {:.1} |",
        job.name(),
        per_second(due),
        per_second(accepted.count()),
        accepted.at(500),
        accepted.at(990),
        accepted.at(999),
        accepted.beyond(AIM),
        accepted.beyond(PATIENCE),
        cpu.as_secs_f64() * 1e6 / accepted.count() as f64,
    );
}
