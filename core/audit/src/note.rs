//! Signed notes and the keys that verify them (C2SP signed-note, v1.0.0): text, a blank line, signature lines.
//!
//! Two signature types: Ed25519 (0x01) and ECDSA on P-256 with SHA-256 (0x02, signature in DER, key id from the
//! SubjectPublicKeyInfo). Absent: signing, which is a root of trust's; cosignatures.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};

use crate::frame::is_origin;
use crate::hash::Hash;
use crate::limits;

const ED25519: u8 = 0x01;
const ECDSA: u8 = 0x02;
/// What stands before the uncompressed point in the SubjectPublicKeyInfo of every P-256 key (RFC 5480).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519_PUBLIC_BYTES: usize = 32;
const P256_PUBLIC_BYTES: usize = 65;
const SIGNATURE_LINE: &str = "\u{2014} ";

/// A public key that verifies signed notes, under its name. Its text form is `name+id+base64`, as other tools read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: CheckpointKey,
    id: [u8; 4],
}

/// A signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Its id.
    pub id: [u8; 4],
    /// The signature, in the form of the key's type.
    pub signature: Vec<u8>,
}

/// A text and its signatures, which are verified apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// Why a note or key can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a text with signature lines.
    #[error("not a signed note")]
    Malformed,
    /// Longer than any note of a log.
    #[error("a signed note has at most {limit} bytes", limit = limits::NOTE_BYTES)]
    TooLong,
    /// Not `name+id+key`, or the id is not the key's.
    #[error("not a verifier key")]
    Key,
    /// A key of a type that is not known here.
    #[error("a verifier key of type {0:#04x} is not known here")]
    KeyType(u8),
    /// Signed by none of the known keys.
    #[error("signed by none of the known keys")]
    UnknownKey,
    /// A known key did not make the signature under its name.
    #[error("a signature is not that of the key it names")]
    Signature,
}

impl VerifierKey {
    /// Names a root of trust's checkpoint key. A log's key has the log's origin as its name.
    ///
    /// # Errors
    /// When the name or the key's length can't be right.
    pub fn new(name: &str, key: CheckpointKey) -> Result<Self, NoteError> {
        let length = match key.algorithm {
            CheckpointAlgorithm::Ed25519 => ED25519_PUBLIC_BYTES,
            CheckpointAlgorithm::EcdsaP256 => P256_PUBLIC_BYTES,
        };
        if key.public.len() != length || !is_origin(name) {
            return Err(NoteError::Key);
        }
        let encoded = encoded(&key);
        let hash = match (key.algorithm, encoded.get(1..)) {
            (CheckpointAlgorithm::EcdsaP256, Some(spki)) => Hash::of([spki]),
            _ => Hash::of([name.as_bytes(), b"\n", encoded.as_slice()]),
        };
        let [a, b, c, d, ..] = *hash.as_bytes();
        Ok(Self { name: name.to_owned(), key, id: [a, b, c, d] })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id: with the name, what signature lines call it by.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The signature line's content for a signature that a root of trust made of a note's text: 64 bytes.
    #[must_use]
    pub fn signature(&self, signature: &[u8; 64]) -> NoteSignature {
        let signature = match self.key.algorithm {
            CheckpointAlgorithm::Ed25519 => signature.to_vec(),
            CheckpointAlgorithm::EcdsaP256 => der_signature(signature),
        };
        NoteSignature { name: self.name.clone(), id: self.id, signature }
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        let public = &self.key.public;
        let verified = match self.key.algorithm {
            CheckpointAlgorithm::Ed25519 => {
                UnparsedPublicKey::new(&signature::ED25519, public).verify(text.as_bytes(), signature)
            }
            CheckpointAlgorithm::EcdsaP256 => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, public).verify(text.as_bytes(), signature)
            }
        };
        verified.is_ok()
    }
}

/// A type byte and the public key, as key texts and key ids hold them.
fn encoded(key: &CheckpointKey) -> Vec<u8> {
    match key.algorithm {
        CheckpointAlgorithm::Ed25519 => [[ED25519].as_slice(), &key.public].concat(),
        CheckpointAlgorithm::EcdsaP256 => [[ECDSA].as_slice(), &P256_SPKI_PREFIX, &key.public].concat(),
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::Key)?;
        let (id, key) = rest.split_once('+').ok_or(NoteError::Key)?;
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let key = match bytes.split_first().ok_or(NoteError::Key)? {
            (&ED25519, public) => CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public: public.to_vec() },
            (&ECDSA, spki) => {
                let public = spki.strip_prefix(&P256_SPKI_PREFIX).ok_or(NoteError::Key)?;
                CheckpointKey { algorithm: CheckpointAlgorithm::EcdsaP256, public: public.to_vec() }
            }
            (other, _) => return Err(NoteError::KeyType(*other)),
        };
        let key = Self::new(name, key)?;
        if hex(key.id) == id { Ok(key) } else { Err(NoteError::Key) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+{}+{}", self.name, hex(self.id), STANDARD.encode(encoded(&self.key)))
    }
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

impl SignedNote {
    /// Puts signatures under the text that they were made of. The text ends in a newline.
    #[must_use]
    pub const fn new(text: String, signatures: Vec<NoteSignature>) -> Self {
        Self { text, signatures }
    }

    /// The text, of which nothing may be believed before [`SignedNote::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether one of `keys` signed it, and none of them is misused in it.
    ///
    /// # Errors
    /// When no key is known, or a known key did not make its signature.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<(), NoteError> {
        let mut verified = Err(NoteError::UnknownKey);
        for NoteSignature { name, id, signature } in self.signatures.iter().take(limits::NOTE_SIGNATURES) {
            let Some(key) = keys.iter().find(|key| key.name == *name && key.id == *id) else { continue };
            if !key.verifies(&self.text, signature) {
                return Err(NoteError::Signature);
            }
            verified = Ok(());
        }
        verified
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > limits::NOTE_BYTES {
            return Err(NoteError::TooLong);
        }
        if note.contains(|character: char| character < ' ' && character != '\n') {
            return Err(NoteError::Malformed);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let signatures = lines.split('\n').map(signature_line).collect::<Option<_>>().ok_or(NoteError::Malformed)?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }
}

fn signature_line(line: &str) -> Option<NoteSignature> {
    let (name, signature) = line.strip_prefix(SIGNATURE_LINE)?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    Some(NoteSignature { name: name.to_owned(), id: *id, signature: signature.to_vec() })
}

impl fmt::Display for SignedNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        self.signatures.iter().try_for_each(|NoteSignature { name, id, signature }| {
            let bytes = STANDARD.encode([id.as_slice(), signature].concat());
            writeln!(formatter, "{SIGNATURE_LINE}{name} {bytes}")
        })
    }
}

/// `r || s` as the DER of an ECDSA-Sig-Value (RFC 3279, section 2.2.3).
fn der_signature(signature: &[u8; 64]) -> Vec<u8> {
    let integers: Vec<u8> = signature.chunks_exact(32).flat_map(der_integer).collect();
    let mut sequence = vec![0x30, u8::try_from(integers.len()).unwrap_or(u8::MAX)];
    sequence.extend(integers);
    sequence
}

fn der_integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take(number.len() - 1).take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    // A leading one bit would make it negative.
    let sign = digits.first().is_some_and(|byte| *byte >= 0x80);
    let mut integer = vec![0x02, u8::try_from(digits.len() + usize::from(sign)).unwrap_or(u8::MAX)];
    integer.extend(sign.then_some(0));
    integer.extend(digits);
    integer
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

    use super::*;

    const NAME: &str = "kms.example/node-1";

    fn ed25519() -> (Ed25519KeyPair, VerifierKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let key = VerifierKey::new(NAME, CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public }).unwrap();
        (pair, key)
    }

    fn p256() -> (EcdsaKeyPair, VerifierKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let key = VerifierKey::new(NAME, CheckpointKey { algorithm: CheckpointAlgorithm::EcdsaP256, public }).unwrap();
        (pair, key)
    }

    fn signed(text: &str) -> (SignedNote, [VerifierKey; 2]) {
        let (edwards, one) = ed25519();
        let (weierstrass, two) = p256();
        let first = edwards.sign(text.as_bytes()).as_ref().try_into().unwrap();
        let second = weierstrass.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().try_into().unwrap();
        let note = SignedNote::new(text.to_owned(), vec![one.signature(&first), two.signature(&second)]);
        (note, [one, two])
    }

    /// The example of the first implementation's documentation.
    #[test]
    fn a_note_that_others_signed_is_verified() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
            \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert_eq!(note.parse::<SignedNote>().unwrap().verify(&[key]), Ok(()));
    }

    /// The example that the specification gives for a checkpoint.
    #[test]
    fn a_note_of_unknown_keys_is_read_and_not_believed() {
        let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let read: SignedNote = note.parse().unwrap();
        assert_eq!(read.to_string(), note);
        assert_eq!(read.verify(&[ed25519().1]), Err(NoteError::UnknownKey));
    }

    #[test]
    fn either_kind_of_key_verifies_what_it_signed_and_nothing_else() {
        for _ in 0..32 {
            let (note, keys) = signed("some text\n");
            let read: SignedNote = note.to_string().parse().unwrap();
            assert_eq!(read, note);
            keys.iter().for_each(|key| assert_eq!(read.verify(std::slice::from_ref(key)), Ok(())));
            let other: SignedNote = note.to_string().replace("some", "same").parse().unwrap();
            keys.iter().for_each(|key| assert_eq!(other.verify(std::slice::from_ref(key)), Err(NoteError::Signature)));
        }
    }

    #[test]
    fn one_misused_key_spoils_the_note() {
        let (mut note, keys) = signed("some text\n");
        note.signatures[1].signature = note.signatures[0].signature.clone();
        assert_eq!(note.verify(&keys), Err(NoteError::Signature));
        assert_eq!(note.verify(&keys[..1]), Ok(()));
    }

    #[test]
    fn a_key_reads_back_from_its_text_and_a_changed_one_is_refused() {
        for key in [ed25519().1, p256().1] {
            let text = key.to_string();
            assert_eq!(text.parse(), Ok(key));
            let (name, rest) = text.split_once('+').unwrap();
            let other = if rest.starts_with('0') { '1' } else { '0' };
            assert_eq!(format!("{name}+{other}{}", rest.get(1..).unwrap()).parse::<VerifierKey>(), Err(NoteError::Key));
            assert!(text.replacen('+', " ", 1).parse::<VerifierKey>().is_err());
        }
        assert_eq!("a+00000000+BA==".parse::<VerifierKey>(), Err(NoteError::KeyType(4)));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for text in [
            "",
            "text\n",
            "text\n\n",
            "text\n\nline\n",
            "text\n\n\u{2014} name AAAA",
            "te\u{7}xt\n\n\u{2014} n AAAAAA==\n",
        ] {
            assert_eq!(text.parse::<SignedNote>(), Err(NoteError::Malformed), "{text:?}");
        }
        assert_eq!("x".repeat(limits::NOTE_BYTES + 1).parse::<SignedNote>(), Err(NoteError::TooLong));
    }
}
