//! The benchmark: a bare hyper server over TLS 1.3 (the floor) and ours, under the same load with real signatures.
//!
//! `cargo run --release -p strongroom-bench` builds nothing of the server itself: give it the program with `--server`
//! (by default the release build beside it). Server CPU per request is the figure to trust on a shared machine; times are
//! shown beside it. Absent on purpose: assertions. This measures; the tests promise.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

mod fill;
mod floor;
mod keys;
mod load;
mod overload;
mod process;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::load::{Figures, Job, Load, Target};
use crate::process::Server;

/// Anything that goes wrong ends the benchmark; there is nobody to handle it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long each server is asked before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

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
    /// Parts that each figure is measured in, the floor and ours in turn, so that what else the machine does meets both.
    #[arg(long, global = true, default_value_t = 4)]
    rounds: u32,
    /// Operations to measure; all if none is named.
    #[arg(long, global = true, value_delimiter = ',', value_enum)]
    jobs: Vec<Job>,
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
    /// Ask the server, on a processor of its own, for up to twice what it can carry.
    Overload,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::Floor { chain, key }) => floor::serve(chain, key),
        Some(Command::Keys { count }) => keys::measure(&arguments, *count),
        Some(Command::Overload) => overload::measure(&arguments),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let time = Duration::from_secs(arguments.seconds) / arguments.rounds.max(1);
    let jobs = if arguments.jobs.is_empty() { Job::ALL } else { &arguments.jobs };
    let directory = tempfile::tempdir()?;
    let ours = Server::ours(arguments.server.as_deref(), directory.path(), &arguments.dev)?;
    let (chain, key) = ours.certificates();
    let bare = Server::floor(&chain, &key)?;
    let samples = runtime.block_on(load::samples(&ours.target))?;

    println!("| operation | connections | server | requests/s | p50 ms | p99 ms | CPU us/request | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    for job in jobs {
        for connections in &arguments.connections {
            // The floor gets the very requests that ours gets, signatures included; only the address differs.
            let target = Target { address: bare.target.address, ..ours.target.clone() };
            let mut to_bare = runtime.block_on(load::connect(&target, *connections))?;
            let mut to_ours = runtime.block_on(load::connect(&ours.target, *connections))?;
            for clients in [&mut to_bare, &mut to_ours] {
                runtime.block_on(load::run(clients, *job, &samples, WARM_UP))?;
            }
            runtime.block_on(load::settle(&mut to_ours, &samples))?;
            let (mut floor, mut mine) = (Load::default(), Load::default());
            let (bare_before, ours_before) = (bare.cpu()?, ours.cpu()?);
            for _ in 0..arguments.rounds.max(1) {
                floor.add(runtime.block_on(load::run(&mut to_bare, *job, &samples, time))?, time);
                mine.add(runtime.block_on(load::run(&mut to_ours, *job, &samples, time))?, time);
            }
            runtime.block_on(load::settle(&mut to_ours, &samples))?;
            floor.cpu = bare.cpu()?.saturating_sub(bare_before);
            mine.cpu = ours.cpu()?.saturating_sub(ours_before);
            let (floor, mine) = (Figures::of(&floor), Figures::of(&mine));
            row(*job, *connections, "floor", &floor, None);
            row(*job, *connections, "strongroom", &mine, Some(mine.cpu_micros / floor.cpu_micros));
        }
    }
    Ok(())
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
