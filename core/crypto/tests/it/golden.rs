//! Key pairs that must read back for ever, and what OpenSSL made with them (docs/formats/asymmetric-keys.md).

use strongroom_crypto::{KeyMaterial, PublicKey};
use strongroom_model::algorithm::{KemAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::spec::KeySpec;

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../../vectors/key-material/", $name)).as_slice()
    };
}

const PAIRS: [(KeySpec, &[u8], &[u8]); 10] = [
    (KeySpec::Rsa2048, vector!("rsa-2048.p8"), vector!("rsa-2048.spki")),
    (KeySpec::EcP256, vector!("p-256.p8"), vector!("p-256.spki")),
    (KeySpec::EcP384, vector!("p-384.p8"), vector!("p-384.spki")),
    (KeySpec::EcP521, vector!("p-521.p8"), vector!("p-521.spki")),
    (KeySpec::Ed25519, vector!("ed25519.p8"), vector!("ed25519.spki")),
    (KeySpec::MlDsa44, vector!("ml-dsa-44.p8"), vector!("ml-dsa-44.spki")),
    (KeySpec::MlDsa65, vector!("ml-dsa-65.p8"), vector!("ml-dsa-65.spki")),
    (KeySpec::MlDsa87, vector!("ml-dsa-87.p8"), vector!("ml-dsa-87.spki")),
    (KeySpec::MlKem768, vector!("ml-kem-768.p8"), vector!("ml-kem-768.spki")),
    (KeySpec::MlKem1024, vector!("ml-kem-1024.p8"), vector!("ml-kem-1024.spki")),
];

fn golden(spec: KeySpec) -> KeyMaterial {
    let (_, private, _) = PAIRS.into_iter().find(|(made, ..)| *made == spec).unwrap();
    KeyMaterial::parse(spec, private, None).unwrap()
}

#[test]
fn golden_key_pairs_read_back_as_they_were_written_and_have_the_public_half_that_openssl_says() {
    for (spec, private, public) in PAIRS {
        let key = KeyMaterial::parse(spec, private, None).unwrap();
        assert!(key.encode().unwrap().equals(private), "{spec:?}");
        assert_eq!(key.public_key().unwrap().der(), public, "{spec:?}");
        assert_eq!(PublicKey::parse(spec, public).unwrap().der(), public, "{spec:?}");
    }
}

#[test]
fn signatures_that_openssl_made_verify() {
    for (spec, algorithm, signature) in [
        (KeySpec::Ed25519, SigningAlgorithm::Ed25519, vector!("ed25519.sig")),
        (KeySpec::MlDsa44, SigningAlgorithm::MlDsa, vector!("ml-dsa-44.sig")),
        (KeySpec::MlDsa65, SigningAlgorithm::MlDsa, vector!("ml-dsa-65.sig")),
        (KeySpec::MlDsa87, SigningAlgorithm::MlDsa, vector!("ml-dsa-87.sig")),
    ] {
        let key = golden(spec);
        let verified = key.public_key().unwrap().verify(algorithm, MessageKind::Raw, b"message", signature);
        assert_eq!(verified, Ok(()), "{spec:?}");
        if algorithm == SigningAlgorithm::Ed25519 {
            assert_eq!(key.sign(algorithm, MessageKind::Raw, b"message").unwrap(), signature);
        }
    }
}

#[test]
fn secrets_that_openssl_encapsulated_come_out() {
    for (spec, ciphertext, secret) in [
        (KeySpec::MlKem768, vector!("ml-kem-768.ct"), vector!("ml-kem-768.secret")),
        (KeySpec::MlKem1024, vector!("ml-kem-1024.ct"), vector!("ml-kem-1024.secret")),
    ] {
        assert!(golden(spec).decapsulate(KemAlgorithm::MlKem, ciphertext).unwrap().equals(secret), "{spec:?}");
    }
}
