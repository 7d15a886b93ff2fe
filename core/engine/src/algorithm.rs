//! The names of algorithms in records and in the usage ledger. They never change.

use strongroom_model::algorithm::{
    AgreementAlgorithm, EncryptionAlgorithm, KemAlgorithm, KeyWrapAlgorithm, MacAlgorithm, SigningAlgorithm,
};

/// Detached authenticated encryption.
pub(crate) const DETACHED: &str = "detached-aes-256-gcm";

pub(crate) const fn encryption(algorithm: EncryptionAlgorithm) -> &'static str {
    match algorithm {
        EncryptionAlgorithm::DerivedAes256Gcm => "derived-aes-256-gcm",
        EncryptionAlgorithm::RsaOaepSha1 => "rsa-oaep-sha-1",
        EncryptionAlgorithm::RsaOaepSha256 => "rsa-oaep-sha-256",
    }
}

pub(crate) const fn signing(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::RsaPssSha256 => "rsa-pss-sha-256",
        SigningAlgorithm::RsaPssSha384 => "rsa-pss-sha-384",
        SigningAlgorithm::RsaPssSha512 => "rsa-pss-sha-512",
        SigningAlgorithm::RsaPkcs1Sha256 => "rsa-pkcs1-sha-256",
        SigningAlgorithm::RsaPkcs1Sha384 => "rsa-pkcs1-sha-384",
        SigningAlgorithm::RsaPkcs1Sha512 => "rsa-pkcs1-sha-512",
        SigningAlgorithm::EcdsaSha256 => "ecdsa-sha-256",
        SigningAlgorithm::EcdsaSha384 => "ecdsa-sha-384",
        SigningAlgorithm::EcdsaSha512 => "ecdsa-sha-512",
        SigningAlgorithm::Ed25519 => "ed25519",
        SigningAlgorithm::Ed25519Ph => "ed25519ph",
        SigningAlgorithm::MlDsa => "ml-dsa",
    }
}

pub(crate) const fn mac(algorithm: MacAlgorithm) -> &'static str {
    match algorithm {
        MacAlgorithm::HmacSha224 => "hmac-sha-224",
        MacAlgorithm::HmacSha256 => "hmac-sha-256",
        MacAlgorithm::HmacSha384 => "hmac-sha-384",
        MacAlgorithm::HmacSha512 => "hmac-sha-512",
    }
}

pub(crate) const fn agreement(algorithm: AgreementAlgorithm) -> &'static str {
    match algorithm {
        AgreementAlgorithm::Ecdh => "ecdh",
    }
}

pub(crate) const fn kem(algorithm: KemAlgorithm) -> &'static str {
    match algorithm {
        KemAlgorithm::MlKem => "ml-kem",
    }
}

pub(crate) const fn key_wrap(algorithm: KeyWrapAlgorithm) -> &'static str {
    match algorithm {
        KeyWrapAlgorithm::Aes256Kw => "aes-256-kw",
        KeyWrapAlgorithm::Aes256Kwp => "aes-256-kwp",
    }
}
