//! The external key proxy API 0.1-preview: Azure's Managed HSM calls for every use of a key that it does not hold.
//!
//! [`Ekm::handle`] proves the key store by the client's certificate and the path's prefix, reads the request, fills one of
//! the engine's operations and answers in the API's words. Facts of the protocol: docs/protocols/azure-ekm.md. A key store
//! is a service of a tenant ([`strongroom_engine::operations::service`]), an external key a binding to it, a certificate's
//! name a credential of it.
//!
//! Absent on purpose: the making of keys, which the API does not have either, and the verification of certificates, which
//! the listener has done (frontends/http).

mod claims;
mod dialect;
mod error;
pub mod limits;
mod operations;
mod path;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use strongroom_authentication::{Origins, report, request_id, user_agent};
use strongroom_engine::{
    Dialect as _, Engine, EngineError, FailedAuthentication, Noun, PrincipalEntry, ServiceRow, Unavailable,
    is_certificate_name,
};
use strongroom_http::{Peer, Refusal, Request, Response};
use strongroom_model::caller::{Caller, Source};
use strongroom_services::{Counts, Named as _};
use tokio::time::{Instant, timeout_at};

pub use strongroom_services::external_key_name;

pub use crate::dialect::{EXTERNAL_KEY, EkmDialect, dialect};

use crate::error::{Fault, Kind};
use crate::operations::Context;
use crate::path::{Operation, Target};

/// The version of the API, which every request names.
pub const API_VERSION: &str = "0.1-preview";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const POST: HeaderValue = HeaderValue::from_static("POST");

/// The one version of TLS that is served, as TLS names it.
const TLS_1_3: &str = "TLSv1_3";

/// The front end.
pub struct Ekm {
    engine: Arc<Engine>,
    dialect: &'static EkmDialect,
    origins: Origins,
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

/// A key store that a certificate proved.
struct Proved {
    caller: Arc<Caller>,
    store: Arc<PrincipalEntry>,
}

/// Why none was.
enum Refused {
    Stranger(&'static str),
    Engine(EngineError),
}

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl Ekm {
    /// The front end over an engine, in a language that is handed in.
    #[must_use]
    pub fn new(engine: Arc<Engine>, dialect: &'static EkmDialect) -> Self {
        let (origins, counts) = (Origins::default(), Counts::default());
        Self { engine, dialect, origins, counts, deadline: limits::DEADLINE }
    }

    /// With another time for a request in all, where nobody gives up as early as Managed HSM does.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Whether a request is the API's, as far as its head tells.
    #[must_use]
    pub fn owns(head: &Parts) -> bool {
        path::target(head.uri.path()).is_some() && head.uri.query().is_some_and(|query| query.contains("api-version="))
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

    /// Answers a request.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request) -> Response {
        let deadline = Instant::now() + self.deadline;
        let id = request_id(&self.engine);
        let target = path::target(request.head.uri.path());
        let answered = match target {
            Some(_) if request.head.method != Method::POST => Err(not_a_post()),
            Some(target) => self.answer(peer, &request, target, &id, deadline).await,
            None => Err(nowhere()),
        };
        self.respond(&request.head, answered, &id)
    }

    /// The answer to one request too many at once, of which nothing has been looked at.
    #[must_use]
    pub fn overloaded(&self, head: &Parts) -> Response {
        let busy = Fault::from(&EngineError::Unavailable(Unavailable::Busy));
        self.respond(head, Err(busy), &request_id(&self.engine))
    }

    /// The answer to a request that the listener refuses before anyone looks at it.
    #[must_use]
    pub fn refuse(&self, head: &Parts, refusal: Refusal) -> Response {
        let fault = match refusal {
            // What is no POST may have no body, so this comes first for one that has.
            Refusal::BodyTooLarge { limit: 0 } if path::target(head.uri.path()).is_some() => not_a_post(),
            Refusal::BodyTooLarge { limit: 0 } | Refusal::TargetTooLong => nowhere(),
            Refusal::BodyTooLarge { limit } => {
                Fault::new(Kind::InvalidRequest, format!("the body has more than {limit} bytes"))
            }
            Refusal::Overloaded => Fault::from(&EngineError::Unavailable(Unavailable::Busy)),
            Refusal::TooManyHeaders | Refusal::BodyTimedOut | Refusal::BodyBroken => {
                Fault::new(Kind::InvalidRequest, "the request did not arrive whole")
            }
        };
        self.respond(head, Err(fault), &request_id(&self.engine))
    }

    async fn answer(
        &self,
        peer: &Arc<Peer>,
        request: &Request,
        target: Target<'_>,
        request_id: &str,
        deadline: Instant,
    ) -> Result<Bytes, Fault> {
        let headers = &request.head.headers;
        let source = self.origins.source(peer, headers);
        let arrival = Arrival { source, request_id, user_agent: user_agent(headers) };
        let late = || Refused::Engine(EngineError::Unavailable(Unavailable::Deadline(self.deadline)));
        let proving = timeout_at(deadline, self.prove(peer, target.prefix)).await;
        let proved = match proving.unwrap_or_else(|_| Err(late())) {
            Ok(proved) => proved,
            Err(refused) => return Err(self.unproved(refused, peer, &arrival, target.operation).await),
        };
        let context = Context { ekm: self, proved, target, arrival };
        let query = request.head.uri.query().unwrap_or_default();
        match timeout_at(deadline, context.run(query, &request.body)).await {
            Ok(answered) => answered,
            // Work that was begun goes on and is recorded with what becomes of it.
            Err(_) => Err(Fault::new(Kind::ServiceUnavailable, "no answer in time")),
        }
    }

    /// The key store at a prefix, if the client's certificate has a name that is a credential of it.
    async fn prove(&self, peer: &Peer, prefix: &str) -> Result<Proved, Refused> {
        let tls_1_3 = peer.tls.as_ref().is_some_and(|tls| tls.version.as_str() == Some(TLS_1_3));
        if !tls_1_3 || peer.client_certificate().is_none() {
            return Err(Refused::Stranger("a client certificate over TLS 1.3 is needed"));
        }
        for name in peer.client_names().iter().filter(|name| is_certificate_name(name)) {
            let caller = match self.engine.identify_certificate(prefix, name).await {
                Ok(caller) => caller,
                Err(EngineError::NotFound(Noun::Credential(_))) => continue,
                Err(error) => return Err(error.into()),
            };
            let store = self.engine.service_of(&caller).await?;
            let is_ours = |service: &ServiceRow| service.prefix == prefix && service.kind() == EXTERNAL_KEY;
            if let Some(store) = store.filter(|store| store.row.service.as_ref().is_some_and(is_ours)) {
                return Ok(Proved { caller, store });
            }
        }
        Err(Refused::Stranger("the client's certificate is not one of this key store"))
    }

    /// The refusal of a caller that was not proved, once that is recorded.
    async fn unproved(&self, refused: Refused, peer: &Peer, arrival: &Arrival<'_>, operation: Operation) -> Fault {
        let fault = match &refused {
            Refused::Stranger(problem) => Fault::new(Kind::Unauthorized, *problem),
            Refused::Engine(error) => {
                report(error, self.dialect.front_end(), operation.name(), arrival.request_id);
                Fault::from(error)
            }
        };
        let failed = FailedAuthentication {
            dialect: self.dialect,
            source: Arc::clone(&arrival.source),
            request_id: arrival.request_id.into(),
            user_agent: arrival.user_agent.into(),
            shown: peer.client_names().first().cloned().unwrap_or_default(),
            operation: operation.name(),
            reason: fault.kind.name(),
            message: fault.message.as_str().into(),
        };
        self.engine.record_failed_authentication(failed).await;
        fault
    }

    fn respond(&self, head: &Parts, answered: Result<Bytes, Fault>, request_id: &str) -> Response {
        let operation = path::target(head.uri.path()).map(|target| target.operation);
        self.counts.count(operation, answered.as_ref().err().map(|fault| fault.kind));
        let (error, body) = match answered {
            Ok(body) => (None, body),
            Err(fault) => (Some(fault.kind), fault.body()),
        };
        let mut response = Response::new(body.into());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CACHE_CONTROL, NO_STORE);
        if error == Some(Kind::MethodNotAllowed) {
            headers.insert(ALLOW, POST);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(kind) = error {
            *response.status_mut() = kind.status();
        }
        response
    }
}

fn not_a_post() -> Fault {
    Fault::new(Kind::MethodNotAllowed, "every call is a POST")
}

fn nowhere() -> Fault {
    Fault::new(Kind::KeyNotFound, "there is nothing at this path")
}
