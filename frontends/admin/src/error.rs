//! Every engine error as the admin API answers it.

use http::StatusCode;
use strongroom_engine::EngineError;

/// The error's name, stable for programs.
#[must_use]
pub const fn code(error: &EngineError) -> &'static str {
    answer(error).1
}

/// The one table.
pub(crate) const fn answer(error: &EngineError) -> (StatusCode, &'static str) {
    match error {
        EngineError::NotFound(_) => (StatusCode::NOT_FOUND, "NotFound"),
        EngineError::AlreadyExists(_) => (StatusCode::CONFLICT, "AlreadyExists"),
        EngineError::Denied(_) => (StatusCode::FORBIDDEN, "AccessDenied"),
        EngineError::StateForbids { .. } => (StatusCode::CONFLICT, "StateForbids"),
        EngineError::TenantSuspended => (StatusCode::FORBIDDEN, "TenantSuspended"),
        EngineError::UsageForbids { .. } => (StatusCode::CONFLICT, "UsageForbids"),
        EngineError::AlgorithmUnfit { .. } => (StatusCode::BAD_REQUEST, "AlgorithmUnfit"),
        EngineError::InvalidCiphertext => (StatusCode::BAD_REQUEST, "InvalidCiphertext"),
        EngineError::IncorrectKey => (StatusCode::BAD_REQUEST, "IncorrectKey"),
        EngineError::InvalidSignature => (StatusCode::BAD_REQUEST, "InvalidSignature"),
        EngineError::InvalidMac => (StatusCode::BAD_REQUEST, "InvalidMac"),
        EngineError::InvalidInput(_) => (StatusCode::BAD_REQUEST, "InvalidInput"),
        EngineError::InvalidPolicy(_) => (StatusCode::BAD_REQUEST, "InvalidPolicy"),
        EngineError::Lockout => (StatusCode::BAD_REQUEST, "Lockout"),
        EngineError::Conflict => (StatusCode::CONFLICT, "Conflict"),
        EngineError::LimitExceeded(_) => (StatusCode::TOO_MANY_REQUESTS, "LimitExceeded"),
        EngineError::Unsupported(_) => (StatusCode::BAD_REQUEST, "Unsupported"),
        EngineError::InvalidGrantToken => (StatusCode::BAD_REQUEST, "InvalidGrantToken"),
        EngineError::InvalidCursor => (StatusCode::BAD_REQUEST, "InvalidCursor"),
        EngineError::DryRun => (StatusCode::OK, "DryRun"),
        EngineError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        EngineError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
    }
}
