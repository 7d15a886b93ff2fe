//! The root's keys in the token: an AES-256 wrapping key and a P-256 checkpoint key, both made inside and unable to
//! leave. Both carry the root id as `CKA_ID`; that, not a handle, is how they are found again.

use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use strongroom_model::id::RootId;

use crate::protocol::{Fault, Wrapping};
use crate::token::{Token, Trouble};

/// The object identifier of P-256 in DER (RFC 5480 section 2.1.1.1).
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The root's keys, by handles that live as long as the session's login.
pub(crate) struct Keys {
    pub(crate) wrapping: ObjectHandle,
    /// What the wrapping key may be used for decides how it wraps.
    pub(crate) mechanism: Wrapping,
    pub(crate) signing: ObjectHandle,
    /// The checkpoint key's public point, uncompressed (SEC 1 section 2.3.3).
    pub(crate) point: [u8; 65],
}

/// Finds the root's keys and checks that they are what a root needs; `None` when there are none.
pub(crate) fn find(session: &Session, root: RootId) -> Result<Option<Keys>, Trouble> {
    let wrapping = one(session, root, ObjectClass::SECRET_KEY)?;
    let signing = one(session, root, ObjectClass::PRIVATE_KEY)?;
    let public = one(session, root, ObjectClass::PUBLIC_KEY)?;
    let (wrapping, signing, public) = match (wrapping, signing, public) {
        (Some(wrapping), Some(signing), Some(public)) => (wrapping, signing, public),
        (None, _, _) | (_, None, None) => return Ok(None),
        _ => return Err(Fault::Unfit("one half of the checkpoint key is missing".into()).into()),
    };
    let mechanism = mechanism(session, wrapping)?;
    confined(session, signing, Some(KeyType::EC))?;
    Ok(Some(Keys { wrapping, mechanism, signing, point: point(session, public)? }))
}

/// Makes what is missing of the root's keys. `wish` is how a new wrapping key shall wrap: by default with GCM where the
/// token has it. A wish against an existing key is refused.
pub(crate) fn provision(token: &Token, wish: Option<Wrapping>) -> Result<Keys, Trouble> {
    let (session, root) = (token.session(true)?, token.root()?);
    match one(&session, root, ObjectClass::SECRET_KEY)? {
        Some(existing) => {
            let existing = mechanism(&session, existing)?;
            if wish.is_some_and(|wish| wish != existing) {
                return Err(Fault::Unfit("the wrapping key is there already, for another mechanism".into()).into());
            }
        }
        None => {
            let with_gcm = token.encrypts_with(MechanismType::AES_GCM);
            let mechanism = wish.unwrap_or(if with_gcm { Wrapping::AesGcm } else { Wrapping::KeyWrapPad });
            session.generate_key(&Mechanism::AesKeyGen, &wrapping_template(root, mechanism))?;
        }
    }
    if one(&session, root, ObjectClass::PRIVATE_KEY)?.is_none() {
        remove_public_halves(&session, Attribute::Id(root.as_bytes().to_vec()))?;
        let (public, private) = signing_templates(root);
        session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
    }
    Ok(find(&session, root)?.ok_or(Fault::NotProvisioned)?)
}

fn wrapping_template(root: RootId, mechanism: Wrapping) -> Vec<Attribute> {
    let label = format!("strongroom root {root}").into_bytes();
    let name = [Attribute::Id(root.as_bytes().to_vec()), Attribute::Label(label)];
    secret_template(mechanism == Wrapping::AesGcm, name)
}

/// An AES-256 key that stays in the token: for encryption, or else for wrapping. One use only, since a key that both
/// decrypts and unwraps could be made to give away what it wrapped.
pub(crate) fn secret_template(encrypts: bool, name: [Attribute; 2]) -> Vec<Attribute> {
    let fixed = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::ValueLen(32.into()),
        Attribute::Encrypt(encrypts),
        Attribute::Decrypt(encrypts),
        Attribute::Wrap(!encrypts),
        Attribute::Unwrap(!encrypts),
        Attribute::Derive(false),
    ];
    fixed.into_iter().chain(name).collect()
}

fn signing_templates(root: RootId) -> (Vec<Attribute>, Vec<Attribute>) {
    let name = || {
        let label = format!("strongroom checkpoints {root}").into_bytes();
        [Attribute::Token(true), Attribute::Id(root.as_bytes().to_vec()), Attribute::Label(label)]
    };
    let public = [Attribute::EcParams(P256.to_vec()), Attribute::Private(false), Attribute::Verify(true)];
    let private = [
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Derive(false),
    ];
    (name().into_iter().chain(public).collect(), name().into_iter().chain(private).collect())
}

/// The one object of the root in a class, if there is one.
fn one(session: &Session, root: RootId, class: ObjectClass) -> Result<Option<ObjectHandle>, Trouble> {
    let template = [Attribute::Class(class), Attribute::Token(true), Attribute::Id(root.as_bytes().to_vec())];
    match session.find_objects(&template)?.as_slice() {
        [] => Ok(None),
        [object] => Ok(Some(*object)),
        _ => Err(Fault::Unfit(format!("several objects have the root's id as CKA_ID, in class {class}")).into()),
    }
}

/// Removes public keys of an id of which there is no private one: a token that is stopped within the making of a pair may
/// leave one, and next to it another pair of the same id could not be told apart.
pub(crate) fn remove_public_halves(session: &Session, id: Attribute) -> Result<(), Trouble> {
    for public in session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Token(true), id])? {
        session.destroy_object(public)?;
    }
    Ok(())
}

fn mechanism(session: &Session, wrapping: ObjectHandle) -> Result<Wrapping, Trouble> {
    confined(session, wrapping, Some(KeyType::AES))?;
    let uses = [AttributeType::Encrypt, AttributeType::Decrypt, AttributeType::Wrap, AttributeType::Unwrap];
    let allowed = session.get_attributes(wrapping, &uses)?;
    let may = |attribute: Attribute| allowed.contains(&attribute);
    if may(Attribute::Encrypt(true)) && may(Attribute::Decrypt(true)) {
        Ok(Wrapping::AesGcm)
    } else if may(Attribute::Wrap(true)) && may(Attribute::Unwrap(true)) {
        Ok(Wrapping::KeyWrapPad)
    } else {
        Err(Fault::Unfit("the wrapping key may neither encrypt nor wrap".into()).into())
    }
}

/// Refuses a key that could leave the token, or is of another type, where one is wanted.
pub(crate) fn confined(session: &Session, key: ObjectHandle, key_type: Option<KeyType>) -> Result<(), Trouble> {
    let (sensitive, extractable) = (Attribute::Sensitive(true), Attribute::Extractable(false));
    let wanted = [Some(sensitive), Some(extractable), key_type.map(Attribute::KeyType)];
    let types = [AttributeType::Sensitive, AttributeType::Extractable, AttributeType::KeyType];
    let found = session.get_attributes(key, &types)?;
    if wanted.iter().flatten().all(|attribute| found.contains(attribute)) {
        return Ok(());
    }
    let name = key_type.map_or_else(String::new, |key_type| format!("{key_type} "));
    Err(Fault::Unfit(format!("the {name}key is extractable, not sensitive, or of another type")).into())
}

/// `CKA_EC_POINT`: an OCTET STRING with the point, or, from some tokens, the point itself.
fn point(session: &Session, public: ObjectHandle) -> Result<[u8; 65], Trouble> {
    let found = session.get_attributes(public, &[AttributeType::EcParams, AttributeType::EcPoint])?;
    if !found.contains(&Attribute::EcParams(P256.to_vec())) {
        return Err(Fault::Unfit("the checkpoint key is not on P-256".into()).into());
    }
    let point: Option<[u8; 65]> = found.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(bytes) => bytes.strip_prefix(&[0x04, 65]).unwrap_or(bytes).try_into().ok(),
        _ => None,
    });
    match point {
        Some(point @ [0x04, ..]) => Ok(point),
        _ => Err(Fault::Unfit("the checkpoint key's point is not an uncompressed one".into()).into()),
    }
}
