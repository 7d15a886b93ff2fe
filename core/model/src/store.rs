//! The port to a store: ordered rows in a few tables, consistent reads, all-or-nothing commits.
//!
//! A store knows nothing of what it keeps: keys and values are opaque bytes, at most [`limits::ROW_KEY_BYTES`] and
//! [`limits::ROW_VALUE_BYTES`] long, and rows of a table are ordered by their key's bytes. Indexes are rows too.

use crate::limits;
use crate::spec::coded;

coded! {
    /// The tables. The codes stand in databases and backups; the rows' contents are described in docs/formats/rows.md.
    Table {
        /// What there is one of: installation identity, schema, audit head.
        Installation = 1,
        /// Roots of trust that wrap the domain keys.
        Root = 2,
        /// Tenants, by id.
        Tenant = 3,
        /// Tenants, by account number.
        TenantByAccount = 4,
        /// Domain key versions, by tenant and id.
        DomainKey = 5,
        /// Principals, by tenant and id.
        Principal = 6,
        /// Principals, by tenant and name.
        PrincipalByName = 7,
        /// Credentials, by the public half of what is shown (an access key id).
        Credential = 8,
        /// Identity policies, by tenant, principal and name.
        IdentityPolicy = 9,
        /// Keys, by id.
        Key = 10,
        /// Key versions, by key id and ordinal.
        KeyVersion = 11,
        /// Key versions, by lineage and material id.
        VersionByMaterial = 12,
        /// Bindings, by tenant, region, kind and name.
        Binding = 13,
        /// Bindings, by the key they lead to.
        BindingByKey = 14,
        /// Grants, by key and id.
        Grant = 15,
        /// Grants, by tenant and whoever may retire them.
        GrantByRetiring = 16,
        /// What the scheduler owes, by due time.
        Schedule = 17,
        /// Finished audit records that the log may lack, by record id.
        Outbox = 18,
        /// Usage counts, by key version, operation, algorithm and caller.
        Usage = 19,
        /// Guardrails, by tenant and key.
        Guardrail = 20,
        /// Credentials, by tenant and principal.
        CredentialByPrincipal = 21,
        /// Keys, by lineage: a multi-Region key and its replicas.
        KeyByLineage = 22,
        /// Token issuers that a tenant trusts, by tenant and issuer.
        TokenIssuer = 23,
        /// Objects in key stores that no key owns, by object id: about to be made, or to be destroyed.
        LooseObject = 24,
        /// How often resident key versions may have encrypted, by material id.
        UseCounter = 25,
        /// Links to key stores, by tenant and region.
        StoreLink = 26,
        /// Keys, by the link to a key store that they were made through.
        KeyByStoreLink = 27,
        /// Links to key stores that are being connected.
        ConnectingLink = 28,
    }
}

/// A count of commits, growing by one with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Revision(#[n(0)] pub u64);

/// A row as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key, unique in its table.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The commit that last wrote it.
    pub revision: Revision,
}

/// What must hold for a batch to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The row does not exist.
    Absent(Table, Vec<u8>),
    /// The row exists and was last written by this commit.
    Unchanged(Table, Vec<u8>, Revision),
}

/// One change of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes the row, whether or not it exists.
    Put(Table, Vec<u8>, Vec<u8>),
    /// Removes the row, whether or not it exists.
    Delete(Table, Vec<u8>),
}

/// Changes that happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What must hold first, before any of the changes; at most [`limits::BATCH_CHANGES`].
    pub preconditions: Vec<Precondition>,
    /// The changes, in order; at most [`limits::BATCH_CHANGES`].
    pub changes: Vec<Change>,
    /// Places of rows among the changes that are written as they were ([`Batch::touch`]). A store does not look at it.
    pub touched: Vec<(Table, Vec<u8>)>,
}

impl Batch {
    /// Adds a row that must not exist yet.
    pub fn insert(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.preconditions.push(Precondition::Absent(table, key.clone()));
        self.changes.push(Change::Put(table, key, value));
    }

    /// Replaces a row that must still be as it was read.
    pub fn replace(&mut self, table: Table, read: &Row, value: Vec<u8>) {
        self.preconditions.push(Precondition::Unchanged(table, read.key.clone(), read.revision));
        self.changes.push(Change::Put(table, read.key.clone(), value));
    }

    /// Writes a row as it was read, which changes nothing: of two batches that do it, the later one must see the former's
    /// changes.
    pub fn touch(&mut self, table: Table, read: &Row, value: Vec<u8>) {
        self.replace(table, read, value);
        self.touched.push((table, read.key.clone()));
    }

    /// Whether the row at a place is only touched.
    #[must_use]
    pub fn touches(&self, table: Table, key: &[u8]) -> bool {
        self.touched.iter().any(|(touched, place)| *touched == table && place == key)
    }

    /// Writes a row, whatever it was.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.changes.push(Change::Put(table, key, value));
    }

    /// Removes a row, if it is there.
    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.changes.push(Change::Delete(table, key));
    }
}

/// Why a store could not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A precondition did not hold; nothing was changed.
    #[error("a {table:?} row was changed by someone else")]
    Conflict {
        /// The table of the first precondition that failed.
        table: Table,
    },
    /// A key, value or batch is over its limit; nothing was changed.
    #[error("{what} of {actual} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// No free place in the queue or among the snapshots; nothing was changed.
    #[error("the store has more work than it takes")]
    Busy,
    /// No space left; nothing was changed.
    #[error("the store's disk is full")]
    Full,
    /// It cannot be read or written now. A commit may have happened, or may happen still, until a later one is answered.
    #[error("the store is unavailable: {cause}")]
    Unavailable {
        /// What happened, for the operator.
        cause: String,
    },
    /// What is stored cannot be right.
    #[error("the store is damaged: {cause}")]
    Corrupt {
        /// What was found.
        cause: String,
    },
}

/// A consistent view of the store at one revision, to be dropped soon: it may hold one of few places, and the store's
/// log can't shrink behind it. Calls may read a disk, so they belong on worker threads.
pub trait Snapshot {
    /// The newest commit that is seen.
    fn revision(&self) -> Revision;

    /// One row.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError>;

    /// Rows whose keys begin with `prefix` and lie behind `after`, in order, at most `limit` and never more than
    /// [`limits::SCAN_ROWS`]. Fewer than both only when there are no more.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StoreError>;
}

/// A store. Calls block, so they belong on worker threads.
pub trait Store: Send + Sync {
    /// A consistent view, at or after every commit that was answered before. Waits a bounded time for a free place.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when no place came free, else when the store cannot be read.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError>;

    /// Commits a batch durably: on return it will be seen by every later snapshot and survives a crash. Commits happen in
    /// the order in which they are called for: once one is answered that was called for after another had returned, the
    /// other has ended, whatever it was answered.
    ///
    /// # Errors
    /// When nothing was changed, except as [`StoreError::Unavailable`] says.
    fn commit(&self, batch: Batch) -> Result<Revision, StoreError>;
}

/// Checks a batch against the limits, and tells how many bytes of keys and values it has.
///
/// # Errors
/// [`StoreError::TooLarge`], naming the first thing over its limit.
pub fn check(batch: &Batch) -> Result<usize, StoreError> {
    let within = |what, actual, limit| match actual <= limit {
        true => Ok(actual),
        false => Err(StoreError::TooLarge { what, actual, limit }),
    };
    within("the number of a batch's preconditions", batch.preconditions.len(), limits::BATCH_CHANGES)?;
    within("the number of a batch's changes", batch.changes.len(), limits::BATCH_CHANGES)?;
    let preconditions = batch.preconditions.iter().map(|precondition| match precondition {
        Precondition::Absent(_, key) | Precondition::Unchanged(_, key, _) => (key, 0),
    });
    let changes = batch.changes.iter().map(|change| match change {
        Change::Put(_, key, value) => (key, value.len()),
        Change::Delete(_, key) => (key, 0),
    });
    let mut bytes: usize = 0;
    for (key, value) in preconditions.chain(changes) {
        bytes += within("a row key", key.len(), limits::ROW_KEY_BYTES)?;
        bytes += within("a row value", value, limits::ROW_VALUE_BYTES)?;
    }
    within("the size of a batch", bytes, limits::BATCH_BYTES)
}
