//! Every refusal as the tagging API answers it: one match from the engine's errors, and what this front end refuses itself.

use http::StatusCode;
use strongroom_authentication::aws;
use strongroom_engine::{EngineError, Noun, Quota};

/// What a caller is told.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Answer {
    pub(crate) fn refusal(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into() }
    }

    /// The request says what can't be.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self::refusal("InvalidParameterException", message)
    }

    fn internal(status: StatusCode) -> Self {
        let message = "The request could not be served. Try again.".to_owned();
        Self { status, code: "InternalServiceException", message }
    }
}

/// Why a request was refused.
pub(crate) enum Fault {
    /// By the engine, which has recorded it.
    Engine(EngineError),
    /// By this front end; it has yet to be recorded.
    Own(Answer),
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<Answer> for Fault {
    fn from(own: Answer) -> Self {
        Self::Own(own)
    }
}

/// An engine's error in the words of the tagging API.
pub(crate) fn answer(error: &EngineError) -> Answer {
    match error {
        EngineError::NotFound(Noun::Credential(_)) => Answer::refusal("UnrecognizedClientException", aws::UNKNOWN),
        EngineError::SessionExpired => Answer::refusal("ExpiredTokenException", aws::EXPIRED),
        EngineError::Denied(denial) => {
            let (principal, action) = (&denial.principal, denial.action);
            let why = denial.outcome.reason(action);
            let message = format!("User: {principal} is not authorized to perform: {action} {why}");
            Answer::refusal("AccessDeniedException", message)
        }
        EngineError::TenantSuspended => Answer::refusal("AccessDeniedException", "The account is suspended."),
        EngineError::PrincipalSuspended => Answer::refusal("AccessDeniedException", "The principal is suspended."),
        EngineError::LimitExceeded(Quota::Requests) => Answer::refusal("ThrottledException", "Rate exceeded"),
        EngineError::InvalidCursor => Answer::parameter("The PaginationToken is not one of this listing."),
        EngineError::Unavailable(_) => Answer::internal(StatusCode::SERVICE_UNAVAILABLE),
        EngineError::NotFound(_)
        | EngineError::InvalidInput(_)
        | EngineError::LimitExceeded(_)
        | EngineError::Unsupported(_)
        | EngineError::StoreLacks { .. } => Answer::parameter(error.without_store()),
        EngineError::AlreadyExists(_)
        | EngineError::StateForbids { .. }
        | EngineError::UsageForbids { .. }
        | EngineError::AlgorithmUnfit { .. }
        | EngineError::InvalidCiphertext
        | EngineError::IncorrectKey
        | EngineError::InvalidSignature
        | EngineError::InvalidMac
        | EngineError::InvalidPolicy(_)
        | EngineError::Lockout
        | EngineError::Conflict
        | EngineError::InvalidGrantToken
        | EngineError::OriginForbids { .. }
        | EngineError::InvalidImportToken
        | EngineError::ExpiredImportToken
        | EngineError::IncorrectMaterial
        | EngineError::RotationPending { .. }
        | EngineError::NotPrimary { .. }
        | EngineError::StoreLink(_)
        | EngineError::StoreNotOffered { .. }
        | EngineError::External(_)
        | EngineError::NothingPending { .. }
        | EngineError::DryRun
        | EngineError::Internal(_) => Answer::internal(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
