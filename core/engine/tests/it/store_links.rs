//! Links to key stores: made, connected, let go and removed, and the keys that are made through them.

use std::sync::Arc;
use std::time::Duration;

use strongroom_engine::operations::key::{CreateKey, Edit};
use strongroom_engine::operations::lineage::InspectLineage;
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::store_link::{
    ConnectStoreLink, CreateLinkedKey, CreateStoreLink, EditStoreLink, GenerateLinkedRandom, LinkEdit, LinkPlace,
    ListStoreLinks,
};
use strongroom_engine::{EngineError, KeyEntry, LinkFailure, LinkFault, LinkState, Mode, RotationCause, StoreLinkRow};
use strongroom_model::action::Action;
use strongroom_model::caller::Caller;
use strongroom_model::key_store::{KeyStore as _, KeyStoreName};
use strongroom_model::purpose::Forbidden;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{REGION, by_name};

use crate::resident::{Rig, eventually, name, object};
use crate::tools::{edit, opened, sealed};

const LONG: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Rig {
    fn place(&self) -> LinkPlace {
        LinkPlace { tenant: self.test.tenant.id, region: REGION.into() }
    }

    fn root(&self) -> Arc<Caller> {
        self.test.root()
    }

    fn link(&self, id: &str, called: &str, store: Option<KeyStoreName>) -> Result<StoreLinkRow, EngineError> {
        let (place, id, name) = (self.place(), id.to_owned(), called.to_owned());
        self.test.run(&self.root(), CreateStoreLink { place, id, name, store, certificate: "anchor".to_owned() })
    }

    fn change(&self, id: &str, edit: LinkEdit) -> Result<(), EngineError> {
        self.test.run(&self.root(), EditStoreLink { place: self.place(), id: id.to_owned(), edit })
    }

    fn begin_to_connect(&self, id: &str) -> Result<LinkState, EngineError> {
        self.test.run(&self.root(), ConnectStoreLink { place: self.place(), id: id.to_owned() })
    }

    /// Connects a link and waits for what comes of it.
    fn connect(&self, id: &str) -> Result<LinkState, EngineError> {
        let state = || self.links().into_iter().find(|link| link.id == id).unwrap().state;
        self.begin_to_connect(id)?;
        eventually("something comes of it", || state() != LinkState::Connecting);
        Ok(state())
    }

    fn links(&self) -> Vec<StoreLinkRow> {
        self.test.run(&self.root(), ListStoreLinks { place: self.place() }).unwrap()
    }

    fn linked(&self, link: &str) -> CreateLinkedKey {
        let key: CreateKey = self.request(KeySpec::Aes256, &[Usage::DerivedAead]).key;
        CreateLinkedKey { key, link: link.to_owned() }
    }

    fn make(&self, link: &str) -> Result<Arc<KeyEntry>, EngineError> {
        self.test.run(&self.root(), self.linked(link))
    }

    /// With a link that is connected.
    fn connected() -> Self {
        let rig = Self::new();
        rig.link("one", "payroll", Some(name())).unwrap();
        assert_eq!(rig.connect("one").unwrap(), LinkState::Connected);
        rig
    }
}

fn fault(result: Result<impl Sized, EngineError>) -> LinkFault {
    match result.err() {
        Some(EngineError::StoreLink(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn in_state(state: LinkState) -> LinkFault {
    LinkFault::State { id: "one".into(), state }
}

fn disconnected(result: Result<impl Sized, EngineError>) -> bool {
    matches!(result.err(), Some(EngineError::StateForbids { forbidden: Forbidden::StoreDisconnected, .. }))
}

#[test]
fn a_key_made_through_a_link_is_used_while_the_link_is_connected_and_at_no_other_time() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    assert_eq!((key.row.store.clone(), key.row.link.as_deref()), (Some(name()), Some("one")));
    assert!(rig.store.holds(object(&key), LONG).unwrap());
    let text = sealed(test, &key, "salary");
    assert_eq!(opened(test, &text).unwrap(), "salary");
    let unreachable = || {
        let look = InspectLineage { key: by_name(&key), action: Action::DescribeKey };
        test.run(&test.root(), look).unwrap().2
    };
    assert!(!unreachable());

    rig.change("one", LinkEdit::Disconnect).unwrap();
    assert!(unreachable());
    assert!(disconnected(opened(test, &text)));
    let again = crate::tools::encrypt(by_name(&key), "salary", &[]);
    assert!(disconnected(test.run(&test.root(), again)));
    assert_eq!(fault(rig.make("one")), in_state(LinkState::Disconnected));
    edit(test, &key, Edit::Describe("it can be managed meanwhile".to_owned())).unwrap();

    rig.connect("one").unwrap();
    assert!(!unreachable());
    assert_eq!(opened(test, &text).unwrap(), "salary");
}

#[test]
fn what_a_link_does_not_allow_in_its_state_is_refused() {
    let rig = Rig::new();
    assert_eq!(fault(rig.connect("one")), LinkFault::Missing { id: "one".into() });
    rig.link("one", "payroll", Some(name())).unwrap();
    assert_eq!(fault(rig.change("one", LinkEdit::Disconnect)), in_state(LinkState::Disconnected));
    let update = |name: Option<&str>, more, store| LinkEdit::Update { name: name.map(str::to_owned), more, store };
    rig.change("one", update(Some("wages"), true, Some(Some(name())))).unwrap();
    assert_eq!(fault(rig.change("one", update(None, true, Some(None)))), LinkFault::NoStore);
    let other = KeyStoreName::new("other").unwrap();
    assert_eq!(fault(rig.change("one", update(None, true, Some(Some(other))))), LinkFault::OtherStore);
    assert_eq!((rig.links()[0].name.as_str(), rig.links()[0].state), ("wages", LinkState::Disconnected));

    rig.connect("one").unwrap();
    assert_eq!(rig.connect("one").unwrap(), LinkState::Connected, "again changes nothing");
    assert_eq!(fault(rig.change("one", LinkEdit::Delete)), in_state(LinkState::Connected));
    assert_eq!(fault(rig.change("one", update(Some("x"), true, None))), in_state(LinkState::Connected));
    rig.change("one", update(Some("payroll"), false, None)).unwrap();
    assert_eq!(rig.links()[0].name, "payroll");
    let random = |bytes| GenerateLinkedRandom { place: rig.place(), link: "one".to_owned(), bytes };
    assert_eq!(rig.test.run(&rig.root(), random(32)).unwrap().len(), 32);
    assert!(matches!(rig.test.run(&rig.root(), random(1025)), Err(EngineError::InvalidInput(_))));

    rig.change("one", LinkEdit::Disconnect).unwrap();
    assert_eq!(fault(rig.test.run(&rig.root(), random(32))), in_state(LinkState::Disconnected));
    rig.change("one", LinkEdit::Delete).unwrap();
    assert!(rig.links().is_empty());
}

#[test]
fn names_and_stores_of_links_are_a_tenants_only_ones_in_a_region() {
    let rig = Rig::new();
    assert_eq!(fault(rig.link("one", "payroll", None)), LinkFault::NoStore);
    assert_eq!(fault(rig.link("one", "payroll", KeyStoreName::new("other"))), LinkFault::NoStore);
    rig.link("one", "payroll", Some(name())).unwrap();
    assert_eq!(fault(rig.link("two", "payroll", Some(name()))), LinkFault::NameTaken);
    assert_eq!(fault(rig.link("two", "wages", Some(name()))), LinkFault::StoreTaken);
    assert!(matches!(rig.link("", "wages", Some(name())), Err(EngineError::InvalidInput(_))));
    assert!(matches!(rig.link("two", "", Some(name())), Err(EngineError::InvalidInput(_))));
    // Another region is another place.
    let elsewhere = LinkPlace { region: "elsewhere".into(), ..rig.place() };
    let (id, called, store) = ("two".to_owned(), "payroll".to_owned(), Some(name()));
    let create = CreateStoreLink { place: elsewhere.clone(), id, name: called, store, certificate: String::new() };
    rig.test.run(&rig.root(), create).unwrap();
    assert_eq!(rig.test.run(&rig.root(), ListStoreLinks { place: elsewhere }).unwrap().len(), 1);
    assert_eq!(rig.links().len(), 1);
}

#[test]
fn a_link_is_removed_once_its_keys_are_destroyed_and_not_before() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    rig.change("one", LinkEdit::Disconnect).unwrap();
    assert_eq!(fault(rig.change("one", LinkEdit::Delete)), LinkFault::HasKeys);
    edit(test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    assert_eq!(fault(rig.change("one", LinkEdit::Delete)), LinkFault::HasKeys);
    test.clock.pass(8 * DAY);
    eventually("the key is destroyed", || {
        test.tick();
        rig.change("one", LinkEdit::Delete).is_ok()
    });
    eventually("its object is destroyed", || {
        test.clock.pass(Duration::from_secs(60));
        test.tick();
        rig.loose().is_empty()
    });
    assert!(!rig.store.holds(object(&key), LONG).unwrap());
}

#[test]
fn keys_made_through_a_link_are_rotated_by_nobody_and_trials_make_none() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    let origin = |result: Result<_, EngineError>| matches!(result, Err(EngineError::OriginForbids { .. }));
    assert!(origin(edit(test, &key, Edit::EnableRotation { period_days: 365 })));
    let rotate = RotateKey { key: by_name(&key), cause: RotationCause::OnDemand };
    assert!(origin(test.run(&test.root(), rotate).map(|_| ())));
    let tried = test.run_as(&test.root(), rig.linked("one"), Mode::DryRun);
    assert!(matches!(tried, Err(EngineError::DryRun)));
    assert!(rig.loose().is_empty());
    let mut wrong = rig.linked("one");
    wrong.key.multi_region = true;
    assert!(matches!(test.run(&test.root(), wrong), Err(EngineError::Unsupported(_))));
}

#[test]
fn a_store_that_cannot_serve_leaves_the_link_failed_until_it_is_let_go() {
    let rig = Rig::new();
    rig.link("one", "payroll", Some(name())).unwrap();
    rig.faults.set("* * crash").unwrap();
    assert_eq!(rig.connect("one").unwrap(), LinkState::Failed);
    assert_eq!(rig.links()[0].failure, Some(LinkFailure::Unreachable));
    assert_eq!(fault(rig.connect("one")), in_state(LinkState::Failed));
    let rename = LinkEdit::Update { name: Some("x".to_owned()), more: false, store: None };
    assert_eq!(fault(rig.change("one", rename)), in_state(LinkState::Failed));
    assert_eq!(fault(rig.make("one")), in_state(LinkState::Failed));
    rig.change("one", LinkEdit::Disconnect).unwrap();
    assert_eq!(rig.links()[0].failure, None);
}

#[test]
fn while_a_store_is_being_connected_the_link_says_so_and_nothing_is_done_through_it_that_needs_it_connected_or_not() {
    let rig = Rig::connected();
    let key = rig.make("one").unwrap();
    let text = sealed(&rig.test, &key, "salary");
    rig.change("one", LinkEdit::Disconnect).unwrap();
    rig.faults.set("C_Encrypt * hold").unwrap();
    let connecting = || in_state(LinkState::Connecting);
    assert_eq!(rig.begin_to_connect("one").unwrap(), LinkState::Connecting);
    assert_eq!(rig.begin_to_connect("one").unwrap(), LinkState::Connecting, "again changes nothing");
    assert_eq!((rig.links()[0].state, rig.links()[0].failure), (LinkState::Connecting, None));
    assert!(disconnected(opened(&rig.test, &text)));
    assert_eq!(fault(rig.make("one")), connecting());
    let random = GenerateLinkedRandom { place: rig.place(), link: "one".to_owned(), bytes: 8 };
    assert_eq!(fault(rig.test.run(&rig.root(), random)), connecting());
    assert_eq!(fault(rig.change("one", LinkEdit::Delete)), connecting());
    let rename = LinkEdit::Update { name: Some("x".to_owned()), more: false, store: None };
    assert_eq!(fault(rig.change("one", rename)), connecting());
    rig.faults.set("").unwrap();
    eventually("it is connected", || rig.links()[0].state == LinkState::Connected);
    // It serves once that is recorded, a moment after it stands in the store.
    eventually("it serves", || opened(&rig.test, &text).is_ok_and(|text| text == "salary"));
}

#[test]
fn a_link_to_a_token_that_is_gone_cannot_be_connected_and_gives_no_random_bytes() {
    let rig = Rig::connected();
    let random = |rig: &Rig| {
        let draw = GenerateLinkedRandom { place: rig.place(), link: "one".to_owned(), bytes: 16 };
        rig.test.run(&rig.root(), draw)
    };
    assert_eq!(random(&rig).unwrap().len(), 16);
    // The module is still there, and has seen the token.
    let bring_back = rig.take_away();
    assert!(matches!(random(&rig), Err(EngineError::Unavailable(_))));
    rig.change("one", LinkEdit::Disconnect).unwrap();
    assert_eq!(rig.connect("one").unwrap(), LinkState::Failed);
    assert_eq!(rig.links()[0].failure, Some(LinkFailure::Unreachable));
    bring_back();
    eventually("it connects", || {
        rig.change("one", LinkEdit::Disconnect).unwrap();
        rig.connect("one").unwrap() == LinkState::Connected
    });
    assert!(random(&rig).is_ok() && rig.make("one").is_ok());
}

#[test]
fn nobody_without_permission_makes_or_connects_a_link() {
    let rig = Rig::connected();
    let stranger = rig.test.user("stranger", None);
    let denied = |error: Option<EngineError>| matches!(error, Some(EngineError::Denied(_)));
    let (place, id) = (rig.place(), "one".to_owned());
    let edit = EditStoreLink { place: place.clone(), id: id.clone(), edit: LinkEdit::Disconnect };
    assert!(denied(rig.test.run(&stranger, edit).err()));
    assert!(denied(rig.test.run(&stranger, ConnectStoreLink { place: place.clone(), id }).err()));
    assert!(denied(rig.test.run(&stranger, ListStoreLinks { place }).err()));
    assert_eq!(rig.links()[0].state, LinkState::Connected);
}
