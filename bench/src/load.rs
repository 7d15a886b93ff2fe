//! The load: connections that each keep one signed request under way.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use strongroom_secret::SecretBytes;
use strongroom_sigv4::{Credentials, Request, SigningTime, sign};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;
use crate::process::Served;

/// Where the load goes, and as whom.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) authority: PathBuf,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) region: String,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            authority: PathBuf::new(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
            region: String::new(),
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Job {
    Encrypt,
    Decrypt,
    GenerateDataKey,
    GenerateMac,
    Sign,
}

impl Job {
    pub(crate) const ALL: &'static [Self] =
        &[Self::Encrypt, Self::Decrypt, Self::GenerateDataKey, Self::GenerateMac, Self::Sign];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::GenerateDataKey => "GenerateDataKey",
            Self::GenerateMac => "GenerateMac",
            Self::Sign => "Sign",
        }
    }
}

/// Bodies of the requests, made once against our server.
pub(crate) struct Samples {
    bodies: Vec<(Job, String)>,
    /// Asks when a key was last used.
    last_use: String,
}

impl Samples {
    /// The body for a job.
    pub(crate) fn body(&self, job: Job) -> Result<Arc<str>> {
        let body = self.bodies.iter().find(|(sample, _)| *sample == job).map(|(_, body)| body.as_str());
        Ok(body.ok_or("no sample for this job")?.into())
    }
}

/// What a server was asked for some time, and what that cost it.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) served: Served,
    pub(crate) cpu: Duration,
    pub(crate) time: Duration,
}

impl Load {
    pub(crate) fn add(&mut self, served: Served, time: Duration) {
        self.served.extend(served);
        self.time += time;
    }
}

/// What a load came to.
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) cpu_micros: f64,
}

impl Figures {
    pub(crate) fn of(load: &Load) -> Self {
        let mut times = load.served.clone();
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
        let count = times.len() as f64;
        Self {
            per_second: count / load.time.as_secs_f64(),
            p50: at(50).copied().unwrap_or_default(),
            p99: at(99).copied().unwrap_or_default(),
            cpu_micros: load.cpu.as_secs_f64() * 1e6 / count,
        }
    }
}

/// Makes the keys that the jobs use, and the bodies that name them.
pub(crate) async fn samples(target: &Target) -> Result<Samples> {
    let mut client = Client::connect(target).await?;
    let plaintext = STANDARD.encode([7u8; 32]);
    let context = r#""EncryptionContext":{"purpose":"bench"}"#;
    let encrypt = format!(r#"{{"KeyId":"alias/dev","Plaintext":"{plaintext}",{context}}}"#);
    let encrypted = client.ask("Encrypt", &encrypt).await?;
    let ciphertext = text_field(&encrypted, "CiphertextBlob")?;
    let mac = client.ask("CreateKey", r#"{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}"#).await?;
    let mac = text_field(&mac, "KeyId")?;
    let signing = client.ask("CreateKey", r#"{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}"#).await?;
    let signing = text_field(&signing, "KeyId")?;
    let last_use = format!(r#"{{"KeyId":"{mac}"}}"#);
    let bodies = vec![
        (Job::Encrypt, encrypt),
        (Job::Decrypt, format!(r#"{{"CiphertextBlob":"{ciphertext}",{context}}}"#)),
        (Job::GenerateDataKey, format!(r#"{{"KeyId":"alias/dev","KeySpec":"AES_256",{context}}}"#)),
        (Job::GenerateMac, format!(r#"{{"KeyId":"{mac}","Message":"{plaintext}","MacAlgorithm":"HMAC_SHA_256"}}"#)),
        (
            Job::Sign,
            format!(
                r#"{{"KeyId":"{signing}","Message":"{plaintext}","MessageType":"DIGEST","SigningAlgorithm":"ECDSA_SHA_256"}}"#
            ),
        ),
    ];
    Ok(Samples { bodies, last_use })
}

/// Opens this many connections.
pub(crate) async fn connect(target: &Target, connections: usize) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(target).await?);
    }
    Ok(clients)
}

/// Runs a job for some time; every request is signed by itself and must be answered with 200.
pub(crate) async fn run(clients: &mut Vec<Client>, job: Job, samples: &Samples, time: Duration) -> Result<Served> {
    let body = samples.body(job)?;
    let end = Instant::now() + time;
    let tasks = clients.drain(..).map(|mut client| {
        let body = Arc::clone(&body);
        tokio::spawn(async move {
            let mut served = Served::new();
            while Instant::now() < end {
                let begun = Instant::now();
                client.ask(job.name(), &body).await?;
                served.push(begun.elapsed());
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((client, served))
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut all = Served::new();
    for task in tasks {
        let (client, served) = task.await??;
        clients.push(client);
        all.extend(served);
    }
    Ok(all)
}

/// Has our server finish what it does behind the requests: the usage ledger is counted before it is asked.
pub(crate) async fn settle(clients: &mut [Client], samples: &Samples) -> Result<()> {
    let client = clients.first_mut().ok_or("no connection")?;
    client.ask("GetKeyLastUsage", &samples.last_use).await.map(drop)
}

/// What a request came to.
pub(crate) enum Answer {
    /// It was done; the answer's body.
    Accepted(String),
    /// It was one too many (`ThrottlingException`).
    Refused,
}

pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    target: Target,
    secret: SecretBytes,
    host: String,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(target: &Target) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&target.authority)? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(target.address.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Self {
            stream,
            secret: SecretBytes::copy_from(target.secret_access_key.as_bytes()),
            host: target.address.to_string(),
            target: target.clone(),
            buffer: Vec::new(),
        })
    }

    /// One request and its answer's body; a refusal is an error.
    pub(crate) async fn ask(&mut self, operation: &str, body: &str) -> Result<String> {
        match self.offer(operation, body).await? {
            Answer::Accepted(body) => Ok(body),
            Answer::Refused => Err("refused: one request too many at once".into()),
        }
    }

    /// One request and its answer, which may be that it was one too many.
    #[expect(clippy::disallowed_methods, reason = "signatures carry the time of the request")]
    pub(crate) async fn offer(&mut self, operation: &str, body: &str) -> Result<Answer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let action = format!("TrentService.{operation}");
        let headers = [("content-type", b"application/x-amz-json-1.1".as_slice()), ("x-amz-target", action.as_bytes())];
        let request =
            Request { method: "POST", path: "/", query: "", authority: &self.host, headers: headers.into_iter() };
        let credentials = Credentials {
            access_key_id: &self.target.access_key_id,
            secret_access_key: &self.secret,
            session_token: None,
        };
        let time = SigningTime::from_unix_seconds(i64::try_from(now)?);
        let signed = sign(&request, body.as_bytes(), &credentials, &self.target.region, "kms", time)?;
        let mut head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: {action}\r\ncontent-length: {}\r\n",
            self.host,
            body.len()
        );
        for (name, value) in signed.iter() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.push_str(body);
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Answer> {
        self.buffer.clear();
        loop {
            let mut chunk = [0; 8192];
            let read = self.stream.read(&mut chunk).await?;
            if read == 0 {
                return Err("the connection was closed".into());
            }
            self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
            let text = std::str::from_utf8(&self.buffer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() < length.ok_or("an answer without a length")? {
                continue;
            }
            if head.starts_with("HTTP/1.1 400") && body.contains("ThrottlingException") {
                return Ok(Answer::Refused);
            }
            if !head.starts_with("HTTP/1.1 200") {
                return Err(format!("refused: {head}\n{body}").into());
            }
            return Ok(Answer::Accepted(body.to_owned()));
        }
    }
}

/// The value of a text member, in the plain JSON of our own server.
pub(crate) fn text_field(json: &str, name: &str) -> Result<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).ok_or_else(|| format!("no {name} in {json}"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}
