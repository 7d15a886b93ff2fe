//! How STS names things.

use http::StatusCode;
use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, OwnedKind, Value};
use strongroom_model::action::Action;
use strongroom_model::name::{Name, NameKind};

/// STS's language. It names no keys.
pub(crate) struct StsDialect;

impl Dialect for StsDialect {
    fn front_end(&self) -> &'static str {
        "aws-sts"
    }

    fn event_source(&self) -> &'static str {
        "sts.amazonaws.com"
    }

    fn error(&self, error: &EngineError, _: &Call) -> (&'static str, String) {
        (code(error).0, error.to_string())
    }

    fn has_key_policies(&self) -> bool {
        false
    }

    fn action(&self, action: Action) -> &'static str {
        match action {
            Action::GetCallerIdentity => "sts:GetCallerIdentity",
            _ => "sts:None",
        }
    }

    fn key_kind(&self) -> NameKind {
        // docs/formats/registry.md: no kind has this number.
        NameKind(u8::MAX)
    }

    fn kinds(&self) -> &'static [OwnedKind] {
        &[]
    }

    fn key_resource(&self, _: &str, _: &str, _: &str) -> String {
        "*".to_owned()
    }

    fn tenant_resource(&self, _: &str) -> String {
        "*".to_owned()
    }

    fn name_resource(&self, _: &str, _: &Name) -> String {
        "*".to_owned()
    }

    fn attribute<'a>(&self, _: &ConditionKey, _: usize, _: &Facts<'a>) -> Option<Value<'a>> {
        None
    }
}

/// An error's name and status.
pub(crate) const fn code(error: &EngineError) -> (&'static str, StatusCode) {
    match error {
        EngineError::Denied(_) | EngineError::TenantSuspended => ("AccessDenied", StatusCode::FORBIDDEN),
        EngineError::NotFound(_) => ("InvalidClientTokenId", StatusCode::FORBIDDEN),
        EngineError::LimitExceeded(_) => ("Throttling", StatusCode::BAD_REQUEST),
        EngineError::Unavailable(_) => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
        EngineError::AlreadyExists(_)
        | EngineError::StateForbids { .. }
        | EngineError::UsageForbids { .. }
        | EngineError::AlgorithmUnfit { .. }
        | EngineError::InvalidCiphertext
        | EngineError::IncorrectKey
        | EngineError::InvalidSignature
        | EngineError::InvalidMac
        | EngineError::InvalidInput(_)
        | EngineError::InvalidPolicy(_)
        | EngineError::Lockout
        | EngineError::Conflict
        | EngineError::Unsupported(_)
        | EngineError::InvalidGrantToken
        | EngineError::OriginForbids { .. }
        | EngineError::InvalidImportToken
        | EngineError::ExpiredImportToken
        | EngineError::IncorrectMaterial
        | EngineError::RotationPending { .. }
        | EngineError::NothingPending { .. }
        | EngineError::InvalidCursor
        | EngineError::DryRun
        | EngineError::Internal(_) => ("InternalFailure", StatusCode::INTERNAL_SERVER_ERROR),
    }
}
