//! A front end over an engine of its own, and requests to it.

use std::sync::Arc;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use strongroom_admin::{Admin, SIGNING_SERVICE};
use strongroom_engine::{Engine, Options, SecretBytes};
use strongroom_http::{Peer, Remote, Request};
use strongroom_sigv4::{Credentials, SigningTime};
use strongroom_testkit::engine::{TestDialect, TestEngine, block_on};

pub(crate) const OPERATORS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["strongroom:*","test:*"],"Resource":"*"}]}"#;
pub(crate) const HOST: &str = "admin.example";

pub(crate) struct House {
    pub(crate) test: TestEngine,
    pub(crate) engine: Arc<Engine>,
    pub(crate) admin: Admin,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

/// An access key.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl House {
    pub(crate) fn new() -> Self {
        let test = TestEngine::new();
        let options = Options { operator_policy: OPERATORS.to_owned(), rsa_pairs: 0 };
        let engine = Engine::start(test.parts(), &options).unwrap();
        let admin = Admin::new(Arc::clone(&engine), "aws", vec![&TestDialect]);
        Self { test, engine, admin }
    }

    /// In these regions from now on.
    pub(crate) fn serve(&mut self, regions: &[&str]) {
        let admin = Admin::new(Arc::clone(&self.engine), "aws", vec![&TestDialect]);
        self.admin = admin.with_regions(regions.iter().map(|region| Arc::from(*region)).collect());
    }

    fn answer(&self, peer: Peer, request: Request) -> Answer {
        // A front end's future runs on any thread of a listener.
        fn is_send<T: Send>(value: T) -> T {
            value
        }
        let peer = Arc::new(peer);
        block_on(async {
            let response = is_send(self.admin.handle(&peer, request)).await;
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
            Answer { status: head.status, headers: head.headers, body }
        })
    }

    /// As an operator, with the body as it is.
    pub(crate) fn raw(&self, method: &str, target: &str, body: &str) -> Answer {
        let peer = Peer::new("admin", Remote::Unix { uid: 1000, gid: 1000, pid: None }, None, []);
        self.answer(peer, request(method, target, body, &[]))
    }

    /// As an operator.
    pub(crate) fn ask(&self, method: &str, target: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, target, &body)
    }

    /// As an operator, what must succeed.
    pub(crate) fn done(&self, method: &str, target: &str, body: Value) -> Value {
        let answer = self.ask(method, target, body);
        assert!(answer.status.is_success(), "{method} {target}: {answer:?}");
        answer.body
    }

    /// Signed with an access key.
    pub(crate) fn signed(&self, key: &Key, method: &str, target: &str, body: Value) -> Answer {
        self.signed_for(key, SIGNING_SERVICE, method, target, body)
    }

    pub(crate) fn signed_for(&self, key: &Key, service: &str, method: &str, target: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let unsigned = strongroom_sigv4::Request {
            method,
            path,
            query,
            authority: HOST,
            headers: std::iter::empty::<(&str, &[u8])>(),
        };
        let secret = SecretBytes::copy_from(key.secret.as_bytes());
        let credentials = Credentials { access_key_id: &key.id, secret_access_key: &secret, session_token: None };
        let now = SigningTime::from_unix_seconds(i64::try_from(self.engine.clock().now().seconds()).unwrap());
        let signed =
            strongroom_sigv4::sign(&unsigned, body.as_bytes(), &credentials, "anywhere-1", service, now).unwrap();
        let headers: Vec<_> = signed.iter().collect();
        self.answer(stranger(), request(method, target, &body, &headers))
    }

    /// Over TCP, without a signature.
    pub(crate) fn unsigned(&self, method: &str, target: &str) -> Answer {
        self.answer(stranger(), request(method, target, "", &[]))
    }

    /// A tenant with one principal that has a role, and an access key for it.
    pub(crate) fn principal(&self, account: &str, name: &str, role: &str) -> Key {
        if self.ask("GET", &format!("/v1/tenants/{account}"), Value::Null).status == StatusCode::NOT_FOUND {
            self.done("POST", "/v1/tenants", json!({"account": account, "name": "a tenant"}));
        }
        self.done("POST", &format!("/v1/tenants/{account}/principals"), json!({"name": name}));
        let document = strongroom_admin_api::roles::find(role).unwrap().document;
        let path = format!("/v1/tenants/{account}/principals/{name}/policies/{role}");
        self.done("PUT", &path, json!({"document": document}));
        self.access_key(account, json!({"principal": name}))
    }

    pub(crate) fn access_key(&self, account: &str, body: Value) -> Key {
        let made = self.done("POST", &format!("/v1/tenants/{account}/access-keys"), body);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Key { id: text("access_key_id"), secret: text("secret_access_key") }
    }

    /// (operation, outcome) of every record by this front end.
    pub(crate) fn records(&self) -> Vec<(String, String)> {
        let records = self.test.records();
        let decoded = records.iter().map(|record| record.record().unwrap());
        let ours = decoded.filter(|record| record.request.front_end.as_full() == Some("admin"));
        ours.map(|record| {
            let outcome = match &record.outcome {
                strongroom_audit::record::Outcome::Done => "done".to_owned(),
                strongroom_audit::record::Outcome::Failed { code, .. } => code.to_string(),
                strongroom_audit::record::Outcome::Abandoned => "abandoned".to_owned(),
            };
            (record.request.operation.to_string(), outcome)
        })
        .collect()
    }
}

impl Answer {
    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["error"]["code"].as_str().unwrap_or_default())
    }
}

fn stranger() -> Peer {
    Peer::new("https", Remote::Tcp("203.0.113.9:4711".parse().unwrap()), None, [])
}

fn request(method: &str, target: &str, body: &str, headers: &[(&str, &str)]) -> Request {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut builder = http::Request::builder().method(method).uri(target).header("host", HOST);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    Request { head, body: bytes::Bytes::copy_from_slice(body.as_bytes()) }
}
