use proptest::prelude::*;
use strongroom_model::usage::Usage;

use super::*;
use crate::random::SystemRandom;
use crate::random::tests::Counting;

/// Opens for ever. Made once by [`make_the_golden_file`].
const GOLDEN: &[u8] = include_bytes!("../../../../vectors/wrapped-material/v1.bin");
const GOLDEN_MATERIAL: [u8; 32] = [0x5a; 32];
const KINDS: [Kind; 7] = [
    Kind::Material,
    Kind::Credential,
    Kind::ImportToken,
    Kind::GrantToken,
    Kind::PageCursor,
    Kind::MaterialDigest,
    Kind::SessionToken,
];

fn domain_key() -> WrappingKey {
    WrappingKey::new([0xd4; 16], &Secret::copy_from(&(0x80..0xa0).collect::<Vec<u8>>()).unwrap(), None)
}

fn binding() -> Binding {
    Binding {
        key: KeyId::from_bytes([0x11; 16]),
        material: MaterialId::from_bytes([0x22; 16]),
        lineage: LineageId::from_bytes([0x33; 16]),
        tenant: TenantId::from_bytes([0x44; 16]),
        spec: KeySpec::Aes256,
        usage: UsageProfile::new(&[Usage::DerivedAead], KeySpec::Aes256).unwrap(),
        exportable: false,
        origin: Origin::Generated,
    }
}

#[test]
#[ignore = "writes the golden file, once"]
fn make_the_golden_file() {
    assert!(GOLDEN.is_empty(), "a released golden file is never made again");
    let material = KeyMaterial::parse(KeySpec::Aes256, &GOLDEN_MATERIAL, None).unwrap();
    let wrapped = domain_key().wrap(&binding(), &material, &Counting(0x60)).unwrap();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/wrapped-material/v1.bin"), wrapped).unwrap();
}

#[test]
fn the_golden_wrapped_material_of_version_1_opens() {
    let material = domain_key().unwrap(&binding(), GOLDEN, None).unwrap();
    assert!(material.encode().unwrap().equals(&GOLDEN_MATERIAL));
}

#[test]
fn the_golden_wrapped_material_of_version_1_is_what_the_layout_says_down_to_the_tag() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    assert_eq!(OVERHEAD_BYTES, 113);
    assert_eq!(GOLDEN.len(), OVERHEAD_BYTES + 32);
    assert_eq!(&GOLDEN[..5], b"SRW\x01\x01");
    assert_eq!(GOLDEN[5..21], [0xd4; 16]);
    assert_eq!(GOLDEN[21..53], (0x60..0x80).collect::<Vec<u8>>());
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &(0x80..0xa0).collect::<Vec<u8>>());
    let block = |counter: u8| {
        let message = [&[0, 0, 0, counter], b"strongroom wrapped material\0".as_slice(), &GOLDEN[..53], b"\0\0\x02\0"];
        aws_lc_rs::hmac::sign(&key, &message.concat())
    };
    assert_eq!(&GOLDEN[53..85], block(2).as_ref());
    let ids = [[0x11; 16], [0x22; 16], [0x33; 16], [0x44; 16]].concat();
    // AES-256, bit 0 of the usages, not exportable, generated.
    let additional = [&GOLDEN[..85], &ids, &[1, 0, 0, 0, 1, 0, 1]].concat();
    let mut text = GOLDEN_MATERIAL.to_vec();
    let iv = Nonce::try_assume_unique_for_key(&GOLDEN[85..97]).unwrap();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, block(1).as_ref()).unwrap())
        .seal_in_place_append_tag(iv, Aad::from(additional), &mut text)
        .unwrap();
    assert_eq!(text, GOLDEN[97..]);
}

/// Opens for ever. Made once by [`make_the_golden_digest`].
const GOLDEN_DIGEST: &[u8] = include_bytes!("../../../../vectors/wrapped-material/digest-v1.bin");

fn golden_digest() -> MaterialDigest {
    KeyMaterial::parse(KeySpec::Aes256, &GOLDEN_MATERIAL, None).unwrap().digest(binding().lineage).unwrap()
}

#[test]
#[ignore = "writes the golden file, once"]
fn make_the_golden_digest() {
    assert!(GOLDEN_DIGEST.is_empty(), "a released golden file is never made again");
    let sealed = domain_key().seal_digest(&binding(), &golden_digest(), &Counting(0x60)).unwrap();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/wrapped-material/digest-v1.bin"), sealed)
        .unwrap();
}

#[test]
fn the_golden_digest_of_version_1_tells_its_material_and_opens_for_its_binding_only() {
    assert_eq!(&GOLDEN_DIGEST[..5], b"SRD\x01\x01");
    assert!(domain_key().open_digest(&binding(), GOLDEN_DIGEST).unwrap().equals(&golden_digest()));
    let other = Binding { material: MaterialId::from_bytes([0; 16]), ..binding() };
    assert_eq!(domain_key().open_digest(&other, GOLDEN_DIGEST).err(), Some(CryptoError::Unwrap));
    assert_eq!(domain_key().unwrap(&binding(), GOLDEN_DIGEST, None).err(), Some(CryptoError::Unwrap));
}

#[test]
fn wrapped_material_moved_to_any_other_binding_does_not_open() {
    let binding = binding();
    let others = [
        Binding { key: KeyId::from_bytes([0; 16]), ..binding },
        Binding { material: MaterialId::from_bytes([0; 16]), ..binding },
        Binding { lineage: LineageId::from_bytes([0; 16]), ..binding },
        Binding { tenant: TenantId::from_bytes([0; 16]), ..binding },
        Binding { spec: KeySpec::Hmac256, ..binding },
        Binding { usage: UsageProfile::new(&[Usage::KeyWrap], KeySpec::Aes256).unwrap(), ..binding },
        Binding { exportable: true, ..binding },
        Binding { origin: Origin::Imported, ..binding },
    ];
    for other in others {
        assert_eq!(domain_key().unwrap(&other, GOLDEN, None).err(), Some(CryptoError::Unwrap), "{other:?}");
    }
}

#[test]
fn another_wrapping_key_does_not_open_it_whatever_it_is_called() {
    let secret = Secret::copy_from(&[9; 32]).unwrap();
    for id in [[0xd4; 16], [0; 16]] {
        let refused = WrappingKey::new(id, &secret, None).unwrap(&binding(), GOLDEN, None);
        assert_eq!(refused.err(), Some(CryptoError::Unwrap));
    }
}

#[test]
fn a_flip_of_any_bit_or_a_cut_anywhere_is_refused() {
    let mut damaged = GOLDEN.to_vec();
    for bit in 0..8 * GOLDEN.len() {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(domain_key().unwrap(&binding(), &damaged, None).err(), Some(CryptoError::Unwrap), "bit {bit}");
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    for length in 0..GOLDEN.len() {
        let refused = domain_key().unwrap(&binding(), &GOLDEN[..length], None);
        assert_eq!(refused.err(), Some(CryptoError::Unwrap), "{length} bytes");
    }
}

#[test]
fn every_kind_of_key_wraps_and_unwraps() {
    for spec in KeySpec::ALL.iter().copied() {
        let usage = Usage::ALL.iter().find_map(|usage| UsageProfile::new(&[*usage], spec).ok()).unwrap();
        let binding = Binding { spec, usage, ..binding() };
        let material = KeyMaterial::generate(spec, &SystemRandom, None).unwrap();
        let wrapped = domain_key().wrap(&binding, &material, &SystemRandom).unwrap();
        let unwrapped = domain_key().unwrap(&binding, &wrapped, None).unwrap();
        assert!(unwrapped.encode().unwrap().equals(material.encode().unwrap().expose()));
        assert_eq!(domain_key_id(Kind::Material, &wrapped), Some(DomainKeyId::from_bytes([0xd4; 16])));
    }
}

#[test]
fn what_is_sealed_as_one_kind_opens_as_no_other_even_under_another_magic() {
    for kind in KINDS {
        let sealed = domain_key().seal(kind, b"bound", b"text", &SystemRandom).unwrap();
        assert!(domain_key().open(kind, b"bound", &sealed).unwrap().equals(b"text"));
        assert_eq!(domain_key().open(kind, b"other", &sealed).err(), Some(CryptoError::Unwrap));
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            assert_eq!(domain_key().open(other, b"bound", &sealed).err(), Some(CryptoError::Unwrap));
            let disguised = [other.magic().as_slice(), &sealed[3..]].concat();
            assert_eq!(domain_key().open(other, b"bound", &disguised).err(), Some(CryptoError::Unwrap));
        }
    }
}

#[test]
fn a_credential_opens_only_where_it_belongs() {
    let binding = CredentialBinding {
        tenant: TenantId::from_bytes([1; 16]),
        credential: CredentialId::from_bytes([2; 16]),
        shown: "AKIA",
    };
    let sealed = domain_key().seal(Kind::Credential, &binding.encode(), b"secret", &SystemRandom).unwrap();
    assert!(domain_key().open(Kind::Credential, &binding.encode(), &sealed).unwrap().equals(b"secret"));
    let other = CredentialBinding { shown: "AKIB", ..binding };
    assert!(domain_key().open(Kind::Credential, &other.encode(), &sealed).is_err());
}

#[test]
fn more_than_the_limit_is_refused() {
    let refused = domain_key().seal(Kind::Material, b"", &vec![0; WRAPPED_PLAINTEXT_BYTES + 1], &SystemRandom);
    assert!(matches!(refused, Err(CryptoError::PlaintextTooLong { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = wrapping_key_id(Kind::Material, &bytes);
        prop_assert!(domain_key().unwrap(&binding(), &bytes, None).is_err());
        prop_assert!(domain_key().unwrap(&binding(), &[&GOLDEN[..21], &bytes].concat(), None).is_err());
    }
}
