//! Requests to the front ends over a real engine, signed as they must be, so that what is fuzzed is what an authenticated
//! caller may send. No request may be answered with an internal error.
//!
//! The engine stays from one input to the next, so what an input does may depend on those before it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Uri};
use http_body_util::BodyExt as _;
use strongroom_admin::Admin;
use strongroom_aws_kms::Kms;
use strongroom_aws_sts::Sts;
use strongroom_aws_tagging::{Keys, Tagging};
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::principal::{CreatePrincipal, PutIdentityPolicy};
use strongroom_engine::{Engine, Options};
use strongroom_http::{Peer, Remote, Request, Response};
use strongroom_model::clock::Clock as _;
use strongroom_sigv4::{Credentials, SigningTime, sign};
use strongroom_testkit::engine::{ACCOUNT, REGION, TestDialect, TestEngine, block_on, operator};

use crate::fixture;

const HOST: &str = "kms.example";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const JSON: &str = "application/x-amz-json-1.1";
const FORM: &str = "application/x-www-form-urlencoded";

thread_local! {
    // Not static: a thread that ends takes its engine and the engine's directory with it.
    static HOUSE: House = House::new();
}

/// AWS KMS: the operation's name on a line, then its JSON.
pub fn aws_kms_request(data: &[u8]) {
    let Some((operation, body)) = line(data) else { return };
    let target = format!("TrentService.{operation}");
    HOUSE.with(|house| {
        let fields = [("content-type", JSON), ("x-amz-target", target.as_str())];
        let Some(request) = house.signed("/", &fields, body, "kms") else { return };
        let (status, reply) = read(block_on(house.kms.handle(&house.peer, request, &[Arc::from(REGION)])));
        assert!(status < 500, "{operation}: {reply}");
        let json: serde_json::Value = serde_json::from_str(if reply.is_empty() { "{}" } else { &reply }).unwrap();
        assert_eq!(status >= 400, json["__type"].is_string(), "{operation}: {reply}");
    });
}

/// AWS STS: the query on a line, then the form.
pub fn aws_sts_request(data: &[u8]) {
    let Some((query, body)) = line(data) else { return };
    HOUSE.with(|house| {
        let target = format!("/?{query}");
        let Some(request) = house.signed(&target, &[("content-type", FORM)], body, "sts") else { return };
        let (status, reply) = read(block_on(house.sts.handle(&house.peer, request, &[Arc::from(REGION)])));
        assert!(status < 500 && reply.starts_with('<'), "{reply}");
    });
}

/// AWS's tagging API: the operation's name on a line, then its JSON.
pub fn aws_tagging_request(data: &[u8]) {
    let Some((operation, body)) = line(data) else { return };
    let target = format!("ResourceGroupsTaggingAPI_20170126.{operation}");
    HOUSE.with(|house| {
        let fields = [("content-type", JSON), ("x-amz-target", target.as_str())];
        let Some(request) = house.signed("/", &fields, body, "tagging") else { return };
        let (status, reply) = read(block_on(house.tagging.handle(&house.peer, request, &[Arc::from(REGION)])));
        assert!(status < 500, "{operation}: {reply}");
        let json: serde_json::Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(status >= 400, json["__type"].is_string(), "{operation}: {reply}");
    });
}

/// The admin API, as an operator: method and target on a line, then the body.
pub fn admin_request(data: &[u8]) {
    let Some((line, body)) = line(data) else { return };
    let Some((method, target)) = line.split_once(' ') else { return };
    let (Ok(method), Ok(target)) = (method.parse::<Method>(), target.parse::<Uri>()) else { return };
    let Ok(request) = http::Request::builder().method(method).uri(target).body(()) else { return };
    let request = Request { head: request.into_parts().0, body: bytes::Bytes::copy_from_slice(body) };
    HOUSE.with(|house| {
        let (status, reply) = read(block_on(house.admin.handle(&house.operator, request)));
        assert!(status < 500, "{line}: {reply}");
        assert!(reply.is_empty() || serde_json::from_str::<serde_json::Value>(&reply).is_ok(), "{reply}");
    });
}

/// An engine with its front ends, a tenant, a user that may do everything in it, and keys `alias/dev`, `alias/sign`,
/// `alias/mac`, `alias/agree` and `alias/kem`.
struct House {
    test: TestEngine,
    kms: Kms,
    sts: Sts,
    tagging: Tagging,
    admin: Admin,
    peer: Arc<Peer>,
    operator: Arc<Peer>,
}

impl House {
    fn new() -> Self {
        let test = TestEngine::new();
        let tenant = test.tenant.id;
        let (name, policy_name) = ("alice".to_owned(), format!("arn:aws:iam::{ACCOUNT}:user/alice"));
        let unique_id = "AIDAAAAAAAAAAAAAAAAA".to_owned();
        test.run(&operator(), CreatePrincipal { tenant, name: name.clone(), policy_name, unique_id }).unwrap();
        let document = Some(EVERYTHING.to_owned());
        let policy = PutIdentityPolicy { tenant, principal: name.clone(), name: "all".to_owned(), document };
        test.run(&operator(), policy).unwrap();
        let (shown, secret) = (fixture::ACCESS_KEY_ID.to_owned(), fixture::secret_access_key());
        let credential = CreateCredential { tenant, principal: Some(name), shown, secret, expires: None };
        test.run(&operator(), credential).unwrap();
        let operators = Options { operator_policy: EVERYTHING.to_owned(), rsa_pairs: 0 };
        let admin = Admin::new(Engine::start(test.parts(), &operators).unwrap(), "aws", vec![&TestDialect]);
        let remote: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let uid = Remote::Unix { uid: 1000, gid: 1000, pid: None };
        let kms = Kms::new(Arc::clone(&test.engine), "aws");
        let keys = Keys { resource_type: "kms:key", dialect: kms.dialect() };
        let house = Self {
            tagging: Tagging::new(Arc::clone(&test.engine), keys),
            kms,
            sts: Sts::new(Arc::clone(&test.engine)),
            admin,
            peer: Arc::new(Peer::new("aws", Remote::Tcp(remote), None, [])),
            operator: Arc::new(Peer::new("admin", uid, None, [])),
            test,
        };
        house.key("dev", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        house.key("sign", "ECC_NIST_P256", "SIGN_VERIFY");
        house.key("mac", "HMAC_256", "GENERATE_VERIFY_MAC");
        house.key("agree", "ECC_NIST_P256", "KEY_AGREEMENT");
        house.key("kem", "ML_KEM_768", "ENCAPSULATE_DECAPSULATE");
        house
    }

    fn key(&self, alias: &str, spec: &str, usage: &str) {
        let made = self.kms(
            "CreateKey",
            &format!(r#"{{"KeySpec":"{spec}","KeyUsage":"{usage}","Tags":[{{"TagKey":"a","TagValue":"b"}}]}}"#),
        );
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let id = made["KeyMetadata"]["KeyId"].as_str().unwrap();
        self.kms("CreateAlias", &format!(r#"{{"AliasName":"alias/{alias}","TargetKeyId":"{id}"}}"#));
    }

    /// What must succeed.
    fn kms(&self, operation: &str, body: &str) -> String {
        let target = format!("TrentService.{operation}");
        let fields = [("content-type", JSON), ("x-amz-target", target.as_str())];
        let request = self.signed("/", &fields, body.as_bytes(), "kms").unwrap();
        let (status, reply) = read(block_on(self.kms.handle(&self.peer, request, &[Arc::from(REGION)])));
        assert_eq!(status, 200, "{operation}: {reply}");
        reply
    }

    /// A request signed by the user; `None` for one that cannot be written or signed.
    fn signed(&self, target: &str, fields: &[(&str, &str)], body: &[u8], service: &str) -> Option<Request> {
        let secret_access_key = fixture::secret_access_key();
        let access_key_id = fixture::ACCESS_KEY_ID;
        let credentials = Credentials { access_key_id, secret_access_key: &secret_access_key, session_token: None };
        let now = SigningTime::from_unix_millis(i64::try_from(self.test.clock.now().0).unwrap());
        let mut request = http::Request::post(target).header("host", HOST);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).ok()?.into_parts();
        let headers = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let view = strongroom_sigv4::Request { method: "POST", path, query, authority: HOST, headers };
        let signature = sign(&view, body, &credentials, REGION, service, now).ok()?;
        for (name, value) in signature.iter() {
            head.headers.insert(name, value.parse().ok()?);
        }
        Some(Request { head, body: bytes::Bytes::copy_from_slice(body) })
    }
}

/// The text of the first line, and what follows it.
pub(crate) fn line(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    Some((str::from_utf8(&data[..end]).ok()?, &data[end + 1..]))
}

fn read(response: Response) -> (u16, String) {
    let (head, body) = response.into_parts();
    let body = block_on(body.collect()).unwrap().to_bytes();
    (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}
