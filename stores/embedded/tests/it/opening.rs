//! What may be opened, by whom, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use strongroom_model::store::{Batch, Revision, Store, Table};
use strongroom_store_embedded::{EmbeddedStore, OpenError, Options};

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
