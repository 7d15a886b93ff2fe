//! The root itself: sealed as read from disk, then unsealed and serving.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use strongroom_crypto::CheckpointSigner;
use strongroom_model::id::RootId;
use strongroom_model::root::{CheckpointKey, RootDescription, RootError, RootOfTrust};
use strongroom_secret::Secret;

use crate::error::SoftwareRootError;
use crate::file::{Keys, SealedFile};
use crate::primitives::{self, SEAL_OVERHEAD};
use crate::slot::{Credential, Slot, SlotNumber, SlotParameters, Unlocker};
use crate::{disk, limits};

/// How every wrapped domain key begins: magic and version.
const WRAPPED_MAGIC_AND_VERSION: [u8; 4] = *b"SRD\x01";

/// A root file that has been read, but not opened.
pub struct Sealed {
    path: PathBuf,
    file: SealedFile,
}

impl Sealed {
    /// Who this is; unproved until it is unsealed.
    #[must_use]
    pub fn id(&self) -> RootId {
        self.file.root
    }

    /// Its slots, in order; unproved until it is unsealed.
    #[must_use]
    pub fn slots(&self) -> Vec<(SlotNumber, SlotParameters)> {
        list(&self.file)
    }

    /// Opens the file with a credential and proves every byte of it. With a passphrase this takes the slot's memory
    /// and time, so it belongs on a worker thread. `self` is kept, so another credential may be tried.
    ///
    /// # Errors
    /// [`SoftwareRootError::WrongCredential`], [`SoftwareRootError::NoSlotOfKind`], or [`SoftwareRootError::Damaged`].
    pub fn unseal(&self, credential: &Credential<'_>) -> Result<SoftwareRoot, SoftwareRootError> {
        let file_key = self.file.file_key(credential)?;
        let keys = self.file.open(&file_key)?;
        SoftwareRoot::serve(self.path.clone(), self.file.root, file_key, &keys)
    }
}

/// An open software root: its keys are in this process's memory.
pub struct SoftwareRoot {
    path: PathBuf,
    id: RootId,
    file_key: Secret<32>,
    domain_wrapping: Secret<32>,
    checkpoint: CheckpointSigner,
    /// Held while the file is changed, so that changes follow each other.
    changing: Mutex<()>,
}

impl SoftwareRoot {
    /// Makes a new root at `path`, which must be free, with one slot for each of 1 to [`limits::SLOTS`] unlockers. It
    /// is durable when this returns.
    ///
    /// # Errors
    /// When a file is there, an unlocker is unfit, or the system or the cryptographic module fails.
    pub fn create(path: &Path, unlockers: &[Unlocker<'_>]) -> Result<Self, SoftwareRootError> {
        let id = RootId::from_bytes(primitives::random_array()?);
        let file_key = primitives::random_key()?;
        let keys = Keys { wrapping: primitives::random_key()?, checkpoint_seed: primitives::random_key()? };
        if unlockers.len() > limits::SLOTS {
            return Err(SoftwareRootError::SlotCount);
        }
        let slots =
            (0..).zip(unlockers).map(|(number, unlocker)| Slot::seal(id, SlotNumber(number), unlocker, &file_key));
        let file = SealedFile::seal(id, slots.collect::<Result<_, _>>()?, &file_key, &keys)?;
        disk::create(path, &file.to_bytes())?;
        Self::serve(path.into(), id, file_key, &keys)
    }

    /// Reads the root file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, others than its owner may reach it, or it is no root file of a known version.
    pub fn open(path: &Path) -> Result<Sealed, SoftwareRootError> {
        Ok(Sealed { path: path.into(), file: SealedFile::from_bytes(&disk::read(path)?)? })
    }

    /// The slots in the file as it is now.
    ///
    /// # Errors
    /// When the file cannot be read, or its seal does not hold.
    pub fn slots(&self) -> Result<Vec<(SlotNumber, SlotParameters)>, SoftwareRootError> {
        Ok(list(&self.current()?.0))
    }

    /// Adds a slot to the file, durably; returns its number.
    ///
    /// # Errors
    /// When all slots are taken, the unlocker is unfit, or the file cannot be read, proved or replaced.
    pub fn add_slot(&self, unlocker: &Unlocker<'_>) -> Result<SlotNumber, SoftwareRootError> {
        let _changing = self.changing.lock();
        let (file, keys) = self.current()?;
        let taken = |number: &SlotNumber| file.slots.iter().any(|slot| slot.number == *number);
        let number = (0..=u8::MAX).map(SlotNumber).find(|number| !taken(number)).ok_or(SoftwareRootError::SlotCount)?;
        let mut slots = file.slots.clone();
        slots.push(Slot::seal(self.id, number, unlocker, &self.file_key)?);
        slots.sort_by_key(|slot| slot.number);
        self.store(slots, &keys)?;
        Ok(number)
    }

    /// Removes a slot from the file, durably. Whoever kept a copy of the file and the slot's secret can still open
    /// that copy: against them, rotate to a new root.
    ///
    /// # Errors
    /// When there is no such slot, it is the last one, or the file cannot be read, proved or replaced.
    pub fn remove_slot(&self, number: SlotNumber) -> Result<(), SoftwareRootError> {
        let _changing = self.changing.lock();
        let (file, keys) = self.current()?;
        let mut slots = file.slots;
        let position = slots.iter().position(|slot| slot.number == number).ok_or(SoftwareRootError::NoSlot(number))?;
        if slots.len() == 1 {
            return Err(SoftwareRootError::LastSlot(number));
        }
        slots.remove(position);
        self.store(slots, &keys)
    }

    fn serve(path: PathBuf, id: RootId, file_key: Secret<32>, keys: &Keys) -> Result<Self, SoftwareRootError> {
        let domain_wrapping =
            primitives::derive(keys.wrapping.expose(), "strongroom root domain key wrapping", &[id.as_bytes()])?;
        let checkpoint = CheckpointSigner::from_seed(&keys.checkpoint_seed)
            .map_err(|_| SoftwareRootError::Module("load the checkpoint key"))?;
        Ok(Self { path, id, file_key, domain_wrapping, checkpoint, changing: Mutex::new(()) })
    }

    /// The file as it is on disk, proved, with its keys.
    fn current(&self) -> Result<(SealedFile, Keys), SoftwareRootError> {
        let Sealed { file, .. } = Self::open(&self.path)?;
        if file.root != self.id {
            return Err(SoftwareRootError::Damaged("another root lies in its place"));
        }
        let keys = file.open(&self.file_key)?;
        Ok((file, keys))
    }

    fn store(&self, slots: Vec<Slot>, keys: &Keys) -> Result<(), SoftwareRootError> {
        disk::replace(&self.path, &SealedFile::seal(self.id, slots, &self.file_key, keys)?.to_bytes())
    }

    fn wrapped_header(&self) -> [u8; 20] {
        let mut header = [0; 20];
        let fields = WRAPPED_MAGIC_AND_VERSION.iter().chain(self.id.as_bytes());
        header.iter_mut().zip(fields).for_each(|(byte, field)| *byte = *field);
        header
    }
}

fn list(file: &SealedFile) -> Vec<(SlotNumber, SlotParameters)> {
    file.slots.iter().map(|slot| (slot.number, slot.parameters)).collect()
}

impl RootOfTrust for SoftwareRoot {
    fn describe(&self) -> RootDescription {
        RootDescription {
            id: self.id,
            kind: "software",
            location: self.path.display().to_string(),
            wrapping: "AES-256-GCM in this process, key sealed in a file".into(),
        }
    }

    fn wrap(&self, context: &[u8], key: &Secret<32>) -> Result<Vec<u8>, RootError> {
        if context.len() > limits::CONTEXT_BYTES {
            let mechanism = format!("a context of more than {} bytes", limits::CONTEXT_BYTES);
            return Err(RootError::Unsupported { mechanism });
        }
        let header = self.wrapped_header();
        let sealed = primitives::seal(&self.domain_wrapping, &[&header, context].concat(), key.expose())?;
        Ok([header.as_slice(), &sealed].concat())
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Secret<32>, RootError> {
        let header = self.wrapped_header();
        let sealed = wrapped.strip_prefix(&header).ok_or(RootError::Refused)?;
        if context.len() > limits::CONTEXT_BYTES || sealed.len() != 32 + SEAL_OVERHEAD {
            return Err(RootError::Refused);
        }
        primitives::open(&self.domain_wrapping, &[&header, context].concat(), sealed)
            .and_then(|key| Secret::copy_from(key.expose()))
            .ok_or(RootError::Refused)
    }

    fn checkpoint_key(&self) -> Result<CheckpointKey, RootError> {
        Ok(self.checkpoint.public())
    }

    fn sign_checkpoint(&self, message: &[u8]) -> Result<[u8; 64], RootError> {
        self.checkpoint.sign(message).map_err(|error| RootError::Unavailable { cause: error.to_string() })
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), RootError> {
        Ok(primitives::random(bytes)?)
    }
}
