//! Asking an issuer for its keys: its discovery document (OpenID Connect Discovery 1.0, section 4), then the keys that it
//! points to. Over TLS 1.3, from origins that an operator has allowed; without redirects.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::error::TokenError;
use crate::limits;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const HTTPS_PORT: u16 = 443;

/// A host and port that may be asked over https.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    host: String,
    port: u16,
}

/// Why a text names no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is https://, a host and, unless it is 443, a port; such as https://issuer.example:8443")]
pub struct OriginError;

impl Origin {
    /// The origin that a URL is at; nothing where it is none of https.
    #[must_use]
    pub fn at(url: &str) -> Option<Self> {
        url.parse().ok().and_then(|uri| Self::of(&uri))
    }

    fn of(uri: &Uri) -> Option<Self> {
        let host = uri.host().filter(|host| !host.is_empty())?;
        let bare = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS) && bare;
        let port = uri.port_u16().unwrap_or(HTTPS_PORT);
        https.then(|| Self { host: host.trim_matches(['[', ']']).to_ascii_lowercase(), port })
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let uri: Uri = text.parse().map_err(|_| OriginError)?;
        match uri.path_and_query().is_none_or(|rest| rest.as_str() == "/") && !text.ends_with('/') {
            true => Self::of(&uri).ok_or(OriginError),
            false => Err(OriginError),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(formatter, "https://[{host}]:{port}"),
            false => write!(formatter, "https://{host}:{port}"),
        }
    }
}

/// Asks issuers for their keys.
pub struct Fetcher {
    allowed: BTreeSet<Origin>,
    authorities: RootCertStore,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    /// A fetcher that asks these origins and no other. `authorities` are the certificate authorities in PEM for issuers that
    /// have none of their own; what can't be read of them is passed over.
    #[must_use]
    pub fn new(allowed: impl IntoIterator<Item = Origin>, authorities: &[u8]) -> Self {
        Self { allowed: allowed.into_iter().collect(), authorities: read_authorities(authorities) }
    }

    /// The set of keys that an issuer publishes, as it came.
    pub(crate) async fn keys(&self, issuer: &str, authorities: Option<&str>) -> Result<Bytes, TokenError> {
        let authorities = authorities.map_or_else(|| self.authorities.clone(), |own| read_authorities(own.as_bytes()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let config = versions.map_err(|error| unreachable(&error))?;
        let config = Arc::new(config.with_root_certificates(authorities).with_no_client_auth());
        let asked = async {
            let discovery = self.get(&format!("{}{DISCOVERY}", issuer.trim_end_matches('/')), &config).await?;
            let discovery: Discovery =
                serde_json::from_slice(&discovery).map_err(|_| unreachable("its discovery document is not one"))?;
            match discovery.issuer == issuer {
                true => self.get(&discovery.jwks_uri, &config).await,
                false => Err(unreachable("its discovery document is another issuer's")),
            }
        };
        let answered = tokio::time::timeout(limits::FETCH_TIME, asked).await;
        answered.unwrap_or_else(|_| Err(unreachable("it took longer than five seconds")))
    }

    async fn get(&self, url: &str, config: &Arc<ClientConfig>) -> Result<Bytes, TokenError> {
        let uri: Uri = url.parse().map_err(|_| unreachable("an address that it names is none"))?;
        let origin = Origin::of(&uri).ok_or_else(|| unreachable("an address that it names is not an https one"))?;
        if !self.allowed.contains(&origin) {
            return Err(TokenError::NotAllowed { origin: origin.to_string() });
        }
        let name = ServerName::try_from(origin.host.clone()).map_err(|error| unreachable(&error))?;
        let socket =
            TcpStream::connect((origin.host.as_str(), origin.port)).await.map_err(|error| unreachable(&error))?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, socket).await;
        let stream = stream.map_err(|error| unreachable(&error))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| unreachable(&error))?;
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::builder().method(Method::GET).uri(path).header(header::HOST, host);
        let request = request.header(header::ACCEPT, "application/json").body(Empty::<Bytes>::new());
        let request = request.map_err(|error| unreachable(&error))?;
        // The connection works until its request is answered, or given up with this set.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let reply = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        if reply.status() != StatusCode::OK {
            return Err(unreachable(&format!("{url} was answered {}", reply.status())));
        }
        let body = Limited::new(reply.into_body(), limits::DOCUMENT_BYTES).collect().await;
        Ok(body.map_err(|error| unreachable(&error))?.to_bytes())
    }
}

fn read_authorities(pem: &[u8]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem).flatten() {
        // One odd certificate of a bundle is no reason to trust none of the others.
        let _ = store.add(certificate);
    }
    store
}

fn unreachable(cause: &(impl fmt::Display + ?Sized)) -> TokenError {
    TokenError::Unreachable { cause: cause.to_string() }
}
