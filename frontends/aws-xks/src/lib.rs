//! The XKS proxy API 1.0.3: AWS KMS calls for every use of a key that it does not hold.
//!
//! [`Xks::handle`] proves the key store by its credential, checks that the path is its own, reads the request, fills one of
//! the engine's operations and answers in the specification's words. Facts of the protocol: docs/protocols/aws-xks.md. A key
//! store is a service of a tenant ([`strongroom_engine::operations::service`]), an external key a binding to it.
//!
//! Absent on purpose: the making of keys, which the API does not have either, and any trust in what a request says of its
//! origin beyond that of the credential that brought it.

mod claims;
mod dialect;
mod error;
mod health;
pub mod limits;
mod operations;
mod path;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use strongroom_authentication::{Authenticator, Origins, Proved, Reason, Refused, aws, report, request_id, user_agent};
use strongroom_engine::{Dialect as _, Engine, EngineError, FailedAuthentication, PrincipalEntry, Unavailable};
use strongroom_http::{Peer, Refusal, Request, Response, empty};
use strongroom_model::caller::Source;
use strongroom_services::{Counts, Named as _};
use tokio::time::{Instant, timeout_at};

pub use strongroom_services::external_key_name;

pub use crate::dialect::{EXTERNAL_KEY, XksDialect, dialect};

use crate::error::{Fault, Kind};
use crate::health::Health;
use crate::operations::Context;
use crate::path::{Operation, Target};

/// The signing service.
const SERVICE: &str = "kms-xks-proxy";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const POST: HeaderValue = HeaderValue::from_static("POST");

/// The front end.
pub struct Xks {
    engine: Arc<Engine>,
    authenticator: Authenticator,
    dialect: &'static XksDialect,
    origins: Origins,
    health: Health,
    counts: Counts<Operation, Kind>,
    /// Time for a request in all.
    deadline: Duration,
}

/// Where a request came from, and what it is called.
struct Arrival<'a> {
    source: Arc<Source>,
    request_id: &'a str,
    user_agent: &'a str,
}

impl Xks {
    /// The front end over an engine, in a language that is handed in.
    #[must_use]
    pub fn new(engine: Arc<Engine>, dialect: &'static XksDialect) -> Self {
        Self {
            authenticator: Authenticator::new(Arc::clone(&engine)),
            origins: Origins::default(),
            health: Health::default(),
            counts: Counts::default(),
            deadline: limits::DEADLINE,
            engine,
            dialect,
        }
    }

    /// With another time for a request in all, where nobody gives up as early as KMS does.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Whether a request is the API's, as far as its head tells.
    #[must_use]
    pub fn owns(head: &Parts) -> bool {
        path::is_ours(head.uri.path())
    }

    /// Bytes that the body of a request may have. For a listener's [`strongroom_http::App::admit`].
    #[must_use]
    pub fn max_body_bytes(head: &Parts) -> usize {
        if head.method == Method::POST && path::target(head.uri.path()).is_some() { limits::BODY_BYTES } else { 0 }
    }

    /// Tells how often each call ended in what: the call, how it ended, how often.
    pub fn measure(&self, tell: &mut dyn FnMut(&str, &str, u64)) {
        self.counts.tell(tell);
    }

    /// Answers a request, signed for one of `regions`.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request, regions: &[Arc<str>]) -> Response {
        let deadline = Instant::now() + self.deadline;
        let id = request_id(&self.engine);
        let head = &request.head;
        let target = path::target(head.uri.path()).filter(|_| head.uri.query().is_none());
        let operation = target.as_ref().map(|target| target.operation);
        let answered = match target {
            Some(_) if head.method != Method::POST => return not_allowed(),
            Some(target) => self.answer(peer, &request, regions, target, &id, deadline).await,
            None => Err(nowhere()),
        };
        self.counts.count(operation, answered.as_ref().err().map(|fault| fault.kind));
        respond(answered, &id)
    }

    /// The answer to one request too many at once, of which nothing has been looked at.
    #[must_use]
    pub fn overloaded(&self, head: &Parts) -> Response {
        let fault = Fault::from(&EngineError::Unavailable(Unavailable::Busy));
        self.counts.count(path::target(head.uri.path()).map(|target| target.operation), Some(fault.kind));
        respond(Err(fault), &request_id(&self.engine))
    }

    /// The answer to a request that the listener refuses before anyone looks at it.
    #[must_use]
    pub fn refuse(&self, head: &Parts, refusal: Refusal) -> Response {
        let target = path::target(head.uri.path());
        if target.is_some() && head.method != Method::POST {
            return not_allowed();
        }
        let fault = match refusal {
            Refusal::BodyTooLarge { limit: 0 } => nowhere(),
            Refusal::BodyTooLarge { limit } => {
                Fault::new(Kind::UnsupportedOperation, format!("the body has more than {limit} bytes"))
            }
            Refusal::TargetTooLong => nowhere(),
            Refusal::Overloaded => Fault::from(&EngineError::Unavailable(Unavailable::Busy)),
            Refusal::TooManyHeaders | Refusal::BodyTimedOut | Refusal::BodyBroken => {
                Fault::new(Kind::Validation, "the request did not arrive whole")
            }
        };
        self.counts.count(target.map(|target| target.operation), Some(fault.kind));
        respond(Err(fault), &request_id(&self.engine))
    }

    async fn answer(
        &self,
        peer: &Arc<Peer>,
        request: &Request,
        regions: &[Arc<str>],
        target: Target<'_>,
        request_id: &str,
        deadline: Instant,
    ) -> Result<Bytes, Fault> {
        let headers = &request.head.headers;
        let source = self.origins.source(peer, headers);
        let arrival = Arrival { source, request_id, user_agent: user_agent(headers) };
        let proving = timeout_at(deadline, self.prove(request, regions)).await;
        let (proved, store) = match proving.unwrap_or_else(|_| Err(self.late())) {
            Ok(proved) => proved,
            Err(refused) => return Err(self.unproved(refused, &arrival, target.operation).await),
        };
        let context = Context { xks: self, proved, store, target, arrival, deadline };
        let out_of_time = || Fault::new(Kind::DependencyTimeout, "no answer in time");
        // Nobody waits for the answer any more: nothing is begun.
        if Instant::now() >= deadline {
            return Err(out_of_time());
        }
        // Work that was begun goes on and is recorded with what becomes of it.
        timeout_at(deadline, context.run(&request.body)).await.unwrap_or_else(|_| Err(out_of_time()))
    }

    /// Who signed the request: a key store, for a region that is one of its own.
    async fn prove(&self, request: &Request, regions: &[Arc<str>]) -> Result<(Proved, Arc<PrincipalEntry>), Refused> {
        let proved = self.authenticator.authenticate(request, &[SERVICE], regions).await?;
        let shown = proved.caller.credential.as_ref().map(|credential| Box::from(&*credential.shown));
        let refused = |reason| Refused { reason, shown: shown.clone().unwrap_or_default() };
        let store = self.engine.service_of(&proved.caller).await.map_err(|error| refused(error.into()))?;
        let service = store.as_ref().and_then(|store| store.row.service.as_ref());
        let signs = service.is_some_and(|service| service.regions.iter().any(|region| **region == *proved.region));
        match store {
            Some(store) if signs => Ok((proved, store)),
            _ => Err(refused(Reason::UnknownCredential)),
        }
    }

    /// That nobody could be proved in time.
    fn late(&self) -> Refused {
        let late = EngineError::Unavailable(Unavailable::Deadline(self.deadline));
        Refused { reason: Reason::Engine(late), shown: Box::from("") }
    }

    /// The refusal of a caller that was not proved, once that is recorded.
    async fn unproved(&self, refused: Refused, arrival: &Arrival<'_>, operation: Operation) -> Fault {
        let fault = match (aws::words(&refused.reason, aws::Protocol::Json), &refused.reason) {
            (Some(words), _) => Fault::new(Kind::AuthenticationFailed, words.message),
            (None, Reason::Engine(error)) => {
                report(error, self.dialect.front_end(), operation.name(), arrival.request_id);
                Fault::from(error)
            }
            (None, _) => Fault::new(Kind::AuthenticationFailed, ""),
        };
        let failed = FailedAuthentication {
            dialect: self.dialect,
            source: Arc::clone(&arrival.source),
            request_id: arrival.request_id.into(),
            user_agent: arrival.user_agent.into(),
            shown: refused.shown,
            operation: operation.name(),
            reason: fault.kind.name(),
            message: fault.message.as_str().into(),
        };
        self.engine.record_failed_authentication(failed).await;
        fault
    }
}

/// Every call is a POST.
fn not_allowed() -> Response {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, POST);
    response
}

fn nowhere() -> Fault {
    Fault::new(Kind::InvalidUriPath, "there is nothing at this path")
}

fn respond(answered: Result<Bytes, Fault>, request_id: &str) -> Response {
    let (status, body) = match answered {
        Ok(body) => (StatusCode::OK, body),
        Err(fault) => (fault.kind.status(), fault.body()),
    };
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
