//! The benchmark: a bare hyper server over TLS 1.3 (the floor) and ours, under the same load with real signatures.
//!
//! `cargo run --release -p strongroom-bench` builds nothing of the server itself: give it the program with `--server`
//! (by default the release build beside it). Server CPU per request is the figure to trust on a shared machine; times are
//! shown beside it. Absent on purpose: assertions. This measures; the tests promise.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

mod floor;
mod keys;
mod load;
mod process;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::load::{Figures, Job, Target};
use crate::process::{Served, Server};

/// Anything that goes wrong ends the benchmark; there is nobody to handle it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures Strongroom beside a bare server.
#[derive(Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The strongroom program.
    #[arg(long, global = true)]
    pub(crate) server: Option<PathBuf>,
    /// Seconds for each figure.
    #[arg(long, global = true, default_value_t = 4)]
    pub(crate) seconds: u64,
    /// Connections, in turn.
    #[arg(long, global = true, value_delimiter = ',', default_values_t = [1usize, 16, 64])]
    connections: Vec<usize>,
    /// Arguments for `strongroom dev`, e.g. for another root.
    #[arg(long, global = true, allow_hyphen_values = true, num_args = 0..)]
    pub(crate) dev: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run only the bare server (the benchmark starts it by itself).
    Floor {
        /// Certificate chain, PEM.
        chain: PathBuf,
        /// Private key, PEM.
        key: PathBuf,
    },
    /// Make many keys, kill the server, start it again, and use them.
    Keys {
        /// How many.
        #[arg(default_value_t = 100_000)]
        count: usize,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::Floor { chain, key }) => floor::serve(chain, key),
        Some(Command::Keys { count }) => keys::measure(&arguments, *count),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let time = Duration::from_secs(arguments.seconds);
    let directory = tempfile::tempdir()?;
    let ours = Server::ours(arguments.server.as_deref(), directory.path(), &arguments.dev)?;
    let (chain, key) = ours.certificates();
    let bare = Server::floor(&chain, &key)?;
    let samples = runtime.block_on(load::samples(&ours.target))?;

    println!("| operation | connections | server | requests/s | p50 ms | p99 ms | CPU us/request | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    for job in Job::ALL {
        for connections in &arguments.connections {
            let floor = run(&runtime, &bare, &ours.target, *job, &samples, *connections, time)?;
            row(*job, *connections, "floor", &floor, None);
            let mine = run(&runtime, &ours, &ours.target, *job, &samples, *connections, time)?;
            row(*job, *connections, "strongroom", &mine, Some(mine.cpu_micros / floor.cpu_micros));
        }
    }
    Ok(())
}

/// The floor gets the very requests that ours gets, signatures included; only the address differs.
fn run(
    runtime: &tokio::runtime::Runtime,
    server: &Server,
    credentials: &Target,
    job: Job,
    samples: &load::Samples,
    connections: usize,
    time: Duration,
) -> Result<Figures> {
    let target = Target { address: server.target.address, ..credentials.clone() };
    runtime.block_on(load::run(&target, job, samples, connections, Duration::from_millis(500)))?;
    let before = server.cpu()?;
    let served: Served = runtime.block_on(load::run(&target, job, samples, connections, time))?;
    let after = server.cpu()?;
    Ok(Figures::of(&served, after.saturating_sub(before), time))
}

fn row(job: Job, connections: usize, server: &str, figures: &Figures, ratio: Option<f64>) {
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    println!(
        "| {} | {connections} | {server} | {:.0} | {:.2} | {:.2} | {:.1} | {ratio} |",
        job.name(),
        figures.per_second,
        figures.p50.as_secs_f64() * 1e3,
        figures.p99.as_secs_f64() * 1e3,
        figures.cpu_micros,
    );
}
