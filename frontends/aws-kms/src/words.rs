//! AWS's words for what the model has, each table in the order of AWS's model. A word whose value is absent is one that
//! AWS knows and this front end does not offer (yet).

use strongroom_engine::operations::import::ImportKind;
use strongroom_engine::{Algorithm, KeyEntry, LinkFailure, LinkState};
use strongroom_model::action::Action;
use strongroom_model::algorithm::{
    AgreementAlgorithm, EncryptionAlgorithm, ImportWrapping, KemAlgorithm, MacAlgorithm, MessageKind, SigningAlgorithm,
};
use strongroom_model::purpose::KeyState;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::{Usage, UsageProfile};

/// Words and what they stand for.
pub(crate) type Words<T> = &'static [(&'static str, Option<T>)];

pub(crate) const KEY_SPECS: Words<KeySpec> = &[
    ("RSA_2048", Some(KeySpec::Rsa2048)),
    ("RSA_3072", Some(KeySpec::Rsa3072)),
    ("RSA_4096", Some(KeySpec::Rsa4096)),
    ("ECC_NIST_P256", Some(KeySpec::EcP256)),
    ("ECC_NIST_P384", Some(KeySpec::EcP384)),
    ("ECC_NIST_P521", Some(KeySpec::EcP521)),
    ("ECC_SECG_P256K1", Some(KeySpec::EcSecp256k1)),
    ("SYMMETRIC_DEFAULT", Some(KeySpec::Aes256)),
    ("HMAC_224", Some(KeySpec::Hmac224)),
    ("HMAC_256", Some(KeySpec::Hmac256)),
    ("HMAC_384", Some(KeySpec::Hmac384)),
    ("HMAC_512", Some(KeySpec::Hmac512)),
    ("SM2", None),
    ("ML_DSA_44", Some(KeySpec::MlDsa44)),
    ("ML_DSA_65", Some(KeySpec::MlDsa65)),
    ("ML_DSA_87", Some(KeySpec::MlDsa87)),
    ("ECC_NIST_EDWARDS25519", Some(KeySpec::Ed25519)),
    ("ML_KEM_512", Some(KeySpec::MlKem512)),
    ("ML_KEM_768", Some(KeySpec::MlKem768)),
    ("ML_KEM_1024", Some(KeySpec::MlKem1024)),
];

/// AWS's former enumeration of the same, which it has closed.
pub(crate) const FORMER_KEY_SPECS: Words<KeySpec> = KEY_SPECS.split_at(13).0;

pub(crate) const PAIR_SPECS: Words<KeySpec> = &[
    ("RSA_2048", Some(KeySpec::Rsa2048)),
    ("RSA_3072", Some(KeySpec::Rsa3072)),
    ("RSA_4096", Some(KeySpec::Rsa4096)),
    ("ECC_NIST_P256", Some(KeySpec::EcP256)),
    ("ECC_NIST_P384", Some(KeySpec::EcP384)),
    ("ECC_NIST_P521", Some(KeySpec::EcP521)),
    ("ECC_SECG_P256K1", Some(KeySpec::EcSecp256k1)),
    ("SM2", None),
    ("ECC_NIST_EDWARDS25519", Some(KeySpec::Ed25519)),
    ("ML_KEM_512", Some(KeySpec::MlKem512)),
    ("ML_KEM_768", Some(KeySpec::MlKem768)),
    ("ML_KEM_1024", Some(KeySpec::MlKem1024)),
];

/// What a key is for, as AWS divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyUsage {
    SignVerify,
    EncryptDecrypt,
    Mac,
    KeyAgreement,
    Kem,
}

pub(crate) const KEY_USAGES: Words<KeyUsage> = &[
    ("SIGN_VERIFY", Some(KeyUsage::SignVerify)),
    ("ENCRYPT_DECRYPT", Some(KeyUsage::EncryptDecrypt)),
    ("GENERATE_VERIFY_MAC", Some(KeyUsage::Mac)),
    ("KEY_AGREEMENT", Some(KeyUsage::KeyAgreement)),
    ("ENCAPSULATE_DECAPSULATE", Some(KeyUsage::Kem)),
];

pub(crate) const ORIGINS: Words<Origin> = &[
    ("AWS_KMS", Some(Origin::Generated)),
    ("EXTERNAL", Some(Origin::Imported)),
    ("AWS_CLOUDHSM", Some(Origin::Resident)),
    ("EXTERNAL_KEY_STORE", Some(Origin::Doubled)),
];

pub(crate) const ENCRYPTION_ALGORITHMS: Words<EncryptionAlgorithm> = &[
    ("SYMMETRIC_DEFAULT", Some(EncryptionAlgorithm::DerivedAes256Gcm)),
    ("RSAES_OAEP_SHA_1", Some(EncryptionAlgorithm::RsaOaepSha1)),
    ("RSAES_OAEP_SHA_256", Some(EncryptionAlgorithm::RsaOaepSha256)),
    ("SM2PKE", None),
];

pub(crate) const SIGNING_ALGORITHMS: Words<SigningAlgorithm> = &[
    ("RSASSA_PSS_SHA_256", Some(SigningAlgorithm::RsaPssSha256)),
    ("RSASSA_PSS_SHA_384", Some(SigningAlgorithm::RsaPssSha384)),
    ("RSASSA_PSS_SHA_512", Some(SigningAlgorithm::RsaPssSha512)),
    ("RSASSA_PKCS1_V1_5_SHA_256", Some(SigningAlgorithm::RsaPkcs1Sha256)),
    ("RSASSA_PKCS1_V1_5_SHA_384", Some(SigningAlgorithm::RsaPkcs1Sha384)),
    ("RSASSA_PKCS1_V1_5_SHA_512", Some(SigningAlgorithm::RsaPkcs1Sha512)),
    ("ECDSA_SHA_256", Some(SigningAlgorithm::EcdsaSha256)),
    ("ECDSA_SHA_384", Some(SigningAlgorithm::EcdsaSha384)),
    ("ECDSA_SHA_512", Some(SigningAlgorithm::EcdsaSha512)),
    ("SM2DSA", None),
    ("ML_DSA_SHAKE_256", Some(SigningAlgorithm::MlDsa)),
    ("ED25519_SHA_512", Some(SigningAlgorithm::Ed25519)),
    ("ED25519_PH_SHA_512", Some(SigningAlgorithm::Ed25519Ph)),
];

pub(crate) const MAC_ALGORITHMS: Words<MacAlgorithm> = &[
    ("HMAC_SHA_224", Some(MacAlgorithm::HmacSha224)),
    ("HMAC_SHA_256", Some(MacAlgorithm::HmacSha256)),
    ("HMAC_SHA_384", Some(MacAlgorithm::HmacSha384)),
    ("HMAC_SHA_512", Some(MacAlgorithm::HmacSha512)),
];

pub(crate) const AGREEMENT_ALGORITHMS: Words<AgreementAlgorithm> = &[("ECDH", Some(AgreementAlgorithm::Ecdh))];

pub(crate) const KEM_ALGORITHMS: Words<KemAlgorithm> = &[("ML_KEM", Some(KemAlgorithm::MlKem))];

pub(crate) const MESSAGE_TYPES: Words<MessageKind> = &[
    ("RAW", Some(MessageKind::Raw)),
    ("DIGEST", Some(MessageKind::Digest)),
    ("EXTERNAL_MU", Some(MessageKind::ExternalMu)),
];

pub(crate) const DATA_KEY_SPECS: Words<usize> = &[("AES_256", Some(32)), ("AES_128", Some(16))];

pub(crate) const DRY_RUN_MODIFIERS: Words<()> = &[("IGNORE_CIPHERTEXT", Some(()))];

/// Whether they are the caller's own.
pub(crate) const RESOURCE_OWNERS: Words<bool> = &[("SELF", Some(true)), ("OTHER_ACCOUNTS_VIA_RAM", Some(false))];

pub(crate) const ROTATION_LISTS: Words<bool> = &[("ALL_KEY_MATERIAL", Some(true)), ("ROTATIONS_ONLY", Some(false))];

/// The first is one that AWS knows and takes no more.
pub(crate) const IMPORT_WRAPPING_ALGORITHMS: Words<ImportWrapping> = &[
    ("RSAES_PKCS1_V1_5", None),
    ("RSAES_OAEP_SHA_1", Some(ImportWrapping::RsaOaepSha1)),
    ("RSAES_OAEP_SHA_256", Some(ImportWrapping::RsaOaepSha256)),
    ("RSA_AES_KEY_WRAP_SHA_1", Some(ImportWrapping::RsaAesSha1)),
    ("RSA_AES_KEY_WRAP_SHA_256", Some(ImportWrapping::RsaAesSha256)),
    ("SM2PKE", None),
];

pub(crate) const IMPORT_WRAPPING_SPECS: Words<KeySpec> = &[
    ("RSA_2048", Some(KeySpec::Rsa2048)),
    ("RSA_3072", Some(KeySpec::Rsa3072)),
    ("RSA_4096", Some(KeySpec::Rsa4096)),
    ("SM2", None),
];

/// Whether material expires.
pub(crate) const EXPIRATION_MODELS: Words<bool> =
    &[("KEY_MATERIAL_EXPIRES", Some(true)), ("KEY_MATERIAL_DOES_NOT_EXPIRE", Some(false))];

pub(crate) const IMPORT_TYPES: Words<ImportKind> =
    &[("NEW_KEY_MATERIAL", Some(ImportKind::New)), ("EXISTING_KEY_MATERIAL", Some(ImportKind::Existing))];

pub(crate) const GRANT_OPERATIONS: Words<Action> = &[
    ("Decrypt", Some(Action::Decrypt)),
    ("Encrypt", Some(Action::Encrypt)),
    ("GenerateDataKey", Some(Action::GenerateDataKey)),
    ("GenerateDataKeyWithoutPlaintext", Some(Action::GenerateDataKeyWithoutPlaintext)),
    ("ReEncryptFrom", Some(Action::ReEncryptFrom)),
    ("ReEncryptTo", Some(Action::ReEncryptTo)),
    ("Sign", Some(Action::Sign)),
    ("Verify", Some(Action::Verify)),
    ("GetPublicKey", Some(Action::GetPublicKey)),
    ("CreateGrant", Some(Action::CreateGrant)),
    ("RetireGrant", Some(Action::RetireGrant)),
    ("DescribeKey", Some(Action::DescribeKey)),
    ("GenerateDataKeyPair", Some(Action::GenerateDataKeyPair)),
    ("GenerateDataKeyPairWithoutPlaintext", Some(Action::GenerateDataKeyPairWithoutPlaintext)),
    ("GenerateMac", Some(Action::GenerateMac)),
    ("VerifyMac", Some(Action::VerifyMac)),
    ("DeriveSharedSecret", Some(Action::DeriveSharedSecret)),
    ("Encapsulate", Some(Action::Encapsulate)),
    ("Decapsulate", Some(Action::Decapsulate)),
];

/// The word for a value; empty for one that AWS has no word for.
pub(crate) fn word<T: PartialEq>(words: Words<T>, value: &T) -> &'static str {
    words.iter().find(|(_, meant)| meant.as_ref() == Some(value)).map_or("", |(word, _)| word)
}

/// The word for an algorithm of any family.
pub(crate) fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Signing(algorithm) => word(SIGNING_ALGORITHMS, &algorithm),
        Algorithm::Encryption(algorithm) => word(ENCRYPTION_ALGORITHMS, &algorithm),
        Algorithm::Mac(algorithm) => word(MAC_ALGORITHMS, &algorithm),
        Algorithm::Agreement(algorithm) => word(AGREEMENT_ALGORITHMS, &algorithm),
        Algorithm::Kem(algorithm) => word(KEM_ALGORITHMS, &algorithm),
        // No key is wrapped through AWS KMS.
        Algorithm::KeyWrap(_) => "",
    }
}

/// AWS's usage of a profile; `None` for one that only other front ends can use.
pub(crate) const fn key_usage(profile: UsageProfile) -> Option<KeyUsage> {
    if profile.contains(Usage::DerivedAead) || profile.contains(Usage::RsaOaep) {
        return Some(KeyUsage::EncryptDecrypt);
    }
    if profile.contains(Usage::Sign) {
        return Some(KeyUsage::SignVerify);
    }
    if profile.contains(Usage::Mac) {
        return Some(KeyUsage::Mac);
    }
    if profile.contains(Usage::KeyAgreement) {
        return Some(KeyUsage::KeyAgreement);
    }
    if profile.contains(Usage::Kem) {
        return Some(KeyUsage::Kem);
    }
    None
}

/// The word for the usage of a profile; empty for one that only other front ends can use.
pub(crate) fn key_usage_word(profile: UsageProfile) -> &'static str {
    key_usage(profile).map_or("", |usage| word(KEY_USAGES, &usage))
}

/// The usages that material of `spec` gets for what AWS calls `usage`; `None` where they don't fit.
pub(crate) const fn usage_of(usage: KeyUsage, spec: KeySpec) -> Option<Usage> {
    match (usage, spec) {
        (KeyUsage::EncryptDecrypt, KeySpec::Aes256) => Some(Usage::DerivedAead),
        (KeyUsage::EncryptDecrypt, spec) if spec.is_rsa() => Some(Usage::RsaOaep),
        (KeyUsage::SignVerify, spec) if spec.is_rsa() || spec.is_elliptic() => Some(Usage::Sign),
        (KeyUsage::SignVerify, spec) if spec.is_ml_dsa() || matches!(spec, KeySpec::Ed25519) => Some(Usage::Sign),
        (KeyUsage::KeyAgreement, KeySpec::EcP256 | KeySpec::EcP384 | KeySpec::EcP521) => Some(Usage::KeyAgreement),
        (KeyUsage::Kem, spec) if spec.is_ml_kem() => Some(Usage::Kem),
        (KeyUsage::Mac, KeySpec::Hmac224 | KeySpec::Hmac256 | KeySpec::Hmac384 | KeySpec::Hmac512) => Some(Usage::Mac),
        _ => None,
    }
}

/// The word for a key's state.
pub(crate) const fn key_state(state: KeyState) -> &'static str {
    match state {
        KeyState::PreActivation => "PendingImport",
        KeyState::Active => "Enabled",
        KeyState::Suspended => "Disabled",
        KeyState::DestructionScheduled { .. } | KeyState::Destroyed => "PendingDeletion",
        KeyState::DestructionAwaitsReplicas { .. } => "PendingReplicaDeletion",
    }
}

/// The word for the state of a custom key store.
pub(crate) const fn connection_state(state: LinkState) -> &'static str {
    match state {
        LinkState::Disconnected => "DISCONNECTED",
        LinkState::Connecting => "CONNECTING",
        LinkState::Connected => "CONNECTED",
        LinkState::Failed => "FAILED",
    }
}

/// The word for why a custom key store could not be connected, one that is on a cluster or an external one.
pub(crate) const fn connection_error(failure: LinkFailure, external: bool) -> &'static str {
    match failure {
        LinkFailure::NoStore => "CLUSTER_NOT_FOUND",
        LinkFailure::Credential => "INVALID_CREDENTIALS",
        LinkFailure::Unreachable if !external => "NETWORK_ERRORS",
        LinkFailure::Unreachable | LinkFailure::Unhealthy => "XKS_PROXY_NOT_REACHABLE",
        LinkFailure::Late => "XKS_PROXY_TIMED_OUT",
        LinkFailure::Tls => "XKS_PROXY_INVALID_TLS_CONFIGURATION",
        LinkFailure::Answer => "XKS_PROXY_INVALID_RESPONSE",
        LinkFailure::Denied => "XKS_PROXY_ACCESS_DENIED",
        LinkFailure::Path => "XKS_PROXY_INVALID_CONFIGURATION",
        LinkFailure::Service => "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND",
        LinkFailure::Unfit => "INTERNAL_ERROR",
    }
}

/// The word for a key's origin.
pub(crate) const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Generated => "AWS_KMS",
        Origin::Imported => "EXTERNAL",
        Origin::Resident => "AWS_CLOUDHSM",
        Origin::Doubled => "EXTERNAL_KEY_STORE",
    }
}

/// The member that lists a key's algorithms, and the algorithms.
pub(crate) fn algorithms(key: &KeyEntry) -> Option<(&'static str, Vec<&'static str>)> {
    fn fitting<T: Copy>(words: Words<T>, fits: impl Fn(T) -> bool) -> Vec<&'static str> {
        words.iter().filter(|(_, value)| value.is_some_and(&fits)).map(|(word, _)| *word).collect()
    }
    let spec = key.row.spec;
    Some(match key_usage(key.profile)? {
        KeyUsage::EncryptDecrypt => {
            ("EncryptionAlgorithms", fitting(ENCRYPTION_ALGORITHMS, |algorithm| algorithm.fits(spec)))
        }
        KeyUsage::SignVerify => ("SigningAlgorithms", fitting(SIGNING_ALGORITHMS, |algorithm| algorithm.fits(spec))),
        KeyUsage::Mac => ("MacAlgorithms", fitting(MAC_ALGORITHMS, |algorithm| algorithm.fits(spec))),
        KeyUsage::KeyAgreement => {
            ("KeyAgreementAlgorithms", fitting(AGREEMENT_ALGORITHMS, |algorithm| algorithm.fits(spec)))
        }
        KeyUsage::Kem => ("EncapsulationAlgorithms", fitting(KEM_ALGORITHMS, |algorithm| algorithm.fits(spec))),
    })
}
