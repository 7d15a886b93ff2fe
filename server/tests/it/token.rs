//! What a token's owner does in it over PKCS#11, each act in a process of its own: the module takes its configuration from the
//! environment. Keys are those of AWS's sample proxy, or carried from one token of a group to the others.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use serde_json::{Value, json};
use strongroom_audit::hash::Hash;
use strongroom_testkit::softhsm::Token;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

const ACT: &str = "STRONGROOM_TEST_ACT";
const FOLDER: &str = "STRONGROOM_TEST_FOLDER";
/// The key that leaves its token wrapped, and the one that may leave it as it is.
pub(crate) const KEYS: [&str; 2] = ["sensitive", "open"];
pub(crate) const PLAINTEXT: &[u8] = b"a data key of long ago";

/// Has somebody act on tokens, in and out of a folder's files.
pub(crate) fn act(token: &Token, act: &str, folder: &Path) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "token::acts_on_tokens_when_told_to", "--nocapture"]).envs([token.environment()]);
    let ran = command.env(ACT, act).env(FOLDER, folder).output().unwrap();
    assert!(ran.status.success(), "{}{}", crate::house::text(&ran.stdout), crate::house::text(&ran.stderr));
}

/// Not a test of its own: does what it is told to.
#[test]
fn acts_on_tokens_when_told_to() {
    let Some(act) = std::env::var_os(ACT) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let module = Pkcs11::new(Token::module()).unwrap();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let sessions = module.get_slots_with_initialized_token().unwrap().into_iter().map(|slot| {
        let session = module.open_rw_session(slot).unwrap();
        session.login(UserType::User, Some(&AuthPin::new(Token::PIN.into()))).unwrap();
        session
    });
    let sessions: Vec<Session> = sessions.collect();
    match act.to_str().unwrap() {
        "sample" => KEYS.into_iter().for_each(|key| sample(&sessions[0], key, &folder)),
        "wrap" => wrap(&sessions[0], &folder),
        "carry" => carry(&sessions),
        "lose" => lose(&module),
        other => panic!("no such act: {other}"),
    }
}

/// A key as the sample proxy's guide has it made, and ciphertexts under it as the sample proxy makes them, in `KEY.json`; the key
/// itself in `KEY.material` where the token gives it out.
fn sample(session: &Session, label: &str, folder: &Path) {
    let open = label == "open";
    let template = [
        Attribute::Token(true),
        Attribute::Label(label.into()),
        Attribute::Sensitive(!open),
        Attribute::Extractable(true),
        Attribute::ValueLen(32.into()),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    let key = session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
    let cases: [(Option<&[u8]>, &[u8]); 4] =
        [(None, b""), (Some(b""), b""), (Some(b"project=nile"), b""), (Some(b"project=nile"), b"vader")];
    let made: Vec<Value> = cases.into_iter().map(|(data, metadata)| encrypted(session, key, data, metadata)).collect();
    std::fs::write(folder.join(format!("{label}.json")), Value::from(made).to_string()).unwrap();
    if open {
        let value = session.get_attributes(key, &[AttributeType::Value]).unwrap();
        let [Attribute::Value(value)] = value.as_slice() else { panic!("the token gives no key out") };
        std::fs::write(folder.join(format!("{label}.material")), value).unwrap();
    }
}

/// The members of a request to decrypt that it makes: the digest of the associated data is bound, where there is any.
fn encrypted(session: &Session, key: ObjectHandle, data: Option<&[u8]>, metadata: &[u8]) -> Value {
    let digest = data.map(|data| [&[0, 32], Hash::of([data]).as_bytes().as_slice()].concat());
    let length = [u8::try_from(metadata.len()).unwrap()];
    let additional = [digest.as_deref().unwrap_or(&[0, 0]), &length, metadata].concat();
    let mut iv = [0; 12];
    session.generate_random_slice(&mut iv).unwrap();
    let drawn = iv;
    let parameters = GcmParams::new(&mut iv, &additional, 128.into()).unwrap();
    let sealed = session.encrypt(&Mechanism::AesGcm(parameters), key, PLAINTEXT).unwrap();
    let (ciphertext, tag) = sealed.split_at(PLAINTEXT.len());
    let mut body = json!({
        "encryptionAlgorithm": "AES_GCM", "ciphertext": STANDARD.encode(ciphertext),
        "initializationVector": STANDARD.encode(drawn), "authenticationTag": STANDARD.encode(tag),
    });
    for (name, bytes) in [
        ("additionalAuthenticatedData", data),
        ("ciphertextMetadata", Some(metadata).filter(|metadata| !metadata.is_empty())),
    ] {
        if let Some(bytes) = bytes {
            body[name] = STANDARD.encode(bytes).into();
        }
    }
    body
}

/// Wraps the sensitive key for `parameters/public-key.der` into `wrapped`. SoftHSM2 has OAEP with SHA-1 alone.
fn wrap(session: &Session, folder: &Path) {
    let der = std::fs::read(folder.join("parameters/public-key.der")).unwrap();
    let (_, info) = SubjectPublicKeyInfo::from_der(&der).unwrap();
    let PublicKey::RSA(public) = info.parsed().unwrap() else { panic!("no RSA key") };
    let plain = |integer: &[u8]| integer[integer.iter().position(|byte| *byte != 0).unwrap()..].to_vec();
    let template = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::RSA),
        Attribute::Token(false),
        Attribute::Wrap(true),
        Attribute::Modulus(plain(public.modulus)),
        Attribute::PublicExponent(plain(public.exponent)),
    ];
    let public = session.create_object(&template).unwrap();
    let [key] = session.find_objects(&[Attribute::Label(KEYS[0].into())]).unwrap()[..] else { panic!("no such key") };
    let oaep = PkcsOaepParams::new(MechanismType::SHA1, PkcsMgfType::MGF1_SHA1, PkcsOaepSource::empty());
    let wrapped = session.wrap_key(&Mechanism::RsaPkcsOaep(oaep), public, key).unwrap();
    std::fs::write(folder.join("wrapped"), wrapped).unwrap();
}

/// Destroys all keys for encryption in the token that is called `first`.
fn lose(module: &Pkcs11) {
    let slots = module.get_slots_with_initialized_token().unwrap();
    let first = slots.into_iter().find(|slot| module.get_token_info(*slot).unwrap().label() == "first").unwrap();
    // Logged in, as all sessions of a process are.
    let session = module.open_rw_session(first).unwrap();
    for found in session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)]).unwrap() {
        session.destroy_object(found).unwrap();
    }
}

/// Gives all tokens the same keys for encryption, under the ids of those that any of them has, as a vendor's replication would. What
/// never leaves a token cannot be carried by us, so others come in its place.
fn carry(sessions: &[Session]) {
    let keys = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)];
    let mut ids = Vec::new();
    for session in sessions {
        for found in session.find_objects(&keys).unwrap() {
            ids.extend(session.get_attributes(found, &[AttributeType::Id]).unwrap());
            session.destroy_object(found).unwrap();
        }
    }
    assert!(!ids.is_empty(), "there is nothing to carry");
    for (session, id) in sessions.iter().flat_map(|session| ids.iter().map(move |id| (session, id))) {
        let Attribute::Id(bytes) = id else { panic!("{id:?}") };
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Value(Hash::of([bytes.as_slice()]).as_bytes().to_vec()),
            id.clone(),
        ];
        session.create_object(&template).unwrap();
    }
}
