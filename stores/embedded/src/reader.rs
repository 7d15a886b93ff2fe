//! Snapshots: read transactions on a fixed number of connections that are lent one at a time.

use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use rusqlite::{Connection, OptionalExtension};
use strongroom_model::limits::{ROW_KEY_BYTES, SCAN_ROWS};
use strongroom_model::store::{Revision, Row, Snapshot, StoreError, Table};

use crate::connection;
use crate::error::store_error;

const GET: &str = "SELECT value, revision FROM row WHERE tbl = ?1 AND key = ?2";
const SCAN: &str = "SELECT key, value, revision FROM row
                    WHERE tbl = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4";

/// The readers. A place whose connection is not open yet, or failed, is `None` and is opened when lent.
pub(crate) struct Readers {
    database: PathBuf,
    wait: Duration,
    give: Sender<Option<Connection>>,
    take: Receiver<Option<Connection>>,
}

impl Readers {
    pub(crate) fn new(database: PathBuf, count: usize, wait: Duration) -> Self {
        let (give, take) = crossbeam_channel::bounded(count);
        while give.try_send(None).is_ok() {}
        Self { database, wait, give, take }
    }

    /// How many more snapshots could be taken now.
    pub(crate) fn idle(&self) -> usize {
        self.take.len()
    }

    pub(crate) fn snapshot(&self) -> Result<Reader<'_>, StoreError> {
        let place = self.take.recv_timeout(self.wait).map_err(|_| StoreError::Busy)?;
        let mut reader = Reader { readers: self, connection: place, revision: Revision::default() };
        let connection = match reader.connection.take() {
            Some(connection) => connection,
            None => connection::reader(&self.database)?,
        };
        let connection = reader.connection.insert(connection);
        connection.prepare_cached("BEGIN DEFERRED").and_then(|mut begin| begin.execute([])).map_err(store_error)?;
        // The first read fixes what the transaction sees.
        reader.revision = connection::head(connection)?;
        Ok(reader)
    }
}

/// A snapshot that has borrowed one of the connections.
pub(crate) struct Reader<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
    revision: Revision,
}

impl Reader<'_> {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or_else(|| StoreError::Unavailable { cause: "the reader is closed".to_owned() })
    }

    /// Pages of the database that hold nothing, in bytes.
    pub(crate) fn free_bytes(&self) -> Result<u64, StoreError> {
        let connection = self.connection()?;
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let bytes = || -> rusqlite::Result<i64> { Ok(number("freelist_count")? * number("page_size")?) };
        bytes().map(|bytes| u64::try_from(bytes).unwrap_or(0)).map_err(store_error)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let connection = self.connection.take().filter(|connection| {
            connection.is_autocommit()
                || connection.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([])).is_ok()
        });
        // Only as many come back as were lent, so there is room.
        let _ = self.readers.give.try_send(connection);
    }
}

impl Snapshot for Reader<'_> {
    fn revision(&self) -> Revision {
        self.revision
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        let mut get = self.connection()?.prepare_cached(GET).map_err(store_error)?;
        let found = get.query_row((table.code(), key), |row| Ok((row.get(0)?, row.get(1)?))).optional();
        let row = |(value, revision)| Ok(Row { key: key.to_vec(), value, revision: connection::revision(revision)? });
        found.map_err(store_error)?.map(row).transpose()
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StoreError> {
        if prefix.len() > ROW_KEY_BYTES {
            return Ok(Vec::new());
        }
        let from = match after {
            // The least key above `after`.
            Some(after) if after >= prefix => [after, &[0]].concat(),
            _ => prefix.to_vec(),
        };
        // One byte longer than any key, so it lies above all that begin with the prefix and below all that follow.
        let mut to = prefix.to_vec();
        to.resize(ROW_KEY_BYTES + 1, 0xff);
        let limit = limit.min(SCAN_ROWS);
        let mut scan = self.connection()?.prepare_cached(SCAN).map_err(store_error)?;
        let mut found = scan.query((table.code(), from, to, limit as i64)).map_err(store_error)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(store_error)? {
            let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let (key, value, revision) = read().map_err(store_error)?;
            rows.push(Row { key, value, revision: connection::revision(revision)? });
        }
        Ok(rows)
    }
}
