use proptest::prelude::*;
use strongroom_model::spec::KeySpec;

use super::*;
use crate::random::SystemRandom;
use crate::random::tests::Counting;
use crate::sealed::COMMITMENT_BYTES;

/// Opens for ever. Made once by [`make_the_golden_file`].
const GOLDEN: &[u8] = include_bytes!("../../../../vectors/ciphertext/v1.bin");
const GOLDEN_PLAINTEXT: &[u8] = b"format version 1 opens for ever";

fn golden_material() -> KeyMaterial {
    let key: Vec<u8> = (0..32).collect();
    KeyMaterial::parse(KeySpec::Aes256, &key, None).unwrap()
}

fn golden_subject() -> Subject {
    Subject {
        purpose: Purpose::Data,
        lineage: LineageId::from_bytes([0xa1; 16]),
        material: MaterialId::from_bytes([0xb2; 16]),
    }
}

fn golden_context() -> EncryptionContext<'static> {
    EncryptionContext::new([("tenant", "blue"), ("app", "payroll")]).unwrap()
}

fn open_golden(ciphertext: &[u8]) -> Result<SecretBytes, CryptoError> {
    open(&golden_material(), &golden_subject(), AcceptedFormats::NEWEST, &golden_context(), ciphertext)
}

#[test]
#[ignore = "writes the golden file, once"]
fn make_the_golden_file() {
    assert!(GOLDEN.is_empty(), "a released golden file is never made again");
    let sealed =
        seal(&golden_material(), &golden_subject(), &golden_context(), GOLDEN_PLAINTEXT, &Counting(0x40)).unwrap();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/ciphertext/v1.bin"), sealed).unwrap();
}

#[test]
fn the_golden_ciphertext_of_version_1_opens() {
    assert!(open_golden(GOLDEN).unwrap().equals(GOLDEN_PLAINTEXT));
}

#[test]
fn the_golden_ciphertext_of_version_1_has_every_field_where_it_belongs() {
    assert_eq!(GOLDEN.len(), OVERHEAD_BYTES + GOLDEN_PLAINTEXT.len());
    assert_eq!(OVERHEAD_BYTES, 130);
    assert_eq!(&GOLDEN[..6], b"SRC\x01\x01\x01");
    assert_eq!(GOLDEN[6..22], [0xa1; 16]);
    assert_eq!(GOLDEN[22..38], [0xb2; 16]);
    assert_eq!(GOLDEN[38..70], (0x40..0x60).collect::<Vec<u8>>());
    // The commitment, from the layout of the key derivation alone (SP 800-108r1): the second block of HMAC-SHA256.
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &(0..32).collect::<Vec<u8>>());
    let message = [b"\0\0\0\x02strongroom ciphertext\0", &GOLDEN[..70], b"\0\0\x02\0"].concat();
    assert_eq!(&GOLDEN[70..70 + COMMITMENT_BYTES], aws_lc_rs::hmac::sign(&key, &message).as_ref());
    assert_eq!(Header::parse(GOLDEN), Ok(Header { format: Format::V1, subject: golden_subject() }));
}

#[test]
fn the_golden_ciphertext_of_version_1_is_what_the_layout_says_down_to_the_tag() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &(0..32).collect::<Vec<u8>>());
    let message = [b"\0\0\0\x01strongroom ciphertext\0", &GOLDEN[..70], b"\0\0\x02\0"].concat();
    let derived = aws_lc_rs::hmac::sign(&key, &message);
    let context = b"\0\0\0\x02\0\0\0\x03app\0\0\0\x07payroll\0\0\0\x06tenant\0\0\0\x04blue";
    let additional = [&GOLDEN[..102], context].concat();
    let mut text = GOLDEN_PLAINTEXT.to_vec();
    let iv = Nonce::try_assume_unique_for_key(&GOLDEN[102..114]).unwrap();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, derived.as_ref()).unwrap())
        .seal_in_place_append_tag(iv, Aad::from(additional), &mut text)
        .unwrap();
    assert_eq!(text, GOLDEN[114..]);
}

#[test]
fn a_flip_of_any_bit_anywhere_is_refused() {
    let mut damaged = GOLDEN.to_vec();
    for bit in 0..8 * GOLDEN.len() {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open_golden(&damaged).err(), Some(CryptoError::InvalidCiphertext), "bit {bit}");
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_ciphertext_cut_or_lengthened_anywhere_is_refused() {
    for length in 0..GOLDEN.len() {
        assert_eq!(open_golden(&GOLDEN[..length]).err(), Some(CryptoError::InvalidCiphertext), "{length} bytes");
    }
    let longer = [GOLDEN, &[0]].concat();
    assert_eq!(open_golden(&longer).err(), Some(CryptoError::InvalidCiphertext));
}

#[test]
fn another_context_lineage_material_or_purpose_does_not_open_it() {
    let (material, subject, context) = (golden_material(), golden_subject(), golden_context());
    let accepted = AcceptedFormats::NEWEST;
    let refused = Some(CryptoError::InvalidCiphertext);
    for pairs in [&[("app", "payroll"), ("tenant", "green")][..], &[("app", "payroll")], &[]] {
        let other = EncryptionContext::new(pairs.iter().copied()).unwrap();
        assert_eq!(open(&material, &subject, accepted, &other, GOLDEN).err(), refused);
    }
    let others = [
        Subject { lineage: LineageId::from_bytes([0; 16]), ..subject },
        Subject { material: MaterialId::from_bytes([0; 16]), ..subject },
        Subject { purpose: Purpose::Secret, ..subject },
    ];
    for other in others {
        assert_eq!(open(&material, &other, accepted, &context, GOLDEN).err(), refused);
    }
    let other = KeyMaterial::generate(KeySpec::Aes256, &SystemRandom, None).unwrap();
    assert_eq!(open(&other, &subject, accepted, &context, GOLDEN).err(), refused);
}

#[test]
fn a_format_that_the_key_does_not_accept_is_refused() {
    let opened = open(&golden_material(), &golden_subject(), AcceptedFormats::of(&[]), &golden_context(), GOLDEN);
    assert_eq!(opened.err(), Some(CryptoError::InvalidCiphertext));
    assert_eq!(AcceptedFormats::from_bits(AcceptedFormats::NEWEST.bits()), AcceptedFormats::NEWEST);
    assert_eq!(AcceptedFormats::NEWEST.bits(), 0b10);
}

/// Taken apart and put together for ever. Made once by [`make_the_golden_file_of_version_2`].
const GOLDEN_2: &[u8] = include_bytes!("../../../../vectors/ciphertext/v2.bin");

/// What a token does, done here.
fn sealed_elsewhere(iv: [u8; 12]) -> Vec<u8> {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let additional = resident_additional(&golden_subject(), &golden_context());
    let mut text = GOLDEN_PLAINTEXT.to_vec();
    let key: Vec<u8> = (0..32).collect();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(additional), &mut text)
        .unwrap();
    let (text, tag) = text.split_last_chunk().unwrap();
    resident_whole(&golden_subject(), &iv, text, tag)
}

#[test]
#[ignore = "writes the golden file, once"]
fn make_the_golden_file_of_version_2() {
    assert!(GOLDEN_2.is_empty(), "a released golden file is never made again");
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/ciphertext/v2.bin"), sealed_elsewhere([7; 12]))
        .unwrap();
}

#[test]
fn the_golden_ciphertext_of_version_2_is_what_the_layout_says() {
    assert_eq!(sealed_elsewhere([7; 12]), GOLDEN_2);
    assert_eq!(GOLDEN_2[..38], [b"SRC\x02\x02\x01".as_slice(), &[0xa1; 16], &[0xb2; 16]].concat());
    assert_eq!(Header::parse(GOLDEN_2), Ok(Header { format: Format::V2, subject: golden_subject() }));
    let parts = resident_parts(&golden_subject(), GOLDEN_2).unwrap();
    assert_eq!((parts.iv, parts.text.len(), parts.tag.len()), (&[7; 12], GOLDEN_PLAINTEXT.len(), 16));
    assert_eq!(AcceptedFormats::RESIDENT.bits(), 0b100);
    for length in 0..66 {
        assert!(resident_parts(&golden_subject(), &GOLDEN_2[..length]).is_err(), "{length}");
    }
}

#[test]
fn what_a_token_or_a_manager_opens_is_of_the_subject_that_its_header_names() {
    let subject = golden_subject();
    let others = [
        Subject { purpose: Purpose::Secret, ..subject },
        Subject { lineage: LineageId::from_bytes([0; 16]), ..subject },
        Subject { material: MaterialId::from_bytes([0; 16]), ..subject },
    ];
    for other in others {
        assert!(resident_parts(&other, GOLDEN_2).is_err() && doubled_parts(&other, GOLDEN_3).is_err());
    }
}

/// A key that accepted more than one would otherwise let what a token sealed be opened as what is sealed here.
#[test]
fn no_version_passes_for_another() {
    assert_eq!(resident_parts(&golden_subject(), GOLDEN).err(), Some(CryptoError::InvalidCiphertext));
    let both = AcceptedFormats::of(&[Format::V1, Format::V2]);
    let opened = open(&golden_material(), &golden_subject(), both, &golden_context(), GOLDEN_2);
    assert_eq!(opened.err(), Some(CryptoError::InvalidCiphertext));
    let mut mixed = GOLDEN_2.to_vec();
    mixed[4] = 1;
    assert!(Header::parse(&mixed).is_err());
    mixed[3] = 1;
    assert!(open_golden(&mixed).is_err());
    let all = AcceptedFormats::of(&[Format::V1, Format::V2, Format::V3]);
    let opened = open(&golden_material(), &golden_subject(), all, &golden_context(), GOLDEN_3);
    assert_eq!(opened.err(), Some(CryptoError::InvalidCiphertext));
    for other in [GOLDEN, GOLDEN_2] {
        assert_eq!(doubled_parts(&golden_subject(), other).err(), Some(CryptoError::InvalidCiphertext));
    }
    assert_eq!(resident_parts(&golden_subject(), GOLDEN_3).err(), Some(CryptoError::InvalidCiphertext));
}

/// Taken apart and put together for ever. Made once by [`make_the_golden_file_of_version_3`].
const GOLDEN_3: &[u8] = include_bytes!("../../../../vectors/ciphertext/v3.bin");

/// What an external key manager does, done here: its key is 32 times 9.
fn doubled_elsewhere(inner: &[u8]) -> Vec<u8> {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let additional = doubled_additional(&golden_subject());
    let mut text = inner.to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[9; 32]).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([7; 12]), Aad::from(additional), &mut text)
        .unwrap();
    let (text, tag) = text.split_last_chunk().unwrap();
    let parts = DoubledParts { iv: &[7; 12], tag, metadata: b"key_version=1", text };
    doubled_whole(&golden_subject(), &parts).unwrap()
}

#[test]
#[ignore = "writes the golden file, once"]
fn make_the_golden_file_of_version_3() {
    assert!(GOLDEN_3.is_empty(), "a released golden file is never made again");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/ciphertext/v3.bin");
    std::fs::write(path, doubled_elsewhere(GOLDEN)).unwrap();
}

#[test]
fn the_golden_ciphertext_of_version_3_is_what_the_layout_says() {
    assert_eq!(doubled_elsewhere(GOLDEN), GOLDEN_3);
    assert_eq!(GOLDEN_3[..38], [b"SRC\x03\x03\x01".as_slice(), &[0xa1; 16], &[0xb2; 16]].concat());
    assert_eq!(GOLDEN_3[38..51], [[12].as_slice(), &[7; 12]].concat());
    assert_eq!(GOLDEN_3[67..81], [[13].as_slice(), b"key_version=1"].concat());
    assert_eq!(Header::parse(GOLDEN_3), Ok(Header { format: Format::V3, subject: golden_subject() }));
    let parts = doubled_parts(&golden_subject(), GOLDEN_3).unwrap();
    assert_eq!((parts.iv, parts.metadata, parts.text.len()), (&[7; 12][..], &b"key_version=1"[..], GOLDEN.len()));
    assert_eq!(AcceptedFormats::DOUBLED.bits(), 0b1000);
    assert_eq!(doubled_additional(&golden_subject()), GOLDEN_3[..38]);
}

#[test]
fn a_ciphertext_of_version_3_of_other_lengths_is_none() {
    for length in 0..GOLDEN_3.len() - GOLDEN_PLAINTEXT.len() {
        assert!(doubled_parts(&golden_subject(), &GOLDEN_3[..length]).is_err(), "{length}");
    }
    for (place, lengths) in [(38, [0, 11, 14, 255]), (67, [21, 22, 200, 255])] {
        for length in lengths {
            let mut other = GOLDEN_3.to_vec();
            other[place] = length;
            assert!(doubled_parts(&golden_subject(), &other).is_err(), "{length} at {place}");
        }
    }
    let whole = |iv, metadata, text| {
        doubled_whole(&golden_subject(), &DoubledParts { iv, tag: &[0; 16], metadata, text }).is_ok()
    };
    assert!(whole(&[0; 16], &[], &[0; 130]) && whole(&[0; 12], &[0; 20], &[0; 130 + PLAINTEXT_BYTES]));
    assert!((13..16).all(|length| !whole(&[0; 16][..length], &[], &[0; 130])));
    assert!(!whole(&[0; 11], &[], &[0; 130]) && !whole(&[0; 17], &[], &[0; 130]) && !whole(&[0; 256], &[], &[0; 130]));
    assert!(!whole(&[0; 12], &[0; 21], &[0; 130]) && !whole(&[0; 12], &[0; 300], &[0; 130]));
    assert!(!whole(&[0; 12], &[], &[0; 129]) && !whole(&[0; 12], &[], &[0; 131 + PLAINTEXT_BYTES]));
}

/// Additional data of a detached ciphertext begins with a length that such data here never has.
#[test]
fn the_additional_data_of_a_resident_key_is_never_that_of_a_detached_ciphertext() {
    let (most, bytes) = (crate::limits::CONTEXT_PAIRS, crate::limits::CONTEXT_BYTES);
    let pairs: Vec<_> = (0..most).map(|number| (format!("{number:04}"), "x".repeat(bytes / most - 4))).collect();
    let context = EncryptionContext::new(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))).unwrap();
    let additional = resident_additional(&golden_subject(), &context);
    let told = usize::from(u16::from_be_bytes([additional[0], additional[1]]));
    assert!(additional.len() < 2 + told, "{} {told}", additional.len());
}

#[test]
fn plaintexts_up_to_the_limit_are_sealed_and_no_longer_ones() {
    let (material, subject, context) = (golden_material(), golden_subject(), EncryptionContext::default());
    for length in [0, PLAINTEXT_BYTES] {
        let sealed = seal(&material, &subject, &context, &vec![7; length], &SystemRandom).unwrap();
        assert_eq!(sealed.len(), length + OVERHEAD_BYTES);
        let opened = open(&material, &subject, AcceptedFormats::NEWEST, &context, &sealed).unwrap();
        assert!(opened.equals(&vec![7; length]));
    }
    let refused = seal(&material, &subject, &context, &vec![7; PLAINTEXT_BYTES + 1], &SystemRandom);
    assert!(matches!(refused, Err(CryptoError::PlaintextTooLong { .. })));
    let oversized = [GOLDEN, &[0; PLAINTEXT_BYTES]].concat();
    assert_eq!(Header::parse(&oversized), Err(CryptoError::InvalidCiphertext));
}

#[test]
fn material_that_is_not_aes_neither_seals_nor_opens() {
    let other = KeyMaterial::generate(KeySpec::Hmac256, &SystemRandom, None).unwrap();
    let (subject, context) = (golden_subject(), golden_context());
    let unfit = CryptoError::UnfitEncryption(EncryptionAlgorithm::DerivedAes256Gcm, KeySpec::Hmac256);
    assert_eq!(seal(&other, &subject, &context, b"", &SystemRandom), Err(unfit));
    assert_eq!(open(&other, &subject, AcceptedFormats::NEWEST, &context, GOLDEN).err(), Some(unfit));
}

proptest! {
    #[test]
    fn any_bytes_are_a_header_or_refused_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Header::parse(&bytes);
        prop_assert!(open_golden(&bytes).is_err());
    }

    #[test]
    fn a_right_header_before_any_bytes_is_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open_golden(&[&GOLDEN[..38], &body].concat()).is_err());
    }

    #[test]
    fn whatever_is_sealed_opens_to_itself(
        plaintext in proptest::collection::vec(any::<u8>(), 0..200),
        pairs in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..5),
    ) {
        let context =
            EncryptionContext::new(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))).unwrap();
        let (material, subject) = (golden_material(), golden_subject());
        let sealed = seal(&material, &subject, &context, &plaintext, &SystemRandom).unwrap();
        let opened = open(&material, &subject, AcceptedFormats::NEWEST, &context, &sealed).unwrap();
        prop_assert!(opened.equals(&plaintext));
    }
}
