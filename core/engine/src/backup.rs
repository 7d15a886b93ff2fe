//! Backups: every row of the store at one revision, sealed to the installation's backup key; and restoring them.
//!
//! What is inside the sealed stream is described in docs/formats/backup.md. The installation's own rows go in last when
//! a store is restored, so that a restoration that was cut short is no installation. Absent on purpose: key material in
//! the clear (it is in the store's rows as the domain keys wrapped it), and the audit log, which is kept by itself.

use std::io::{Read, Write};

use minicbor::{Decode, Decoder, Encode, Encoder};
use strongroom_crypto::backup::{BackupError, BackupPublicKey, open_stream, seal_stream};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::InstallationId;
use strongroom_model::limits::{ROW_KEY_BYTES, ROW_VALUE_BYTES};
use strongroom_model::store::{Batch, Change, Revision, Snapshot, Store, StoreError, Table};
use strongroom_secret::Secret;

use crate::Engine;
use crate::error::{EngineError, InternalFault, Unavailable};
use crate::rows::{self, HeadRow};

const MAGIC: &str = "strongroom backup";
const VERSION: u32 = 1;
/// Rows that are read from the store at one time.
const PAGE: usize = 200;
/// Longest item in the stream, in bytes.
const LONGEST_ITEM: usize = ROW_KEY_BYTES + ROW_VALUE_BYTES + 64;
/// Rows and bytes that one commit of a restoration has, about.
const COMMIT_ROWS: usize = 1_000;
const COMMIT_BYTES: usize = 4 * 1024 * 1024;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// Whose it is.
    pub installation: InstallationId,
    /// The store's newest commit in it. A store that it is restored to should count on from here.
    pub revision: Revision,
    /// When it was made.
    pub made: Timestamp,
    /// The log of the node that made it.
    pub origin: String,
    /// How many records that log had.
    pub log_size: u64,
    /// How many rows it has.
    pub rows: u64,
}

/// Why a backup could not be restored, or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The sealed stream does not open.
    #[error("the backup does not open")]
    Sealed(#[from] BackupError),
    /// The store that it was to go to has rows.
    #[error("the store is not empty; restore into a new one")]
    NotEmpty,
    /// Made by a newer program.
    #[error("the backup's content has version {version}; this program reads version {VERSION}")]
    Version {
        /// The version found.
        version: u32,
    },
    /// What came out of the seal is no backup's content.
    #[error("the backup's content is malformed: {what}")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// A row that this program can't read.
    #[error("a row in the backup cannot be read: {0}")]
    Row(EngineError),
    /// The store.
    #[error("the store cannot take the backup")]
    Store(#[from] StoreError),
}

/// The first item of the content.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Header {
    #[n(0)]
    magic: String,
    #[n(1)]
    version: u32,
    #[n(2)]
    installation: InstallationId,
    #[n(3)]
    revision: Revision,
    #[n(4)]
    made: Timestamp,
    #[n(5)]
    origin: String,
    #[n(6)]
    head: HeadRow,
}

/// The last item of the content.
#[derive(Encode, Decode)]
#[cbor(map)]
struct End {
    #[n(0)]
    rows: u64,
}

impl Engine {
    /// Writes a backup of the store as it is now. Blocks, and holds one of the store's snapshots all the while.
    pub(crate) fn backup(&self, sink: &mut impl Write) -> Result<BackupReport, EngineError> {
        let store = self.catalog.store();
        let installation = crate::start::installation(store)?;
        let public = installation.and_then(|row| row.backup_public.try_into().ok()).map(BackupPublicKey);
        let public = public.ok_or(EngineError::Unsupported("a backup without a backup key"))?;
        // The head first: of whatever the snapshot then has, the log may have more, but never less.
        let head = self.log.head();
        let snapshot = store.snapshot()?;
        let header = Header {
            magic: MAGIC.to_owned(),
            version: VERSION,
            installation: self.installation,
            revision: snapshot.revision(),
            made: self.clock.now(),
            origin: head.origin.clone(),
            head: HeadRow::of(&head),
        };
        let mut content = Content::new(&*snapshot, &header);
        let sealed = seal_stream(&public, &mut content, sink, self.random());
        if let Some(error) = content.failure {
            return Err(error.into());
        }
        let report = header.report(content.rows);
        sealed.map(|_| report).map_err(|error| match error {
            BackupError::Stream(error) => {
                EngineError::Unavailable(Unavailable::Store(StoreError::Unavailable { cause: error.to_string() }))
            }
            _ => EngineError::Internal(InternalFault::Crypto("sealing the backup")),
        })
    }
}

impl Header {
    fn report(&self, rows: u64) -> BackupReport {
        BackupReport {
            installation: self.installation,
            revision: self.revision,
            made: self.made,
            origin: self.origin.clone(),
            log_size: self.head.size,
            rows,
        }
    }
}

/// The content of a backup, read from a snapshot as it is asked for.
struct Content<'a> {
    snapshot: &'a dyn Snapshot,
    tables: std::slice::Iter<'static, Table>,
    table: Option<(Table, Option<Vec<u8>>)>,
    ready: Vec<u8>,
    given: usize,
    rows: u64,
    ended: bool,
    failure: Option<StoreError>,
}

impl<'a> Content<'a> {
    fn new(snapshot: &'a dyn Snapshot, header: &Header) -> Self {
        let mut content = Self {
            snapshot,
            tables: Table::ALL.iter(),
            table: None,
            ready: Vec::new(),
            given: 0,
            rows: 0,
            ended: false,
            failure: None,
        };
        content.push(header);
        content
    }

    fn push(&mut self, item: &impl Encode<()>) {
        let mut bytes = Vec::new();
        // Writing to a vector cannot fail, and no item refuses to be encoded.
        let _ = minicbor::encode(item, &mut bytes);
        self.ready.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.ready.extend_from_slice(&bytes);
    }

    fn refill(&mut self) -> Result<(), StoreError> {
        self.ready.clear();
        self.given = 0;
        while self.ready.is_empty() && !self.ended {
            let Some((table, after)) = self.table.take().or_else(|| self.tables.next().map(|table| (*table, None)))
            else {
                self.ended = true;
                self.push(&End { rows: self.rows });
                break;
            };
            let page = self.snapshot.scan(table, &[], after.as_deref(), PAGE)?;
            for row in &page {
                self.push(&Item { table, key: &row.key, value: &row.value });
                self.rows += 1;
            }
            if page.len() == PAGE {
                self.table = page.last().map(|row| (table, Some(row.key.clone())));
            }
        }
        Ok(())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.ready.len()
            && let Err(error) = self.refill()
        {
            let told = std::io::Error::other(error.to_string());
            self.failure = Some(error);
            return Err(told);
        }
        let mut rest = self.ready.get(self.given..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

/// A row as an item: an array of table, key and value.
struct Item<'a> {
    table: Table,
    key: &'a [u8],
    value: &'a [u8],
}

impl<C> Encode<C> for Item<'_> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(3)?.u8(self.table.code())?.bytes(self.key)?.bytes(self.value)?.ok()
    }
}

/// Restores a backup into an empty store. A store that this failed on is to be thrown away.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(sealed: &mut impl Read, private: &Secret<32>, store: &dyn Store) -> Result<BackupReport, RestoreError> {
    let snapshot = store.snapshot()?;
    for table in Table::ALL {
        if !snapshot.scan(*table, &[], None, 1)?.is_empty() {
            return Err(RestoreError::NotEmpty);
        }
    }
    drop(snapshot);
    open(sealed, private, Some(store))
}

/// Opens a backup to its end and reads every row, and writes nothing.
///
/// # Errors
/// [`RestoreError`].
pub fn check_backup(sealed: &mut impl Read, private: &Secret<32>) -> Result<BackupReport, RestoreError> {
    open(sealed, private, None)
}

fn open(sealed: &mut impl Read, private: &Secret<32>, store: Option<&dyn Store>) -> Result<BackupReport, RestoreError> {
    let mut restoring = Restoring { store, ..Restoring::default() };
    let opened = open_stream(private, sealed, &mut restoring);
    if let Some(failure) = restoring.failure {
        return Err(failure);
    }
    opened?;
    restoring.finish()
}

/// Content on its way into a store, or into nothing.
#[derive(Default)]
struct Restoring<'a> {
    store: Option<&'a dyn Store>,
    waiting: Vec<u8>,
    header: Option<Header>,
    rows: u64,
    ended: bool,
    batch: Batch,
    bytes: usize,
    /// The installation's rows, which go in last.
    last: Batch,
    failure: Option<RestoreError>,
}

impl Restoring<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.waiting.extend_from_slice(bytes);
        let waiting = std::mem::take(&mut self.waiting);
        let mut rest = waiting.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if length > LONGEST_ITEM {
                return Err(RestoreError::Malformed { what: "an item of a bounded length" });
            }
            let Some((item, behind)) = behind.split_at_checked(length) else { break };
            self.item(item)?;
            rest = behind;
        }
        self.waiting = rest.to_vec();
        Ok(())
    }

    fn item(&mut self, item: &[u8]) -> Result<(), RestoreError> {
        let malformed = |what| RestoreError::Malformed { what };
        if self.ended {
            return Err(malformed("nothing behind the end"));
        }
        if self.header.is_none() {
            let header: Header = minicbor::decode(item).map_err(|_| malformed("a header"))?;
            if header.magic != MAGIC {
                return Err(malformed("a header"));
            }
            if header.version != VERSION {
                return Err(RestoreError::Version { version: header.version });
            }
            self.header = Some(header);
            return Ok(());
        }
        if let Ok(end) = minicbor::decode::<End>(item) {
            self.ended = end.rows == self.rows;
            return if self.ended { Ok(()) } else { Err(malformed("as many rows as were written")) };
        }
        let (table, key, value) = row(item).ok_or_else(|| malformed("a row"))?;
        rows::check(table, key, value).map_err(RestoreError::Row)?;
        self.rows += 1;
        let target = if table == Table::Installation { &mut self.last } else { &mut self.batch };
        target.changes.push(Change::Put(table, key.to_vec(), value.to_vec()));
        self.bytes += key.len() + value.len();
        if self.batch.changes.len() >= COMMIT_ROWS || self.bytes >= COMMIT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), RestoreError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if let Some(store) = self.store.filter(|_| !batch.changes.is_empty()) {
            store.commit(batch)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<BackupReport, RestoreError> {
        let header = self.header.take().ok_or(RestoreError::Malformed { what: "a header" })?;
        if !self.ended || !self.waiting.is_empty() {
            return Err(RestoreError::Malformed { what: "an end" });
        }
        self.flush()?;
        if let Some(store) = self.store {
            store.commit(std::mem::take(&mut self.last))?;
        }
        Ok(header.report(self.rows))
    }
}

impl Write for Restoring<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.take(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                let told = std::io::Error::other(failure.to_string());
                self.failure = Some(failure);
                Err(told)
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn row(item: &[u8]) -> Option<(Table, &[u8], &[u8])> {
    let mut decoder = Decoder::new(item);
    if decoder.array().ok()? != Some(3) {
        return None;
    }
    let table = Table::from_code(decoder.u8().ok()?)?;
    let (key, value) = (decoder.bytes().ok()?, decoder.bytes().ok()?);
    (decoder.position() == item.len()).then_some((table, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Vec<u8> {
        let header = Header {
            magic: MAGIC.to_owned(),
            version: VERSION,
            installation: InstallationId::from_bytes([1; 16]),
            revision: Revision(7),
            made: Timestamp(8),
            origin: "node".to_owned(),
            head: HeadRow { size: 9, chain: [0; 32], root: [0; 32] },
        };
        let tenant = Item { table: Table::TenantByAccount, key: b"111122223333", value: &[4; 16] };
        let mut bytes = Vec::new();
        for item in [minicbor::to_vec(&header), minicbor::to_vec(&tenant), minicbor::to_vec(End { rows: 1 })] {
            let item = item.unwrap();
            bytes.extend_from_slice(&(item.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&item);
        }
        bytes
    }

    fn read(content: &[u8]) -> Result<BackupReport, RestoreError> {
        let mut restoring = Restoring::default();
        restoring.take(content)?;
        restoring.finish()
    }

    #[test]
    fn content_is_read_in_pieces_of_any_length() {
        let content = content();
        let whole = read(&content).unwrap();
        assert_eq!((whole.rows, whole.revision, whole.log_size), (1, Revision(7), 9));
        let mut restoring = Restoring::default();
        content.iter().for_each(|byte| restoring.take(&[*byte]).unwrap());
        assert_eq!(restoring.finish().unwrap(), whole);
    }

    #[test]
    fn content_without_its_end_or_with_more_behind_it_is_refused() {
        let content = content();
        for length in 0..content.len() {
            assert!(read(&content[..length]).is_err(), "{length} bytes");
        }
        assert!(read(&[content.as_slice(), &[0, 0, 0, 0]].concat()).is_err());
        assert!(read(&[content.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn no_damage_to_the_content_is_worse_than_a_refusal() {
        let content = content();
        for (at, byte) in content.iter().enumerate() {
            for other in [0, 0x7f, 0x9f, 0xbf, 0xff, byte.wrapping_add(1)] {
                let mut damaged = content.clone();
                damaged[at] = other;
                drop(read(&damaged));
            }
        }
    }

    #[test]
    fn content_of_a_newer_version_is_told_apart() {
        let mut content = content();
        let version = 4 + 1 + 1 + 1 + MAGIC.len() + 1;
        assert_eq!(content[version], 1);
        content[version] = 2;
        assert!(matches!(read(&content), Err(RestoreError::Version { version: 2 })));
    }
}
