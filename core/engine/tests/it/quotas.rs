//! How much there may be: keys, names, grants; and that a listing of as many keys as there may be ends, having shown each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use strongroom_engine::operations::grant::CreateGrant;
use strongroom_engine::operations::inspect::{ListNames, Page};
use strongroom_engine::operations::key::{CreateKey, Edit};
use strongroom_engine::operations::lineage::ReplicateKey;
use strongroom_engine::operations::name::{CreateName, MoveName};
use strongroom_engine::{BindingRow, EngineError, KeyEntry, Quota, Quotas};
use strongroom_model::action::Action;
use strongroom_model::name::Name;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Batch, Store as _, Table};
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{KEY, REGION, TestEngine, by_name, key_policy};

use crate::tools::edit;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEYS: usize = 100_000;
const PAGE: usize = 1_000;

fn creation(test: &TestEngine, name: Name, multi_region: bool) -> CreateKey {
    CreateKey {
        tenant: test.tenant.id,
        name,
        spec: KeySpec::Aes256,
        usages: vec![Usage::DerivedAead],
        origin: Origin::Generated,
        multi_region,
        description: String::new(),
        policy: key_policy(),
        bypass_lockout: false,
        tags: Vec::new(),
    }
}

fn create(test: &TestEngine, multi_region: bool) -> Result<Arc<KeyEntry>, EngineError> {
    test.run(&test.root(), creation(test, test.key_name(), multi_region))
}

fn unconstrained(key: &KeyEntry) -> CreateGrant {
    CreateGrant {
        key: by_name(key),
        grantee: "arn:test:user/alice".to_owned(),
        retiring: None,
        actions: vec![Action::Encrypt],
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: None,
    }
}

/// The quota that a refusal names.
fn reached<T>(answer: Result<T, EngineError>) -> Option<Quota> {
    match answer {
        Ok(_) => None,
        Err(EngineError::LimitExceeded(quota)) => Some(quota),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_tenant_has_no_more_keys_in_a_region_than_it_may_and_one_that_is_destroyed_makes_room() {
    let test = TestEngine::new();
    let (first, _) = (create(&test, true).unwrap(), create(&test, false).unwrap());
    test.engine.limit_quotas(Quotas { keys: Some(3), ..Quotas::default() });
    let last = create(&test, false).unwrap();
    let full = Some(Quota::Keys { most: 3, has: 3 });
    assert_eq!(reached(create(&test, false)), full);
    let replicate = |text: &str, region: &str| ReplicateKey {
        key: by_name(&first),
        name: Name { region: region.into(), text: text.into(), ..test.key_name() },
        description: String::new(),
        policy: key_policy(),
        bypass_lockout: false,
        tags: Vec::new(),
    };
    assert_eq!(reached(test.run(&test.root(), replicate("key-0", "eu-test-2"))), None, "another region has its own");
    edit(&test, &last, Edit::ScheduleDestruction { days: 7 }).unwrap();
    assert_eq!(reached(create(&test, false)), full, "a key that waits for its destruction counts");
    test.clock.pass(8 * DAY);
    test.tick();
    assert_eq!(reached(create(&test, false)), None);
    assert_eq!(reached(create(&test, false)), full);
    let test = test.restarted();
    test.engine.limit_quotas(Quotas { keys: Some(3), ..Quotas::default() });
    assert_eq!(reached(create(&test, false)), full, "counted from the store");
    test.engine.limit_quotas(Quotas { keys: None, ..Quotas::default() });
    assert_eq!(reached(create(&test, false)), None, "no quota");
}

#[test]
fn a_key_has_no_more_names_and_grants_than_it_may() {
    let test = TestEngine::new();
    let (key, other) = (test.create_key(), test.create_key());
    test.engine.limit_quotas(Quotas { names_per_key: 2, grants_per_key: 2, ..Quotas::default() });
    let bind =
        |text: &str, key: &KeyEntry| test.run(&test.root(), CreateName { name: test.alias(text), key: by_name(key) });
    bind("one", &key).unwrap();
    bind("two", &key).unwrap();
    let full = Some(Quota::Names { most: 2, has: 2 });
    assert_eq!(reached(bind("three", &key)), full);
    bind("three", &other).unwrap();
    let moved = MoveName { name: test.alias("three"), key: by_name(&key) };
    assert_eq!(reached(test.run(&test.root(), moved)), full);

    let grant = |name: Option<&str>, key: &KeyEntry| {
        let grant = CreateGrant { name: name.map(str::to_owned), ..unconstrained(key) };
        test.run(&test.root(), grant).map(|made| made.id)
    };
    let first = grant(Some("one"), &key).unwrap();
    grant(None, &key).unwrap();
    assert_eq!(reached(grant(None, &key)), Some(Quota::Grants { most: 2, has: 2 }));
    assert_eq!(grant(Some("one"), &key).unwrap(), first, "the same grant again is not one more");
    grant(None, &other).unwrap();
}

/// Makes one after the other until a quota is reached, on many threads at once, and tells how many were made on all.
fn made_at_once(make: impl Fn(String) -> Result<(), EngineError> + Sync) -> usize {
    let until_full = |thread: usize| {
        let mut made = 0;
        loop {
            match make(format!("{thread}-{made}")) {
                Ok(()) => made += 1,
                // It lost to the others too often.
                Err(EngineError::Conflict) => {}
                refused => {
                    assert!(reached(refused).is_some());
                    return made;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || until_full(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn however_many_are_made_at_once_a_key_has_no_more_names_and_grants_than_it_may() {
    let test = TestEngine::new();
    let (key, other) = (test.create_key(), test.create_key());
    test.engine.limit_quotas(Quotas { names_per_key: 20, grants_per_key: 20, ..Quotas::default() });
    let bind = |text: &str| CreateName { name: test.alias(text), key: by_name(&key) };
    assert_eq!(made_at_once(|text| test.run(&test.root(), bind(&text))), 20);
    // By moving names to a key as by making them.
    let bound = (0..20).map(|number| test.alias(&format!("moved-{number}")));
    for name in bound {
        test.run(&test.root(), CreateName { name, key: by_name(&other) }).unwrap();
    }
    let fresh = test.create_key();
    let next = AtomicUsize::new(0);
    let moved = made_at_once(|text| match next.fetch_add(1, Ordering::Relaxed) {
        number @ 0..20 => {
            let (name, key) = (test.alias(&format!("moved-{number}")), by_name(&fresh));
            until_settled(|| test.run(&test.root(), MoveName { name: name.clone(), key: key.clone() }))
        }
        _ => test.run(&test.root(), CreateName { name: test.alias(&format!("fresh-{text}")), key: by_name(&fresh) }),
    });
    assert_eq!(moved, 20);
    for named in [true, false] {
        let key = test.create_key();
        let made = made_at_once(|text| {
            let name = named.then_some(text);
            test.run(&test.root(), CreateGrant { name, ..unconstrained(&key) }).map(|_| ())
        });
        assert_eq!(made, 20);
    }
}

/// Does what loses to others again until it does not.
fn until_settled<T>(mut make: impl FnMut() -> Result<T, EngineError>) -> Result<T, EngineError> {
    loop {
        match make() {
            Err(EngineError::Conflict) => {}
            settled => return settled,
        }
    }
}

/// Makes so many names beside that of `key`, all of them its own: what a listing of keys reads.
fn fill(test: &TestEngine, key: &KeyEntry, count: usize) {
    let place = Table::Binding;
    let prefix = test.tenant.id.as_bytes();
    let snapshot = test.store.snapshot().unwrap();
    let rows = snapshot.scan(place, prefix, None, 10).unwrap();
    let text = &*key.names[0].text;
    let row = rows.iter().find(|row| row.key.ends_with(text.as_bytes())).unwrap();
    let at = row.value.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
    let numbers: Vec<usize> = (0..count).collect();
    for numbers in numbers.chunks(5_000) {
        let mut batch = Batch::default();
        for number in numbers {
            let name = format!("{number:0width$}", width = text.len());
            let (mut key, mut value) = (row.key.clone(), row.value.clone());
            let place = key.len() - text.len();
            key[place..].copy_from_slice(name.as_bytes());
            value[at..at + text.len()].copy_from_slice(name.as_bytes());
            batch.insert(Table::Binding, key, value);
        }
        test.store.commit(batch).unwrap();
    }
}

#[test]
fn a_hundred_thousand_keys_are_listed_in_pages_each_once_and_the_last_page_costs_what_the_first_does() {
    let test = TestEngine::new();
    let name = Name { text: "key-00000000".into(), ..test.key_name() };
    let key = test.run(&test.root(), creation(&test, name, false)).unwrap();
    fill(&test, &key, KEYS - 1);
    let mut listed: Vec<String> = Vec::with_capacity(KEYS);
    let page = |after: Option<&String>| -> Page<BindingRow> {
        let list = ListNames {
            tenant: test.tenant.id,
            region: REGION.into(),
            kind: KEY,
            action: Action::ListKeys,
            key: None,
            after: after.map(|after| after.as_str().into()),
            limit: PAGE,
        };
        test.run(&test.root(), list).unwrap()
    };
    loop {
        let Page { items, more } = page(listed.last());
        assert!(items.len() == PAGE || !more, "a page in the middle is full");
        listed.extend(items.into_iter().map(|item| item.text));
        if !more {
            break;
        }
    }
    assert_eq!(listed.len(), KEYS);
    assert!(listed.is_sorted_by(|one, next| one < next), "each once, in order");
    // In turn, and the fastest of each: what a page costs where nothing else disturbs it.
    let (mut first, mut last) = (Duration::MAX, Duration::MAX);
    for _ in 0..10 {
        for (after, fastest) in [(None, &mut first), (listed.get(KEYS - PAGE - 1), &mut last)] {
            let began = Instant::now();
            assert_eq!(page(after).items.len(), PAGE);
            *fastest = began.elapsed().min(*fastest);
        }
    }
    assert!(last < 3 * first, "the first pages take {first:?}, the last {last:?}");
    // Counted anew, all of them count.
    test.engine.limit_quotas(Quotas::default());
    assert_eq!(reached(create(&test, false)), Some(Quota::Keys { most: KEYS, has: KEYS }));
}
