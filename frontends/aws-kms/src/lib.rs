//! AWS KMS: its JSON API over the engine.
//!
//! [`Kms::handle`] proves the caller, reads the request, fills one of the engine's operations and answers in AWS's words.
//! Facts of the protocol: docs/protocols/aws-kms.md. What is decided, recorded and encrypted, the engine decides, records and
//! encrypts.
//!
//! Absent on purpose: attested recipients, which are refused as unsupported.

mod attributes;
mod check;
mod context;
mod dialect;
mod error;
pub mod limits;
mod names;
mod operations;
mod paging;
mod wire;
mod words;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use strongroom_authentication::{Authenticator, Origins, Proved, Reason, Refused, aws, report, request_id, user_agent};
use strongroom_engine::{Dialect as _, Engine, EngineError, FailedAuthentication, Noun, Unavailable};
use strongroom_http::{Peer, Request, Response};
use strongroom_model::caller::Source;

pub use crate::dialect::{ALIAS, KEY_ID, KmsDialect, dialect};
pub use crate::operations::key_stores::{Cluster, is_cluster_id};

use crate::attributes::Carried;
use crate::context::Context;
use crate::error::{Answer, Fault, answer};
use crate::operations::Operation;
use crate::wire::Json;

/// The signing service.
const SERVICE: &str = "kms";
/// What the target of every request begins with.
const TARGET_PREFIX: &str = "TrentService.";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The front end.
pub struct Kms {
    engine: Arc<Engine>,
    authenticator: Authenticator,
    dialect: &'static KmsDialect,
    origins: Origins,
    regions: Vec<Arc<str>>,
    clusters: Vec<Cluster>,
}

impl Kms {
    /// The front end over an engine. `partition` is the first word after `arn:`, such as `aws`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, partition: &str) -> Self {
        let (dialect, origins) = (dialect(partition), Origins::default());
        let (regions, clusters) = (Vec::new(), Vec::new());
        Self { authenticator: Authenticator::new(Arc::clone(&engine)), engine, dialect, origins, regions, clusters }
    }

    /// The regions that the installation's listeners serve together: those in which a key may have replicas.
    #[must_use]
    pub fn with_regions(mut self, regions: Vec<Arc<str>>) -> Self {
        self.regions = regions;
        self
    }

    /// The key stores that custom key stores may be on.
    #[must_use]
    pub fn with_clusters(mut self, clusters: Vec<Cluster>) -> Self {
        self.clusters = clusters;
        self
    }

    /// How it names things.
    #[must_use]
    pub const fn dialect(&self) -> &'static KmsDialect {
        self.dialect
    }

    /// Whether a request is KMS's, as far as its head tells: by its target, or signed for KMS whatever its target.
    #[must_use]
    pub fn owns(head: &Parts) -> bool {
        let signed = || head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        target(head).is_some_and(|target| target.starts_with(TARGET_PREFIX))
            || (head.uri.path() == "/" && signed().is_some_and(|signed| signed.contains("/kms/aws4_request")))
    }

    /// Bytes that the body of a request may have. For a listener's [`strongroom_http::App::admit`].
    #[must_use]
    pub fn max_body_bytes(head: &Parts) -> usize {
        if Self::owns(head) { limits::BODY_BYTES } else { 0 }
    }

    /// Answers a request, signed for one of `regions`.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request, regions: &[Arc<str>]) -> Response {
        let id = request_id(&self.engine);
        match self.answer(peer, &request, regions, &id).await {
            Ok(body) => respond(StatusCode::OK, &id, body),
            Err(answer) => {
                let mut json = Json::new();
                json.text("__type", answer.code).text_if("message", answer.message.as_deref());
                respond(answer.status, &id, json.finish())
            }
        }
    }

    /// The answer to one request too many at once, of which nothing has been looked at.
    #[must_use]
    pub fn overloaded(&self) -> Response {
        let answer = answer(&EngineError::Unavailable(Unavailable::Busy), Operation::from_name(""));
        let mut json = Json::new();
        json.text("__type", answer.code).text_if("message", answer.message.as_deref());
        respond(answer.status, &request_id(&self.engine), json.finish())
    }

    async fn answer(
        &self,
        peer: &Arc<Peer>,
        request: &Request,
        regions: &[Arc<str>],
        request_id: &str,
    ) -> Result<Bytes, Answer> {
        let head = &request.head;
        let operation = target(head).and_then(|target| target.strip_prefix(TARGET_PREFIX)).unwrap_or_default();
        let operation = Operation::from_name(operation);
        let source = self.origins.source(peer, &head.headers);
        let user_agent = user_agent(&head.headers);
        let Proved { caller, region } = match self.authenticator.authenticate(request, &[SERVICE], regions).await {
            Ok(proved) => proved,
            Err(refused) => return Err(self.unproved(refused, source, request_id, user_agent, operation).await),
        };
        let (engine, dialect) = (&self.engine, self.dialect);
        let (regions, clusters) = (&self.regions, &self.clusters);
        let context =
            Context { engine, dialect, caller, region, regions, clusters, source, request_id, user_agent, operation };
        match operation.run(&context, &request.body).await {
            Ok(body) => Ok(body),
            Err(Fault::Engine(error)) => Err(worded(&context, &error)),
            Err(Fault::Own(own)) => {
                let call = context.call(Carried::default(), Vec::new());
                let message = own.message.as_deref().unwrap_or_default();
                let recorded = self.engine.record_refused(&call, operation.action(), own.code, message).await;
                Err(recorded.err().map_or(own, |error| worded(&context, &error)))
            }
        }
    }

    /// Answers a caller that was not proved, once that is recorded.
    async fn unproved(
        &self,
        refused: Refused,
        source: Arc<Source>,
        request_id: &str,
        user_agent: &str,
        operation: Operation,
    ) -> Answer {
        let own = match (aws::words(&refused.reason, aws::Protocol::Json), &refused.reason) {
            (Some(words), _) => Answer { status: words.status, code: words.code, message: Some(words.message) },
            (None, Reason::Engine(error)) => {
                report(error, self.dialect.front_end(), operation.name(), request_id);
                answer(error, operation)
            }
            (None, _) => Answer { status: StatusCode::BAD_REQUEST, code: "AccessDeniedException", message: None },
        };
        let failed = FailedAuthentication {
            dialect: self.dialect,
            source,
            request_id: request_id.into(),
            user_agent: user_agent.into(),
            shown: refused.shown,
            operation: operation.name(),
            reason: own.code,
            message: own.message.as_deref().unwrap_or_default().into(),
        };
        self.engine.record_failed_authentication(failed).await;
        own
    }
}

/// An engine's error for its caller: of another account's keys it is told nothing.
fn worded(context: &Context<'_>, error: &EngineError) -> Answer {
    if let EngineError::NotFound(Noun::Name(name)) = error
        && name.split(':').nth(4).is_some_and(|account| *account != *context.caller.account)
        && let Fault::Own(hidden) = context.hidden()
    {
        return hidden;
    }
    context.worded(error)
}

fn target(head: &Parts) -> Option<&str> {
    head.headers.get(TARGET).and_then(|target| target.to_str().ok())
}

fn respond(status: StatusCode, request_id: &str, body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
