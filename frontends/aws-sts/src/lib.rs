//! AWS STS, as far as callers need it to learn who they are: `GetCallerIdentity`, by form or by query, with XML replies.
//!
//! Absent on purpose (yet): roles, federation and session keys.

mod dialect;
mod form;
pub mod limits;
mod xml;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use strongroom_authentication::{Authenticator, Origins, Reason, Refused, aws, report, request_id, user_agent};
use strongroom_engine::operations::inspect::WhoAmI;
use strongroom_engine::{Call, Dialect as _, Engine, EngineError, FailedAuthentication, Mode, NoAttributes};
use strongroom_http::{Peer, Request, Response};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal, Source};

use crate::dialect::StsDialect;

/// The signing service.
const SERVICE: &str = "sts";
const VERSION: &str = "2011-06-15";
const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const XML: HeaderValue = HeaderValue::from_static("text/xml");

static DIALECT: StsDialect = StsDialect;

/// The front end.
pub struct Sts {
    engine: Arc<Engine>,
    authenticator: Authenticator,
    origins: Origins,
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
}

impl Sts {
    /// The front end over an engine.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { authenticator: Authenticator::new(Arc::clone(&engine)), engine, origins: Origins::default() }
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
            Method::GET => head.uri.query().is_some_and(|query| form::value(query, "Action").is_some()),
            _ => false,
        }
    }

    /// Bytes that the body of a request may have. For a listener's [`strongroom_http::App::admit`].
    #[must_use]
    pub fn max_body_bytes(head: &Parts) -> usize {
        if Self::owns(head) { limits::BODY_BYTES } else { 0 }
    }

    /// Answers a request, signed for one of `regions`.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request, regions: &[Arc<str>]) -> Response {
        let id = request_id(&self.engine);
        let (status, body) = match self.answer(peer, &request, regions, &id).await {
            Ok(caller) => (StatusCode::OK, xml::identity(&caller.account, &caller.policy_name, user_id(&caller), &id)),
            Err(answer) => (answer.status, xml::error(answer.status, answer.code, &answer.message, &id)),
        };
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, XML);
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
    ) -> Result<Arc<Caller>, Answer> {
        let head = &request.head;
        let source = self.origins.source(peer, &head.headers);
        let proved = match self.authenticator.authenticate(request, &[SERVICE], regions).await {
            Ok(proved) => proved,
            Err(refused) => return Err(self.unproved(refused, source, request_id, user_agent(&head.headers)).await),
        };
        let operation = operation(request);
        let call = Call {
            caller: proved.caller,
            dialect: &DIALECT,
            source,
            request_id: request_id.into(),
            region: proved.region,
            operation: if operation.is_ok() { GET_CALLER_IDENTITY } else { "UnknownOperation" },
            user_agent: user_agent(&head.headers).into(),
            detail: Vec::new(),
            attributes: Arc::new(NoAttributes),
            grant_tokens: Vec::new(),
        };
        match operation {
            Ok(()) => self.engine.perform(call, WhoAmI, Mode::Run).await.map_err(|error| worded(&error, request_id)),
            Err(own) => {
                let recorded = self.engine.record_refused(&call, Action::Authenticate, own.code, &own.message).await;
                Err(recorded.err().map_or(own, |error| worded(&error, request_id)))
            }
        }
    }

    /// Answers a caller that was not proved, once that is recorded.
    async fn unproved(&self, refused: Refused, source: Arc<Source>, request_id: &str, user_agent: &str) -> Answer {
        let own = match (aws::words(&refused.reason, aws::Protocol::Query), &refused.reason) {
            (Some(words), _) => Answer { status: words.status, code: words.code, message: words.message },
            (None, Reason::Engine(error)) => worded(error, request_id),
            (None, _) => Answer::refusal("AccessDenied", ""),
        };
        let failed = FailedAuthentication {
            dialect: &DIALECT,
            source,
            request_id: request_id.into(),
            user_agent: user_agent.into(),
            shown: refused.shown,
            operation: "",
            reason: own.code,
            message: own.message.as_str().into(),
        };
        self.engine.record_failed_authentication(failed).await;
        own
    }
}

/// That the request is for the one operation there is, from its query or its form.
fn operation(request: &Request) -> Result<(), Answer> {
    let form = str::from_utf8(&request.body).unwrap_or_default();
    let query = request.head.uri.query().unwrap_or_default();
    let parameter = |name| form::value(query, name).or_else(|| form::value(form, name));
    let (action, version) = (parameter("Action").unwrap_or_default(), parameter("Version").unwrap_or_default());
    match action == GET_CALLER_IDENTITY && version == VERSION {
        true => Ok(()),
        false => {
            let problem = format!("Could not find operation {action} for version {version}");
            Err(Answer::refusal("InvalidAction", problem))
        }
    }
}

fn user_id(caller: &Caller) -> &str {
    match &caller.principal {
        Principal::User { unique_id, .. } => unique_id,
        Principal::Session(session) => &session.unique_id,
        Principal::TenantRoot | Principal::Operator { .. } | Principal::Service | Principal::Internal { .. } => {
            &caller.account
        }
    }
}

/// An engine's error as STS answers it. Who asks after itself is denied nothing, so few can happen.
fn worded(error: &EngineError, request_id: &str) -> Answer {
    report(error, DIALECT.front_end(), GET_CALLER_IDENTITY, request_id);
    let (code, status) = dialect::code(error);
    Answer { status, code, message: error.to_string() }
}
