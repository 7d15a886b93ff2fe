//! A whole engine for tests: real store, real log, a root in a file, a tenant, and a clock that can be moved.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's set-up")]

use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use strongroom_audit::durable::Durable;
use strongroom_audit::gate::Permit;
use strongroom_audit::port::{AuditLog, Head, LogUnavailable, Position, ReadError, RecordClass, StoredRecords};
use strongroom_audit::record::SealedRecord;
use strongroom_audit_log::FileLog;
use strongroom_crypto::{PublicKey, SystemRandom};
use strongroom_engine::operations::key::CreateKey;
use strongroom_engine::operations::principal::{CreatePrincipal, PutIdentityPolicy};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_engine::{
    Call, ConditionKey, Dialect, Engine, EngineError, Facts, KeyEntry, KeyReference, Mode, NewKey, NoAttributes,
    OfferedStore, Operation, Options, OwnedKind, Parts, TenantRow, Value,
};
use strongroom_model::action::Action;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::caller::{Caller, Principal, Source};
use strongroom_model::clock::{Clock, Timestamp};
use strongroom_model::external::ExternalManagers;
use strongroom_model::id::TenantId;
use strongroom_model::key_store::KeyStore;
use strongroom_model::name::{Name, NameKind};
use strongroom_model::root::RootOfTrust;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Revision, Store};
use strongroom_model::usage::Usage;
use strongroom_root_software::{Credential, SoftwareRoot, Unlocker};
use strongroom_secret::Secret;
use strongroom_store_embedded::EmbeddedStore;
use tempfile::TempDir;

/// The region of every test.
pub const REGION: &str = "eu-test-1";
/// The account of the first tenant.
pub const ACCOUNT: &str = "111122223333";
/// The name of the log.
pub const ORIGIN: &str = "test.example/node";
/// The kind of name by which the test dialect knows keys themselves.
pub const KEY: NameKind = NameKind(1);
/// The kind of name that stands beside them.
pub const ALIAS: NameKind = NameKind(2);

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Operators manage the installation; they use no keys.
const OPERATORS: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Operators","Effect":"Allow","Resource":"*","Action":[
    "test:ManageTenants","test:ReadTenants","test:ManagePrincipals","test:ReadPrincipals","test:ManageCredentials",
    "test:ReadCredentials","test:ManageRoots","test:ReadRoots","test:ReadAudit","test:ManageBackups","test:Suspend",
    "test:RotateDomainKey","test:ReadBindings","test:ManageBindings","test:Unseal","test:Installation"]}]}"#;

/// A clock that stands still until it is moved.
pub struct MovableClock(Mutex<(Timestamp, Duration)>);

impl MovableClock {
    /// Time passes: both clocks go on.
    pub fn pass(&self, time: Duration) {
        let mut clocks = self.0.lock().unwrap();
        *clocks = (clocks.0.after(time), clocks.1 + time);
    }

    /// The wall clock alone goes on, as if someone had set it.
    pub fn jump(&self, time: Duration) {
        let mut clocks = self.0.lock().unwrap();
        clocks.0 = clocks.0.after(time);
    }
}

impl Default for MovableClock {
    fn default() -> Self {
        Self(Mutex::new((Timestamp(1_800_000_000_000), Duration::from_secs(1000))))
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn since_boot(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// The real log, and switches that make it fail.
pub struct FaultyLog {
    /// The log itself.
    pub inner: FileLog,
    /// Nothing can be appended: the records are lost.
    pub loses_appends: AtomicBool,
    /// No place is given.
    pub refuses: AtomicBool,
}

impl AuditLog for FaultyLog {
    fn reserve(&self, class: RecordClass, records: usize) -> Result<Permit, LogUnavailable> {
        match self.refuses.load(Ordering::SeqCst) {
            true => Err(LogUnavailable::Full),
            false => self.inner.reserve(class, records),
        }
    }

    fn append(&self, permit: Permit, records: Vec<SealedRecord>) -> Durable {
        match self.loses_appends.load(Ordering::SeqCst) {
            true => Durable::finished(Err(LogUnavailable::Failed { cause: "by the test".to_owned() })),
            false => self.inner.append(permit, records),
        }
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn append_note(&self, note: String) -> Durable {
        self.inner.append_note(note)
    }

    fn records(&self, from: Position) -> Result<StoredRecords<'_>, ReadError> {
        self.inner.records(from)
    }
}

/// A language for tests: actions are `test:` and the action's name, keys are `arn:test:REGION:ACCOUNT:key/NAME`.
pub struct TestDialect;

impl Dialect for TestDialect {
    fn front_end(&self) -> &'static str {
        "test"
    }

    fn event_source(&self) -> &'static str {
        "test.internal"
    }

    fn error(&self, error: &EngineError, _: &Call) -> (&'static str, String) {
        ("TestError", error.to_string())
    }

    fn has_key_policies(&self) -> bool {
        true
    }

    fn action(&self, action: Action) -> &'static str {
        static NAMES: LazyLock<HashMap<Action, &'static str>> = LazyLock::new(|| {
            // Trust policies take the actions of one service only.
            let name = |action: &Action| match action {
                Action::AssumeRole => (*action, "sts:AssumeRole"),
                Action::AssumeRoleWithWebIdentity => (*action, "sts:AssumeRoleWithWebIdentity"),
                Action::TagSession => (*action, "sts:TagSession"),
                Action::SetSourceIdentity => (*action, "sts:SetSourceIdentity"),
                other => (*action, &*format!("test:{other:?}").leak()),
            };
            Action::ALL.iter().map(name).collect()
        });
        NAMES.get(&action).copied().unwrap_or_default()
    }

    fn key_kind(&self) -> NameKind {
        KEY
    }

    fn kinds(&self) -> &'static [OwnedKind] {
        const USAGES: &[Usage] =
            &[Usage::DerivedAead, Usage::RawGcm, Usage::KeyWrap, Usage::RsaOaep, Usage::Sign, Usage::Mac];
        static KINDS: [OwnedKind; 2] = [
            OwnedKind { kind: KEY, name: "test-key", usages: USAGES, is_name: |text| text.starts_with("key-") },
            OwnedKind { kind: ALIAS, name: "test-alias", usages: USAGES, is_name: |text| text.starts_with("alias/") },
        ];
        &KINDS
    }

    fn new_key(&self, drawn: [u8; 16], _: &str) -> Option<NewKey> {
        let name = format!("key-{:032x}", u128::from_be_bytes(drawn));
        Some(NewKey { name, policy: key_policy() })
    }

    fn key_resource(&self, account: &str, region: &str, text: &str) -> String {
        format!("arn:test:{region}:{account}:key/{text}")
    }

    fn tenant_resource(&self, account: &str) -> String {
        format!("arn:test::{account}:tenant")
    }

    fn name_resource(&self, account: &str, name: &Name) -> String {
        format!("arn:test:{}:{account}:{}", name.region, name.text)
    }

    fn attribute<'a>(&self, _: &ConditionKey, _: usize, _: &Facts<'a>) -> Option<Value<'a>> {
        None
    }
}

/// An engine with everything below it.
pub struct TestEngine {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Its log.
    pub log: Arc<FaultyLog>,
    /// Its clock.
    pub clock: Arc<MovableClock>,
    /// The store, to look into.
    pub store: Arc<EmbeddedStore>,
    /// The roots that it was started with.
    pub roots: Vec<Arc<dyn RootOfTrust>>,
    /// Opens backups.
    pub backup_key: Secret<32>,
    /// The first tenant.
    pub tenant: TenantRow,
    /// Everything on disk: `store`, `audit`, `root-0`.
    pub directory: TempDir,
    names: AtomicU64,
}

impl Default for TestEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEngine {
    /// A new installation with one software root and one tenant.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(MovableClock::default());
        let store = EmbeddedStore::create(&directory.path().join("store"), Revision::default(), patient());
        let store = Arc::new(store.unwrap());
        let log = open_log(directory.path(), &clock, &*store);
        let roots = vec![software_root(directory.path(), 0)];
        let (backup_key, backup_public) = strongroom_crypto::backup::generate(&SystemRandom).unwrap();
        let parts = parts(&store, &log, &roots, &clock);
        strongroom_engine::initialise(&parts, backup_public.0.to_vec(), (2, 3)).unwrap();
        let engine = Engine::start(parts, &options()).unwrap();
        let create = CreateTenant {
            account: ACCOUNT.to_owned(),
            name: "first".to_owned(),
            root_name: format!("arn:aws:iam::{ACCOUNT}:root"),
        };
        let tenant = engine.perform_blocking(call(&operator()), create, Mode::Run).unwrap();
        let names = AtomicU64::new(0);
        Self { engine, log, clock, store, roots, backup_key, tenant, directory, names }
    }

    /// Stops everything and starts it again over what is on disk, with `roots`.
    ///
    /// # Panics
    /// When something still holds the store, or it does not start.
    #[must_use]
    pub fn restarted_with(self, roots: Vec<Arc<dyn RootOfTrust>>) -> Self {
        let Self { engine, log, clock, store, backup_key, tenant, directory, names, .. } = self;
        released(engine, "engine");
        released(log, "log");
        released(store, "store");
        let store = Arc::new(EmbeddedStore::open(&directory.path().join("store"), patient()).unwrap());
        let log = open_log(directory.path(), &clock, &*store);
        let engine = Engine::start(parts(&store, &log, &roots, &clock), &options()).unwrap();
        Self { engine, log, clock, store, roots, backup_key, tenant, directory, names }
    }

    /// Stops everything and starts it again over what is on disk.
    #[must_use]
    pub fn restarted(self) -> Self {
        let roots = self.roots.clone();
        self.restarted_with(roots)
    }

    /// Starts the engine again with key stores.
    ///
    /// # Panics
    /// When something still holds it, or it does not start.
    #[must_use]
    pub fn with_key_stores(mut self, key_stores: Vec<Arc<dyn KeyStore>>) -> Self {
        let offered = |store| OfferedStore { store, accounts: vec![ACCOUNT.to_owned()] };
        let parts = Parts { key_stores: key_stores.into_iter().map(offered).collect(), ..self.parts() };
        released(self.engine, "engine");
        self.engine = Engine::start(parts, &options()).unwrap();
        self
    }

    /// Starts the engine again where external key managers may be asked.
    ///
    /// # Panics
    /// When something still holds it, or it does not start.
    #[must_use]
    pub fn with_external(mut self, managers: Arc<dyn ExternalManagers>) -> Self {
        let parts = Parts { external: Some(managers), ..self.parts() };
        released(self.engine, "engine");
        self.engine = Engine::start(parts, &options()).unwrap();
        self
    }

    /// What a second engine over the same store, log and roots would be built from.
    #[must_use]
    pub fn parts(&self) -> Parts {
        parts(&self.store, &self.log, &self.roots, &self.clock)
    }

    /// What the engine of another node over the same store and roots would be built from, with a log of its own.
    ///
    /// # Panics
    /// When the log can't be made.
    #[must_use]
    pub fn parts_of_another_node(&self, directory: &Path) -> Parts {
        let log = open_log_of("another.example/node", directory, &self.clock, &*self.store);
        parts(&self.store, &log, &self.roots, &self.clock)
    }

    /// The tenant's root as a caller.
    #[must_use]
    pub fn root(&self) -> Arc<Caller> {
        Arc::new(Caller {
            tenant: self.tenant.id,
            account: ACCOUNT.into(),
            policy_name: self.tenant.root_name.as_str().into(),
            principal: Principal::TenantRoot,
            credential: None,
        })
    }

    /// Makes a user with the given identity policy, if any.
    #[must_use]
    pub fn user(&self, name: &str, policy: Option<&str>) -> Arc<Caller> {
        let create = CreatePrincipal {
            tenant: self.tenant.id,
            name: name.to_owned(),
            policy_name: format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
            unique_id: format!("AIDA{name}"),
        };
        let row = self.run(&operator(), create).unwrap();
        if let Some(policy) = policy {
            let put = PutIdentityPolicy {
                tenant: self.tenant.id,
                principal: name.to_owned(),
                name: "policy".to_owned(),
                document: Some(policy.to_owned()),
            };
            self.run(&operator(), put).unwrap();
        }
        Arc::new(Caller {
            tenant: self.tenant.id,
            account: ACCOUNT.into(),
            policy_name: row.policy_name.as_str().into(),
            principal: Principal::User {
                id: row.id,
                unique_id: row.unique_id.as_str().into(),
                name: row.name.as_str().into(),
            },
            credential: None,
        })
    }

    /// Does an operation as a front end would.
    ///
    /// # Errors
    /// As [`Engine::perform`].
    pub fn run<O: Operation>(&self, caller: &Arc<Caller>, operation: O) -> Result<O::Output, EngineError> {
        self.run_as(caller, operation, Mode::Run)
    }

    /// Does an operation in either mode.
    ///
    /// # Errors
    /// As [`Engine::perform`].
    pub fn run_as<O: Operation>(
        &self,
        caller: &Arc<Caller>,
        operation: O,
        mode: Mode,
    ) -> Result<O::Output, EngineError> {
        block_on(self.engine.perform(call(caller), operation, mode))
    }

    /// Makes a symmetric encryption key that the tenant's root and, through identity policies, its users may use.
    #[must_use]
    pub fn create_key(&self) -> Arc<KeyEntry> {
        self.create(KeySpec::Aes256, Usage::DerivedAead)
    }

    /// Makes a key of any kind.
    #[must_use]
    pub fn create(&self, spec: KeySpec, usage: Usage) -> Arc<KeyEntry> {
        let create = CreateKey {
            tenant: self.tenant.id,
            name: self.key_name(),
            spec,
            usages: vec![usage],
            origin: Origin::Generated,
            multi_region: false,
            description: String::new(),
            policy: key_policy(),
            bypass_lockout: false,
            tags: Vec::new(),
        };
        self.run(&self.root(), create).unwrap()
    }

    /// Makes a key whose material is to be imported.
    #[must_use]
    pub fn create_for_import(&self, spec: KeySpec, usage: Usage) -> Arc<KeyEntry> {
        let create = CreateKey {
            tenant: self.tenant.id,
            name: self.key_name(),
            spec,
            usages: vec![usage],
            origin: Origin::Imported,
            multi_region: false,
            description: String::new(),
            policy: key_policy(),
            bypass_lockout: false,
            tags: Vec::new(),
        };
        self.run(&self.root(), create).unwrap()
    }

    /// A name for a new key.
    #[must_use]
    pub fn key_name(&self) -> Name {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        name(self.tenant.id, KEY, &format!("key-{number}"))
    }

    /// A name beside a key's own.
    #[must_use]
    pub fn alias(&self, text: &str) -> Name {
        name(self.tenant.id, ALIAS, text)
    }

    /// Every record of the log.
    ///
    /// # Panics
    /// When it can't be read.
    #[must_use]
    pub fn records(&self) -> Vec<SealedRecord> {
        self.log.records(Position(0)).unwrap().map(|stored| stored.unwrap().record).collect()
    }

    /// What is due is done.
    ///
    /// # Panics
    /// When store or log fail.
    pub fn tick(&self) -> strongroom_engine::Ticked {
        self.engine.tick(&TestDialect).unwrap()
    }
}

/// Wraps material for an import to an RSA-2048 key, by RSAES-OAEP with SHA-256.
///
/// # Panics
/// When `public` is no such key, or the material too long for it.
#[must_use]
pub fn wrapped_for_import(public: &[u8], material: &[u8]) -> Vec<u8> {
    let public = PublicKey::parse(KeySpec::Rsa2048, public).unwrap();
    public.encrypt(EncryptionAlgorithm::RsaOaepSha256, material).unwrap()
}

/// A store that waits for a busy machine: nothing that a test finds out hangs on how long its disk takes.
fn patient() -> strongroom_store_embedded::Options {
    strongroom_store_embedded::Options { snapshot_wait: PATIENCE, commit_wait: PATIENCE, ..Default::default() }
}

/// Lets go of the last handle, waiting for threads that are about to end.
fn released<T>(handle: Arc<T>, what: &str) {
    let mut handle = handle;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match Arc::try_unwrap(handle) {
            Ok(_) => return,
            Err(back) => handle = back,
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("something still holds the {what}");
}

fn open_log(directory: &Path, clock: &Arc<MovableClock>, store: &dyn Store) -> Arc<FaultyLog> {
    open_log_of(ORIGIN, directory, clock, store)
}

fn open_log_of(origin: &str, directory: &Path, clock: &Arc<MovableClock>, store: &dyn Store) -> Arc<FaultyLog> {
    let mut options = strongroom_audit_log::Options::new(origin.to_owned());
    options.segment_bytes = 1024 * 1024;
    options.reserved_bytes = 0;
    let saved = strongroom_engine::saved_head(store, origin).unwrap();
    let clock: Arc<dyn Clock> = Arc::<MovableClock>::clone(clock);
    let (log, _) = FileLog::open(&directory.join("audit"), options, clock, saved.as_ref()).unwrap();
    Arc::new(FaultyLog { inner: log, loses_appends: AtomicBool::new(false), refuses: AtomicBool::new(false) })
}

fn parts(
    store: &Arc<EmbeddedStore>,
    log: &Arc<FaultyLog>,
    roots: &[Arc<dyn RootOfTrust>],
    clock: &Arc<MovableClock>,
) -> Parts {
    Parts {
        store: Arc::<EmbeddedStore>::clone(store),
        log: Arc::<FaultyLog>::clone(log),
        roots: roots.to_vec(),
        clock: Arc::<MovableClock>::clone(clock),
        random: Arc::new(SystemRandom),
        arena: None,
        key_stores: Vec::new(),
        external: None,
    }
}

/// What test engines are told.
#[must_use]
pub fn options() -> Options {
    Options { operator_policy: OPERATORS.to_owned(), rsa_pairs: 0 }
}

/// A root in the file `root-NUMBER` of a directory, made there if it is absent.
#[must_use]
pub fn software_root(directory: &Path, number: u8) -> Arc<dyn RootOfTrust> {
    let path = directory.join(format!("root-{number}"));
    let key = Secret::<32>::copy_from(&[number; 32]).unwrap();
    Arc::new(match path.exists() {
        true => SoftwareRoot::open(&path).unwrap().unseal(&Credential::KeyFile(&key)).unwrap(),
        false => SoftwareRoot::create(&path, &[Unlocker::KeyFile(&key)]).unwrap(),
    })
}

/// An operator of the installation.
#[must_use]
pub fn operator() -> Arc<Caller> {
    Arc::new(Caller {
        tenant: TenantId::INSTALLATION,
        account: "".into(),
        policy_name: "operator".into(),
        principal: Principal::Operator { uid: 0 },
        credential: None,
    })
}

/// A request of `caller` that says nothing else.
#[must_use]
pub fn call(caller: &Arc<Caller>) -> Call {
    Call {
        caller: Arc::clone(caller),
        dialect: &TestDialect,
        source: Arc::new(Source::default()),
        request_id: "request".into(),
        region: REGION.into(),
        operation: "Test",
        user_agent: "".into(),
        detail: Vec::new(),
        attributes: Arc::new(NoAttributes),
        grant_tokens: Vec::new(),
    }
}

/// A name in the test's region.
#[must_use]
pub fn name(tenant: TenantId, kind: NameKind, text: &str) -> Name {
    Name { tenant, region: REGION.into(), kind, text: text.into() }
}

/// A reference to a key by its own name.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn by_name(key: &KeyEntry) -> KeyReference {
    let text = key.name(KEY, REGION).unwrap();
    KeyReference::Name(name(key.row.tenant, KEY, text))
}

/// The key policy that leaves everything to the account's root and identity policies.
#[must_use]
pub fn key_policy() -> String {
    allow(Some(&format!("arn:aws:iam::{ACCOUNT}:root")), &["test:*"])
}

/// A policy of one statement; with a principal for keys, without one for users.
#[must_use]
pub fn allow(principal: Option<&str>, actions: &[&str]) -> String {
    let principal = principal.map(|name| format!(r#""Principal":{{"AWS":"{name}"}},"#)).unwrap_or_default();
    let actions = actions.iter().map(|action| format!(r#""{action}""#)).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Test","Effect":"Allow",{principal}"Action":[{actions}],"Resource":"*"}}]}}"#
    )
}

/// Runs a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
