//! Another XKS proxy under the same load, in turn with the floor and ours: with keys that are wrapped, and with keys in a
//! token, as a proxy in front of a token has them.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use strongroom_secret::SecretBytes;

use crate::certificates::Certificate;
use crate::client::{Ask, Client, Signer, Target};
use crate::house::{REGION, xks_asks};
use crate::load::{Job, Sample, Samples};
use crate::process::{Server, cpu};
use crate::subject::Subject;
use crate::{Arguments, Load, Result, WARM_UP, load};

/// Where the other proxy is.
#[derive(clap::Args)]
pub(crate) struct Other {
    /// Its address, which its certificate is for.
    address: SocketAddr,
    /// Its process: CPU that this and its children use counts as the proxy's.
    #[arg(long)]
    process: u32,
    /// PEM of the authority of its certificate.
    #[arg(long)]
    authority: PathBuf,
    /// Path of the key that it is asked for, as in /kms/xks/v1/keys/NAME.
    #[arg(long)]
    key: String,
    /// Access key id of its credential.
    #[arg(long, env = "AWS_ACCESS_KEY_ID")]
    access_key_id: String,
    /// Secret access key of its credential; in the environment nobody else sees it.
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: String,
}

/// A server, what it is asked over which connections, and what that came to.
struct Contender {
    process: u32,
    ask: Arc<Ask>,
    clients: Vec<Client>,
    load: Load,
}

impl Contender {
    async fn new(process: u32, target: &Target, ask: Arc<Ask>, connections: usize) -> Result<Self> {
        let mut clients = load::connect(target, connections).await?;
        load::run_all(&mut clients, &ask, WARM_UP).await?;
        Ok(Self { process, ask, clients, load: Load::default() })
    }

    /// Asks for some time. What ours does behind the requests counts as well.
    async fn round(&mut self, time: Duration, samples: &Samples) -> Result<()> {
        let before = cpu(self.process)?;
        self.load.served.extend(load::run_all(&mut self.clients, &self.ask, time).await?);
        samples.settle().await?;
        self.load.cpu += cpu(self.process)?.saturating_sub(before);
        self.load.time += time;
        Ok(())
    }
}

pub(crate) fn measure(arguments: &Arguments, other: &Other) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let bare = Server::floor(&Certificate::of_server(directory.path())?)?;
    runtime.block_on(async {
        let house = directory.path().join("house");
        std::fs::create_dir(&house)?;
        let subject = Subject::house(arguments, &house, None).await?;
        let secret_access_key = SecretBytes::copy_from(other.secret_access_key.as_bytes());
        let (access_key_id, region) = (other.access_key_id.clone(), REGION.to_owned());
        let signer = Arc::new(Signer { access_key_id, secret_access_key, region, service: "kms-xks-proxy" });
        let target = Target { address: other.address, authority: other.authority.clone(), identity: None };
        let asks = xks_asks(&mut Client::connect(&target).await?, &signer, &other.key).await?.map(Arc::new);
        println!("CPU us/request; requests/s in parentheses\n");
        println!("| operation | connections | floor | other | ours | other/ours | ours, in the token | other/ours |");
        println!("|---|---|---|---|---|---|---|---|");
        for ((theirs, job), in_token) in asks.iter().zip(Job::XKS).zip(Job::XKS_RESIDENT) {
            for connections in &arguments.connections {
                let samples = [subject.samples.of(job)?, subject.samples.of(in_token)?];
                let [ours, resident] = samples.map(|Sample { target, ask, .. }| (target, Arc::clone(ask)));
                let asked = [
                    (bare.id(), &bare.target, Arc::clone(theirs)),
                    (other.process, &target, Arc::clone(theirs)),
                    (subject.id()?, ours.0, ours.1),
                    (subject.id()?, resident.0, resident.1),
                ];
                let mut contenders = Vec::new();
                for (process, target, ask) in asked {
                    contenders.push(Contender::new(process, target, ask, *connections).await?);
                }
                let rounds = arguments.rounds.max(1);
                for _ in 0..rounds {
                    for contender in &mut contenders {
                        contender.round(Duration::from_secs(arguments.seconds) / rounds, &subject.samples).await?;
                    }
                }
                row(job, *connections, &contenders);
            }
        }
        Ok(())
    })
}

fn row(job: Job, connections: usize, contenders: &[Contender]) {
    let [floor, other, ours, resident] = contenders else { return };
    let told = |contender: &Contender| {
        let load = &contender.load;
        format!("{:.0} ({:.0})", load.each(), load.served.len() as f64 / load.time.as_secs_f64())
    };
    let ratio = |ours: &Contender| other.load.each() / ours.load.each();
    println!(
        "| {} | {connections} | {} | {} | {} | {:.2} | {} | {:.2} |",
        job.name(),
        told(floor),
        told(other),
        told(ours),
        ratio(ours),
        told(resident),
        ratio(resident),
    );
}
