//! The usage ledger: every use counted, unsampled, per key version, action, algorithm and caller.
//!
//! It is a fold over this node's audit log, kept in the store with the position up to which the log is counted, in one
//! commit with the counts: nothing is counted twice or not at all. The scheduler folds now and then, and whoever asks
//! folds first; using a key costs nothing here. Absent on purpose: counters in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use parking_lot::Mutex;
use strongroom_audit::hash::Hash;
use strongroom_audit::port::Position;
use strongroom_audit::record::{Mode, Outcome, Record};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, KeyId, MaterialId, RecordId};
use strongroom_model::store::{Batch, Row, Snapshot, Table};

use crate::error::EngineError;
use crate::outbox::unreadable;
use crate::rows::{self, CredentialUsageRow, KeyUsageRow, PositionRow, UsageRow};
use crate::{Engine, keys, limits};

/// What the fold remembers between ticks.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Held while the log is folded: once for each record.
    folding: Mutex<()>,
    folded_at: Mutex<Option<Duration>>,
}

/// The newest use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// What for.
    pub action: Action,
    /// The material that served.
    pub material: MaterialId,
    /// That version's ordinal.
    pub ordinal: u32,
    /// Uses so far.
    pub count: u64,
    /// Its record.
    pub record: RecordId,
    /// The request, as its front end named it.
    pub request_id: String,
}

/// What uses are counted by.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    material: MaterialId,
    ordinal: u32,
    action: Action,
    algorithm: String,
    caller: Option<String>,
}

/// Uses of one kind.
#[derive(Clone, Copy)]
struct Uses {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Which request a key's newest use was.
#[derive(Clone)]
struct Newest {
    at: Timestamp,
    material: MaterialId,
    ordinal: u32,
    action: Action,
    record: RecordId,
    request_id: String,
}

/// Uses of one key.
#[derive(Default)]
struct KeyUses {
    kinds: HashMap<Kind, Uses>,
    newest: Option<Newest>,
}

/// What a stretch of the log tells of uses.
#[derive(Default)]
struct Tally {
    keys: HashMap<KeyId, KeyUses>,
    credentials: HashMap<CredentialId, Timestamp>,
    kinds: usize,
}

impl Engine {
    /// When a key was last used, and for what; `None` if never. Blocks: the log is counted first.
    ///
    /// # Errors
    /// When store or log can't be read.
    pub fn last_use(&self, key: KeyId) -> Result<Option<LastUse>, EngineError> {
        self.fold_usage(limits::FOLD_ON_DEMAND)?;
        let row = self.catalog.snapshot()?.get(Table::Usage, key.as_bytes())?;
        let row: Option<KeyUsageRow> = row.map(|row| rows::decode("usage", &row.value)).transpose()?;
        let read = |row: KeyUsageRow| {
            let KeyUsageRow { count, last, action, material, ordinal, record, request_id, rows: _ } = row;
            LastUse { at: last, action, material, ordinal, count, record, request_id }
        };
        Ok(row.map(read))
    }

    /// How often a key was used: one row for each version, action, algorithm and caller. Blocks: the log is counted first.
    ///
    /// # Errors
    /// When store or log can't be read.
    pub fn usage_of(&self, key: KeyId) -> Result<Vec<UsageRow>, EngineError> {
        self.fold_usage(limits::FOLD_ON_DEMAND)?;
        let most = 1 + 2 * limits::USAGE_ROWS_PER_KEY as usize;
        let rows = self.catalog.scan_all(Table::Usage, key.as_bytes(), most)?;
        rows.iter().skip(1).map(|row| rows::decode("usage", &row.value)).collect()
    }

    /// When credentials last proved someone, whatever came of the request; `None` where one never did. Blocks: the log is
    /// counted first.
    ///
    /// # Errors
    /// When store or log can't be read.
    pub(crate) fn credentials_used(&self, ids: &[CredentialId]) -> Result<Vec<Option<Timestamp>>, EngineError> {
        self.fold_usage(limits::FOLD_ON_DEMAND)?;
        let snapshot = self.catalog.snapshot()?;
        let last = |id: &CredentialId| {
            let row = snapshot.get(Table::Usage, &keys::credential_usage(*id))?;
            let row = row.map(|row| rows::decode::<CredentialUsageRow>("usage", &row.value)).transpose()?;
            Ok(row.map(|row| row.last))
        };
        ids.iter().map(last).collect()
    }

    /// The first record of the log that is not counted yet.
    pub(crate) fn counted_until(&self) -> Result<Position, EngineError> {
        Ok(read_position(&*self.catalog.snapshot()?, &usage_key(&self.log.head().origin))?.1)
    }

    /// Counts what the log has got since it was counted last, a stretch at a time.
    pub(crate) fn fold_usage_if_due(&self) -> Result<(), EngineError> {
        let now = self.clock.since_boot();
        {
            let mut folded_at = self.usage.folded_at.lock();
            if folded_at.is_some_and(|at| now.saturating_sub(at) < limits::FOLD_INTERVAL) {
                return Ok(());
            }
            *folded_at = Some(now);
        }
        self.fold_usage(limits::FOLD_PER_TICK)
    }

    /// Counts at most `most` further records.
    fn fold_usage(&self, most: usize) -> Result<(), EngineError> {
        let _folding = self.usage.folding.lock();
        let mut left = most;
        loop {
            match self.fold_stretch(left.min(limits::FOLD_RECORDS)) {
                Ok(0) => return Ok(()),
                Ok(records) => left = left.saturating_sub(records),
                // Another node counted a use of the same keys; nothing of this stretch was counted.
                Err(EngineError::Conflict) => left = left.saturating_sub(1),
                Err(error) => return Err(error),
            }
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Counts one stretch of the log in one commit; returns how many records it had.
    fn fold_stretch(&self, most: usize) -> Result<usize, EngineError> {
        let head = self.log.head();
        let place = usage_key(&head.origin);
        let snapshot = self.catalog.snapshot()?;
        let (read, from) = read_position(&*snapshot, &place)?;
        if from.0 >= head.size {
            return Ok(0);
        }
        let mut tally = Tally::default();
        let (mut next, mut records) = (from, 0);
        for stored in self.records_since(from)?.take(most) {
            let stored = stored.map_err(|error| unreadable(&error))?;
            if let Ok(record) = stored.record.record() {
                tally.count(&record);
            }
            next = Position(stored.position.0 + 1);
            records += 1;
            if tally.kinds >= limits::FOLD_KINDS {
                break;
            }
        }
        if records == 0 {
            return Ok(0);
        }
        let mut batch = Batch::default();
        write(&mut batch, read.as_ref(), &place, rows::encode(&PositionRow { position: next }), Table::Installation);
        for (key, uses) in tally.keys {
            count_key(&*snapshot, key, uses, &mut batch)?;
        }
        for (credential, last) in tally.credentials {
            let place = keys::credential_usage(credential);
            let read = snapshot.get(Table::Usage, &place)?;
            let known = read.as_ref().map(|row| rows::decode::<CredentialUsageRow>("usage", &row.value)).transpose()?;
            let last = known.map_or(last, |known| known.last.max(last));
            let row = rows::encode(&CredentialUsageRow { last });
            write(&mut batch, read.as_ref(), &place, row, Table::Usage);
        }
        drop(snapshot);
        self.catalog.store().commit(batch)?;
        Ok(records)
    }
}

impl Tally {
    fn count(&mut self, record: &Record<'_>) {
        if let Some(credential) = record.credential.id {
            let last = self.credentials.entry(credential).or_insert_with(|| {
                self.kinds += 1;
                record.started
            });
            *last = record.started.max(*last);
        }
        if record.outcome != Outcome::Done || record.mode != Mode::Run {
            return;
        }
        for demand in &*record.demands {
            let (Some(key), Some(material), Some(ordinal)) = (demand.key, demand.material, demand.ordinal) else {
                continue;
            };
            let kind = Kind {
                material,
                ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                action: demand.action,
                algorithm: record.algorithm.to_string(),
                caller: Some(record.policy_name.to_string()),
            };
            let at = record.started;
            let of_key = self.keys.entry(key).or_default();
            if of_key.newest.as_ref().is_none_or(|newest| newest.at <= at) {
                let request_id = record.request.id.as_full().unwrap_or_default().to_owned();
                let (action, record) = (kind.action, record.id);
                of_key.newest = Some(Newest { at, material, ordinal: kind.ordinal, action, record, request_id });
            }
            let uses = of_key.kinds.entry(kind).or_insert_with(|| {
                self.kinds += 1;
                Uses { count: 0, first: at, last: at }
            });
            uses.add(Uses { count: 1, first: at, last: at });
        }
    }
}

impl Uses {
    fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

/// Adds uses of one key to what the store has of it. Callers beyond the limit are counted together.
fn count_key(snapshot: &dyn Snapshot, key: KeyId, uses: KeyUses, batch: &mut Batch) -> Result<(), EngineError> {
    let read = snapshot.get(Table::Usage, key.as_bytes())?;
    let known: Option<KeyUsageRow> = read.as_ref().map(|row| rows::decode("usage", &row.value)).transpose()?;
    let Some(mut summary) = summarised(known, uses.newest) else { return Ok(()) };
    let mut counted: BTreeMap<Vec<u8>, (Option<Row>, UsageRow)> = BTreeMap::new();
    for (mut kind, uses) in uses.kinds {
        summary.count = summary.count.saturating_add(uses.count);
        let mut place = kind.place(key);
        if !counted.contains_key(&place) {
            let mut row = snapshot.get(Table::Usage, &place)?;
            if row.is_none() && summary.rows >= limits::USAGE_ROWS_PER_KEY {
                kind.caller = None;
                place = kind.place(key);
                row = snapshot.get(Table::Usage, &place)?;
            }
            if row.is_none() && !counted.contains_key(&place) {
                summary.rows += 1;
            }
            let known = row.as_ref().map(|row| rows::decode("usage", &row.value)).transpose()?;
            counted.entry(place.clone()).or_insert_with(|| (row, known.unwrap_or_else(|| kind.first(uses))));
        }
        if let Some((_, row)) = counted.get_mut(&place) {
            let mut sum = Uses { count: row.count, first: row.first, last: row.last };
            sum.add(uses);
            (row.count, row.first, row.last) = (sum.count, sum.first, sum.last);
        }
    }
    for (place, (read, row)) in counted {
        write(batch, read.as_ref(), &place, rows::encode(&row), Table::Usage);
    }
    write(batch, read.as_ref(), key.as_bytes(), rows::encode(&summary), Table::Usage);
    Ok(())
}

/// What the store has of a key, with its newest use; the counts are yet to be added.
fn summarised(known: Option<KeyUsageRow>, newest: Option<Newest>) -> Option<KeyUsageRow> {
    let (count, rows) = known.as_ref().map_or((0, 0), |known| (known.count, known.rows));
    match newest {
        Some(newest) if known.as_ref().is_none_or(|known| known.last <= newest.at) => {
            let Newest { at: last, material, ordinal, action, record, request_id } = newest;
            Some(KeyUsageRow { count, last, action, material, ordinal, rows, record, request_id })
        }
        _ => known,
    }
}

impl Kind {
    /// Where the store counts this kind of use: key, ordinal, action, and a digest of the rest.
    fn place(&self, key: KeyId) -> Vec<u8> {
        let length = u32::try_from(self.algorithm.len()).unwrap_or(u32::MAX).to_be_bytes();
        let caller = self.caller.as_deref();
        let digest = Hash::of([
            self.material.as_bytes().as_slice(),
            &length,
            self.algorithm.as_bytes(),
            &[u8::from(caller.is_some())],
            caller.unwrap_or_default().as_bytes(),
        ]);
        let digest = digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
        [key.as_bytes().as_slice(), &self.ordinal.to_be_bytes(), &[self.action.code()], &digest].concat()
    }

    /// A row that counts nothing yet.
    fn first(&self, uses: Uses) -> UsageRow {
        UsageRow {
            material: self.material,
            ordinal: self.ordinal,
            action: self.action,
            algorithm: self.algorithm.clone(),
            caller: self.caller.clone(),
            count: 0,
            first: uses.first,
            last: uses.last,
        }
    }
}

fn write(batch: &mut Batch, read: Option<&Row>, key: &[u8], value: Vec<u8>, table: Table) {
    match read {
        Some(read) => batch.replace(table, read, value),
        None => batch.insert(table, key.to_vec(), value),
    }
}

fn read_position(snapshot: &dyn Snapshot, place: &[u8]) -> Result<(Option<Row>, Position), EngineError> {
    let row = snapshot.get(Table::Installation, place)?;
    let read: Option<PositionRow> = row.as_ref().map(|row| rows::decode("the ledger", &row.value)).transpose()?;
    Ok((row, read.map_or(Position(0), |read| read.position)))
}

fn usage_key(origin: &str) -> Vec<u8> {
    [b"usage/".as_slice(), origin.as_bytes()].concat()
}
