//! Tokens as key stores: keys made and used inside, by one token or by a group.

use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::id::ObjectId;
use strongroom_model::key_store::{
    KeyStore, KeyStoreError, KeyStoreName, MemberState, ResidentAead as _, ResidentSealed,
};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_root_pkcs11::{Pkcs11KeyStore, StoreConfig, TokenSelector};
use strongroom_secret::SecretBytes;
use strongroom_testkit::softhsm::Token;

use crate::rig::{Rig, children_of_this_process, eventually, program};

pub(crate) const OBJECT: ObjectId = ObjectId::from_bytes(*b"an object to use");
const OTHER: ObjectId = ObjectId::from_bytes(*b"another object 2");
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// What a call may take beyond its deadline on a loaded machine.
pub(crate) const SLACK: Duration = Duration::from_secs(5);
/// How soon a token is well again that is back, on a loaded machine.
const HEALED: Duration = Duration::from_secs(15);
const PLANT: &str = "STRONGROOM_TEST_PLANT";

fn config(rig: &Rig) -> StoreConfig {
    let name = KeyStoreName::new("hsm").unwrap();
    StoreConfig::new(name, Token::module(), vec![TokenSelector::Label(rig.token.label().into())])
}

pub(crate) fn shim_config(rig: &Rig) -> StoreConfig {
    let module = strongroom_pkcs11_shim::library().expect("the shim is built with this test");
    StoreConfig { module, deadline: Duration::from_millis(500), ..config(rig) }
}

fn start(rig: &Rig, config: StoreConfig) -> Pkcs11KeyStore {
    Pkcs11KeyStore::start(config, &rig.launcher(), &rig.token.pin()).unwrap()
}

/// A store whose token is ready.
pub(crate) fn ready(rig: &Rig, config: StoreConfig) -> Pkcs11KeyStore {
    let store = start(rig, config);
    store.await_tokens(LONG).unwrap();
    store
}

pub(crate) fn with_aes(rig: &Rig, config: StoreConfig) -> Pkcs11KeyStore {
    let store = ready(rig, config);
    assert_eq!(store.generate(OBJECT, KeySpec::Aes256, Usage::DerivedAead, LONG, &mut Vec::new()), Ok(Vec::new()));
    store
}

fn text() -> SecretBytes {
    SecretBytes::copy_from(b"text")
}

fn seal(store: &Pkcs11KeyStore, within: Duration) -> Result<ResidentSealed, KeyStoreError> {
    let begun = Instant::now();
    let sealed = store.seal(OBJECT, b"data", &text(), within);
    assert!(begun.elapsed() < within + SLACK, "{:?}", begun.elapsed());
    sealed
}

fn round_trip(store: &Pkcs11KeyStore, within: Duration) -> Result<(), KeyStoreError> {
    let sealed = seal(store, within)?;
    assert!(store.open(OBJECT, b"data", &sealed, within)?.equals(b"text"));
    Ok(())
}

pub(crate) fn heals(store: &Pkcs11KeyStore) {
    eventually("calls succeed again", || round_trip(store, Duration::from_millis(500)).is_ok());
    eventually("it is up again", || store.health()[0].state == MemberState::Up);
}

/// Puts something into every token of the rig, in a process of its own: an AES key, "extractable" or "confined", or "half" a
/// pair.
fn plant(rig: &Rig, what: &str) {
    let planted = std::process::Command::new(program())
        .args(["--exact", "store::plants_a_key_when_told_to"])
        .env(PLANT, what)
        .envs([rig.token.environment()])
        .output()
        .unwrap();
    assert!(planted.status.success(), "{}", String::from_utf8_lossy(&planted.stdout));
}

/// Not a test of its own: puts the same key into every token of its environment, as a vendor's replication would, and
/// looks at what is there already.
#[test]
fn plants_a_key_when_told_to() {
    let Some(how) = std::env::var_os(PLANT) else { return };
    let module = Pkcs11::new(Token::module()).unwrap();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    for slot in module.get_slots_with_initialized_token().unwrap() {
        let session = module.open_rw_session(slot).unwrap();
        session.login(UserType::User, Some(&AuthPin::new(Token::PIN.into()))).unwrap();
        if how == "half" {
            let named = || vec![Attribute::Token(true), Attribute::Id(OBJECT.as_bytes().to_vec())];
            let curve = Attribute::EcParams(vec![0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
            let public = [named(), vec![curve]].concat();
            let made = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &named()).unwrap();
            session.destroy_object(made.1).unwrap();
            continue;
        }
        if how == "look" {
            let secrets = [ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY];
            let found = secrets.map(|class| session.find_objects(&[Attribute::Class(class)]).unwrap()).concat();
            assert!(!found.is_empty());
            let bars = [
                Attribute::Sensitive(true),
                Attribute::AlwaysSensitive(true),
                Attribute::Extractable(false),
                Attribute::NeverExtractable(true),
            ];
            let types = [
                AttributeType::Sensitive,
                AttributeType::AlwaysSensitive,
                AttributeType::Extractable,
                AttributeType::NeverExtractable,
            ];
            for object in found {
                let told = session.get_attributes(object, &types).unwrap();
                assert!(bars.iter().all(|bar| told.contains(bar)), "{told:?}");
                assert!(session.get_attributes(object, &[AttributeType::Value]).unwrap_or_default().is_empty());
            }
            continue;
        }
        let extractable = how == "extractable";
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(!extractable),
            Attribute::Extractable(extractable),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Id(OBJECT.as_bytes().to_vec()),
            Attribute::Value(vec![7; 32]),
        ];
        session.create_object(&template).unwrap();
    }
}

#[test]
fn what_a_resident_key_seals_it_alone_opens_with_all_parts_as_they_were() {
    let rig = Rig::new();
    let store = with_aes(&rig, config(&rig));
    store.generate(OTHER, KeySpec::Aes256, Usage::DerivedAead, LONG, &mut Vec::new()).unwrap();
    let sealed = store.seal(OBJECT, b"data", &text(), LONG).unwrap();
    assert_ne!(sealed, store.seal(OBJECT, b"data", &text(), LONG).unwrap());
    assert!(store.open(OBJECT, b"data", &sealed, LONG).unwrap().equals(b"text"));
    let refused = |object, additional: &[u8], sealed: ResidentSealed| {
        assert_eq!(store.open(object, additional, &sealed, LONG).err(), Some(KeyStoreError::Refused));
    };
    refused(OTHER, b"data", sealed.clone());
    refused(OBJECT, b"date", sealed.clone());
    let mut bad = sealed.clone();
    bad.iv[0] ^= 1;
    refused(OBJECT, b"data", bad);
    let mut bad = sealed.clone();
    bad.tag[15] ^= 1;
    refused(OBJECT, b"data", bad);
    let mut bad = sealed;
    bad.ciphertext[0] ^= 1;
    refused(OBJECT, b"data", bad);
    let empty = store.seal(OBJECT, b"", &SecretBytes::take(Vec::new()), LONG).unwrap();
    assert!(store.open(OBJECT, b"", &empty, LONG).unwrap().is_empty());
    let most = SecretBytes::take(vec![7; 24 * 1024 - 10]);
    let sealed = store.seal(OBJECT, &[1; 10], &most, LONG).unwrap();
    assert!(store.open(OBJECT, &[1; 10], &sealed, LONG).unwrap().equals(most.expose()));
    assert_eq!(store.seal(OBJECT, &[1; 11], &most, LONG), Err(KeyStoreError::TooLong { limit: 24 * 1024 }));
    assert_eq!(store.health()[0].state, MemberState::Up);
    store.probe(LONG).unwrap();
}

#[test]
fn objects_are_made_once_found_again_and_destroyed() {
    let rig = Rig::new();
    let store = with_aes(&rig, config(&rig));
    let sealed = seal(&store, LONG).unwrap();
    store.generate(OBJECT, KeySpec::Aes256, Usage::DerivedAead, LONG, &mut Vec::new()).unwrap();
    assert!(store.open(OBJECT, b"data", &sealed, LONG).unwrap().equals(b"text"), "made a second time");
    let public = store.generate(OTHER, KeySpec::EcP256, Usage::Sign, LONG, &mut Vec::new()).unwrap();
    assert_eq!(store.generate(OTHER, KeySpec::EcP256, Usage::Sign, LONG, &mut Vec::new()).unwrap(), public);
    drop(store);
    let store = ready(&rig, config(&rig));
    assert!(store.open(OBJECT, b"data", &sealed, LONG).unwrap().equals(b"text"));
    for object in [OBJECT, OTHER] {
        assert_eq!(store.holds(object, LONG), Ok(true));
        store.destroy(object, LONG).unwrap();
        assert_eq!(store.holds(object, LONG), Ok(false));
        store.destroy(object, LONG).unwrap();
    }
    assert_eq!(store.seal(OBJECT, b"", &text(), LONG), Err(KeyStoreError::NoObject(OBJECT)));
    let mut drawn = [0; 5000];
    store.random(&mut drawn, LONG).unwrap();
    assert!(drawn.chunks(32).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
}

#[test]
fn keys_cannot_leave_the_token_and_one_that_could_is_not_used() {
    let rig = Rig::new();
    let store = with_aes(&rig, config(&rig));
    store.generate(OTHER, KeySpec::Rsa2048, Usage::Sign, LONG, &mut Vec::new()).unwrap();
    let look = std::process::Command::new(program())
        .args(["--exact", "store::plants_a_key_when_told_to"])
        .env(PLANT, "look")
        .envs([rig.token.environment()])
        .output()
        .unwrap();
    assert!(look.status.success(), "{}", String::from_utf8_lossy(&look.stdout));
    store.destroy(OBJECT, LONG).unwrap();
    drop(store);
    plant(&rig, "extractable");
    let store = ready(&rig, config(&rig));
    assert_eq!(store.seal(OBJECT, b"", &text(), LONG), Err(KeyStoreError::NoObject(OBJECT)));
}

#[test]
fn keys_are_wrapped_with_and_without_padding_and_a_key_has_one_use() {
    let rig = Rig::new();
    let store = with_aes(&rig, config(&rig));
    store.generate(OTHER, KeySpec::Aes256, Usage::KeyWrap, LONG, &mut Vec::new()).unwrap();
    let wrapping = store.key_wrapping().unwrap();
    for (algorithm, length, wrapped_length) in
        [(KeyWrapAlgorithm::Aes256Kw, 32, 40), (KeyWrapAlgorithm::Aes256Kwp, 40, 48)]
    {
        let key = SecretBytes::take((0..length).collect());
        let wrapped = wrapping.wrap(OTHER, algorithm, &key, LONG).unwrap();
        assert_eq!(wrapped.len(), wrapped_length);
        let unwrapped = wrapping.unwrap(OTHER, algorithm, &wrapped, LONG).unwrap();
        assert_eq!(unwrapped.expose(), key.expose(), "{algorithm:?}");
        let mut damaged = wrapped.clone();
        damaged[9] ^= 1;
        assert_eq!(wrapping.unwrap(OTHER, algorithm, &damaged, LONG).err(), Some(KeyStoreError::Refused));
        assert!(wrapping.wrap(OBJECT, algorithm, &key, LONG).is_err(), "it is for encryption");
    }
    assert!(store.seal(OTHER, b"", &text(), LONG).is_err(), "it is for wrapping");
    // SoftHSM2 leaves the padding on what it unwraps, which is found out before a wrapped key is given out.
    let odd = wrapping.wrap(OTHER, KeyWrapAlgorithm::Aes256Kwp, &SecretBytes::take(vec![7; 33]), LONG);
    assert!(matches!(odd, Err(KeyStoreError::Unsupported { .. })), "{odd:?}");
}

#[test]
fn private_rsa_keys_decrypt_what_the_public_half_encrypted_where_the_token_has_the_hash() {
    let rig = Rig::new();
    let store = ready(&rig, config(&rig));
    let public = store.generate(OBJECT, KeySpec::Rsa2048, Usage::RsaOaep, LONG, &mut Vec::new()).unwrap();
    let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&public).unwrap()).unwrap();
    let encrypt = |oaep| {
        let mut room = vec![0; public.ciphertext_size()];
        public.encrypt(oaep, b"text", &mut room, None).unwrap().to_vec()
    };
    let decrypt = |algorithm, text: &[u8]| store.decryption().unwrap().decrypt(OBJECT, algorithm, text, LONG);
    let mut text = encrypt(&OAEP_SHA1_MGF1SHA1);
    assert!(decrypt(EncryptionAlgorithm::RsaOaepSha1, &text).unwrap().equals(b"text"));
    text[9] ^= 1;
    assert_eq!(decrypt(EncryptionAlgorithm::RsaOaepSha1, &text).err(), Some(KeyStoreError::Refused));
    // SoftHSM2 has OAEP with SHA-1 alone.
    let lacking = decrypt(EncryptionAlgorithm::RsaOaepSha256, &encrypt(&OAEP_SHA256_MGF1SHA256)).err();
    assert!(matches!(lacking, Some(KeyStoreError::Unsupported { .. })), "{lacking:?}");
    assert_eq!(store.health()[0].state, MemberState::Up);
}

#[test]
fn signatures_verify_with_the_public_half_that_was_given_out() {
    use SigningAlgorithm as A;
    let rig = Rig::new();
    let store = ready(&rig, config(&rig));
    let holds = |spec, algorithms: &[(A, &'static dyn VerificationAlgorithm)]| {
        let object = ObjectId::from_bytes([KeySpec::code(spec); 16]);
        let public = store.generate(object, spec, Usage::Sign, LONG, &mut Vec::new()).unwrap();
        for (algorithm, verification) in algorithms {
            let sign = |kind, message: &[u8]| store.signing().unwrap().sign(object, *algorithm, kind, message, LONG);
            let key = UnparsedPublicKey::new(*verification, &public);
            key.verify(b"message", &sign(MessageKind::Raw, b"message").unwrap()).unwrap();
            let hash = match algorithm.digest_bytes() {
                Some(32) => &aws_lc_rs::digest::SHA256,
                Some(48) => &aws_lc_rs::digest::SHA384,
                _ => &aws_lc_rs::digest::SHA512,
            };
            let digest = aws_lc_rs::digest::digest(hash, b"message");
            key.verify(b"message", &sign(MessageKind::Digest, digest.as_ref()).unwrap()).unwrap();
            assert!(key.verify(b"massage", &sign(MessageKind::Raw, b"message").unwrap()).is_err());
        }
    };
    holds(KeySpec::EcP256, &[(A::EcdsaSha256, &signature::ECDSA_P256_SHA256_ASN1)]);
    holds(KeySpec::EcP384, &[(A::EcdsaSha384, &signature::ECDSA_P384_SHA384_ASN1)]);
    holds(KeySpec::EcP521, &[(A::EcdsaSha512, &signature::ECDSA_P521_SHA512_ASN1)]);
    holds(
        KeySpec::Rsa2048,
        &[
            (A::RsaPkcs1Sha256, &signature::RSA_PKCS1_2048_8192_SHA256),
            (A::RsaPkcs1Sha384, &signature::RSA_PKCS1_2048_8192_SHA384),
            (A::RsaPkcs1Sha512, &signature::RSA_PKCS1_2048_8192_SHA512),
            (A::RsaPssSha256, &signature::RSA_PSS_2048_8192_SHA256),
            (A::RsaPssSha384, &signature::RSA_PSS_2048_8192_SHA384),
            (A::RsaPssSha512, &signature::RSA_PSS_2048_8192_SHA512),
        ],
    );
    let ed25519 = store.generate(OBJECT, KeySpec::Ed25519, Usage::Sign, LONG, &mut Vec::new());
    assert!(matches!(ed25519, Err(KeyStoreError::Unsupported { .. })), "{ed25519:?}");
    assert_eq!(store.holds(OBJECT, LONG), Ok(false));
}

#[test]
fn a_pair_of_which_a_token_made_but_the_public_half_is_made_anew() {
    let rig = Rig::new();
    for _ in 0..2 {
        plant(&rig, "half");
    }
    let store = ready(&rig, config(&rig));
    let public = store.generate(OBJECT, KeySpec::EcP256, Usage::Sign, LONG, &mut Vec::new()).unwrap();
    assert_eq!(store.generate(OBJECT, KeySpec::EcP256, Usage::Sign, LONG, &mut Vec::new()), Ok(public));
}

#[test]
fn lost_sessions_and_failing_calls_are_got_over() {
    let rig = Rig::new();
    let store = with_aes(&rig, StoreConfig { sessions: 1, ..shim_config(&rig) });
    for function in ["C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt"] {
        rig.faults.set(&format!("{function} * lose once")).unwrap();
        round_trip(&store, LONG).unwrap();
        assert!(!rig.faults.in_force(), "{function}");
    }
    for function in ["C_EncryptInit", "C_Encrypt"] {
        rig.faults.set(&format!("{function} * return 0x30 once")).unwrap();
        // The one retry finds the token well again.
        round_trip(&store, LONG).unwrap();
        assert!(!rig.faults.in_force(), "{function}");
    }
    rig.faults.set("C_Decrypt * return 0x5 once").unwrap();
    round_trip(&store, LONG).unwrap();
}

#[test]
fn a_hanging_or_crashing_module_costs_no_caller_more_than_its_deadline_and_heals() {
    let rig = Rig::new();
    let store = with_aes(&rig, StoreConfig { sessions: 1, ..shim_config(&rig) });
    let within = Duration::from_millis(200);
    rig.faults.set("C_Encrypt * hang once").unwrap();
    let given_up = seal(&store, within);
    assert_eq!(given_up, Err(KeyStoreError::Timeout(within)));
    heals(&store);
    for _ in 0..5 {
        rig.faults.set("C_Encrypt * crash once").unwrap();
        // A caller with time to spare does not even notice.
        seal(&store, LONG).unwrap();
        assert!(!rig.faults.in_force());
    }
    heals(&store);
}

#[test]
fn a_token_that_stays_away_is_refused_at_once_until_it_is_back() {
    let rig = Rig::new();
    let store = with_aes(&rig, shim_config(&rig));
    let within = Duration::from_millis(200);
    rig.faults.set("C_EncryptInit * return 0x30").unwrap();
    eventually("the breaker opens", || {
        assert!(seal(&store, within).is_err());
        store.health()[0].state == MemberState::Down
    });
    assert!(store.health()[0].last_error.is_some());
    let begun = Instant::now();
    assert!(matches!(seal(&store, LONG), Err(KeyStoreError::Unavailable { .. })));
    assert!(begun.elapsed() < LONG / 2, "refused at once");
    rig.faults.set("").unwrap();
    eventually("it is up again by itself", || store.health()[0].state == MemberState::Up);
    round_trip(&store, LONG).unwrap();
}

#[test]
fn with_every_session_hanging_the_queue_refuses_early() {
    let rig = Rig::new();
    let store = with_aes(&rig, StoreConfig { sessions: 2, queue: 8, ..shim_config(&rig) });
    rig.faults.set("C_Encrypt * hang").unwrap();
    // Less than what a hanging call takes to be known for one.
    let within = Duration::from_millis(900);
    let together = std::sync::Barrier::new(24);
    let call = || {
        together.wait();
        seal(&store, within)
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..24).map(|_| scope.spawn(call)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap().unwrap_err()).collect()
    });
    let count = |error: &KeyStoreError| outcomes.iter().filter(|outcome| *outcome == error).count();
    assert_eq!((count(&KeyStoreError::Timeout(within)), count(&KeyStoreError::Busy)), (8, 16), "{outcomes:?}");
    rig.faults.set("").unwrap();
    heals(&store);
}

#[test]
fn a_store_starts_without_its_token_and_serves_once_it_is_there() {
    let rig = Rig::new();
    let late = vec![TokenSelector::Label("late".into())];
    let store = start(&rig, StoreConfig { tokens: late, ..config(&rig) });
    assert!(store.await_tokens(LONG).is_err());
    let refused =
        store.generate(OBJECT, KeySpec::Aes256, Usage::DerivedAead, Duration::from_millis(100), &mut Vec::new());
    assert!(refused.is_err());
    let _late = Token::new(rig.directory(), "late");
    eventually("it serves", || {
        store.generate(OBJECT, KeySpec::Aes256, Usage::DerivedAead, Duration::from_millis(500), &mut Vec::new()).is_ok()
    });
}

pub(crate) fn group(rig: &Rig) -> StoreConfig {
    let _twin = Token::new(rig.directory(), "twin");
    plant(rig, "confined");
    let tokens = [rig.token.label(), "twin"].map(|label| TokenSelector::Label(label.into())).to_vec();
    StoreConfig { tokens, sessions: 1, ..shim_config(rig) }
}

/// Which tokens of the group have an object.
fn each_holds(rig: &Rig, group: &StoreConfig, object: ObjectId) -> Vec<bool> {
    let holds = |token: &TokenSelector| {
        let alone = ready(rig, StoreConfig { tokens: vec![token.clone()], ..group.clone() });
        alone.holds(object, LONG).unwrap()
    };
    group.tokens.iter().map(holds).collect()
}

#[test]
fn in_a_group_another_token_serves_within_the_same_deadline() {
    let rig = Rig::new();
    let store = ready(&rig, group(&rig));
    let within = Duration::from_secs(4);
    round_trip(&store, within).unwrap();
    for fault in ["hang", "crash", "return 0x30"] {
        eventually("both are up", || store.health().iter().all(|member| member.state == MemberState::Up));
        rig.faults.set(&format!("C_Encrypt * {fault} once")).unwrap();
        round_trip(&store, within).unwrap();
        assert!(!rig.faults.in_force(), "{fault}");
    }
    // Nobody needs to ask a token for it to be found well.
    eventually("both are up", || store.health().iter().all(|member| member.state == MemberState::Up));
}

#[test]
fn a_group_serves_while_one_token_is_away_and_knows_what_only_one_has() {
    let rig = Rig::new();
    let config = group(&rig);
    let away = TokenSelector::Label("away".into());
    let tokens = [vec![away], config.tokens.clone()].concat();
    let store = start(&rig, StoreConfig { tokens, ..config });
    eventually("it serves", || round_trip(&store, Duration::from_millis(500)).is_ok());
    assert_ne!(store.health()[0].state, MemberState::Up);
    // Made in one token, and not carried to the other yet.
    store.generate(OTHER, KeySpec::Aes256, Usage::DerivedAead, LONG, &mut Vec::new()).unwrap();
    let sealed = store.seal(OTHER, b"", &text(), LONG).unwrap();
    assert!(store.open(OTHER, b"", &sealed, LONG).unwrap().equals(b"text"));
    let refused = store.destroy(OTHER, Duration::from_millis(500));
    assert!(refused.is_err(), "what cannot be reached may have it still");
}

#[test]
fn a_key_is_made_in_one_token_of_a_group_however_long_that_takes_and_in_no_other() {
    let rig = Rig::new();
    let config = group(&rig);
    let store = ready(&rig, config.clone());
    rig.faults.set("C_GenerateKeyPair * delay 3000 once").unwrap();
    // More than an equal share of what there is.
    store.generate(OTHER, KeySpec::EcP256, Usage::Sign, Duration::from_millis(5500), &mut Vec::new()).unwrap();
    assert!(!rig.faults.in_force());
    assert_eq!(each_holds(&rig, &config, OTHER), [true, false]);
}

#[test]
fn what_one_token_of_a_group_fails_to_make_no_other_makes_under_that_id() {
    let rig = Rig::new();
    let config = group(&rig);
    let store = ready(&rig, config.clone());
    let (mut asked, next) = (Vec::new(), ObjectId::from_bytes([9; 16]));
    let mut make = |object| store.generate(object, KeySpec::EcP256, Usage::Sign, LONG, &mut asked).map(drop);
    rig.faults.set("C_GenerateKeyPair * return 0x30 once").unwrap();
    let refused = make(OTHER);
    assert!(matches!(refused, Err(KeyStoreError::Unavailable { .. })), "{refused:?}");
    assert!(!rig.faults.in_force());
    make(next).unwrap();
    assert_eq!(each_holds(&rig, &config, OTHER), [false, false]);
    assert_eq!(each_holds(&rig, &config, next), [false, true]);
}

#[test]
fn a_token_that_serves_uses_but_failed_to_make_a_key_is_not_asked_for_it_again() {
    let rig = Rig::new();
    let config = group(&rig);
    let store = ready(&rig, config.clone());
    let numbered = |number| ObjectId::from_bytes([number; 16]);
    let make = |number, asked: &mut Vec<usize>| {
        store.generate(numbered(number), KeySpec::EcP256, Usage::Sign, LONG, asked).map(drop)
    };
    let is_up = || round_trip(&store, LONG).is_ok() && store.health()[0].state == MemberState::Up;
    // Two keys are on their way at once. The first token can make neither, and is used meanwhile.
    let mut keys = [Vec::new(), Vec::new()];
    rig.faults.set("C_GenerateKeyPair * return 0x31").unwrap();
    for (number, asked) in (1..).zip(&mut keys) {
        let refused = make(number, asked);
        assert!(matches!(refused, Err(KeyStoreError::Unavailable { .. })), "{refused:?}");
        assert_eq!(*asked, [0]);
        eventually("the first is up", is_up);
    }
    rig.faults.set("").unwrap();
    // Nor is it asked again because a third key was made there.
    make(3, &mut Vec::new()).unwrap();
    assert_eq!(each_holds(&rig, &config, numbered(3)), [true, false]);
    for (number, asked) in (4..).zip(&mut keys) {
        make(number, asked).unwrap();
        assert_eq!(each_holds(&rig, &config, numbered(number)), [false, true]);
        let refused = make(6, asked);
        assert!(matches!(refused, Err(KeyStoreError::Unavailable { .. })), "{refused:?}");
    }
    assert_eq!(each_holds(&rig, &config, numbered(6)), [false, false]);
}

#[test]
fn a_token_whose_objects_vanish_while_its_module_lives_is_told_of_and_serves_again_once_they_are_back() {
    let rig = Rig::new();
    let (store, within) = (with_aes(&rig, config(&rig)), Duration::from_millis(500));
    round_trip(&store, LONG).unwrap();
    assert!(store.try_each(OBJECT, LONG)[0].is_ok());
    let (here, away) = (rig.directory().join("tokens"), rig.directory().join("away"));
    std::fs::rename(&here, &away).unwrap();
    eventually("no key is found", || seal(&store, within).is_err());
    eventually("the token is not found either", || {
        store.try_each(OBJECT, within)[0].is_err() && store.health()[0].state != MemberState::Up
    });
    std::fs::rename(&away, &here).unwrap();
    heals(&store);
    assert!(store.try_each(OBJECT, LONG)[0].is_ok());
}

/// Moves the tokens of a rig away, and back on drop.
struct Away {
    here: std::path::PathBuf,
    there: std::path::PathBuf,
}

impl Away {
    fn of(rig: &Rig) -> Self {
        let (here, there) = (rig.directory().join("tokens"), rig.directory().join("away"));
        std::fs::rename(&here, &there).unwrap();
        Self { here, there }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        std::fs::rename(&self.there, &self.here).unwrap();
    }
}

#[test]
fn a_token_that_is_gone_makes_destroys_draws_and_proves_nothing_and_is_well_again_once_it_is_back() {
    let rig = Rig::new();
    let (store, soon) = (with_aes(&rig, config(&rig)), Duration::from_millis(500));
    type Ask<'a> = &'a dyn Fn(Duration) -> Result<(), KeyStoreError>;
    let all: [(&str, Ask<'_>); 5] = [
        ("a trial", &|within| store.probe(within)),
        ("random bytes", &|within| store.random(&mut [0; 16], within)),
        ("a new key", &|within| {
            store.generate(OTHER, KeySpec::Aes256, Usage::DerivedAead, within, &mut Vec::new()).map(drop)
        }),
        ("to look for a key", &|within| store.holds(OBJECT, within).map(|held| assert!(held, "it is there"))),
        ("to destroy", &|within| store.destroy(ObjectId::from_bytes(*b"not in any token"), within)),
    ];
    for (what, act) in all {
        act(LONG).unwrap_or_else(|error| panic!("{what}: {error}"));
        let away = Away::of(&rig);
        // Alone, and first: nothing else tells the module that the token is gone.
        let refused = act(soon);
        assert!(
            matches!(refused, Err(KeyStoreError::Unavailable { .. } | KeyStoreError::Timeout(_))),
            "{what}: {refused:?}"
        );
        drop(away);
        let began = Instant::now();
        eventually(what, || act(soon).is_ok());
        assert!(began.elapsed() < HEALED, "{what}: {:?}", began.elapsed());
        heals(&store);
    }
}

#[test]
fn a_token_in_which_nothing_more_may_be_made_is_tried_with_a_passing_key_and_goes_on() {
    // Device memory, and what many tokens answer whatever is the matter.
    for code in ["0x31", "0x5"] {
        let rig = Rig::new();
        let store = with_aes(&rig, shim_config(&rig));
        let children = children_of_this_process();
        rig.faults.set(&format!("C_GenerateKey * return {code} once")).unwrap();
        store.probe(LONG).unwrap_or_else(|error| panic!("{code}: {error}"));
        assert!(!rig.faults.in_force(), "{code}: no witness was made");
        assert_eq!(children_of_this_process(), children, "{code}: the module is the same");
        round_trip(&store, LONG).unwrap();
    }
}

#[test]
fn a_token_that_is_gone_again_and_again_under_load_heals_within_seconds_each_time_and_another_never_notices() {
    let (rig, other) = (Rig::new(), Rig::new());
    let (store, elsewhere) = (with_aes(&rig, config(&rig)), with_aes(&other, config(&other)));
    let within = Duration::from_millis(500);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&done);
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = round_trip(&store, within);
                    std::thread::park_timeout(Duration::from_millis(2));
                }
            });
        }
        for round in 0..6_u8 {
            let away = Away::of(&rig);
            eventually("uses are refused", || seal(&store, within).is_err());
            let lasting = Instant::now() + Duration::from_millis(u64::from(round) * 400);
            eventually("it was away for a while", || {
                round_trip(&elsewhere, LONG).unwrap();
                Instant::now() >= lasting
            });
            drop(away);
            let began = Instant::now();
            heals(&store);
            let made = ObjectId::from_bytes([round + 1; 16]);
            eventually("keys are made", || {
                store.generate(made, KeySpec::Aes256, Usage::DerivedAead, within, &mut Vec::new()).is_ok()
            });
            assert!(began.elapsed() < HEALED, "round {round}: {:?}", began.elapsed());
        }
    });
    assert_eq!(elsewhere.health()[0].last_error, None);
}

/// Says on drop that all is done, after a failure too.
struct Done<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn each_token_of_a_group_is_tried_by_itself() {
    let rig = Rig::new();
    let store = ready(&rig, group(&rig));
    assert!(store.try_each(OBJECT, LONG).iter().all(Result::is_ok));
    store.generate(OTHER, KeySpec::Aes256, Usage::DerivedAead, LONG, &mut Vec::new()).unwrap();
    let tried = store.try_each(OTHER, LONG);
    assert!(tried[0].is_ok(), "{tried:?}");
    assert_eq!(tried[1], Err(KeyStoreError::NoObject(OTHER)));
    eventually("what one lacks is no fault of its other keys", || {
        store.try_each(OBJECT, LONG).iter().all(Result::is_ok)
    });
    // One that hangs keeps nobody from hearing of the other.
    rig.faults.set("C_Encrypt * hang once").unwrap();
    let tried = store.try_each(OBJECT, Duration::from_secs(3));
    assert_eq!(tried.iter().filter(|tried| tried.is_ok()).count(), 1, "{tried:?}");
}

#[test]
fn sixty_four_callers_of_a_slow_token_are_all_served() {
    let rig = Rig::new();
    let store = with_aes(&rig, StoreConfig { sessions: 16, ..shim_config(&rig) });
    rig.faults.set("C_Encrypt * delay 5\nC_Decrypt * delay 5").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| (0..5).for_each(|_| round_trip(&store, LONG).unwrap()));
        }
    });
    assert_eq!(store.health()[0].state, MemberState::Up);
}

#[test]
fn bounds_are_kept() {
    let rig = Rig::new();
    let token = || TokenSelector::Label(rig.token.label().into());
    for bad in [
        StoreConfig { tokens: Vec::new(), ..config(&rig) },
        StoreConfig { tokens: vec![token(); 9], ..config(&rig) },
        StoreConfig { sessions: 0, ..config(&rig) },
        StoreConfig { queue: 0, ..config(&rig) },
    ] {
        assert!(Pkcs11KeyStore::start(bad, &rig.launcher(), &rig.token.pin()).is_err());
    }
}
