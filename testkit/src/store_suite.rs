//! What every store promises, whatever keeps its rows: run over each of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's assertions")]

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use strongroom_model::limits::{BATCH_BYTES, BATCH_CHANGES, ROW_KEY_BYTES, ROW_VALUE_BYTES, SCAN_ROWS};
use strongroom_model::store::{Batch, Change, Precondition, Revision, Row, Snapshot, Store, StoreError, Table};

/// Threads that work on one store at a time.
const THREADS: usize = 4;
/// How often a race is run.
const RACES: usize = 50;

/// Where a store of the kind under test lives. It is empty and has counted no commit when it is made.
pub trait Place {
    /// Opens the store. One that was opened here earlier is dropped by then.
    fn open(&self) -> Box<dyn Store>;
}

/// Runs the whole suite, each promise in an empty place of its own.
///
/// # Panics
/// When a promise is broken.
pub fn holds(empty: &dyn Fn() -> Box<dyn Place>) {
    let promises: &[fn(&dyn Place)] = &[
        rows_are_read_as_they_were_written,
        an_absent_row_is_none,
        tables_are_apart,
        each_commit_counts_one_and_a_refused_one_none,
        changes_of_a_batch_happen_in_order,
        absent_holds_for_absent_rows_alone,
        unchanged_holds_for_the_revision_read_alone,
        preconditions_look_at_what_was_before_the_batch,
        the_first_failing_precondition_is_named,
        a_refused_batch_changes_nothing,
        what_is_at_its_limit_is_taken,
        what_is_over_its_limit_is_refused,
        scans_answer_every_prefix_and_place_in_order,
        a_scan_returns_its_limit_and_no_more_than_any_may,
        pages_visit_each_row_once,
        a_snapshot_stays_as_it_was,
        a_snapshot_never_sees_half_a_batch,
        an_answered_commit_is_seen_by_every_later_snapshot,
        of_racers_for_one_row_one_wins,
        no_update_is_lost,
        all_is_there_when_it_is_opened_again,
    ];
    for promise in promises {
        promise(&*empty());
    }
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Batch {
    Batch { changes: vec![Change::Put(table, key.to_vec(), value.to_vec())], ..Batch::default() }
}

fn delete(table: Table, key: &[u8]) -> Batch {
    Batch { changes: vec![Change::Delete(table, key.to_vec())], ..Batch::default() }
}

fn get(store: &dyn Store, table: Table, key: &[u8]) -> Option<Row> {
    store.snapshot().unwrap().get(table, key).unwrap()
}

fn value(store: &dyn Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    get(store, table, key).map(|row| row.value)
}

fn head(store: &dyn Store) -> Revision {
    store.snapshot().unwrap().revision()
}

/// Everything in a table.
fn all(snapshot: &dyn Snapshot, table: Table) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = snapshot.scan(table, b"", rows.last().map(|row| row.key.as_slice()), SCAN_ROWS).unwrap();
        let last = page.len() < SCAN_ROWS;
        rows.extend(page);
        if last {
            return rows;
        }
    }
}

fn rows_are_read_as_they_were_written(place: &dyn Place) {
    let store = place.open();
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let written: [(&[u8], &[u8]); 4] = [(b"", b"no key"), (b"no value", b""), (&bytes, &bytes), (b"\0", b"\0")];
    for (key, value) in written {
        let revision = store.commit(put(Table::Key, key, value)).unwrap();
        let row = Row { key: key.to_vec(), value: value.to_vec(), revision };
        assert_eq!(get(&*store, Table::Key, key), Some(row.clone()));
        assert_eq!(store.snapshot().unwrap().scan(Table::Key, key, None, 1).unwrap(), [row]);
    }
}

fn an_absent_row_is_none(place: &dyn Place) {
    let store = place.open();
    assert_eq!(get(&*store, Table::Key, b"a"), None);
    store.commit(put(Table::Key, b"a", b"1")).unwrap();
    for other in [b"".as_slice(), b"A", b"a\0", b"aa"] {
        assert_eq!(get(&*store, Table::Key, other), None, "{other:?}");
    }
    store.commit(delete(Table::Key, b"a")).unwrap();
    assert_eq!(get(&*store, Table::Key, b"a"), None);
    store.commit(delete(Table::Key, b"a")).unwrap();
}

fn tables_are_apart(place: &dyn Place) {
    let store = place.open();
    for table in Table::ALL {
        store.commit(put(*table, b"key", &[table.code()])).unwrap();
    }
    for table in Table::ALL {
        assert_eq!(value(&*store, *table, b"key"), Some(vec![table.code()]));
        assert_eq!(all(&*store.snapshot().unwrap(), *table).len(), 1);
    }
}

fn each_commit_counts_one_and_a_refused_one_none(place: &dyn Place) {
    let store = place.open();
    assert_eq!(head(&*store), Revision(0));
    assert_eq!(store.commit(put(Table::Key, b"a", b"1")), Ok(Revision(1)));
    assert_eq!(store.commit(put(Table::Key, b"a", b"1")), Ok(Revision(2)));
    let mut refused = Batch::default();
    refused.insert(Table::Key, b"a".to_vec(), b"2".to_vec());
    assert_eq!(store.commit(refused), Err(StoreError::Conflict { table: Table::Key }));
    assert_eq!(head(&*store), Revision(2));
    assert_eq!(store.commit(delete(Table::Key, b"a")), Ok(Revision(3)));
    assert_eq!(store.commit(Batch::default()), Ok(Revision(4)));
    assert_eq!(head(&*store), Revision(4));
}

fn changes_of_a_batch_happen_in_order(place: &dyn Place) {
    let store = place.open();
    let mut batch = Batch::default();
    batch.put(Table::Key, b"gone".to_vec(), b"1".to_vec());
    batch.delete(Table::Key, b"gone".to_vec());
    batch.delete(Table::Key, b"there".to_vec());
    batch.put(Table::Key, b"there".to_vec(), b"1".to_vec());
    batch.put(Table::Key, b"there".to_vec(), b"2".to_vec());
    store.commit(batch).unwrap();
    assert_eq!(value(&*store, Table::Key, b"gone"), None);
    assert_eq!(value(&*store, Table::Key, b"there"), Some(b"2".to_vec()));
}

fn absent_holds_for_absent_rows_alone(place: &dyn Place) {
    let store = place.open();
    let insert = |value: &[u8]| {
        let mut batch = Batch::default();
        batch.insert(Table::Binding, b"name".to_vec(), value.to_vec());
        store.commit(batch)
    };
    insert(b"first").unwrap();
    assert_eq!(insert(b"second"), Err(StoreError::Conflict { table: Table::Binding }));
    assert_eq!(value(&*store, Table::Binding, b"name"), Some(b"first".to_vec()));
    store.commit(delete(Table::Binding, b"name")).unwrap();
    insert(b"third").unwrap();
}

fn unchanged_holds_for_the_revision_read_alone(place: &dyn Place) {
    let store = place.open();
    let replace = |read: &Row, value: &[u8]| {
        let mut batch = Batch::default();
        batch.replace(Table::Key, read, value.to_vec());
        store.commit(batch)
    };
    let conflict = Err(StoreError::Conflict { table: Table::Key });
    store.commit(put(Table::Key, b"a", b"1")).unwrap();
    let read = get(&*store, Table::Key, b"a").unwrap();
    replace(&read, b"2").unwrap();
    assert_eq!(replace(&read, b"3"), conflict);
    // The same value written again is a change too.
    let read = get(&*store, Table::Key, b"a").unwrap();
    store.commit(put(Table::Key, b"a", b"2")).unwrap();
    assert_eq!(replace(&read, b"3"), conflict);
    let read = get(&*store, Table::Key, b"a").unwrap();
    store.commit(delete(Table::Key, b"a")).unwrap();
    assert_eq!(replace(&read, b"3"), conflict);
    assert_eq!(get(&*store, Table::Key, b"a"), None);
    // Another row's commit is no change of this one.
    store.commit(put(Table::Key, b"a", b"4")).unwrap();
    let read = get(&*store, Table::Key, b"a").unwrap();
    store.commit(put(Table::Key, b"b", b"1")).unwrap();
    replace(&read, b"5").unwrap();
}

fn preconditions_look_at_what_was_before_the_batch(place: &dyn Place) {
    let store = place.open();
    store.commit(put(Table::Key, b"a", b"1")).unwrap();
    let mut batch = delete(Table::Key, b"a");
    batch.insert(Table::Key, b"a".to_vec(), b"2".to_vec());
    assert_eq!(store.commit(batch), Err(StoreError::Conflict { table: Table::Key }));
    let read = get(&*store, Table::Key, b"a").unwrap();
    let mut batch = put(Table::Key, b"a", b"3");
    batch.replace(Table::Key, &read, b"4".to_vec());
    store.commit(batch).unwrap();
    assert_eq!(value(&*store, Table::Key, b"a"), Some(b"4".to_vec()));
    // A precondition may guard a row that the batch leaves alone.
    let guard = Batch { preconditions: vec![Precondition::Absent(Table::Key, b"a".to_vec())], ..Batch::default() };
    assert_eq!(store.commit(guard), Err(StoreError::Conflict { table: Table::Key }));
}

fn the_first_failing_precondition_is_named(place: &dyn Place) {
    let store = place.open();
    store.commit(put(Table::Grant, b"a", b"1")).unwrap();
    let batch = Batch {
        preconditions: vec![
            Precondition::Absent(Table::Key, b"a".to_vec()),
            Precondition::Absent(Table::Grant, b"a".to_vec()),
            Precondition::Unchanged(Table::Tenant, b"a".to_vec(), Revision(1)),
        ],
        ..Batch::default()
    };
    assert_eq!(store.commit(batch), Err(StoreError::Conflict { table: Table::Grant }));
}

fn a_refused_batch_changes_nothing(place: &dyn Place) {
    let store = place.open();
    store.commit(put(Table::Key, b"a", b"1")).unwrap();
    let mut batch = put(Table::Key, b"b", b"1");
    batch.put(Table::Key, b"a".to_vec(), b"2".to_vec());
    batch.delete(Table::Key, b"a".to_vec());
    batch.insert(Table::Key, b"a".to_vec(), b"3".to_vec());
    batch.put(Table::Grant, b"c".to_vec(), b"1".to_vec());
    assert_eq!(store.commit(batch), Err(StoreError::Conflict { table: Table::Key }));
    let row = Row { key: b"a".to_vec(), value: b"1".to_vec(), revision: Revision(1) };
    assert_eq!(all(&*store.snapshot().unwrap(), Table::Key), [row]);
    assert_eq!(all(&*store.snapshot().unwrap(), Table::Grant), []);
}

fn what_is_at_its_limit_is_taken(place: &dyn Place) {
    let store = place.open();
    let key = vec![0xff; ROW_KEY_BYTES];
    store.commit(put(Table::Key, &key, &vec![7; ROW_VALUE_BYTES])).unwrap();
    assert_eq!(value(&*store, Table::Key, &key), Some(vec![7; ROW_VALUE_BYTES]));
    let found = store.snapshot().unwrap().scan(Table::Key, &key, None, 9).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(store.snapshot().unwrap().scan(Table::Key, b"", Some(&key), 9), Ok(Vec::new()));
    let mut many = Batch::default();
    for number in 0..BATCH_CHANGES {
        many.insert(Table::Usage, number.to_be_bytes().to_vec(), Vec::new());
    }
    store.commit(many).unwrap();
    assert_eq!(all(&*store.snapshot().unwrap(), Table::Usage).len(), BATCH_CHANGES);
    let rows = BATCH_BYTES / ROW_VALUE_BYTES;
    let mut large = Batch::default();
    for number in 0..rows {
        large.put(Table::Outbox, vec![u8::try_from(number).unwrap()], vec![1; ROW_VALUE_BYTES - 1]);
    }
    store.commit(large).unwrap();
    assert_eq!(all(&*store.snapshot().unwrap(), Table::Outbox).len(), rows);
}

fn what_is_over_its_limit_is_refused(place: &dyn Place) {
    let store = place.open();
    let key = || vec![0xff; ROW_KEY_BYTES + 1];
    let guard = |preconditions| Batch { preconditions, ..put(Table::Key, b"a", b"1") };
    let change = |change| Batch {
        changes: vec![Change::Put(Table::Key, b"a".to_vec(), Vec::new()), change],
        ..Batch::default()
    };
    let mut large = Batch::default();
    for _ in 0..BATCH_BYTES / ROW_VALUE_BYTES {
        large.put(Table::Key, b"a".to_vec(), vec![1; ROW_VALUE_BYTES]);
    }
    let over = [
        (guard(vec![Precondition::Absent(Table::Key, key())]), ROW_KEY_BYTES),
        (guard(vec![Precondition::Unchanged(Table::Key, key(), Revision(1))]), ROW_KEY_BYTES),
        (guard(vec![Precondition::Absent(Table::Key, Vec::new()); BATCH_CHANGES + 1]), BATCH_CHANGES),
        (change(Change::Put(Table::Key, key(), Vec::new())), ROW_KEY_BYTES),
        (change(Change::Delete(Table::Key, key())), ROW_KEY_BYTES),
        (change(Change::Put(Table::Key, Vec::new(), vec![0; ROW_VALUE_BYTES + 1])), ROW_VALUE_BYTES),
        (
            Batch { changes: vec![Change::Delete(Table::Key, Vec::new()); BATCH_CHANGES + 1], ..Batch::default() },
            BATCH_CHANGES,
        ),
        (large, BATCH_BYTES),
    ];
    for (batch, expected) in over {
        let refused = store.commit(batch);
        assert!(
            matches!(refused, Err(StoreError::TooLarge { limit, actual, .. }) if limit == expected && actual > limit),
            "{refused:?}"
        );
    }
    assert_eq!(head(&*store), Revision(0));
    assert_eq!(all(&*store.snapshot().unwrap(), Table::Key), []);
    // Longer than any key: nothing can be found, and that is no failure.
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.get(Table::Key, &key()), Ok(None));
    assert_eq!(snapshot.scan(Table::Key, &key(), None, 9), Ok(Vec::new()));
    assert_eq!(snapshot.scan(Table::Key, b"", Some(&key()), 9), Ok(Vec::new()));
}

/// Every key of up to three bytes out of those at the edges.
fn edge_keys() -> Vec<Vec<u8>> {
    let longer = |keys: &[Vec<u8>]| -> Vec<Vec<u8>> {
        keys.iter().flat_map(|key| [0x00, 0x01, 0xfe, 0xff].map(|byte| [key.as_slice(), &[byte]].concat())).collect()
    };
    let mut keys = vec![Vec::new()];
    for _ in 0..3 {
        let more = longer(&keys);
        keys.extend(more);
        keys.sort();
        keys.dedup();
    }
    keys
}

fn scans_answer_every_prefix_and_place_in_order(place: &dyn Place) {
    let store = place.open();
    let keys = edge_keys();
    let mut batch = Batch::default();
    // Not all, so that places between rows are asked for too; and neighbours that must not show.
    let mut rows = BTreeMap::new();
    for key in keys.iter().filter(|key| key.len() != 3 || key[0] == 0xff).rev() {
        batch.put(Table::KeyVersion, key.clone(), key.clone());
        rows.insert(key.clone(), key.clone());
    }
    for table in [Table::Key, Table::VersionByMaterial] {
        batch.put(table, Vec::new(), Vec::new());
        batch.put(table, vec![0xff], Vec::new());
    }
    store.commit(batch).unwrap();
    let snapshot = store.snapshot().unwrap();
    for prefix in &keys {
        for after in keys.iter().map(Some).chain([None]) {
            let mut expected = rows
                .keys()
                .filter(|key| key.starts_with(prefix) && after.is_none_or(|after| *key > after))
                .cloned()
                .collect::<Vec<_>>();
            for limit in [SCAN_ROWS, 3, 1, 0] {
                expected.truncate(limit);
                let found = snapshot.scan(Table::KeyVersion, prefix, after.map(Vec::as_slice), limit).unwrap();
                let found: Vec<_> = found.into_iter().map(|row| row.key).collect();
                assert_eq!(found, expected, "prefix {prefix:?} after {after:?} limit {limit}");
            }
        }
    }
}

fn a_scan_returns_its_limit_and_no_more_than_any_may(place: &dyn Place) {
    let store = place.open();
    let mut batch = Batch::default();
    for number in 0..SCAN_ROWS + 1 {
        batch.put(Table::Key, number.to_be_bytes().to_vec(), Vec::new());
    }
    store.commit(batch).unwrap();
    let snapshot = store.snapshot().unwrap();
    for (limit, expected) in
        [(0, 0), (1, 1), (SCAN_ROWS, SCAN_ROWS), (SCAN_ROWS + 1, SCAN_ROWS), (usize::MAX, SCAN_ROWS)]
    {
        assert_eq!(snapshot.scan(Table::Key, b"", None, limit).unwrap().len(), expected);
    }
}

fn pages_visit_each_row_once(place: &dyn Place) {
    let store = place.open();
    let mut batch = Batch::default();
    for number in 0..500u16 {
        batch.put(Table::Grant, [b"mine".as_slice(), &number.to_be_bytes()].concat(), Vec::new());
        batch.put(Table::Grant, [b"minf".as_slice(), &number.to_be_bytes()].concat(), Vec::new());
    }
    store.commit(batch).unwrap();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    loop {
        // A snapshot for each page, as requests take them; a row behind the cursor goes and one comes meanwhile.
        let page = store.snapshot().unwrap().scan(Table::Grant, b"mine", seen.last().map(Vec::as_slice), 7).unwrap();
        let last = page.len() < 7;
        seen.extend(page.into_iter().map(|row| row.key));
        if last {
            break;
        }
        store.commit(delete(Table::Grant, &seen[0])).unwrap();
        store.commit(put(Table::Grant, b"mine\0\0\0", b"")).unwrap();
    }
    let expected: Vec<Vec<u8>> =
        (0..500u16).map(|number| [b"mine".as_slice(), &number.to_be_bytes()].concat()).collect();
    assert_eq!(seen, expected);
}

fn a_snapshot_stays_as_it_was(place: &dyn Place) {
    let store = place.open();
    store.commit(put(Table::Key, b"a", b"old")).unwrap();
    store.commit(put(Table::Key, b"b", b"old")).unwrap();
    let before = store.snapshot().unwrap();
    store.commit(put(Table::Key, b"a", b"new")).unwrap();
    store.commit(delete(Table::Key, b"b")).unwrap();
    store.commit(put(Table::Key, b"c", b"new")).unwrap();
    let after = store.snapshot().unwrap();
    let rows = |snapshot: &dyn Snapshot| -> Vec<(Vec<u8>, Vec<u8>, u64)> {
        all(snapshot, Table::Key).into_iter().map(|row| (row.key, row.value, row.revision.0)).collect()
    };
    let row = |key: &[u8], value: &[u8], revision| (key.to_vec(), value.to_vec(), revision);
    assert_eq!((before.revision(), after.revision()), (Revision(2), Revision(5)));
    assert_eq!(rows(&*before), [row(b"a", b"old", 1), row(b"b", b"old", 2)]);
    assert_eq!(rows(&*after), [row(b"a", b"new", 3), row(b"c", b"new", 5)]);
    assert_eq!(before.get(Table::Key, b"c"), Ok(None));
    assert_eq!(before.get(Table::Key, b"b").unwrap().map(|row| row.value), Some(b"old".to_vec()));
}

fn a_snapshot_never_sees_half_a_batch(place: &dyn Place) {
    let store = place.open();
    let pair = |number: u64| {
        let mut batch = put(Table::Key, b"left", &number.to_be_bytes());
        batch.put(Table::Grant, b"right".to_vec(), number.to_be_bytes().to_vec());
        batch
    };
    store.commit(pair(0)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(|| {
                let mut newest = Revision(0);
                while !done.load(Ordering::Relaxed) {
                    let snapshot = store.snapshot().unwrap();
                    let left = snapshot.get(Table::Key, b"left").unwrap().unwrap();
                    let right = snapshot.get(Table::Grant, b"right").unwrap().unwrap();
                    assert_eq!((&left.value, left.revision), (&right.value, right.revision));
                    assert_eq!(left.revision, snapshot.revision());
                    assert!(newest <= snapshot.revision());
                    newest = snapshot.revision();
                }
            });
        }
        let wrote: Result<Vec<Revision>, StoreError> = (1..200).map(|number| store.commit(pair(number))).collect();
        done.store(true, Ordering::Relaxed);
        assert_eq!(wrote.unwrap().len(), 199);
    });
}

fn an_answered_commit_is_seen_by_every_later_snapshot(place: &dyn Place) {
    let store = place.open();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &*store;
            scope.spawn(move || {
                for number in 0..RACES {
                    let key = [thread.to_be_bytes(), number.to_be_bytes()].concat();
                    let revision = store.commit(put(Table::Key, &key, b"")).unwrap();
                    let snapshot = store.snapshot().unwrap();
                    assert!(snapshot.revision() >= revision);
                    assert_eq!(snapshot.get(Table::Key, &key).unwrap().unwrap().revision, revision);
                }
            });
        }
    });
    assert_eq!(head(&*store), Revision((THREADS * RACES) as u64));
    let mut revisions: Vec<Revision> =
        all(&*store.snapshot().unwrap(), Table::Key).iter().map(|row| row.revision).collect();
    revisions.sort();
    revisions.dedup();
    assert_eq!(revisions.len(), THREADS * RACES, "two commits had one revision");
}

fn of_racers_for_one_row_one_wins(place: &dyn Place) {
    let store = place.open();
    for race in 0..RACES {
        let row = get(&*store, Table::Binding, b"prize");
        let start = Barrier::new(THREADS);
        let results: Vec<_> = thread::scope(|scope| {
            let racers: Vec<_> = (0..THREADS)
                .map(|racer| {
                    let mut batch = Batch::default();
                    match &row {
                        Some(row) => batch.replace(Table::Binding, row, vec![u8::try_from(racer).unwrap()]),
                        None => batch.insert(Table::Binding, b"prize".to_vec(), vec![u8::try_from(racer).unwrap()]),
                    }
                    let (store, start) = (&*store, &start);
                    scope.spawn(move || {
                        start.wait();
                        store.commit(batch)
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let winner = results.iter().position(Result::is_ok).unwrap();
        for (racer, result) in results.iter().enumerate() {
            assert!(racer == winner || *result == Err(StoreError::Conflict { table: Table::Binding }), "{result:?}");
        }
        let found = get(&*store, Table::Binding, b"prize").unwrap();
        assert_eq!((found.value, Ok(found.revision)), (vec![u8::try_from(winner).unwrap()], results[winner].clone()));
        if race % 2 == 1 {
            store.commit(delete(Table::Binding, b"prize")).unwrap();
        }
    }
}

fn no_update_is_lost(place: &dyn Place) {
    let store = place.open();
    store.commit(put(Table::Usage, b"count", &0u64.to_be_bytes())).unwrap();
    let count = |row: &Row| u64::from_be_bytes(row.value.as_slice().try_into().unwrap());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..RACES {
                    loop {
                        let row = get(&*store, Table::Usage, b"count").unwrap();
                        let mut batch = Batch::default();
                        batch.replace(Table::Usage, &row, (count(&row) + 1).to_be_bytes().to_vec());
                        match store.commit(batch) {
                            Ok(_) => break,
                            Err(error) => assert_eq!(error, StoreError::Conflict { table: Table::Usage }),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(count(&get(&*store, Table::Usage, b"count").unwrap()), (THREADS * RACES) as u64);
}

fn all_is_there_when_it_is_opened_again(place: &dyn Place) {
    let store = place.open();
    store.commit(put(Table::Key, b"a", b"1")).unwrap();
    store.commit(put(Table::Key, b"b", b"2")).unwrap();
    store.commit(put(Table::Key, b"c", b"3")).unwrap();
    store.commit(delete(Table::Key, b"b")).unwrap();
    store.commit(delete(Table::Key, b"c")).unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(head(&*store), Revision(5));
    let row = Row { key: b"a".to_vec(), value: b"1".to_vec(), revision: Revision(1) };
    assert_eq!(all(&*store.snapshot().unwrap(), Table::Key), [row]);
    assert_eq!(store.commit(delete(Table::Key, b"a")), Ok(Revision(6)));
    drop(store);
    // The count goes on though no row remembers it.
    assert_eq!(place.open().commit(Batch::default()), Ok(Revision(7)));
}
