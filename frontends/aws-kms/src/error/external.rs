//! Failures of external key managers as KMS answers them: the message tells the cause, the error tells what was asked.
//!
//! Facts: AWS KMS Developer Guide, "Troubleshooting external key stores"; the exceptions in AWS's model. Whatever fails
//! while a key is used is a `KMSInvalidStateException`, and a `CustomKeyStoreInvalidStateException` while one is made,
//! unless the external key itself is at fault.

use strongroom_model::external::{ExternalError, ExternalRefusal};

use super::THROTTLED;
use crate::operations::Operation;

/// The error and its message.
pub(super) const fn answer(error: &ExternalError, operation: Operation) -> (&'static str, &'static str) {
    let cause = Cause::of(error);
    let code = match (error, operation) {
        // Nothing was asked: too much at once, or too much in one call.
        (ExternalError::Busy, _) => "ThrottlingException",
        (ExternalError::TooLong, _) => "ValidationException",
        (_, Operation::CreateCustomKeyStore | Operation::UpdateCustomKeyStore) => cause.at_store,
        (_, Operation::CreateKey) => cause.at_key,
        _ => "KMSInvalidStateException",
    };
    (code, cause.message)
}

/// One cause: what it is while a store is made or changed, while a key is made, and in words.
struct Cause {
    at_store: &'static str,
    at_key: &'static str,
    message: &'static str,
}

impl Cause {
    const fn new(at_store: &'static str, message: &'static str) -> Self {
        Self { at_store, at_key: "CustomKeyStoreInvalidStateException", message }
    }

    /// One of the external key, which the making of a store never asks for.
    const fn of_key(at_key: &'static str, message: &'static str) -> Self {
        Self { at_store: INVALID_RESPONSE, at_key, message }
    }

    const fn of(error: &ExternalError) -> Self {
        match error {
            ExternalError::Busy => Self::new(UNREACHABLE, THROTTLED),
            ExternalError::Late => Self::new(UNREACHABLE, LATE),
            ExternalError::Unreachable { .. } => Self::new(UNREACHABLE, NO_CONNECTION),
            ExternalError::Tls { .. } => Self::new(INVALID_CONFIGURATION, NO_TLS),
            ExternalError::NoService => Self::new("XksProxyVpcEndpointServiceNotFoundException", NO_SERVICE),
            ExternalError::InvalidAnswer { .. } => Self::new(INVALID_RESPONSE, NONSENSE),
            ExternalError::Unhealthy => Self::new(UNREACHABLE, UNHEALTHY),
            ExternalError::KeyUnfit => Self::of_key(UNFIT, KEY_UNFIT),
            ExternalError::Malformed(what) => {
                Self { at_store: INVALID_CONFIGURATION, at_key: "XksKeyNotFoundException", message: what }
            }
            ExternalError::TooLong => Self::new(INVALID_CONFIGURATION, TOO_LONG),
            ExternalError::Refused(refusal) => Self::of_refusal(*refusal),
        }
    }

    const fn of_refusal(refusal: ExternalRefusal) -> Self {
        match refusal {
            ExternalRefusal::Unauthenticated => {
                Self::new("XksProxyIncorrectAuthenticationCredentialException", UNAUTHENTICATED)
            }
            ExternalRefusal::NoPath => Self::new(INVALID_CONFIGURATION, NO_PATH),
            ExternalRefusal::Denied => Self::new(INVALID_CONFIGURATION, DENIED),
            ExternalRefusal::State => Self { at_store: UNREACHABLE, at_key: UNFIT, message: DISABLED },
            ExternalRefusal::Usage => Self::of_key(UNFIT, WRONG_USE),
            ExternalRefusal::NoKey => Self::of_key("XksKeyNotFoundException", NO_KEY),
            ExternalRefusal::Ciphertext => Self::new(INVALID_RESPONSE, BAD_CIPHERTEXT),
            ExternalRefusal::Throttled => Self::new(UNREACHABLE, TOO_MANY),
            ExternalRefusal::Late => Self::new(UNREACHABLE, LATE_BEHIND),
            ExternalRefusal::Unsupported => Self {
                at_store: "UnsupportedOperationException",
                at_key: "CustomKeyStoreInvalidStateException",
                message: UNSUPPORTED,
            },
            ExternalRefusal::Internal => Self::new(UNREACHABLE, UNHEALTHY),
            ExternalRefusal::Request => Self::new(INVALID_RESPONSE, NONSENSE),
        }
    }
}

const UNREACHABLE: &str = "XksProxyUriUnreachableException";
const INVALID_CONFIGURATION: &str = "XksProxyInvalidConfigurationException";
const INVALID_RESPONSE: &str = "XksProxyInvalidResponseException";
const UNFIT: &str = "XksKeyInvalidConfigurationException";

// In AWS's words, which some clients read to tell the causes apart.
const LATE: &str = "AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the \
                    request. If you see this error repeatedly, report it to your external key store proxy administrator.";
const LATE_BEHIND: &str = "The external key store proxy did not respond to the request in the time allotted. Retry the \
                           request. If you see this error repeatedly, report it to your external key store proxy \
                           administrator.";
const NO_CONNECTION: &str = "AWS KMS cannot communicate with the external key store proxy. Verify that your external key \
                             store proxy is active and is connected to the network, and that its URI path and endpoint \
                             URI or VPC service name are correct in your external key store.";
const NO_TLS: &str = "AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS \
                      configuration, including its certificate.";
const NO_PATH: &str = "The external key store proxy rejected the request because of an invalid URI path. Verify the URI \
                       path for your external key store and update if necessary.";
const UNAUTHENTICATED: &str = "The external key store proxy rejected the request because it could not authenticate AWS \
                               KMS. Verify the credentials for your external key store and update if necessary.";
const DENIED: &str = "The external key store proxy denied access to the operation. Verify that the user and the external \
                      key are both authorized for this operation, and try the request again.";
const UNHEALTHY: &str = "The external key store proxy is in an unhealthy state. If you see this message repeatedly, \
                         notify your external key store proxy administrator.";
const NONSENSE: &str = "AWS KMS cannot interpret the response from the external key store proxy. If you see this error \
                        repeatedly, consult your external key store proxy administrator.";
const UNSUPPORTED: &str = "The external key store proxy rejected the request because it does not support the requested \
                           cryptographic operation.";
const TOO_MANY: &str = "The external key store proxy rejected the request due to a very high request rate. Retry the \
                        request. If you see this error repeatedly, report it to your external key store proxy \
                        administrator.";
const BAD_CIPHERTEXT: &str = "The external key store proxy rejected the request because the specified ciphertext or \
                              additional authenticated data is corrupted, missing, or otherwise invalid.";
const NO_KEY: &str = "The external key store proxy rejected the request because it could not find the external key.";
const WRONG_USE: &str = "The external key store proxy rejected the request because the external key does not support the \
                         requested operation.";
const DISABLED: &str = "The external key store proxy rejected the request because the external key is not enabled in the \
                        external key manager.";
// In our own.
const KEY_UNFIT: &str = "The external key must have the key spec AES_256, the status ENABLED, and ENCRYPT and DECRYPT \
                         among its usages.";
const NO_SERVICE: &str = "There is no such VPC endpoint service. Its name is one that the operators of this installation \
                          have given an address.";
const TOO_LONG: &str = "The request is longer than an external key store proxy takes.";

#[cfg(test)]
mod tests {
    use super::*;

    fn errors() -> Vec<ExternalError> {
        use ExternalRefusal as Refusal;
        let cause = || "secret path".to_owned();
        let mut errors = vec![
            ExternalError::Busy,
            ExternalError::Late,
            ExternalError::Unreachable { cause: cause() },
            ExternalError::Tls { cause: cause() },
            ExternalError::NoService,
            ExternalError::InvalidAnswer { cause: cause() },
            ExternalError::Unhealthy,
            ExternalError::KeyUnfit,
            ExternalError::Malformed("a path is wrong"),
            ExternalError::TooLong,
        ];
        let refusals = [
            Refusal::Request,
            Refusal::State,
            Refusal::Ciphertext,
            Refusal::Usage,
            Refusal::Unauthenticated,
            Refusal::Denied,
            Refusal::NoKey,
            Refusal::NoPath,
            Refusal::Throttled,
            Refusal::Unsupported,
            Refusal::Late,
            Refusal::Internal,
        ];
        errors.extend(refusals.map(ExternalError::Refused));
        errors
    }

    #[test]
    fn every_failure_of_a_manager_is_answered_as_was_last_looked_at() {
        let line = |error: ExternalError| {
            let codes = [Operation::CreateCustomKeyStore, Operation::CreateKey, Operation::Decrypt]
                .map(|operation| answer(&error, operation).0);
            format!("{error:?}: {}\n  {}", codes.join(", "), answer(&error, Operation::Decrypt).1)
        };
        let lines: Vec<String> = errors().into_iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
