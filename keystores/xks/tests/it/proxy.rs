//! A proxy that answers as a test says, right or wrong.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedCipherSuite};
use serde_json::{Value, json};
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_model::external::{
    ExternalAddress, ExternalCredential, ExternalManager, ExternalManagers as _, ExternalRequest,
};
use strongroom_model::id::TenantId;
use strongroom_sigv4::SecretBytes;
use strongroom_xks_client::{
    Client, ClientCertificate, Credential, Endpoint, ExternalKeyId, Hosts, Network, RequestMetadata, Route, Target,
    limits,
};

pub(crate) const HOST: &str = "xks.example.com";
/// Longer than any sound answer takes on a busy machine.
pub(crate) const PATIENT: Duration = Duration::from_secs(60);
pub(crate) const PLAINTEXT: &[u8] = b"twice sealed";
pub(crate) const ASSOCIATED: &[u8] = b"context";

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) path: String,
    /// Its header, in lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
    /// Which connection, and which request on it, counted from 1.
    pub(crate) connection: usize,
    pub(crate) turn: usize,
}

/// What the proxy does.
pub(crate) enum Act {
    Answer(u16, Vec<u8>),
    /// These bytes as they stand, and then nothing more.
    Raw(Vec<u8>),
    /// The connection ends.
    Close,
}

impl Act {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Answer(status, body.to_string().into_bytes())
    }
}

/// How it speaks TLS.
#[derive(Clone, Copy)]
pub(crate) enum Tls {
    Common,
    Only12,
    Suite(SupportedCipherSuite),
    /// With a certificate that nobody was told of.
    Unknown,
    /// To clients with a certificate alone: [`Proxy::shown`].
    Demanding,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    authority: String,
    shown: rcgen::CertifiedKey<rcgen::KeyPair>,
    connections: Arc<AtomicUsize>,
}

type Script = dyn Fn(&Asked) -> Act + Send + Sync;

impl Proxy {
    pub(crate) fn start(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        Self::start_with(Tls::Common, script)
    }

    pub(crate) fn start_with(tls: Tls, script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let certified = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let mut provider = default_provider();
        if let Tls::Suite(suite) = tls {
            provider.cipher_suites = vec![suite];
        }
        let builder = ServerConfig::builder_with_provider(Arc::new(provider));
        let versions: &[_] = match tls {
            Tls::Only12 => &[&rustls::version::TLS12],
            _ => &[&rustls::version::TLS13],
        };
        let builder = builder.with_protocol_versions(versions).unwrap();
        let shown = rcgen::generate_simple_self_signed(vec!["client.example.com".to_owned()]).unwrap();
        let config = match tls {
            Tls::Demanding => {
                let mut trusted = RootCertStore::empty();
                trusted.add(shown.cert.der().clone()).unwrap();
                let provider = Arc::new(default_provider());
                let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider);
                builder.with_client_cert_verifier(clients.build().unwrap())
            }
            _ => builder.with_no_client_auth(),
        };
        let config = Arc::new(config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap());
        let authority = match tls {
            Tls::Unknown => rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap().cert.pem(),
            _ => certified.cert.pem(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, script) = (Arc::new(AtomicUsize::new(0)), Arc::new(script) as Arc<Script>);
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                let (config, script) = (Arc::clone(&config), Arc::clone(&script));
                thread::spawn(move || converse(socket.unwrap(), config, &*script, number));
            }
        });
        Self { address, authority, shown, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn client(&self, deadline: Duration) -> Client {
        client(self.address, &self.authority, deadline)
    }

    /// A certificate that a demanding proxy takes.
    pub(crate) fn shown(&self) -> ClientCertificate {
        let key = self.shown.signing_key.serialize_pem().into_bytes();
        ClientCertificate { chain: self.shown.cert.pem().into_bytes(), key: SecretBytes::take(key) }
    }

    /// The way here, with the longest deadline that there is.
    pub(crate) fn route(&self) -> Route {
        Route { deadline: Some(limits::DEADLINE_MOST), ..route(self.address, &self.authority) }
    }

    /// As the engine asks it.
    pub(crate) fn manager(&self) -> Arc<dyn ExternalManager> {
        manager(self.route())
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_268_800_000)
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// A client of whatever is at this address.
pub(crate) fn client(address: SocketAddr, authority: &str, deadline: Duration) -> Client {
    network(vec![route(address, authority)]).client(target(HOST, "eu-central-1", deadline))
}

/// The way to [`HOST`].
pub(crate) fn route(address: SocketAddr, authority: &str) -> Route {
    let authorities = Some(authority.as_bytes().to_vec());
    Route { address: Some(address), authorities, ..Route::new(HOST.to_owned()) }
}

/// A network in which nothing but these routes leads anywhere.
pub(crate) const TENANT: TenantId = TenantId::from_bytes([1; 16]);

pub(crate) fn network(routes: Vec<Route>) -> Network {
    Network::start(Hosts { routes, only_routes: true, ..Hosts::default() }, clock()).unwrap()
}

/// A manager at [`HOST`].
pub(crate) fn manager(route: Route) -> Arc<dyn ExternalManager> {
    network(vec![route]).manager(TENANT, &place(None), credential(), "eu-central-1").ok().unwrap()
}

/// Where a manager is, by a service or by none.
pub(crate) fn place(service: Option<&str>) -> ExternalAddress {
    ExternalAddress {
        endpoint: format!("https://{HOST}"),
        path: "/store/kms/xks/v1".to_owned(),
        service: service.map(str::to_owned),
    }
}

pub(crate) fn credential() -> ExternalCredential {
    ExternalCredential { shown: "A".repeat(20), secret: SecretBytes::take(vec![b's'; 43]) }
}

/// A client of a name that no operator has sent anywhere.
pub(crate) fn unrouted(host: &str, region: &str) -> Client {
    Network::start(Hosts::default(), clock()).unwrap().client(target(host, region, PATIENT))
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Noon)
}

fn target(host: &str, region: &str, deadline: Duration) -> Target {
    let secret = SecretBytes::take(vec![b's'; 43]);
    Target {
        endpoint: Endpoint::new(&format!("https://{host}"), "/store/kms/xks/v1").unwrap(),
        credential: Credential::new("AAAAAAAAAAAAAAAAAAAA", secret).unwrap(),
        region: region.to_owned(),
        deadline,
    }
}

/// Until the client goes away.
fn converse(socket: TcpStream, config: Arc<ServerConfig>, script: &Script, connection: usize) -> Option<()> {
    let stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
    let mut stream = BufReader::new(stream);
    for turn in 1.. {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).ok()?;
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let asked = Asked { path, head, body: serde_json::from_slice(&body).unwrap(), connection, turn };
        let out = stream.get_mut();
        match script(&asked) {
            Act::Answer(status, body) => {
                write!(out, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len()).ok()?;
                out.write_all(&body).ok()?;
            }
            Act::Raw(bytes) => {
                out.write_all(&bytes).ok()?;
                out.flush().ok()?;
                let _ = stream.read(&mut [0]);
                return None;
            }
            Act::Close => return None,
        }
        stream.get_mut().flush().ok()?;
    }
    None
}

pub(crate) fn metadata() -> RequestMetadata<'static> {
    RequestMetadata {
        principal_arn: "arn:aws:iam::111122223333:user/alice",
        kms_operation: "Encrypt",
        kms_request_id: "request-1",
        kms_key_arn: Some("arn:aws:kms:eu-central-1:111122223333:key/1"),
        kms_via_service: None,
        aws_source_vpc: None,
        aws_source_vpce: None,
    }
}

/// What a manager is told of a request.
pub(crate) const fn request(operation: &'static str) -> ExternalRequest<'static> {
    ExternalRequest {
        principal: "arn:aws:iam::111122223333:user/alice",
        operation,
        request_id: "request-1",
        resource: Some("arn:aws:kms:eu-central-1:111122223333:key/1"),
    }
}

pub(crate) fn key() -> &'static ExternalKeyId {
    static KEY: OnceLock<ExternalKeyId> = OnceLock::new();
    KEY.get_or_init(|| ExternalKeyId::new("payroll").unwrap())
}

pub(crate) fn plaintext() -> SecretBytes {
    SecretBytes::copy_from(PLAINTEXT)
}

/// A sound answer to Encrypt: what its members are is the client's to check, what they hold is not.
pub(crate) fn sound() -> Value {
    whole(&[7; PLAINTEXT.len()], &[1; 12], &[2; 16], &[3; 20])
}

/// An answer with the right integrity value for its parts.
pub(crate) fn whole(ciphertext: &[u8], vector: &[u8], tag: &[u8], metadata: &[u8]) -> Value {
    let integrity = digest::digest(&digest::SHA256, &[ASSOCIATED, metadata, vector, ciphertext, tag].concat());
    json!({
        "ciphertext": STANDARD.encode(ciphertext),
        "initializationVector": STANDARD.encode(vector),
        "authenticationTag": STANDARD.encode(tag),
        "ciphertextMetadata": STANDARD.encode(metadata),
        "ciphertextDataIntegrityValue": STANDARD.encode(integrity),
        "somethingNew": true,
    })
}

/// Keeps what was asked, and answers Encrypt soundly.
pub(crate) fn listening() -> (Proxy, Arc<Mutex<Vec<Asked>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let proxy = Proxy::start(move |request| {
        let Asked { path, head, body, connection, turn } = request;
        let (path, head, body) = (path.clone(), head.clone(), body.clone());
        kept.lock().unwrap().push(Asked { path, head, body, connection: *connection, turn: *turn });
        Act::json(200, &sound())
    });
    (proxy, asked)
}
