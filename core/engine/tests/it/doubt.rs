//! Changes that the store does not tell the end of, and that may happen long after their callers were answered.

use std::collections::HashMap;
use std::sync::Arc;

use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::name::CreateName;
use strongroom_engine::operations::principal::SuspendPrincipal;
use strongroom_engine::{Engine, EngineError, KeyEntry, Mode, Operation, Parts, Unavailable, limits};
use strongroom_model::caller::Caller;
use strongroom_model::store::StoreError;
use strongroom_testkit::engine::{TestDialect, TestEngine, allow, by_name, call, operator, options};
use strongroom_testkit::late_store::LateStore;

use crate::tools::encrypt;

/// Another engine over the test's store, which does not tell it everything.
pub(crate) fn over_late_store(test: &TestEngine) -> (Arc<Engine>, Arc<LateStore>) {
    let parts = test.parts();
    let store = Arc::new(LateStore::new(Arc::clone(&parts.store)));
    let parts = Parts { store: Arc::<LateStore>::clone(&store), ..parts };
    (Engine::start(parts, &options()).unwrap(), store)
}

fn run<O: Operation>(engine: &Engine, caller: &Arc<Caller>, operation: O) -> Result<O::Output, EngineError> {
    engine.perform_blocking(call(caller), operation, Mode::Run)
}

fn use_of(engine: &Engine, caller: &Arc<Caller>, key: &KeyEntry) -> Result<(), EngineError> {
    run(engine, caller, encrypt(by_name(key), "text", &[])).map(|_| ())
}

fn suspend(key: &KeyEntry) -> EditKey {
    EditKey { key: by_name(key), edit: Edit::Suspend }
}

fn doubtful(engine: &Engine) -> u64 {
    let mut measures = HashMap::new();
    engine.measure(&mut |name, value| {
        measures.insert(name.to_owned(), value);
    });
    measures["doubtful_commits"]
}

#[track_caller]
fn is_in_doubt<T>(answer: Result<T, EngineError>) {
    let refused = answer.err();
    let doubt = matches!(refused, Some(EngineError::Unavailable(Unavailable::Store(StoreError::Unavailable { .. }))));
    assert!(doubt, "{refused:?}");
}

/// How many records tell that the key came to be suspended.
fn suspensions(test: &TestEngine, key: &KeyEntry) -> usize {
    let told = format!("key {} suspended", key.row.id);
    let tells = |record: &strongroom_audit::record::SealedRecord| {
        record.record().unwrap().changes.iter().any(|change| change.as_full() == Some(&*told))
    };
    test.records().iter().filter(|record| tells(record)).count()
}

#[test]
fn a_suspension_that_happens_after_its_caller_was_told_of_no_end_holds_from_that_moment() {
    let test = TestEngine::new();
    let [key, other] = [test.create_key(), test.create_key()];
    let (engine, store) = over_late_store(&test);
    use_of(&engine, &test.root(), &key).unwrap();
    use_of(&engine, &test.root(), &other).unwrap();
    store.hold();
    is_in_doubt(run(&engine, &test.root(), suspend(&key)));
    // It has not happened yet, and what is read now must not be kept.
    use_of(&engine, &test.root(), &key).unwrap();
    let landed = store.land();
    assert!(matches!(&landed[..], [Ok(_)]), "{landed:?}");
    let refused = use_of(&engine, &test.root(), &key);
    assert!(matches!(refused, Err(EngineError::StateForbids { .. })), "{refused:?}");
    use_of(&engine, &test.root(), &other).unwrap();
    assert_eq!((doubtful(&engine), suspensions(&test, &key)), (1, 0));
    store.release();
    engine.tick(&TestDialect).unwrap();
    let refused = use_of(&engine, &test.root(), &key);
    assert!(matches!(refused, Err(EngineError::StateForbids { .. })), "{refused:?}");
    assert_eq!((doubtful(&engine), suspensions(&test, &key)), (0, 1));
}

#[test]
fn a_change_that_never_happened_leaves_nothing_behind() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (engine, store) = over_late_store(&test);
    store.hold();
    is_in_doubt(run(&engine, &test.root(), suspend(&key)));
    assert!(engine.tick(&TestDialect).is_err());
    assert_eq!(doubtful(&engine), 1);
    store.lose();
    engine.tick(&TestDialect).unwrap();
    use_of(&engine, &test.root(), &key).unwrap();
    assert_eq!((doubtful(&engine), suspensions(&test, &key)), (0, 0));
    run(&engine, &test.root(), suspend(&key)).unwrap();
    assert_eq!(suspensions(&test, &key), 1);
    drop((engine, store));
    let test = test.restarted();
    assert_eq!(suspensions(&test, &key), 1);
}

#[test]
fn the_next_change_that_is_answered_ends_the_doubt() {
    let test = TestEngine::new();
    let [key, other] = [test.create_key(), test.create_key()];
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    let (engine, store) = over_late_store(&test);
    use_of(&engine, &anna, &key).unwrap();
    store.hold();
    let suspension = SuspendPrincipal { tenant: test.tenant.id, name: "anna".to_owned(), suspended: true };
    is_in_doubt(run(&engine, &operator(), suspension));
    is_in_doubt(run(&engine, &test.root(), suspend(&key)));
    store.release();
    let name = test.alias("other");
    run(&engine, &test.root(), CreateName { name, key: by_name(&other) }).unwrap();
    assert_eq!(doubtful(&engine), 0);
    assert!(use_of(&engine, &anna, &other).is_err());
    assert!(use_of(&engine, &test.root(), &key).is_err());
    assert_eq!(suspensions(&test, &key), 1);
}

#[test]
fn with_many_changes_in_doubt_no_other_is_begun() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (engine, store) = over_late_store(&test);
    store.hold();
    for number in 0..limits::DOUBTFUL_COMMITS {
        let name = test.alias(&number.to_string());
        is_in_doubt(run(&engine, &test.root(), CreateName { name, key: by_name(&key) }));
    }
    let refused = run(&engine, &test.root(), suspend(&key));
    assert!(matches!(refused, Err(EngineError::Unavailable(Unavailable::Busy | Unavailable::Store(StoreError::Busy)))));
    // The first came first; the others find the key changed.
    store.release();
    engine.tick(&TestDialect).unwrap();
    assert_eq!(doubtful(&engine), 0);
    run(&engine, &test.root(), suspend(&key)).unwrap();
}
