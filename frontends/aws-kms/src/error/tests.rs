//! Every error that the engine knows, and its answer.

use std::sync::Arc;

use strongroom_engine::{Algorithm, DeniedBy, InternalFault, Lack, LinkState, Missing, PolicyOutcome as Outcome};
use strongroom_model::algorithm::{MacAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::external::ExternalError;
use strongroom_model::id::ObjectId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::StoreError;
use strongroom_model::usage::{Usage, UsageProfile};

use super::*;

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn denial(outcome: Outcome, cross_account: bool) -> EngineError {
    EngineError::Denied(Box::new(Denial {
        principal: "arn:aws:iam::111122223333:user/u".into(),
        action: "kms:Encrypt",
        resource: ARN.into(),
        outcome,
        cross_account,
    }))
}

fn hsm() -> KeyStoreName {
    KeyStoreName::new("hsm").unwrap()
}

fn state(forbidden: Forbidden) -> EngineError {
    EngineError::StateForbids { resource: ARN.into(), forbidden }
}

/// At least one of each variant of the engine's errors, and of what is worded differently within one.
fn errors() -> Vec<EngineError> {
    let profile = UsageProfile::new(&[Usage::Sign], KeySpec::EcP256).unwrap();
    let algorithm = Algorithm::Mac(MacAlgorithm::HmacSha256);
    let mut errors = vec![
        Noun::Name(ARN.into()).into(),
        Noun::Name("arn:aws:kms:eu-west-1:111122223333:alias/a".into()).into(),
        Noun::Policy("other".into()).into(),
        Noun::Grant.into(),
        Noun::Tenant("111122223333".into()).into(),
        EngineError::AlreadyExists(Noun::Name("arn:aws:kms:eu-west-1:111122223333:alias/a".into())),
        EngineError::AlreadyExists(Noun::Grant),
        EngineError::TenantSuspended,
        EngineError::PrincipalSuspended,
        EngineError::StoreNotOffered { store: hsm(), account: "111122223333".into() },
        EngineError::StoreLacks { store: hsm(), lack: Lack::Mechanism("CKM_EDDSA".to_owned()) },
        EngineError::StoreLacks { store: hsm(), lack: Lack::Algorithm(algorithm) },
        EngineError::UsageForbids { resource: ARN.into(), profile, wanted: Usage::DerivedAead },
        EngineError::AlgorithmUnfit { resource: ARN.into(), algorithm, spec: KeySpec::Hmac224 },
        EngineError::InvalidCiphertext,
        EngineError::IncorrectKey,
        EngineError::InvalidSignature,
        EngineError::InvalidMac,
        InputFault::DigestLength { algorithm: SigningAlgorithm::RsaPssSha256 }.into(),
        InputFault::MessageUnfit { algorithm: SigningAlgorithm::Ed25519, kind: MessageKind::Digest }.into(),
        InputFault::PeerUnfit { spec: KeySpec::EcP256 }.into(),
        InputFault::ContextUnsupported.into(),
        InputFault::DuplicateTags.into(),
        InputFault::Days { what: "the waiting period", minimum: 7, maximum: 30 }.into(),
        InputFault::Form { what: "the description", problem: "is too long" }.into(),
        InputFault::ConstraintsUnsupported.into(),
        InputFault::UnknownPrincipal { name: "arn:aws:iam::111122223333:user/nobody".into() }.into(),
        InputFault::ActionUnfit { action: strongroom_model::action::Action::Sign }.into(),
        EngineError::Lockout,
        EngineError::Conflict,
        EngineError::Unsupported("rotation of this kind of key"),
        EngineError::InvalidGrantToken,
        EngineError::OriginForbids { resource: ARN.into(), origin: Origin::Generated },
        EngineError::InvalidImportToken,
        EngineError::ExpiredImportToken,
        EngineError::IncorrectMaterial,
        EngineError::RotationPending { resource: ARN.into(), published: [0xab; 32] },
        EngineError::NothingPending { resource: ARN.into() },
        EngineError::NotPrimary { resource: ARN.into() },
        EngineError::InvalidCursor,
        EngineError::DryRun,
        EngineError::Unavailable(Unavailable::Busy),
        EngineError::Unavailable(Unavailable::Log { cause: Arc::from("secret path") }),
        EngineError::Unavailable(Unavailable::Root(RootError::Busy)),
        EngineError::Unavailable(Unavailable::Root(RootError::Unavailable { cause: "secret path".to_owned() })),
        EngineError::Unavailable(Unavailable::Root(RootError::Timeout(std::time::Duration::from_secs(5)))),
        EngineError::Unavailable(Unavailable::Store(StoreError::Busy)),
        EngineError::Unavailable(Unavailable::Sealed),
        EngineError::Unavailable(Unavailable::ClockJumped),
        EngineError::Internal(InternalFault::Crypto("inside")),
    ];
    let id = || "cks-1234567890abcdef0".into();
    let links = [
        LinkFault::Missing { id: id() },
        LinkFault::NameTaken,
        LinkFault::StoreTaken,
        LinkFault::NoStore,
        LinkFault::OtherStore,
        LinkFault::AddressTaken,
        LinkFault::EndpointTaken,
        LinkFault::ServiceTaken,
        LinkFault::KeyTaken,
        LinkFault::OtherKind,
        LinkFault::HasKeys,
        LinkFault::State { id: id(), state: LinkState::Failed },
    ];
    errors.extend(links.map(EngineError::StoreLink));
    errors.push(EngineError::External(ExternalError::Late));
    for (spec, maximum) in [(KeySpec::Rsa2048, 214), (KeySpec::Rsa2048, 190), (KeySpec::Rsa4096, 470)] {
        errors.push(InputFault::PlaintextTooLong { spec, maximum }.into());
    }
    let quotas = [
        Quota::Keys { most: 5, has: 6 },
        Quota::Names { most: 5, has: 6 },
        Quota::Grants { most: 5, has: 6 },
        Quota::StoreLinks { most: 5, has: 6 },
        Quota::Tags,
        Quota::OnDemandRotations { resource: ARN.into() },
        Quota::Requests,
    ];
    errors.extend(quotas.map(EngineError::LimitExceeded));
    let states = [
        Forbidden::PreActivation,
        Forbidden::Suspended,
        Forbidden::DestructionScheduled,
        Forbidden::DestructionNotScheduled,
        Forbidden::Destroyed,
        Forbidden::VersionSuspended,
        Forbidden::VersionDeactivated,
        Forbidden::VersionDestroyed,
        Forbidden::DestructionAwaitsReplicas,
        Forbidden::VersionPending,
        Forbidden::VersionAbsent,
        Forbidden::StoreDisconnected,
    ];
    errors.extend(states.map(state));
    for outcome in [
        Outcome::ExplicitDeny(DeniedBy::ResourcePolicy),
        Outcome::ExplicitDeny(DeniedBy::IdentityPolicy),
        Outcome::ExplicitDeny(DeniedBy::Guardrail),
        Outcome::ImplicitDeny(Missing::IdentityPolicyAllow),
        Outcome::ImplicitDeny(Missing::ResourcePolicyAllow),
        Outcome::ExplicitDeny(DeniedBy::SessionPolicy),
        Outcome::ImplicitDeny(Missing::SessionPolicyAllow),
    ] {
        errors.extend([denial(outcome, false), denial(outcome, true)]);
    }
    errors
}

#[test]
fn every_engine_error_is_answered_as_was_last_looked_at() {
    let line = |error: EngineError| {
        let Answer { status, code, message } = answer(&error, Operation::Encrypt);
        format!("{} {code} {}", status.as_u16(), message.unwrap_or_else(|| "-".to_owned()))
    };
    let lines: Vec<String> = errors().into_iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_token_that_is_gone_makes_its_keys_unavailable_and_one_that_does_not_answer_is_late() {
    let told = |error: KeyStoreError, operation| answer(&EngineError::of_store(&hsm(), error), operation).code;
    let gone = || KeyStoreError::Unavailable { cause: "gone".to_owned() };
    for error in [gone(), KeyStoreError::WrongCredential, KeyStoreError::NoObject(ObjectId::from_bytes([7; 16]))] {
        assert_eq!(told(error, Operation::Decrypt), "KeyUnavailableException");
    }
    let late = KeyStoreError::Timeout(std::time::Duration::from_millis(180));
    assert_eq!(told(late, Operation::Decrypt), "DependencyTimeoutException");
    // AWS has no other name for it where no key is used.
    assert_eq!(told(gone(), Operation::CreateKey), "DependencyTimeoutException");
    assert_eq!(told(gone(), Operation::GenerateRandom), "DependencyTimeoutException");
}

#[test]
fn what_only_operators_may_see_is_in_no_answer() {
    let error = EngineError::Unavailable(Unavailable::Log { cause: Arc::from("/var/secret") });
    assert!(!answer(&error, Operation::Encrypt).message.unwrap_or_default().contains("secret"));
    let basement = KeyStoreName::new("hsm-in-the-basement").unwrap();
    for error in [KeyStoreError::WrongCredential, KeyStoreError::Unsupported { mechanism: "OAEP".to_owned() }] {
        let told = answer(&EngineError::of_store(&basement, error), Operation::Decrypt).message.unwrap_or_default();
        assert!(told.contains("the key store") && !told.contains("basement"), "{told}");
    }
    assert_eq!(answer(&EngineError::Internal(InternalFault::Crypto("inside")), Operation::Encrypt).message, None);
}
