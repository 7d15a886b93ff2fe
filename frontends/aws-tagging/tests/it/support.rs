//! A tenant with keys and a user, and the user's requests.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use strongroom_aws_kms::Kms;
use strongroom_aws_tagging::{Keys, Tagging};
use strongroom_engine::SecretBytes;
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::principal::{CreatePrincipal, PutIdentityPolicy};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_http::{Peer, Remote, Request, Response};
use strongroom_model::clock::Clock as _;
use strongroom_model::id::TenantId;
use strongroom_sigv4::{Credentials, SigningTime, sign};
use strongroom_testkit::engine::{ACCOUNT, REGION, TestEngine, block_on, operator};

pub(crate) const OTHER_ACCOUNT: &str = "444455556666";
pub(crate) const OTHER_REGION: &str = "eu-test-2";
const HOST: &str = "aws.test.example";
const TAGGING: &str = "ResourceGroupsTaggingAPI_20170126";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// A user: its name is its access key id and its secret.
pub(crate) type User = &'static str;

pub(crate) struct Service {
    pub(crate) test: TestEngine,
    kms: Kms,
    tagging: Tagging,
    peer: Arc<Peer>,
}

impl Service {
    /// With `admin`, who may do everything.
    pub(crate) fn new() -> Self {
        let test = TestEngine::new();
        let kms = Kms::new(Arc::clone(&test.engine), "aws");
        let keys = Keys { resource_type: "kms:key", dialect: kms.dialect() };
        let tagging = Tagging::new(Arc::clone(&test.engine), keys);
        let remote: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let peer = Arc::new(Peer::new("aws", Remote::Tcp(remote), None, []));
        let service = Self { test, kms, tagging, peer };
        service.user(service.test.tenant.id, ACCOUNT, "admin", Some(EVERYTHING));
        service
    }

    pub(crate) fn user(&self, tenant: TenantId, account: &str, name: User, policy: Option<&str>) {
        let create = CreatePrincipal {
            tenant,
            name: name.to_owned(),
            policy_name: format!("arn:aws:iam::{account}:user/{name}"),
            unique_id: format!("AIDA{name}"),
        };
        self.test.run(&operator(), create).unwrap();
        let (principal, document) = (name.to_owned(), policy.map(str::to_owned));
        if document.is_some() {
            let put = PutIdentityPolicy { tenant, principal, name: "policy".to_owned(), document };
            self.test.run(&operator(), put).unwrap();
        }
        let create = CreateCredential {
            tenant,
            principal: Some(name.to_owned()),
            shown: name.to_owned(),
            secret: SecretBytes::copy_from(name.as_bytes()),
            expires: None,
        };
        self.test.run(&operator(), create).unwrap();
    }

    /// Another account with `stranger`, who may do everything there.
    pub(crate) fn second_tenant(&self) {
        let create = CreateTenant {
            account: OTHER_ACCOUNT.to_owned(),
            name: "second".to_owned(),
            root_name: format!("arn:aws:iam::{OTHER_ACCOUNT}:root"),
        };
        let tenant = self.test.run(&operator(), create).unwrap();
        self.user(tenant.id, OTHER_ACCOUNT, "stranger", Some(EVERYTHING));
    }

    /// A key's ARN.
    pub(crate) fn key(&self, region: &str, tags: &[(&str, &str)]) -> String {
        let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect();
        let request = self.signed("admin", "TrentService.CreateKey", &json!({ "Tags": tags }), region, "kms");
        let regions = [Arc::from(REGION), Arc::from(OTHER_REGION)];
        let (status, reply) = read(block_on(self.kms.handle(&self.peer, request, &regions)));
        assert_eq!(status, 200, "{reply}");
        reply["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    pub(crate) fn ask(&self, user: User, body: &Value) -> (u16, Value) {
        self.ask_for(user, "GetResources", body, REGION)
    }

    pub(crate) fn ask_for(&self, user: User, operation: &str, body: &Value, region: &str) -> (u16, Value) {
        let request = self.signed(user, &format!("{TAGGING}.{operation}"), body, region, "tagging");
        self.send(request)
    }

    pub(crate) fn send(&self, request: Request) -> (u16, Value) {
        let regions = [Arc::from(REGION), Arc::from(OTHER_REGION)];
        read(block_on(self.tagging.handle(&self.peer, request, &regions)))
    }

    /// The ARNs of a page, and its token.
    pub(crate) fn page(&self, body: &Value) -> (Vec<String>, String) {
        let (status, reply) = self.ask("admin", body);
        assert_eq!(status, 200, "{reply}");
        let resources = reply["ResourceTagMappingList"].as_array().unwrap().iter();
        let arns = resources.map(|resource| resource["ResourceARN"].as_str().unwrap().to_owned()).collect();
        (arns, reply["PaginationToken"].as_str().unwrap().to_owned())
    }

    /// The name of the error that a request of the administrator is answered with.
    pub(crate) fn refused(&self, body: &Value) -> String {
        let (status, reply) = self.ask("admin", body);
        assert_eq!(status, 400, "{reply}");
        assert!(reply["Message"].as_str().is_some_and(|message| !message.is_empty()), "{reply}");
        reply["__type"].as_str().unwrap().to_owned()
    }

    pub(crate) fn signed(&self, user: User, target: &str, body: &Value, region: &str, service: &str) -> Request {
        let body = body.to_string().into_bytes();
        let secret = SecretBytes::copy_from(user.as_bytes());
        let credentials = Credentials { access_key_id: user, secret_access_key: &secret, session_token: None };
        let fields: [(&str, &[u8]); 2] =
            [("content-type", b"application/x-amz-json-1.1"), ("x-amz-target", target.as_bytes())];
        let headers = fields.into_iter();
        let view = strongroom_sigv4::Request { method: "POST", path: "/", query: "", authority: HOST, headers };
        let now = SigningTime::from_unix_millis(i64::try_from(self.test.clock.now().0).unwrap());
        let signature = sign(&view, &body, &credentials, region, service, now).unwrap();
        let mut request = http::Request::post("/").header("host", HOST);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        for (name, value) in signature.iter() {
            request = request.header(name, value);
        }
        Request { head: request.body(()).unwrap().into_parts().0, body: body.into() }
    }
}

fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = block_on(response.into_body().collect()).unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
