//! Calls of clouds on keys that they use and do not hold, by key stores that are proved: a body is what its authenticated sender
//! made of it. No call may be answered with an internal error, and what was encrypted or wrapped comes back as it was.
//!
//! The engine stays from one input to the next, so what an input does may depend on those before it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::BodyExt as _;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{CipherSuite, ProtocolVersion};
use serde_json::{Value, json};
use strongroom_aws_xks::{Xks, XksDialect};
use strongroom_azure_ekm::{Ekm, EkmDialect};
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::import::{GetImportParameters, ImportMaterial};
use strongroom_engine::operations::key::CreateKey;
use strongroom_engine::operations::service::{BindToService, CreateService, CreateServiceKey};
use strongroom_engine::{Dialect, ServiceNames, ServiceRow, certificate_credential, service_reference};
use strongroom_http::{Peer, Remote, Request, Response, TlsInfo};
use strongroom_model::algorithm::ImportWrapping;
use strongroom_model::clock::Clock as _;
use strongroom_model::id::KeyId;
use strongroom_model::name::{Name, NameKind};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;
use strongroom_sigv4::{Credentials, SigningTime, sign};
use strongroom_testkit::engine::{ACCOUNT, REGION, TestEngine, by_name, key_policy, wrapped_for_import};
use tokio::runtime::Runtime;

use crate::fixture;
use crate::front_end::line;

const HOST: &str = "xks.example";
const STORE: &str = "one";
const PREFIX: &str = "cloud/one";
const POOL: &str = "pool.example";

thread_local! {
    // Not static: a thread that ends takes its engines and their directories with it.
    static XKS: XksHouse = XksHouse::new();
    static EKM: EkmHouse = EkmHouse::new();
}

/// A call of AWS KMS: what stands behind `/kms/xks/v1/` in its path on a line, then its body. There are the keys `dev` and
/// `moved`, which was brought from AWS's sample proxy.
pub fn aws_xks_request(data: &[u8]) {
    let Some((rest, body)) = line(data) else { return };
    XKS.with(|house| {
        let Some((status, reply)) = house.ask(rest, body) else { return };
        assert!(status != 500, "{rest}: {reply}");
        assert_eq!(status >= 400, reply["errorName"].is_string() || status == 405, "{rest}: {reply}");
        if status != 200 || rest != "keys/dev/encrypt" {
            return;
        }
        let asked: Value = serde_json::from_slice(body).unwrap();
        let mut opening = reply;
        for member in ["requestMetadata", "encryptionAlgorithm", "additionalAuthenticatedData"] {
            opening[member] = asked[member].clone();
        }
        let (status, opened) = house.ask("keys/dev/decrypt", opening.to_string().as_bytes()).unwrap();
        assert_eq!((status, bytes(&opened["plaintext"])), (200, bytes(&asked["plaintext"])), "{opened}");
    });
}

/// A call of an Azure Managed HSM: what stands behind the prefix in its path on a line, then its body. There are the keys `aes`
/// and `rsa`.
pub fn azure_ekm_request(data: &[u8]) {
    let Some((rest, body)) = line(data) else { return };
    EKM.with(|house| {
        let Some((status, reply)) = house.ask(rest, body) else { return };
        assert!(status != 500, "{rest}: {reply}");
        assert_eq!(status >= 400, reply["code"].is_string(), "{rest}: {reply}");
        let Some((key, "wrapkey")) = rest.split_once('/').filter(|_| status == 200) else { return };
        let mut opening: Value = serde_json::from_slice(body).unwrap();
        let wrapped = std::mem::replace(&mut opening["value"], reply["value"].clone());
        let (status, opened) = house.ask(&format!("{key}/unwrapkey"), opening.to_string().as_bytes()).unwrap();
        let bare =
            |value: &Value| URL_SAFE_NO_PAD.decode(value.as_str().unwrap_or_default().trim_end_matches('=')).unwrap();
        assert_eq!((status, bare(&opened["value"])), (200, bare(&wrapped)), "{opened}");
    });
}

fn bytes(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap_or_default()).unwrap()
}

struct XksHouse {
    test: TestEngine,
    xks: Xks,
    peer: Arc<Peer>,
    runtime: Runtime,
}

impl XksHouse {
    fn new() -> Self {
        let test = TestEngine::new();
        let dialect: &'static XksDialect = strongroom_aws_xks::dialect("aws");
        let place = Place { test: &test, owner: dialect, names: dialect };
        place.store(None, (KeySpec::Aes256, Usage::DerivedAead));
        place.credential(fixture::ACCESS_KEY_ID.to_owned());
        place.key("dev", (KeySpec::Aes256, Usage::DerivedAead));
        let moved = test.create_for_import(KeySpec::Aes256, Usage::RawGcm);
        let (wrapping, wrapping_spec) = (ImportWrapping::RsaOaepSha256, KeySpec::Rsa2048);
        let parameters = GetImportParameters { key: by_name(&moved), wrapping, wrapping_spec };
        let parameters = test.run(&test.root(), parameters).unwrap();
        let import = ImportMaterial {
            key: by_name(&moved),
            wrapped: wrapped_for_import(&parameters.public, fixture::SAMPLE_PROXY_MATERIAL),
            token: parameters.token,
            kind: None,
            material: None,
            expires: None,
            description: None,
        };
        test.run(&test.root(), import).unwrap();
        let (service, name) = (STORE.to_owned(), place.name("moved"));
        let bind = BindToService { service, name, key: moved.row.id, serves: None, owner: dialect };
        test.run(&test.root(), bind).unwrap();
        // Nobody gives up here while a machine is busy.
        let xks = Xks::new(Arc::clone(&test.engine), dialect).with_deadline(Duration::from_secs(20));
        let peer = Arc::new(Peer::new("xks", remote(), None, []));
        let house = Self { test, xks, peer, runtime: runtime() };
        // Otherwise no body would be looked at.
        let about =
            json!({"requestMetadata": {"awsPrincipalArn": "a", "kmsOperation": "o", "kmsRequestId": "r"}}).to_string();
        for key in ["dev", "moved"] {
            let (status, told) = house.ask(&format!("keys/{key}/metadata"), about.as_bytes()).unwrap();
            assert_eq!((status, &told["keyStatus"]), (200, &"ENABLED".into()), "{told}");
        }
        house
    }

    fn ask(&self, rest: &str, body: &[u8]) -> Option<(u16, Value)> {
        let path = format!("/{PREFIX}/kms/xks/v1/{rest}");
        let mut head = head(&path)?;
        let secret_access_key = fixture::secret_access_key();
        let access_key_id = fixture::ACCESS_KEY_ID;
        let credentials = Credentials { access_key_id, secret_access_key: &secret_access_key, session_token: None };
        let now = SigningTime::from_unix_millis(i64::try_from(self.test.clock.now().0).unwrap());
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
        let headers = std::iter::empty::<(&str, &[u8])>();
        let view = strongroom_sigv4::Request { method: "POST", path: &path, query: &query, authority: HOST, headers };
        let signature = sign(&view, body, &credentials, REGION, "kms-xks-proxy", now).ok()?;
        for (name, value) in signature.iter() {
            head.headers.insert(name, value.parse().ok()?);
        }
        let request = Request { head, body: bytes::Bytes::copy_from_slice(body) };
        let regions = [Arc::from(REGION)];
        Some(self.runtime.block_on(async { read(self.xks.handle(&self.peer, request, &regions).await).await }))
    }
}

struct EkmHouse {
    ekm: Ekm,
    peer: Arc<Peer>,
    runtime: Runtime,
    _test: TestEngine,
}

impl EkmHouse {
    fn new() -> Self {
        let test = TestEngine::new();
        let dialect: &'static EkmDialect = strongroom_azure_ekm::dialect("aws");
        let place = Place { test: &test, owner: dialect, names: dialect };
        place.store(Some(place.names.kind()), (KeySpec::Aes256, Usage::KeyWrap));
        place.credential(certificate_credential(PREFIX, POOL));
        place.key("aes", (KeySpec::Aes256, Usage::KeyWrap));
        place.key("rsa", (KeySpec::Rsa2048, Usage::RsaOaep));
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, POOL);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        // As a listener tells it that has checked the certificate.
        let tls = TlsInfo {
            version: ProtocolVersion::TLSv1_3,
            cipher_suite: CipherSuite::TLS13_AES_256_GCM_SHA384,
            group: None,
            application_protocol: None,
            server_name: None,
            client_certificates: vec![certificate.der().clone()],
        };
        let peer = Arc::new(Peer::new("ekm", remote(), Some(tls), []));
        let ekm = Ekm::new(Arc::clone(&test.engine), dialect).with_deadline(Duration::from_secs(20));
        let house = Self { ekm, peer, runtime: runtime(), _test: test };
        // Otherwise no body would be looked at.
        let about = json!({"request_context": {"correlation_id": "c", "pool_name": "p"}}).to_string();
        for key in ["aes", "rsa"] {
            let (status, told) = house.ask(&format!("{key}/metadata"), about.as_bytes()).unwrap();
            assert_eq!(status, 200, "{told}");
        }
        house
    }

    fn ask(&self, rest: &str, body: &[u8]) -> Option<(u16, Value)> {
        let head = head(&format!("/{PREFIX}/{rest}?api-version=0.1-preview"))?;
        let request = Request { head, body: bytes::Bytes::copy_from_slice(body) };
        Some(self.runtime.block_on(async { read(self.ekm.handle(&self.peer, request).await).await }))
    }
}

/// A tenant's key store, to be made.
struct Place<'t> {
    test: &'t TestEngine,
    owner: &'static dyn Dialect,
    names: &'static dyn ServiceNames,
}

impl Place<'_> {
    fn store(&self, kind: Option<NameKind>, of: (KeySpec, Usage)) {
        let service = ServiceRow {
            prefix: PREFIX.to_owned(),
            home: REGION.to_owned(),
            regions: vec![REGION.to_owned()],
            policies_tried_out: false,
            opens_digested_data: kind.is_none(),
            test_key: KeyId::from_bytes([0; 16]),
            kind,
        };
        let (policy, document) = self.names.first_policy();
        let create = CreateService {
            tenant: self.test.tenant.id,
            name: STORE.to_owned(),
            policy_name: self.names.policy_name(ACCOUNT, STORE),
            unique_id: "AIDXAAAAAAAAAAAAAAAA".to_owned(),
            service,
            policy: (policy.to_owned(), document.to_owned()),
            test_key: self.creation(self.names.test_key(STORE, [7; 16]), of),
            store: None,
        };
        self.test.run(&self.test.root(), create).unwrap();
    }

    fn credential(&self, shown: String) {
        let (tenant, principal) = (self.test.tenant.id, Some(service_reference(STORE)));
        let secret = fixture::secret_access_key();
        let create = CreateCredential { tenant, principal, shown, secret, expires: None };
        self.test.run(&self.test.root(), create).unwrap();
    }

    fn key(&self, called: &str, of: (KeySpec, Usage)) {
        let key = self.creation(self.names.key(STORE, called), of);
        let create = CreateServiceKey { service: STORE.to_owned(), key, serves: None, store: None, owner: self.owner };
        self.test.run(&self.test.root(), create).unwrap();
    }

    fn creation(&self, text: String, (spec, usage): (KeySpec, Usage)) -> CreateKey {
        CreateKey {
            tenant: self.test.tenant.id,
            name: Name { text: text.into(), ..self.name("") },
            spec,
            usages: vec![usage],
            origin: Origin::Generated,
            multi_region: false,
            description: String::new(),
            policy: key_policy(),
            bypass_lockout: true,
            tags: Vec::new(),
        }
    }

    fn name(&self, called: &str) -> Name {
        let text = self.names.key(STORE, called).into();
        Name { tenant: self.test.tenant.id, region: REGION.into(), kind: self.names.kind(), text }
    }
}

fn remote() -> Remote {
    Remote::Tcp("192.0.2.7:4711".parse().unwrap())
}

/// Deadlines need a run time with a timer.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// `None` for a path that cannot be written.
fn head(target: &str) -> Option<http::request::Parts> {
    Some(http::Request::post(target).header("host", HOST).body(()).ok()?.into_parts().0)
}

async fn read(response: Response) -> (u16, Value) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = if body.is_empty() { json!({}) } else { serde_json::from_slice(&body).unwrap() };
    (head.status.as_u16(), body)
}
