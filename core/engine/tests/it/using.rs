//! Encrypting, decrypting, signing: what the keys are for.

use strongroom_engine::operations::data_key::{GenerateDataKey, GenerateDataKeyPair};
use strongroom_engine::operations::encrypt::{Decrypt, ReEncrypt};
use strongroom_engine::operations::mac::{GenerateMac, VerifyMac};
use strongroom_engine::operations::sign::{Sign, Verify};
use strongroom_engine::{EngineError, InputFault, Mode};
use strongroom_model::algorithm::{EncryptionAlgorithm, MacAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::purpose::Forbidden;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{TestEngine, by_name};

use crate::tools::{decrypt, encrypt, opened, pairs, sealed};

#[test]
fn what_was_encrypted_under_a_context_decrypts_under_the_same_one_alone() {
    let test = TestEngine::new();
    let key = test.create_key();
    let context = [("app", "payroll"), ("tenant", "blue")];
    let made = test.run(&test.root(), encrypt(by_name(&key), "salary", &context)).unwrap();
    let opened = test.run(&test.root(), decrypt(&made.ciphertext, &context)).unwrap();
    assert_eq!(opened.plaintext.expose(), b"salary");
    assert_eq!(opened.key.row.id, key.row.id);
    for other in [&[][..], &[("app", "payroll")], &[("app", "payroll"), ("tenant", "red")]] {
        let refused = test.run(&test.root(), decrypt(&made.ciphertext, other));
        assert!(matches!(refused, Err(EngineError::InvalidCiphertext)), "{other:?}");
    }
}

#[test]
fn decrypting_under_another_key_than_the_ciphertexts_is_refused() {
    let test = TestEngine::new();
    let (key, other) = (test.create_key(), test.create_key());
    let ciphertext = sealed(&test, &key, "text");
    let under = |key| Decrypt { key: Some(key), ..decrypt(&ciphertext, &[]) };
    assert!(matches!(test.run(&test.root(), under(by_name(&other))), Err(EngineError::IncorrectKey)));
    assert_eq!(test.run(&test.root(), under(by_name(&key))).unwrap().plaintext.expose(), b"text");
}

#[test]
fn a_ciphertext_of_another_installation_is_no_ciphertext_here() {
    let (here, there) = (TestEngine::new(), TestEngine::new());
    let ciphertext = sealed(&there, &there.create_key(), "text");
    assert!(matches!(opened(&here, &ciphertext), Err(EngineError::InvalidCiphertext)));
    assert!(matches!(opened(&here, b"nonsense"), Err(EngineError::InvalidCiphertext)));
}

#[test]
fn re_encrypting_moves_a_ciphertext_to_another_key_and_context() {
    let test = TestEngine::new();
    let (from, to) = (test.create_key(), test.create_key());
    let ciphertext = sealed(&test, &from, "text");
    let moved = ReEncrypt {
        source: decrypt(&ciphertext, &[]),
        destination: by_name(&to),
        context: pairs(&[("new", "context")]).into(),
        algorithm: EncryptionAlgorithm::DerivedAes256Gcm,
        source_attributes: std::sync::Arc::new(strongroom_engine::NoAttributes),
    };
    let moved = test.run(&test.root(), moved).unwrap();
    assert_eq!((moved.source.row.id, moved.destination.row.id), (from.row.id, to.row.id));
    let opened = test.run(&test.root(), decrypt(&moved.ciphertext, &[("new", "context")])).unwrap();
    assert_eq!((opened.plaintext.expose(), opened.key.row.id), (b"text".as_slice(), to.row.id));
}

#[test]
fn data_keys_and_pairs_open_to_what_was_given_out() {
    let test = TestEngine::new();
    let key = test.create_key();
    let make =
        |in_the_clear| GenerateDataKey { key: by_name(&key), bytes: 32, context: pairs(&[]).into(), in_the_clear };
    let made = test.run(&test.root(), make(true)).unwrap();
    let opened = test.run(&test.root(), decrypt(&made.ciphertext, &[])).unwrap();
    assert!(opened.plaintext.equals(made.plaintext.unwrap().expose()));
    assert!(test.run(&test.root(), make(false)).unwrap().plaintext.is_none());

    let pair = GenerateDataKeyPair {
        key: by_name(&key),
        spec: KeySpec::EcP256,
        context: pairs(&[]).into(),
        in_the_clear: true,
    };
    let pair = test.run(&test.root(), pair).unwrap();
    let opened = test.run(&test.root(), decrypt(&pair.ciphertext, &[])).unwrap();
    assert!(opened.plaintext.equals(pair.private.unwrap().expose()));
}

#[test]
fn signatures_and_codes_verify_and_their_forgeries_do_not() {
    let test = TestEngine::new();
    let signer = test.create(KeySpec::EcP256, Usage::Sign);
    let (algorithm, kind) = (SigningAlgorithm::EcdsaSha256, MessageKind::Raw);
    let sign = Sign { key: by_name(&signer), message: b"message".to_vec(), kind, algorithm };
    let signature = test.run(&test.root(), sign).unwrap().signature;
    let verify = |message: &[u8]| Verify {
        key: by_name(&signer),
        message: message.to_vec(),
        kind,
        algorithm,
        signature: signature.clone(),
    };
    test.run(&test.root(), verify(b"message")).unwrap();
    assert!(matches!(test.run(&test.root(), verify(b"massage")), Err(EngineError::InvalidSignature)));

    let coder = test.create(KeySpec::Hmac256, Usage::Mac);
    let algorithm = MacAlgorithm::HmacSha256;
    let generate = GenerateMac { key: by_name(&coder), message: b"message".to_vec(), algorithm };
    let mac = test.run(&test.root(), generate).unwrap().mac;
    let verify =
        |message: &[u8]| VerifyMac { key: by_name(&coder), message: message.to_vec(), algorithm, mac: mac.clone() };
    test.run(&test.root(), verify(b"message")).unwrap();
    assert!(matches!(test.run(&test.root(), verify(b"massage")), Err(EngineError::InvalidMac)));
}

#[test]
fn a_key_does_only_what_it_was_made_for() {
    let test = TestEngine::new();
    let signer = test.create(KeySpec::EcP256, Usage::Sign);
    let refused = test.run(&test.root(), encrypt(by_name(&signer), "text", &[]));
    assert!(matches!(refused, Err(EngineError::UsageForbids { wanted: Usage::DerivedAead, .. })));
    let key = test.create_key();
    let sign = Sign {
        key: by_name(&key),
        message: b"message".to_vec(),
        kind: MessageKind::Raw,
        algorithm: SigningAlgorithm::EcdsaSha256,
    };
    assert!(matches!(test.run(&test.root(), sign), Err(EngineError::UsageForbids { .. })));
}

#[test]
fn a_dry_run_checks_all_and_releases_nothing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let dry = |operation| test.run_as(&test.root(), operation, Mode::DryRun);
    assert!(matches!(dry(decrypt(&ciphertext, &[])), Err(EngineError::DryRun)));
    assert!(matches!(dry(decrypt(&ciphertext, &[("other", "context")])), Err(EngineError::InvalidCiphertext)));
    assert!(matches!(
        test.run_as(
            &test.root(),
            strongroom_engine::operations::key::EditKey {
                key: by_name(&key),
                edit: strongroom_engine::operations::key::Edit::Suspend,
            },
            Mode::DryRun
        ),
        Err(EngineError::DryRun)
    ));
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn an_rsa_key_encrypts_without_a_context_and_only_so_much() {
    let test = TestEngine::new();
    let key = test.create(KeySpec::Rsa2048, Usage::RsaOaep);
    let algorithm = EncryptionAlgorithm::RsaOaepSha256;
    let with = |text: &str, context: &[(&str, &str)]| strongroom_engine::operations::encrypt::Encrypt {
        algorithm,
        ..encrypt(by_name(&key), text, context)
    };
    let made = test.run(&test.root(), with("text", &[])).unwrap();
    let open = Decrypt { key: Some(by_name(&key)), algorithm, ..decrypt(&made.ciphertext, &[]) };
    assert_eq!(test.run(&test.root(), open).unwrap().plaintext.expose(), b"text");
    let refused = test.run(&test.root(), with("text", &[("a", "context")]));
    assert!(matches!(refused, Err(EngineError::InvalidInput(InputFault::ContextUnsupported))));
    let long = test.run(&test.root(), with(&"x".repeat(191), &[]));
    assert!(matches!(long, Err(EngineError::InvalidInput(InputFault::PlaintextTooLong { maximum: 190, .. }))));
}

#[test]
fn a_suspended_keys_use_is_refused_even_while_its_material_is_at_hand() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    crate::tools::edit(&test, &key, strongroom_engine::operations::key::Edit::Suspend).unwrap();
    let refused = opened(&test, &ciphertext);
    assert!(matches!(refused, Err(EngineError::StateForbids { forbidden: Forbidden::Suspended, .. })));
    crate::tools::edit(&test, &key, strongroom_engine::operations::key::Edit::Resume).unwrap();
    assert_eq!(opened(&test, &ciphertext).unwrap(), "text");
}

#[test]
fn plaintexts_are_bounded() {
    let test = TestEngine::new();
    let key = test.create_key();
    let long = strongroom_engine::operations::encrypt::Encrypt {
        plaintext: SecretBytes::take(vec![0; 64 * 1024 + 1]),
        ..encrypt(by_name(&key), "", &[])
    };
    assert!(matches!(test.run(&test.root(), long), Err(EngineError::InvalidInput(_))));
}
