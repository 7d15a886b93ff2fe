//! Replies of the query protocol.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, StatusCode};
use strongroom_http::Response;
use strongroom_model::caller::{Caller, Principal};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Who the caller is.
pub(crate) fn caller_identity(caller: &Caller, request_id: &str) -> String {
    let user = match &caller.principal {
        Principal::User { unique_id, .. } => unique_id,
        _ => &caller.account,
    };
    let mut body = format!("<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>");
    element(&mut body, "Arn", &caller.policy_name);
    element(&mut body, "UserId", user);
    element(&mut body, "Account", &caller.account);
    body.push_str("</GetCallerIdentityResult><ResponseMetadata>");
    element(&mut body, "RequestId", request_id);
    body.push_str("</ResponseMetadata></GetCallerIdentityResponse>");
    body
}

/// A refusal.
pub(crate) fn error(status: StatusCode, code: &str, message: &str, request_id: &str) -> String {
    let mut body = format!("<ErrorResponse xmlns=\"{NAMESPACE}\"><Error>");
    element(&mut body, "Type", if status.is_server_error() { "Receiver" } else { "Sender" });
    element(&mut body, "Code", code);
    element(&mut body, "Message", message);
    body.push_str("</Error>");
    element(&mut body, "RequestId", request_id);
    body.push_str("</ErrorResponse>");
    body
}

/// A reply with its request id.
pub(crate) fn reply(status: StatusCode, request_id: &str, body: String) -> Response {
    let mut response = Response::new(Bytes::from(body).into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn element(body: &mut String, name: &str, text: &str) {
    // Writing to a string cannot fail.
    let _ = write!(body, "<{name}>");
    for character in text.chars() {
        match character {
            '&' => body.push_str("&amp;"),
            '<' => body.push_str("&lt;"),
            '>' => body.push_str("&gt;"),
            other if other.is_control() => body.push('\u{fffd}'),
            other => body.push(other),
        }
    }
    let _ = write!(body, "</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_brought_cannot_end_an_element() {
        let body = error(StatusCode::BAD_REQUEST, "InvalidAction", "</Message><x>&\u{1}", "id");
        assert!(body.contains("<Message>&lt;/Message&gt;&lt;x&gt;&amp;\u{fffd}</Message>"), "{body}");
    }
}
