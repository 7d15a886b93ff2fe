//! One connection that asks: real TLS 1.3, every request signed by itself where the protocol signs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use strongroom_secret::SecretBytes;
use strongroom_sigv4::{Credentials, Request, SigningTime, sign};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;

/// Room for most answers at once.
const ANSWER_BYTES: usize = 4096;

/// Where the load goes, and what its connections show.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// PEM of the authority of the server's certificate.
    pub(crate) authority: PathBuf,
    /// PEM of a client's certificate and of its key, for mutual TLS.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// Who signs, and for what.
pub(crate) struct Signer {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: SecretBytes,
    pub(crate) region: String,
    pub(crate) service: &'static str,
}

/// A request, but for its signature.
pub(crate) struct Ask {
    /// Nobody where the connection's certificate proves who asks.
    pub(crate) signer: Option<Arc<Signer>>,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) content: &'static str,
    /// `x-amz-target`.
    pub(crate) action: Option<String>,
    pub(crate) body: String,
}

impl Ask {
    /// An operation of AWS KMS.
    pub(crate) fn kms(signer: &Arc<Signer>, operation: &str, body: String) -> Self {
        let (signer, action) = (Some(Arc::clone(signer)), Some(format!("TrentService.{operation}")));
        Self { signer, target: "/".to_owned(), content: "application/x-amz-json-1.1", action, body }
    }
}

/// What a request came to.
pub(crate) enum Answer {
    /// It was done; the answer's body.
    Accepted(String),
    /// It was one too many, or could not be done in time; how that was worded.
    Refused(String),
}

pub(crate) struct Client {
    /// Boxed, so that a client that goes from hand to hand costs the load little.
    stream: Box<TlsStream<TcpStream>>,
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
            .with_root_certificates(roots);
        let config = match &target.identity {
            Some((chain, key)) => {
                let chain = CertificateDer::pem_file_iter(chain)?.collect::<std::result::Result<Vec<_>, _>>()?;
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
            }
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(target.address.ip());
        let stream = Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?);
        Ok(Self { stream, host: target.address.to_string(), buffer: Vec::new() })
    }

    /// One request and its answer's body; a refusal is an error.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<String> {
        match self.offer(ask).await? {
            Answer::Accepted(body) => Ok(body),
            Answer::Refused(words) => Err(format!("refused: {words}").into()),
        }
    }

    /// One request and its answer, which may be that it was one too many.
    pub(crate) async fn offer(&mut self, ask: &Ask) -> Result<Answer> {
        let head = self.head(ask)?;
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    /// The request as it goes out, its body included.
    #[expect(clippy::disallowed_methods, reason = "signatures carry the time of the request")]
    fn head(&self, ask: &Ask) -> Result<String> {
        let (host, target, content, length) = (&self.host, &ask.target, ask.content, ask.body.len());
        let mut head = format!(
            "POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {content}\r\ncontent-length: {length}\r\n"
        );
        let action = ask.action.as_deref().map(|action| ("x-amz-target", action));
        let mut add = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        };
        if let Some((name, value)) = action {
            add(name, value);
        }
        if let Some(signer) = &ask.signer {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            let headers = [("content-type", content)].into_iter().chain(action);
            let headers = headers.map(|(name, value)| (name, value.as_bytes()));
            let request = Request { method: "POST", path: target, query: "", authority: host, headers };
            let credentials = Credentials {
                access_key_id: &signer.access_key_id,
                secret_access_key: &signer.secret_access_key,
                session_token: None,
            };
            let time = SigningTime::from_unix_seconds(i64::try_from(now)?);
            let body = ask.body.as_bytes();
            for (name, value) in sign(&request, body, &credentials, &signer.region, signer.service, time)?.iter() {
                add(name, value);
            }
        }
        head.push_str("\r\n");
        head.push_str(&ask.body);
        Ok(head)
    }

    async fn answer(&mut self) -> Result<Answer> {
        self.buffer.clear();
        loop {
            self.buffer.reserve(ANSWER_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
            let text = std::str::from_utf8(&self.buffer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() < length.ok_or("an answer without a length")? {
                continue;
            }
            return match head.split(' ').nth(1) {
                Some("200") => Ok(Answer::Accepted(body.to_owned())),
                Some("429" | "503") => Ok(Answer::Refused(body.to_owned())),
                Some("400") if body.contains("ThrottlingException") => Ok(Answer::Refused(body.to_owned())),
                _ => Err(format!("refused: {head}\n{body}").into()),
            };
        }
    }
}

/// The value of a text member, in the plain JSON of our own server.
pub(crate) fn text_field(json: &str, name: &str) -> Result<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).ok_or_else(|| format!("no {name} in {json}"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}
