//! What a front end gives to a listener: an [`App`] that answers whole, bounded requests.
//!
//! Absent: streaming bodies in either direction, trailers, upgrades, middleware.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::{StatusCode, request::Parts};
use http_body_util::Full;

use crate::Peer;

/// A request whose body has arrived whole and within its limit.
#[derive(Debug)]
pub struct Request {
    /// Method, target, version and fields.
    pub head: Parts,
    /// The body, chunked coding undone; empty if there was none.
    pub body: Bytes,
}

/// A reply with its whole body.
pub type Response = http::Response<Full<Bytes>>;

/// An extension of the reply to a request that was one too many: the connection's next request has to wait a moment.
#[derive(Clone, Copy, Debug)]
pub struct Overloaded;

/// Why a request was refused before the [`App`] saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request target is longer than the listener allows: 414.
    TargetTooLong,
    /// More fields than the listener allows: 431.
    TooManyHeaders,
    /// The body is longer than the listener, or the app for this request, allows: 413.
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The listener holds as many bytes of bodies as it may; the client may try again: 503.
    Overloaded,
    /// The body did not arrive in time: 408.
    BodyTimedOut,
    /// The body ended early or was malformed: 400.
    BodyBroken,
}

impl Refusal {
    /// The status that says it (RFC 9110 sections 15.5 and 15.6, RFC 6585 section 5).
    pub fn status(self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyTimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Answers the requests of one or several listeners; it decides routing itself ([`crate::Routes`] may help).
///
/// A client that goes away drops the future of [`App::call`] at whatever await it has reached. Work that must not
/// stop half way (a commit, a call into a token) has to run on a task or thread of its own, which the future merely
/// waits for.
pub trait App: Send + Sync + 'static {
    /// Looks at a request's head before its body is read. Returns the bytes that its body may have (the listener's
    /// limit holds as well), or the reply that refuses it: an unknown route, or overload.
    ///
    /// # Errors
    /// The reply to send instead. The body is then not read.
    fn admit(&self, _peer: &Arc<Peer>, _head: &Parts) -> Result<usize, Box<Response>> {
        Ok(usize::MAX)
    }

    /// Answers a request.
    fn call(&self, peer: &Arc<Peer>, request: Request) -> impl Future<Output = Response> + Send;

    /// Words a refusal in the front end's own form. The default is a bare status.
    fn refuse(&self, _peer: &Arc<Peer>, _head: &Parts, refusal: Refusal) -> Response {
        empty(refusal.status())
    }
}

/// A reply of a status and nothing else.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
