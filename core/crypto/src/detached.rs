//! Ciphertexts whose parts travel apart: text, IV, tag and metadata, with associated data of the caller's. Format
//! versions 1 and 2, for ever (docs/formats/detached.md).
//!
//! The key that opens is named by whoever asks, so there is no commitment to it; the metadata names the material by its
//! number. Absent on purpose: finding the key, telling one fault from another, and sealing under bare material.

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256, digest};
use strongroom_model::id::{LineageId, MaterialId};
use strongroom_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::derive::{Label, derive};
use crate::error::CryptoError;
use crate::limits::{ASSOCIATED_BYTES, PLAINTEXT_BYTES};
use crate::lower;
use crate::material::KeyMaterial;
use crate::random::{self, Random};
use crate::sealed::{IV_BYTES, KEY_BYTES, TAG_BYTES, gcm_open};

const DERIVED: u8 = 1;
const RESIDENT: u8 = 2;
const AES_256_GCM_DERIVED: u8 = 1;
const NUMBER_BYTES: usize = 4;
const SALT_BYTES: usize = 15;
const DERIVED_METADATA_BYTES: usize = 1 + NUMBER_BYTES + SALT_BYTES;
/// IVs that others have drawn are 12 or 16 bytes long.
const LONG_IV_BYTES: usize = 16;

/// Most bytes of metadata that is read.
pub const METADATA_BYTES: usize = DERIVED_METADATA_BYTES;

/// The first four bytes of a material id, which no two versions of a key share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaterialNumber([u8; NUMBER_BYTES]);

impl MaterialNumber {
    /// The number of some material.
    #[must_use]
    pub const fn of(material: MaterialId) -> Self {
        let [a, b, c, d, ..] = *material.as_bytes();
        Self([a, b, c, d])
    }
}

/// What a ciphertext says of itself. Nobody has vouched for it until [`open`] has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// Format 1: under a key derived from material that is at hand here.
    Derived {
        /// Which material.
        number: MaterialNumber,
        /// Makes the derived key this ciphertext's own.
        salt: [u8; SALT_BYTES],
    },
    /// Format 2: directly under material inside a key store.
    Resident {
        /// Which material.
        number: MaterialNumber,
    },
}

impl Metadata {
    /// Reads metadata, to find the material that may open what it belongs to.
    ///
    /// # Errors
    /// [`CryptoError::InvalidCiphertext`] for anything else than metadata of a known format.
    pub fn parse(bytes: &[u8]) -> Result<Self, CryptoError> {
        Self::read(bytes).ok_or(CryptoError::InvalidCiphertext)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        let (number, rest) = rest.split_first_chunk()?;
        let number = MaterialNumber(*number);
        match format {
            DERIVED => Some(Self::Derived { number, salt: rest.try_into().ok()? }),
            RESIDENT if rest.is_empty() => Some(Self::Resident { number }),
            _ => None,
        }
    }

    /// The bytes that [`Metadata::parse`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Derived { number, salt } => [&[DERIVED], number.0.as_slice(), salt].concat(),
            Self::Resident { number } => [&[RESIDENT], number.0.as_slice()].concat(),
        }
    }

    /// The material that it names.
    #[must_use]
    pub const fn number(&self) -> MaterialNumber {
        match self {
            Self::Derived { number, .. } | Self::Resident { number } => *number,
        }
    }
}

/// What a ciphertext is sealed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The key, wherever it lives.
    pub lineage: LineageId,
    /// The key material of the version that sealed it.
    pub material: MaterialId,
}

/// A ciphertext that was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    /// As long as the plaintext.
    pub ciphertext: Vec<u8>,
    /// The IV.
    pub iv: [u8; IV_BYTES],
    /// The tag.
    pub tag: [u8; TAG_BYTES],
    /// The encoding of a [`Metadata`].
    pub metadata: Vec<u8>,
}

impl Detached {
    /// Its parts, lent.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts { ciphertext: &self.ciphertext, iv: &self.iv, tag: &self.tag, metadata: &self.metadata }
    }
}

/// A ciphertext as it came.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// As long as the plaintext.
    pub ciphertext: &'a [u8],
    /// The IV.
    pub iv: &'a [u8],
    /// The tag.
    pub tag: &'a [u8],
    /// What the sealing gave out beside it.
    pub metadata: &'a [u8],
}

/// What the cipher authenticates: length (2) || associated data || length (1) || metadata. Absent associated data counts
/// as empty.
///
/// # Errors
/// [`CryptoError::AssociatedDataTooLong`] over [`ASSOCIATED_BYTES`]; [`CryptoError::InvalidCiphertext`] for metadata over
/// [`METADATA_BYTES`].
pub fn additional(associated: &[u8], metadata: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut encoded = Vec::with_capacity(additional_bytes(associated, metadata));
    append_additional(&mut encoded, associated, metadata)?;
    Ok(encoded)
}

const fn additional_bytes(associated: &[u8], metadata: &[u8]) -> usize {
    2 + associated.len() + 1 + metadata.len()
}

fn append_additional(buffer: &mut Vec<u8>, associated: &[u8], metadata: &[u8]) -> Result<(), CryptoError> {
    let actual = associated.len();
    let length =
        u16::try_from(actual).map_err(|_| CryptoError::AssociatedDataTooLong { limit: ASSOCIATED_BYTES, actual })?;
    let metadata_length = u8::try_from(metadata.len()).ok().filter(|_| metadata.len() <= METADATA_BYTES);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(associated);
    buffer.push(metadata_length.ok_or(CryptoError::InvalidCiphertext)?);
    buffer.extend_from_slice(metadata);
    Ok(())
}

/// Encrypts `plaintext` under a key derived from `material` for this ciphertext alone: format 1.
///
/// # Errors
/// [`CryptoError::PlaintextTooLong`] over [`PLAINTEXT_BYTES`]; [`CryptoError::AssociatedDataTooLong`];
/// [`CryptoError::UnfitEncryption`] for material other than AES; [`CryptoError::Random`]; [`CryptoError::Module`].
pub fn seal(
    material: &KeyMaterial,
    subject: &Subject,
    associated: &[u8],
    plaintext: &[u8],
    random: &dyn Random,
) -> Result<Detached, CryptoError> {
    const FAILED: CryptoError = CryptoError::Module("encrypt");
    if plaintext.len() > PLAINTEXT_BYTES {
        return Err(CryptoError::PlaintextTooLong { limit: PLAINTEXT_BYTES, actual: plaintext.len() });
    }
    let salt = random::bytes(random)?;
    let key = derived(material.aes()?, subject, &salt)?;
    let metadata = Metadata::Derived { number: MaterialNumber::of(subject.material), salt }.encode();
    let room = plaintext.len() + additional_bytes(associated, &metadata);
    let mut buffer = Zeroizing::new(Vec::with_capacity(room));
    buffer.extend_from_slice(plaintext);
    append_additional(&mut buffer, associated, &metadata)?;
    let (text, additional) = buffer.split_at_mut(plaintext.len());
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| FAILED)?;
    let (iv, made) = cipher.seal_in_place_separate_tag(Aad::from(&*additional), text).map_err(|_| FAILED)?;
    let tag = made.as_ref().try_into().map_err(|_| FAILED)?;
    buffer.truncate(plaintext.len());
    Ok(Detached { ciphertext: std::mem::take(&mut *buffer), iv: *iv.as_ref(), tag, metadata })
}

/// Opens what [`seal`] made with the same material, subject and associated data.
///
/// # Errors
/// [`CryptoError::InvalidCiphertext`] for every fault of the parts; [`CryptoError::UnfitEncryption`] for material other
/// than AES; [`CryptoError::AssociatedDataTooLong`].
pub fn open(
    material: &KeyMaterial,
    subject: &Subject,
    associated: &[u8],
    parts: &Parts<'_>,
) -> Result<SecretBytes, CryptoError> {
    let key = material.aes()?;
    let Metadata::Derived { number, salt } = Metadata::parse(parts.metadata)? else {
        return Err(CryptoError::InvalidCiphertext);
    };
    if number != MaterialNumber::of(subject.material) || parts.iv.len() != IV_BYTES {
        return Err(CryptoError::InvalidCiphertext);
    }
    open_under(&*derived(key, subject, &salt)?, &additional(associated, parts.metadata)?, parts)
}

/// Opens what was sealed elsewhere by AES-256-GCM directly under `material`, the digest of the associated data standing in
/// its place where there was any: SHA-256, empty data included. The IV has 12 or 16 bytes.
///
/// # Errors
/// [`CryptoError::InvalidCiphertext`] for every fault of the parts; [`CryptoError::UnfitEncryption`] for material other
/// than AES.
pub fn open_bare(
    material: &KeyMaterial,
    associated: Option<&[u8]>,
    parts: &Parts<'_>,
) -> Result<SecretBytes, CryptoError> {
    let key = material.aes()?;
    let digest = associated.map(|associated| digest(&SHA256, associated));
    let additional = additional(digest.as_ref().map_or(&[], AsRef::as_ref), parts.metadata)?;
    open_under(key, &additional, parts)
}

/// Every length is checked before anything is computed.
fn open_under(key: &[u8], additional: &[u8], parts: &Parts<'_>) -> Result<SecretBytes, CryptoError> {
    const INVALID: CryptoError = CryptoError::InvalidCiphertext;
    let tag: &[u8; TAG_BYTES] = parts.tag.try_into().map_err(|_| INVALID)?;
    if parts.ciphertext.len() > PLAINTEXT_BYTES {
        return Err(INVALID);
    }
    let mut plaintext = Zeroizing::new(vec![0; parts.ciphertext.len()]);
    let opened = match parts.iv.try_into() {
        Ok(iv) => gcm_open(key, iv, additional, parts.ciphertext, tag, &mut plaintext),
        Err(_) => <&[u8; LONG_IV_BYTES]>::try_from(parts.iv)
            .ok()
            .and_then(|iv| lower::gcm_open(key, iv, additional, parts.ciphertext, tag, &mut plaintext).ok()),
    };
    opened.ok_or(INVALID)?;
    Ok(SecretBytes::take(std::mem::take(&mut *plaintext)))
}

/// SHA-256 over associated data, metadata, IV, ciphertext and tag: tells damage on the way, for whoever has them all.
#[must_use]
pub fn integrity_value(associated: &[u8], parts: &Parts<'_>) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    [associated, parts.metadata, parts.iv, parts.ciphertext, parts.tag].iter().for_each(|part| hash.update(part));
    let mut value = [0; 32];
    value.iter_mut().zip(hash.finish().as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    value
}

/// The key of one ciphertext: KBKDF of the material, with context format || lineage || material id || algorithm || salt.
fn derived(key: &[u8], subject: &Subject, salt: &[u8; SALT_BYTES]) -> Result<Zeroizing<[u8; KEY_BYTES]>, CryptoError> {
    let mut context = [0; 1 + 16 + 16 + 1 + SALT_BYTES];
    let fields = [DERIVED]
        .iter()
        .chain(subject.lineage.as_bytes())
        .chain(subject.material.as_bytes())
        .chain(&[AES_256_GCM_DERIVED])
        .chain(salt);
    context.iter_mut().zip(fields).for_each(|(byte, field)| *byte = *field);
    let mut made = Zeroizing::new([0; KEY_BYTES]);
    derive(key, Label::Detached, &context, made.as_mut_slice())?;
    Ok(made)
}

#[cfg(test)]
mod tests;
