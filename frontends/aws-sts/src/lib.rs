//! AWS STS: who a caller is, and sessions of roles, by form or by query, with XML replies.
//!
//! A session is begun by a signed request (`AssumeRole`), or by an unsigned one with the token of an OpenID Connect issuer
//! that the role's tenant trusts (`AssumeRoleWithWebIdentity`), so that programs need no stored secret. Facts of the
//! protocol: docs/protocols/aws-sts.md.
//!
//! Absent on purpose: managed policies, multi-factor codes, SAML, and sessions of users (`GetSessionToken`,
//! `GetFederationToken`).

mod ask;
mod dialect;
mod form;
pub mod limits;
mod token;
mod xml;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use http_body_util::Full;
use strongroom_authentication::{Authenticator, Origins, Reason, Refused, aws, mint, report, request_id, user_agent};
use strongroom_engine::operations::inspect::WhoAmI;
use strongroom_engine::operations::role::AssumeRole;
use strongroom_engine::{
    Call, Dialect as _, Engine, EngineError, FailedAuthentication, InputFault, Mode, NoAttributes, Quota, RoleName,
    SecretBytes, SessionLimit,
};
use strongroom_http::{Peer, Request, Response};
use strongroom_identity::{Fetcher, Tokens};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal, Source};
use strongroom_model::id::TenantId;
use tokio::sync::Semaphore;

use crate::ask::{Ask, validation};
use crate::dialect::StsDialect;
use crate::form::Form;
use crate::token::Bearer;

/// The signing service.
const SERVICE: &str = "sts";
const VERSION: &str = "2011-06-15";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

static DIALECT: StsDialect = StsDialect;

/// The front end.
pub struct Sts {
    engine: Arc<Engine>,
    authenticator: Authenticator,
    origins: Origins,
    tokens: Arc<Tokens>,
    web_identities: Semaphore,
}

/// What a caller is told.
struct Answer {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Answer {
    fn refusal(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into() }
    }

    fn denied(message: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "AccessDenied", message: message.into() }
    }
}

/// A body on its way. One of them holds a new secret, so all of them are erased once they were sent.
struct Body(SecretBytes);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

fn plain(body: String) -> SecretBytes {
    SecretBytes::take(body.into_bytes())
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    GetCallerIdentity,
    AssumeRole,
    AssumeRoleWithWebIdentity,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::GetCallerIdentity => "GetCallerIdentity",
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
        }
    }

    fn read(form: &Form<'_>) -> Result<Self, Answer> {
        let (action, version) = [form.value("Action"), form.value("Version")].map(Option::unwrap_or_default).into();
        let known = [Self::GetCallerIdentity, Self::AssumeRole, Self::AssumeRoleWithWebIdentity];
        let found = known.into_iter().find(|known| known.name() == action && version == VERSION);
        found.ok_or_else(|| {
            Answer::refusal("InvalidAction", format!("Could not find operation {action} for version {version}"))
        })
    }
}

/// One request, as far as every operation needs it.
struct Context<'a> {
    head: &'a Parts,
    form: &'a Form<'a>,
    source: Arc<Source>,
    request_id: &'a str,
}

impl Sts {
    /// The front end over an engine. The keys of issuers must be given: none is asked for them.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            authenticator: Authenticator::new(Arc::clone(&engine)),
            engine,
            origins: Origins::default(),
            tokens: Arc::new(Tokens::new(Fetcher::new([], b""))),
            web_identities: Semaphore::new(limits::WEB_IDENTITIES),
        }
    }

    /// With a verifier of tokens that may ask issuers for their keys.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<Tokens>) -> Self {
        Self { tokens, ..self }
    }

    /// Whether a request is STS's, as far as its head tells: signed for it, or a form or query of its kind.
    #[must_use]
    pub fn owns(head: &Parts) -> bool {
        if head.uri.path() != "/" {
            return false;
        }
        let field =
            |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        if field("authorization").contains("/sts/aws4_request") {
            return true;
        }
        match head.method {
            Method::POST => field("content-type").starts_with("application/x-www-form-urlencoded"),
            Method::GET => {
                head.uri.query().and_then(|query| Form::read(query, "")).is_some_and(|form| form.has("Action"))
            }
            _ => false,
        }
    }

    /// Bytes that the body of a request may have. For a listener's [`strongroom_http::App::admit`].
    #[must_use]
    pub fn max_body_bytes(head: &Parts) -> usize {
        if Self::owns(head) { limits::BODY_BYTES } else { 0 }
    }

    /// Answers a request, signed for one of `regions` where it is signed.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request, regions: &[Arc<str>]) -> Response {
        let id = request_id(&self.engine);
        let (status, body) = match self.answer(peer, &request, regions, &id).await {
            Ok(body) => (StatusCode::OK, body),
            Err(answer) => (answer.status, plain(xml::error(answer.status, answer.code, &answer.message, &id))),
        };
        let mut response = Response::new(Full::new(Bytes::from_owner(Body(body))));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, XML);
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    async fn answer(
        &self,
        peer: &Arc<Peer>,
        request: &Request,
        regions: &[Arc<str>],
        request_id: &str,
    ) -> Result<SecretBytes, Answer> {
        let head = &request.head;
        let body = str::from_utf8(&request.body).unwrap_or_default();
        let form = Form::read(head.uri.query().unwrap_or_default(), body);
        let form = form.ok_or_else(|| Answer::refusal("MalformedQueryString", "The request is no form"));
        let operation = form.as_ref().map_or(None, |form| Operation::read(form).ok());
        let source = self.origins.source(peer, &head.headers);
        if let (Some(Operation::AssumeRoleWithWebIdentity), Ok(form)) = (operation, &form) {
            let region = regions.first().map_or_else(|| Arc::from(""), Arc::clone);
            return self.by_token(&Context { head, form, source, request_id }, region).await;
        }
        let proved = match self.authenticator.authenticate(request, &[SERVICE], regions).await {
            Ok(proved) => proved,
            Err(refused) => return Err(self.unproved(refused, source, request_id, user_agent(&head.headers)).await),
        };
        let form = match &form {
            Ok(form) => form,
            Err(_) => &Form::default(),
        };
        let context = Context { head, form, source, request_id };
        let call = self.call(&context, proved.caller, operation, proved.region);
        match Operation::read(form) {
            Ok(Operation::AssumeRole) => self.assume_role(&context, call).await,
            Ok(operation) => {
                let caller = self.engine.perform(call, WhoAmI, Mode::Run).await;
                let caller = caller.map_err(|error| worded(&error, operation.name(), request_id))?;
                Ok(plain(xml::identity(&caller.account, &caller.policy_name, user_id(&caller), request_id)))
            }
            Err(own) => Err(self.refuse(&call, Action::Authenticate, own, request_id).await),
        }
    }

    fn call(&self, context: &Context<'_>, caller: Arc<Caller>, operation: Option<Operation>, region: Arc<str>) -> Call {
        Call {
            caller,
            dialect: &DIALECT,
            source: Arc::clone(&context.source),
            request_id: context.request_id.into(),
            region,
            operation: operation.map_or("UnknownOperation", Operation::name),
            user_agent: user_agent(&context.head.headers).into(),
            detail: Vec::new(),
            attributes: Arc::new(NoAttributes),
            grant_tokens: Vec::new(),
        }
    }

    /// Begins a session for a caller who signed.
    async fn assume_role(&self, context: &Context<'_>, call: Call) -> Result<SecretBytes, Answer> {
        let asked = Ask::read(context.form, false).and_then(|ask| match call.caller.principal {
            Principal::TenantRoot => Err(Answer::denied("Roles may not be assumed by root accounts.")),
            _ => Ok(ask),
        });
        let ask = match asked {
            Ok(ask) => ask,
            Err(own) => return Err(self.refuse(&call, Action::AssumeRole, own, context.request_id).await),
        };
        // An account that is not there has no roles, and neither has the installation.
        let tenant = match self.engine.tenant_of_account(ask.role.account).await {
            Err(EngineError::NotFound(_)) => Ok(TenantId::INSTALLATION),
            found => found.map_err(|error| worded(&error, call.operation, context.request_id)),
        };
        let (tags, kept) = (ask.tags.clone(), ask.transitive_tag_keys.clone());
        let source_identity = ask.source_identity.map(str::to_owned);
        self.begin(call, &ask, tenant?, None, (tags, kept, source_identity)).await
    }

    /// Begins a session for whoever brings an issuer's token.
    async fn by_token(&self, context: &Context<'_>, region: Arc<str>) -> Result<SecretBytes, Answer> {
        let operation = Operation::AssumeRoleWithWebIdentity;
        let proved = async {
            let ask = Ask::read(context.form, true)?;
            let bearer = self.bearer(&ask, context.request_id).await?;
            Ok((ask, bearer))
        };
        let (ask, mut bearer) = match proved.await {
            Ok(proved) => proved,
            Err(own) => return Err(self.failed(own, operation.name(), context).await),
        };
        let caller = Caller {
            tenant: bearer.tenant,
            account: ask.role.account.into(),
            policy_name: bearer.provider.as_str().into(),
            principal: Principal::WebIdentity { subject: bearer.token.subject.as_str().into() },
            credential: None,
        };
        let call = self.call(context, Arc::new(caller), Some(operation), region);
        let tags = (
            std::mem::take(&mut bearer.tags),
            std::mem::take(&mut bearer.transitive_tag_keys),
            bearer.source_identity.take(),
        );
        self.begin(call, &ask, bearer.tenant, Some(bearer), tags).await
    }

    /// Begins a session, and answers its credentials.
    async fn begin(
        &self,
        mut call: Call,
        ask: &Ask<'_>,
        tenant: TenantId,
        bearer: Option<Bearer>,
        (tags, transitive_tag_keys, source_identity): (Vec<(String, String)>, Vec<String>, Option<String>),
    ) -> Result<SecretBytes, Answer> {
        let (operation, id) = (call.operation, call.request_id.clone());
        let told = |error: &EngineError| worded(error, operation, &id);
        let reserved = |key: &str| key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
        if let Some((key, _)) = tags.iter().find(|(key, _)| reserved(key)) {
            return Err(validation(format!("Tag keys that begin with aws: are reserved: {key}")));
        }
        let role = &ask.role;
        let arn =
            format!("arn:{}:sts::{}:assumed-role/{}/{}", role.partition, role.account, role.name, ask.session_name);
        let shown = mint::unique(&self.engine, "ASIA").map_err(|error| told(&error))?;
        let secret = mint::secret_access_key(&self.engine).map_err(|error| told(&error))?;
        // The engine seals the secret; what is shown once is this copy.
        let shown_once = SecretBytes::copy_from(secret.expose());
        call.detail.push(("roleArn", role.arn.to_owned()));
        call.detail.push(("roleSessionName", ask.session_name.to_owned()));
        call.detail.extend(ask.seconds.map(|seconds| ("durationSeconds", seconds.to_string())));
        call.detail.extend(ask.policy.map(|policy| ("policy", policy.to_owned())));
        call.detail.push(("accessKeyId", shown.clone()));
        let shown_of = bearer.as_ref().map(|bearer| {
            let audience = xml::element("Audience", &bearer.audience);
            let subject = xml::element("SubjectFromWebIdentityToken", &bearer.token.subject);
            [subject, audience, xml::element("Provider", &bearer.provider)].concat()
        });
        let has_packed = ask.policy.is_some() || !tags.is_empty();
        let assume = AssumeRole {
            role: RoleName { tenant, name: role.name.to_owned(), policy_name: role.arn.into() },
            session_name: ask.session_name.to_owned(),
            session_policy_name: arn.clone(),
            seconds: ask.seconds,
            external_id: ask.external_id.map(str::to_owned),
            source_identity,
            tags,
            transitive_tag_keys,
            policies: ask.policy.map(str::to_owned).into_iter().collect(),
            token: bearer.map(|bearer| bearer.token),
            shown: shown.clone(),
            secret,
        };
        let begun = self.engine.perform(call, assume, Mode::Run).await.map_err(|error| told(&error))?;
        let mut fields = xml::credentials(&shown, &STANDARD.encode(&begun.token), begun.expires);
        fields.push_str(&xml::assumed(&begun.unique_id, &arn));
        fields.push_str(&shown_of.unwrap_or_default());
        if has_packed {
            fields.push_str(&xml::element("PackedPolicySize", &begun.packed_percent.to_string()));
        }
        if let Some(source_identity) = &begun.source_identity {
            fields.push_str(&xml::element("SourceIdentity", source_identity));
        }
        let reply = xml::reply(operation, &fields, &id);
        Ok(SecretBytes::take(xml::with_secret(&reply, shown_once.expose())))
    }

    /// Refuses a request of a proved caller that no operation could be made of, once that is recorded.
    async fn refuse(&self, call: &Call, action: Action, own: Answer, request_id: &str) -> Answer {
        let recorded = self.engine.record_refused(call, action, own.code, &own.message).await;
        recorded.err().map_or(own, |error| worded(&error, call.operation, request_id))
    }

    /// Answers a caller whose signature proved nobody, once that is recorded.
    async fn unproved(&self, refused: Refused, source: Arc<Source>, request_id: &str, user_agent: &str) -> Answer {
        let own = match (aws::words(&refused.reason, aws::Protocol::Query), &refused.reason) {
            (Some(words), _) => Answer { status: words.status, code: words.code, message: words.message },
            (None, Reason::Engine(error)) => worded(error, "", request_id),
            (None, _) => Answer::denied(""),
        };
        self.record_failed(&own, refused.shown, "", source, request_id, user_agent).await;
        own
    }

    /// Answers a caller whose token proved nobody, once that is recorded.
    async fn failed(&self, own: Answer, operation: &'static str, context: &Context<'_>) -> Answer {
        let (source, agent) = (Arc::clone(&context.source), user_agent(&context.head.headers));
        self.record_failed(&own, Box::from(""), operation, source, context.request_id, agent).await;
        own
    }

    async fn record_failed(
        &self,
        own: &Answer,
        shown: Box<str>,
        operation: &'static str,
        source: Arc<Source>,
        request_id: &str,
        user_agent: &str,
    ) {
        let failed = FailedAuthentication {
            dialect: &DIALECT,
            source,
            request_id: request_id.into(),
            user_agent: user_agent.into(),
            shown,
            operation,
            reason: own.code,
            message: own.message.as_str().into(),
        };
        self.engine.record_failed_authentication(failed).await;
    }
}

fn user_id(caller: &Caller) -> &str {
    match &caller.principal {
        Principal::User { unique_id, .. } => unique_id,
        Principal::Session(session) => &session.unique_id,
        Principal::TenantRoot
        | Principal::WebIdentity { .. }
        | Principal::Operator { .. }
        | Principal::Service { .. }
        | Principal::Internal { .. } => &caller.account,
    }
}

/// An engine's error as STS answers it.
fn worded(error: &EngineError, operation: &'static str, request_id: &str) -> Answer {
    report(error, DIALECT.front_end(), operation, request_id);
    let (code, status) = dialect::code(error);
    Answer { status, code, message: message(error) }
}

/// What an engine's error says in STS's words.
fn message(error: &EngineError) -> String {
    match error {
        // Nothing of a role is told to whoever may not assume it, not even whether there is one.
        EngineError::Denied(denial) if denial.action == "sts:AssumeRoleWithWebIdentity" => {
            "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned()
        }
        EngineError::Denied(denial) => {
            let (principal, action, resource) = (&denial.principal, denial.action, &denial.resource);
            format!("User: {principal} is not authorized to perform: {action} on resource: {resource}")
        }
        EngineError::SessionExpired => aws::EXPIRED.to_owned(),
        EngineError::NotFound(_) => aws::UNKNOWN.to_owned(),
        EngineError::InvalidPolicy(fault) => fault.aws_message(strongroom_engine::Kind::Identity),
        EngineError::InvalidInput(InputFault::SessionTooLong(SessionLimit::Role)) => {
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned()
        }
        EngineError::InvalidInput(InputFault::SessionTooLong(SessionLimit::Chained)) => {
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                .to_owned()
        }
        EngineError::InvalidInput(InputFault::DuplicateTags) => {
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned()
        }
        EngineError::LimitExceeded(Quota::SessionToken) => {
            "Packed policy consumes more than 100% of allotted space, please use smaller policy.".to_owned()
        }
        EngineError::LimitExceeded(Quota::Tags) => validation("too many tags").message,
        other => other.to_string(),
    }
}
