//! Answers that succeed. One of them holds a new secret, so all of them are erased once they were sent.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use strongroom_engine::SecretBytes;
use strongroom_http::Response;

use crate::error::AdminError;

/// The header that carries a request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Room for most answers, so that none of a secret is left behind where a buffer grew.
const USUAL_BYTES: usize = 4096;

/// An answer.
pub(crate) struct Reply {
    status: StatusCode,
    body: SecretBytes,
}

/// A body on its way.
struct Body(SecretBytes);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

impl Reply {
    /// What was read or changed.
    pub(crate) fn ok<T: Serialize>(answer: &T) -> Result<Self, AdminError> {
        let mut body = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut body, answer).map_err(|_| AdminError::Answer)?;
        Ok(Self { status: StatusCode::OK, body: SecretBytes::take(body) })
    }

    /// What was made.
    pub(crate) fn created<T: Serialize>(answer: &T) -> Result<Self, AdminError> {
        Ok(Self { status: StatusCode::CREATED, ..Self::ok(answer)? })
    }

    /// Nothing to say.
    pub(crate) fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: SecretBytes::take(Vec::new()) }
    }

    pub(crate) fn response(self, request_id: &str) -> Response {
        let mut response = Response::new(Full::new(Bytes::from_owner(Body(self.body))));
        *response.status_mut() = self.status;
        add_headers(&mut response, request_id);
        response
    }
}

/// What every answer carries: its form, its request's id, and that nobody may keep it.
pub(crate) fn add_headers(response: &mut Response, request_id: &str) {
    let empty = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if !empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}
