//! A directory, a clock that is moved by hand, records, and a signer.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use strongroom_audit::checkpoint::Checkpoint;
use strongroom_audit::note::VerifierKey;
use strongroom_audit::port::{AuditLog, Head, Position, RecordClass};
use strongroom_audit::record::{Record, SealedRecord};
use strongroom_audit::verify::Report;
use strongroom_audit_log::{BeforeOperation, DiskOperation, FileLog, OpenError, Options, Recovery};
use strongroom_model::action::Action;
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_model::id::RecordId;
use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};

pub(crate) const ORIGIN: &str = "kms.example/node-1";
pub(crate) const SEGMENT: u64 = 64 * 1024;

/// A clock whose date is moved by hand.
pub(crate) struct HandClock(AtomicU64, Instant);

impl Default for HandClock {
    fn default() -> Self {
        Self(AtomicU64::new(0), Instant::now())
    }
}

impl HandClock {
    pub(crate) fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn since_boot(&self) -> Duration {
        self.1.elapsed()
    }
}

/// A disk on which operations fail as a test wants.
#[derive(Default)]
pub(crate) struct Faults {
    /// The operations that fail, how many succeed before, and how many then fail.
    plan: Mutex<Vec<(DiskOperation, u64, u64, io::ErrorKind)>>,
}

impl Faults {
    pub(crate) fn fail(&self, operation: DiskOperation, after: u64, times: u64, kind: io::ErrorKind) {
        self.plan.lock().unwrap().push((operation, after, times, kind));
    }

    pub(crate) fn heal(&self) {
        self.plan.lock().unwrap().clear();
    }

    pub(crate) fn hook(self: &Arc<Self>) -> BeforeOperation {
        let faults = Arc::clone(self);
        Arc::new(move |operation| {
            for (wanted, after, times, kind) in
                faults.plan.lock().unwrap().iter_mut().filter(|fault| fault.0 == operation)
            {
                assert_eq!(*wanted, operation);
                if *after > 0 {
                    *after -= 1;
                } else if *times > 0 {
                    *times -= 1;
                    return Err(io::Error::from(*kind));
                }
            }
            Ok(())
        })
    }
}

pub(crate) fn options() -> Options {
    Options { segment_bytes: SEGMENT, reserved_bytes: 0, ..Options::new(ORIGIN.to_owned()) }
}

pub(crate) fn try_open(directory: &Path, saved: Option<&Head>) -> Result<(FileLog, Recovery), OpenError> {
    FileLog::open(directory, options(), Arc::new(HandClock::default()), saved)
}

pub(crate) fn open(directory: &Path) -> FileLog {
    try_open(directory, None).unwrap().0
}

pub(crate) fn open_with(directory: &Path, faults: &Arc<Faults>) -> FileLog {
    let options = Options { before: Some(faults.hook()), ..options() };
    FileLog::open(directory, options, Arc::new(HandClock::default()), None).unwrap().0
}

pub(crate) fn id(number: u64) -> RecordId {
    RecordId::from_bytes(u128::from(number).to_be_bytes())
}

pub(crate) fn record(number: u64) -> SealedRecord {
    Record { account: "x".repeat(300).into(), ..Record::new(id(number), Timestamp(number), Action::Encrypt) }.seal()
}

/// Appends one record and waits until it is on disk.
pub(crate) fn append(log: &FileLog, number: u64) -> Position {
    let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
    log.append(permit, vec![record(number)]).wait().unwrap()
}

pub(crate) fn append_all(log: &FileLog, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(append(log, number), Position(number));
    }
}

pub(crate) fn ids(log: &FileLog, from: u64) -> Vec<RecordId> {
    log.records(Position(from)).unwrap().map(|stored| stored.unwrap().record.id()).collect()
}

pub(crate) fn signer() -> (Ed25519KeyPair, VerifierKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let key = VerifierKey::new(ORIGIN, CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public }).unwrap();
    (pair, key)
}

pub(crate) fn checkpoint(log: &FileLog) -> Checkpoint {
    let checkpoint = log.checkpoint();
    let (pair, key) = signer();
    let signature = pair.sign(checkpoint.text().as_bytes()).as_ref().try_into().unwrap();
    log.append_note(checkpoint.signed(vec![key.signature(&signature)]).to_string()).wait().unwrap();
    checkpoint
}

pub(crate) fn verify(log: &FileLog) -> Report {
    log.verify(vec![signer().1], None).unwrap()
}

pub(crate) fn segments(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sra"))
        .collect();
    paths.sort();
    paths
}
