//! The benchmark: a bare hyper server over TLS 1.3 (the floor) and ours, under the same load with real signatures.
//!
//! `cargo run --profile dist -p strongroom-bench` builds nothing of the server itself: give it the program with `--server`
//! (by default the one beside it). Server CPU per request is the figure to trust on a shared machine; times are
//! shown beside it. Absent on purpose: assertions. This measures; the tests promise.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

mod beside;
mod certificates;
mod client;
mod fill;
mod floor;
mod house;
mod keys;
mod load;
mod module;
mod open_loop;
mod overload;
mod process;
mod slow_token;
mod steady;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum as _};

use crate::certificates::Certificate;
use crate::load::{Job, Times};
use crate::process::{Server, cpu};
use crate::subject::{Running, Subject, subjects};

/// Anything that goes wrong ends the benchmark; there is nobody to handle it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long each server is asked before it is measured.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);

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
    /// Operations to measure; all if none is named. Keys in a token need SoftHSM2.
    #[arg(long, global = true, value_delimiter = ',', value_enum)]
    pub(crate) jobs: Vec<Job>,
    /// Connections, in turn.
    #[arg(long, global = true, value_delimiter = ',', default_values_t = [1usize, 16, 64])]
    connections: Vec<usize>,
    /// Arguments for `strongroom dev`, which serves AWS KMS, e.g. for another root.
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
    /// Run only a PKCS#11 module (the benchmark starts it by itself).
    Module {
        /// The module's library.
        module: PathBuf,
        /// The token's label.
        label: String,
        /// The user's PIN.
        pin: String,
    },
    /// Make many keys, kill the server, start it again, and use them.
    Keys {
        /// How many.
        #[arg(default_value_t = 100_000)]
        count: usize,
    },
    /// Ask the server, on a processor of its own, for up to twice what it can carry.
    Overload,
    /// Ask at a steady rate; external keys unless other operations are named.
    Steady {
        /// Requests a second.
        #[arg(default_value_t = 1800.0)]
        rate: f64,
    },
    /// Ask another XKS proxy for the same as ours, in turn.
    Beside(beside::Other),
    /// Ask for keys in a token that is slow, from 64 connections.
    SlowToken {
        /// Milliseconds that an encryption or decryption takes there.
        #[arg(default_value_t = 5)]
        milliseconds: u32,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::Floor { chain, key }) => floor::serve(chain, key),
        Some(Command::Module { module, label, pin }) => module::measure(module, label, pin),
        Some(Command::Keys { count }) => keys::measure(&arguments, *count),
        Some(Command::Overload) => overload::measure(&arguments),
        Some(Command::Steady { rate }) => steady::measure(&arguments, *rate),
        Some(Command::Beside(other)) => beside::measure(&arguments, other),
        Some(Command::SlowToken { milliseconds }) => slow_token::measure(&arguments, *milliseconds),
        None => measure(&arguments),
    }
}

/// What a server was asked, and what that cost it.
#[derive(Default)]
struct Load {
    served: Vec<Duration>,
    cpu: Duration,
    time: Duration,
}

impl Load {
    /// Microseconds of CPU for a request.
    fn each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.served.len() as f64
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let jobs = if arguments.jobs.is_empty() { Job::value_variants() } else { &arguments.jobs };
    let directory = tempfile::tempdir()?;
    let bare = Server::floor(&Certificate::of_server(directory.path())?)?;
    runtime.block_on(async {
        let subjects = subjects(arguments, jobs, directory.path()).await?;
        println!(
            "| operation | connections | server | requests/s | p50 ms | p99 ms | CPU us/request | ratio | over SoftHSM us |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for (subject, jobs) in &subjects {
            let token = token(subject, jobs)?;
            for job in jobs {
                let (seals, opens) = job.token_calls();
                let own = token.map(|(seal, open)| seal * f64::from(seals) + open * f64::from(opens));
                let own = own.filter(|_| seals + opens > 0);
                for connections in &arguments.connections {
                    let [floor, ours] = compare(arguments, &bare, subject, *job, *connections).await?;
                    let (ratio, over) = (ours.each() / floor.each(), own.map(|own| ours.each() - own));
                    row(*job, *connections, "floor", floor, None, None);
                    row(*job, *connections, "strongroom", ours, Some(ratio), over);
                }
            }
            if let Some((seal, open)) = token {
                println!("\nSoftHSM alone: {seal:.1} us of CPU for an encryption, {open:.1} us for a decryption.");
            }
        }
        Ok(())
    })
}

/// What the token's module alone needs for an encryption and a decryption, if any of the jobs uses a key in it.
fn token(subject: &Subject, jobs: &[Job]) -> Result<Option<(f64, f64)>> {
    match &subject.running {
        Running::House(house) if jobs.iter().any(|job| job.token_calls() != (0, 0)) => house.module_alone().map(Some),
        _ => Ok(None),
    }
}

/// Asks the floor and ours in turn.
async fn compare(
    arguments: &Arguments,
    bare: &Server,
    subject: &Subject,
    job: Job,
    connections: usize,
) -> Result<[Load; 2]> {
    let sample = subject.samples.of(job)?;
    let time = Duration::from_secs(arguments.seconds) / arguments.rounds.max(1);
    // The floor gets the very requests that ours gets, signatures included; only the address differs.
    let mut to_bare = load::connect(&bare.target, connections).await?;
    let mut to_ours = load::connect(&sample.target, connections).await?;
    for clients in [&mut to_bare, &mut to_ours] {
        load::run_all(clients, &sample.ask, WARM_UP).await?;
    }
    subject.samples.settle().await?;
    let (mut floor, mut ours) = (Load::default(), Load::default());
    let (bare_before, ours_before) = (cpu(bare.id())?, cpu(subject.id()?)?);
    for _ in 0..arguments.rounds.max(1) {
        for (load, clients) in [(&mut floor, &mut to_bare), (&mut ours, &mut to_ours)] {
            load.served.extend(load::run_all(clients, &sample.ask, time).await?);
            load.time += time;
        }
    }
    subject.samples.settle().await?;
    floor.cpu = cpu(bare.id())?.saturating_sub(bare_before);
    ours.cpu = cpu(subject.id()?)?.saturating_sub(ours_before);
    Ok([floor, ours])
}

fn row(job: Job, connections: usize, server: &str, load: Load, ratio: Option<f64>, over: Option<f64>) {
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let over = over.map_or_else(String::new, |over| format!("{over:.1}"));
    let (each, per_second) = (load.each(), load.served.len() as f64 / load.time.as_secs_f64());
    let times = Times::new(load.served);
    println!(
        "| {} | {connections} | {server} | {per_second:.0} | {:.2} | {:.2} | {each:.1} | {ratio} | {over} |",
        job.name(),
        times.at(500),
        times.at(990),
    );
}
