use std::path::Path;
use std::sync::Arc;

use strongroom_audit::port::AuditLog as _;
use strongroom_audit_log::Options;
use strongroom_crypto::SystemRandom;
use strongroom_engine::operations::clock::ConfirmClock;
use strongroom_engine::{Mode, Parts};
use strongroom_model::clock::Clock;
use strongroom_model::root::RootOfTrust;
use strongroom_testkit::engine::{MovableClock, TestDialect, options, software_root};

use super::*;
use crate::wiring;

const ORIGIN: &str = "node";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An engine over a log of short segments.
struct House {
    engine: Arc<Engine>,
    log: Arc<FileLog>,
    clock: Arc<MovableClock>,
    directory: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(MovableClock::default());
        let parts = parts(directory.path(), &clock, software_root(directory.path(), 0)).0;
        strongroom_engine::initialise(&parts, vec![1; 32], (1, 1)).unwrap();
        drop(parts);
        Self::over(directory, clock)
    }

    fn over(directory: tempfile::TempDir, clock: Arc<MovableClock>) -> Self {
        let (parts, log) = parts(directory.path(), &clock, software_root(directory.path(), 0));
        let engine = Engine::start(parts, &options()).unwrap();
        Self { engine, log, clock, directory }
    }

    /// The same after its process ended.
    fn restarted(self) -> Self {
        let Self { engine, log, clock, directory } = self;
        drop((engine, log));
        Self::over(directory, clock)
    }

    /// Fills segments, and has the engine read them.
    fn fill(&self) {
        for number in 0..1_000 {
            let call =
                Call { detail: vec![("number", format!("{number:0>64}"))], ..Call::internal("test", "Fill", &ADMIN) };
            let at = self.clock.now();
            self.engine.note(&[Noted { call, action: Action::Installation, at, failed: None, count: 1 }]).unwrap();
        }
        self.tick();
    }

    /// Lets the engine read the log to its end, so that it needs none of it.
    fn tick(&self) {
        // With a change, the store notes how far it has what the log tells of.
        self.engine.perform_blocking(Call::internal("test", "Fill", &ADMIN), ConfirmClock, Mode::Run).unwrap();
        for _ in 0..3 {
            self.clock.pass(Duration::from_secs(10));
            self.engine.tick(&TestDialect).unwrap();
        }
    }

    fn prune(&self) -> Result<u64, RetentionError> {
        prune(&self.engine, &self.log, DAY * 30)
    }

    /// The first record that the log has.
    fn first(&self) -> u64 {
        match self.log.records(Position(0)) {
            Ok(_) => 0,
            Err(ReadError::Pruned { first }) => first.0,
            Err(error) => panic!("{error}"),
        }
    }

    /// What the log says was pruned: first and last position.
    fn told(&self) -> Vec<(u64, u64)> {
        let records = self.log.records(Position(self.first())).unwrap();
        let told = records.filter_map(|stored| {
            let stored = stored.unwrap();
            let record = stored.record.record().unwrap();
            let detail = |name: &str| {
                let found = record.details.iter().find(|detail| detail.name.as_full() == Some(name));
                found.and_then(|detail| detail.value.as_full()?.parse().ok())
            };
            (record.request.operation.as_full() == Some("PruneAuditLog"))
                .then(|| (detail("firstPosition").unwrap(), detail("lastPosition").unwrap()))
        });
        told.collect()
    }
}

fn parts(directory: &Path, clock: &Arc<MovableClock>, root: Arc<dyn RootOfTrust>) -> (Parts, Arc<FileLog>) {
    let segment_bytes = strongroom_audit_log::limits::SHORTEST_SEGMENT;
    let options = Options { segment_bytes, ..Options::new(ORIGIN.to_owned()) };
    let handed: Arc<dyn Clock> = clock.clone();
    let log = Arc::new(FileLog::open(&directory.join("audit"), options, handed, None).unwrap().0);
    let store = Arc::new(wiring::open_or_create(&directory.join("store")).unwrap());
    let (clock, random) = (clock.clone(), Arc::new(SystemRandom));
    (
        Parts {
            store,
            log: log.clone(),
            roots: vec![root],
            clock,
            random,
            arena: None,
            key_stores: Vec::new(),
            external: None,
        },
        log,
    )
}

#[test]
fn segments_are_removed_when_their_time_is_up_and_the_log_says_which_records_are_gone() {
    let house = House::new();
    house.fill();
    assert_eq!(house.prune().unwrap(), 0, "nothing is old enough");
    assert_eq!(house.told(), []);
    house.clock.pass(DAY * 29);
    assert_eq!(house.prune().unwrap(), 0, "a day too early");
    house.clock.pass(DAY * 2);
    house.tick();
    assert!(house.prune().unwrap() > 0);
    let first = house.first();
    assert!(first > 0);
    assert_eq!(house.told(), [(0, first - 1)]);
    assert_eq!(house.prune().unwrap(), 0, "what is gone is told once");
    assert_eq!(house.told().len(), 1);
}

#[test]
fn what_was_recorded_and_not_removed_because_the_process_died_is_recorded_and_removed_by_the_next_round() {
    let house = House::new();
    house.fill();
    house.clock.pass(DAY * 31);
    house.tick();
    let announced = announce(&house.engine, &house.log, DAY * 30).unwrap();
    let house = house.restarted();
    assert_eq!(house.first(), 0);
    let [(0, last)] = house.told()[..] else { panic!("{:?}", house.told()) };
    assert_eq!(announced.unwrap().1, Position(last + 1));
    assert!(house.prune().unwrap() > 0);
    let told = house.told();
    assert_eq!(told.last(), Some(&(0, house.first() - 1)));
    assert!(house.first() > last);
}
