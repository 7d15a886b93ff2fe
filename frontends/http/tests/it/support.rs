//! A certificate authority, a server with a small app, and a client, each as real as it gets.

use std::{
    fs,
    future::pending,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use strongroom_http::{
    App, Counters, Drained, Listener, ListenerConfig, Overloaded, Peer, Refusal, Request, Response, ShutdownTrigger,
    TlsHandle, TlsProfile, empty, shutdown,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Longer than anything here takes unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate authority with its files in a directory of its own.
pub(crate) struct Authority {
    pub(crate) directory: TempDir,
    certificate: rcgen::Certificate,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// A certificate's and its key's PEM files.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn profile(&self) -> TlsProfile {
        TlsProfile::new(&self.chain, &self.key)
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.chain).unwrap()
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // A name of its own: clients pick their certificate by the names of the authorities that a server lists.
        params.distinguished_name.push(DnType::CommonName, format!("authority {:p}", &raw const params));
        let certificate = params.self_signed(&key).unwrap();
        let authority = Self { directory: TempDir::new().unwrap(), certificate, issuer: Issuer::new(params, key) };
        fs::write(authority.path("ca.pem"), authority.certificate.pem()).unwrap();
        authority
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Issues a certificate for `localhost` with this serial, to the files `{name}.pem` and `{name}.key`.
    pub(crate) fn issue(&self, name: &str, serial: u64, key: &KeyPair) -> Files {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        let files = Files { chain: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) };
        fs::write(&files.chain, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    pub(crate) fn issue_p256(&self, name: &str, serial: u64) -> Files {
        self.issue(name, serial, &KeyPair::generate().unwrap())
    }

    /// Writes `crl.pem`, which revokes the serials and holds until the first of January of a year.
    pub(crate) fn revoke(&self, serials: &[u64], until: i32) -> PathBuf {
        let revoked_certs = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.path("crl.pem");
        fs::write(&path, list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        path
    }

    /// What a client of this authority's servers is set up with.
    pub(crate) fn client(&self) -> Client {
        Client {
            root: self.certificate.der().clone(),
            groups: aws_lc_rs::default_provider().kx_groups,
            protocol: None,
            identity: None,
        }
    }
}

/// How a client connects over TLS.
#[derive(Clone)]
pub(crate) struct Client {
    root: CertificateDer<'static>,
    pub(crate) groups: Vec<&'static dyn SupportedKxGroup>,
    pub(crate) protocol: Option<&'static [u8]>,
    pub(crate) identity: Option<Files>,
}

impl Client {
    pub(crate) fn h2(mut self) -> Self {
        self.protocol = Some(b"h2");
        self
    }

    pub(crate) fn with(mut self, identity: &Files) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let provider = CryptoProvider { kx_groups: self.groups.clone(), ..aws_lc_rs::default_provider() };
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(files) => builder
                .with_client_auth_cert(vec![files.der()], PrivateKeyDer::from_pem_file(&files.key).unwrap())
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocol.map(<[u8]>::to_vec).into_iter().collect();
        config
    }

    pub(crate) async fn over<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(self.config())).connect(name, stream).await
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(address).await?).await
    }

    /// Connects and asks; the client's side of TLS 1.3 can't tell before the first reply whether its certificate was
    /// taken.
    pub(crate) async fn ask(&self, address: SocketAddr, path: &str) -> Result<String, Box<dyn std::error::Error>> {
        let mut requests = Requests::over(self.connect(address).await?, self.protocol == Some(b"h2")).await?;
        Ok(requests.post(path, "").await?.1)
    }
}

/// Sends requests over one connection.
pub(crate) enum Requests {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl Requests {
    pub(crate) async fn over<S>(stream: S, h2: bool) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(stream);
        if h2 {
            let (requests, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            return Ok(Self::Http2(requests));
        }
        let (requests, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Self::Http1(requests))
    }

    /// For another stream of the same connection.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Http1(_) => panic!("HTTP/1.1 has one"),
            Self::Http2(requests) => Self::Http2(requests.clone()),
        }
    }

    pub(crate) async fn send(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> hyper::Result<(http::response::Parts, String)> {
        let response = match self {
            Self::Http1(requests) => requests.send_request(request).await?,
            Self::Http2(requests) => requests.send_request(request).await?,
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok((head, String::from_utf8_lossy(&body).into_owned()))
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> hyper::Result<(StatusCode, String)> {
        let uri = match self {
            Self::Http1(_) => path.to_owned(),
            Self::Http2(_) => format!("https://localhost{path}"),
        };
        let request = http::Request::post(uri).header("host", "localhost").body(Full::new(body.into())).unwrap();
        self.send(request).await.map(|(head, body)| (head.status, body))
    }
}

/// An app with one path for each thing to be seen.
pub(crate) struct Probe {
    /// Requests that have reached `/gate`.
    pub(crate) arrived: Semaphore,
    /// Lets requests at `/gate` go on.
    pub(crate) gate: Semaphore,
}

impl App for Probe {
    fn admit(&self, _: &Arc<Peer>, head: &Parts) -> Result<usize, Box<Response>> {
        match head.uri.path() {
            "/overloaded" => Err(Box::new(empty(StatusCode::SERVICE_UNAVAILABLE))),
            "/small" => Ok(16),
            _ => Ok(usize::MAX),
        }
    }

    async fn call(&self, peer: &Arc<Peer>, request: Request) -> Response {
        match request.head.uri.path() {
            "/peer" => Response::new(format!("{peer:?}").into()),
            "/client" => Response::new(format!("{:?}", peer.client_address(&request.head.headers)).into()),
            "/length" => Response::new(request.body.len().to_string().into()),
            "/gate" => {
                self.arrived.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
                Response::new("through the gate".into())
            }
            "/busy" => {
                let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
                response.extensions_mut().insert(Overloaded);
                response
            }
            "/never" => pending().await,
            "/panic" => panic!("as asked"),
            _ => Response::new(request.body.into()),
        }
    }

    fn refuse(&self, _: &Arc<Peer>, _: &Parts, refusal: Refusal) -> Response {
        let mut response = Response::new(format!("{refusal:?}").into());
        *response.status_mut() = refusal.status();
        response
    }
}

/// A listener that serves a [`Probe`].
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) app: Arc<Probe>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tls: Option<Arc<TlsHandle>>,
    pub(crate) trigger: ShutdownTrigger,
    pub(crate) ended: JoinHandle<Drained>,
}

impl Served {
    pub(crate) async fn new(config: ListenerConfig) -> Self {
        let listener = Listener::bind(config).await.unwrap();
        let (trigger, signal) = shutdown();
        let app = Arc::new(Probe { arrived: Semaphore::new(0), gate: Semaphore::new(0) });
        Self {
            address: listener.local_address().unwrap_or_else(|| ([0, 0, 0, 0], 0).into()),
            counters: listener.counters(),
            tls: listener.tls(),
            trigger,
            ended: tokio::spawn(listener.serve(Arc::clone(&app), signal)),
            app,
        }
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, reached: impl Fn(strongroom_http::Counts) -> bool) {
        let waiting = async {
            while !reached(self.counters.snapshot()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{:?}", self.counters.snapshot()));
    }
}

/// A TCP listener on a port of its own choice.
pub(crate) fn tcp() -> ListenerConfig {
    ListenerConfig::tcp("test", ([127, 0, 0, 1], 0).into())
}

/// A TLS listener with a certificate of the authority.
pub(crate) fn tls(authority: &Authority) -> ListenerConfig {
    let mut config = tcp();
    config.tls = Some(authority.issue_p256("server", 1).profile());
    config
}

/// Runs a command of openssl to its end and returns what it printed, on both of its outputs.
pub(crate) async fn openssl(arguments: &[&str], directory: &Path) -> String {
    let (arguments, directory): (Vec<String>, _) =
        (arguments.iter().map(|argument| (*argument).to_owned()).collect(), directory.to_owned());
    let output = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new("timeout");
        command.arg("20").arg("openssl").args(arguments).current_dir(directory).stdin(std::process::Stdio::null());
        command.output().unwrap()
    });
    let output = output.await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
