//! A front end over an engine of its own, a key store with a key, and requests to it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use strongroom_aws_xks::{EXTERNAL_KEY, Xks, XksDialect, dialect, external_key_name};
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::key::CreateKey;
use strongroom_engine::operations::principal::{PutIdentityPolicy, SuspendPrincipal};
use strongroom_engine::operations::service::{BindToService, CreateService, CreateServiceKey};
use strongroom_engine::{
    EngineError, KeyEntry, PrincipalRow, SecretBytes, Serves, ServiceNames as _, ServiceRow, service_reference,
};
use strongroom_http::{Peer, Remote, Request};
use strongroom_model::id::KeyId;
use strongroom_model::name::Name;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;
use strongroom_sigv4::{Credentials, SigningTime, sign};
use strongroom_testkit::engine::{ACCOUNT, REGION, TestEngine};

pub(crate) static DIALECT: LazyLock<&'static XksDialect> = LazyLock::new(|| dialect("aws"));
pub(crate) const HOST: &str = "xks.example";
/// The region that the cloud signs for.
pub(crate) const SIGNED: &str = "us-east-1";
pub(crate) const PREFIX: &str = "cloud/one";
pub(crate) const KEY: &str = "foo";
pub(crate) const ID: &str = "AKIAAAAAAAAAAAAAAAAA";
pub(crate) const SECRET: &str = "PleaseReplaceThisWithSomeSecretOfLength43To64";

pub(crate) struct House {
    pub(crate) test: TestEngine,
    pub(crate) xks: Xks,
    pub(crate) key: Arc<KeyEntry>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["errorName"].as_str().unwrap_or_default())
    }

    pub(crate) fn bytes(&self, member: &str) -> Vec<u8> {
        STANDARD.decode(self.body[member].as_str().unwrap_or_else(|| panic!("{member} in {self:?}"))).unwrap()
    }
}

/// How a request is signed.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) region: &'static str,
    pub(crate) service: &'static str,
    pub(crate) skew: i64,
}

impl Default for Signing {
    fn default() -> Self {
        let (id, secret) = (ID.to_owned(), SECRET.to_owned());
        Self { id, secret, region: SIGNED, service: "kms-xks-proxy", skew: 0 }
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    // Deadlines need a run time with a timer.
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

impl House {
    pub(crate) fn new() -> Self {
        let test = TestEngine::new();
        store(&test, "one", PREFIX).unwrap();
        credential(&test, "one", ID, SECRET);
        let key = new_key(&test, "one", KEY);
        // Whatever else the machine does meanwhile.
        let xks = Xks::new(Arc::clone(&test.engine), *DIALECT).with_deadline(Duration::from_secs(20));
        Self { test, xks, key }
    }

    pub(crate) fn send(&self, request: Request) -> Answer {
        fn is_send<T: Send>(value: T) -> T {
            value
        }
        let remote = Remote::Tcp("192.0.2.1:4711".parse().unwrap());
        let peer = Arc::new(Peer::new("xks", remote, None, Vec::new()));
        let regions = [Arc::from(SIGNED), Arc::from("eu-west-1")];
        block_on(async {
            let response = is_send(self.xks.handle(&peer, request, &regions)).await;
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
            Answer { status: head.status, headers: head.headers, body }
        })
    }

    /// A signed request as it would be sent.
    pub(crate) fn signed(&self, path: &str, body: &str, signing: &Signing) -> Request {
        let secret = SecretBytes::copy_from(signing.secret.as_bytes());
        let credentials = Credentials { access_key_id: &signing.id, secret_access_key: &secret, session_token: None };
        let headers = [("content-type", b"application/json".as_slice())];
        let view = strongroom_sigv4::Request {
            method: "POST",
            path,
            query: "",
            authority: HOST,
            headers: headers.into_iter(),
        };
        let now = i64::try_from(self.test.engine.clock().now().0).unwrap() + 1000 * signing.skew;
        let at = SigningTime::from_unix_millis(now);
        let signature = sign(&view, body.as_bytes(), &credentials, signing.region, signing.service, at).unwrap();
        let mut request = http::Request::builder().method(Method::POST).uri(path);
        request = request.header("host", HOST).header("content-type", "application/json");
        for (name, value) in signature.iter() {
            request = request.header(name, value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Request { head, body: body.to_owned().into() }
    }

    pub(crate) fn post_as(&self, path: &str, body: &Value, signing: &Signing) -> Answer {
        self.send(self.signed(path, &body.to_string(), signing))
    }

    /// Asks below this house's prefix with its credential.
    pub(crate) fn ask(&self, rest: &str, body: &Value) -> Answer {
        self.post_as(&format!("/{PREFIX}/kms/xks/v1/{rest}"), body, &Signing::default())
    }

    pub(crate) fn encrypt(&self, more: Value) -> Answer {
        self.ask(&format!("keys/{KEY}/encrypt"), &merged(encrypt_body(), more))
    }

    /// Decrypts what was encrypted, with some members otherwise.
    pub(crate) fn decrypt(&self, encrypted: &Answer, more: Value) -> Answer {
        self.ask(&format!("keys/{KEY}/decrypt"), &merged(decrypt_body(encrypted), more))
    }

    pub(crate) fn block(&self, suspended: bool) {
        let name = service_reference("one");
        let suspend = SuspendPrincipal { tenant: self.test.tenant.id, name, suspended };
        self.test.run(&self.test.root(), suspend).unwrap();
    }

    pub(crate) fn policy(&self, document: &str) {
        let (tenant, principal) = (self.test.tenant.id, service_reference("one"));
        let put =
            PutIdentityPolicy { tenant, principal, name: "policy".to_owned(), document: Some(document.to_owned()) };
        self.test.run(&self.test.root(), put).unwrap();
    }
}

pub(crate) fn metadata() -> Value {
    json!({
        "awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice", "kmsOperation": "Encrypt",
        "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae", "kmsViaService": "ebs",
        "kmsKeyArn": "arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    })
}

pub(crate) fn encrypt_body() -> Value {
    json!({"requestMetadata": metadata(), "plaintext": STANDARD.encode("Hello World!"), "encryptionAlgorithm": "AES_GCM"})
}

pub(crate) fn decrypt_body(encrypted: &Answer) -> Value {
    let mut body = json!({"requestMetadata": metadata(), "encryptionAlgorithm": "AES_GCM"});
    for member in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
        body[member] = encrypted.body[member].clone();
    }
    body
}

/// A body with some members otherwise; null removes one.
pub(crate) fn merged(mut body: Value, more: Value) -> Value {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        for (name, value) in more {
            match value {
                Value::Null => drop(body.remove(&name)),
                value => drop(body.insert(name, value)),
            }
        }
    }
    body
}

pub(crate) fn key_of(test: &TestEngine, text: &str) -> CreateKey {
    CreateKey {
        tenant: test.tenant.id,
        name: name(test, text),
        spec: KeySpec::Aes256,
        usages: vec![Usage::DerivedAead],
        origin: Origin::Generated,
        multi_region: false,
        description: String::new(),
        policy: strongroom_testkit::engine::key_policy(),
        bypass_lockout: true,
        tags: Vec::new(),
    }
}

pub(crate) fn name(test: &TestEngine, text: &str) -> Name {
    Name { tenant: test.tenant.id, region: REGION.into(), kind: EXTERNAL_KEY, text: text.into() }
}

pub(crate) fn store(test: &TestEngine, name: &str, prefix: &str) -> Result<PrincipalRow, EngineError> {
    let service = ServiceRow {
        prefix: prefix.to_owned(),
        home: REGION.to_owned(),
        regions: vec![SIGNED.to_owned()],
        policies_tried_out: false,
        opens_digested_data: false,
        test_key: KeyId::from_bytes([0; 16]),
        kind: None,
    };
    let create = CreateService {
        tenant: test.tenant.id,
        name: name.to_owned(),
        policy_name: DIALECT.policy_name(ACCOUNT, name),
        unique_id: format!("AIDX{name}"),
        service,
        policy: ("policy".to_owned(), DIALECT.first_policy().1.to_owned()),
        test_key: key_of(test, &DIALECT.test_key(name, [7; 16])),
        store: None,
    };
    test.run(&test.root(), create)
}

pub(crate) fn credential(test: &TestEngine, store: &str, shown: &str, secret: &str) {
    let create = CreateCredential {
        tenant: test.tenant.id,
        principal: Some(service_reference(store)),
        shown: shown.to_owned(),
        secret: SecretBytes::copy_from(secret.as_bytes()),
        expires: None,
    };
    test.run(&test.root(), create).unwrap();
}

pub(crate) fn new_key(test: &TestEngine, store: &str, id: &str) -> Arc<KeyEntry> {
    let key = key_of(test, &external_key_name(store, id));
    let create = CreateServiceKey { service: store.to_owned(), key, serves: None, store: None, owner: *DIALECT };
    test.run(&test.root(), create).unwrap()
}

pub(crate) fn bind(
    test: &TestEngine,
    store: &str,
    id: &str,
    key: KeyId,
    serves: Option<Serves>,
) -> Result<(), EngineError> {
    let (service, name) = (store.to_owned(), name(test, &external_key_name(store, id)));
    test.run(&test.root(), BindToService { service, name, key, serves, owner: *DIALECT }).map(drop)
}

/// Time passes for the engine; what was decided by the machine's own clock stays.
pub(crate) fn pass(test: &TestEngine, seconds: u64) {
    test.clock.pass(Duration::from_secs(seconds));
}
