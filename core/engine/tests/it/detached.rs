//! Ciphertexts in parts, and wrapped keys.

use std::sync::Arc;

use strongroom_engine::operations::detached::{OpenDetached, OpenedDetached, SealDetached, SealedDetached};
use strongroom_engine::operations::import::{GetImportParameters, ImportMaterial};
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::wrap::{UnwrapKey, WrapKey};
use strongroom_engine::{EngineError, InputFault, KeyEntry, Mode, RotationCause};
use strongroom_model::action::Action;
use strongroom_model::algorithm::{ImportWrapping, KeyWrapAlgorithm};
use strongroom_model::purpose::Forbidden;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{TestEngine, by_name, wrapped_for_import};

use crate::tools::{Told, edit, encrypt, told};

fn seal(key: &KeyEntry, text: &str, associated: Option<&[u8]>) -> SealDetached {
    let (plaintext, associated) = (SecretBytes::copy_from(text.as_bytes()), associated.map(<[u8]>::to_vec));
    SealDetached { key: by_name(key), plaintext, associated, integrity: true }
}

fn open(key: &KeyEntry, sealed: &SealedDetached, associated: Option<&[u8]>) -> OpenDetached {
    OpenDetached {
        key: by_name(key),
        ciphertext: sealed.parts.ciphertext.clone(),
        iv: sealed.parts.iv.to_vec(),
        tag: sealed.parts.tag.to_vec(),
        metadata: sealed.parts.metadata.clone(),
        associated: associated.map(<[u8]>::to_vec),
        reads_hashed: false,
    }
}

fn run(test: &TestEngine, open: OpenDetached) -> Result<String, EngineError> {
    let opened: OpenedDetached = test.run(&test.root(), open)?;
    Ok(String::from_utf8(opened.plaintext.expose().to_vec()).unwrap())
}

fn refuses(test: &TestEngine, open: OpenDetached) {
    let refused = run(test, open);
    assert!(matches!(refused, Err(EngineError::InvalidCiphertext)), "{refused:?}");
}

#[test]
fn what_was_sealed_opens_with_all_its_parts_and_with_no_others() {
    let test = TestEngine::new();
    let key = test.create_key();
    let sealed = test.run(&test.root(), seal(&key, "text", Some(b"data"))).unwrap();
    assert_eq!((sealed.parts.ciphertext.len(), sealed.parts.metadata.len()), (4, 20));
    let good = || open(&key, &sealed, Some(b"data"));
    assert_eq!(run(&test, good()).unwrap(), "text");
    let flip = |bytes: &mut Vec<u8>| bytes[3] ^= 1;
    let faults: [fn(&mut OpenDetached) -> &mut Vec<u8>; 5] = [
        |open| &mut open.ciphertext,
        |open| &mut open.iv,
        |open| &mut open.tag,
        |open| &mut open.metadata,
        |open| open.associated.as_mut().unwrap(),
    ];
    for fault in faults {
        let mut bad = good();
        flip(fault(&mut bad));
        refuses(&test, bad);
    }
    refuses(&test, OpenDetached { metadata: Vec::new(), ..good() });
    refuses(&test, OpenDetached { iv: vec![0; 16], ..good() });
    refuses(&test, OpenDetached { associated: None, ..good() });
    refuses(&test, OpenDetached { key: by_name(&test.create_key()), ..good() });
}

#[test]
fn empty_associated_data_is_absent_associated_data() {
    let test = TestEngine::new();
    let key = test.create_key();
    for (given, taken) in [(None, Some(&b""[..])), (Some(&b""[..]), None)] {
        let sealed = test.run(&test.root(), seal(&key, "text", given)).unwrap();
        assert_eq!(run(&test, open(&key, &sealed, taken)).unwrap(), "text");
    }
    let long = test.run(&test.root(), seal(&key, "text", Some(&[0; 65_536])));
    assert!(matches!(long, Err(EngineError::InvalidInput(InputFault::Form { .. }))));
}

#[test]
fn the_integrity_value_is_a_digest_of_all_parts_and_given_only_if_asked() {
    let test = TestEngine::new();
    let key = test.create_key();
    let sealed = test.run(&test.root(), seal(&key, "text", Some(b"data"))).unwrap();
    let parts = &sealed.parts;
    let whole = [b"data", parts.metadata.as_slice(), &parts.iv, &parts.ciphertext, &parts.tag].concat();
    assert_eq!(sealed.integrity, Some(*strongroom_audit::hash::Hash::of([whole.as_slice()]).as_bytes()));
    let plain = test.run(&test.root(), SealDetached { integrity: false, ..seal(&key, "text", None) }).unwrap();
    assert_eq!(plain.integrity, None);
    assert_eq!(run(&test, open(&key, &plain, None)).unwrap(), "text");
}

#[test]
fn older_versions_open_after_a_rotation_and_a_suspended_key_does_neither() {
    let test = TestEngine::new();
    let key = test.create_key();
    let old = test.run(&test.root(), seal(&key, "old", None)).unwrap();
    test.run(&test.root(), RotateKey { key: by_name(&key), cause: RotationCause::OnDemand }).unwrap();
    let new = test.run(&test.root(), seal(&key, "new", None)).unwrap();
    assert_ne!(old.parts.metadata[1..5], new.parts.metadata[1..5]);
    let from = test.records().len();
    assert_eq!(run(&test, open(&key, &old, None)).unwrap(), "old");
    assert_eq!(run(&test, open(&key, &new, None)).unwrap(), "new");
    assert_eq!(told(&test, from), [Told::done(Action::OpenDetached), Told::done(Action::OpenDetached)]);
    edit(&test, &key, Edit::Suspend).unwrap();
    let refused = |result: Result<(), EngineError>| {
        assert!(matches!(result, Err(EngineError::StateForbids { forbidden: Forbidden::Suspended, .. })), "{result:?}");
    };
    refused(run(&test, open(&key, &old, None)).map(drop));
    refused(test.run(&test.root(), seal(&key, "text", None)).map(drop));
}

#[test]
fn parts_and_whole_ciphertexts_of_one_key_are_permitted_apart() {
    let test = TestEngine::new();
    let key = test.create_key();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["test:SealDetached","test:OpenDetached"],
        "Resource":"*"}]}"#;
    let (store, nobody) = (test.user("store", Some(policy)), test.user("nobody", None));
    let sealed = test.run(&store, seal(&key, "text", None)).unwrap();
    test.run(&store, open(&key, &sealed, None)).unwrap();
    assert!(matches!(test.run(&store, encrypt(by_name(&key), "text", &[])), Err(EngineError::Denied(_))));
    assert!(matches!(test.run(&nobody, seal(&key, "text", None)), Err(EngineError::Denied(_))));
    assert!(matches!(test.run(&nobody, open(&key, &sealed, None)), Err(EngineError::Denied(_))));
    assert!(matches!(test.run_as(&store, open(&key, &sealed, None), Mode::DryRun), Err(EngineError::DryRun)));
}

#[test]
fn keys_for_something_else_neither_seal_nor_open() {
    let test = TestEngine::new();
    let (key, signer) = (test.create_key(), test.create(KeySpec::EcP256, Usage::Sign));
    let sealed = test.run(&test.root(), seal(&key, "text", None)).unwrap();
    let forbids = |result: Result<(), EngineError>| assert!(matches!(result, Err(EngineError::UsageForbids { .. })));
    forbids(test.run(&test.root(), seal(&signer, "text", None)).map(drop));
    forbids(run(&test, open(&signer, &sealed, None)).map(drop));
    let wrap = WrapKey {
        key: by_name(&key),
        plaintext: SecretBytes::copy_from(&[7; 32]),
        algorithm: KeyWrapAlgorithm::Aes256Kw,
    };
    forbids(test.run(&test.root(), wrap).map(drop));
}

/// A key for bare AES-GCM with this material.
fn imported(test: &TestEngine, material: &[u8]) -> Arc<KeyEntry> {
    let key = test.create_for_import(KeySpec::Aes256, Usage::RawGcm);
    let (wrapping, wrapping_spec) = (ImportWrapping::RsaOaepSha256, KeySpec::Rsa2048);
    let parameters = test.run(&test.root(), GetImportParameters { key: by_name(&key), wrapping, wrapping_spec });
    let parameters = parameters.unwrap();
    let import = ImportMaterial {
        key: by_name(&key),
        wrapped: wrapped_for_import(&parameters.public, material),
        token: parameters.token,
        kind: None,
        material: None,
        expires: None,
        description: None,
    };
    test.run(&test.root(), import).unwrap();
    key
}

#[test]
fn what_was_made_elsewhere_with_a_hashed_associated_data_opens_where_that_is_asked_for() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let test = TestEngine::new();
    let key = imported(&test, &[0x11; 32]);
    let hash = strongroom_audit::hash::Hash::of([b"data".as_slice()]);
    let bound = [&[0, 32], hash.as_bytes().as_slice(), &[0]].concat();
    let mut whole = b"text".to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0x11; 32]).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([5; 12]), Aad::from(bound), &mut whole)
        .unwrap();
    let good = |reads_hashed| OpenDetached {
        key: by_name(&key),
        ciphertext: whole[..4].to_vec(),
        iv: vec![5; 12],
        tag: whole[4..].to_vec(),
        metadata: Vec::new(),
        associated: Some(b"data".to_vec()),
        reads_hashed,
    };
    assert_eq!(run(&test, good(true)).unwrap(), "text");
    assert!(matches!(run(&test, good(false)), Err(EngineError::UsageForbids { .. })));
    refuses(&test, OpenDetached { associated: None, ..good(true) });
    refuses(&test, OpenDetached { associated: Some(b"date".to_vec()), ..good(true) });
    refuses(&test, OpenDetached { tag: whole[5..].to_vec(), ..good(true) });
    let sealed = test.run(&test.root(), seal(&key, "text", None));
    assert!(matches!(sealed, Err(EngineError::UsageForbids { .. })), "for opening only");
}

#[test]
fn keys_whose_ciphertexts_name_no_version_are_not_rotated() {
    let test = TestEngine::new();
    let key = test.create(KeySpec::Aes256, Usage::KeyWrap);
    let refused = test.run(&test.root(), RotateKey { key: by_name(&key), cause: RotationCause::OnDemand });
    assert!(matches!(refused, Err(EngineError::Unsupported(_))));
}

#[test]
fn wrapped_keys_unwrap_to_themselves_and_damaged_ones_not_at_all() {
    let test = TestEngine::new();
    let key = test.create(KeySpec::Aes256, Usage::KeyWrap);
    for (algorithm, lengths) in
        [(KeyWrapAlgorithm::Aes256Kw, &[16, 32, 8192][..]), (KeyWrapAlgorithm::Aes256Kwp, &[1, 7, 32, 8191])]
    {
        for length in lengths {
            let plaintext = SecretBytes::take(vec![7; *length]);
            let wrapped = test.run(&test.root(), WrapKey { key: by_name(&key), plaintext, algorithm }).unwrap().wrapped;
            let unwrap = |wrapped: &[u8]| {
                test.run(&test.root(), UnwrapKey { key: by_name(&key), wrapped: wrapped.to_vec(), algorithm })
            };
            assert!(unwrap(&wrapped).unwrap().plaintext.equals(&vec![7; *length]));
            let mut damaged = wrapped.clone();
            damaged[0] ^= 1;
            for damaged in [damaged.as_slice(), &wrapped[1..], &[]] {
                assert!(matches!(unwrap(damaged), Err(EngineError::InvalidCiphertext)));
            }
        }
        for length in [0, 8193] {
            let plaintext = SecretBytes::take(vec![7; length]);
            let refused = test.run(&test.root(), WrapKey { key: by_name(&key), plaintext, algorithm });
            assert!(matches!(refused, Err(EngineError::InvalidInput(_))), "{length}");
        }
    }
}
