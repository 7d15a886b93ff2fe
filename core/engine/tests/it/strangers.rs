//! What is done for callers who are not proved yet: bounded, apart from everybody's work, and never hiding a credential.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use strongroom_engine::operations::credential::{ChangeCredential, CreateCredential, Fate};
use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::{Engine, EngineError, Mode, Noun, Unavailable, limits};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, CredentialRef};
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_model::store::Table;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{TestEngine, block_on, by_name, call, operator};

use crate::gate::{GatedStore, Point};
use crate::tools::encrypt;

const SHOWN: &str = "AKIASTRANGER";

fn create(test: &TestEngine, shown: &str, expires: Option<Timestamp>) -> CreateCredential {
    CreateCredential {
        tenant: test.tenant.id,
        principal: None,
        shown: shown.to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
        expires,
    }
}

fn is_unknown<T>(found: &Result<T, EngineError>) -> bool {
    matches!(found, Err(EngineError::NotFound(Noun::Credential(_))))
}

fn identify(engine: &Arc<Engine>, shown: &str) -> Result<(), EngineError> {
    block_on(engine.identify(shown)).map(|_| ())
}

#[test]
fn an_unknown_credential_is_not_looked_up_again_for_a_moment() {
    let test = TestEngine::new();
    let (engine, _) = GatedStore::engine(&test);
    assert!(is_unknown(&identify(&engine, SHOWN)));
    // Made behind this engine's back, so that only the store knows it.
    test.run(&operator(), create(&test, SHOWN, None)).unwrap();
    assert!(is_unknown(&identify(&engine, SHOWN)));
    test.clock.pass(limits::UNKNOWN_TIME);
    identify(&engine, SHOWN).unwrap();
}

#[test]
fn a_credential_that_was_just_made_is_known_at_once() {
    let test = TestEngine::new();
    assert!(is_unknown(&identify(&test.engine, SHOWN)));
    test.run(&operator(), create(&test, SHOWN, None)).unwrap();
    identify(&test.engine, SHOWN).unwrap();
}

#[test]
fn a_credential_that_was_made_while_it_was_being_looked_up_is_known_at_once() {
    let test = TestEngine::new();
    let (engine, store) = GatedStore::engine(&test);
    let gate = store.hold(Point::Read(Table::Credential));
    thread::scope(|scope| {
        let looking = scope.spawn(|| identify(&engine, SHOWN));
        gate.reached();
        engine.perform_blocking(call(&operator()), create(&test, SHOWN, None), Mode::Run).unwrap();
        gate.open();
        assert!(is_unknown(&looking.join().unwrap()), "it reads the store as it was");
    });
    identify(&engine, SHOWN).unwrap();
}

#[test]
fn strangers_who_wait_for_the_store_hold_up_nobody_else_and_are_refused_beyond_their_number() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (engine, store) = GatedStore::engine(&test);
    let held = store.hold_credentials();
    let mut waiting: Vec<_> = (0..limits::LOOKUP_WORKERS + limits::LOOKUP_QUEUE)
        .map(|number| {
            let engine = Arc::clone(&engine);
            Box::pin(async move { engine.identify(&format!("AKIA{number}")).await.map(|_| ()) })
        })
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    for (number, lookup) in waiting.iter_mut().enumerate() {
        assert!(lookup.as_mut().poll(&mut context).is_pending());
        if number < limits::LOOKUP_WORKERS {
            store.wait_for_readers(number + 1);
        }
    }
    let polled = pin!(engine.identify(SHOWN)).poll(&mut context);
    assert!(matches!(polled, Poll::Ready(Err(EngineError::Unavailable(Unavailable::Busy)))));
    // Nothing of the key is cached, so that this needs a worker and the store.
    block_on(engine.perform(call(&test.root()), encrypt(by_name(&key), "text", &[]), Mode::Run)).unwrap();
    drop(held);
    assert!(waiting.into_iter().all(|lookup| is_unknown(&block_on(lookup))));
}

/// The root, proved by a credential that lapses in a minute.
fn lapsing(test: &TestEngine) -> Arc<Caller> {
    let expires = Some(test.clock.now().after(Duration::from_secs(60)));
    let row = test.run(&operator(), create(test, SHOWN, expires)).unwrap();
    let credential = Some(CredentialRef { id: row.id, shown: SHOWN.into(), expires });
    Arc::new(Caller { credential, ..(*test.root()).clone() })
}

/// What becomes of a request of `caller` while which `meanwhile` happens.
fn overtaken(test: &TestEngine, caller: &Arc<Caller>, meanwhile: impl FnOnce(&Engine)) -> Result<(), EngineError> {
    let key = test.create_key();
    let (engine, store) = GatedStore::engine(test);
    let gate = store.hold(Point::Read(Table::KeyVersion));
    let inspect = InspectKey { key: by_name(&key), action: Action::DescribeKey };
    thread::scope(|scope| {
        let held = scope.spawn(|| engine.perform_blocking(call(caller), inspect, Mode::Run).map(|_| ()));
        gate.reached();
        meanwhile(&engine);
        gate.open();
        held.join().unwrap()
    })
}

#[test]
fn a_credential_that_lapses_while_its_request_waits_gets_nothing() {
    let test = TestEngine::new();
    let caller = lapsing(&test);
    let in_time = overtaken(&test, &caller, |_| test.clock.pass(Duration::from_secs(59)));
    in_time.unwrap();
    let late = overtaken(&test, &caller, |_| test.clock.pass(Duration::from_secs(1)));
    assert!(is_unknown(&late), "{late:?}");
}

#[test]
fn a_credential_that_is_suspended_or_replaced_while_its_request_waits_gets_nothing() {
    let test = TestEngine::new();
    let caller = lapsing(&test);
    let change = |engine: &Engine, fate| {
        let change = ChangeCredential { tenant: test.tenant.id, shown: SHOWN.to_owned(), fate };
        engine.perform_blocking(call(&operator()), change, Mode::Run).unwrap();
    };
    let suspended = overtaken(&test, &caller, |engine| change(engine, Fate::Suspended));
    assert!(is_unknown(&suspended), "{suspended:?}");
    let replaced = overtaken(&test, &caller, |engine| {
        change(engine, Fate::Deleted);
        engine.perform_blocking(call(&operator()), create(&test, SHOWN, None), Mode::Run).unwrap();
    });
    assert!(is_unknown(&replaced), "{replaced:?}");
}
