//! One record for every act, before its answer; and what becomes of records when the log fails.

use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use strongroom_audit::record::Mode as RecordMode;
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::name::CreateName;
use strongroom_engine::{
    Authorized, Demand, EngineError, Halt, KeyReference, Mode, Operation, Outcome, Unavailable, limits,
};
use strongroom_model::action::Action;
use strongroom_model::store::{Store as _, Table};
use strongroom_testkit::engine::{KEY, TestEngine, block_on, by_name, call, name};

use crate::resident::eventually;
use crate::tools::{Told, decrypt, edit, encrypt, opened, sealed, told};

#[test]
fn every_act_leaves_one_record_with_its_outcome() {
    let test = TestEngine::new();
    let from = test.records().len();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    opened(&test, &ciphertext).unwrap();
    assert!(test.run(&test.root(), decrypt(&ciphertext, &[("wrong", "context")])).is_err());
    edit(&test, &key, Edit::Suspend).unwrap();
    assert!(opened(&test, &ciphertext).is_err());
    let nowhere = KeyReference::Name(name(test.tenant.id, KEY, "nowhere"));
    assert!(test.run(&test.root(), encrypt(nowhere, "text", &[])).is_err());
    assert_eq!(
        told(&test, from),
        [
            Told::done(Action::CreateKey),
            Told::done(Action::Encrypt),
            Told::done(Action::Decrypt),
            Told::failed(Action::Decrypt, 8),
            Told::done(Action::DisableKey),
            Told::failed(Action::Decrypt, 4),
            Told::failed(Action::Encrypt, 1),
        ]
    );
}

#[test]
fn a_record_names_the_key_version_and_the_caller() {
    let test = TestEngine::new();
    let key = test.create_key();
    sealed(&test, &key, "text");
    let records = test.records();
    let record = records.last().unwrap().record().unwrap();
    assert_eq!(record.tenant, Some(test.tenant.id));
    assert_eq!(record.policy_name.as_full(), Some(test.tenant.root_name.as_str()));
    let demand = &record.demands[0];
    assert_eq!((demand.key, demand.ordinal), (Some(key.row.id), Some(1)));
    assert_eq!(demand.material, Some(key.versions[0].material));
}

#[test]
fn a_dry_run_is_recorded_as_one() {
    let test = TestEngine::new();
    let key = test.create_key();
    let from = test.records().len();
    let refused = test.run_as(&test.root(), encrypt(by_name(&key), "text", &[]), Mode::DryRun);
    assert!(matches!(refused, Err(EngineError::DryRun)));
    assert_eq!(told(&test, from), [Told { action: Action::Encrypt, mode: RecordMode::DryRun, outcome: 20 }]);
}

#[test]
fn a_log_that_takes_no_record_refuses_the_request_and_nothing_is_done() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.log.refuses.store(true, Ordering::SeqCst);
    let refused = test.run(&test.root(), encrypt(by_name(&key), "text", &[]));
    assert!(matches!(refused, Err(EngineError::Unavailable(Unavailable::Log { .. }))));
    let refused = edit(&test, &key, Edit::Suspend);
    assert!(matches!(refused, Err(EngineError::Unavailable(Unavailable::Log { .. }))));
    test.log.refuses.store(false, Ordering::SeqCst);
    sealed(&test, &key, "text");
}

/// A key suspended while the log loses what it is given.
fn suspended_without_a_record(test: &TestEngine) -> (usize, Vec<u8>) {
    let key = test.create_key();
    let ciphertext = sealed(test, &key, "text");
    let from = test.records().len();
    test.log.loses_appends.store(true, Ordering::SeqCst);
    let unanswered = edit(test, &key, Edit::Suspend);
    assert!(matches!(unanswered, Err(EngineError::Unavailable(Unavailable::Log { .. }))));
    assert_eq!(test.records().len(), from);
    (from, ciphertext)
}

#[test]
fn a_record_lost_between_commit_and_log_is_written_before_anything_else_is_answered() {
    let test = TestEngine::new();
    let (from, ciphertext) = suspended_without_a_record(&test);
    let other = test.run(&test.root(), decrypt(&ciphertext, &[]));
    assert!(other.is_err(), "the log still fails");
    test.log.loses_appends.store(false, Ordering::SeqCst);
    let refused = opened(&test, &ciphertext);
    assert!(matches!(refused, Err(EngineError::StateForbids { .. })), "the change counts");
    let told = told(&test, from);
    assert!(told.contains(&Told::done(Action::DisableKey)), "{told:?}");
    let another = test.create_key();
    sealed(&test, &another, "text");
    assert_eq!(told_count(&test, from, Action::DisableKey), 1);
}

fn told_count(test: &TestEngine, from: usize, action: Action) -> usize {
    told(test, from).iter().filter(|told| **told == Told::done(action)).count()
}

#[test]
fn a_record_lost_between_commit_and_log_is_written_at_the_next_start() {
    let test = TestEngine::new();
    let (from, _) = suspended_without_a_record(&test);
    let test = test.restarted();
    assert_eq!(told_count(&test, from, Action::DisableKey), 1);
    let test = test.restarted();
    assert_eq!(told_count(&test, from, Action::DisableKey), 1, "and not again");
}

#[test]
fn the_log_is_not_read_from_the_last_change_when_much_was_used_since() {
    let test = TestEngine::new();
    let key = test.create_key();
    test.tick();
    for _ in 0..10 {
        let one = || (call(&test.root()), encrypt(by_name(&key), "text", &[]));
        let done = test.engine.perform_each_blocking((0..500).map(|_| one()).collect(), Mode::Run);
        assert!(done.iter().all(Result::is_ok));
    }
    test.clock.pass(Duration::from_secs(60));
    test.tick();
    assert!(test.engine.log_needed_from().unwrap().0 >= 5_000);
    let _ = test.restarted();
}

#[test]
fn no_record_is_written_twice_over_restarts() {
    let mut test = TestEngine::new();
    for round in 0..3 {
        let key = test.create_key();
        test.run(&test.root(), CreateName { name: test.alias(&format!("name-{round}")), key: by_name(&key) }).unwrap();
        test = test.restarted();
    }
    let records = test.records();
    let ids: HashSet<_> = records.iter().map(strongroom_audit::record::SealedRecord::id).collect();
    assert_eq!(ids.len(), records.len());
}

#[test]
fn the_outbox_empties_itself() {
    let test = TestEngine::new();
    for _ in 0..5 {
        let _ = test.create_key();
    }
    test.tick();
    let left = test.store.snapshot().unwrap().scan(Table::Outbox, &[], None, 10).unwrap();
    assert!(left.is_empty(), "{} rows", left.len());
}

/// Holds a worker until it is let go, and counts that it does.
struct Hold(Arc<(Mutex<()>, AtomicUsize)>);

impl Operation for Hold {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(Vec::new())
    }

    fn run(&self, _: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        drop(self.0.0.lock());
        Ok(Outcome::Answer(()))
    }
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), EngineError>> + 'a>>;

/// Requests of [`Hold`], polled once each, of which the first take every worker.
fn hold<'a>(test: &'a TestEngine, gate: &Arc<(Mutex<()>, AtomicUsize)>, more: usize) -> Vec<Waiting<'a>> {
    let start = || -> Waiting<'a> {
        let mut waiting: Waiting<'a> =
            Box::pin(test.engine.perform(call(&test.root()), Hold(Arc::clone(gate)), Mode::Run));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        waiting
    };
    let mut held: Vec<_> = (0..limits::WORKERS).map(|_| start()).collect();
    while gate.1.load(Ordering::SeqCst) < limits::WORKERS {
        std::thread::yield_now();
    }
    held.extend((0..more).map(|_| start()));
    held
}

#[test]
fn a_request_dropped_while_it_waits_is_recorded_as_abandoned_and_changes_nothing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let from = test.records().len();
    let gate: Arc<(Mutex<()>, AtomicUsize)> = Arc::default();
    let closed = gate.0.lock().unwrap();
    let held = hold(&test, &gate, 0);
    {
        let suspend = EditKey { key: by_name(&key), edit: Edit::Suspend };
        let mut waiting = pin!(test.engine.perform(call(&test.root()), suspend, Mode::Run));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(closed);
    held.into_iter().for_each(|waiting| block_on(waiting).unwrap());
    let abandoned = || told(&test, from).into_iter().filter(|told| told.outcome == 1000).collect::<Vec<_>>();
    eventually("it is recorded", || !abandoned().is_empty());
    assert_eq!(abandoned(), [Told::failed(Action::DisableKey, 1000)]);
    sealed(&test, &key, "text");
}

#[test]
fn a_request_refused_for_want_of_a_worker_is_recorded() {
    let test = TestEngine::new();
    let key = test.create_key();
    let from = test.records().len();
    let gate: Arc<(Mutex<()>, AtomicUsize)> = Arc::default();
    let closed = gate.0.lock().unwrap();
    let held = hold(&test, &gate, limits::WORKER_QUEUE);
    let refused = edit(&test, &key, Edit::Suspend);
    assert!(matches!(refused, Err(EngineError::Unavailable(Unavailable::Busy))), "{refused:?}");
    assert_eq!(told(&test, from), [Told::failed(Action::DisableKey, 21)]);
    drop(closed);
    held.into_iter().for_each(|waiting| block_on(waiting).unwrap());
}
