//! A million rows, measured. Run by hand, alone and in release:
//! `cargo nextest run --release -p strongroom-store-embedded --run-ignored only --no-capture`

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use strongroom_model::store::{Batch, Revision, Store, Table};
use strongroom_store_embedded::{EmbeddedStore, Options};

const ROWS: u64 = 1_000_000;
const VALUE_BYTES: usize = 300;
const GETS: u64 = 200_000;
const COMMITS: u64 = 2_000;

#[expect(clippy::print_stdout, reason = "its purpose")]
fn report(what: &str, count: u64, took: Duration) {
    println!("{what}: {:.1} s, {:.0}/s", took.as_secs_f64(), count as f64 / took.as_secs_f64());
}

/// Random keys, the same each time they are asked for.
struct Keys(RandomState);

impl Keys {
    fn key(&self, number: u64) -> Vec<u8> {
        [self.0.hash_one(number).to_be_bytes(), number.to_be_bytes()].concat()
    }

    fn put(&self, batch: &mut Batch, number: u64) {
        batch.put(Table::Key, self.key(number), self.key(number).repeat(VALUE_BYTES / 16));
    }
}

#[test]
#[ignore = "takes minutes: measures a million rows"]
fn a_million_rows() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let keys = &Keys(RandomState::new());
    let store = EmbeddedStore::create(&path, Revision(0), Options::default()).unwrap();
    let start = Instant::now();
    for thousand in 0..ROWS / 1000 {
        let mut batch = Batch::default();
        (0..1000).for_each(|number| keys.put(&mut batch, thousand * 1000 + number));
        store.commit(batch).unwrap();
    }
    report("load, 1000 rows a commit", ROWS, start.elapsed());
    drop(store);

    let start = Instant::now();
    let store = &EmbeddedStore::open(&path, Options::default()).unwrap();
    assert_eq!(store.snapshot().unwrap().revision(), Revision(ROWS / 1000));
    println!("open and first snapshot: {:?}", start.elapsed());
    println!("{:?}", store.size().unwrap());

    for threads in [1, 2] {
        let start = Instant::now();
        thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || {
                    let snapshot = store.snapshot().unwrap();
                    for number in 0..GETS {
                        let key = keys.key((number * 7_919 + thread * 31) % ROWS);
                        assert!(snapshot.get(Table::Key, &key).unwrap().is_some());
                    }
                });
            }
        });
        report(&format!("random gets, {threads} threads"), GETS * threads, start.elapsed());
    }
    let start = Instant::now();
    for number in 0..GETS {
        assert!(store.snapshot().unwrap().get(Table::Key, &keys.key(number % ROWS)).unwrap().is_some());
    }
    report("snapshots with one random get each", GETS, start.elapsed());

    for threads in [1, 16] {
        let start = Instant::now();
        thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || {
                    for number in 0..COMMITS / threads {
                        let mut batch = Batch::default();
                        keys.put(&mut batch, (thread * COMMITS + number * 7_919) % ROWS);
                        store.commit(batch).unwrap();
                    }
                });
            }
        });
        report(&format!("random one-row commits, {threads} threads"), COMMITS, start.elapsed());
    }
    let start = Instant::now();
    store.verify().unwrap();
    report("verify", ROWS, start.elapsed());
}
