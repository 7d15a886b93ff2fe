//! Connections to a proxy, one kind of TLS at a time, and signed requests over them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SupportedCipherSuite};
use serde_json::Value;
use strongroom_sigv4::{Credentials, SecretBytes, SigningTime};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fault::{Fault, Step, innermost, of_tls};
use super::witness::{Seen, Witness};
use crate::error::CliError;
use crate::limits;
use crate::tls::pem_error;

/// The suites of which a proxy must take one.
pub(super) const SUITES: [(&str, SupportedCipherSuite); 4] = [
    ("TLS 1.3 TLS_AES_256_GCM_SHA384", cipher_suite::TLS13_AES_256_GCM_SHA384),
    ("TLS 1.3 TLS_CHACHA20_POLY1305_SHA256", cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS 1.2 ECDHE_RSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS 1.2 ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
];

/// A proxy, and what it is asked with.
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) address: SocketAddr,
    /// As requests name it.
    pub(super) authority: String,
    /// The path, `/kms/xks/v1` included.
    pub(super) base: String,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) identity: Option<Arc<CertifiedKey>>,
    pub(super) access_key_id: String,
    pub(super) secret: SecretBytes,
    pub(super) region: String,
}

impl Proxy {
    /// Connects as is best.
    pub(super) async fn connect_as_aws(&self) -> Attempt {
        self.connect(&SUITES.map(|(_, suite)| suite), true).await
    }
}

/// How a request departs from what is right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    None,
    WrongSecret,
    /// Signed so many seconds from now.
    Skew(i64),
    Unsigned,
    Get,
}

/// An answer and how long it took.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Null for what is no JSON.
    pub(super) body: Value,
    /// Where it sends the caller instead.
    location: Option<String>,
    /// The server's clock, as it says.
    pub(super) date: Option<String>,
    pub(super) took: Duration,
}

impl Answer {
    /// The error's name, for refusals.
    pub(super) fn error(&self) -> &str {
        self.body.get("errorName").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it can be a proxy's: every one of its answers is a JSON object, and a refusal names its error.
    pub(super) fn of_a_proxy(&self) -> bool {
        self.body.is_object() && (self.status.is_success() || !self.error().is_empty())
    }

    pub(super) fn told(&self) -> String {
        let status = self.status.as_u16();
        match (self.error(), &self.location) {
            ("", Some(elsewhere)) => format!("{status}, which leads to {elsewhere}"),
            ("", None) if !self.body.is_object() => format!("{status} without a JSON object"),
            ("", None) => status.to_string(),
            (name, _) => format!("{status} {name}"),
        }
    }
}

/// An open connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What drives it; it ends with what the connection ended by.
    driver: Option<JoinHandle<Result<(), hyper::Error>>>,
    /// To connect over TCP, and to agree over TLS.
    pub(super) tcp: Duration,
    pub(super) tls: Duration,
}

impl Connection {
    /// What is under an error of HTTP: its own cause, or what the connection ended by.
    async fn fault(&mut self, error: hyper::Error) -> Fault {
        if let Some(fault) = of_tls(&error) {
            return fault;
        }
        let ended = match self.driver.take() {
            Some(driver) => timeout(limits::PREFLIGHT_CLOSING, driver).await.ok().and_then(Result::ok),
            None => None,
        };
        let under = ended.and_then(Result::err).and_then(|ended| of_tls(&ended));
        under.unwrap_or_else(|| Fault::Broken(innermost(&error)))
    }
}

/// An attempt to connect: what came of it, and what the server showed on the way.
pub(super) struct Attempt {
    pub(super) outcome: Result<Connection, Fault>,
    pub(super) seen: Seen,
}

impl Proxy {
    fn config(
        &self,
        suites: &[SupportedCipherSuite],
        identified: bool,
    ) -> Result<(ClientConfig, Arc<Witness>), rustls::Error> {
        let provider = Arc::new(CryptoProvider { cipher_suites: suites.to_vec(), ..aws_lc_rs::default_provider() });
        let versions: Vec<_> = [&rustls::version::TLS13, &rustls::version::TLS12]
            .into_iter()
            .filter(|version| suites.iter().any(|suite| suite.version().version == version.version))
            .collect();
        let identity = self.identity.clone().filter(|_| identified);
        let witness = Arc::new(Witness::new(Arc::clone(&self.roots), &provider, identity)?);
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::clone(&witness) as _);
        Ok((builder.with_client_cert_resolver(Arc::clone(&witness) as _), witness))
    }

    /// Connects with these suites, with the client's certificate or without.
    pub(super) async fn connect(&self, suites: &[SupportedCipherSuite], identified: bool) -> Attempt {
        match self.config(suites, identified) {
            Ok((config, witness)) => {
                let outcome = self.agree(Arc::new(config)).await;
                Attempt { outcome, seen: witness.seen() }
            }
            Err(error) => Attempt { outcome: Err(Fault::Tls(error)), seen: Seen::default() },
        }
    }

    async fn agree(&self, config: Arc<ClientConfig>) -> Result<Connection, Fault> {
        let began = Instant::now();
        let stream = timeout(limits::PREFLIGHT_CONNECT, TcpStream::connect(self.address)).await;
        let stream = stream.map_err(|_| Fault::Late(Step::Connection))?.map_err(Fault::Tcp)?;
        stream.set_nodelay(true).map_err(Fault::Tcp)?;
        let tcp = began.elapsed();
        let name = ServerName::try_from(self.host.clone()).map_err(|error| Fault::Broken(error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = timeout(limits::PREFLIGHT_CONNECT, connector.connect(name, stream)).await;
        let stream = stream.map_err(|_| Fault::Late(Step::Handshake))?;
        let stream = stream.map_err(|error| of_tls(&error).unwrap_or_else(|| Fault::Handshake(error)))?;
        let tls = began.elapsed().saturating_sub(tcp);
        let agreed = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = agreed.map_err(|error| Fault::Broken(innermost(&error)))?;
        Ok(Connection { sender, driver: Some(tokio::spawn(connection)), tcp, tls })
    }

    /// Asks for one call. After a fault the connection is of no further use.
    pub(super) async fn ask(
        &self,
        connection: &mut Connection,
        call: &str,
        body: &Value,
        now: u64,
        oddity: Oddity,
    ) -> Result<Answer, Fault> {
        let path = format!("{}/{call}", self.base);
        let body = if oddity == Oddity::Get { String::new() } else { body.to_string() };
        let method = if oddity == Oddity::Get { Method::GET } else { Method::POST };
        let mut request = Request::builder().method(method.clone()).uri(&path).header(header::HOST, &self.authority);
        request = request.header(header::CONTENT_TYPE, "application/json");
        if oddity != Oddity::Unsigned {
            for (name, value) in self.sign(method.as_str(), &path, body.as_bytes(), now, oddity)? {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| Fault::Broken(error.to_string()))?;
        timeout(limits::PREFLIGHT_ANSWER, exchange(connection, request)).await.unwrap_or(Err(Fault::Late(Step::Answer)))
    }

    fn sign(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        now: u64,
        oddity: Oddity,
    ) -> Result<Vec<(&'static str, String)>, Fault> {
        let view = strongroom_sigv4::Request {
            method,
            path,
            query: "",
            authority: &self.authority,
            headers: std::iter::empty::<(&str, &[u8])>(),
        };
        let wrong;
        let secret_access_key = match oddity {
            Oddity::WrongSecret => {
                wrong = SecretBytes::take([b"not".as_slice(), self.secret.expose()].concat());
                &wrong
            }
            _ => &self.secret,
        };
        let skew = if let Oddity::Skew(seconds) = oddity { seconds } else { 0 };
        let at = i64::try_from(now).unwrap_or(i64::MAX).saturating_add(skew * 1000);
        let credentials = Credentials { access_key_id: &self.access_key_id, secret_access_key, session_token: None };
        let at = SigningTime::from_unix_millis(at);
        let signed = strongroom_sigv4::sign(&view, body, &credentials, &self.region, "kms-xks-proxy", at);
        let signed = signed.map_err(|error| Fault::Broken(format!("the request cannot be signed: {error}")))?;
        Ok(signed.iter().map(|(name, value)| (name, value.to_owned())).collect())
    }
}

/// A request and the whole of its answer.
async fn exchange(connection: &mut Connection, request: Request<Full<Bytes>>) -> Result<Answer, Fault> {
    let began = Instant::now();
    if let Err(error) = connection.sender.ready().await {
        return Err(connection.fault(error).await);
    }
    let response = match connection.sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => return Err(connection.fault(error).await),
    };
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, limits::PREFLIGHT_ANSWER_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return Err(match error.downcast::<hyper::Error>() {
                Ok(error) => connection.fault(*error).await,
                Err(_) => Fault::Long,
            });
        }
    };
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (location, date) = (text(header::LOCATION), text(header::DATE));
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Answer { status: head.status, body, location, date, took: began.elapsed() })
}

/// A client's certificate and key.
pub(super) fn identity(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CliError> {
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |error| CliError::File { path, source: pem_error(error) }
    };
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect).map_err(unreadable(chain))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let certified = CertifiedKey::from_der(certificates, private, &aws_lc_rs::default_provider());
    certified.map(Arc::new).map_err(|error| {
        let (chain, key) = (chain.display(), key.display());
        CliError::Usage(match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("the private key in {key} (--client-key) is not that of the certificate in {chain}")
            }
            error => format!("{chain} and {key} are no certificate and private key of a client: {error}"),
        })
    })
}
