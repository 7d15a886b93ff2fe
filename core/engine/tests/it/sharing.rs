//! Secrets shared with someone else: agreed on, or encapsulated.

use strongroom_crypto::{KeyMaterial, SystemRandom};
use strongroom_engine::operations::agreement::DeriveSharedSecret;
use strongroom_engine::operations::data_key::GenerateDataKeyPair;
use strongroom_engine::operations::grant::CreateGrant;
use strongroom_engine::operations::kem::{Decapsulate, Encapsulate};
use strongroom_engine::operations::sign::{Sign, Verify};
use strongroom_engine::operations::usage::ReadUsage;
use strongroom_engine::{EngineError, InputFault, KeyEntry, Mode};
use strongroom_model::action::Action;
use strongroom_model::algorithm::{AgreementAlgorithm, KemAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::purpose::Forbidden;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{TestEngine, by_name};

use crate::tools::{Told, edit, pairs, told};

const KEMS: [(KeySpec, usize); 3] = [(KeySpec::MlKem512, 768), (KeySpec::MlKem768, 1088), (KeySpec::MlKem1024, 1568)];

fn local(spec: KeySpec) -> KeyMaterial {
    KeyMaterial::generate(spec, &SystemRandom, None).unwrap()
}

fn derive(key: &KeyEntry, peer: &[u8]) -> DeriveSharedSecret {
    DeriveSharedSecret { key: by_name(key), peer: peer.to_vec(), algorithm: AgreementAlgorithm::Ecdh }
}

fn encapsulate(key: &KeyEntry) -> Encapsulate {
    Encapsulate { key: by_name(key), algorithm: KemAlgorithm::MlKem }
}

fn decapsulate(key: &KeyEntry, ciphertext: &[u8]) -> Decapsulate {
    Decapsulate { key: by_name(key), ciphertext: ciphertext.to_vec(), algorithm: KemAlgorithm::MlKem }
}

#[test]
fn a_peer_with_a_key_of_its_own_agrees_on_the_same_secret() {
    let test = TestEngine::new();
    for (spec, bytes) in [(KeySpec::EcP256, 32), (KeySpec::EcP384, 48), (KeySpec::EcP521, 66)] {
        let key = test.create(spec, Usage::KeyAgreement);
        let (peer, public) = (local(spec), strongroom_crypto::PublicKey::parse(spec, &key.versions[0].public).unwrap());
        let made = test.run(&test.root(), derive(&key, peer.public_key().unwrap().der())).unwrap();
        assert!(made.secret.equals(peer.agree(AgreementAlgorithm::Ecdh, &public).unwrap().expose()));
        assert_eq!(made.secret.len(), bytes);
    }
}

#[test]
fn a_public_key_that_is_none_of_the_curve_is_refused_and_touches_no_material() {
    let test = TestEngine::new();
    let key = test.create(KeySpec::EcP256, Usage::KeyAgreement);
    let from = test.records().len();
    for peer in [local(KeySpec::EcP384), local(KeySpec::EcSecp256k1), local(KeySpec::Ed25519)] {
        let refused = test.run(&test.root(), derive(&key, peer.public_key().unwrap().der()));
        let fault = EngineError::from(InputFault::PeerUnfit { spec: KeySpec::EcP256 }).to_string();
        assert_eq!(refused.err().unwrap().to_string(), fault);
    }
    assert_eq!(told(&test, from), [12; 3].map(|fault| Told::failed(Action::DeriveSharedSecret, fault)));
    assert!(test.records().last().unwrap().record().unwrap().demands[0].material.is_none());
}

#[test]
fn what_the_holder_of_the_public_key_encapsulates_is_recovered_and_the_other_way_round() {
    let test = TestEngine::new();
    for (spec, bytes) in KEMS {
        let key = test.create(spec, Usage::Kem);
        let public = strongroom_crypto::PublicKey::parse(spec, &key.versions[0].public).unwrap();
        let theirs = public.encapsulate(KemAlgorithm::MlKem).unwrap();
        let ours = test.run(&test.root(), encapsulate(&key)).unwrap();
        for (secret, ciphertext) in [(&theirs.secret, &theirs.ciphertext), (&ours.secret, &ours.ciphertext)] {
            assert_eq!(ciphertext.len(), bytes);
            let opened = test.run(&test.root(), decapsulate(&key, ciphertext)).unwrap();
            assert!(opened.secret.equals(secret.expose()));
        }
        let other = test.run(&test.root(), decapsulate(&key, &vec![7; bytes])).unwrap();
        assert!(!other.secret.equals(ours.secret.expose()), "implicit rejection");
        let short = test.run(&test.root(), decapsulate(&key, &ours.ciphertext[1..]));
        assert!(matches!(short, Err(EngineError::InvalidCiphertext)));
    }
}

#[test]
fn keys_share_secrets_only_if_they_were_made_for_it_and_are_active() {
    let test = TestEngine::new();
    let agrees = test.create(KeySpec::EcP256, Usage::KeyAgreement);
    let (signs, kem) = (test.create(KeySpec::EcP256, Usage::Sign), test.create(KeySpec::MlKem768, Usage::Kem));
    let peer = agrees.versions[0].public.clone();
    let usage = |wanted| move |error| matches!(error, EngineError::UsageForbids { wanted: is, .. } if is == wanted);
    assert!(test.run(&test.root(), derive(&signs, &peer)).err().is_some_and(usage(Usage::KeyAgreement)));
    assert!(test.run(&test.root(), encapsulate(&agrees)).err().is_some_and(usage(Usage::Kem)));
    assert!(test.run(&test.root(), decapsulate(&signs, &[0; 1088])).err().is_some_and(usage(Usage::Kem)));
    let made = test.run(&test.root(), encapsulate(&kem)).unwrap();
    for key in [&agrees, &kem] {
        edit(&test, key, strongroom_engine::operations::key::Edit::Suspend).unwrap();
    }
    let suspended = |error| matches!(error, EngineError::StateForbids { forbidden: Forbidden::Suspended, .. });
    assert!(test.run(&test.root(), derive(&agrees, &peer)).err().is_some_and(suspended));
    assert!(test.run(&test.root(), encapsulate(&kem)).err().is_some_and(suspended));
    assert!(test.run(&test.root(), decapsulate(&kem, &made.ciphertext)).err().is_some_and(suspended));
}

#[test]
fn a_dry_run_shares_nothing_and_each_use_is_counted_by_its_algorithm() {
    let test = TestEngine::new();
    let agrees = test.create(KeySpec::EcP384, Usage::KeyAgreement);
    let kem = test.create(KeySpec::MlKem512, Usage::Kem);
    let peer = agrees.versions[0].public.clone();
    assert!(matches!(test.run_as(&test.root(), derive(&agrees, &peer), Mode::DryRun), Err(EngineError::DryRun)));
    assert!(matches!(test.run_as(&test.root(), encapsulate(&kem), Mode::DryRun), Err(EngineError::DryRun)));
    test.run(&test.root(), derive(&agrees, &peer)).unwrap();
    let made = test.run(&test.root(), encapsulate(&kem)).unwrap();
    test.run(&test.root(), decapsulate(&kem, &made.ciphertext)).unwrap();
    let told = |key: &KeyEntry| {
        let rows = test.run(&test.root(), ReadUsage { key: by_name(key), skip: 0, limit: 100 }).unwrap().1.items;
        rows.iter().map(|row| (row.action, row.algorithm.clone(), row.count)).collect::<Vec<_>>()
    };
    assert_eq!(told(&agrees), [(Action::DeriveSharedSecret, "ecdh".to_owned(), 1)]);
    let once = |action| (action, "ml-kem".to_owned(), 1);
    assert_eq!(told(&kem), [once(Action::Encapsulate), once(Action::Decapsulate)]);
}

#[test]
fn a_grant_gives_only_what_its_key_can_do() {
    let test = TestEngine::new();
    let _anna = test.user("anna", None);
    let grant = |key: &KeyEntry, action| CreateGrant {
        key: by_name(key),
        grantee: "arn:aws:iam::111122223333:user/anna".to_owned(),
        retiring: None,
        actions: vec![action, Action::GetPublicKey],
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: None,
    };
    let (agrees, kem) = (test.create(KeySpec::EcP256, Usage::KeyAgreement), test.create(KeySpec::MlKem768, Usage::Kem));
    for (key, fit, unfit) in [
        (&agrees, Action::DeriveSharedSecret, Action::Encapsulate),
        (&kem, Action::Encapsulate, Action::DeriveSharedSecret),
        (&kem, Action::Decapsulate, Action::Sign),
    ] {
        test.run(&test.root(), grant(key, fit)).unwrap();
        let refused = test.run(&test.root(), grant(key, unfit));
        let fault = EngineError::from(InputFault::ActionUnfit { action: unfit });
        assert_eq!(refused.err().unwrap().to_string(), fault.to_string());
    }
}

#[test]
fn the_newer_signatures_verify_by_the_public_key_alone() {
    let test = TestEngine::new();
    for (spec, algorithm, kinds) in [
        (KeySpec::Ed25519, SigningAlgorithm::Ed25519, &[MessageKind::Raw][..]),
        (KeySpec::Ed25519, SigningAlgorithm::Ed25519Ph, &[MessageKind::Raw, MessageKind::Digest]),
        (KeySpec::MlDsa44, SigningAlgorithm::MlDsa, &[MessageKind::Raw, MessageKind::ExternalMu]),
        (KeySpec::MlDsa65, SigningAlgorithm::MlDsa, &[MessageKind::Raw, MessageKind::ExternalMu]),
        (KeySpec::MlDsa87, SigningAlgorithm::MlDsa, &[MessageKind::Raw, MessageKind::ExternalMu]),
    ] {
        let key = test.create(spec, Usage::Sign);
        let public = strongroom_crypto::PublicKey::parse(spec, &key.versions[0].public).unwrap();
        for kind in [MessageKind::Raw, MessageKind::Digest, MessageKind::ExternalMu] {
            let message = vec![7; 64];
            let made = test.run(&test.root(), Sign { key: by_name(&key), message: message.clone(), kind, algorithm });
            if !kinds.contains(&kind) {
                let unfit = EngineError::from(InputFault::MessageUnfit { algorithm, kind }).to_string();
                assert_eq!(made.err().unwrap().to_string(), unfit);
                continue;
            }
            let signature = made.unwrap().signature;
            public.verify(algorithm, kind, &message, &signature).unwrap();
            test.run(&test.root(), Verify { key: by_name(&key), message, kind, algorithm, signature }).unwrap();
        }
    }
}

#[test]
fn key_pairs_of_every_kind_open_to_what_was_given_out() {
    let test = TestEngine::new();
    let key = test.create_key();
    for spec in [KeySpec::Rsa2048, KeySpec::Ed25519, KeySpec::MlKem512, KeySpec::MlKem768, KeySpec::MlKem1024] {
        let context = pairs(&[]).into();
        let pair = test
            .run(&test.root(), GenerateDataKeyPair { key: by_name(&key), spec, context, in_the_clear: true })
            .unwrap();
        let material = KeyMaterial::parse(spec, pair.private.unwrap().expose(), None).unwrap();
        assert_eq!(material.public_key().unwrap().der(), pair.public);
    }
}
