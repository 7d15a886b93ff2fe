//! Connections to the database, and the migrations of its schema.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use strongroom_model::store::{Revision, StoreError};

use crate::error::{OpenError, store_error};
use crate::limits;

/// Marks the file as ours: "Strm" in ASCII.
pub(crate) const APPLICATION_ID: i32 = 0x5374_726d;

/// The steps from an empty database to the newest schema. A released step never changes; new ones are added behind.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_rows.sql")];

/// A connection that writes, and how many migrations its database has seen: zero when it is empty.
///
/// # Errors
/// Refuses a database of another program, and one of a later release; neither is changed.
pub(crate) fn writer(database: &Path, bytes_max: u64) -> Result<(Connection, usize), OpenError> {
    let connection =
        connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE, limits::WRITER_CACHE_KIB).map_err(store_error)?;
    let schema = schema(&connection, database)?;
    let set = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // What is deleted may be wrapped key material: its bytes must not stay in free pages.
        connection.pragma_update(None, "secure_delete", true)?;
        // The writer itself decides when, so that nobody waits for it before being answered.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes_max).unwrap_or(i64::MAX) / page_bytes.max(1);
        connection.pragma_update(None, "max_page_count", pages.clamp(1, i64::from(u32::MAX) - 1))
    };
    set().map_err(store_error)?;
    Ok((connection, schema))
}

/// A connection that reads.
pub(crate) fn reader(database: &Path) -> Result<Connection, StoreError> {
    let connect = || -> rusqlite::Result<Connection> {
        let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_ONLY, limits::READER_CACHE_KIB)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    connect().map_err(store_error)
}

fn connect(database: &Path, access: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(limits::BUSY_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // SQLite's own temporary files must not carry rows out of the directory.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

fn schema(connection: &Connection, database: &Path) -> Result<usize, OpenError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(store_error);
    let (application_id, version) = (number("application_id")?, number("user_version")?);
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(store_error)?;
    if application_id == 0 && version == 0 && objects == 0 {
        return Ok(0);
    }
    let application_id = i32::try_from(application_id).unwrap_or_default();
    if application_id != APPLICATION_ID {
        return Err(OpenError::Foreign { path: database.to_owned(), application_id });
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(OpenError::Newer { found: version, known: i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX) }),
    }
}

/// Runs the migrations that the database lacks, all or none.
pub(crate) fn migrate(connection: &mut Connection, from: usize) -> Result<(), StoreError> {
    run(connection, from, MIGRATIONS, |_| Ok(())).map_err(store_error)
}

/// Makes the schema in an empty database, as after the commit `head`.
pub(crate) fn create(connection: &mut Connection, head: Revision) -> Result<(), StoreError> {
    let head = stored(head)?;
    let set_head = |transaction: &Connection| transaction.execute("UPDATE head SET revision = ?1", [head]).map(drop);
    run(connection, 0, MIGRATIONS, set_head).map_err(store_error)
}

fn run(
    connection: &mut Connection,
    from: usize,
    migrations: &[&str],
    finish: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    if from >= migrations.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in migrations.iter().skip(from) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))?;
    finish(&transaction)?;
    transaction.commit()
}

/// The newest commit that the connection sees.
pub(crate) fn head(connection: &Connection) -> Result<Revision, StoreError> {
    let head = connection
        .prepare_cached("SELECT revision FROM head")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
    revision(head.map_err(store_error)?)
}

/// A revision as stored.
pub(crate) fn revision(stored: i64) -> Result<Revision, StoreError> {
    match u64::try_from(stored) {
        Ok(number) => Ok(Revision(number)),
        Err(_) => Err(StoreError::Corrupt { cause: format!("a revision is {stored}") }),
    }
}

/// A revision as it is stored.
pub(crate) fn stored(revision: Revision) -> Result<i64, StoreError> {
    i64::try_from(revision.0).map_err(|_| StoreError::Corrupt { cause: format!("{} can't be a revision", revision.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(connection: &Connection) -> (i64, i64) {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        (version, connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap())
    }

    #[test]
    fn only_the_migrations_that_lack_are_run() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE c (x)"];
        run(&mut connection, 0, &steps[..1], |_| Ok(())).unwrap();
        assert_eq!(state(&connection), (1, 1));
        run(&mut connection, 1, &steps, |_| Ok(())).unwrap();
        assert_eq!(state(&connection), (3, 3));
        run(&mut connection, 3, &steps, |_| Ok(())).unwrap();
        assert_eq!(state(&connection), (3, 3));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE a (x)"];
        run(&mut connection, 0, &steps[..1], |_| Ok(())).unwrap();
        assert!(run(&mut connection, 1, &steps, |_| Ok(())).is_err());
        assert_eq!(state(&connection), (1, 1));
    }

    #[test]
    fn the_writer_syncs_each_commit_and_the_reader_writes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let database = home.path().join("store.db");
        std::fs::write(&database, b"").unwrap();
        let (mut connection, schema) = writer(&database, limits::DATABASE_BYTES).unwrap();
        assert_eq!(schema, 0);
        create(&mut connection, Revision(7)).unwrap();
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((number("synchronous"), number("application_id")), (2, i64::from(APPLICATION_ID)));
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(journal, "wal");
        let reader = reader(&database).unwrap();
        assert_eq!(head(&reader), Ok(Revision(7)));
        assert!(reader.execute("UPDATE head SET revision = 8", []).is_err());
    }

    #[test]
    fn a_revision_is_never_negative() {
        assert_eq!(revision(i64::MAX), Ok(Revision(u64::MAX >> 1)));
        assert!(matches!(revision(-1), Err(StoreError::Corrupt { .. })));
        assert!(matches!(stored(Revision(u64::MAX)), Err(StoreError::Corrupt { .. })));
    }
}
