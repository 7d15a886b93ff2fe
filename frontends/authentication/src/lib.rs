//! Who signed a request: Signature Version 4 over the engine's credentials, for every front end that takes it.
//!
//! Here the pure verifier (frontends/sigv4), the engine's credentials and a listener's requests meet. What a refusal is
//! called is the front end's own matter; [`aws`] has the words that the AWS front ends share.
//!
//! Absent on purpose: any decision about what a proved caller may do, and the making of sessions.

pub mod aws;
mod identity;
pub mod limits;
pub mod mint;
mod origin;
mod report;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use strongroom_engine::{Engine, EngineError, Identified, Noun};
use strongroom_http::Request;
use strongroom_model::caller::{Caller, OnBehalf, Principal};
use strongroom_sigv4::{Expectation, ParsedAuthorization, SigV4Error, SigningKey, SigningKeyCache, SigningTime};

pub use identity::{hyphenated, random_id, request_id, uuid};
pub use origin::{Origins, user_agent};
pub use report::{chain, report};

/// Proves callers by the signatures of their requests.
pub struct Authenticator {
    engine: Arc<Engine>,
    keys: SigningKeyCache,
}

/// A caller whose signature was verified.
#[derive(Clone)]
pub struct Proved {
    /// Who.
    pub caller: Arc<Caller>,
    /// The region that the request was signed for, one of those that were offered.
    pub region: Arc<str>,
}

/// A request whose caller was not proved.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The access key id that the request showed; empty for none.
    pub shown: Box<str>,
}

/// Why a caller was not proved.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Reason {
    /// The signature is missing, malformed, out of its time or scope, or wrong.
    #[error(transparent)]
    Signature(#[from] SigV4Error),
    /// No live credential has this access key id.
    #[error("the access key id is not known")]
    UnknownCredential,
    /// The session's time is over.
    #[error("the session has expired")]
    Expired,
    /// The credential could not be looked up or opened.
    #[error(transparent)]
    Engine(EngineError),
}

impl From<EngineError> for Reason {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound(Noun::Credential(_)) => Self::UnknownCredential,
            EngineError::SessionExpired => Self::Expired,
            other => Self::Engine(other),
        }
    }
}

impl Authenticator {
    /// An authenticator over the engine's credentials.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, keys: SigningKeyCache::new(limits::SIGNING_KEYS) }
    }

    /// Proves who signed `request` for one of `services` and one of `regions`, within five minutes of the engine's clock.
    ///
    /// # Errors
    /// Why the caller is not proved, with the access key id that was shown.
    pub async fn authenticate(
        &self,
        request: &Request,
        services: &[&str],
        regions: &[Arc<str>],
    ) -> Result<Proved, Refused> {
        let fields = fields(&request.head);
        let view = signed_view(&request.head, &fields);
        let parsed = ParsedAuthorization::parse(&view)
            .map_err(|error| Refused { reason: error.into(), shown: Box::from("") })?;
        let shown = |reason| Refused { reason, shown: parsed.access_key_id().into() };
        self.prove(&parsed, request, &fields, services, regions).await.map_err(shown)
    }

    /// The credential that a request shows, by its access key id and, for a session's, the token beside it. Nothing is
    /// proved yet; the token is bounded and will be, by the same signature.
    async fn identify(&self, access_key_id: &str, session_token: Option<&str>) -> Result<Identified, Reason> {
        let Some(token) = session_token else { return Ok(self.engine.identify(access_key_id).await?) };
        let token = STANDARD.decode(token).map_err(|_| Reason::UnknownCredential)?;
        Ok(self.engine.identify_session(access_key_id, &token).await?)
    }

    async fn prove(
        &self,
        parsed: &ParsedAuthorization<'_>,
        request: &Request,
        fields: &[(&str, &[u8])],
        services: &[&str],
        regions: &[Arc<str>],
    ) -> Result<Proved, Reason> {
        let checked = {
            let serves = |region: &str| regions.iter().any(|served| **served == *region);
            let now = SigningTime::from_unix_millis(i64::try_from(self.engine.clock().now().0).unwrap_or(i64::MAX));
            parsed.check(&signed_view(&request.head, fields), &Expectation::new(services, &serves), now)?
        };
        let identified = self.identify(parsed.access_key_id(), checked.session_token()).await?;
        // The day's key is held by the credential's identity: an access key id that is given out anew proves nothing with
        // the secret that it had before. It is held once it has proved someone, so that strangers don't choose what is.
        let credential = identity::hexadecimal(identified.id().as_bytes());
        let credential = str::from_utf8(&credential).unwrap_or_default();
        let scope = parsed.scope();
        match self.keys.get(credential, &scope) {
            Some(key) => {
                checked.verify(&key, &request.body)?;
            }
            None => {
                let secret = self.engine.secret_of(&identified).await?;
                let key = SigningKey::derive(secret.secret(), &scope);
                checked.verify(&key, &request.body)?;
                self.keys.insert(credential, &scope, key);
            }
        }
        let region = regions.iter().find(|served| ***served == *parsed.region());
        let region = region.map_or_else(|| Arc::from(parsed.region()), Arc::clone);
        Ok(Proved { caller: for_resource(identified.caller(), &request.head), region })
    }
}

/// A caller with what it asks for, where it is a service and says so. The fields are signed, as every `x-amz-` field is; of
/// anyone else they say nothing.
fn for_resource(caller: Arc<Caller>, head: &Parts) -> Arc<Caller> {
    let Principal::Service { id, .. } = caller.principal else { return caller };
    let text = |name: &str| {
        let text = head.headers.get(name)?.to_str().ok()?;
        Some(Arc::<str>::from(text)).filter(|text| text.len() <= limits::SOURCE_FIELD)
    };
    let Some(resource) = text("x-amz-source-arn") else { return caller };
    let on_behalf = Some(Box::new(OnBehalf { resource, account: text("x-amz-source-account") }));
    Arc::new(Caller { principal: Principal::Service { id, on_behalf }, ..(*caller).clone() })
}

/// The head of a request as its signature sees it.
fn signed_view<'a>(
    head: &'a Parts,
    fields: &'a [(&'a str, &'a [u8])],
) -> strongroom_sigv4::Request<'a, impl Iterator<Item = (&'a str, &'a [u8])> + Clone> {
    strongroom_sigv4::Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        authority: authority(head),
        headers: fields.iter().copied(),
    }
}

/// The fields in a form that can be walked more than once.
fn fields(head: &Parts) -> Vec<(&str, &[u8])> {
    head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// Where the request was sent to: `:authority` in HTTP/2, `Host` in HTTP/1.1.
fn authority(head: &Parts) -> &str {
    let host = || head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    head.uri.authority().map(|authority| authority.as_str()).or_else(host).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use strongroom_engine::operations::credential::{ChangeCredential, CreateCredential, Fate};
    use strongroom_engine::operations::role::{AssumeRole, CreateRole};
    use strongroom_engine::{RoleName, RoleRow, SecretBytes};
    use strongroom_model::clock::Timestamp;
    use strongroom_sigv4::{Credentials, sign};
    use strongroom_testkit::engine::{TestEngine, block_on, operator};

    use super::*;

    const ACCESS_KEY: &str = "AKIAEXAMPLE";
    const HOST: &str = "kms.test.example";

    fn signed(test: &TestEngine, secret: &str) -> Request {
        signed_by(test, ACCESS_KEY, secret, None)
    }

    fn signed_by(test: &TestEngine, access_key_id: &str, secret: &str, session_token: Option<&str>) -> Request {
        let secret = SecretBytes::copy_from(secret.as_bytes());
        let credentials = Credentials { access_key_id, secret_access_key: &secret, session_token };
        let headers = std::iter::empty::<(&str, &[u8])>();
        let view = strongroom_sigv4::Request { method: "POST", path: "/", query: "", authority: HOST, headers };
        let now = SigningTime::from_unix_millis(i64::try_from(test.engine.clock().now().0).unwrap());
        let signature = sign(&view, b"", &credentials, "eu-test-1", "kms", now).unwrap();
        let mut request = http::Request::post("/").header("host", HOST);
        for (name, value) in signature.iter() {
            request = request.header(name, value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Request { head, body: Vec::new().into() }
    }

    fn create(test: &TestEngine, shown: &str, expires: Option<Timestamp>) {
        let secret = SecretBytes::copy_from(b"right");
        let create =
            CreateCredential { tenant: test.tenant.id, principal: None, shown: shown.to_owned(), secret, expires };
        test.run(&operator(), create).unwrap();
    }

    fn refusal(authenticator: &Authenticator, request: &Request) -> Reason {
        let refused = block_on(authenticator.authenticate(request, &["kms"], &[Arc::from("eu-test-1")]));
        refused.err().unwrap().reason
    }

    fn told(reason: &Reason) -> [aws::Words; 2] {
        [aws::Protocol::Json, aws::Protocol::Query].map(|protocol| aws::words(reason, protocol).unwrap())
    }

    #[test]
    fn a_stranger_is_told_whether_a_live_credential_exists_and_nothing_else_of_it() {
        let test = TestEngine::new();
        let authenticator = Authenticator::new(Arc::clone(&test.engine));
        create(&test, ACCESS_KEY, None);
        create(&test, "AKIALAPSED", Some(test.engine.clock().now().after(Duration::from_secs(1))));
        create(&test, "AKIASUSPENDED", None);
        let (shown, fate) = ("AKIASUSPENDED".to_owned(), Fate::Suspended);
        test.run(&operator(), ChangeCredential { tenant: test.tenant.id, shown, fate }).unwrap();
        test.clock.pass(Duration::from_secs(2));
        let unknown = told(&Reason::UnknownCredential);
        // Twice: the second time what the first one found is cached.
        for shown in ["AKIAUNKNOWN", "AKIAUNKNOWN", "AKIALAPSED", "AKIALAPSED", "AKIASUSPENDED", "AKIASUSPENDED"] {
            for secret in ["right", "wrong"] {
                let reason = refusal(&authenticator, &signed_by(&test, shown, secret, None));
                assert_eq!(told(&reason), unknown, "{shown}");
            }
        }
        // A session token tells nothing of the credential beside it.
        for shown in [ACCESS_KEY, "AKIAUNKNOWN", "ASIAUNKNOWN"] {
            let reason = refusal(&authenticator, &signed_by(&test, shown, "right", Some("token")));
            assert_eq!(told(&reason), unknown, "{shown}");
        }
        let wrong = refusal(&authenticator, &signed(&test, "wrong"));
        assert!(matches!(wrong, Reason::Signature(SigV4Error::SignatureMismatch)));
        let mismatch = told(&wrong);
        assert_eq!(["InvalidSignatureException", "SignatureDoesNotMatch"], mismatch.map(|words| words.code));
    }

    #[test]
    fn what_is_wrong_with_a_signature_by_itself_is_told_alike_for_every_credential() {
        let test = TestEngine::new();
        let authenticator = Authenticator::new(Arc::clone(&test.engine));
        create(&test, ACCESS_KEY, None);
        let refusals = [ACCESS_KEY, "AKIAUNKNOWN"].map(|shown| {
            let late = signed_by(&test, shown, "right", None);
            let mut unsigned = signed_by(&test, shown, "right", None);
            unsigned.head.headers.insert("x-amz-security-token", http::HeaderValue::from_static("token"));
            (late, unsigned)
        });
        for (_, unsigned) in &refusals {
            let reason = refusal(&authenticator, unsigned);
            assert!(matches!(reason, Reason::Signature(SigV4Error::HeaderNotSigned { .. })), "{reason:?}");
        }
        test.clock.pass(Duration::from_secs(301));
        let late = refusals.each_ref().map(|(late, _)| told(&refusal(&authenticator, late)));
        assert_eq!(late[0], late[1]);
        assert!(late[0][0].message.starts_with("Signature expired"), "{late:?}");
    }

    #[test]
    fn a_session_token_is_bounded_and_one_that_was_not_given_out_is_refused() {
        let test = TestEngine::new();
        let authenticator = Authenticator::new(Arc::clone(&test.engine));
        let most = "t".repeat(strongroom_sigv4::limits::MAX_SESSION_TOKEN);
        let reason = refusal(&authenticator, &signed_by(&test, "ASIAEXAMPLE", "right", Some(&most)));
        assert!(matches!(reason, Reason::UnknownCredential), "{reason:?}");
        let mut longer = signed_by(&test, "ASIAEXAMPLE", "right", Some(&most));
        longer.head.headers.insert("x-amz-security-token", format!("{most}t").parse().unwrap());
        let reason = refusal(&authenticator, &longer);
        assert!(matches!(reason, Reason::Signature(SigV4Error::Malformed { .. })), "{reason:?}");
    }

    #[test]
    fn a_signing_key_is_held_once_it_has_proved_someone_and_not_before() {
        let test = TestEngine::new();
        let _alice = test.user("alice", None);
        let create = CreateCredential {
            tenant: test.tenant.id,
            principal: Some("alice".to_owned()),
            shown: ACCESS_KEY.to_owned(),
            secret: SecretBytes::copy_from(b"right"),
            expires: None,
        };
        test.run(&operator(), create).unwrap();
        let authenticator = Authenticator::new(Arc::clone(&test.engine));
        let regions = [Arc::from("eu-test-1")];
        let identified = block_on(test.engine.identify(ACCESS_KEY)).unwrap();
        let credential = identity::hexadecimal(identified.id().as_bytes());
        let credential = str::from_utf8(&credential).unwrap();
        for (secret, proves) in [("wrong", false), ("right", true), ("wrong", false), ("right", true)] {
            let request = signed(&test, secret);
            let fields = fields(&request.head);
            let view = signed_view(&request.head, &fields);
            let scope = ParsedAuthorization::parse(&view).unwrap();
            let held = || authenticator.keys.get(credential, &scope.scope()).is_some();
            let before = held();
            let proved = block_on(authenticator.authenticate(&request, &["kms"], &regions));
            assert_eq!(proved.is_ok(), proves, "{secret}");
            assert_eq!(held(), before || proves, "{secret}");
        }
    }

    /// The access key id, the secret and the token of a session of a role that trusts everyone of the account.
    fn session(test: &TestEngine, seconds: u32) -> (String, String) {
        let trust =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:*"}]}"#;
        let policy_name = "arn:aws:iam::111122223333:role/app".to_owned();
        let create = CreateRole {
            tenant: test.tenant.id,
            name: "app".to_owned(),
            policy_name: policy_name.clone(),
            unique_id: "AROAEXAMPLE".to_owned(),
            role: RoleRow::new(trust.to_owned(), 3600),
        };
        test.run(&operator(), create).unwrap();
        let assume = AssumeRole {
            role: RoleName { tenant: test.tenant.id, name: "app".to_owned(), policy_name: policy_name.into() },
            session_name: "me".to_owned(),
            session_policy_name: "arn:aws:sts::111122223333:assumed-role/app/me".to_owned(),
            seconds: Some(seconds),
            external_id: None,
            source_identity: None,
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            policies: Vec::new(),
            token: None,
            shown: "ASIAEXAMPLE".to_owned(),
            secret: SecretBytes::copy_from(b"right"),
        };
        let begun = test.run(&test.user("anna", None), assume).unwrap();
        ("ASIAEXAMPLE".to_owned(), STANDARD.encode(begun.token))
    }

    #[test]
    fn a_session_is_proved_by_its_secret_and_its_token_together_until_it_expires() {
        let test = TestEngine::new();
        let authenticator = Authenticator::new(Arc::clone(&test.engine));
        let (shown, token) = session(&test, 900);
        let regions = [Arc::from("eu-test-1")];
        for _ in 0..2 {
            let request = signed_by(&test, &shown, "right", Some(&token));
            let proved = block_on(authenticator.authenticate(&request, &["kms"], &regions)).unwrap();
            assert_eq!(&*proved.caller.policy_name, "arn:aws:sts::111122223333:assumed-role/app/me");
        }
        let wrong = refusal(&authenticator, &signed_by(&test, &shown, "wrong", Some(&token)));
        assert!(matches!(wrong, Reason::Signature(SigV4Error::SignatureMismatch)), "{wrong:?}");
        for (shown, token) in [(shown.as_str(), None), ("ASIAOTHER", Some(token.as_str())), (&shown, token.get(4..))] {
            let reason = refusal(&authenticator, &signed_by(&test, shown, "right", token));
            assert!(matches!(reason, Reason::UnknownCredential), "{reason:?}");
        }
        test.clock.pass(Duration::from_secs(900));
        let late = refusal(&authenticator, &signed_by(&test, &shown, "right", Some(&token)));
        let words = told(&late).map(|words| (words.status.as_u16(), words.code, words.message));
        let message = "The security token included in the request is expired".to_owned();
        assert_eq!(words, [(400, "ExpiredTokenException", message.clone()), (403, "ExpiredToken", message)]);
    }
}
