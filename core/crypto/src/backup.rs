//! Backups sealed to a public key: HPKE (RFC 9180) over a stream, format version 1 (docs/formats/backup.md).
//!
//! `magic (3) || version (1) || suite (1) || encapsulated key (32)`, then chunks of [`BACKUP_CHUNK_BYTES`] plaintext
//! bytes, each with its tag behind it; only the last chunk may be shorter, and its additional data says that it is the
//! last. HPKE counts the chunks. So a stream that was cut, lengthened or reordered does not open. Absent on purpose:
//! compression, and what is in a backup.

use std::io::{Read, Write};

use hpke::aead::{AeadCtxR, AeadCtxS, AeadTag, AesGcm256};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use strongroom_secret::Secret;
use zeroize::{Zeroize, Zeroizing};

use crate::derive::Label;
use crate::error::CryptoError;
use crate::limits::BACKUP_CHUNK_BYTES;
use crate::random::{Lent, Random};

const MAGIC: [u8; 3] = *b"SRB";
const VERSION: u8 = 1;
/// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
const X25519_AES_256_GCM: u8 = 1;
const HEADER: [u8; 5] = [MAGIC[0], MAGIC[1], MAGIC[2], VERSION, X25519_AES_256_GCM];
const ENCAPSULATED_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

type Tag = AeadTag<AesGcm256>;

/// Why a backup could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The stream could not be read or written.
    #[error("the backup's stream failed")]
    Stream(#[from] std::io::Error),
    /// Not a backup at all.
    #[error("this is not a backup")]
    NotABackup,
    /// A backup of a version or suite that this build does not know.
    #[error("the backup has format version {version}, suite {suite}; this build knows version 1, suite 1")]
    UnknownFormat {
        /// The version found.
        version: u8,
        /// The suite found.
        suite: u8,
    },
    /// A chunk does not open: another key, or a stream that was damaged, cut, lengthened or reordered.
    #[error("the backup is sealed to another key, or damaged at chunk {chunk}")]
    Damaged {
        /// Which chunk, counted from zero.
        chunk: u64,
    },
    /// The key is none.
    #[error("the backup key is not an X25519 key")]
    BadKey,
    /// The cryptographic room failed.
    #[error("the backup could not be sealed")]
    Crypto(#[from] CryptoError),
}

/// The key that backups are sealed to: an X25519 public key (RFC 7748).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupPublicKey(pub [u8; 32]);

/// Makes a key pair. The private half is an X25519 scalar of 32 bytes, to be split into recovery shares.
///
/// # Errors
/// [`BackupError::Crypto`] without randomness.
pub fn generate(random: &dyn Random) -> Result<(Secret<32>, BackupPublicKey), BackupError> {
    let seed = Secret::<32>::try_init_with(|seed| random.fill(seed))?;
    let (private, public) = X25519HkdfSha256::derive_keypair(seed.expose());
    let private = Secret::init_with(|bytes| private.write_exact(bytes));
    Ok((private, BackupPublicKey(public.to_bytes().into())))
}

/// The public half of a private one.
///
/// # Errors
/// [`BackupError::BadKey`].
pub fn public_of(private: &Secret<32>) -> Result<BackupPublicKey, BackupError> {
    Ok(BackupPublicKey(X25519HkdfSha256::sk_to_pk(&private_key(private)?).to_bytes().into()))
}

fn private_key(private: &Secret<32>) -> Result<<X25519HkdfSha256 as Kem>::PrivateKey, BackupError> {
    Deserializable::from_bytes(private.expose()).map_err(|_| BackupError::BadKey)
}

/// Seals everything that `plain` gives, to `recipient`; returns how many plaintext bytes that were. Nothing is synced.
///
/// # Errors
/// [`BackupError::Stream`]; [`BackupError::BadKey`]; [`BackupError::Crypto`].
pub fn seal_stream(
    recipient: &BackupPublicKey,
    plain: &mut impl Read,
    sealed: &mut impl Write,
    random: &dyn Random,
) -> Result<u64, BackupError> {
    let recipient = Deserializable::from_bytes(&recipient.0).map_err(|_| BackupError::BadKey)?;
    let mut lent = Lent::new(random);
    let setup = hpke::setup_sender_with_rng(&OpModeS::Base, &recipient, &info(), &mut lent);
    let (encapsulated, mut context): (<X25519HkdfSha256 as Kem>::EncappedKey, Sender) =
        lent.finish(setup)?.map_err(|_| BackupError::BadKey)?;
    sealed.write_all(&HEADER)?;
    sealed.write_all(&encapsulated.to_bytes())?;

    let mut chunks = Chunks::new(plain, BACKUP_CHUNK_BYTES);
    let mut total = 0;
    while let Some((chunk, last)) = chunks.next()? {
        total += chunk.len() as u64;
        let tag = context
            .seal_inout_detached(InOutBuf::from(&mut *chunk), &[u8::from(last)])
            .map_err(|_| CryptoError::Module("seal a chunk"))?;
        sealed.write_all(chunk)?;
        sealed.write_all(&tag.to_bytes())?;
    }
    Ok(total)
}

/// Opens a backup; returns how many plaintext bytes it held. What was written to `plain` counts only once this has
/// succeeded: a cut is noticed at the end.
///
/// # Errors
/// Any [`BackupError`].
pub fn open_stream(private: &Secret<32>, sealed: &mut impl Read, plain: &mut impl Write) -> Result<u64, BackupError> {
    let mut header = [0; HEADER.len() + ENCAPSULATED_BYTES];
    sealed.read_exact(&mut header).map_err(not_a_backup)?;
    let [m0, m1, m2, version, suite, encapsulated @ ..] = header;
    if [m0, m1, m2] != MAGIC {
        return Err(BackupError::NotABackup);
    }
    if (version, suite) != (VERSION, X25519_AES_256_GCM) {
        return Err(BackupError::UnknownFormat { version, suite });
    }
    let damaged = |chunk| BackupError::Damaged { chunk };
    let encapsulated = Deserializable::from_bytes(&encapsulated).map_err(|_| damaged(0))?;
    let mut context: Receiver =
        hpke::setup_receiver(&OpModeR::Base, &private_key(private)?, &encapsulated, &info()).map_err(|_| damaged(0))?;

    let mut chunks = Chunks::new(sealed, BACKUP_CHUNK_BYTES + TAG_BYTES);
    let (mut total, mut count) = (0, 0);
    while let Some((chunk, last)) = chunks.next()? {
        let (text, tag) = chunk.split_last_chunk_mut::<TAG_BYTES>().ok_or_else(|| damaged(count))?;
        let tag = Tag::from_bytes(tag).map_err(|_| damaged(count))?;
        context.open_inout_detached(InOutBuf::from(&mut *text), &[u8::from(last)], &tag).map_err(|_| damaged(count))?;
        plain.write_all(text)?;
        total += text.len() as u64;
        count += 1;
    }
    Ok(total)
}

type Sender = AeadCtxS<AesGcm256, HkdfSha256, X25519HkdfSha256>;
type Receiver = AeadCtxR<AesGcm256, HkdfSha256, X25519HkdfSha256>;

/// HPKE's `info`: what the key is for, then the header.
fn info() -> Vec<u8> {
    [Label::Backup.bytes(), &[0], &HEADER].concat()
}

fn not_a_backup(error: std::io::Error) -> BackupError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => BackupError::NotABackup,
        _ => BackupError::Stream(error),
    }
}

/// A stream in chunks of one size, the last of which is known to be the last. An empty stream is one empty chunk.
struct Chunks<'a, R> {
    stream: &'a mut R,
    chunk: Zeroizing<Vec<u8>>,
    ahead: Zeroizing<Vec<u8>>,
    size: usize,
    started: bool,
    ended: bool,
}

impl<'a, R: Read> Chunks<'a, R> {
    fn new(stream: &'a mut R, size: usize) -> Self {
        let buffer = || Zeroizing::new(Vec::with_capacity(size));
        Self { stream, chunk: buffer(), ahead: buffer(), size, started: false, ended: false }
    }

    fn next(&mut self) -> Result<Option<(&mut [u8], bool)>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        if !self.started {
            self.started = true;
            self.read_ahead()?;
        }
        std::mem::swap(&mut self.chunk, &mut self.ahead);
        self.read_ahead()?;
        self.ended = self.ahead.is_empty();
        Ok(Some((&mut self.chunk, self.ended)))
    }

    fn read_ahead(&mut self) -> Result<(), BackupError> {
        self.ahead.zeroize();
        self.stream.by_ref().take(self.size as u64).read_to_end(&mut self.ahead)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;
    use crate::random::tests::Exhausted;

    fn sealed(plain: &[u8]) -> (Secret<32>, Vec<u8>) {
        let (private, public) = generate(&SystemRandom).unwrap();
        let mut sealed = Vec::new();
        assert_eq!(seal_stream(&public, &mut &*plain, &mut sealed, &SystemRandom).unwrap(), plain.len() as u64);
        (private, sealed)
    }

    fn open(private: &Secret<32>, mut sealed: &[u8]) -> Result<Vec<u8>, BackupError> {
        let mut plain = Vec::new();
        let total = open_stream(private, &mut sealed, &mut plain)?;
        assert_eq!(total, plain.len() as u64);
        Ok(plain)
    }

    /// Opens for ever. Made once by [`make_the_golden_file`].
    const GOLDEN: &[u8] = include_bytes!("../../../vectors/backup/v1.bin");
    const GOLDEN_PLAIN: &[u8] = b"backups of version 1 open for ever";

    fn golden_key() -> Secret<32> {
        Secret::copy_from(&(0x20..0x40).collect::<Vec<u8>>()).unwrap()
    }

    #[test]
    #[ignore = "writes the golden file, once"]
    fn make_the_golden_file() {
        assert!(GOLDEN.is_empty(), "a released golden file is never made again");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/backup/v1.bin");
        let mut file = std::fs::File::create(path).unwrap();
        let public = public_of(&golden_key()).unwrap();
        seal_stream(&public, &mut &*GOLDEN_PLAIN, &mut file, &SystemRandom).unwrap();
    }

    #[test]
    fn the_golden_backup_of_version_1_opens() {
        assert_eq!(open(&golden_key(), GOLDEN).unwrap(), GOLDEN_PLAIN);
        assert_eq!(GOLDEN.len(), 5 + 32 + GOLDEN_PLAIN.len() + 16);
    }

    #[test]
    fn chunks_are_as_long_as_the_format_says() {
        let (_, sealed) = sealed(&vec![7; 262_144 + 1]);
        assert_eq!(sealed.len(), 5 + 32 + (262_144 + 16) + (1 + 16));
    }

    #[test]
    fn a_stream_of_any_length_opens_to_itself() {
        for length in [0, 1, BACKUP_CHUNK_BYTES - 1, BACKUP_CHUNK_BYTES, BACKUP_CHUNK_BYTES + 1, 3 * BACKUP_CHUNK_BYTES]
        {
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (private, sealed) = sealed(&plain);
            assert!(sealed.starts_with(b"SRB\x01\x01"));
            assert!(open(&private, &sealed).unwrap() == plain, "{length} bytes");
        }
    }

    #[test]
    fn a_stream_cut_between_chunks_or_within_one_is_refused() {
        let (private, sealed) = sealed(&vec![7; 2 * BACKUP_CHUNK_BYTES + 5]);
        let (head, chunk) = (HEADER.len() + ENCAPSULATED_BYTES, BACKUP_CHUNK_BYTES + TAG_BYTES);
        for (length, bad) in [(head, 0), (head + 3, 0), (head + chunk, 0), (head + 2 * chunk, 1), (sealed.len() - 1, 2)]
        {
            let opened = open(&private, &sealed[..length]);
            assert!(matches!(opened, Err(BackupError::Damaged { chunk }) if chunk == bad), "{length}: {opened:?}");
        }
        assert!(matches!(open(&private, &sealed[..head - 1]), Err(BackupError::NotABackup)));
    }

    #[test]
    fn a_stream_lengthened_reordered_or_damaged_is_refused() {
        let (private, sealed) = sealed(&vec![7; 2 * BACKUP_CHUNK_BYTES + 5]);
        let (head, chunk) = (HEADER.len() + ENCAPSULATED_BYTES, BACKUP_CHUNK_BYTES + TAG_BYTES);
        let longer = [sealed.as_slice(), &[0]].concat();
        assert!(matches!(open(&private, &longer), Err(BackupError::Damaged { chunk: 2 })));
        let (one, two) = (&sealed[head..head + chunk], &sealed[head + chunk..head + 2 * chunk]);
        let swapped = [&sealed[..head], two, one, &sealed[head + 2 * chunk..]].concat();
        assert!(matches!(open(&private, &swapped), Err(BackupError::Damaged { chunk: 0 })));
        for at in [5, head, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(matches!(open(&private, &damaged), Err(BackupError::Damaged { .. })), "byte {at}");
        }
    }

    #[test]
    fn other_keys_magics_and_versions_are_told_apart() {
        let (_, sealed) = sealed(b"plain");
        let (other, _) = generate(&SystemRandom).unwrap();
        assert!(matches!(open(&other, &sealed), Err(BackupError::Damaged { chunk: 0 })));
        let newer = [b"SRB\x02\x01", &sealed[5..]].concat();
        assert!(matches!(open(&other, &newer), Err(BackupError::UnknownFormat { version: 2, suite: 1 })));
        let foreign = [b"PK\x03", &sealed[3..]].concat();
        assert!(matches!(open(&other, &foreign), Err(BackupError::NotABackup)));
    }

    #[test]
    fn without_randomness_there_is_neither_key_nor_backup() {
        assert!(matches!(generate(&Exhausted), Err(BackupError::Crypto(CryptoError::Random))));
        let (private, public) = generate(&SystemRandom).unwrap();
        assert_eq!(public_of(&private).unwrap(), public);
        let mut sealed = Vec::new();
        let refused = seal_stream(&public, &mut b"plain".as_slice(), &mut sealed, &Exhausted);
        assert!(matches!(refused, Err(BackupError::Crypto(CryptoError::Random))));
        assert!(sealed.is_empty());
    }
}
