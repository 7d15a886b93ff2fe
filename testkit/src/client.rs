//! A client of the AWS JSON APIs: blocking, one connection, real TLS 1.3, real signatures.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends where its tools fail")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConnection, StreamOwned};
use strongroom_secret::SecretBytes;
use strongroom_sigv4::{Credentials, Request, SigningTime, sign};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server is, and who asks.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// Its address; zero until it is known.
    pub address: Option<SocketAddr>,
    /// PEM of the authority of its certificate.
    pub authority: PathBuf,
    /// Access key id.
    pub access_key_id: String,
    /// Its secret: of tests only, so no secret type.
    pub secret_access_key: String,
    /// Region to sign for.
    pub region: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The request's id, as the answer shows it.
    pub request_id: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The value of a text member of a flat JSON body.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).expect("a JSON body");
        let found = value.pointer(&format!("/{}", name.replace('.', "/")));
        found.and_then(|found| found.as_str()).unwrap_or_else(|| panic!("no {name} in {}", self.body)).to_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

/// One connection.
pub struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    endpoint: Endpoint,
    secret: SecretBytes,
    host: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the server can't be reached or its certificate is not of the authority.
    pub fn connect(endpoint: &Endpoint) -> std::io::Result<Self> {
        Self::connect_with(endpoint, config(&endpoint.authority)?)
    }

    /// Connects, and shows a certificate: DER, and its key as PKCS #8 in DER.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_as(endpoint: &Endpoint, certificate: &[u8], key: &[u8]) -> std::io::Result<Self> {
        let key = PrivateKeyDer::try_from(key.to_vec()).map_err(std::io::Error::other)?;
        let chain = vec![CertificateDer::from(certificate.to_vec())];
        let config = builder(&endpoint.authority)?.with_client_auth_cert(chain, key).map_err(std::io::Error::other)?;
        Self::connect_with(endpoint, Arc::new(config))
    }

    fn connect_with(endpoint: &Endpoint, config: Arc<rustls::ClientConfig>) -> std::io::Result<Self> {
        let address = endpoint.address.ok_or_else(|| std::io::Error::other("no address"))?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::from(address.ip());
        let tls = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
        Ok(Self {
            stream: StreamOwned::new(tls, stream),
            secret: SecretBytes::copy_from(endpoint.secret_access_key.as_bytes()),
            host: address.to_string(),
            endpoint: endpoint.clone(),
        })
    }

    /// One operation of AWS KMS.
    ///
    /// # Errors
    /// When the connection breaks before the answer is there.
    pub fn kms(&mut self, operation: &str, body: &str) -> std::io::Result<Answer> {
        let action = format!("TrentService.{operation}");
        self.post("kms", "/", "application/x-amz-json-1.1", Some(&action), body)
    }

    /// One call of the XKS proxy API, at its path.
    ///
    /// # Errors
    /// When the connection breaks before the answer is there.
    pub fn xks(&mut self, path: &str, body: &str) -> std::io::Result<Answer> {
        self.post("kms-xks-proxy", path, "application/json", None, body)
    }

    #[expect(clippy::disallowed_methods, reason = "signatures carry the time of the request")]
    fn post(
        &mut self,
        service: &str,
        path: &str,
        content: &str,
        target: Option<&str>,
        body: &str,
    ) -> std::io::Result<Answer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(std::io::Error::other)?.as_secs();
        let target = target.map(|target| ("x-amz-target", target));
        let headers = || [("content-type", content)].into_iter().chain(target);
        let signed = headers().map(|(name, value)| (name, value.as_bytes()));
        let request = Request { method: "POST", path, query: "", authority: &self.host, headers: signed };
        let credentials = Credentials {
            access_key_id: &self.endpoint.access_key_id,
            secret_access_key: &self.secret,
            session_token: None,
        };
        let time = SigningTime::from_unix_seconds(i64::try_from(now).map_err(std::io::Error::other)?);
        let signed = sign(&request, body.as_bytes(), &credentials, &self.endpoint.region, service, time);
        let signed = signed.map_err(std::io::Error::other)?;
        let mut text = format!("POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.host, body.len());
        for (name, value) in headers().chain(signed.iter()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.send(text.as_bytes())
    }

    /// Posts a JSON body to a path, unsigned.
    ///
    /// # Errors
    /// When the connection breaks before the answer is there.
    pub fn post_json(&mut self, path: &str, body: &str) -> std::io::Result<Answer> {
        let (host, length) = (&self.host, body.len());
        let head = "content-type: application/json\r\n";
        let text = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n{head}content-length: {length}\r\n\r\n{body}");
        self.send(text.as_bytes())
    }

    /// Sends a request as it stands.
    ///
    /// # Errors
    /// When the connection breaks before the answer is there.
    pub fn send(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        self.stream.write_all(request)?;
        self.stream.flush()?;
        let mut received = Vec::new();
        loop {
            let mut chunk = [0; 8192];
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            received.extend_from_slice(&chunk[..read]);
            if let Some(answer) = parse(&received) {
                return Ok(answer);
            }
        }
    }
}

fn config(authority: &Path) -> std::io::Result<Arc<rustls::ClientConfig>> {
    Ok(Arc::new(builder(authority)?.with_no_client_auth()))
}

fn builder(authority: &Path) -> std::io::Result<rustls::ConfigBuilder<rustls::ClientConfig, WantsClientCert>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).map_err(std::io::Error::other)? {
        roots.add(certificate.map_err(std::io::Error::other)?).map_err(std::io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(std::io::Error::other)?;
    Ok(config.with_root_certificates(roots))
}

fn parse(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&received[..end]).ok()?;
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned()))
    };
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let body = received.get(end + 4..end + 4 + length)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        request_id: header("x-amzn-requestid").unwrap_or_default(),
        body: String::from_utf8_lossy(body).into_owned(),
    })
}
