use super::*;
use crate::random::SystemRandom;
use crate::random::tests::Exhausted;

#[test]
fn material_reads_back_from_its_secret_encoding() {
    for spec in KeySpec::ALL.iter().copied().filter(|spec| !spec.is_rsa()) {
        let made = KeyMaterial::generate(spec, &SystemRandom, None).unwrap();
        let encoded = made.encode().unwrap();
        let read = KeyMaterial::parse(spec, encoded.expose(), None).unwrap();
        assert!(read.encode().unwrap().equals(encoded.expose()));
        assert_eq!(read.public_key().ok().map(PublicKey::der), made.public_key().ok().map(PublicKey::der));
    }
}

#[test]
fn material_of_another_spec_is_refused() {
    let encoded: Vec<_> = [KeySpec::Aes256, KeySpec::Rsa2048, KeySpec::EcP256, KeySpec::EcSecp256k1, KeySpec::Hmac512]
        .into_iter()
        .map(|spec| (spec, KeyMaterial::generate(spec, &SystemRandom, None).unwrap().encode().unwrap()))
        .collect();
    for (made, bytes) in &encoded {
        for (spec, _) in encoded.iter().filter(|(spec, _)| spec != made) {
            let refused = KeyMaterial::parse(*spec, bytes.expose(), None);
            assert_eq!(refused.err(), Some(CryptoError::MaterialRejected(*spec)), "{made:?} as {spec:?}");
        }
    }
    let (_, rsa) = &encoded[1];
    let refused = KeyMaterial::parse(KeySpec::Rsa3072, rsa.expose(), None);
    assert_eq!(refused.err(), Some(CryptoError::MaterialRejected(KeySpec::Rsa3072)));
}

#[test]
fn symmetric_material_lies_in_the_arena_until_it_is_full_and_says_where_it_is() {
    let arena = Arena::new(1).unwrap();
    let mut made = Vec::new();
    loop {
        let key = KeyMaterial::generate(KeySpec::Hmac512, &SystemRandom, Some(&arena)).unwrap();
        if !key.is_in_arena() {
            break;
        }
        made.push(key);
    }
    assert_eq!(arena.refusals(), 1);
    made.pop();
    assert!(KeyMaterial::generate(KeySpec::Aes256, &SystemRandom, Some(&arena)).unwrap().is_in_arena());
    assert!(!KeyMaterial::generate(KeySpec::Aes256, &SystemRandom, None).unwrap().is_in_arena());
}

#[test]
fn no_key_is_made_without_randomness() {
    let made = KeyMaterial::generate(KeySpec::Aes256, &Exhausted, None);
    assert_eq!(made.err(), Some(CryptoError::Random));
}

#[test]
fn a_bare_point_is_no_public_key() {
    let made = KeyMaterial::generate(KeySpec::EcP256, &SystemRandom, None).unwrap();
    let Form::Elliptic(ec) = &made.form else { panic!("an elliptic key") };
    let refused = PublicKey::parse(KeySpec::EcP256, ec.signer.public_key().as_ref());
    assert_eq!(refused.err(), Some(CryptoError::MaterialRejected(KeySpec::EcP256)));
}
