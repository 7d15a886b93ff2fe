//! A key store's objects in the token: made inside, unable to leave, each for one use. `CKA_ID` is the object id; that,
//! not a handle, is how they are found again.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use minicbor::bytes::ByteVec;
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, SigningAlgorithm};
use strongroom_model::id::ObjectId;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;

use crate::der;
use crate::keys::{confined, remove_public_halves, secret_template};
use crate::limits::HANDLES;
use crate::protocol::{Act, Fault, Reply, SecretField};
use crate::token::{Token, Trouble, code};
use crate::wrapping;

/// `CKA_ID` and `CKA_LABEL` of a token's witness.
const WITNESS: [u8; 16] = *b"strongroom probe";
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];
/// The digest's algorithm and the digest follow (RFC 8017, section 9.2, note 1).
const DIGEST_INFO_SHA256: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
const DIGEST_INFO_SHA384: [u8; 19] =
    [0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 0x30];
const DIGEST_INFO_SHA512: [u8; 19] =
    [0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40];

/// What one worker remembers of objects, by handles that live as long as its session.
#[derive(Default)]
pub(crate) struct Objects {
    /// By object, and whether it is a private key.
    handles: HashMap<(ObjectId, bool), ObjectHandle>,
    /// How many objects had been destroyed when the first of these was found.
    destroyed: usize,
    /// May write.
    writer: Option<Session>,
    /// A passing key of the session, to see with whether the token works.
    probe: Option<ObjectHandle>,
}

impl Objects {
    /// Does something with an object.
    pub(crate) fn act(
        &mut self,
        token: &Token,
        session: &Session,
        object: ObjectId,
        act: &Act,
    ) -> Result<Reply, Trouble> {
        let secret = |bytes| Reply::Secret(SecretField(bytes));
        let public = |bytes: Vec<u8>| Reply::Public(ByteVec::from(bytes));
        let (aes, private) = (ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY);
        let destroyed = token.destroyed.load(Ordering::Acquire);
        if self.destroyed != destroyed {
            (self.handles, self.destroyed) = (HashMap::new(), destroyed);
        }
        match act {
            Act::Generate { spec, usage } => {
                let made = generate(self.writer(token)?, token, object, *spec, *usage)?;
                Ok(public(made))
            }
            Act::Destroy => {
                let writer = self.writer(token)?;
                let all = writer.find_objects(&[Attribute::Token(true), id(object)])?;
                for found in &all {
                    writer.destroy_object(*found)?;
                    token.destroyed.fetch_add(1, Ordering::Release);
                }
                // What a module does not see any more is not gone.
                if all.is_empty() {
                    self.sees(token, session)?;
                }
                Ok(Reply::Done)
            }
            Act::Look => {
                // Whether it is there now: others may have taken it away.
                self.handles.retain(|(known, _), _| *known != object);
                match self.handle(session, object, aes) {
                    Err(Trouble::Fault(Fault::NoObject)) => self.handle(session, object, private).map(|_| Reply::Done),
                    found => found.map(|_| Reply::Done),
                }
            }
            Act::Seal { additional, text } => {
                let key = self.handle(session, object, aes)?;
                let (iv, text) = wrapping::gcm_seal(session, key, additional, &text.0)?;
                Ok(Reply::Wrapped { iv: ByteVec::from(iv), text: ByteVec::from(text) })
            }
            Act::Open { additional, iv, text } => {
                let key = self.handle(session, object, aes)?;
                self.sure(session, || wrapping::gcm_open(session, key, additional, iv, text)).map(secret)
            }
            Act::WrapKey { algorithm, key: bytes } => {
                let key = self.handle(session, object, aes)?;
                wrap(session, key, &key_wrap(*algorithm), &bytes.0).map(public)
            }
            Act::UnwrapKey { algorithm, text } => {
                let key = self.handle(session, object, aes)?;
                let mechanism = key_wrap(*algorithm);
                self.sure(session, || wrapping::unwrap_bytes(session, key, &mechanism, text)).map(secret)
            }
            Act::Decrypt { algorithm, text } => {
                let key = self.handle(session, object, private)?;
                let mechanism = oaep(*algorithm)?;
                let open = || session.decrypt(&mechanism, key, text).map(SecretBytes::take).map_err(refused_or_lacking);
                self.sure(session, open).map(secret)
            }
            Act::Sign { algorithm, digest } => {
                let key = self.handle(session, object, private)?;
                let (mechanism, prefix) = signing(*algorithm)?;
                let signed = session.sign(&mechanism, key, &[prefix, digest].concat());
                Ok(public(signed.map_err(lacking)?))
            }
        }
    }

    /// Encrypts and decrypts with the token's witness, or with a passing key in a token that cannot have one.
    pub(crate) fn probe(&mut self, token: &Token, session: &Session) -> Result<(), Trouble> {
        match self.witness(token, session) {
            Ok(witness) => works(session, witness),
            Err(lost @ Trouble::Lost(_)) => Err(lost),
            Err(_) => self.prove(session),
        }
    }

    /// That the module sees the token. Modules are known to do everything for a token that is gone but what needs its
    /// objects, and to see none of those once it is back.
    ///
    /// # Errors
    /// [`Trouble::Lost`], where it sees and makes none. A token that cannot have the witness is taken to be seen.
    pub(crate) fn sees(&mut self, token: &Token, session: &Session) -> Result<(), Trouble> {
        match self.witness(token, session) {
            Err(lost @ Trouble::Lost(_)) => Err(lost),
            _ => Ok(()),
        }
    }

    /// The one key that is in every token to be found; made where it is not.
    fn witness(&mut self, token: &Token, session: &Session) -> Result<ObjectHandle, Trouble> {
        let marked = || [Attribute::Id(WITNESS.to_vec()), Attribute::Label(WITNESS.to_vec())];
        let lost = |error: Error| match code(&error) {
            Some(RvError::GeneralError | RvError::FunctionFailed | RvError::DeviceError) => {
                Trouble::Lost(format!("the module does not see the token: {error}"))
            }
            _ => error.into(),
        };
        let [named, _] = marked();
        let sought = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true), named];
        // Vendors' replication may have brought those of other tokens.
        if let Some(found) = session.find_objects(&sought).map_err(lost)?.first() {
            return Ok(*found);
        }
        let writer = self.writer(token)?;
        let made = writer.generate_key(&Mechanism::AesKeyGen, &secret_template(true, marked()));
        made.map_err(|error| match session.find_objects(&[Attribute::Token(true)]) {
            // It sees the token, which is full, or in which nothing more may be made.
            Ok(others) if !others.is_empty() => error.into(),
            _ => lost(error),
        })
    }

    /// What a failure means for a module that perhaps does not see its token.
    pub(crate) fn doubt(&mut self, token: &Token, session: &Session, act: &Act, trouble: Trouble) -> Trouble {
        let vague = matches!(&trouble, Trouble::Fault(Fault::Failed(_))) && matches!(act, Act::Generate { .. });
        if !vague && !matches!(&trouble, Trouble::Fault(Fault::NoObject)) {
            return trouble;
        }
        self.sees(token, session).err().unwrap_or(trouble)
    }

    /// Encrypts and decrypts with a passing key.
    fn prove(&mut self, session: &Session) -> Result<(), Trouble> {
        let key = match self.probe {
            Some(key) => key,
            None => *self.probe.insert(session.generate_key(&Mechanism::AesKeyGen, &probe_template())?),
        };
        works(session, key)
    }

    /// Tokens disagree on the code for a wrong tag, and some give one that also means a broken token. If it works with a
    /// passing key, but does not open this even again, what was given is at fault.
    fn sure<T>(&mut self, session: &Session, open: impl Fn() -> Result<T, Trouble>) -> Result<T, Trouble> {
        match open() {
            Err(Trouble::Doubtful(_)) => {
                self.prove(session)?;
                open().map_err(|trouble| match trouble {
                    Trouble::Doubtful(_) => Fault::Refused.into(),
                    other => other,
                })
            }
            other => other,
        }
    }

    fn writer(&mut self, token: &Token) -> Result<&Session, Trouble> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => token.session(true)?,
        };
        Ok(self.writer.insert(writer))
    }

    /// The one object of a class, which must be unable to leave.
    fn handle(&mut self, session: &Session, object: ObjectId, class: ObjectClass) -> Result<ObjectHandle, Trouble> {
        let place = (object, class == ObjectClass::PRIVATE_KEY);
        if let Some(known) = self.handles.get(&place) {
            return Ok(*known);
        }
        let found = one(session, object, class)?.ok_or(Fault::NoObject)?;
        confined(session, found, None)?;
        if self.handles.len() >= HANDLES {
            self.handles.clear();
        }
        self.handles.insert(place, found);
        Ok(found)
    }
}

/// Encrypts and decrypts.
fn works(session: &Session, key: ObjectHandle) -> Result<(), Trouble> {
    let text = SecretBytes::take(vec![0x5a; 16]);
    let (iv, sealed) = wrapping::gcm_seal(session, key, b"probe", &text)?;
    match wrapping::gcm_open(session, key, b"probe", &iv, &sealed)?.equals(text.expose()) {
        true => Ok(()),
        false => Err(Fault::Failed("the token does not open what it sealed".into()).into()),
    }
}

fn id(object: ObjectId) -> Attribute {
    Attribute::Id(object.as_bytes().to_vec())
}

fn one(session: &Session, object: ObjectId, class: ObjectClass) -> Result<Option<ObjectHandle>, Trouble> {
    match session.find_objects(&[Attribute::Class(class), Attribute::Token(true), id(object)])?.as_slice() {
        [] => Ok(None),
        [found] => Ok(Some(*found)),
        _ => Err(Fault::Unfit(format!("several objects of class {class} have the CKA_ID {object}")).into()),
    }
}

/// Makes an object unless it is there; the public half of a pair.
fn generate(
    session: &Session,
    token: &Token,
    object: ObjectId,
    spec: KeySpec,
    usage: Usage,
) -> Result<Vec<u8>, Trouble> {
    for mechanism in needed(spec, usage)? {
        if !token.offers(*mechanism) {
            return Err(Fault::Unsupported(format!("{mechanism}")).into());
        }
    }
    if spec.is_symmetric() {
        if one(session, object, ObjectClass::SECRET_KEY)?.is_none() {
            session.generate_key(
                &Mechanism::AesKeyGen,
                &secret_template(usage == Usage::DerivedAead, [id(object), label(object)]),
            )?;
        }
        return Ok(Vec::new());
    }
    if one(session, object, ObjectClass::PRIVATE_KEY)?.is_none() {
        remove_public_halves(session, id(object))?;
        let (public, private) = pair_templates(object, spec, usage)?;
        let mechanism = if spec.is_rsa() { Mechanism::RsaPkcsKeyPairGen } else { Mechanism::EccKeyPairGen };
        session.generate_key_pair(&mechanism, &public, &private).map_err(|error| impossible(error, spec))?;
    }
    let public = one(session, object, ObjectClass::PUBLIC_KEY)?.ok_or(Fault::NoObject)?;
    public_key(session, public, spec)
}

/// What it means when a token that offers the mechanism makes no pair: it has none of that curve or length.
fn impossible(error: Error, spec: KeySpec) -> Trouble {
    match code(&error) {
        Some(
            RvError::CurveNotSupported
            | RvError::DomainParamsInvalid
            | RvError::KeySizeRange
            | RvError::MechanismParamInvalid
            | RvError::AttributeValueInvalid
            | RvError::TemplateInconsistent,
        ) => Fault::Unsupported(format!("{spec:?} keys: {error}")).into(),
        _ => error.into(),
    }
}

/// The mechanisms without which a key would be of no use.
fn needed(spec: KeySpec, usage: Usage) -> Result<&'static [MechanismType], Trouble> {
    const AEAD: &[MechanismType] = &[MechanismType::AES_KEY_GEN, MechanismType::AES_GCM];
    const WRAP: &[MechanismType] = &[MechanismType::AES_KEY_GEN, MechanismType::AES_KEY_WRAP];
    const OAEP: &[MechanismType] = &[MechanismType::RSA_PKCS_KEY_PAIR_GEN, MechanismType::RSA_PKCS_OAEP];
    const RSA_SIGN: &[MechanismType] = &[MechanismType::RSA_PKCS_KEY_PAIR_GEN, MechanismType::RSA_PKCS];
    const ECDSA: &[MechanismType] = &[MechanismType::ECC_KEY_PAIR_GEN, MechanismType::ECDSA];
    match (spec, usage) {
        (KeySpec::Aes256, Usage::DerivedAead) => Ok(AEAD),
        (KeySpec::Aes256, Usage::KeyWrap) => Ok(WRAP),
        (spec, Usage::RsaOaep) if spec.is_rsa() => Ok(OAEP),
        (spec, Usage::Sign) if spec.is_rsa() => Ok(RSA_SIGN),
        (spec, Usage::Sign) if spec.is_elliptic() => Ok(ECDSA),
        _ => Err(Fault::Unsupported(format!("{spec:?} keys for {usage:?}")).into()),
    }
}

fn probe_template() -> Vec<Attribute> {
    vec![
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::ValueLen(32.into()),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ]
}

fn pair_templates(object: ObjectId, spec: KeySpec, usage: Usage) -> Result<(Vec<Attribute>, Vec<Attribute>), Trouble> {
    let decrypts = usage == Usage::RsaOaep;
    let mut public = vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Encrypt(decrypts),
        Attribute::Verify(!decrypts),
        Attribute::Wrap(false),
        id(object),
        label(object),
    ];
    match bits(spec) {
        Some(bits) => {
            public.extend([Attribute::ModulusBits(bits.into()), Attribute::PublicExponent(RSA_EXPONENT.to_vec())]);
        }
        None => public.push(Attribute::EcParams(curve(spec)?.to_vec())),
    }
    let private = vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Decrypt(decrypts),
        Attribute::Sign(!decrypts),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        id(object),
        label(object),
    ];
    Ok((public, private))
}

fn label(object: ObjectId) -> Attribute {
    Attribute::Label(format!("strongroom key {object}").into_bytes())
}

const fn bits(spec: KeySpec) -> Option<u64> {
    match spec {
        KeySpec::Rsa2048 => Some(2048),
        KeySpec::Rsa3072 => Some(3072),
        KeySpec::Rsa4096 => Some(4096),
        _ => None,
    }
}

/// The curve's object identifier in DER (RFC 5480; SEC 2).
fn curve(spec: KeySpec) -> Result<&'static [u8], Trouble> {
    match spec {
        KeySpec::EcP256 => Ok(&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
        KeySpec::EcP384 => Ok(&[0x06, 5, 0x2b, 0x81, 4, 0, 34]),
        KeySpec::EcP521 => Ok(&[0x06, 5, 0x2b, 0x81, 4, 0, 35]),
        KeySpec::EcSecp256k1 => Ok(&[0x06, 5, 0x2b, 0x81, 4, 0, 10]),
        _ => Err(Fault::Unsupported(format!("{spec:?} keys")).into()),
    }
}

fn public_key(session: &Session, public: ObjectHandle, spec: KeySpec) -> Result<Vec<u8>, Trouble> {
    let unfit = || Fault::Unfit("the public half is not as it was to be made".into());
    if spec.is_rsa() {
        let found = session.get_attributes(public, &[AttributeType::Modulus, AttributeType::PublicExponent])?;
        let modulus = found.iter().find_map(|attribute| match attribute {
            Attribute::Modulus(bytes) => Some(bytes),
            _ => None,
        });
        let exponent = found.iter().find_map(|attribute| match attribute {
            Attribute::PublicExponent(bytes) => Some(bytes),
            _ => None,
        });
        return match (modulus, exponent) {
            (Some(modulus), Some(exponent)) => Ok(der::rsa_public(modulus, exponent)),
            _ => Err(unfit().into()),
        };
    }
    let found = session.get_attributes(public, &[AttributeType::EcPoint])?;
    let point = found.iter().find_map(|attribute| match attribute {
        // An OCTET STRING with the point, or, from some tokens, the point itself.
        Attribute::EcPoint(bytes) => Some(der::octets(bytes).unwrap_or(bytes)),
        _ => None,
    });
    match point {
        Some(point @ [0x04, ..]) => Ok(der::ec_public(curve(spec)?, point)),
        _ => Err(unfit().into()),
    }
}

/// Wraps a key. Some tokens give a key back with its padding, so one that is padded is unwrapped again to see.
fn wrap(
    session: &Session,
    key: ObjectHandle,
    mechanism: &Mechanism<'_>,
    bytes: &SecretBytes,
) -> Result<Vec<u8>, Trouble> {
    let wrapped = wrapping::wrap_bytes(session, key, mechanism, bytes.expose())?;
    let whole = bytes.len().is_multiple_of(8);
    match whole || wrapping::unwrap_bytes(session, key, mechanism, &wrapped)?.equals(bytes.expose()) {
        true => Ok(wrapped),
        false => Err(Fault::Unsupported("keys that need padding".into()).into()),
    }
}

const fn key_wrap(algorithm: KeyWrapAlgorithm) -> Mechanism<'static> {
    match algorithm {
        KeyWrapAlgorithm::Aes256Kw => Mechanism::AesKeyWrap,
        KeyWrapAlgorithm::Aes256Kwp => Mechanism::AesKeyWrapPad,
    }
}

fn oaep(algorithm: EncryptionAlgorithm) -> Result<Mechanism<'static>, Trouble> {
    let (hash, mgf) = match algorithm {
        EncryptionAlgorithm::RsaOaepSha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        EncryptionAlgorithm::RsaOaepSha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        EncryptionAlgorithm::DerivedAes256Gcm => return Err(Fault::Unsupported("a derived key".into()).into()),
    };
    Ok(Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty())))
}

/// The mechanism, and what stands before the digest.
fn signing(algorithm: SigningAlgorithm) -> Result<(Mechanism<'static>, &'static [u8]), Trouble> {
    let pss = |hash_alg, mgf, length: u64| Mechanism::RsaPkcsPss(PkcsPssParams { hash_alg, mgf, s_len: length.into() });
    Ok(match algorithm {
        SigningAlgorithm::RsaPssSha256 => (pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32), &[]),
        SigningAlgorithm::RsaPssSha384 => (pss(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48), &[]),
        SigningAlgorithm::RsaPssSha512 => (pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64), &[]),
        SigningAlgorithm::RsaPkcs1Sha256 => (Mechanism::RsaPkcs, &DIGEST_INFO_SHA256),
        SigningAlgorithm::RsaPkcs1Sha384 => (Mechanism::RsaPkcs, &DIGEST_INFO_SHA384),
        SigningAlgorithm::RsaPkcs1Sha512 => (Mechanism::RsaPkcs, &DIGEST_INFO_SHA512),
        SigningAlgorithm::EcdsaSha256 | SigningAlgorithm::EcdsaSha384 | SigningAlgorithm::EcdsaSha512 => {
            (Mechanism::Ecdsa, &[])
        }
        other => return Err(Fault::Unsupported(format!("{other:?}")).into()),
    })
}

/// A token that knows a mechanism, but not with these parameters, says so when the operation begins.
fn lacking(error: Error) -> Trouble {
    match &error {
        Error::Pkcs11(
            RvError::ArgumentsBad | RvError::MechanismParamInvalid,
            Function::DecryptInit | Function::SignInit,
        ) => Fault::Unsupported(error.to_string()).into(),
        _ => error.into(),
    }
}

fn refused_or_lacking(error: Error) -> Trouble {
    match lacking(error) {
        Trouble::Fault(Fault::Failed(text)) => Trouble::Doubtful(text),
        other => other,
    }
}
