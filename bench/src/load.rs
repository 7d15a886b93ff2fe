//! The load: connections that each keep one request under way, and what that came to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Answer, Ask, Client, Target};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Job {
    Encrypt,
    Decrypt,
    GenerateDataKey,
    GenerateMac,
    Sign,
    XksEncrypt,
    XksEncryptCdiv,
    XksDecrypt,
    XksResidentEncrypt,
    XksResidentEncryptCdiv,
    XksResidentDecrypt,
    EkmWrap,
    EkmUnwrap,
}

impl Job {
    pub(crate) const KMS: [Self; 5] =
        [Self::Encrypt, Self::Decrypt, Self::GenerateDataKey, Self::GenerateMac, Self::Sign];
    pub(crate) const XKS: [Self; 3] = [Self::XksEncrypt, Self::XksEncryptCdiv, Self::XksDecrypt];
    pub(crate) const XKS_RESIDENT: [Self; 3] =
        [Self::XksResidentEncrypt, Self::XksResidentEncryptCdiv, Self::XksResidentDecrypt];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::GenerateDataKey => "GenerateDataKey",
            Self::GenerateMac => "GenerateMac",
            Self::Sign => "Sign",
            Self::XksEncrypt => "XKS encrypt",
            Self::XksEncryptCdiv => "XKS encrypt, CDIV",
            Self::XksDecrypt => "XKS decrypt",
            Self::XksResidentEncrypt => "XKS encrypt, in the token",
            Self::XksResidentEncryptCdiv => "XKS encrypt, CDIV, in the token",
            Self::XksResidentDecrypt => "XKS decrypt, in the token",
            Self::EkmWrap => "EKM wrapkey",
            Self::EkmUnwrap => "EKM unwrapkey",
        }
    }

    /// How often a key in a token encrypts and decrypts for it.
    pub(crate) const fn token_calls(self) -> (u32, u32) {
        match self {
            Self::XksResidentEncrypt => (1, 0),
            Self::XksResidentEncryptCdiv => (1, 1),
            Self::XksResidentDecrypt => (0, 1),
            _ => (0, 0),
        }
    }
}

/// A request of a job, made once, and where it goes.
pub(crate) struct Sample {
    pub(crate) job: Job,
    pub(crate) target: Target,
    pub(crate) ask: Arc<Ask>,
}

/// What a server is asked.
pub(crate) struct Samples {
    pub(crate) all: Vec<Sample>,
    /// Asks when a key was last used: what it does behind the requests is finished then.
    pub(crate) settle: (Target, Ask),
}

impl Samples {
    /// The sample of a job.
    pub(crate) fn of(&self, job: Job) -> Result<&Sample> {
        self.all.iter().find(|sample| sample.job == job).ok_or_else(|| "no sample for this job".into())
    }

    /// Has the server finish what it does behind the requests: the usage ledger is counted before it is asked.
    pub(crate) async fn settle(&self) -> Result<()> {
        let (target, ask) = &self.settle;
        Client::connect(target).await?.ask(ask).await.map(drop)
    }
}

/// How long requests took, by what became of them.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) accepted: Vec<Duration>,
    pub(crate) refused: Vec<Duration>,
    /// How the last refusal was worded.
    pub(crate) words: String,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.refused.extend(other.refused);
        if !other.words.is_empty() {
            self.words = other.words;
        }
    }

    /// One more request.
    pub(crate) fn note(&mut self, answer: Answer, took: Duration) {
        match answer {
            Answer::Accepted(_) => self.accepted.push(took),
            Answer::Refused(words) => {
                self.refused.push(took);
                self.words = words;
            }
        }
    }
}

/// Times in order.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// In milliseconds: what this share of a thousand does not exceed.
    pub(crate) fn at(&self, per_mille: usize) -> f64 {
        let index = (self.0.len() * per_mille / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// How many exceed a time.
    pub(crate) fn beyond(&self, limit: Duration) -> usize {
        self.0.len() - self.0.partition_point(|time| *time <= limit)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Opens this many connections.
pub(crate) async fn connect(target: &Target, connections: usize) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(target).await?);
    }
    Ok(clients)
}

/// Asks for some time; each connection asks again once it is answered.
pub(crate) async fn run(clients: &mut Vec<Client>, ask: &Arc<Ask>, time: Duration) -> Result<Outcome> {
    let all = clients.len();
    run_at_once(clients, all, ask, time).await
}

/// Asks for some time, with so many requests under way at any time, on all connections in turn.
async fn run_at_once(clients: &mut Vec<Client>, most: usize, ask: &Arc<Ask>, time: Duration) -> Result<Outcome> {
    let end = Instant::now() + time;
    let each = clients.len().div_ceil(most.max(1)).max(1);
    let mut tasks = Vec::new();
    while !clients.is_empty() {
        let mut some: Vec<_> = clients.drain(..each.min(clients.len())).collect();
        let ask = Arc::clone(ask);
        tasks.push(tokio::spawn(async move {
            let mut outcome = Outcome::default();
            'time: loop {
                for client in &mut some {
                    let begun = Instant::now();
                    if begun >= end {
                        break 'time;
                    }
                    let answer = client.offer(&ask).await?;
                    outcome.note(answer, begun.elapsed());
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((some, outcome))
        }));
    }
    let mut all = Outcome::default();
    for task in tasks {
        let (some, outcome) = task.await??;
        clients.extend(some);
        all.add(outcome);
    }
    Ok(all)
}

/// Asks for some time; every request must be accepted.
pub(crate) async fn run_all(clients: &mut Vec<Client>, ask: &Arc<Ask>, time: Duration) -> Result<Vec<Duration>> {
    let all = clients.len();
    run_all_at_once(clients, all, ask, time).await
}

/// The same with so many requests under way at any time, on all connections in turn.
pub(crate) async fn run_all_at_once(
    clients: &mut Vec<Client>,
    most: usize,
    ask: &Arc<Ask>,
    time: Duration,
) -> Result<Vec<Duration>> {
    let Outcome { accepted, refused, words } = run_at_once(clients, most, ask, time).await?;
    match refused.is_empty() {
        true => Ok(accepted),
        false => Err(format!("{} of {} requests were refused: {words}", refused.len(), accepted.len()).into()),
    }
}
