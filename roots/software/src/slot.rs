//! Slots: each seals the same file key under a secret of its own, so that any one of them opens the file.
//!
//! A passphrase is stretched by Argon2id (RFC 9106); a key file and a recovery secret are uniform already. Then all go
//! one way: a key derived for this root and this slot seals the file key.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use strongroom_model::id::RootId;
use strongroom_secret::{Secret, SecretBytes};
use zeroize::Zeroizing;

use crate::error::SoftwareRootError;
use crate::limits;
use crate::primitives::{self, SEAL_OVERHEAD};

/// Bytes of a slot in the file.
pub(crate) const SLOT_BYTES: usize = HEADER_BYTES + 32 + SEAL_OVERHEAD;
const HEADER_BYTES: usize = 2 + SALT_BYTES + PARAMETER_BYTES;
const SALT_BYTES: usize = 16;
const PARAMETER_BYTES: usize = 12;

/// A slot's place in its file, from 0; kept when others are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotNumber(pub u8);

impl std::fmt::Display for SlotNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A passphrase.
    Passphrase,
    /// A file of 32 random bytes.
    KeyFile,
    /// Enough recovery shares.
    Recovery,
}

impl std::fmt::Display for SlotKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key file",
            Self::Recovery => "recovery",
        })
    }
}

/// What a slot says of itself without being opened. Unauthenticated until the file is unsealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotParameters {
    /// Stretched with this cost.
    Passphrase(Argon2Cost),
    /// Nothing more to say.
    KeyFile,
    /// Opened by `threshold` of `shares` recovery shares.
    Recovery {
        /// How many are needed, at least 2.
        threshold: u8,
        /// How many were made.
        shares: u8,
    },
}

/// What Argon2id costs: within the bounds of [`crate::limits`], whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Cost {
    /// The second recommended option of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.
    pub const RECOMMENDED: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// Takes memory in KiB, passes and lanes; `None` outside the bounds of [`crate::limits`].
    #[must_use]
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let memory_fits = (limits::ARGON2_MEMORY_KIB_LEAST..=limits::ARGON2_MEMORY_KIB_MOST).contains(&memory_kib);
        let passes_fit = (1..=limits::ARGON2_PASSES_MOST).contains(&passes);
        let lanes_fit = (1..=limits::ARGON2_LANES_MOST).contains(&lanes);
        (memory_fits && passes_fit && lanes_fit).then_some(Self { memory_kib, passes, lanes })
    }

    fn stretch(self, passphrase: &[u8], salt: &[u8]) -> Result<Secret<32>, SoftwareRootError> {
        let failed = |_| SoftwareRootError::Module("stretch the passphrase");
        let parameters = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(failed)?;
        let count = parameters.block_count();
        let mut blocks: Zeroizing<Vec<Block>> = Zeroizing::new(Vec::new());
        blocks.try_reserve_exact(count).map_err(|_| SoftwareRootError::Memory { kib: self.memory_kib })?;
        blocks.resize(count, Block::default());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        Secret::try_init_with(|key| argon2.hash_password_into_with_memory(passphrase, salt, key, blocks.as_mut_slice()))
            .map_err(failed)
    }
}

/// A secret that a new slot shall open with.
pub enum Unlocker<'a> {
    /// A passphrase of 1 to [`limits::PASSPHRASE_BYTES`] bytes, stretched at the given cost.
    Passphrase(&'a SecretBytes, Argon2Cost),
    /// The 32 uniformly random bytes of a key file.
    KeyFile(&'a Secret<32>),
    /// The 32 uniformly random bytes that the recovery shares combine to. The numbers are kept for people.
    Recovery {
        /// What was split.
        secret: &'a Secret<32>,
        /// How many shares bring it back, at least 2.
        threshold: u8,
        /// How many shares there are.
        shares: u8,
    },
}

/// A secret that may open a file.
pub enum Credential<'a> {
    /// A passphrase.
    Passphrase(&'a SecretBytes),
    /// The 32 bytes of a key file.
    KeyFile(&'a Secret<32>),
    /// What the recovery shares combine to (`strongroom_crypto::shares::combine`).
    Recovery(&'a Secret<32>),
}

impl Credential<'_> {
    pub(crate) fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::KeyFile(_) => SlotKind::KeyFile,
            Self::Recovery(_) => SlotKind::Recovery,
        }
    }
}

/// A slot as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) number: SlotNumber,
    pub(crate) parameters: SlotParameters,
    salt: [u8; SALT_BYTES],
    sealed: [u8; 32 + SEAL_OVERHEAD],
}

impl SlotParameters {
    /// What opens such a slot.
    #[must_use]
    pub fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::KeyFile => SlotKind::KeyFile,
            Self::Recovery { .. } => SlotKind::Recovery,
        }
    }

    fn to_bytes(self) -> [u8; 1 + PARAMETER_BYTES] {
        let mut bytes = [0; 1 + PARAMETER_BYTES];
        let [kind, parameters @ ..] = &mut bytes;
        match self {
            Self::Passphrase(cost) => {
                *kind = 1;
                let numbers = [cost.memory_kib, cost.passes, cost.lanes].map(u32::to_be_bytes);
                parameters.copy_from_slice(numbers.as_flattened());
            }
            Self::KeyFile => *kind = 2,
            Self::Recovery { threshold, shares } => {
                *kind = 3;
                let [first, second, ..] = parameters;
                (*first, *second) = (threshold, shares);
            }
        }
        bytes
    }

    fn from_bytes(kind: u8, parameters: [u8; PARAMETER_BYTES]) -> Result<Self, SoftwareRootError> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = parameters;
        match kind {
            1 => {
                let [memory, passes, lanes] = [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_be_bytes);
                let cost = Argon2Cost::new(memory, passes, lanes);
                Ok(Self::Passphrase(cost.ok_or(SoftwareRootError::Damaged("a slot's Argon2id cost is out of bounds"))?))
            }
            2 if parameters == [0; PARAMETER_BYTES] => Ok(Self::KeyFile),
            3 if a >= 2 && a <= b && parameters.iter().skip(2).all(|byte| *byte == 0) => {
                Ok(Self::Recovery { threshold: a, shares: b })
            }
            _ => Err(SoftwareRootError::Damaged("a slot's kind or parameters are unknown")),
        }
    }
}

impl Slot {
    /// Seals the file key so that `unlocker` opens it.
    pub(crate) fn seal(
        root: RootId,
        number: SlotNumber,
        unlocker: &Unlocker<'_>,
        file_key: &Secret<32>,
    ) -> Result<Self, SoftwareRootError> {
        let (parameters, credential) = match *unlocker {
            Unlocker::Passphrase(text, cost) => (SlotParameters::Passphrase(cost), Credential::Passphrase(text)),
            Unlocker::KeyFile(key) => (SlotParameters::KeyFile, Credential::KeyFile(key)),
            Unlocker::Recovery { threshold, shares, .. } if threshold < 2 || threshold > shares => {
                return Err(SoftwareRootError::Threshold);
            }
            Unlocker::Recovery { secret, threshold, shares } => {
                (SlotParameters::Recovery { threshold, shares }, Credential::Recovery(secret))
            }
        };
        let mut slot = Self { number, parameters, salt: primitives::random_array()?, sealed: [0; 32 + SEAL_OVERHEAD] };
        let key = slot.key(root, &credential)?.ok_or(SoftwareRootError::Module("match a slot's kind"))?;
        let sealed = primitives::seal(&key, &slot.aad(root), file_key.expose())?;
        slot.sealed = sealed.try_into().map_err(|_| SoftwareRootError::Module("seal"))?;
        Ok(slot)
    }

    /// The file key, if `credential` is this slot's; `None` if it is not, or the slot was changed.
    pub(crate) fn open(
        &self,
        root: RootId,
        credential: &Credential<'_>,
    ) -> Result<Option<Secret<32>>, SoftwareRootError> {
        let Some(key) = self.key(root, credential)? else { return Ok(None) };
        Ok(primitives::open(&key, &self.aad(root), &self.sealed).and_then(|key| Secret::copy_from(key.expose())))
    }

    /// The key that seals the file key; `None` when the credential is of another kind.
    fn key(&self, root: RootId, credential: &Credential<'_>) -> Result<Option<Secret<32>>, SoftwareRootError> {
        let context: [&[u8]; 3] = [root.as_bytes(), &[self.number.0], &self.salt];
        let key = match (credential, self.parameters) {
            (Credential::Passphrase(text), SlotParameters::Passphrase(cost)) => {
                if text.is_empty() || text.len() > limits::PASSPHRASE_BYTES {
                    return Err(SoftwareRootError::PassphraseLength);
                }
                let stretched = cost.stretch(text.expose(), &self.salt)?;
                primitives::derive(stretched.expose(), "strongroom root slot passphrase", &context)?
            }
            (Credential::KeyFile(key), SlotParameters::KeyFile) => {
                primitives::derive(key.expose(), "strongroom root slot key file", &context)?
            }
            (Credential::Recovery(secret), SlotParameters::Recovery { .. }) => {
                primitives::derive(secret.expose(), "strongroom root slot recovery", &context)?
            }
            _ => return Ok(None),
        };
        Ok(Some(key))
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let [kind, parameters @ ..] = self.parameters.to_bytes();
        let fields = [kind, self.number.0].into_iter().chain(self.salt).chain(parameters);
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }

    fn aad(&self, root: RootId) -> Vec<u8> {
        [crate::file::MAGIC_AND_VERSION.as_slice(), root.as_bytes(), &self.header()].concat()
    }

    /// The bytes of the slot in the file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [self.header().as_slice(), &self.sealed].concat()
    }

    /// Reads a slot's bytes.
    pub(crate) fn from_bytes(bytes: &[u8; SLOT_BYTES]) -> Result<Self, SoftwareRootError> {
        let damaged = || SoftwareRootError::Damaged("a slot is cut short");
        let [kind, number, rest @ ..] = bytes;
        let (salt, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (parameters, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let sealed = rest.try_into().map_err(|_| damaged())?;
        let parameters = SlotParameters::from_bytes(*kind, *parameters)?;
        Ok(Self { number: SlotNumber(*number), parameters, salt: *salt, sealed })
    }
}
