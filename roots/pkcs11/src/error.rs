//! Why a token could not become a root, or serve as one.

use strongroom_model::id::RootId;
use strongroom_model::root::RootError;

use crate::protocol::{Fault, TokenSelector};

/// Why a root could not be opened or provisioned.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs11Error {
    /// The configuration is out of bounds.
    #[error("{what} must be {least} to {most}")]
    Bounds {
        /// Which setting.
        what: &'static str,
        /// Its least value.
        least: usize,
        /// Its greatest value.
        most: usize,
    },
    /// The thread that watches over the child could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The module shows no initialised token like that.
    #[error("the module shows no initialised token with {0}; list them with pkcs11-tool --list-slots")]
    NoToken(TokenSelector),
    /// The module shows more than one.
    #[error("the module shows several tokens with {0}; choose one by its serial number")]
    SeveralTokens(TokenSelector),
    /// The token does not hold this root's keys.
    #[error("the token holds no keys of root {0}; provision it first, or choose another token")]
    NotProvisioned(RootId),
    /// The keys found cannot serve.
    #[error("the keys in the token cannot serve as a root: {0}")]
    Unfit(String),
    /// The token or its module does not answer as it should.
    #[error("the token cannot be used")]
    Root(#[source] RootError),
}

/// A failure on the way, before it is known whether an operator or a caller asked.
#[derive(Clone, Debug)]
pub(crate) enum CallError {
    /// The child answered so.
    Fault(Fault),
    /// No answer of the child's.
    Root(RootError),
}

impl CallError {
    pub(crate) fn into_open_error(self, token: &TokenSelector, root: RootId) -> Pkcs11Error {
        match self {
            Self::Fault(Fault::NoToken) => Pkcs11Error::NoToken(token.clone()),
            Self::Fault(Fault::SeveralTokens) => Pkcs11Error::SeveralTokens(token.clone()),
            Self::Fault(Fault::NotProvisioned) => Pkcs11Error::NotProvisioned(root),
            Self::Fault(Fault::Unfit(what)) => Pkcs11Error::Unfit(what),
            other => Pkcs11Error::Root(other.into()),
        }
    }
}

impl From<CallError> for RootError {
    fn from(error: CallError) -> Self {
        let fault = match error {
            CallError::Root(error) => return error,
            CallError::Fault(fault) => fault,
        };
        let cause = match fault {
            Fault::Refused => return Self::Refused,
            Fault::WrongPin => return Self::WrongCredential,
            Fault::Unsupported(mechanism) => return Self::Unsupported { mechanism },
            Fault::NoToken => "the token is not there".into(),
            Fault::SeveralTokens => "several tokens answer to its name".into(),
            Fault::NotProvisioned => "its keys are no longer in the token".into(),
            Fault::Unfit(what) => format!("the keys in the token cannot serve: {what}"),
            Fault::Failed(text) | Fault::Lost(text) => text,
            Fault::NoObject => "the object is not in the token".into(),
            Fault::Expired => "it was too busy to begin in time".into(),
        };
        Self::Unavailable { cause }
    }
}
