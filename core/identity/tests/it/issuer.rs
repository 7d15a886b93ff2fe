//! An issuer of the test's own: a key pair, the tokens it signs, the server it is asked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{CertifiedKey, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use strongroom_identity::{Fetcher, Issuer, KeySource, Origin, Tokens};
use strongroom_model::clock::{Clock, Timestamp};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub(crate) const NOW: u64 = 1_900_000_000;

/// A clock that stands where the test puts it.
pub(crate) struct Standing {
    pub(crate) since_boot: Duration,
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(NOW * 1000)
    }

    fn since_boot(&self) -> Duration {
        self.since_boot
    }
}

pub(crate) fn at(seconds: u64) -> Standing {
    Standing { since_boot: Duration::from_secs(seconds) }
}

/// A key that signs tokens.
pub(crate) struct Signer {
    key: EncodingKey,
    pub(crate) id: &'static str,
}

impl Signer {
    pub(crate) fn new(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self { key: EncodingKey::from_ec_der(&pair.serialize_der()), id }
    }

    pub(crate) fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    pub(crate) fn set(&self) -> String {
        json!({ "keys": [self.public()] }).to_string()
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// What a pod's token says.
pub(crate) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "system:serviceaccount:payroll:writer", "aud": ["sts.amazonaws.com"],
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 3600,
        "kubernetes.io": { "namespace": "payroll" }, "azp": "cluster", "groups": ["a", "b"],
    })
}

pub(crate) fn given(url: &str, signer: &Signer) -> Issuer {
    Issuer {
        url: url.to_owned(),
        audiences: vec!["sts.amazonaws.com".to_owned()],
        source: KeySource::Given(signer.set()),
    }
}

/// A verifier that may ask nobody.
pub(crate) fn offline() -> Tokens {
    Tokens::new(Fetcher::new([], b""))
}

/// A server that publishes keys, and counts how often it is asked for them.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) authority: String,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) published: Arc<parking_lot::Mutex<String>>,
}

impl Server {
    pub(crate) async fn start(keys: String) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], private)
            .unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (asked, published) = (Arc::new(AtomicUsize::new(0)), Arc::new(parking_lot::Mutex::new(keys)));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(serve(listener, acceptor, url.clone(), Arc::clone(&asked), Arc::clone(&published)));
        Self { url, authority: cert.pem(), asked, published }
    }

    pub(crate) fn issuer(&self) -> Issuer {
        let source = KeySource::Fetched { authorities: Some(self.authority.clone()) };
        Issuer { url: self.url.clone(), audiences: vec!["sts.amazonaws.com".to_owned()], source }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.url.parse().unwrap()
    }

    pub(crate) fn times_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    url: String,
    asked: Arc<AtomicUsize>,
    published: Arc<parking_lot::Mutex<String>>,
) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let Ok(stream) = acceptor.accept(socket).await else { continue };
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                break;
            }
        }
        let body = match head.contains("openid-configuration") {
            true => json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string(),
            false => {
                asked.fetch_add(1, Ordering::SeqCst);
                published.lock().clone()
            }
        };
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let _ = stream.write_all(reply.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}
