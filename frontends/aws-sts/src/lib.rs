//! AWS STS, as far as it is served: GetCallerIdentity, which tells a caller who it is and needs no permission.
//!
//! The query protocol: a form in the body of a POST, or the query of a GET; replies are XML. Absent on purpose, until roles
//! exist: AssumeRole and everything else that makes session credentials.

mod dialect;
mod xml;

use std::sync::Arc;

use http::request::Parts as Head;
use http::{Method, StatusCode};
use strongroom_authentication::{Authenticator, Origins, aws, request_id, user_agent};
use strongroom_engine::operations::inspect::WhoAmI;
use strongroom_engine::{Call, Engine, EngineError, FailedAuthentication, Mode, NoAttributes};
use strongroom_http::{Peer, Request, Response};

use crate::dialect::StsDialect;

const SERVICE: &str = "sts";
const FORM: &str = "application/x-www-form-urlencoded";
const ACTION: &str = "GetCallerIdentity";
static DIALECT: StsDialect = StsDialect;

/// The STS front end.
pub struct Sts {
    engine: Arc<Engine>,
    authenticator: Authenticator,
    origins: Origins,
}

/// A refusal: status, name, message.
struct Refusal(StatusCode, &'static str, String);

impl Sts {
    /// STS over an engine.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { authenticator: Authenticator::new(Arc::clone(&engine)), origins: Origins::default(), engine }
    }

    /// Whether a request is one of the query protocol.
    #[must_use]
    pub fn owns(head: &Head) -> bool {
        if head.uri.path() != "/" || head.headers.contains_key("x-amz-target") {
            return false;
        }
        let content = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match head.method {
            Method::POST => content.is_some_and(|content| content.starts_with(FORM)),
            Method::GET => parameter(head.uri.query().unwrap_or_default(), "Action").is_some(),
            _ => false,
        }
    }

    /// Answers a request that was signed for one of `regions`.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request, regions: &[Arc<str>]) -> Response {
        let id = request_id(&self.engine);
        match self.answer(peer, &request, regions, &id).await {
            Ok(body) => xml::reply(StatusCode::OK, &id, body),
            Err(Refusal(status, code, message)) => {
                let body = xml::error(status, code, &message, &id);
                xml::reply(status, &id, body)
            }
        }
    }

    async fn answer(
        &self,
        peer: &Arc<Peer>,
        request: &Request,
        regions: &[Arc<str>],
        id: &str,
    ) -> Result<String, Refusal> {
        let head = &request.head;
        let source = self.origins.source(peer, &head.headers);
        let proved = match self.authenticator.authenticate(request, &[SERVICE], regions).await {
            Ok(proved) => proved,
            Err(refused) => {
                let words = aws::words(&refused.reason, aws::Protocol::Query);
                let Some(words) = words else { return Err(unavailable()) };
                let failed = FailedAuthentication {
                    dialect: &DIALECT,
                    source,
                    request_id: id.into(),
                    user_agent: user_agent(&head.headers).into(),
                    shown: refused.shown,
                    operation: "",
                    reason: words.code,
                    message: words.message.as_str().into(),
                };
                self.engine.record_failed_authentication(failed).await;
                return Err(Refusal(words.status, words.code, words.message));
            }
        };
        let form = str::from_utf8(&request.body).unwrap_or_default();
        let action = parameter(form, "Action").or_else(|| parameter(head.uri.query().unwrap_or_default(), "Action"));
        if action != Some(ACTION) {
            let message = format!("Could not find operation {} for version 2011-06-15", action.unwrap_or_default());
            return Err(Refusal(StatusCode::BAD_REQUEST, "InvalidAction", message));
        }
        let call = Call {
            caller: Arc::clone(&proved.caller),
            dialect: &DIALECT,
            source,
            request_id: id.into(),
            region: proved.region,
            operation: ACTION,
            user_agent: user_agent(&head.headers).into(),
            detail: Vec::new(),
            attributes: Arc::new(NoAttributes),
            grant_tokens: Vec::new(),
        };
        let caller = self.engine.perform(call, WhoAmI, Mode::Run).await.map_err(|error| refusal(&error))?;
        Ok(xml::caller_identity(&caller, id))
    }
}

/// What the engine would not do. Nothing about the caller's permissions: the operation needs none.
fn refusal(error: &EngineError) -> Refusal {
    match error {
        EngineError::Unavailable(_) => unavailable(),
        EngineError::TenantSuspended => {
            Refusal(StatusCode::FORBIDDEN, "AccessDenied", "The account or user is suspended.".to_owned())
        }
        _ => Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            "The request processing has failed because of an unknown error.".to_owned(),
        ),
    }
}

fn unavailable() -> Refusal {
    Refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "The service cannot answer now; try again.".to_owned())
}

/// A parameter of a form, as it stands: the one that is read needs no decoding.
fn parameter<'a>(form: &'a str, name: &str) -> Option<&'a str> {
    form.split('&').filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str, content: Option<&str>) -> Head {
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(content) = content {
            request = request.header("content-type", content);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn forms_and_queries_with_an_action_are_ours_and_nothing_else_is() {
        assert!(Sts::owns(&head("POST", "/", Some("application/x-www-form-urlencoded; charset=utf-8"))));
        assert!(Sts::owns(&head("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", None)));
        assert!(!Sts::owns(&head("GET", "/", None)));
        assert!(!Sts::owns(&head("POST", "/", Some("application/x-amz-json-1.1"))));
        assert!(!Sts::owns(&head("POST", "/v1/tenants", Some(FORM))));
    }
}
