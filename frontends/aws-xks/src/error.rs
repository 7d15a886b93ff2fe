//! Every error as the specification names it, in one table.

use bytes::Bytes;
use http::StatusCode;
use strongroom_engine::{EngineError, InputFault, Noun, Unavailable};
use strongroom_model::key_store::KeyStoreError;
use strongroom_model::purpose::Forbidden;
use strongroom_model::root::RootError;
use strongroom_services::{Named, printable};

use crate::limits;
use crate::wire::Json;

/// An error of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Validation,
    InvalidState,
    InvalidCiphertext,
    InvalidKeyUsage,
    AuthenticationFailed,
    AccessDenied,
    KeyNotFound,
    InvalidUriPath,
    Throttling,
    UnsupportedOperation,
    DependencyTimeout,
    Internal,
}

impl Kind {
    /// Its name and status (XKS proxy API specification 1.0.3, "Error codes").
    const fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::Validation => ("ValidationException", StatusCode::BAD_REQUEST),
            Self::InvalidState => ("InvalidStateException", StatusCode::BAD_REQUEST),
            Self::InvalidCiphertext => ("InvalidCiphertextException", StatusCode::BAD_REQUEST),
            Self::InvalidKeyUsage => ("InvalidKeyUsageException", StatusCode::BAD_REQUEST),
            Self::AuthenticationFailed => ("AuthenticationFailedException", StatusCode::UNAUTHORIZED),
            Self::AccessDenied => ("AccessDeniedException", StatusCode::FORBIDDEN),
            Self::KeyNotFound => ("KeyNotFoundException", StatusCode::NOT_FOUND),
            Self::InvalidUriPath => ("InvalidUriPathException", StatusCode::NOT_FOUND),
            Self::Throttling => ("ThrottlingException", StatusCode::TOO_MANY_REQUESTS),
            Self::UnsupportedOperation => ("UnsupportedOperationException", StatusCode::NOT_IMPLEMENTED),
            Self::DependencyTimeout => ("DependencyTimeoutException", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("InternalException", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }
}

impl Named for Kind {
    const ALL: &[Self] = &[
        Self::Validation,
        Self::InvalidState,
        Self::InvalidCiphertext,
        Self::InvalidKeyUsage,
        Self::AuthenticationFailed,
        Self::AccessDenied,
        Self::KeyNotFound,
        Self::InvalidUriPath,
        Self::Throttling,
        Self::UnsupportedOperation,
        Self::DependencyTimeout,
        Self::Internal,
    ];

    fn name(self) -> &'static str {
        self.row().0
    }
}

/// Which of the two is not told: whoever asks is of a cloud.
const SUSPENDED: &str = "the key store's tenant is suspended, or the whole installation";

/// A refusal: which error, and what is said of it to whoever reads the cloud's logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: printable(&message.into(), limits::MESSAGE_CHARACTERS) }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Bytes {
        let mut json = Json::with_room(64 + self.message.len());
        json.text("errorName", self.kind.name());
        if !self.message.is_empty() {
            json.text("errorMessage", &self.message);
        }
        json.finish()
    }
}

/// An error of the engine's in the API's words.
impl From<&EngineError> for Fault {
    fn from(error: &EngineError) -> Self {
        let kind = kind(error);
        let message = match (kind, error) {
            // A fault of ours, or a lack: the operators' log says more.
            (Kind::Internal, EngineError::Unavailable(cause)) => cause.without_store(),
            (Kind::Internal, _) => "internal error".to_owned(),
            (Kind::AuthenticationFailed, _) => "the credential is not one of a key store".to_owned(),
            (_, EngineError::PrincipalSuspended) => "the key store is blocked".to_owned(),
            (_, EngineError::TenantSuspended) => SUSPENDED.to_owned(),
            (_, EngineError::UsageForbids { resource, .. }) => format!("{resource} is not for this use"),
            (_, error) => error.without_store(),
        };
        Self::new(kind, message)
    }
}

const fn kind(error: &EngineError) -> Kind {
    match error {
        EngineError::NotFound(Noun::Credential(_) | Noun::Principal(_)) | EngineError::SessionExpired => {
            Kind::AuthenticationFailed
        }
        EngineError::NotFound(_) | EngineError::StateForbids { forbidden: Forbidden::Destroyed, .. } => {
            Kind::KeyNotFound
        }
        EngineError::Denied(_) => Kind::AccessDenied,
        EngineError::StateForbids { .. } | EngineError::TenantSuspended | EngineError::PrincipalSuspended => {
            Kind::InvalidState
        }
        EngineError::UsageForbids { .. }
        | EngineError::AlgorithmUnfit { .. }
        | EngineError::InvalidInput(InputFault::NameUnfit { .. })
        | EngineError::OriginForbids { .. } => Kind::InvalidKeyUsage,
        EngineError::InvalidCiphertext | EngineError::IncorrectKey => Kind::InvalidCiphertext,
        EngineError::InvalidInput(_) => Kind::Validation,
        EngineError::LimitExceeded(_)
        | EngineError::Unavailable(Unavailable::Busy | Unavailable::Root(RootError::Busy)) => Kind::Throttling,
        EngineError::Unsupported(_) | EngineError::StoreLacks { .. } => Kind::UnsupportedOperation,
        // A token that is not asked because it did not answer before is one that does not answer.
        EngineError::Unavailable(
            Unavailable::Deadline(_)
            | Unavailable::Root(RootError::Timeout(_))
            | Unavailable::KeyStore { cause: KeyStoreError::Unavailable { .. }, .. },
        ) => Kind::DependencyTimeout,
        EngineError::Unavailable(_)
        | EngineError::Internal(_)
        | EngineError::AlreadyExists(_)
        | EngineError::InvalidSignature
        | EngineError::InvalidMac
        | EngineError::InvalidPolicy(_)
        | EngineError::Lockout
        | EngineError::Conflict
        | EngineError::InvalidGrantToken
        | EngineError::InvalidImportToken
        | EngineError::ExpiredImportToken
        | EngineError::IncorrectMaterial
        | EngineError::RotationPending { .. }
        | EngineError::NothingPending { .. }
        | EngineError::NotPrimary { .. }
        | EngineError::StoreLink(_)
        | EngineError::StoreNotOffered { .. }
        | EngineError::External(_)
        | EngineError::InvalidCursor
        | EngineError::DryRun => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_name_and_status_of_the_specification() {
        let rows: Vec<_> = Kind::ALL.iter().map(|kind| (kind.name(), kind.status().as_u16())).collect();
        assert_eq!(
            rows,
            [
                ("ValidationException", 400),
                ("InvalidStateException", 400),
                ("InvalidCiphertextException", 400),
                ("InvalidKeyUsageException", 400),
                ("AuthenticationFailedException", 401),
                ("AccessDeniedException", 403),
                ("KeyNotFoundException", 404),
                ("InvalidUriPathException", 404),
                ("ThrottlingException", 429),
                ("UnsupportedOperationException", 501),
                ("DependencyTimeoutException", 503),
                ("InternalException", 500),
            ]
        );
    }

    #[test]
    fn a_message_is_printable_ascii_of_less_than_512_characters() {
        let fault = Fault::new(Kind::Validation, format!("a\n\u{7f}ü\"{}", "x".repeat(1000)));
        assert_eq!(fault.message.len(), 511);
        assert!(fault.message.starts_with("a???\"xx"), "{}", fault.message);
        let body = String::from_utf8(fault.body().to_vec()).unwrap();
        assert!(body.starts_with(r#"{"errorName":"ValidationException","errorMessage":"a???\"xx"#), "{body}");
    }

    #[test]
    fn what_only_operators_may_know_is_not_in_a_message() {
        let inside = EngineError::Internal(strongroom_engine::InternalFault::Crypto("inside"));
        assert_eq!(Fault::from(&inside), Fault::new(Kind::Internal, "internal error"));
    }
}
