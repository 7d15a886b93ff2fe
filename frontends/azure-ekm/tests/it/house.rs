//! A listener that demands client certificates, the front end behind it over an engine of its own, and clients.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use strongroom_azure_ekm::{EXTERNAL_KEY, Ekm, EkmDialect, dialect, external_key_name};
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::key::{CreateKey, Edit, EditKey};
use strongroom_engine::operations::principal::{PutIdentityPolicy, SuspendPrincipal};
use strongroom_engine::operations::service::{BindToService, CreateService, CreateServiceKey};
use strongroom_engine::{
    EngineError, KeyEntry, KeyReference, SecretBytes, Serves, ServiceNames as _, ServiceRow, certificate_credential,
    service_reference,
};
use strongroom_http::{
    App, ClientCertificates, Listener, ListenerConfig, Peer, Refusal, Request, Response, ShutdownTrigger, TlsProfile,
    shutdown,
};
use strongroom_model::id::KeyId;
use strongroom_model::name::{Name, NameKind};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{ACCOUNT, REGION, TestEngine, key_policy};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) static DIALECT: LazyLock<&'static EkmDialect> = LazyLock::new(|| dialect("aws"));
pub(crate) const PREFIX: &str = "azure/one";
pub(crate) const POOL: &str = "pool.managedhsm.example";

/// A certificate authority with its files.
pub(crate) struct Authority {
    pub(crate) directory: TempDir,
    pub(crate) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a client shows.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let directory = TempDir::new().unwrap();
        params.distinguished_name.push(DnType::CommonName, directory.path().display().to_string());
        let made = params.self_signed(&key).unwrap();
        fs::write(directory.path().join("ca.pem"), made.pem()).unwrap();
        Self { directory, der: made.der().clone(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn params(common_name: &str, dns_names: &[&str]) -> CertificateParams {
        let mut params =
            CertificateParams::new(dns_names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params
    }

    /// A server's chain and key.
    fn server(&self) -> TlsProfile {
        let key = KeyPair::generate().unwrap();
        let made = Self::params("server", &["localhost"]).signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path("chain.pem"), made.pem()).unwrap();
        fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        TlsProfile::new(self.path("chain.pem"), self.path("key.pem"))
    }

    pub(crate) fn identity(&self, common_name: &str, dns_names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let made = Self::params(common_name, dns_names).signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: made.der().clone(), key: key.serialize_der() }
    }
}

struct Behind(Ekm);

impl App for Behind {
    fn admit(&self, _: &Arc<Peer>, head: &Parts) -> Result<usize, Box<Response>> {
        Ok(Ekm::max_body_bytes(head))
    }

    async fn call(&self, peer: &Arc<Peer>, request: Request) -> Response {
        self.0.handle(peer, request).await
    }

    fn refuse(&self, _: &Arc<Peer>, head: &Parts, refusal: Refusal) -> Response {
        self.0.refuse(head, refusal)
    }
}

pub(crate) struct House {
    pub(crate) test: TestEngine,
    pub(crate) authority: Authority,
    pub(crate) pool: Identity,
    pub(crate) address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    _trigger: ShutdownTrigger,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    pub(crate) fn value(&self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{self:?}");
        URL_SAFE_NO_PAD.decode(self.body["value"].as_str().unwrap()).unwrap()
    }
}

impl House {
    /// One key store with a certificate's name.
    pub(crate) fn new() -> Self {
        Self::with(true)
    }

    /// With a listener that demands certificates, or only asks for them.
    pub(crate) fn with(required: bool) -> Self {
        let test = TestEngine::new();
        store(&test, "one", PREFIX).unwrap();
        certificate(&test, "one", PREFIX, POOL).unwrap();
        let authority = Authority::new();
        let pool = authority.identity(POOL, &[]);
        let mut config = ListenerConfig::tcp("ekm".to_owned(), "127.0.0.1:0".parse().unwrap());
        let mut profile = authority.server();
        let roots = authority.path("ca.pem");
        profile.clients =
            Some(ClientCertificates { roots, required, revocation_lists: Vec::new(), subject_names: Vec::new() });
        config.tls = Some(profile);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ekm = Ekm::new(Arc::clone(&test.engine), *DIALECT).with_deadline(std::time::Duration::from_secs(20));
        let (trigger, signalled) = shutdown();
        let listener = runtime.block_on(Listener::bind(config)).unwrap();
        let address = listener.local_address().unwrap();
        runtime.spawn(listener.serve(Arc::new(Behind(ekm)), signalled));
        Self { test, authority, pool, address, runtime, _trigger: trigger }
    }

    /// Sends a request over a connection of its own; what TLS or HTTP refuses is an error.
    pub(crate) fn try_send(
        &self,
        identity: Option<&Identity>,
        method: Method,
        target: &str,
        body: String,
    ) -> Result<Answer, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let key = PrivateKeyDer::try_from(key.clone()).unwrap();
                builder.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
        };
        self.runtime.block_on(async {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
            tokio::spawn(connection);
            let request = http::Request::builder().method(method).uri(target).header(HOST, "localhost");
            let request = request.body(Full::new(Bytes::from(body))).unwrap();
            let (head, body) = sender.send_request(request).await.map_err(|e| format!("{e:?}"))?.into_parts();
            let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        })
    }

    pub(crate) fn send(&self, identity: &Identity, target: &str, body: &Value) -> Answer {
        self.try_send(Some(identity), Method::POST, target, body.to_string()).unwrap()
    }

    /// Asks below this house's prefix with its pool's certificate.
    pub(crate) fn ask(&self, rest: &str, body: &Value) -> Answer {
        self.send(&self.pool, &format!("/{PREFIX}/{rest}?api-version=0.1-preview"), body)
    }

    pub(crate) fn wrap(&self, key: &str, algorithm: &str, value: &[u8]) -> Answer {
        self.ask(&format!("{key}/wrapkey"), &body(algorithm, value))
    }

    pub(crate) fn unwrap(&self, key: &str, algorithm: &str, value: &[u8]) -> Answer {
        self.ask(&format!("{key}/unwrapkey"), &body(algorithm, value))
    }

    pub(crate) fn key(&self, id: &str, spec: KeySpec) -> Arc<KeyEntry> {
        let key = key_of(&self.test, &external_key_name("one", id), spec);
        let service = "one".to_owned();
        let create = CreateServiceKey { service, key, serves: None, store: None, owner: *DIALECT };
        self.test.run(&self.test.root(), create).unwrap()
    }

    pub(crate) fn bind(&self, id: &str, key: KeyId, serves: Option<Serves>) -> Result<(), EngineError> {
        let name = name(&self.test, &external_key_name("one", id));
        let bind = BindToService { service: "one".to_owned(), name, key, serves, owner: *DIALECT };
        self.test.run(&self.test.root(), bind).map(drop)
    }

    pub(crate) fn edit(&self, key: KeyId, edit: Edit) {
        self.test.run(&self.test.root(), EditKey { key: KeyReference::Id(key), edit }).unwrap();
    }

    pub(crate) fn block(&self, suspended: bool) {
        let (tenant, name) = (self.test.tenant.id, service_reference("one"));
        self.test.run(&self.test.root(), SuspendPrincipal { tenant, name, suspended }).unwrap();
    }

    pub(crate) fn policy(&self, document: &str) {
        let (tenant, principal) = (self.test.tenant.id, service_reference("one"));
        let put =
            PutIdentityPolicy { tenant, principal, name: "policy".to_owned(), document: Some(document.to_owned()) };
        self.test.run(&self.test.root(), put).unwrap();
    }
}

pub(crate) fn context() -> Value {
    json!({"request_id": "r-1", "correlation_id": "c-1", "pool_name": "payments"})
}

pub(crate) fn body(algorithm: &str, value: &[u8]) -> Value {
    json!({"request_context": context(), "alg": algorithm, "value": URL_SAFE_NO_PAD.encode(value)})
}

pub(crate) fn name(test: &TestEngine, text: &str) -> Name {
    Name { tenant: test.tenant.id, region: REGION.into(), kind: EXTERNAL_KEY, text: text.into() }
}

pub(crate) fn key_of(test: &TestEngine, text: &str, spec: KeySpec) -> CreateKey {
    CreateKey {
        tenant: test.tenant.id,
        name: name(test, text),
        spec,
        usages: vec![if spec.is_rsa() { Usage::RsaOaep } else { Usage::KeyWrap }],
        origin: Origin::Generated,
        multi_region: false,
        description: String::new(),
        policy: key_policy(),
        bypass_lockout: true,
        tags: Vec::new(),
    }
}

pub(crate) fn store(test: &TestEngine, name: &str, prefix: &str) -> Result<(), EngineError> {
    store_of(test, name, prefix, Some(EXTERNAL_KEY))
}

/// A key store of the front end that has this kind of name.
pub(crate) fn store_of(test: &TestEngine, name: &str, prefix: &str, kind: Option<NameKind>) -> Result<(), EngineError> {
    let service = ServiceRow {
        prefix: prefix.to_owned(),
        home: REGION.to_owned(),
        regions: vec![REGION.to_owned()],
        policies_tried_out: false,
        opens_digested_data: false,
        test_key: KeyId::from_bytes([0; 16]),
        kind,
    };
    let create = CreateService {
        tenant: test.tenant.id,
        name: name.to_owned(),
        policy_name: DIALECT.policy_name(ACCOUNT, name),
        unique_id: format!("AIDE{name}"),
        service,
        policy: ("policy".to_owned(), DIALECT.first_policy().1.to_owned()),
        test_key: key_of(test, &DIALECT.test_key(name, [7; 16]), KeySpec::Aes256),
        store: None,
    };
    test.run(&test.root(), create).map(drop)
}

pub(crate) fn certificate(test: &TestEngine, store: &str, prefix: &str, name: &str) -> Result<(), EngineError> {
    let create = CreateCredential {
        tenant: test.tenant.id,
        principal: Some(service_reference(store)),
        shown: certificate_credential(prefix, name),
        secret: SecretBytes::copy_from(b"known to nobody"),
        expires: None,
    };
    test.run(&test.root(), create).map(drop)
}
