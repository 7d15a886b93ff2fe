//! What may be opened, by whom, and what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use strongroom_model::store::{Batch, Revision, Row, Store, StoreError, Table};
use strongroom_store_embedded::{EmbeddedStore, OpenError, Options};
use tempfile::TempDir;

fn batch(key: &[u8]) -> Batch {
    let mut batch = Batch::default();
    batch.put(Table::Key, key.to_vec(), b"value".to_vec());
    batch
}

#[test]
fn a_created_store_opens_again_with_its_rows_and_goes_on_counting() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let store = EmbeddedStore::create(&path, Revision(41), Options::default()).unwrap();
    assert_eq!(store.commit(batch(b"a")).unwrap(), Revision(42));
    drop(store);
    let store = EmbeddedStore::open(&path, Options::default()).unwrap();
    let row = store.snapshot().unwrap().get(Table::Key, b"a").unwrap().unwrap();
    assert_eq!((row.value.as_slice(), row.revision), (b"value".as_slice(), Revision(42)));
    assert_eq!(store.commit(batch(b"b")).unwrap(), Revision(43));
    assert_eq!(store.verify(), Ok(()));
}

#[test]
fn a_store_is_not_created_by_opening_it_nor_twice() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    assert!(matches!(EmbeddedStore::open(&path, Options::default()), Err(OpenError::Absent { .. })));
    assert!(!path.exists());
    drop(EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap());
    let again = EmbeddedStore::create(&path, Revision(0), Options::default());
    assert!(matches!(again, Err(OpenError::Exists { .. })));
}

#[test]
fn files_and_directory_are_the_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let store = EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap();
    store.commit(batch(b"a")).unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(path.clone()), 0o700);
    let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["lock", "store.db", "store.db-shm", "store.db-wal"]);
    assert!(files.into_iter().all(|file| mode(file) == 0o600));
}

fn private_directory() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn create(path: &Path) {
    drop(EmbeddedStore::create(path, Revision(0), Options::default()).unwrap());
}

fn open(path: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(path, Options::default())
}

#[test]
fn what_others_may_enter_or_read_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    create(&path);
    for (path, mode, proper) in [(path.clone(), 0o750, 0o700), (path.join("store.db"), 0o604, 0o600)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let refused = open(&home.path().join("store")).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Accessible { path: named, mode: found } if *named == path && *found == mode)
        );
        fs::set_permissions(&path, Permissions::from_mode(proper)).unwrap();
    }
    open(&path).unwrap();
    let open_to_all = home.path().join("open");
    fs::create_dir(&open_to_all).unwrap();
    fs::set_permissions(&open_to_all, Permissions::from_mode(0o755)).unwrap();
    let refused = EmbeddedStore::create(&open_to_all, Revision(0), Options::default());
    assert!(matches!(refused, Err(OpenError::Accessible { .. })));
    assert_eq!(fs::read_dir(&open_to_all).unwrap().count(), 0);
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_dropped() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let first = EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap();
    assert!(matches!(open(&path), Err(OpenError::Locked { holder: Some(pid), .. }) if pid == std::process::id()));
    drop(first);
    open(&path).unwrap();
}

#[test]
fn a_later_schema_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    create(&path);
    Connection::open(path.join("store.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 99, known: 1 }));
    assert_eq!(refused.to_string(), "the store has schema 99 and this release knows 1 at most: run a later release");
    let version: i64 = Connection::open(path.join("store.db"))
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 99);
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let home = private_directory();
    let database = home.path().join("store.db");
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    fs::set_permissions(&database, Permissions::from_mode(0o600)).unwrap();
    let before = fs::read(&database).unwrap();
    assert!(matches!(open(home.path()), Err(OpenError::Foreign { application_id: 0, .. })));
    let created = EmbeddedStore::create(home.path(), Revision(0), Options::default());
    assert!(matches!(created, Err(OpenError::Foreign { application_id: 0, .. })));
    assert_eq!(fs::read(&database).unwrap(), before);
}

#[test]
fn what_is_no_database_is_corrupt() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    create(&path);
    fs::write(path.join("store.db"), vec![0x5a; 8192]).unwrap();
    assert!(matches!(open(&path), Err(OpenError::Database(StoreError::Corrupt { .. }))));
}

#[test]
fn a_creation_that_was_cut_short_counts_as_none() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    create(&path);
    fs::write(path.join("store.db"), b"").unwrap();
    assert!(matches!(open(&path), Err(OpenError::Absent { .. })));
    create(&path);
    open(&path).unwrap();
}

/// Made by the release that brought schema 1, with SQLite 3.54.1. It never changes.
const SCHEMA_1: &[u8] = include_bytes!("../golden/schema-1.db");

#[test]
fn a_store_of_schema_1_opens() {
    let home = private_directory();
    let database = home.path().join("store.db");
    fs::write(&database, SCHEMA_1).unwrap();
    fs::set_permissions(&database, Permissions::from_mode(0o600)).unwrap();
    let store = open(home.path()).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.revision(), Revision(3));
    let row =
        |key: &[u8], value: &[u8], revision| Row { key: key.into(), value: value.into(), revision: Revision(revision) };
    assert_eq!(snapshot.scan(Table::Key, b"", None, 9).unwrap(), [row(b"a", b"1", 1), row(b"\xff\0", b"", 3)]);
    assert_eq!(snapshot.scan(Table::Grant, b"", None, 9).unwrap(), [row(b"", &[7; 5000], 2)]);
    assert_eq!(store.verify(), Ok(()));
}
