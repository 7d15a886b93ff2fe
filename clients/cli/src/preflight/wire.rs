//! Connections to a proxy, one kind of TLS at a time, and signed requests over them.

use std::net::SocketAddr;
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
use rustls::{ClientConfig, RootCertStore, SupportedCipherSuite};
use serde_json::Value;
use strongroom_sigv4::{Credentials, SecretBytes, SigningTime};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits;

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
    pub(super) identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    pub(super) access_key_id: String,
    pub(super) secret: SecretBytes,
    pub(super) region: String,
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
    pub(super) body: Value,
    /// The server's clock, as it says.
    pub(super) date: Option<String>,
    pub(super) took: Duration,
}

impl Answer {
    /// The error's name, for refusals.
    pub(super) fn error(&self) -> &str {
        self.body.get("errorName").and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn told(&self) -> String {
        match self.error() {
            "" => self.status.as_u16().to_string(),
            name => format!("{} {name}", self.status.as_u16()),
        }
    }
}

/// An open connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What the server showed, its own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// To connect over TCP, and to agree over TLS.
    pub(super) tcp: Duration,
    pub(super) tls: Duration,
}

impl Proxy {
    fn config(&self, suites: &[SupportedCipherSuite], identified: bool) -> Result<Arc<ClientConfig>, String> {
        let provider = CryptoProvider { cipher_suites: suites.to_vec(), ..aws_lc_rs::default_provider() };
        let text = |error: rustls::Error| error.to_string();
        let versions: Vec<_> = [&rustls::version::TLS13, &rustls::version::TLS12]
            .into_iter()
            .filter(|version| suites.iter().any(|suite| suite.version().version == version.version))
            .collect();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&versions);
        let builder = builder.map_err(text)?.with_root_certificates(Arc::clone(&self.roots));
        let config = match &self.identity {
            Some((chain, key)) if identified => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(text)?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    /// Connects with these suites, with the client's certificate or without.
    pub(super) async fn connect(
        &self,
        suites: &[SupportedCipherSuite],
        identified: bool,
    ) -> Result<Connection, String> {
        let config = self.config(suites, identified)?;
        let connecting = async {
            let began = Instant::now();
            let stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let tcp = began.elapsed();
            let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await;
            let stream = stream.map_err(|error| error.to_string())?;
            let tls = began.elapsed().saturating_sub(tcp);
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            tokio::spawn(async move { drop(connection.await) });
            Ok(Connection { sender, chain, tcp, tls })
        };
        timeout(limits::CONNECT_TIME, connecting).await.unwrap_or_else(|_| Err("no connection in time".to_owned()))
    }

    /// Asks for one call.
    pub(super) async fn ask(
        &self,
        connection: &mut Connection,
        call: &str,
        body: &Value,
        now: u64,
        oddity: Oddity,
    ) -> Result<Answer, String> {
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
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let began = Instant::now();
        let asking = async {
            connection.sender.ready().await.map_err(|error| error.to_string())?;
            let response = connection.sender.send_request(request).await.map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, limits::ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
            let date = head.headers.get(header::DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
            let body = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
            Ok(Answer { status: head.status, body, date, took: began.elapsed() })
        };
        timeout(limits::CONNECT_TIME, asking).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    fn sign(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        now: u64,
        oddity: Oddity,
    ) -> Result<Vec<(&'static str, String)>, String> {
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
        let signed = signed.map_err(|error| error.to_string())?;
        Ok(signed.iter().map(|(name, value)| (name, value.to_owned())).collect())
    }
}

/// A client's certificate and key.
pub(super) fn identity(
    chain: &std::path::Path,
    key: &std::path::Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let told = |path: &std::path::Path, error: rustls::pki_types::pem::Error| format!("{}: {error}", path.display());
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| told(chain, error))?;
    Ok((certificates, PrivateKeyDer::from_pem_file(key).map_err(|error| told(key, error))?))
}
