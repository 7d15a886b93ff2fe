//! The Resource Groups Tagging API of AWS, as far as keys have tags: `GetResources`, in JSON.
//!
//! The keys and how they are called belong to another front end, whose dialect this one is given. Facts of the protocol:
//! docs/protocols/aws-tagging.md.
//!
//! Absent on purpose: tags of anything but keys, changes of tags, and tag policies with their reports.

mod ask;
mod dialect;
mod error;
pub mod limits;
mod resources;

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderName, StatusCode};
use http_body_util::Full;
use serde_json::json;
use strongroom_authentication::{Authenticator, Origins, Proved, Reason, Refused, aws, report, request_id, user_agent};
use strongroom_engine::{Call, Dialect, Engine, EngineError, FailedAuthentication, NoAttributes};
use strongroom_http::{Peer, Request, Response};
use strongroom_model::action::Action;
use strongroom_model::caller::Source;

use crate::ask::Ask;
use crate::dialect::TaggingDialect;
use crate::error::{Answer, Fault};

/// The signing service.
const SERVICE: &str = "tagging";
/// What the target of every request begins with.
const TARGET_PREFIX: &str = "ResourceGroupsTaggingAPI_20170126.";
const OPERATION: &str = "GetResources";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

static DIALECT: TaggingDialect = TaggingDialect;

/// The keys of a front end, as resources.
#[derive(Clone, Copy)]
pub struct Keys {
    /// Their type as AWS has it, e.g. `kms:key`.
    pub resource_type: &'static str,
    /// How they are called.
    pub dialect: &'static dyn Dialect,
}

/// The front end.
pub struct Tagging {
    engine: Arc<Engine>,
    authenticator: Authenticator,
    keys: Keys,
    origins: Origins,
}

impl Tagging {
    /// The front end over an engine and what it has keys of.
    #[must_use]
    pub fn new(engine: Arc<Engine>, keys: Keys) -> Self {
        let authenticator = Authenticator::new(Arc::clone(&engine));
        Self { engine, authenticator, keys, origins: Origins::default() }
    }

    /// Whether a request is the tagging API's, as far as its head tells.
    #[must_use]
    pub fn owns(head: &Parts) -> bool {
        target(head).is_some_and(|target| target.starts_with(TARGET_PREFIX))
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
            Ok(body) => (StatusCode::OK, body),
            Err(Answer { status, code, message }) => {
                (status, json!({ "__type": code, "Message": message }).to_string().into_bytes())
            }
        };
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, JSON);
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
    ) -> Result<Vec<u8>, Answer> {
        let head = &request.head;
        let source = self.origins.source(peer, &head.headers);
        let known = target(head).and_then(|target| target.strip_prefix(TARGET_PREFIX)) == Some(OPERATION);
        let operation = if known { OPERATION } else { "UnknownOperation" };
        let user_agent = user_agent(&head.headers);
        let Proved { caller, region } = match self.authenticator.authenticate(request, &[SERVICE], regions).await {
            Ok(proved) => proved,
            Err(refused) => return Err(self.unproved(refused, source, request_id, user_agent, operation).await),
        };
        let call = || Call {
            caller: Arc::clone(&caller),
            dialect: &DIALECT,
            source: Arc::clone(&source),
            request_id: request_id.into(),
            region: Arc::clone(&region),
            operation,
            user_agent: user_agent.into(),
            detail: Vec::new(),
            attributes: Arc::new(NoAttributes),
            grant_tokens: Vec::new(),
        };
        let answered = match known {
            true => match Ask::read(&request.body) {
                Ok(ask) => self.resources(call(), ask).await,
                Err(own) => Err(own.into()),
            },
            false => Err(Answer::refusal("UnknownOperationException", "There is no such operation here.").into()),
        };
        let own = match answered {
            Ok(body) => return Ok(body),
            Err(Fault::Engine(error)) => return Err(worded(&error, operation, request_id)),
            Err(Fault::Own(own)) => own,
        };
        let action = if known { Action::ListTaggedKeys } else { Action::Authenticate };
        let recorded = self.engine.record_refused(&call(), action, own.code, &own.message).await;
        Err(recorded.err().map_or(own, |error| worded(&error, operation, request_id)))
    }

    /// Answers a caller that was not proved, once that is recorded.
    async fn unproved(
        &self,
        refused: Refused,
        source: Arc<Source>,
        request_id: &str,
        user_agent: &str,
        operation: &'static str,
    ) -> Answer {
        let own = match (aws::words(&refused.reason, aws::Protocol::Json), &refused.reason) {
            (Some(words), _) => Answer { status: words.status, code: words.code, message: words.message },
            (None, Reason::Engine(error)) => worded(error, operation, request_id),
            (None, _) => Answer::refusal("AccessDeniedException", "The caller is not known."),
        };
        let failed = FailedAuthentication {
            dialect: &DIALECT,
            source,
            request_id: request_id.into(),
            user_agent: user_agent.into(),
            shown: refused.shown,
            operation,
            reason: own.code,
            message: own.message.as_str().into(),
        };
        self.engine.record_failed_authentication(failed).await;
        own
    }
}

/// An engine's error for its caller, once the operators were told what only they may know.
fn worded(error: &EngineError, operation: &'static str, request_id: &str) -> Answer {
    report(error, DIALECT.front_end(), operation, request_id);
    error::answer(error)
}

fn target(head: &Parts) -> Option<&str> {
    head.headers.get(TARGET).and_then(|target| target.to_str().ok())
}
