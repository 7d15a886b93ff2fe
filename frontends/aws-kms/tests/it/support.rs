//! A front end with callers, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use strongroom_aws_kms::Kms;
use strongroom_aws_sts::Sts;
use strongroom_engine::SecretBytes;
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::principal::{CreatePrincipal, PutIdentityPolicy};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_http::{Peer, Remote, Request, Response};
use strongroom_model::clock::Clock as _;
use strongroom_model::id::TenantId;
use strongroom_sigv4::{Credentials, SigningTime, sign};
use strongroom_testkit::engine::{ACCOUNT, REGION, TestEngine, block_on, operator};

pub(crate) const HOST: &str = "kms.test.example";

/// Who signs.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) arn: String,
    pub(crate) session_token: Option<String>,
}

/// The front ends over an engine.
pub(crate) struct Service {
    pub(crate) test: TestEngine,
    pub(crate) kms: Kms,
    pub(crate) sts: Sts,
    /// A user that may do everything in its account.
    pub(crate) admin: Caller,
    pub(crate) peer: Arc<Peer>,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The name of an error and its message.
    pub(crate) fn error(&self) -> (String, String) {
        let json = self.json();
        let member = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        (member("__type"), member("message"))
    }
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::over(TestEngine::new())
    }

    pub(crate) fn over(test: TestEngine) -> Self {
        let kms = Kms::new(Arc::clone(&test.engine), "aws");
        let sts = Sts::new(Arc::clone(&test.engine));
        let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let remote: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let peer = Arc::new(Peer::new("aws", Remote::Tcp(remote), None, []));
        let admin = make_user(&test, "admin", Some(everything));
        Self { test, kms, sts, admin, peer }
    }

    /// A user with nothing but the given identity policy.
    pub(crate) fn user(&self, name: &str, policy: Option<&str>) -> Caller {
        make_user(&self.test, name, policy)
    }

    /// A request of the administrator that must succeed.
    pub(crate) fn ok(&self, operation: &str, body: Value) -> Value {
        self.ok_as(&self.admin, operation, body)
    }

    pub(crate) fn ok_as(&self, caller: &Caller, operation: &str, body: Value) -> Value {
        let reply = self.call(caller, operation, body);
        assert_eq!(reply.status, StatusCode::OK, "{operation}: {}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }

    /// A request of the administrator that must be refused: the error's name and message.
    pub(crate) fn refused(&self, operation: &str, body: Value) -> (String, String) {
        self.refused_as(&self.admin, operation, body)
    }

    pub(crate) fn refused_as(&self, caller: &Caller, operation: &str, body: Value) -> (String, String) {
        let reply = self.call(caller, operation, body);
        assert_ne!(reply.status, StatusCode::OK, "{operation}: {}", String::from_utf8_lossy(&reply.body));
        reply.error()
    }

    pub(crate) fn call(&self, caller: &Caller, operation: &str, body: Value) -> Reply {
        self.raw(caller, operation, body.to_string().into_bytes(), |_| ())
    }

    /// A signed request that `change` meddles with afterwards.
    pub(crate) fn raw(
        &self,
        caller: &Caller,
        operation: &str,
        body: Vec<u8>,
        change: impl FnOnce(&mut Request),
    ) -> Reply {
        let mut request = self.signed(caller, operation, body, REGION, "kms");
        change(&mut request);
        self.send(request)
    }

    pub(crate) fn signed(
        &self,
        caller: &Caller,
        operation: &str,
        body: Vec<u8>,
        region: &str,
        service: &str,
    ) -> Request {
        let target = format!("TrentService.{operation}");
        let now = SigningTime::from_unix_millis(i64::try_from(self.test.clock.now().0).unwrap());
        signed_at(
            caller,
            &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)],
            body,
            region,
            service,
            now,
        )
    }

    pub(crate) fn send(&self, request: Request) -> Reply {
        let regions = [Arc::from(REGION)];
        read(block_on(self.kms.handle(&self.peer, request, &regions)))
    }

    /// A new symmetric key: its metadata.
    pub(crate) fn key(&self) -> Value {
        self.ok("CreateKey", json!({}))["KeyMetadata"].clone()
    }

    pub(crate) fn key_of(&self, spec: &str, usage: &str) -> Value {
        self.ok("CreateKey", json!({"KeySpec": spec, "KeyUsage": usage}))["KeyMetadata"].clone()
    }

    pub(crate) fn arn(&self, rest: &str) -> String {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:{rest}")
    }
}

/// A request with a signature of `caller` over these fields.
pub(crate) fn signed_at(
    caller: &Caller,
    fields: &[(&str, &str)],
    body: Vec<u8>,
    region: &str,
    service: &str,
    now: SigningTime,
) -> Request {
    let secret = SecretBytes::copy_from(caller.secret.as_bytes());
    let credentials = Credentials {
        access_key_id: &caller.access_key_id,
        secret_access_key: &secret,
        session_token: caller.session_token.as_deref(),
    };
    let headers = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    let view = strongroom_sigv4::Request { method: "POST", path: "/", query: "", authority: HOST, headers };
    let signature = sign(&view, &body, &credentials, region, service, now).unwrap();
    let mut request = http::Request::post("/").header("host", HOST);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    for (name, value) in signature.iter() {
        request = request.header(name, value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    Request { head, body: body.into() }
}

pub(crate) fn read(response: Response) -> Reply {
    let (head, body) = response.into_parts();
    let body = block_on(body.collect()).unwrap().to_bytes().to_vec();
    Reply { status: head.status, headers: head.headers, body }
}

fn make_user(test: &TestEngine, name: &str, policy: Option<&str>) -> Caller {
    let user = test.user(name, policy);
    let caller = Caller {
        access_key_id: format!("AKIA{:0>16}", name.to_uppercase()),
        secret: format!("secret of {name}"),
        arn: user.policy_name.to_string(),
        session_token: None,
    };
    let create = CreateCredential {
        tenant: test.tenant.id,
        principal: Some(name.to_owned()),
        shown: caller.access_key_id.clone(),
        secret: SecretBytes::copy_from(caller.secret.as_bytes()),
        expires: None,
    };
    test.run(&operator(), create).unwrap();
    caller
}

/// Text in base64.
pub(crate) fn b64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Bytes of a reply's member.
pub(crate) fn blob(reply: &Value, member: &str) -> Vec<u8> {
    use base64::Engine as _;
    let text = reply[member].as_str().unwrap_or_else(|| panic!("{member} in {reply}"));
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// A user of another account that may do everything there.
pub(crate) fn in_other_account(service: &Service) -> Caller {
    let create = CreateTenant {
        account: OTHER.to_owned(),
        name: "other".to_owned(),
        root_name: format!("arn:aws:iam::{OTHER}:root"),
    };
    let tenant = service.test.run(&operator(), create).unwrap().id;
    let caller = user_of(service, tenant, "stranger", "AKIASTRANGER");
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let put = PutIdentityPolicy {
        tenant,
        principal: "stranger".to_owned(),
        name: "everything".to_owned(),
        document: Some(everything.to_owned()),
    };
    service.test.run(&operator(), put).unwrap();
    caller
}

/// Another user of that account, who may do nothing.
pub(crate) fn powerless_in_other_account(service: &Service) -> Caller {
    let tenant = block_on(service.test.engine.tenant_of_account(OTHER)).unwrap();
    user_of(service, tenant, "powerless", "AKIAPOWERLESS")
}

const OTHER: &str = "444455556666";

fn user_of(service: &Service, tenant: TenantId, name: &str, shown: &str) -> Caller {
    let arn = format!("arn:aws:iam::{OTHER}:user/{name}");
    let create = CreatePrincipal {
        tenant,
        name: name.to_owned(),
        policy_name: arn.clone(),
        unique_id: format!("AIDA{}", name.to_uppercase()),
    };
    service.test.run(&operator(), create).unwrap();
    let caller = Caller { access_key_id: shown.to_owned(), secret: "strange".to_owned(), arn, session_token: None };
    let create = CreateCredential {
        tenant,
        principal: Some(name.to_owned()),
        shown: shown.to_owned(),
        secret: SecretBytes::copy_from(caller.secret.as_bytes()),
        expires: None,
    };
    service.test.run(&operator(), create).unwrap();
    caller
}

/// A service of the installation.
pub(crate) fn make_service(service: &Service, name: &str) -> Caller {
    let (tenant, name) = (TenantId::INSTALLATION, name.to_owned());
    let (policy_name, unique_id) = (name.clone(), "AIDASERVICE".to_owned());
    service.test.run(&operator(), CreatePrincipal { tenant, name: name.clone(), policy_name, unique_id }).unwrap();
    let caller = Caller {
        access_key_id: "AKIASERVICE".to_owned(),
        secret: "of the service".to_owned(),
        arn: name.clone(),
        session_token: None,
    };
    let create = CreateCredential {
        tenant,
        principal: Some(name),
        shown: caller.access_key_id.clone(),
        secret: SecretBytes::copy_from(caller.secret.as_bytes()),
        expires: None,
    };
    service.test.run(&operator(), create).unwrap();
    caller
}
