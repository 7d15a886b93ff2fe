//! Requests on keys inside a key store for which no thread waits: what holds of them while the token works, and after.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use strongroom_audit::record::Outcome;
use strongroom_engine::operations::data_key::GenerateDataKey;
use strongroom_engine::operations::detached::{SealDetached, SealedDetached};
use strongroom_engine::operations::encrypt::ReEncrypt;
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::name::{CreateName, DeleteName, MoveName};
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_engine::{EngineError, KeyEntry, KeyReference, Mode, NoAttributes, Quota, Unavailable};
use strongroom_model::action::Action;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::spec::KeySpec;
use strongroom_model::store::{Batch, Store as _, Table};
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{block_on, by_name, call, operator};

use crate::resident::{Rig, eventually, open};
use crate::tools::{Told, decrypt, edit, opened, sealed, told};

/// The token works until it is let go: whatever a test does meanwhile, it does before the answer.
const HELD: &str = "C_Encrypt * hold";

type Request = Pin<Box<dyn Future<Output = Result<SealedDetached, EngineError>> + Send>>;

fn aes(rig: &Rig) -> Arc<KeyEntry> {
    let key = rig.create(KeySpec::Aes256, Usage::DerivedAead);
    // What is reserved for its uses is there, and it is cached.
    rig.seal(&key).unwrap();
    key
}

fn seal(key: &KeyEntry, text: &str) -> SealDetached {
    let (plaintext, associated) = (SecretBytes::copy_from(text.as_bytes()), Some(b"data".to_vec()));
    SealDetached { key: by_name(key), plaintext, associated, integrity: false }
}

/// The request, with its use begun.
fn begun(rig: &Rig, operation: SealDetached) -> Request {
    let (engine, call) = (Arc::clone(&rig.test.engine), call(&rig.test.root()));
    let mut request = Box::pin(async move { engine.perform(call, operation, Mode::Run).await });
    assert!(pin!(&mut request).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    request
}

/// The request, with the token at work on it until it is let go.
fn held(rig: &Rig, operation: SealDetached) -> Request {
    rig.faults.set(HELD).unwrap();
    let mut request = begun(rig, operation);
    eventually("the token is at it", || {
        assert!(pin!(&mut request).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        rig.faults.has_held()
    });
    request
}

#[test]
fn a_request_that_vanishes_while_the_token_works_is_recorded_as_what_it_came_to() {
    let rig = Rig::new();
    let key = aes(&rig);
    let before = rig.test.records().len();
    drop(held(&rig, seal(&key, "text")));
    assert_eq!(told(&rig.test, before), [], "the token has not answered yet");
    rig.faults.set("").unwrap();
    eventually("it is recorded", || rig.test.records().len() > before);
    assert_eq!(told(&rig.test, before), [Told::done(Action::SealDetached)]);
    let records = rig.test.records();
    let record = records.last().unwrap().record().unwrap();
    assert_eq!(record.demands[0].material, Some(key.current().unwrap().material));
}

#[test]
fn a_key_that_is_disabled_while_the_token_works_releases_nothing_and_the_record_names_what_was_used() {
    let rig = Rig::new();
    let key = aes(&rig);
    let request = held(&rig, seal(&key, "text"));
    edit(&rig.test, &key, Edit::Suspend).unwrap();
    rig.faults.set("").unwrap();
    let refused = block_on(request).err();
    assert!(matches!(refused, Some(EngineError::StateForbids { .. })), "{refused:?}");
    let records = rig.test.records();
    let record = records.last().unwrap().record().unwrap();
    assert!(matches!(record.outcome, Outcome::Failed { engine: 4, .. }), "{:?}", record.outcome);
    assert_eq!(record.demands[0].material, Some(key.current().unwrap().material));
}

#[test]
fn a_tenant_that_is_suspended_while_the_token_works_is_told_nothing_and_the_record_names_what_was_used() {
    let rig = Rig::new();
    let key = aes(&rig);
    let request = held(&rig, seal(&key, "text"));
    let suspend = SuspendTenant { tenant: rig.test.tenant.id, suspended: true };
    rig.test.run(&operator(), suspend).unwrap();
    rig.faults.set("").unwrap();
    let refused = block_on(request).err();
    assert!(matches!(refused, Some(EngineError::TenantSuspended)), "{refused:?}");
    let records = rig.test.records();
    let record = records.last().unwrap().record().unwrap();
    assert!(matches!(record.outcome, Outcome::Failed { engine: 5, .. }), "{:?}", record.outcome);
    assert_eq!((record.action, record.demands.len()), (Action::SealDetached, 1));
    assert_eq!(record.demands[0].key, Some(key.row.id));
    assert_eq!(record.demands[0].material, Some(key.current().unwrap().material));
}

#[test]
fn a_name_that_is_led_elsewhere_or_deleted_while_the_token_works_still_led_to_the_key_that_was_used() {
    let rig = Rig::new();
    let (one, two) = (aes(&rig), aes(&rig));
    let (test, root) = (&rig.test, rig.test.root());
    let name = test.alias("current");
    test.run(&root, CreateName { name: name.clone(), key: by_name(&one) }).unwrap();
    let by_alias = || SealDetached { key: KeyReference::Name(name.clone()), ..seal(&one, "text") };
    let move_it = || test.run(&root, MoveName { name: name.clone(), key: by_name(&two) }).map(drop);
    let delete_it = || test.run(&root, DeleteName { name: name.clone() }).map(drop);
    for (change, used) in [(&move_it as &dyn Fn() -> Result<(), EngineError>, &one), (&delete_it, &two)] {
        // Where the name leads now is cached.
        test.run(&root, by_alias()).unwrap();
        let request = held(&rig, by_alias());
        change().unwrap();
        rig.faults.set("").unwrap();
        let made = block_on(request).unwrap();
        let records = test.records();
        let record = records.last().unwrap().record().unwrap();
        assert_eq!(record.demands.len(), 1);
        assert_eq!(record.demands[0].key, Some(used.row.id));
        assert_eq!(record.demands[0].material, Some(used.current().unwrap().material));
        assert!(test.run(&root, open(used, &made)).unwrap().plaintext.equals(b"text"));
    }
}

#[test]
fn of_many_requests_at_once_each_gets_its_own_answer_and_is_recorded_once() {
    let rig = Rig::new();
    let key = aes(&rig);
    let before = rig.test.records().len();
    let (engine, root) = (&rig.test.engine, rig.test.root());
    let texts = (0..120).map(|number| format!("text {number}"));
    let requests = texts.map(|text| {
        let (engine, root, key) = (Arc::clone(engine), Arc::clone(&root), Arc::clone(&key));
        rig.runtime.spawn(async move {
            let seal = SealDetached { integrity: true, ..seal(&key, &text) };
            let made = engine.perform(call(&root), seal, Mode::Run).await.unwrap();
            let opened = engine.perform(call(&root), open(&key, &made), Mode::Run).await.unwrap();
            assert!(opened.plaintext.equals(text.as_bytes()), "{text}");
        })
    });
    let requests: Vec<_> = requests.collect();
    requests.into_iter().for_each(|request| rig.runtime.block_on(request).unwrap());
    let mut told = told(&rig.test, before);
    let sealings = told.extract_if(.., |told| *told == Told::done(Action::SealDetached)).count();
    assert_eq!((sealings, told.len()), (120, 120));
    assert!(told.iter().all(|told| *told == Told::done(Action::OpenDetached)));
}

#[test]
fn uses_one_after_the_other_in_one_request_are_each_asked_for_once() {
    let rig = Rig::new();
    let (test, root) = (&rig.test, rig.test.root());
    let (one, two) = (aes(&rig), aes(&rig));
    let request = ReEncrypt {
        source: decrypt(&sealed(test, &one, "text"), &[]),
        destination: by_name(&two),
        context: Vec::new().into(),
        algorithm: EncryptionAlgorithm::DerivedAes256Gcm,
        source_attributes: Arc::new(NoAttributes),
    };
    let moved = test.run(&root, request).unwrap();
    assert_eq!(opened(test, &moved.ciphertext).unwrap(), "text");
    let generate = GenerateDataKey { key: by_name(&one), bytes: 32, context: Vec::new().into(), in_the_clear: true };
    let made = test.run(&root, generate).unwrap();
    let clear = made.plaintext.unwrap();
    assert!(test.run(&root, decrypt(&made.ciphertext, &[])).unwrap().plaintext.equals(clear.expose()));
}

#[test]
fn a_module_that_crashes_with_requests_under_way_costs_none_of_them_and_no_use_counts_twice() {
    let rig = Rig::new();
    let key = rig.create(KeySpec::Aes256, Usage::DerivedAead);
    let mut batch = Batch::default();
    // All but nine of 2^31.
    let row = vec![1, 0xa1, 0, 0x1a, 0x7f, 0xff, 0xff, 0xf7];
    batch.put(Table::UseCounter, key.current().unwrap().material.as_bytes().to_vec(), row);
    rig.test.store.commit(batch).unwrap();
    rig.seal(&key).unwrap();
    rig.faults.set("C_Encrypt * crash once").unwrap();
    let requests: Vec<_> = (0..8).map(|number| begun(&rig, seal(&key, &number.to_string()))).collect();
    for (number, request) in requests.into_iter().enumerate() {
        let made = block_on(request).unwrap();
        let opened = rig.test.run(&rig.test.root(), open(&key, &made)).unwrap();
        assert!(opened.plaintext.equals(number.to_string().as_bytes()));
    }
    assert!(!rig.faults.in_force());
    assert!(matches!(rig.seal(&key), Err(EngineError::LimitExceeded(Quota::KeyUses))));
}

#[test]
fn a_hanging_token_is_told_of_at_the_deadline_beyond_the_queue_at_once_and_heals() {
    let within = Duration::from_secs(4);
    let rig = Rig::with(within, 4);
    let key = rig.create(KeySpec::Aes256, Usage::DerivedAead);
    eventually("it is warm", || rig.seal(&key).is_ok());
    rig.faults.set("C_Encrypt * hang").unwrap();
    let (before, began) = (rig.test.records().len(), Instant::now());
    let requests: Vec<_> = (0..4).map(|_| begun(&rig, seal(&key, "text"))).collect();
    for _ in 0..4 {
        let refused = rig.test.run(&rig.test.root(), seal(&key, "text")).err();
        assert!(matches!(refused, Some(EngineError::Unavailable(Unavailable::Busy))), "{refused:?}");
    }
    assert!(began.elapsed() < within, "refused at once: {:?}", began.elapsed());
    for request in requests {
        let late = block_on(request).err();
        assert!(matches!(late, Some(EngineError::Unavailable(Unavailable::Deadline(_)))), "{late:?}");
    }
    assert_eq!(rig.test.records().len() - before, 8, "each is recorded");
    rig.faults.set("").unwrap();
    eventually("it heals", || rig.seal(&key).is_ok());
    rig.begin();
    eventually("uses are begun again", || rig.seal(&key).is_ok());
}
