//! Every refusal as KMS answers it: one match from the engine's errors, and what this front end refuses itself.
//!
//! AWS's JSON protocol gives faults of the caller status 400 and faults of the service 500 or 503; KMS has no other.

mod external;
#[cfg(test)]
mod tests;

use http::StatusCode;
use strongroom_authentication::aws;
use strongroom_engine::{
    Denial, EngineError, InputFault, Kind, Lack, LinkFault, Noun, PolicyError, Quota, Unavailable,
};
use strongroom_model::key_store::KeyStoreError;
use strongroom_model::purpose::Forbidden;
use strongroom_model::root::RootError;

use crate::dialect::action_name;
use crate::operations::Operation;
use crate::words::{self, word};

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// Absent where AWS says nothing more.
    pub(crate) message: Option<String>,
}

/// Why a request was refused.
#[derive(Debug)]
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

impl Fault {
    pub(crate) fn own(code: &'static str, message: impl Into<String>) -> Self {
        Self::Own(Answer { status: StatusCode::BAD_REQUEST, code, message: Some(message.into()) })
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::own("ValidationException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::own("NotFoundException", message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::own("UnsupportedOperationException", message)
    }

    pub(crate) fn serialization() -> Self {
        Self::Own(Answer { status: StatusCode::BAD_REQUEST, code: "SerializationException", message: None })
    }

    pub(crate) fn unknown_operation() -> Self {
        Self::Own(Answer { status: StatusCode::BAD_REQUEST, code: "UnknownOperationException", message: None })
    }
}

/// An engine's error in KMS's words, for a request of `operation`.
pub(crate) fn answer(error: &EngineError, operation: Operation) -> Answer {
    let (status, code, message) = match error {
        // The credential that the request was signed with ended while the request was served.
        EngineError::NotFound(Noun::Credential(_)) => {
            (400, "UnrecognizedClientException", Some(aws::UNKNOWN.to_owned()))
        }
        EngineError::SessionExpired => (400, "ExpiredTokenException", Some(aws::EXPIRED.to_owned())),
        EngineError::NotFound(noun) => (400, "NotFoundException", Some(missing(noun))),
        EngineError::AlreadyExists(Noun::Name(name)) => {
            (400, "AlreadyExistsException", Some(format!("An alias with the name {name} already exists")))
        }
        EngineError::AlreadyExists(_) => (400, "AlreadyExistsException", Some(error.to_string())),
        EngineError::Denied(denial) => (400, "AccessDeniedException", Some(denied(denial, operation))),
        EngineError::StateForbids { resource, forbidden } => return state(resource, *forbidden),
        EngineError::TenantSuspended => (400, "AccessDeniedException", Some("The account is suspended.".to_owned())),
        EngineError::PrincipalSuspended => {
            (400, "AccessDeniedException", Some("The principal is suspended.".to_owned()))
        }
        EngineError::StoreNotOffered { .. } => {
            let message = "This account may not have keys on the cluster of the custom key store.";
            (400, "CloudHsmClusterInvalidConfigurationException", Some(message.to_owned()))
        }
        EngineError::UsageForbids { resource, profile, .. } => {
            let usage = words::key_usage_word(*profile);
            let message = format!("{resource} key usage is {usage} which is not valid for {}.", operation.name());
            (400, "InvalidKeyUsageException", Some(message))
        }
        EngineError::AlgorithmUnfit { algorithm, spec, .. } => {
            let (algorithm, spec) = (words::algorithm(*algorithm), word(words::KEY_SPECS, spec));
            let message = format!("Algorithm {algorithm} is incompatible with key spec {spec}.");
            (400, "InvalidKeyUsageException", Some(message))
        }
        EngineError::InvalidCiphertext => (400, "InvalidCiphertextException", None),
        EngineError::IncorrectKey => (400, "IncorrectKeyException", Some(INCORRECT_KEY.to_owned())),
        EngineError::InvalidSignature => (400, "KMSInvalidSignatureException", None),
        EngineError::InvalidMac => (400, "KMSInvalidMacException", None),
        EngineError::InvalidInput(fault) => {
            let (code, message) = input(fault);
            (400, code, Some(message))
        }
        EngineError::InvalidPolicy(fault @ PolicyError::TooLarge { .. }) => {
            (400, "LimitExceededException", Some(fault.to_string()))
        }
        EngineError::InvalidPolicy(fault) => {
            (400, "MalformedPolicyDocumentException", Some(fault.aws_message(Kind::Resource)))
        }
        EngineError::Lockout => (400, "MalformedPolicyDocumentException", Some(LOCKOUT.to_owned())),
        EngineError::Conflict if operation == Operation::RotateKeyOnDemand => {
            (400, "ConflictException", Some(CONFLICT.to_owned()))
        }
        // AWS knows the word for that operation alone; of the others, clients try this one again.
        EngineError::Conflict => (500, "KMSInternalException", Some(CONFLICT.to_owned())),
        EngineError::LimitExceeded(Quota::Tags) => (400, "TagException", Some("Too many tags".to_owned())),
        EngineError::LimitExceeded(Quota::Requests) => (400, "ThrottlingException", Some(THROTTLED.to_owned())),
        EngineError::LimitExceeded(quota) => (400, "LimitExceededException", Some(reached(quota))),
        EngineError::StoreLacks { lack: Lack::Algorithm(algorithm), .. } => {
            let message = format!("The key store of the KMS key does not support {}.", words::algorithm(*algorithm));
            (400, "UnsupportedOperationException", Some(message))
        }
        EngineError::Unsupported(_) | EngineError::StoreLacks { .. } => {
            (400, "UnsupportedOperationException", Some(error.without_store()))
        }
        EngineError::InvalidGrantToken => (400, "InvalidGrantTokenException", Some(GRANT_TOKEN.to_owned())),
        EngineError::OriginForbids { resource, origin } => {
            let origin = words::origin(*origin);
            let message = format!("{resource} origin is {origin} which is not valid for this operation.");
            (400, "UnsupportedOperationException", Some(message))
        }
        EngineError::InvalidImportToken => (400, "InvalidImportTokenException", Some(IMPORT_TOKEN.to_owned())),
        EngineError::ExpiredImportToken => (400, "ExpiredImportTokenException", Some(EXPIRED_TOKEN.to_owned())),
        EngineError::IncorrectMaterial => (400, "IncorrectKeyMaterialException", Some(MATERIAL.to_owned())),
        EngineError::RotationPending { resource, published } => {
            let id: String = published.iter().map(|byte| format!("{byte:02x}")).collect();
            let message = format!(
                "New key material cannot be imported into KMS key {resource}, because another key material (id: {id}) \
                 is pending rotation."
            );
            (400, "KMSInvalidStateException", Some(message))
        }
        EngineError::NotPrimary { resource } => {
            let message = format!("{resource} is not a multi-region primary key.");
            (400, "UnsupportedOperationException", Some(message))
        }
        EngineError::NothingPending { resource } => {
            let message = format!("No available key material pending rotation for the key: {resource}.");
            (400, "KMSInvalidStateException", Some(message))
        }
        EngineError::StoreLink(fault) => {
            let (code, message) = key_store(fault, operation);
            (400, code, Some(message))
        }
        EngineError::External(cause) => {
            let (code, message) = external::answer(cause, operation);
            (400, code, Some(message.to_owned()))
        }
        EngineError::InvalidCursor => (400, "InvalidMarkerException", Some(MARKER.to_owned())),
        EngineError::DryRun => (400, "DryRunOperationException", Some(DRY_RUN.to_owned())),
        EngineError::Unavailable(cause) => return unavailable(cause, operation),
        EngineError::Internal(_) => (500, "KMSInternalException", None),
    };
    Answer { status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code, message }
}

const INCORRECT_KEY: &str = "The key ID in the request does not identify a CMK that can perform this operation.";
const LOCKOUT: &str = "The new key policy will not allow you to update the key policy in the future.";
const CONFLICT: &str = "The resource is being changed by another request; try again.";
const THROTTLED: &str = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.";
const GRANT_TOKEN: &str = "The grant token is not one that this service gave out.";
const IMPORT_TOKEN: &str = "The import token is not one that this service gave out for this key.";
const EXPIRED_TOKEN: &str = "The import token has expired. Get new parameters for import.";
const MATERIAL: &str = "The key material is not the one that is expected.";
const MARKER: &str = "The marker is not one that this listing gave out.";
const DRY_RUN: &str = "The request would have succeeded, but the DryRun option is set.";

/// As AWS was recorded to say it of aliases; of keys and grants in the same words.
fn reached(quota: &Quota) -> String {
    let (of, most, has) = match quota {
        Quota::Keys { most, has } => ("Key", most, has),
        Quota::Names { most, has } => ("Aliases per key", most, has),
        Quota::Grants { most, has } => ("Grants per key", most, has),
        Quota::StoreLinks { most, has } => ("Custom key stores", most, has),
        Quota::OnDemandRotations { resource } => {
            return format!(
                "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be \
                 performed for this key: {resource}"
            );
        }
        other => return other.to_string(),
    };
    format!("{of} quota for this account in this region is {most}, current usage is {has}.")
}

fn missing(noun: &Noun) -> String {
    match noun {
        Noun::Name(name) if name.contains(":alias/") => format!("Alias {name} is not found."),
        Noun::Name(name) | Noun::Key(name) => format!("Key '{name}' does not exist"),
        Noun::Policy(_) => "No such policy exists".to_owned(),
        Noun::Grant => "The grant does not exist.".to_owned(),
        Noun::Tenant(_)
        | Noun::Principal(_)
        | Noun::Credential(_)
        | Noun::TokenIssuer(_)
        | Noun::Root(_)
        | Noun::KeyStore(_)
        | Noun::Version(_) => format!("{noun} does not exist"),
    }
}

/// IAM User Guide, "Troubleshoot access denied error messages".
fn denied(denial: &Denial, operation: Operation) -> String {
    let Denial { principal, action, resource, outcome, cross_account } = denial;
    // A caller of another account must not learn from this whether the key exists, not even by which side denies.
    if *cross_account {
        return hidden(principal, operation);
    }
    let why = outcome.reason(action);
    format!("User: {principal} is not authorized to perform: {action} on resource: {resource} {why}")
}

/// What a caller of another account is told, whether or not there is such a key. It names the operation's own action, not
/// the one that was denied: an operation of two keys asks for the second's when there is one.
pub(crate) fn hidden(principal: &str, operation: Operation) -> String {
    let action = action_name(operation.action());
    format!(
        "User: {principal} is not authorized to perform: {action} on this resource because the resource does not exist \
         in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
    )
}

fn key_store(fault: &LinkFault, operation: Operation) -> (&'static str, String) {
    match fault {
        LinkFault::Missing { id } => {
            ("CustomKeyStoreNotFoundException", format!("The custom key store {id} does not exist."))
        }
        LinkFault::NameTaken => {
            ("CustomKeyStoreNameInUseException", "Another custom key store of this account has this name.".to_owned())
        }
        LinkFault::StoreTaken => {
            let message = "Another custom key store of this account is on this cluster.";
            ("CloudHsmClusterInUseException", message.to_owned())
        }
        LinkFault::NoStore => {
            let message = "There is no such cluster, or this account may not have custom key stores on it.";
            ("CloudHsmClusterNotFoundException", message.to_owned())
        }
        LinkFault::OtherStore => {
            let message = "The custom key store is on another cluster, and stays there.";
            ("CloudHsmClusterNotRelatedException", message.to_owned())
        }
        LinkFault::AddressTaken => {
            let message =
                "Another external key store of this account has this XksProxyUriEndpoint and XksProxyUriPath.";
            ("XksProxyUriInUseException", message.to_owned())
        }
        LinkFault::EndpointTaken => {
            let message = "Another external key store of this account has this XksProxyUriEndpoint, and one of the two \
                           is reached through a VPC endpoint service.";
            ("XksProxyUriEndpointInUseException", message.to_owned())
        }
        LinkFault::ServiceTaken => {
            let message = "Another external key store of this account is reached through this VPC endpoint service.";
            ("XksProxyVpcEndpointServiceInUseException", message.to_owned())
        }
        LinkFault::KeyTaken => {
            let message = "Another KMS key of this external key store is on this external key.";
            ("XksKeyAlreadyInUseException", message.to_owned())
        }
        // AWS has a word for it in operations on keys, and none in those on stores.
        LinkFault::OtherKind => {
            let code = match operation {
                Operation::CreateKey | Operation::GenerateRandom => "UnsupportedOperationException",
                _ => "ValidationException",
            };
            (code, "The custom key store is of the other type.".to_owned())
        }
        LinkFault::HasKeys => ("CustomKeyStoreHasCMKsException", "The custom key store has KMS keys.".to_owned()),
        LinkFault::State { id, state } => {
            let state = words::connection_state(*state);
            ("CustomKeyStoreInvalidStateException", format!("The custom key store {id} is {state}."))
        }
    }
}

fn state(resource: &str, forbidden: Forbidden) -> Answer {
    let (code, what) = match forbidden {
        Forbidden::Suspended => ("DisabledException", "is disabled."),
        Forbidden::PreActivation => ("KMSInvalidStateException", "is pending import."),
        Forbidden::DestructionScheduled => ("KMSInvalidStateException", "is pending deletion."),
        Forbidden::DestructionAwaitsReplicas => ("KMSInvalidStateException", "is pending replica deletion."),
        Forbidden::DestructionNotScheduled => ("KMSInvalidStateException", "is not pending deletion."),
        Forbidden::Destroyed | Forbidden::VersionDestroyed => {
            let message = Some(format!("Key '{resource}' does not exist"));
            return Answer { status: StatusCode::BAD_REQUEST, code: "NotFoundException", message };
        }
        Forbidden::VersionSuspended => ("KMSInvalidStateException", "has key material that is disabled."),
        Forbidden::VersionDeactivated | Forbidden::VersionPending => {
            ("KMSInvalidStateException", "has key material that is not current.")
        }
        Forbidden::VersionAbsent => ("KMSInvalidStateException", "is pending import."),
        Forbidden::StoreDisconnected => ("KMSInvalidStateException", "is unavailable."),
    };
    Answer { status: StatusCode::BAD_REQUEST, code, message: Some(format!("{resource} {what}")) }
}

fn input(fault: &InputFault) -> (&'static str, String) {
    let message = match fault {
        InputFault::DuplicateTags => return ("TagException", "Duplicate tag keys".to_owned()),
        InputFault::PlaintextTooLong { spec, maximum } => {
            // OAEP leaves two digests and two bytes less than the modulus has.
            let digest = if matches!(maximum, 214 | 342 | 470) { "1" } else { "256" };
            let spec = word(words::KEY_SPECS, spec);
            format!(
                "Algorithm RSAES_OAEP_SHA_{digest} and key spec {spec} cannot encrypt data larger than {maximum} bytes."
            )
        }
        InputFault::DigestLength { algorithm } => {
            format!("Digest is invalid length for algorithm {}.", word(words::SIGNING_ALGORITHMS, algorithm))
        }
        InputFault::MessageUnfit { algorithm, kind } => {
            let (algorithm, kind) = (word(words::SIGNING_ALGORITHMS, algorithm), word(words::MESSAGE_TYPES, kind));
            format!("Message type {kind} is incompatible with algorithm {algorithm}.")
        }
        InputFault::PeerUnfit { spec } => {
            format!("The public key is not valid for key spec {}.", word(words::KEY_SPECS, spec))
        }
        InputFault::ActionUnfit { action } => {
            let operation = word(words::GRANT_OPERATIONS, action);
            format!("The operation {operation} cannot be granted on this kind of KMS key.")
        }
        InputFault::ContextUnsupported => {
            "EncryptionContext is supported by symmetric encryption KMS keys only.".to_owned()
        }
        InputFault::ConstraintsUnsupported => {
            "Encryption context constraints are supported by symmetric encryption KMS keys only.".to_owned()
        }
        InputFault::ServerUnchanged => "XksProxyUriEndpoint must change where XksProxyConnectivity changes.".to_owned(),
        InputFault::UnknownPrincipal { name } => {
            return ("InvalidArnException", format!("ARN does not refer to a valid principal: {name}"));
        }
        InputFault::Days { .. } | InputFault::Profile(_) | InputFault::Form { .. } => fault.to_string(),
        // Faults of requests that only administrators make.
        InputFault::NameUnfit { .. }
        | InputFault::LastName
        | InputFault::NameNeeded
        | InputFault::Nameless
        | InputFault::RecentlyUsed { .. }
        | InputFault::SessionTooLong(_) => fault.to_string(),
    };
    ("ValidationException", message)
}

fn unavailable(cause: &Unavailable, operation: Operation) -> Answer {
    let (status, code, message) = match cause {
        Unavailable::Busy => (StatusCode::BAD_REQUEST, "ThrottlingException", Some(THROTTLED.to_owned())),
        Unavailable::Log { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "KMSInternalException", Some(cause.to_string())),
        Unavailable::Root(RootError::Unavailable { .. } | RootError::Refused)
        | Unavailable::KeyStore {
            cause: KeyStoreError::Unavailable { .. } | KeyStoreError::WrongCredential | KeyStoreError::NoObject(_),
            ..
        }
        | Unavailable::Sealed
            if operation.uses_a_key() =>
        {
            (StatusCode::INTERNAL_SERVER_ERROR, "KeyUnavailableException", Some(cause.without_store()))
        }
        Unavailable::Store(_)
        | Unavailable::Root(_)
        | Unavailable::KeyStore { .. }
        | Unavailable::Sealed
        | Unavailable::Deadline(_)
        | Unavailable::Unsettled(_)
        | Unavailable::ClockJumped => {
            (StatusCode::SERVICE_UNAVAILABLE, "DependencyTimeoutException", Some(cause.without_store()))
        }
    };
    Answer { status, code, message }
}
