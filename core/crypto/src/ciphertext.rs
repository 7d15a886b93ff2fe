//! Ciphertexts that leave with the caller: format versions 1 to 3, for ever (docs/formats/ciphertext.md).
//!
//! The header names lineage and material, never tenant, region or ordinal, so a ciphertext opens wherever its key
//! lives. Absent on purpose: finding the key, and telling one fault of a ciphertext from another.

use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::id::{LineageId, MaterialId};
use strongroom_secret::SecretBytes;

use crate::context::EncryptionContext;
use crate::derive::Label;
use crate::error::CryptoError;
use crate::limits::{EXTERNAL_IV_BYTES, EXTERNAL_METADATA_BYTES, PLAINTEXT_BYTES};
use crate::material::KeyMaterial;
use crate::random::Random;
use crate::sealed::{self, Bound as _, IV_BYTES, TAG_BYTES};

const MAGIC: [u8; 3] = *b"SRC";
const AES_256_GCM_COMMITTED: u8 = 1;
const AES_256_GCM_RESIDENT: u8 = 2;
const AES_256_GCM_DOUBLED: u8 = 3;
/// Magic, version, algorithm, purpose, lineage, material.
const HEADER_BYTES: usize = 3 + 1 + 1 + 1 + 16 + 16;

/// Bytes that a ciphertext has more than its plaintext.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + sealed::OVERHEAD_BYTES;

/// A version of the ciphertext format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Format {
    /// AES-256-GCM under a key derived for each ciphertext, with a commitment to that key.
    V1 = 1,
    /// AES-256-GCM directly under material inside a key store.
    V2 = 2,
    /// A ciphertext of version 1, encrypted once more by an external key manager.
    V3 = 3,
}

impl Format {
    const fn algorithm(self) -> u8 {
        match self {
            Self::V1 => AES_256_GCM_COMMITTED,
            Self::V2 => AES_256_GCM_RESIDENT,
            Self::V3 => AES_256_GCM_DOUBLED,
        }
    }

    /// Bytes that a ciphertext has more than its plaintext, least and most.
    const fn overhead(self) -> (usize, usize) {
        const RESIDENT: usize = HEADER_BYTES + IV_BYTES + TAG_BYTES;
        /// The two bytes tell the lengths of IV and metadata.
        const DOUBLED: usize = HEADER_BYTES + 2 + TAG_BYTES + OVERHEAD_BYTES;
        match self {
            Self::V1 => (OVERHEAD_BYTES, OVERHEAD_BYTES),
            Self::V2 => (RESIDENT, RESIDENT),
            Self::V3 => (DOUBLED + IV_BYTES, DOUBLED + EXTERNAL_IV_BYTES + EXTERNAL_METADATA_BYTES),
        }
    }

    const fn from_version(version: u8) -> Option<Self> {
        match version {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }
}

/// The format versions that a key accepts when it opens. Data of the key, so that none can be forced down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedFormats(u32);

impl AcceptedFormats {
    /// What a key accepts that is made today.
    pub const NEWEST: Self = Self::of(&[Format::V1]);

    /// What a key inside a key store accepts.
    pub const RESIDENT: Self = Self::of(&[Format::V2]);

    /// What a key accepts that an external key manager doubles: nothing that only one of the two has encrypted.
    pub const DOUBLED: Self = Self::of(&[Format::V3]);

    /// A set of formats.
    #[must_use]
    pub const fn of(formats: &[Format]) -> Self {
        let mut bits = 0;
        let mut rest = formats;
        while let [format, tail @ ..] = rest {
            bits |= 1 << *format as u8;
            rest = tail;
        }
        Self(bits)
    }

    /// Takes bits as they were stored: bit `n` stands for version `n`. Versions unknown here are never met.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits, to be stored.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether `format` is accepted.
    #[must_use]
    pub const fn contains(self, format: Format) -> bool {
        self.0 & 1 << format as u8 != 0
    }
}

/// What a ciphertext holds; each purpose derives its keys under a label of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// What a caller encrypted, or a data key made for one: given back to whoever may decrypt.
    Data = 1,
    /// A secret kept here: opened only by what keeps secrets.
    Secret = 2,
}

impl Purpose {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Data),
            2 => Some(Self::Secret),
            _ => None,
        }
    }

    const fn label(self) -> Label {
        match self {
            Self::Data => Label::Ciphertext,
            Self::Secret => Label::Secret,
        }
    }
}

/// What a ciphertext is sealed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// What it holds.
    pub purpose: Purpose,
    /// The key, wherever it lives.
    pub lineage: LineageId,
    /// The key material of the version that sealed it.
    pub material: MaterialId,
}

/// What a ciphertext says of itself. Nobody has vouched for it until [`open`] has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the format.
    pub format: Format,
    /// What it claims to be sealed under.
    pub subject: Subject,
}

impl Header {
    /// Reads the header of a ciphertext, to find the key that may open it.
    ///
    /// # Errors
    /// [`CryptoError::InvalidCiphertext`] for anything that is not a whole ciphertext of a known format.
    pub fn parse(ciphertext: &[u8]) -> Result<Self, CryptoError> {
        Self::read(ciphertext).ok_or(CryptoError::InvalidCiphertext)
    }

    fn read(ciphertext: &[u8]) -> Option<Self> {
        let (magic, rest) = ciphertext.split_first_chunk::<3>()?;
        let (&[version, algorithm, purpose], rest) = rest.split_first_chunk::<3>()?;
        let (lineage, rest) = rest.split_first_chunk::<16>()?;
        let (material, _) = rest.split_first_chunk::<16>()?;
        let format = Format::from_version(version)?;
        let purpose = Purpose::from_code(purpose)?;
        let (least, most) = format.overhead();
        let bounds = least..=most + PLAINTEXT_BYTES;
        let known = *magic == MAGIC && algorithm == format.algorithm() && bounds.contains(&ciphertext.len());
        let subject =
            Subject { purpose, lineage: LineageId::from_bytes(*lineage), material: MaterialId::from_bytes(*material) };
        known.then_some(Self { format, subject })
    }
}

/// Encrypts `plaintext` under a key derived from `material` for this ciphertext alone. Allocates the result only.
///
/// # Errors
/// [`CryptoError::PlaintextTooLong`] over [`PLAINTEXT_BYTES`]; [`CryptoError::UnfitEncryption`] for material other
/// than AES; [`CryptoError::Random`]; [`CryptoError::Module`].
pub fn seal(
    material: &KeyMaterial,
    subject: &Subject,
    context: &EncryptionContext<'_>,
    plaintext: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, CryptoError> {
    if plaintext.len() > PLAINTEXT_BYTES {
        return Err(CryptoError::PlaintextTooLong { limit: PLAINTEXT_BYTES, actual: plaintext.len() });
    }
    let key = material.aes()?;
    sealed::seal(subject.purpose.label(), key, &header(Format::V1, subject), context, plaintext, random)
}

/// Opens a ciphertext that [`seal`] made with the same material, subject and context, in a format that is accepted.
///
/// # Errors
/// [`CryptoError::InvalidCiphertext`] for every fault of the ciphertext; [`CryptoError::UnfitEncryption`] for material
/// other than AES.
pub fn open(
    material: &KeyMaterial,
    subject: &Subject,
    accepted: AcceptedFormats,
    context: &EncryptionContext<'_>,
    ciphertext: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let key = material.aes()?;
    let header = Header::parse(ciphertext)?;
    if header.subject != *subject || header.format != Format::V1 || !accepted.contains(header.format) {
        return Err(CryptoError::InvalidCiphertext);
    }
    sealed::open(subject.purpose.label(), key, HEADER_BYTES, context, ciphertext).ok_or(CryptoError::InvalidCiphertext)
}

/// The additional data of format 2: header, then encryption context.
#[must_use]
pub fn resident_additional(subject: &Subject, context: &EncryptionContext<'_>) -> Vec<u8> {
    let mut additional = Vec::with_capacity(HEADER_BYTES + context.encoded_bytes());
    additional.extend_from_slice(&header(Format::V2, subject));
    context.append_to(&mut additional);
    additional
}

/// A ciphertext of format 2, of parts that a key store made.
#[must_use]
pub fn resident_whole(subject: &Subject, iv: &[u8; IV_BYTES], text: &[u8], tag: &[u8; TAG_BYTES]) -> Vec<u8> {
    [&header(Format::V2, subject), iv.as_slice(), text, tag].concat()
}

/// What a key store opens of a ciphertext of format 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidentParts<'a> {
    /// The IV.
    pub iv: &'a [u8; IV_BYTES],
    /// As long as the plaintext.
    pub text: &'a [u8],
    /// The tag.
    pub tag: &'a [u8; TAG_BYTES],
}

/// Takes a ciphertext of format 2 apart.
///
/// # Errors
/// [`CryptoError::InvalidCiphertext`] for anything else, and for one of another subject.
pub fn resident_parts<'a>(subject: &Subject, ciphertext: &'a [u8]) -> Result<ResidentParts<'a>, CryptoError> {
    const INVALID: CryptoError = CryptoError::InvalidCiphertext;
    if Header::parse(ciphertext)? != (Header { format: Format::V2, subject: *subject }) {
        return Err(INVALID);
    }
    let (iv, rest) = ciphertext.get(HEADER_BYTES..).and_then(<[u8]>::split_first_chunk).ok_or(INVALID)?;
    let (text, tag) = rest.split_last_chunk().ok_or(INVALID)?;
    Ok(ResidentParts { iv, text, tag })
}

/// What an external key manager made of a ciphertext of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubledParts<'a> {
    /// 12 or 16 bytes.
    pub iv: &'a [u8],
    /// The tag.
    pub tag: &'a [u8; TAG_BYTES],
    /// At most 20 bytes of the manager's own.
    pub metadata: &'a [u8],
    /// As long as the ciphertext of version 1 that it holds.
    pub text: &'a [u8],
}

/// What an external key manager binds as associated data: the header of format 3, and nothing of the encryption context,
/// which what is inside binds. 38 bytes.
#[must_use]
pub fn doubled_additional(subject: &Subject) -> [u8; HEADER_BYTES] {
    header(Format::V3, subject)
}

/// A ciphertext of format 3.
///
/// # Errors
/// [`CryptoError::InvalidCiphertext`] for parts of lengths that the format does not have.
pub fn doubled_whole(subject: &Subject, parts: &DoubledParts<'_>) -> Result<Vec<u8>, CryptoError> {
    let length = |part: &[u8]| u8::try_from(part.len()).map_err(|_| CryptoError::InvalidCiphertext);
    let (iv, metadata) = (length(parts.iv)?, length(parts.metadata)?);
    let header = header(Format::V3, subject);
    let whole = [&header, [iv].as_slice(), parts.iv, parts.tag, &[metadata], parts.metadata, parts.text].concat();
    doubled_parts(subject, &whole)?;
    Ok(whole)
}

/// Takes a ciphertext of format 3 apart. What is in it opens with [`open`] as one of version 1 of the same subject.
///
/// # Errors
/// [`CryptoError::InvalidCiphertext`] for anything else, and for one of another subject.
pub fn doubled_parts<'a>(subject: &Subject, ciphertext: &'a [u8]) -> Result<DoubledParts<'a>, CryptoError> {
    fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let (length, rest) = bytes.split_first()?;
        rest.split_at_checked(usize::from(*length))
    }
    let parts = || {
        let (iv, rest) = counted(ciphertext.get(HEADER_BYTES..)?)?;
        let (tag, rest) = rest.split_first_chunk()?;
        let (metadata, text) = counted(rest)?;
        let sound = matches!(iv.len(), IV_BYTES | EXTERNAL_IV_BYTES)
            && metadata.len() <= EXTERNAL_METADATA_BYTES
            && (OVERHEAD_BYTES..=OVERHEAD_BYTES + PLAINTEXT_BYTES).contains(&text.len());
        sound.then_some(DoubledParts { iv, tag, metadata, text })
    };
    match Header::parse(ciphertext)? == (Header { format: Format::V3, subject: *subject }) {
        true => parts().ok_or(CryptoError::InvalidCiphertext),
        false => Err(CryptoError::InvalidCiphertext),
    }
}

fn header(format: Format, subject: &Subject) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let fields = MAGIC
        .into_iter()
        .chain([format as u8, format.algorithm(), subject.purpose as u8])
        .chain(*subject.lineage.as_bytes())
        .chain(*subject.material.as_bytes());
    header.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
    header
}

impl KeyMaterial {
    /// The raw AES key, for what seals under it alone.
    pub(crate) fn aes(&self) -> Result<&[u8], CryptoError> {
        let algorithm = EncryptionAlgorithm::DerivedAes256Gcm;
        let unfit = CryptoError::UnfitEncryption(algorithm, self.spec());
        if algorithm.fits(self.spec()) { self.symmetric().ok_or(unfit) } else { Err(unfit) }
    }
}

#[cfg(test)]
mod tests;
