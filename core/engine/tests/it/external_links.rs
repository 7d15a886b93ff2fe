//! Links to external key managers, and keys that are doubled by one.

use std::sync::Arc;
use std::time::Duration;

use strongroom_engine::operations::detached::SealDetached;
use strongroom_engine::operations::domain_key::RotateDomainKey;
use strongroom_engine::operations::encrypt::{Decrypt, ReEncrypt};
use strongroom_engine::operations::external_link::{CreateDoubledKey, CreateExternalLink, UpdateExternalLink};
use strongroom_engine::operations::key::{CreateKey, Edit};
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::store_link::{
    ConnectStoreLink, CreateLinkedKey, EditStoreLink, GenerateLinkedRandom, LinkEdit, LinkPlace, ListStoreLinks,
};
use strongroom_engine::{
    EngineError, KeyEntry, LinkFailure, LinkFault, LinkState, Mode, NoAttributes, RotationCause, StoreLinkRow, limits,
};
use strongroom_model::external::{ExternalAddress, ExternalCredential, ExternalError, ExternalRefusal};
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::purpose::Forbidden;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Store as _, Table};
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{REGION, TestEngine, by_name, call, key_policy};
use strongroom_testkit::external::TestManagers;

use crate::resident::eventually;
use crate::tools::{decrypt, edit, encrypt, opened, sealed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const KNOWN: (&str, &[u8]) = ("KNOWN", b"secret");

pub(crate) struct Rig {
    pub(crate) test: TestEngine,
    pub(crate) managers: Arc<TestManagers>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let managers = Arc::new(TestManagers::new(&["one", "two", "unfit"], KNOWN));
        let test = TestEngine::new().with_external(Arc::<TestManagers>::clone(&managers));
        Self { test, managers }
    }

    /// With a link that is connected.
    pub(crate) fn connected() -> Self {
        let rig = Self::new();
        rig.link("one", "outside", address("a"), KNOWN).unwrap();
        assert_eq!(rig.connect().unwrap(), LinkState::Connected);
        rig
    }

    pub(crate) fn place(&self) -> LinkPlace {
        LinkPlace { tenant: self.test.tenant.id, region: REGION.into() }
    }

    pub(crate) fn link(
        &self,
        id: &str,
        name: &str,
        address: ExternalAddress,
        credential: (&str, &[u8]),
    ) -> Result<StoreLinkRow, EngineError> {
        let (place, id, name) = (self.place(), id.to_owned(), name.to_owned());
        let (service_owner, credential) = (None, signing(credential));
        let create = CreateExternalLink { place, id, name, address, service_owner, credential };
        self.test.run(&self.test.root(), create)
    }

    pub(crate) fn begin_to_connect(&self) -> Result<LinkState, EngineError> {
        self.test.run(&self.test.root(), ConnectStoreLink { place: self.place(), id: "one".to_owned() })
    }

    /// Connects the link and waits for what comes of it.
    pub(crate) fn connect(&self) -> Result<LinkState, EngineError> {
        self.begin_to_connect()?;
        eventually("something comes of it", || self.links()[0].state != LinkState::Connecting);
        Ok(self.links()[0].state)
    }

    /// Begins to connect the link, and waits until the manager has been asked, which it keeps for itself.
    pub(crate) fn hang_while_connecting(&self) {
        self.managers.hold(true);
        assert_eq!(self.begin_to_connect().unwrap(), LinkState::Connecting);
        assert!(self.managers.await_waiting(1));
    }

    pub(crate) fn change(&self, edit: LinkEdit) -> Result<(), EngineError> {
        self.test.run(&self.test.root(), EditStoreLink { place: self.place(), id: "one".to_owned(), edit })
    }

    pub(crate) fn update(&self) -> UpdateExternalLink {
        let (place, id) = (self.place(), "one".to_owned());
        let (name, endpoint, path, service, service_owner, credential) = (None, None, None, None, None, None);
        UpdateExternalLink { place, id, name, endpoint, path, service, service_owner, credential }
    }

    pub(crate) fn run_update(&self, update: UpdateExternalLink) -> Result<(), EngineError> {
        self.test.run(&self.test.root(), update)
    }

    pub(crate) fn links(&self) -> Vec<StoreLinkRow> {
        self.test.run(&self.test.root(), ListStoreLinks { place: self.place() }).unwrap()
    }

    fn request(&self, external: &str) -> CreateDoubledKey {
        let key = CreateKey {
            tenant: self.test.tenant.id,
            name: self.test.key_name(),
            spec: KeySpec::Aes256,
            usages: vec![Usage::DerivedAead],
            origin: Origin::Doubled,
            multi_region: false,
            description: String::new(),
            policy: key_policy(),
            bypass_lockout: false,
            tags: Vec::new(),
        };
        CreateDoubledKey { key, link: "one".to_owned(), external: external.to_owned() }
    }

    pub(crate) fn make(&self, external: &str) -> Result<Arc<KeyEntry>, EngineError> {
        self.test.run(&self.test.root(), self.request(external))
    }
}

#[test]
fn a_dry_run_asks_no_manager_and_finds_what_it_can_without() {
    let rig = Rig::connected();
    let key = rig.make("one").unwrap();
    let root = rig.test.root();
    let whole = sealed(&rig.test, &key, "text");
    let _ = rig.managers.asked();
    let dry = rig.test.run_as(&root, encrypt(by_name(&key), "text", &[]), Mode::DryRun);
    assert!(matches!(dry, Err(EngineError::DryRun)), "{:?}", dry.err());
    let dry = rig.test.run_as(&root, decrypt(&whole, &[]), Mode::DryRun);
    assert!(matches!(dry, Err(EngineError::DryRun)), "{:?}", dry.err());
    assert!(rig.managers.asked().is_empty());
    rig.change(LinkEdit::Disconnect).unwrap();
    let dry = rig.test.run_as(&root, encrypt(by_name(&key), "text", &[]), Mode::DryRun);
    assert!(matches!(dry, Err(EngineError::StateForbids { .. })), "{:?}", dry.err());
}

pub(crate) fn address(path: &str) -> ExternalAddress {
    ExternalAddress { endpoint: "https://xks.example".to_owned(), path: format!("/{path}/api"), service: None }
}

fn private(host: &str, service: &str) -> ExternalAddress {
    ExternalAddress { endpoint: format!("https://{host}"), path: "/api".to_owned(), service: Some(service.to_owned()) }
}

fn signing((shown, secret): (&str, &[u8])) -> ExternalCredential {
    ExternalCredential { shown: shown.to_owned(), secret: SecretBytes::copy_from(secret) }
}

pub(crate) fn fault(result: Result<impl Sized, EngineError>) -> LinkFault {
    match result.err() {
        Some(EngineError::StoreLink(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn refused(result: Result<impl Sized, EngineError>) -> ExternalError {
    match result.err() {
        Some(EngineError::External(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn in_state(state: LinkState) -> LinkFault {
    LinkFault::State { id: "one".into(), state }
}

#[test]
fn a_doubled_key_encrypts_and_decrypts_with_both_keys_and_tells_the_manager_who_asks() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    assert_eq!((key.row.origin, key.row.external.as_deref()), (Origin::Doubled, Some("one")));
    assert_eq!((key.row.link.as_deref(), key.row.store.clone()), (Some("one"), None));
    let _ = rig.managers.asked();
    let ciphertext =
        test.run(&test.root(), encrypt(by_name(&key), "salary", &[("app", "payroll")])).unwrap().ciphertext;
    assert_eq!(ciphertext[..4], *b"SRC\x03");
    let told = rig.managers.asked();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1, "one");
    assert!(told[0].2.is_some(), "the key of ours is named");
    let (who, request_id) = rig.managers.askers().pop().unwrap();
    assert_eq!((who.as_str(), request_id.as_str()), (&*test.root().policy_name, &*call(&test.root()).request_id));
    let opened = test.run(&test.root(), decrypt(&ciphertext, &[("app", "payroll")])).unwrap();
    assert!(opened.plaintext.equals(b"salary"));
    let other = test.run(&test.root(), decrypt(&ciphertext, &[("app", "wages")]));
    assert!(matches!(other.err(), Some(EngineError::InvalidCiphertext)));
}

#[test]
fn every_bit_of_a_doubled_ciphertext_counts() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    let mut ciphertext = sealed(test, &key, "salary");
    for bit in 0..8 * ciphertext.len() {
        ciphertext[bit / 8] ^= 1 << (bit % 8);
        let request = Decrypt { key: Some(by_name(&key)), ..decrypt(&ciphertext, &[]) };
        assert!(test.run(&test.root(), request).is_err(), "bit {bit}");
        ciphertext[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(opened(test, &ciphertext).unwrap(), "salary");
}

#[test]
fn without_its_manager_a_doubled_key_does_nothing_and_other_keys_answer_as_before() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    let (own, ciphertext) = (test.create_key(), sealed(test, &key, "salary"));
    for error in [
        ExternalError::Late,
        ExternalError::Busy,
        ExternalError::Refused(ExternalRefusal::State),
        ExternalError::Refused(ExternalRefusal::Denied),
        ExternalError::Unreachable { cause: "gone".to_owned() },
    ] {
        rig.managers.fail(Some(error.clone()));
        assert_eq!(refused(test.run(&test.root(), encrypt(by_name(&key), "salary", &[]))), error);
        assert_eq!(refused(opened(test, &ciphertext)), error);
        let again = ReEncrypt {
            source: decrypt(&ciphertext, &[]),
            destination: by_name(&own),
            context: Vec::new().into(),
            algorithm: strongroom_model::algorithm::EncryptionAlgorithm::DerivedAes256Gcm,
            source_attributes: Arc::new(NoAttributes),
        };
        assert_eq!(refused(test.run(&test.root(), again)), error);
        assert_eq!(opened(test, &sealed(test, &own, "other")).unwrap(), "other");
    }
    rig.managers.fail(None);
    assert_eq!(opened(test, &ciphertext).unwrap(), "salary");
    rig.change(LinkEdit::Disconnect).unwrap();
    let forbidden = opened(test, &ciphertext).err();
    assert!(matches!(forbidden, Some(EngineError::StateForbids { forbidden: Forbidden::StoreDisconnected, .. })));
}

#[test]
fn a_doubled_key_does_nothing_but_whole_ciphertexts_and_is_rotated_by_nobody() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    let plaintext = SecretBytes::copy_from(b"text");
    let detached = SealDetached { key: by_name(&key), plaintext, associated: None, integrity: false };
    assert!(matches!(test.run(&test.root(), detached).err(), Some(EngineError::Unsupported(_))));
    let origin = |result: Result<_, EngineError>| matches!(result, Err(EngineError::OriginForbids { .. }));
    assert!(origin(edit(test, &key, Edit::EnableRotation { period_days: 365 })));
    let rotate = RotateKey { key: by_name(&key), cause: RotationCause::OnDemand };
    assert!(origin(test.run(&test.root(), rotate).map(|_| ())));
    let unfit = |change: fn(&mut CreateKey)| {
        let mut request = rig.request("two");
        change(&mut request.key);
        matches!(test.run(&test.root(), request).err(), Some(EngineError::Unsupported(_)))
    };
    assert!(unfit(|key| key.multi_region = true));
    assert!(unfit(|key| key.origin = Origin::Generated));
    assert!(unfit(|key| key.spec = KeySpec::Hmac256));
    let mut plain = rig.request("two").key;
    plain.origin = Origin::Doubled;
    assert!(matches!(test.run(&test.root(), plain).err(), Some(EngineError::Unsupported(_))));
}

#[test]
fn an_external_key_doubles_one_key_of_a_link_until_that_is_destroyed() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    assert_eq!(fault(rig.make("one")), LinkFault::KeyTaken);
    assert_eq!(refused(rig.make("none")), ExternalError::Refused(ExternalRefusal::NoKey));
    assert_eq!(refused(rig.make("unfit")), ExternalError::KeyUnfit);
    assert!(matches!(rig.make("").err(), Some(EngineError::InvalidInput(_))));
    rig.make("two").unwrap();
    rig.change(LinkEdit::Disconnect).unwrap();
    assert_eq!(fault(rig.make("three")), in_state(LinkState::Disconnected));
    assert_eq!(fault(rig.change(LinkEdit::Delete)), LinkFault::HasKeys);
    rig.connect().unwrap();
    edit(test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    assert_eq!(fault(rig.make("one")), LinkFault::KeyTaken);
    test.clock.pass(8 * DAY);
    eventually("the external key is free again", || {
        test.tick();
        rig.make("one").is_ok()
    });
}

#[test]
fn a_link_is_made_only_to_a_manager_that_works_and_knows_us() {
    let rig = Rig::new();
    let unknown = ExternalError::Refused(ExternalRefusal::Unauthenticated);
    assert_eq!(refused(rig.link("one", "outside", address("a"), ("KNOWN", b"other"))), unknown);
    assert_eq!(refused(rig.link("one", "outside", address("a"), ("OTHER", b"secret"))), unknown);
    rig.managers.fail(Some(ExternalError::Unhealthy));
    assert_eq!(refused(rig.link("one", "outside", address("a"), KNOWN)), ExternalError::Unhealthy);
    rig.managers.fail(None);
    let nowhere = private("private.example", "unknown service");
    assert_eq!(refused(rig.link("one", "outside", nowhere, KNOWN)), ExternalError::NoService);
    assert!(rig.links().is_empty());
    let made = rig.link("one", "outside", address("a"), KNOWN).unwrap();
    assert_eq!((made.state, made.store.clone()), (LinkState::Disconnected, None));
    assert!(!format!("{made:?}").contains("sealed"));
    let none = TestEngine::new();
    let (place, id, name) = (LinkPlace { tenant: none.tenant.id, region: REGION.into() }, "one".into(), "a".into());
    let create =
        CreateExternalLink { place, id, name, address: address("a"), service_owner: None, credential: signing(KNOWN) };
    assert!(matches!(none.run(&none.root(), create).err(), Some(EngineError::Unsupported(_))));
}

#[test]
fn addresses_of_links_are_a_tenants_only_ones_in_a_region() {
    let rig = Rig::new();
    rig.link("one", "outside", address("a"), KNOWN).unwrap();
    assert_eq!(fault(rig.link("two", "outside", address("b"), KNOWN)), LinkFault::NameTaken);
    assert_eq!(fault(rig.link("two", "other", address("a"), KNOWN)), LinkFault::AddressTaken);
    let same_server = ExternalAddress { service: Some("service".to_owned()), ..address("b") };
    assert_eq!(fault(rig.link("two", "other", same_server, KNOWN)), LinkFault::EndpointTaken);
    rig.link("two", "other", address("b"), KNOWN).unwrap();
    rig.link("three", "third", private("one.example", "service"), KNOWN).unwrap();
    assert_eq!(fault(rig.link("four", "fourth", private("two.example", "service"), KNOWN)), LinkFault::ServiceTaken);
    assert_eq!(fault(rig.link("four", "fourth", private("one.example", "other"), KNOWN)), LinkFault::EndpointTaken);
    let update = UpdateExternalLink { path: Some("/b/api".to_owned()), ..rig.update() };
    assert_eq!(fault(rig.run_update(update)), LinkFault::AddressTaken);
}

#[test]
fn a_link_that_is_connected_changes_name_path_and_credential_but_not_its_server() {
    let rig = Rig::connected();
    let key = rig.make("one").unwrap();
    let ciphertext = sealed(&rig.test, &key, "salary");
    rig.managers.trust("NEWER", b"newer secret");
    rig.run_update(UpdateExternalLink { credential: Some(signing(("NEWER", b"newer secret"))), ..rig.update() })
        .unwrap();
    rig.run_update(UpdateExternalLink { path: Some("/c/api".to_owned()), ..rig.update() }).unwrap();
    rig.run_update(UpdateExternalLink { name: Some("renamed".to_owned()), ..rig.update() }).unwrap();
    let row = rig.links()[0].clone();
    let external = row.external.unwrap();
    assert_eq!((row.name.as_str(), external.path.as_str(), external.shown.as_str()), ("renamed", "/c/api", "NEWER"));
    assert_eq!(opened(&rig.test, &ciphertext).unwrap(), "salary");
    let wrong = UpdateExternalLink { credential: Some(signing(("NEWER", b"wrong"))), ..rig.update() };
    assert_eq!(refused(rig.run_update(wrong)), ExternalError::Refused(ExternalRefusal::Unauthenticated));
    let moved = || UpdateExternalLink { endpoint: Some("https://new.example".to_owned()), ..rig.update() };
    assert_eq!(fault(rig.run_update(moved())), in_state(LinkState::Connected));
    let private = UpdateExternalLink { service: Some(Some("service".to_owned())), ..rig.update() };
    assert_eq!(fault(rig.run_update(private)), in_state(LinkState::Connected));
    rig.change(LinkEdit::Disconnect).unwrap();
    rig.run_update(moved()).unwrap();
    assert_eq!(rig.links()[0].external.clone().unwrap().endpoint, "https://new.example");
    assert!(opened(&rig.test, &ciphertext).is_err(), "the link is not connected");
}

#[test]
fn a_manager_that_does_not_work_leaves_the_link_failed_and_says_why() {
    let rig = Rig::new();
    rig.link("one", "outside", address("a"), KNOWN).unwrap();
    let text = || "because".to_owned();
    for (error, failure) in [
        (ExternalError::Late, LinkFailure::Late),
        (ExternalError::Unreachable { cause: text() }, LinkFailure::Unreachable),
        (ExternalError::Tls { cause: text() }, LinkFailure::Tls),
        (ExternalError::InvalidAnswer { cause: text() }, LinkFailure::Answer),
        (ExternalError::Unhealthy, LinkFailure::Unhealthy),
        (ExternalError::Refused(ExternalRefusal::Unauthenticated), LinkFailure::Credential),
        (ExternalError::Refused(ExternalRefusal::State), LinkFailure::Denied),
        (ExternalError::Refused(ExternalRefusal::NoPath), LinkFailure::Path),
        (ExternalError::Refused(ExternalRefusal::Internal), LinkFailure::Unhealthy),
        (ExternalError::Refused(ExternalRefusal::Unsupported), LinkFailure::Answer),
    ] {
        rig.managers.fail(Some(error));
        assert_eq!(rig.connect().unwrap(), LinkState::Failed);
        assert_eq!(rig.links()[0].failure, Some(failure));
        assert_eq!(fault(rig.run_update(rig.update())), in_state(LinkState::Failed));
        rig.change(LinkEdit::Disconnect).unwrap();
    }
}

#[test]
fn who_owns_a_private_service_is_kept_as_long_as_the_link_has_one() {
    let rig = Rig::new();
    let (place, id, name) = (rig.place(), "one".to_owned(), "outside".to_owned());
    let (address, credential) = (private("p.example", "service"), signing(KNOWN));
    let service_owner = Some("444455556666".to_owned());
    let create = CreateExternalLink { place, id, name, address, service_owner: service_owner.clone(), credential };
    rig.test.run(&rig.test.root(), create).unwrap();
    let owner = || rig.links()[0].external.clone().unwrap().service_owner;
    assert_eq!(owner(), service_owner);
    rig.run_update(UpdateExternalLink { path: Some("/moved".to_owned()), ..rig.update() }).unwrap();
    assert_eq!(owner(), service_owner);
    let another = || UpdateExternalLink { service_owner: Some("777788889999".to_owned()), ..rig.update() };
    rig.run_update(another()).unwrap();
    assert_eq!(owner().unwrap(), "777788889999");
    rig.connect().unwrap();
    assert_eq!(fault(rig.run_update(another())), in_state(LinkState::Connected));
    rig.change(LinkEdit::Disconnect).unwrap();
    let endpoint = Some("https://xks.example".to_owned());
    rig.run_update(UpdateExternalLink { endpoint, service: Some(None), ..rig.update() }).unwrap();
    assert_eq!(owner(), None);
    let refused = rig.run_update(another());
    assert!(matches!(refused, Err(EngineError::InvalidInput(_))), "{refused:?}");
}

#[test]
fn a_link_of_one_kind_does_nothing_of_the_other() {
    let rig = Rig::connected();
    let key = CreateKey { origin: Origin::Resident, ..rig.request("one").key };
    let linked = CreateLinkedKey { key, link: "one".to_owned() };
    assert_eq!(fault(rig.test.run(&rig.test.root(), linked)), LinkFault::OtherKind);
    let random = GenerateLinkedRandom { place: rig.place(), link: "one".to_owned(), bytes: 32 };
    assert_eq!(fault(rig.test.run(&rig.test.root(), random)), LinkFault::OtherKind);
    rig.change(LinkEdit::Disconnect).unwrap();
    let store = Some(KeyStoreName::new("hsm"));
    assert_eq!(fault(rig.change(LinkEdit::Update { name: None, more: true, store })), LinkFault::OtherKind);
}

#[test]
fn a_links_credential_is_sealed_anew_when_the_tenants_domain_key_is_rotated() {
    let rig = Rig::connected();
    let (test, key) = (&rig.test, rig.make("one").unwrap());
    let (ciphertext, before) = (sealed(test, &key, "salary"), rig.links()[0].external.clone().unwrap());
    test.run(&test.root(), RotateDomainKey { tenant: test.tenant.id }).unwrap();
    let domain_keys = || {
        let rows = test.store.snapshot().unwrap().scan(Table::DomainKey, test.tenant.id.as_bytes(), None, 10);
        rows.unwrap().len()
    };
    eventually("the former domain key is destroyed", || {
        test.clock.pass(Duration::from_secs(1));
        test.tick();
        domain_keys() == 1
    });
    assert_ne!(rig.links()[0].external.clone().unwrap().sealed, before.sealed);
    assert_eq!(opened(test, &ciphertext).unwrap(), "salary");
}

#[test]
fn what_changes_while_a_manager_is_asked_counts_and_what_does_not_concern_it_does_no_harm() {
    let rig = Rig::connected();
    let key = rig.make("one").unwrap();
    let ciphertext = sealed(&rig.test, &key, "salary");
    rig.managers.hold(true);
    std::thread::scope(|scope| {
        let use_of = scope.spawn(|| opened(&rig.test, &ciphertext).err());
        let making = scope.spawn(|| rig.make("two").map(drop));
        assert!(rig.managers.await_waiting(2));
        rig.change(LinkEdit::Disconnect).unwrap();
        rig.managers.hold(false);
        let forbidden = use_of.join().unwrap();
        assert!(matches!(forbidden, Some(EngineError::StateForbids { forbidden: Forbidden::StoreDisconnected, .. })));
        assert_eq!(fault(making.join().unwrap()), in_state(LinkState::Disconnected));
    });
    rig.connect().unwrap();
    rig.managers.hold(true);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| rig.make("two").map(drop));
        assert!(rig.managers.await_waiting(1));
        // Written to the same row, of a link that the key is not made through.
        let (place, id, name) = (rig.place(), "other".to_owned(), "other".to_owned());
        let (address, service_owner, credential) = (private("p.example", "service"), None, signing(KNOWN));
        let create = CreateExternalLink { place, id, name, address, service_owner, credential };
        rig.test.run(&rig.test.root(), create).unwrap();
        rig.managers.hold(false);
        first.join().unwrap().unwrap();
    });
    let asked = rig.managers.asked().into_iter().filter(|(_, key, _)| key == "two").count();
    assert_eq!(asked, 2, "each key was asked about once");
}

#[test]
fn a_tenant_whose_manager_hangs_has_its_share_of_the_threads_and_no_more() {
    let rig = Rig::connected();
    let (key, own) = (rig.make("one").unwrap(), rig.test.create_key());
    let ciphertext = sealed(&rig.test, &key, "salary");
    rig.managers.hold(true);
    std::thread::scope(|scope| {
        let held: Vec<_> =
            (0..limits::EXTERNAL_CALLS_PER_TENANT).map(|_| scope.spawn(|| opened(&rig.test, &ciphertext))).collect();
        assert!(rig.managers.await_waiting(limits::EXTERNAL_CALLS_PER_TENANT));
        assert_eq!(refused(opened(&rig.test, &ciphertext)), ExternalError::Busy);
        assert_eq!(opened(&rig.test, &sealed(&rig.test, &own, "other")).unwrap(), "other");
        rig.managers.hold(false);
        assert!(held.into_iter().all(|held| held.join().unwrap().unwrap() == "salary"));
    });
    assert_eq!(opened(&rig.test, &ciphertext).unwrap(), "salary");
}

#[test]
fn a_private_store_is_changed_without_being_asked_and_a_public_one_is_asked() {
    let rig = Rig::new();
    rig.link("one", "outside", private("p.example", "service"), KNOWN).unwrap();
    rig.managers.fail(Some(ExternalError::Late));
    let moved = |rig: &Rig| UpdateExternalLink { path: Some("/moved".to_owned()), ..rig.update() };
    rig.run_update(moved(&rig)).unwrap();
    assert_eq!(rig.links()[0].external.clone().unwrap().path, "/moved");
    let rig = Rig::connected();
    rig.managers.fail(Some(ExternalError::Late));
    assert_eq!(refused(rig.run_update(moved(&rig))), ExternalError::Late);
}
