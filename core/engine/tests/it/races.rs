//! Races that are made to happen: what a change has taken away while another request was under way.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use strongroom_engine::operations::credential::{CreateCredential, ListCredentials};
use strongroom_engine::operations::grant::{CreateGrant, EndGrant, ListGrants};
use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::name::{CreateName, DeleteName, MoveName};
use strongroom_engine::operations::principal::{FindPrincipal, PutIdentityPolicy, SuspendPrincipal};
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_engine::{Engine, EngineError, KeyEntry, KeyReference, Mode, Operation, Quota, Quotas, limits};
use strongroom_model::action::Action;
use strongroom_model::caller::Caller;
use strongroom_model::store::Table;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{TestDialect, TestEngine, allow, by_name, call, key_policy, operator};

use crate::gate::{GatedStore, Point};
use crate::tools::{decrypt, edit, encrypt, sealed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn run<O: Operation>(engine: &Engine, caller: &Arc<Caller>, operation: O) -> Result<O::Output, EngineError> {
    engine.perform_blocking(call(caller), operation, Mode::Run)
}

/// Runs `first`, holds it at `point`, runs `second` on the same engine until it has ended or has committed, lets the first
/// go on, and returns what came of both.
pub(crate) fn overtaken<A: Send, B: Send>(
    test: &TestEngine,
    point: Point,
    first: impl FnOnce(&Engine) -> A + Send,
    second: impl FnOnce(&Engine) -> B + Send,
) -> (A, B, Arc<Engine>) {
    let (engine, store) = GatedStore::engine(test);
    let gate = store.hold(point);
    let (first, second) = thread::scope(|scope| {
        let held = scope.spawn(|| first(&engine));
        gate.reached();
        let landed = store.landed();
        let second = scope.spawn(|| second(&engine));
        // Before it is answered it may wait for a change that is being committed to end.
        let commits = matches!(point, Point::Commit(_));
        while !(second.is_finished() || commits && store.landed() > landed) {
            thread::yield_now();
        }
        gate.open();
        (held.join().unwrap(), second.join().unwrap())
    });
    (first, second, engine)
}

fn inspect(key: KeyReference) -> InspectKey {
    InspectKey { key, action: Action::DescribeKey }
}

#[test]
fn a_key_that_was_being_loaded_when_its_tenant_was_suspended_is_not_used() {
    let test = TestEngine::new();
    let key = test.create_key();
    // Someone of another tenant's, whom only the key's own tenant can stop.
    let other = Arc::new(Caller { tenant: other_tenant(&test), ..(*test.root()).clone() });
    let open = || encrypt(by_name(&key), "text", &[]);
    let suspend = SuspendTenant { tenant: test.tenant.id, suspended: true };
    let (first, second, engine) = overtaken(
        &test,
        Point::Read(Table::BindingByKey),
        |engine| run(engine, &other, open()).map(|_| ()),
        |engine| run(engine, &operator(), suspend),
    );
    second.unwrap();
    assert!(matches!(first, Err(EngineError::TenantSuspended)), "{first:?}");
    let later = run(&engine, &other, open()).map(|_| ());
    assert!(matches!(later, Err(EngineError::TenantSuspended)), "{later:?}");
}

fn other_tenant(test: &TestEngine) -> strongroom_model::id::TenantId {
    let create = strongroom_engine::operations::tenant::CreateTenant {
        account: "444455556666".to_owned(),
        name: "second".to_owned(),
        root_name: "arn:aws:iam::444455556666:root".to_owned(),
    };
    test.run(&operator(), create).unwrap().id
}

#[test]
fn of_two_policies_put_at_the_same_time_beyond_the_limit_one_is_refused() {
    let test = TestEngine::new();
    let _ = test.user("anna", None);
    let put = |name: String| PutIdentityPolicy {
        tenant: test.tenant.id,
        principal: "anna".to_owned(),
        name,
        document: Some(allow(None, &["test:*"])),
    };
    for number in 1..limits::POLICIES_PER_PRINCIPAL {
        test.run(&operator(), put(format!("policy-{number}"))).unwrap();
    }
    let (first, second, _) = overtaken(
        &test,
        Point::Commit(Table::IdentityPolicy),
        |engine| run(engine, &operator(), put("one".to_owned())),
        |engine| run(engine, &operator(), put("two".to_owned())),
    );
    second.unwrap();
    assert!(matches!(first, Err(EngineError::LimitExceeded(_))), "{first:?}");
    let find = FindPrincipal { tenant: test.tenant.id, name: "anna".to_owned() };
    assert_eq!(test.run(&operator(), find).unwrap().1.len(), limits::POLICIES_PER_PRINCIPAL);
}

#[test]
fn of_two_credentials_made_at_the_same_time_beyond_the_limit_one_is_refused() {
    let test = TestEngine::new();
    let _ = test.user("anna", None);
    for principal in [Some("anna".to_owned()), None] {
        let create = |shown: String| CreateCredential {
            tenant: test.tenant.id,
            principal: principal.clone(),
            shown,
            secret: SecretBytes::copy_from(b"secret"),
            expires: None,
        };
        let who = principal.clone().unwrap_or_default();
        for number in 1..limits::CREDENTIALS_PER_PRINCIPAL {
            test.run(&operator(), create(format!("{who}{number}"))).unwrap();
        }
        let (first, second, _) = overtaken(
            &test,
            Point::Commit(Table::Credential),
            |engine| run(engine, &operator(), create(format!("{who}one"))).map(|_| ()),
            |engine| run(engine, &operator(), create(format!("{who}two"))).map(|_| ()),
        );
        second.unwrap();
        assert!(matches!(first, Err(EngineError::LimitExceeded(_))), "{first:?}");
        let list = ListCredentials { tenant: test.tenant.id, principal };
        assert_eq!(test.run(&operator(), list).unwrap().len(), limits::CREDENTIALS_PER_PRINCIPAL);
    }
}

/// Two keys, a name of the first, and another engine that knows the name so.
fn known_name(test: &TestEngine) -> ([Arc<KeyEntry>; 2], Arc<Engine>) {
    let keys = [test.create_key(), test.create_key()];
    let name = test.alias("payroll");
    test.run(&test.root(), CreateName { name: name.clone(), key: by_name(&keys[0]) }).unwrap();
    let (engine, _) = GatedStore::engine(test);
    run(&engine, &test.root(), inspect(KeyReference::Name(name))).unwrap();
    (keys, engine)
}

#[test]
fn a_name_is_removed_and_moved_only_by_whoever_may_change_the_key_that_it_leads_to_now() {
    let test = TestEngine::new();
    let (keys, engine) = known_name(&test);
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    // The second key is the root's alone.
    let closed = key_policy().replace(
        r#""Statement":["#,
        &format!(
            r#""Statement":[{{"Effect":"Deny","Principal":{{"AWS":"{}"}},"Action":"test:*","Resource":"*"}},"#,
            anna.policy_name
        ),
    );
    edit(&test, &keys[1], Edit::ReplacePolicy { document: closed, bypass_lockout: false }).unwrap();
    let name = test.alias("payroll");
    test.run(&test.root(), MoveName { name: name.clone(), key: by_name(&keys[1]) }).unwrap();
    let refused = run(&engine, &anna, DeleteName { name: name.clone() });
    assert!(matches!(refused, Err(EngineError::Denied(_))), "{refused:?}");
    let (keys, engine) = (keys, GatedStore::engine(&test).0);
    test.run(&test.root(), MoveName { name: name.clone(), key: by_name(&keys[0]) }).unwrap();
    run(&engine, &test.root(), inspect(KeyReference::Name(name.clone()))).unwrap();
    test.run(&test.root(), MoveName { name: name.clone(), key: by_name(&keys[1]) }).unwrap();
    let refused = run(&engine, &anna, MoveName { name: name.clone(), key: by_name(&keys[0]) });
    assert!(matches!(refused, Err(EngineError::Denied(_))), "{refused:?}");
    let leads = test.run(&test.root(), inspect(KeyReference::Name(name))).unwrap();
    assert_eq!(leads.row.id, keys[1].row.id);
}

#[test]
fn a_name_that_was_moved_away_survives_the_destruction_of_the_key_that_it_led_to() {
    let test = TestEngine::new();
    let (keys, engine) = known_name(&test);
    test.tick();
    engine.tick(&TestDialect).unwrap();
    run(&engine, &test.root(), EditKey { key: by_name(&keys[0]), edit: Edit::ScheduleDestruction { days: 7 } })
        .unwrap();
    run(&engine, &test.root(), inspect(by_name(&keys[0]))).unwrap();
    let name = test.alias("payroll");
    let (fresh, _) = GatedStore::engine(&test);
    run(&fresh, &test.root(), MoveName { name: name.clone(), key: by_name(&keys[1]) }).unwrap();
    test.clock.pass(DAY * 7);
    assert_eq!(engine.tick(&TestDialect).unwrap().destroyed, 1);
    let (fresh, _) = GatedStore::engine(&test);
    let leads = run(&fresh, &test.root(), inspect(KeyReference::Name(name))).unwrap();
    assert_eq!(leads.row.id, keys[1].row.id);
}

#[test]
fn a_principal_or_policy_that_was_revoked_while_its_request_ran_gets_nothing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let [anna, berta] = ["anna", "berta"].map(|name| test.user(name, Some(&allow(None, &["test:*"]))));
    let suspend = SuspendPrincipal { tenant: test.tenant.id, name: "anna".to_owned(), suspended: true };
    let (first, second, _) = overtaken(
        &test,
        Point::Read(Table::DomainKey),
        |engine| run(engine, &anna, decrypt(&ciphertext, &[])).map(|_| ()),
        |engine| run(engine, &operator(), suspend).map(|_| ()),
    );
    second.unwrap();
    assert!(matches!(first, Err(EngineError::PrincipalSuspended)), "{first:?}");
    let unattach = PutIdentityPolicy {
        tenant: test.tenant.id,
        principal: "berta".to_owned(),
        name: "policy".to_owned(),
        document: None,
    };
    let (first, second, _) = overtaken(
        &test,
        Point::Read(Table::DomainKey),
        |engine| run(engine, &berta, decrypt(&ciphertext, &[])).map(|_| ()),
        |engine| run(engine, &operator(), unattach),
    );
    second.unwrap();
    assert!(matches!(first, Err(EngineError::Denied(_))), "{first:?}");
}

fn grant(key: &KeyEntry, to: &Caller, actions: &[Action], name: Option<&str>) -> CreateGrant {
    CreateGrant {
        key: by_name(key),
        grantee: to.policy_name.to_string(),
        retiring: None,
        actions: actions.to_vec(),
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: name.map(str::to_owned),
    }
}

fn grants(test: &TestEngine, key: &KeyEntry) -> usize {
    let (fresh, _) = GatedStore::engine(test);
    let list = ListGrants { key: by_name(key), id: None, grantee: None, after: None, limit: 100 };
    run(&fresh, &test.root(), list).unwrap().1.items.len()
}

#[test]
fn the_same_named_grant_made_at_the_same_time_is_one_grant() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", None);
    let same = || grant(&key, &anna, &[Action::Decrypt], Some("backup"));
    let (first, second, _) = overtaken(
        &test,
        Point::Commit(Table::Grant),
        |engine| run(engine, &test.root(), same()).unwrap().id,
        |engine| run(engine, &test.root(), same()).unwrap().id,
    );
    assert_eq!((first, grants(&test, &key)), (second, 1));
}

#[test]
fn of_two_grants_or_names_for_the_last_place_of_a_key_at_the_same_time_one_is_refused() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", None);
    let place_for_one = Quotas { names_per_key: 1, grants_per_key: 1, ..Quotas::default() };
    let (first, second, _) = overtaken(
        &test,
        Point::Commit(Table::Grant),
        |engine| {
            engine.limit_quotas(place_for_one.clone());
            run(engine, &test.root(), grant(&key, &anna, &[Action::Decrypt], None)).map(|_| ())
        },
        |engine| run(engine, &test.root(), grant(&key, &anna, &[Action::Encrypt], None)).map(|_| ()),
    );
    second.unwrap();
    assert!(matches!(first, Err(EngineError::LimitExceeded(Quota::Grants { most: 1, has: 1 }))), "{first:?}");
    assert_eq!(grants(&test, &key), 1);
    let name = |text: &str| CreateName { name: test.alias(text), key: by_name(&key) };
    let (first, second, _) = overtaken(
        &test,
        Point::Commit(Table::Binding),
        |engine| {
            engine.limit_quotas(place_for_one.clone());
            run(engine, &test.root(), name("one"))
        },
        |engine| run(engine, &test.root(), name("two")),
    );
    second.unwrap();
    assert!(matches!(first, Err(EngineError::LimitExceeded(Quota::Names { most: 1, has: 1 }))), "{first:?}");
}

#[test]
fn a_grant_that_was_revoked_passes_nothing_on() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (anna, berta) = (test.user("anna", None), test.user("berta", None));
    let parent = grant(&key, &anna, &[Action::CreateGrant, Action::Decrypt], None);
    let parent = test.run(&test.root(), parent).unwrap().id;
    let (first, second, _) = overtaken(
        &test,
        Point::Commit(Table::Grant),
        |engine| run(engine, &anna, grant(&key, &berta, &[Action::Decrypt], None)).map(|_| ()),
        |_| test.run(&test.root(), EndGrant { key: by_name(&key), id: parent, retire: false }).map(|_| ()),
    );
    second.unwrap();
    assert!(matches!(first, Err(EngineError::Denied(_))), "{first:?}");
    assert_eq!(grants(&test, &key), 0);
}

#[test]
fn a_change_that_was_permitted_before_a_suspension_is_not_committed_after_that_was_answered() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    let describe = |text: &str| EditKey { key: by_name(&key), edit: Edit::Describe(text.to_owned()) };
    let suspend = SuspendPrincipal { tenant: test.tenant.id, name: "anna".to_owned(), suspended: true };
    let (engine, store) = GatedStore::engine(&test);
    let gate = store.hold(Point::Commit(Table::Key));
    thread::scope(|scope| {
        let change = scope.spawn(|| run(&engine, &anna, describe("by anna")).map(|_| ()));
        gate.reached();
        let (answer, answered) = mpsc::channel();
        let suspended = scope.spawn({
            let engine = Arc::clone(&engine);
            move || answer.send(run(&engine, &operator(), suspend).map(|_| ())).unwrap()
        });
        // The change is permitted and about to be committed: until it has ended there is no answer.
        assert!(answered.recv_timeout(Duration::from_millis(500)).is_err());
        gate.open();
        answered.recv().unwrap().unwrap();
        suspended.join().unwrap();
        change.join().unwrap().unwrap();
    });
    let later = run(&engine, &anna, describe("later")).map(|_| ());
    assert!(matches!(later, Err(EngineError::PrincipalSuspended)), "{later:?}");
    let found = run(&engine, &test.root(), inspect(by_name(&key))).unwrap();
    assert_eq!(found.row.description, "by anna");
}
