//! Every error of the API, in one table.

use bytes::Bytes;
use http::StatusCode;
use strongroom_engine::{EngineError, InputFault, Noun, Unavailable};
use strongroom_model::purpose::Forbidden;
use strongroom_model::root::RootError;
use strongroom_services::{Named, printable};

use crate::limits;
use crate::wire::Json;

/// An error of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidRequest,
    UnsupportedApiVersion,
    UnsupportedAlgorithm,
    Unauthorized,
    Forbidden,
    KeyDisabled,
    OperationNotAllowed,
    KeyNotFound,
    MethodNotAllowed,
    TooManyRequests,
    ServiceUnavailable,
    InternalError,
}

impl Kind {
    /// Its code and status.
    const fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::InvalidRequest => ("InvalidRequest", StatusCode::BAD_REQUEST),
            Self::UnsupportedApiVersion => ("UnsupportedApiVersion", StatusCode::BAD_REQUEST),
            Self::UnsupportedAlgorithm => ("UnsupportedAlgorithm", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("Unauthorized", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("Forbidden", StatusCode::FORBIDDEN),
            Self::KeyDisabled => ("KeyDisabled", StatusCode::FORBIDDEN),
            Self::OperationNotAllowed => ("OperationNotAllowed", StatusCode::FORBIDDEN),
            Self::KeyNotFound => ("KeyNotFound", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => ("MethodNotAllowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::TooManyRequests => ("TooManyRequests", StatusCode::TOO_MANY_REQUESTS),
            Self::ServiceUnavailable => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::InternalError => ("InternalError", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }
}

impl Named for Kind {
    const ALL: &[Self] = &[
        Self::InvalidRequest,
        Self::UnsupportedApiVersion,
        Self::UnsupportedAlgorithm,
        Self::Unauthorized,
        Self::Forbidden,
        Self::KeyDisabled,
        Self::OperationNotAllowed,
        Self::KeyNotFound,
        Self::MethodNotAllowed,
        Self::TooManyRequests,
        Self::ServiceUnavailable,
        Self::InternalError,
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
        json.text("code", self.kind.name()).text("message", &self.message);
        json.finish()
    }
}

/// An error of the engine's in the API's words.
impl From<&EngineError> for Fault {
    fn from(error: &EngineError) -> Self {
        let kind = kind(error);
        let message = match (kind, error) {
            // A fault of ours, or a lack: the operators' log says more.
            (Kind::ServiceUnavailable, EngineError::Unavailable(cause)) => cause.without_store(),
            (Kind::InternalError, _) => "internal error".to_owned(),
            (Kind::Unauthorized, _) => "the client's certificate is not one of this key store".to_owned(),
            (_, EngineError::PrincipalSuspended) => "the key store is blocked".to_owned(),
            (_, EngineError::TenantSuspended) => SUSPENDED.to_owned(),
            (Kind::UnsupportedAlgorithm, EngineError::UsageForbids { resource, .. }) => {
                format!("the algorithm is not one of {resource}")
            }
            (_, EngineError::UsageForbids { resource, .. }) => format!("{resource} is not for this use"),
            (_, EngineError::InvalidCiphertext) => "the value does not unwrap".to_owned(),
            (_, error) => error.without_store(),
        };
        Self::new(kind, message)
    }
}

fn kind(error: &EngineError) -> Kind {
    match error {
        EngineError::NotFound(Noun::Credential(_) | Noun::Principal(_)) | EngineError::SessionExpired => {
            Kind::Unauthorized
        }
        EngineError::NotFound(_) | EngineError::StateForbids { forbidden: Forbidden::Destroyed, .. } => {
            Kind::KeyNotFound
        }
        EngineError::Denied(_) | EngineError::TenantSuspended | EngineError::PrincipalSuspended => Kind::Forbidden,
        EngineError::StateForbids { .. } => Kind::KeyDisabled,
        // Whether the key is of another kind, or is not lent for this direction.
        EngineError::UsageForbids { profile, wanted, .. } if !profile.contains(*wanted) => Kind::UnsupportedAlgorithm,
        EngineError::UsageForbids { .. }
        | EngineError::InvalidInput(InputFault::NameUnfit { .. })
        | EngineError::OriginForbids { .. } => Kind::OperationNotAllowed,
        // A mechanism that the token lacks which holds the key, too.
        EngineError::AlgorithmUnfit { .. } | EngineError::Unsupported(_) | EngineError::StoreLacks { .. } => {
            Kind::UnsupportedAlgorithm
        }
        EngineError::InvalidCiphertext | EngineError::IncorrectKey | EngineError::InvalidInput(_) => {
            Kind::InvalidRequest
        }
        EngineError::LimitExceeded(_)
        | EngineError::Unavailable(Unavailable::Busy | Unavailable::Root(RootError::Busy)) => Kind::TooManyRequests,
        EngineError::Unavailable(_) => Kind::ServiceUnavailable,
        EngineError::Internal(_)
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
        | EngineError::DryRun => Kind::InternalError,
    }
}

#[cfg(test)]
mod tests {
    use strongroom_model::key_store::{KeyStoreError, KeyStoreName};

    use super::*;

    #[test]
    fn each_error_has_its_code_and_status() {
        let rows: Vec<_> = Kind::ALL.iter().map(|kind| (kind.name(), kind.status().as_u16())).collect();
        assert_eq!(
            rows,
            [
                ("InvalidRequest", 400),
                ("UnsupportedApiVersion", 400),
                ("UnsupportedAlgorithm", 400),
                ("Unauthorized", 401),
                ("Forbidden", 403),
                ("KeyDisabled", 403),
                ("OperationNotAllowed", 403),
                ("KeyNotFound", 404),
                ("MethodNotAllowed", 405),
                ("TooManyRequests", 429),
                ("ServiceUnavailable", 503),
                ("InternalError", 500),
            ]
        );
    }

    #[test]
    fn a_message_is_printable_ascii_of_less_than_512_characters() {
        let fault = Fault::new(Kind::InvalidRequest, format!("a\n\u{7f}ü\"{}", "x".repeat(1000)));
        assert_eq!(fault.message.len(), 511);
        let body = String::from_utf8(fault.body().to_vec()).unwrap();
        assert!(body.starts_with(r#"{"code":"InvalidRequest","message":"a???\"xx"#), "{body}");
    }

    #[test]
    fn a_mechanism_that_a_token_lacks_is_an_algorithm_that_is_not_supported() {
        let hsm = KeyStoreName::new("hsm").unwrap();
        let lacking = KeyStoreError::Unsupported { mechanism: "CKM_AES_KEY_WRAP".to_owned() };
        assert_eq!(Fault::from(&EngineError::of_store(&hsm, lacking)).kind, Kind::UnsupportedAlgorithm);
        let late = KeyStoreError::Timeout(limits::DEADLINE);
        assert_eq!(Fault::from(&EngineError::of_store(&hsm, late)).kind, Kind::ServiceUnavailable);
        let refused = Fault::from(&EngineError::of_store(&hsm, KeyStoreError::Refused));
        assert_eq!(refused, Fault::from(&EngineError::InvalidCiphertext));
    }

    #[test]
    fn what_only_operators_may_know_is_not_in_a_message() {
        let inside = EngineError::Internal(strongroom_engine::InternalFault::Crypto("inside"));
        assert_eq!(Fault::from(&inside), Fault::new(Kind::InternalError, "internal error"));
        let hsm = KeyStoreName::new("hsm-in-the-basement").unwrap();
        for error in [KeyStoreError::WrongCredential, KeyStoreError::Unsupported { mechanism: "OAEP".to_owned() }] {
            let told = Fault::from(&EngineError::of_store(&hsm, error)).message;
            assert!(told.contains("the key store") && !told.contains("basement"), "{told}");
        }
    }
}
