//! How STS names things.

use http::StatusCode;
use strongroom_authentication::aws;
use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, OwnedKind, Quota, Value};
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
        // A role's trust policy stands in the place of a key policy.
        true
    }

    fn action(&self, action: Action) -> &'static str {
        match action {
            Action::GetCallerIdentity => "sts:GetCallerIdentity",
            Action::AssumeRole => "sts:AssumeRole",
            Action::AssumeRoleWithWebIdentity => "sts:AssumeRoleWithWebIdentity",
            Action::TagSession => "sts:TagSession",
            Action::SetSourceIdentity => "sts:SetSourceIdentity",
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

    fn attribute<'a>(&self, key: &ConditionKey, index: usize, facts: &Facts<'a>) -> Option<Value<'a>> {
        aws::surroundings(key, facts).filter(|_| index == 0)
    }
}

/// An error's name and status.
pub(crate) const fn code(error: &EngineError) -> (&'static str, StatusCode) {
    match error {
        EngineError::Denied(_) | EngineError::TenantSuspended | EngineError::PrincipalSuspended => {
            ("AccessDenied", StatusCode::FORBIDDEN)
        }
        EngineError::NotFound(_) => ("InvalidClientTokenId", StatusCode::FORBIDDEN),
        EngineError::SessionExpired => ("ExpiredToken", StatusCode::FORBIDDEN),
        EngineError::InvalidInput(_) | EngineError::LimitExceeded(Quota::Tags) => {
            ("ValidationError", StatusCode::BAD_REQUEST)
        }
        EngineError::InvalidPolicy(_) => ("MalformedPolicyDocument", StatusCode::BAD_REQUEST),
        EngineError::LimitExceeded(Quota::SessionToken) => ("PackedPolicyTooLarge", StatusCode::BAD_REQUEST),
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
        | EngineError::Lockout
        | EngineError::Conflict
        | EngineError::Unsupported(_)
        | EngineError::StoreLacks { .. }
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
        | EngineError::InvalidCursor
        | EngineError::DryRun
        | EngineError::Internal(_) => ("InternalFailure", StatusCode::INTERNAL_SERVER_ERROR),
    }
}
