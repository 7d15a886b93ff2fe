//! Each algorithm there and back, and what it refuses.

use strongroom_crypto::{Capability, CryptoError, DataKeyPair, KeyMaterial, PublicKey, SystemRandom, capabilities};
use strongroom_model::algorithm::{
    AgreementAlgorithm, EncryptionAlgorithm, KemAlgorithm, MacAlgorithm, MessageKind, SigningAlgorithm,
};
use strongroom_model::spec::KeySpec;

fn make(spec: KeySpec) -> KeyMaterial {
    KeyMaterial::generate(spec, &SystemRandom, None).unwrap()
}

fn pairs() -> impl Iterator<Item = KeySpec> {
    KeySpec::ALL.iter().copied().filter(|spec| !spec.is_symmetric())
}

#[test]
fn every_signing_algorithm_verifies_its_own_signatures_and_refuses_changed_ones() {
    for spec in pairs() {
        let key = make(spec);
        let public = PublicKey::parse(spec, key.public_key().unwrap().der()).unwrap();
        for algorithm in SigningAlgorithm::ALL.iter().copied().filter(|algorithm| algorithm.fits(spec)) {
            let mut signature = key.sign(algorithm, MessageKind::Raw, b"message").unwrap();
            let verify =
                |message: &[u8], signature: &[u8]| public.verify(algorithm, MessageKind::Raw, message, signature);
            assert_eq!(verify(b"message", &signature), Ok(()), "{algorithm:?}");
            assert_eq!(verify(b"massage", &signature), Err(CryptoError::InvalidSignature), "{algorithm:?}");
            assert_eq!(verify(b"message", b""), Err(CryptoError::InvalidSignature), "{algorithm:?}");
            *signature.last_mut().unwrap() ^= 1;
            assert_eq!(verify(b"message", &signature), Err(CryptoError::InvalidSignature), "{algorithm:?}");
        }
    }
}

#[test]
fn a_signature_over_a_digest_is_one_over_its_message() {
    use aws_lc_rs::digest;
    for spec in pairs() {
        let key = make(spec);
        let public = key.public_key().unwrap();
        for algorithm in SigningAlgorithm::ALL.iter().copied().filter(|algorithm| algorithm.fits(spec)) {
            let hash = match algorithm.digest_bytes() {
                Some(32) => &digest::SHA256,
                Some(48) => &digest::SHA384,
                Some(_) => &digest::SHA512,
                None => continue,
            };
            let digest = digest::digest(hash, b"message");
            let by_digest = key.sign(algorithm, MessageKind::Digest, digest.as_ref()).unwrap();
            assert_eq!(public.verify(algorithm, MessageKind::Raw, b"message", &by_digest), Ok(()), "{algorithm:?}");
            let by_message = key.sign(algorithm, MessageKind::Raw, b"message").unwrap();
            let verified = public.verify(algorithm, MessageKind::Digest, digest.as_ref(), &by_message);
            assert_eq!(verified, Ok(()), "{algorithm:?}");
        }
    }
}

#[test]
fn a_digest_of_the_wrong_length_is_refused() {
    let key = make(KeySpec::EcP256);
    let refused = CryptoError::DigestLength { expected: 32, actual: 31 };
    assert_eq!(key.sign(SigningAlgorithm::EcdsaSha256, MessageKind::Digest, &[0; 31]), Err(refused));
    let public = key.public_key().unwrap();
    assert_eq!(public.verify(SigningAlgorithm::EcdsaSha256, MessageKind::Digest, &[0; 31], &[]), Err(refused));
}

#[test]
fn algorithms_that_do_not_fit_the_material_are_refused() {
    let (aes, ec) = (make(KeySpec::Aes256), make(KeySpec::EcP256));
    let unfit = |spec| Err(CryptoError::UnfitSigning(SigningAlgorithm::EcdsaSha384, spec));
    assert_eq!(aes.sign(SigningAlgorithm::EcdsaSha384, MessageKind::Raw, b""), unfit(KeySpec::Aes256));
    assert_eq!(ec.sign(SigningAlgorithm::EcdsaSha384, MessageKind::Raw, b""), unfit(KeySpec::EcP256));
    let unfit = CryptoError::UnfitEncryption(EncryptionAlgorithm::RsaOaepSha256, KeySpec::EcP256);
    assert_eq!(ec.decrypt(EncryptionAlgorithm::RsaOaepSha256, b"").err(), Some(unfit));
    assert_eq!(ec.public_key().unwrap().encrypt(EncryptionAlgorithm::RsaOaepSha256, b""), Err(unfit));
    let unfit = CryptoError::UnfitMac(MacAlgorithm::HmacSha256, KeySpec::Aes256);
    assert_eq!(aes.generate_mac(MacAlgorithm::HmacSha256, b""), Err(unfit));
    assert_eq!(aes.public_key().err(), Some(CryptoError::NoPublicKey(KeySpec::Aes256)));
}

#[test]
fn oaep_takes_plaintexts_up_to_its_limit_and_opens_them_again() {
    let key = make(KeySpec::Rsa2048);
    let public = key.public_key().unwrap();
    for (algorithm, limit) in [(EncryptionAlgorithm::RsaOaepSha1, 214), (EncryptionAlgorithm::RsaOaepSha256, 190)] {
        assert_eq!(public.plaintext_limit(algorithm), Ok(limit));
        for length in [0, 1, limit] {
            let plaintext = vec![7; length];
            let ciphertext = public.encrypt(algorithm, &plaintext).unwrap();
            assert_eq!(ciphertext.len(), 256);
            assert!(key.decrypt(algorithm, &ciphertext).unwrap().equals(&plaintext));
        }
        let refused = CryptoError::PlaintextTooLong { limit, actual: limit + 1 };
        assert_eq!(public.encrypt(algorithm, &vec![7; limit + 1]), Err(refused));
    }
}

#[test]
fn an_oaep_ciphertext_with_any_fault_is_one_error() {
    let key = make(KeySpec::Rsa2048);
    let algorithm = EncryptionAlgorithm::RsaOaepSha256;
    let ciphertext = key.public_key().unwrap().encrypt(algorithm, b"text").unwrap();
    let mut changed = ciphertext.clone();
    changed[128] ^= 1;
    let longer = [ciphertext.as_slice(), &[0]].concat();
    for bad in [&changed, &ciphertext[1..], &longer, &[], &vec![0xff; 256]] {
        assert_eq!(key.decrypt(algorithm, bad).err(), Some(CryptoError::InvalidCiphertext));
    }
    let other = key.decrypt(EncryptionAlgorithm::RsaOaepSha1, &ciphertext);
    assert_eq!(other.err(), Some(CryptoError::InvalidCiphertext));
}

#[test]
fn a_mac_verifies_whole_and_unchanged_only() {
    for (spec, algorithm) in [
        (KeySpec::Hmac224, MacAlgorithm::HmacSha224),
        (KeySpec::Hmac256, MacAlgorithm::HmacSha256),
        (KeySpec::Hmac384, MacAlgorithm::HmacSha384),
        (KeySpec::Hmac512, MacAlgorithm::HmacSha512),
    ] {
        let key = make(spec);
        let mac = key.generate_mac(algorithm, b"message").unwrap();
        assert_eq!(mac.len(), algorithm.mac_bytes());
        assert_eq!(key.verify_mac(algorithm, b"message", &mac), Ok(()));
        assert_eq!(key.verify_mac(algorithm, b"massage", &mac), Err(CryptoError::InvalidMac));
        assert_eq!(key.verify_mac(algorithm, b"message", &mac[1..]), Err(CryptoError::InvalidMac));
    }
}

#[test]
fn a_data_key_pair_comes_in_standard_encodings_that_read_back() {
    for spec in pairs() {
        let pair = DataKeyPair::generate(spec).unwrap();
        let key = KeyMaterial::parse(spec, pair.private.expose(), None).unwrap();
        assert_eq!(key.public_key().unwrap().der(), pair.public);
        assert!(key.encode().unwrap().equals(pair.private.expose()));
    }
    assert_eq!(DataKeyPair::generate(KeySpec::Aes256).err(), Some(CryptoError::NoPublicKey(KeySpec::Aes256)));
}

#[test]
fn the_capability_table_names_every_spec_that_can_be_made() {
    for spec in KeySpec::ALL {
        assert!(capabilities().any(|capability| capability == Capability::Spec(*spec)));
        assert_eq!(make(*spec).spec(), *spec);
    }
}

#[test]
fn both_sides_agree_on_one_secret_as_long_as_the_field() {
    for (spec, bytes) in [(KeySpec::EcP256, 32), (KeySpec::EcP384, 48), (KeySpec::EcP521, 66)] {
        let (one, other) = (make(spec), make(spec));
        let ecdh = AgreementAlgorithm::Ecdh;
        let secret = one.agree(ecdh, other.public_key().unwrap()).unwrap();
        assert_eq!((secret.len(), ecdh.secret_bytes(spec)), (bytes, Some(bytes)));
        assert!(other.agree(ecdh, one.public_key().unwrap()).unwrap().equals(secret.expose()));
        assert!(!one.agree(ecdh, one.public_key().unwrap()).unwrap().equals(secret.expose()));
    }
}

#[test]
fn no_agreement_across_curves_or_with_other_keys() {
    let (p256, p384) = (make(KeySpec::EcP256), make(KeySpec::EcP384));
    let refused = |spec| Some(CryptoError::UnfitAgreement(AgreementAlgorithm::Ecdh, spec));
    assert_eq!(p256.agree(AgreementAlgorithm::Ecdh, p384.public_key().unwrap()).err(), refused(KeySpec::EcP384));
    for spec in [KeySpec::EcSecp256k1, KeySpec::Ed25519, KeySpec::MlKem768, KeySpec::Rsa2048] {
        let other = make(spec);
        assert_eq!(other.agree(AgreementAlgorithm::Ecdh, p256.public_key().unwrap()).err(), refused(spec));
        assert_eq!(p256.agree(AgreementAlgorithm::Ecdh, other.public_key().unwrap()).err(), refused(spec));
    }
}

#[test]
fn what_is_encapsulated_comes_out_and_a_changed_ciphertext_yields_another_secret_always_the_same() {
    for spec in [KeySpec::MlKem512, KeySpec::MlKem768, KeySpec::MlKem1024] {
        let (key, kem) = (make(spec), KemAlgorithm::MlKem);
        let made = PublicKey::parse(spec, key.public_key().unwrap().der()).unwrap().encapsulate(kem).unwrap();
        assert_eq!(Some(made.ciphertext.len()), kem.ciphertext_bytes(spec));
        assert!(key.decapsulate(kem, &made.ciphertext).unwrap().equals(made.secret.expose()));
        let mut changed = made.ciphertext.clone();
        changed[7] ^= 1;
        let rejected = key.decapsulate(kem, &changed).unwrap();
        assert!(!rejected.equals(made.secret.expose()));
        assert!(key.decapsulate(kem, &changed).unwrap().equals(rejected.expose()));
        assert!(!make(spec).decapsulate(kem, &changed).unwrap().equals(rejected.expose()));
        for wrong in [&made.ciphertext[1..], &[made.ciphertext.as_slice(), &[0]].concat(), &[]] {
            assert_eq!(key.decapsulate(kem, wrong).err(), Some(CryptoError::InvalidCiphertext));
        }
    }
}

#[test]
fn only_ml_kem_keys_encapsulate_and_they_do_nothing_else() {
    let (kem, signer) = (make(KeySpec::MlKem512), make(KeySpec::MlDsa44));
    let unfit = Some(CryptoError::UnfitKem(KemAlgorithm::MlKem, KeySpec::MlDsa44));
    assert_eq!(signer.decapsulate(KemAlgorithm::MlKem, &[0; 768]).err(), unfit);
    assert_eq!(signer.public_key().unwrap().encapsulate(KemAlgorithm::MlKem).err(), unfit);
    let unfit = CryptoError::UnfitSigning(SigningAlgorithm::MlDsa, KeySpec::MlKem512);
    assert_eq!(kem.sign(SigningAlgorithm::MlDsa, MessageKind::Raw, b"message"), Err(unfit));
    assert_eq!(kem.public_key().unwrap().verify(SigningAlgorithm::MlDsa, MessageKind::Raw, b"", b""), Err(unfit));
}

#[test]
fn messages_of_a_kind_or_length_that_an_algorithm_does_not_take_are_refused() {
    use SigningAlgorithm as A;
    let unfit = |algorithm, kind| CryptoError::UnfitMessage(algorithm, kind);
    let length = |actual| CryptoError::DigestLength { expected: 64, actual };
    for (spec, algorithm, kind, message, refused) in [
        (KeySpec::Ed25519, A::Ed25519, MessageKind::Digest, 64, unfit(A::Ed25519, MessageKind::Digest)),
        (KeySpec::Ed25519, A::Ed25519Ph, MessageKind::ExternalMu, 64, unfit(A::Ed25519Ph, MessageKind::ExternalMu)),
        (KeySpec::Ed25519, A::Ed25519Ph, MessageKind::Digest, 32, length(32)),
        (KeySpec::MlDsa44, A::MlDsa, MessageKind::Digest, 64, unfit(A::MlDsa, MessageKind::Digest)),
        (KeySpec::MlDsa44, A::MlDsa, MessageKind::ExternalMu, 63, length(63)),
        (KeySpec::EcP256, A::EcdsaSha256, MessageKind::ExternalMu, 64, unfit(A::EcdsaSha256, MessageKind::ExternalMu)),
    ] {
        let key = make(spec);
        let message = vec![7; message];
        assert_eq!(key.sign(algorithm, kind, &message), Err(refused));
        assert_eq!(key.public_key().unwrap().verify(algorithm, kind, &message, &[0; 64]), Err(refused));
    }
}
