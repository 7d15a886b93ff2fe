//! What is sealed under a wrapping key: key material, credentials at rest, and tokens that come back. Format version 1,
//! for ever (docs/formats/wrapped-material.md).
//!
//! One layout for all; each kind has a magic and a derivation label of its own, so nothing sealed as one kind opens as
//! another. Absent on purpose: how a root of trust wraps the wrapping keys themselves; each has its own mechanism.

use strongroom_model::id::{CredentialId, DomainKeyId, KeyId, LineageId, MaterialId, TenantId};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::UsageProfile;
use strongroom_secret::{Arena, Secret, SecretBytes};

use crate::derive::Label;
use crate::error::CryptoError;
use crate::import::MaterialDigest;
use crate::limits::WRAPPED_PLAINTEXT_BYTES;
use crate::material::{KeyMaterial, SymmetricKey};
use crate::random::Random;
use crate::sealed;

const VERSION: u8 = 1;
const AES_256_GCM_COMMITTED: u8 = 1;
/// Magic, version, algorithm, id of the wrapping key.
const HEADER_BYTES: usize = 3 + 1 + 1 + 16;

/// Bytes that something sealed under a wrapping key has more than its plaintext.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + sealed::OVERHEAD_BYTES;

/// What is sealed under a wrapping key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Key material.
    Material,
    /// A credential at rest that must be recoverable.
    Credential,
    /// A token that lets its bearer import material.
    ImportToken,
    /// A token that makes a grant count before every node has seen it.
    GrantToken,
    /// A position in a listing.
    PageCursor,
    /// The digest of imported material.
    MaterialDigest,
    /// The token of a role's session.
    SessionToken,
}

impl Kind {
    const fn magic(self) -> [u8; 3] {
        match self {
            Self::Material => *b"SRW",
            Self::Credential => *b"SRA",
            Self::ImportToken => *b"SRI",
            Self::GrantToken => *b"SRG",
            Self::PageCursor => *b"SRP",
            Self::MaterialDigest => *b"SRD",
            Self::SessionToken => *b"SRT",
        }
    }

    const fn label(self) -> Label {
        match self {
            Self::Material => Label::WrappedMaterial,
            Self::Credential => Label::Credential,
            Self::ImportToken => Label::ImportToken,
            Self::GrantToken => Label::GrantToken,
            Self::PageCursor => Label::PageCursor,
            Self::MaterialDigest => Label::MaterialDigest,
            Self::SessionToken => Label::SessionToken,
        }
    }
}

/// A key-wrapping key of 256 bits (SP 800-57 part 1), such as a domain key.
pub struct WrappingKey {
    id: [u8; 16],
    key: SymmetricKey,
}

impl WrappingKey {
    /// Takes a key, into `arena` where one is given and has room. `id` names the key in what it seals: the bytes of a
    /// [`DomainKeyId`], or of whatever else names it.
    #[must_use]
    pub fn new(id: [u8; 16], key: &Secret<32>, arena: Option<&Arena>) -> Self {
        Self { id, key: SymmetricKey::store(key.expose(), arena) }
    }

    /// The name of this key in what it seals.
    #[must_use]
    pub const fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// Whether the key lies in locked memory.
    #[must_use]
    pub const fn is_in_arena(&self) -> bool {
        self.key.is_in_arena()
    }

    /// Seals `plaintext`, so that it opens only as this `kind` and with the same `bound` bytes, whose encoding must be
    /// injective.
    ///
    /// # Errors
    /// [`CryptoError::PlaintextTooLong`] over [`WRAPPED_PLAINTEXT_BYTES`]; [`CryptoError::Random`];
    /// [`CryptoError::Module`].
    pub fn seal(
        &self,
        kind: Kind,
        bound: &[u8],
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        if plaintext.len() > WRAPPED_PLAINTEXT_BYTES {
            return Err(CryptoError::PlaintextTooLong { limit: WRAPPED_PLAINTEXT_BYTES, actual: plaintext.len() });
        }
        let mut header = [0; HEADER_BYTES];
        let fields = kind.magic().into_iter().chain([VERSION, AES_256_GCM_COMMITTED]).chain(self.id);
        header.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        sealed::seal(kind.label(), self.key.expose(), &header, bound, plaintext, random)
    }

    /// Opens what [`WrappingKey::seal`] made with the same kind and bound bytes.
    ///
    /// # Errors
    /// [`CryptoError::Unwrap`] for every fault.
    pub fn open(&self, kind: Kind, bound: &[u8], sealed: &[u8]) -> Result<SecretBytes, CryptoError> {
        match wrapping_key_id(kind, sealed) {
            Some(id) if id == self.id => {
                sealed::open(kind.label(), self.key.expose(), HEADER_BYTES, bound, sealed).ok_or(CryptoError::Unwrap)
            }
            _ => Err(CryptoError::Unwrap),
        }
    }

    /// Wraps key material.
    ///
    /// # Errors
    /// As [`WrappingKey::seal`].
    pub fn wrap(&self, binding: &Binding, material: &KeyMaterial, random: &dyn Random) -> Result<Vec<u8>, CryptoError> {
        self.seal(Kind::Material, &binding.encode(), material.encode()?.expose(), random)
    }

    /// Unwraps key material, into `arena` where one is given and has room.
    ///
    /// # Errors
    /// [`CryptoError::Unwrap`] when it was not wrapped by this key under this binding, or was changed since;
    /// [`CryptoError::MaterialRejected`] when what was wrapped is no material of the binding's spec.
    pub fn unwrap(&self, binding: &Binding, wrapped: &[u8], arena: Option<&Arena>) -> Result<KeyMaterial, CryptoError> {
        KeyMaterial::parse(binding.spec, self.open(Kind::Material, &binding.encode(), wrapped)?.expose(), arena)
    }
}

impl WrappingKey {
    /// Seals the digest of imported material, bound as the material is.
    ///
    /// # Errors
    /// As [`WrappingKey::seal`].
    pub fn seal_digest(
        &self,
        binding: &Binding,
        digest: &MaterialDigest,
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        self.seal(Kind::MaterialDigest, &binding.encode(), digest.expose(), random)
    }

    /// Opens what [`WrappingKey::seal_digest`] made under the same binding.
    ///
    /// # Errors
    /// [`CryptoError::Unwrap`] for every fault.
    pub fn open_digest(&self, binding: &Binding, sealed: &[u8]) -> Result<MaterialDigest, CryptoError> {
        let digest = self.open(Kind::MaterialDigest, &binding.encode(), sealed)?;
        Secret::copy_from(digest.expose()).map(MaterialDigest::new).ok_or(CryptoError::Unwrap)
    }
}

/// The name of the key that sealed this, to find it; nobody has vouched for it yet. `None` when it is nothing of this
/// kind and version.
#[must_use]
pub fn wrapping_key_id(kind: Kind, sealed: &[u8]) -> Option<[u8; 16]> {
    if !(OVERHEAD_BYTES..=OVERHEAD_BYTES + WRAPPED_PLAINTEXT_BYTES).contains(&sealed.len()) {
        return None;
    }
    let (magic, rest) = sealed.split_first_chunk::<3>()?;
    let (&[version, algorithm], rest) = rest.split_first_chunk::<2>()?;
    let known = *magic == kind.magic() && version == VERSION && algorithm == AES_256_GCM_COMMITTED;
    rest.first_chunk().copied().filter(|_| known)
}

/// As [`wrapping_key_id`], for what a domain key sealed.
#[must_use]
pub fn domain_key_id(kind: Kind, sealed: &[u8]) -> Option<DomainKeyId> {
    wrapping_key_id(kind, sealed).map(DomainKeyId::from_bytes)
}

/// What wrapped material is bound to: moved to another key, tenant or use, it does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The key.
    pub key: KeyId,
    /// The key version's material.
    pub material: MaterialId,
    /// The key, wherever it lives.
    pub lineage: LineageId,
    /// Whose key.
    pub tenant: TenantId,
    /// Kind and size.
    pub spec: KeySpec,
    /// What it may be used for.
    pub usage: UsageProfile,
    /// Whether it may leave in the clear; fixed when the key is made.
    pub exportable: bool,
    /// Where it came from.
    pub origin: Origin,
}

impl Binding {
    /// Bytes of the encoding.
    pub const BYTES: usize = 4 * 16 + 1 + 4 + 1 + 1;

    /// The canonical encoding: the fields in order, usage bits as u32 big-endian, exportable as 0 or 1.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut encoded = [0; Self::BYTES];
        let ids = [self.key.as_bytes(), self.material.as_bytes(), self.lineage.as_bytes(), self.tenant.as_bytes()];
        let fields = ids
            .into_iter()
            .flatten()
            .copied()
            .chain([self.spec.code()])
            .chain(self.usage.bits().to_be_bytes())
            .chain([u8::from(self.exportable), self.origin.code()]);
        encoded.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        encoded
    }
}

/// What a credential at rest is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialBinding<'a> {
    /// Whose credential.
    pub tenant: TenantId,
    /// Identity.
    pub credential: CredentialId,
    /// The public half, e.g. an access key id.
    pub shown: &'a str,
}

impl CredentialBinding<'_> {
    /// The canonical encoding, to be bound under [`Kind::Credential`]: tenant, credential, the shown half to the end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [self.tenant.as_bytes().as_slice(), self.credential.as_bytes(), self.shown.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests;
