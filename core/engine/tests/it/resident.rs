//! Keys inside a key store: a SoftHSM2 token behind its child process, and a shim that makes it fail.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use strongroom_crypto::PublicKey;
use strongroom_engine::operations::data_key::GenerateDataKey;
use strongroom_engine::operations::detached::{OpenDetached, SealDetached, SealedDetached};
use strongroom_engine::operations::encrypt::{Decrypt, Encrypt};
use strongroom_engine::operations::key::{CreateKey, Edit};
use strongroom_engine::operations::mac::GenerateMac;
use strongroom_engine::operations::resident_key::CreateResidentKey;
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::operations::sign::{GetPublicKey, Sign, Verify};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_engine::operations::wrap::{UnwrapKey, WrapKey};
use strongroom_engine::{EngineError, KeyEntry, Mode, Quota, RotationCause, Unavailable};
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, MacAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::caller::Caller;
use strongroom_model::id::ObjectId;
use strongroom_model::key_store::{
    KeyStore, KeyStoreError, KeyStoreName, KeyUse, MemberState, ResidentAead as _, ResidentSealed,
};
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Batch, Row, Store as _, Table};
use strongroom_model::usage::Usage;
use strongroom_pkcs11_shim::Faults;
use strongroom_root_pkcs11::{Launcher, Pkcs11KeyStore, StoreConfig, TokenSelector};
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{TestEngine, by_name, key_policy, operator};
use strongroom_testkit::softhsm::Token;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::tools::{decrypt, edit, encrypt, opened, sealed};

const CHILD: &str = "STRONGROOM_TEST_CHILD";
const LONG: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Not a test of its own: what the launcher starts.
#[test]
fn runs_as_the_child_when_told_to() {
    if std::env::var_os(CHILD).is_some() {
        strongroom_root_pkcs11::child_main();
    }
}

/// A token of its own, the store over it, and an engine that has it.
pub(crate) struct Rig {
    pub(crate) test: TestEngine,
    pub(crate) store: Arc<Pkcs11KeyStore>,
    pub(crate) faults: Faults,
    launcher: Launcher,
    directory: TempDir,
    /// What takes in the answers of a token that nobody waits for.
    pub(crate) runtime: Runtime,
}

pub(crate) fn name() -> KeyStoreName {
    KeyStoreName::new("hsm").unwrap()
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::within(LONG)
    }

    /// With so much time for each use.
    pub(crate) fn within(deadline: Duration) -> Self {
        Self::with(deadline, 256)
    }

    /// And so many calls under way.
    pub(crate) fn with(deadline: Duration, queue: usize) -> Self {
        Self::of(&["strongroom test"], deadline, queue)
    }

    /// With these tokens, as a group.
    fn of(labels: &[&str], deadline: Duration, queue: usize) -> Self {
        let directory = TempDir::new().unwrap();
        let made: Vec<Token> = labels.iter().map(|label| Token::new(directory.path(), label)).collect();
        let token = &made[0];
        let faults = Faults::new(directory.path());
        let arguments = ["--exact", "resident::runs_as_the_child_when_told_to", "--nocapture"].map(OsString::from);
        let marker = (OsString::from(CHILD), OsString::from("1"));
        let environment = [marker, token.environment()].into_iter().chain(faults.environment(&Token::module()));
        let launcher = Launcher { environment: environment.collect(), ..Launcher::of_this_program(arguments.into()) };
        let module = strongroom_pkcs11_shim::library().unwrap();
        let tokens = labels.iter().map(|label| TokenSelector::Label((*label).to_owned())).collect();
        let config = StoreConfig { deadline, queue, ..StoreConfig::new(name(), module, tokens) };
        let store = Arc::new(Pkcs11KeyStore::start(config, &launcher, &token.pin()).unwrap());
        store.await_tokens(LONG).unwrap();
        let test = TestEngine::new().with_key_stores(vec![Arc::<Pkcs11KeyStore>::clone(&store)]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let rig = Self { test, store, faults, launcher, directory, runtime };
        rig.begin();
        rig
    }

    /// Has a use begun that comes to nothing, so that from now on until the token's process ends uses are begun on any thread.
    pub(crate) fn begin(&self) {
        let _inside = self.runtime.enter();
        let object = ObjectId::from_bytes([0; 16]);
        self.store.generate(object, KeySpec::Aes256, Usage::DerivedAead, LONG, &mut Vec::new()).unwrap();
        let sealed = ResidentSealed { ciphertext: vec![1], iv: [2; 12], tag: [3; 16] };
        let (told, tells) = std::sync::mpsc::channel();
        let after = move |came| told.send(matches!(came, Some(Err(KeyStoreError::Refused)))).unwrap();
        self.store.begin(object, &KeyUse::Open { additional: Vec::new(), sealed }, LONG, Box::new(after));
        assert!(tells.recv().unwrap(), "it was asked");
    }

    /// Whether this one of its tokens has an object.
    fn has(&self, label: &str, object: ObjectId) -> bool {
        let config = StoreConfig::new(name(), Token::module(), vec![TokenSelector::Label(label.to_owned())]);
        let pin = SecretBytes::copy_from(Token::PIN.as_bytes());
        let alone = Pkcs11KeyStore::start(config, &self.launcher, &pin).unwrap();
        alone.await_tokens(LONG).unwrap();
        alone.holds(object, LONG).unwrap()
    }

    /// Takes the token away; what it answers brings it back.
    pub(crate) fn take_away(&self) -> impl FnOnce() + use<> {
        let (here, there) = (self.directory.path().join("tokens"), self.directory.path().join("away"));
        std::fs::rename(&here, &there).unwrap();
        move || std::fs::rename(&there, &here).unwrap()
    }

    pub(crate) fn request(&self, spec: KeySpec, usages: &[Usage]) -> CreateResidentKey {
        let key = CreateKey {
            tenant: self.test.tenant.id,
            name: self.test.key_name(),
            spec,
            usages: usages.to_vec(),
            origin: Origin::Resident,
            multi_region: false,
            description: String::new(),
            policy: key_policy(),
            bypass_lockout: false,
            tags: Vec::new(),
        };
        CreateResidentKey { key, store: name() }
    }

    pub(crate) fn create(&self, spec: KeySpec, usage: Usage) -> Arc<KeyEntry> {
        self.test.run(&self.test.root(), self.request(spec, &[usage])).unwrap()
    }

    pub(crate) fn seal(&self, key: &KeyEntry) -> Result<SealedDetached, EngineError> {
        let seal = SealDetached {
            key: by_name(key),
            plaintext: SecretBytes::copy_from(b"text"),
            associated: Some(b"data".to_vec()),
            integrity: true,
        };
        self.test.run(&self.test.root(), seal)
    }

    pub(crate) fn loose(&self) -> Vec<Row> {
        self.test.store.snapshot().unwrap().scan(Table::LooseObject, &[], None, 100).unwrap()
    }
}

pub(crate) fn open(key: &KeyEntry, sealed: &SealedDetached) -> OpenDetached {
    OpenDetached {
        key: by_name(key),
        ciphertext: sealed.parts.ciphertext.clone(),
        iv: sealed.parts.iv.to_vec(),
        tag: sealed.parts.tag.to_vec(),
        metadata: sealed.parts.metadata.clone(),
        associated: Some(b"data".to_vec()),
        reads_hashed: false,
    }
}

pub(crate) fn object(key: &KeyEntry) -> ObjectId {
    key.current().unwrap().object.unwrap()
}

/// Tries until it holds; fails after half a minute.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_resident_key_seals_and_opens_in_parts_and_whole_like_any_other() {
    let rig = Rig::new();
    let (test, key) = (&rig.test, rig.create(KeySpec::Aes256, Usage::DerivedAead));
    assert_eq!((key.row.origin, key.row.store.clone()), (Origin::Resident, Some(name())));
    assert!(key.current().unwrap().wrapped.is_empty());
    assert!(rig.store.holds(object(&key), LONG).unwrap());
    assert!(rig.loose().is_empty(), "it has become the key's");

    let made = rig.seal(&key).unwrap();
    assert_eq!(made.parts.metadata.len(), 5);
    assert!(made.integrity.is_some());
    let good = || open(&key, &made);
    assert!(test.run(&test.root(), good()).unwrap().plaintext.equals(b"text"));
    let flip = |bytes: &mut Vec<u8>| bytes[3] ^= 1;
    let faults: [fn(&mut OpenDetached) -> &mut Vec<u8>; 5] = [
        |open| &mut open.ciphertext,
        |open| &mut open.iv,
        |open| &mut open.tag,
        |open| &mut open.metadata,
        |open| open.associated.as_mut().unwrap(),
    ];
    for fault in faults {
        let mut bad = good();
        flip(fault(&mut bad));
        let refused = test.run(&test.root(), bad).err();
        assert!(matches!(refused, Some(EngineError::InvalidCiphertext)), "{refused:?}");
    }

    let whole = test.run(&test.root(), encrypt(by_name(&key), "salary", &[("app", "payroll")])).unwrap().ciphertext;
    let opens = |whole: &[u8], context: &[(&str, &str)]| test.run(&test.root(), decrypt(whole, context));
    assert!(opens(&whole, &[("app", "payroll")]).unwrap().plaintext.equals(b"salary"));
    assert!(matches!(opens(&whole, &[]), Err(EngineError::InvalidCiphertext)));
    for position in [3, 4, 5, 40, 50, whole.len() - 1] {
        let mut bad = whole.clone();
        bad[position] ^= 1;
        let refused = opens(&bad, &[("app", "payroll")]).err();
        assert!(matches!(refused, Some(EngineError::InvalidCiphertext)), "{position}: {refused:?}");
    }
    let generate = GenerateDataKey { key: by_name(&key), bytes: 32, context: Vec::new().into(), in_the_clear: true };
    let data_key = test.run(&test.root(), generate).unwrap();
    assert!(opens(&data_key.ciphertext, &[]).unwrap().plaintext.equals(data_key.plaintext.unwrap().expose()));
    assert_eq!(opened(test, &sealed(test, &key, "text")).unwrap(), "text");
    edit(test, &key, Edit::Suspend).unwrap();
    assert!(matches!(rig.seal(&key), Err(EngineError::StateForbids { .. })));
}

#[test]
fn resident_key_pairs_sign_and_decrypt_and_their_public_halves_serve_without_the_token() {
    let rig = Rig::new();
    let test = &rig.test;
    let signer = rig.create(KeySpec::EcP256, Usage::Sign);
    let (algorithm, kind) = (SigningAlgorithm::EcdsaSha256, MessageKind::Raw);
    let sign = Sign { key: by_name(&signer), message: b"message".to_vec(), kind, algorithm };
    let signature = test.run(&test.root(), sign).unwrap().signature;
    let holder = rig.create(KeySpec::Rsa2048, Usage::RsaOaep);
    rig.faults.set("* * crash").unwrap();
    let verify = Verify { key: by_name(&signer), message: b"message".to_vec(), kind, algorithm, signature };
    test.run(&test.root(), verify).unwrap();
    let told = test.run(&test.root(), GetPublicKey { key: by_name(&signer) }).unwrap();
    PublicKey::parse(KeySpec::EcP256, &told.current().unwrap().public).unwrap();
    let algorithm = EncryptionAlgorithm::RsaOaepSha1;
    let whole = Encrypt { algorithm, ..encrypt(by_name(&holder), "text", &[]) };
    let ciphertext = test.run(&test.root(), whole).unwrap().ciphertext;
    rig.faults.set("").unwrap();
    let back = Decrypt { key: Some(by_name(&holder)), algorithm, ..decrypt(&ciphertext, &[]) };
    assert!(test.run(&test.root(), back).unwrap().plaintext.equals(b"text"));
}

#[test]
fn rsa_pairs_are_made_so_few_at_once_that_the_token_serves_other_keys_meanwhile() {
    let rig = Rig::new();
    let key = rig.create(KeySpec::EcP256, Usage::Sign);
    rig.faults.set("C_GenerateKeyPair * delay 3000").unwrap();
    let make = || rig.test.run(&rig.test.root(), rig.request(KeySpec::Rsa2048, &[Usage::Sign])).err();
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..2).map(|_| scope.spawn(make)).collect();
        eventually("two are being made", || rig.loose().len() == 2);
        let refused = make();
        assert!(matches!(refused, Some(EngineError::Unavailable(Unavailable::Busy))), "{refused:?}");
        let (algorithm, kind) = (SigningAlgorithm::EcdsaSha256, MessageKind::Raw);
        let sign = Sign { key: by_name(&key), message: b"message".to_vec(), kind, algorithm };
        rig.test.run(&rig.test.root(), sign).unwrap();
        assert!(makers.iter().all(|maker| !maker.is_finished()), "the other key had to wait for them");
        assert!(makers.into_iter().all(|maker| maker.join().unwrap().is_none()));
    });
    rig.faults.set("").unwrap();
    assert!(make().is_none(), "there is room again");
}

#[test]
fn nothing_is_encrypted_that_the_token_of_its_key_could_not_decrypt() {
    let rig = Rig::new();
    let test = &rig.test;
    let holder = rig.create(KeySpec::Rsa2048, Usage::RsaOaep);
    let algorithm = EncryptionAlgorithm::RsaOaepSha256;
    let whole = || test.run(&test.root(), Encrypt { algorithm, ..encrypt(by_name(&holder), "text", &[]) }).err();
    // While that can't be found out, it is not taken for granted.
    rig.faults.set("C_DecryptInit * return 0x30").unwrap();
    let refused = whole();
    assert!(matches!(refused, Some(EngineError::Unavailable(_))), "{refused:?}");
    rig.faults.set("").unwrap();
    eventually("the token serves again", || !matches!(whole(), Some(EngineError::Unavailable(_))));
    // SoftHSM2 has OAEP with SHA-1 only; that is known from then on.
    rig.faults.set("* * crash").unwrap();
    let refused = whole();
    assert_eq!(refused.unwrap().to_string(), "key store hsm does not support RsaOaepSha256");
}

#[test]
fn resident_keys_wrap_keys() {
    let rig = Rig::new();
    let test = &rig.test;
    let key = rig.create(KeySpec::Aes256, Usage::KeyWrap);
    let wrap =
        |length, algorithm| WrapKey { key: by_name(&key), plaintext: SecretBytes::take(vec![7; length]), algorithm };
    for algorithm in [KeyWrapAlgorithm::Aes256Kw, KeyWrapAlgorithm::Aes256Kwp] {
        let mut wrapped = test.run(&test.root(), wrap(32, algorithm)).unwrap().wrapped;
        let unwrap = |wrapped: &[u8]| {
            test.run(&test.root(), UnwrapKey { key: by_name(&key), wrapped: wrapped.to_vec(), algorithm })
        };
        assert!(unwrap(&wrapped).unwrap().plaintext.equals(&[7; 32]));
        wrapped[0] ^= 1;
        assert!(matches!(unwrap(&wrapped), Err(EngineError::InvalidCiphertext)));
    }
    let odd = test.run(&test.root(), wrap(17, KeyWrapAlgorithm::Aes256Kw));
    assert!(matches!(odd, Err(EngineError::InvalidInput(_))));
    // SoftHSM2 does not do that rightly.
    let odd = test.run(&test.root(), wrap(17, KeyWrapAlgorithm::Aes256Kwp));
    let told = odd.err().unwrap();
    assert_eq!(told.to_string(), "key store hsm does not support Aes256Kwp of 17 bytes");
    assert_eq!(told.without_store(), "the key store does not support Aes256Kwp of 17 bytes");
}

#[test]
fn what_a_key_store_cannot_do_is_refused_by_its_name() {
    let rig = Rig::new();
    let test = &rig.test;
    let unsupported = |request| {
        let refused = test.run(&test.root(), request).err();
        assert!(matches!(refused, Some(EngineError::Unsupported(_))), "{refused:?}");
    };
    for (spec, usage, told) in [
        (KeySpec::Ed25519, Usage::Sign, "key store hsm does not support Ed25519 keys for Sign"),
        (KeySpec::Hmac256, Usage::Mac, "key store hsm does not support Hmac256 keys for Mac"),
        (KeySpec::MlDsa44, Usage::Sign, "key store hsm does not support MlDsa44 keys for Sign"),
    ] {
        let refused = test.run(&test.root(), rig.request(spec, &[usage])).err().unwrap();
        assert!(matches!(refused, EngineError::StoreLacks { .. }), "{refused:?}");
        assert_eq!(refused.to_string(), told);
    }
    unsupported(rig.request(KeySpec::Rsa2048, &[Usage::RsaOaep, Usage::RsaPkcs1]));
    let request = rig.request(KeySpec::Aes256, &[Usage::DerivedAead]);
    unsupported(CreateResidentKey { key: CreateKey { origin: Origin::Generated, ..request.key }, ..request });
    let key = rig.create(KeySpec::Aes256, Usage::DerivedAead);
    let rotate = RotateKey { key: by_name(&key), cause: RotationCause::OnDemand };
    assert!(matches!(test.run(&test.root(), rotate), Err(EngineError::OriginForbids { .. })));
    let mac = GenerateMac { key: by_name(&key), message: Vec::new(), algorithm: MacAlgorithm::HmacSha256 };
    assert!(matches!(test.run(&test.root(), mac), Err(EngineError::UsageForbids { .. })));
    // Whether there is such a store at all, a tenant is not told.
    let elsewhere = KeyStoreName::new("elsewhere").unwrap();
    let request = CreateResidentKey { store: elsewhere, ..rig.request(KeySpec::Aes256, &[Usage::DerivedAead]) };
    let refused = test.run(&test.root(), request).err().unwrap();
    assert_eq!(refused.to_string(), "key store elsewhere is not offered to tenant 111122223333");
}

#[test]
fn keys_are_made_in_a_key_store_by_tenants_that_it_is_offered_to_and_for_any_tenant_by_operators() {
    let rig = Rig::new();
    let tenant = CreateTenant {
        account: "444455556666".to_owned(),
        name: "other".to_owned(),
        root_name: "other root".to_owned(),
    };
    let tenant = rig.test.run(&operator(), tenant).unwrap().id;
    let caller = Caller { tenant, account: "444455556666".into(), ..(*rig.test.root()).clone() };
    let request = || {
        let mut request = rig.request(KeySpec::Aes256, &[Usage::KeyWrap]);
        request.key.tenant = tenant;
        request.key.name.tenant = tenant;
        request.key.bypass_lockout = true;
        request
    };
    let refused = rig.test.run(&Arc::new(caller), request()).err();
    let Some(EngineError::StoreNotOffered { store, account }) = refused else { panic!("{refused:?}") };
    assert_eq!((store, &*account), (name(), "444455556666"));
    assert!(rig.loose().is_empty(), "nothing was begun in the token");
    // Operators use no keys; that they may not make this one is for their policy to say, and not for the key store.
    let asked = rig.test.run(&operator(), request());
    assert!(matches!(asked, Ok(_) | Err(EngineError::Denied(_))), "{:?}", asked.err());
    rig.create(KeySpec::Aes256, Usage::KeyWrap);
}

#[test]
fn a_dry_run_makes_nothing_in_the_token() {
    let rig = Rig::new();
    rig.faults.set("* * crash").unwrap();
    let request = rig.request(KeySpec::Aes256, &[Usage::DerivedAead]);
    let dry = rig.test.run_as(&rig.test.root(), request, Mode::DryRun);
    assert!(matches!(dry, Err(EngineError::DryRun)), "{:?}", dry.err());
    assert!(rig.loose().is_empty());
}

#[test]
fn a_dry_run_of_a_use_asks_no_token_and_counts_as_no_use() {
    let rig = Rig::new();
    let key = rig.create(KeySpec::Aes256, Usage::DerivedAead);
    let whole = rig.test.run(&rig.test.root(), encrypt(by_name(&key), "text", &[])).unwrap().ciphertext;
    let count = || rig.test.store.snapshot().unwrap().scan(Table::UseCounter, &[], None, 9).unwrap();
    let before = count();
    rig.faults.set("* * crash").unwrap();
    let root = rig.test.root();
    for _ in 0..3 {
        let dry = rig.test.run_as(&root, encrypt(by_name(&key), "text", &[]), Mode::DryRun);
        assert!(matches!(dry, Err(EngineError::DryRun)), "{:?}", dry.err());
        let dry = rig.test.run_as(&root, decrypt(&whole, &[]), Mode::DryRun);
        assert!(matches!(dry, Err(EngineError::DryRun)), "{:?}", dry.err());
    }
    assert_eq!(count(), before);
    edit(&rig.test, &key, Edit::Suspend).unwrap();
    let dry = rig.test.run_as(&root, encrypt(by_name(&key), "text", &[]), Mode::DryRun);
    assert!(matches!(dry, Err(EngineError::StateForbids { .. })), "{:?}", dry.err());
}

#[test]
fn a_token_that_nobody_uses_is_found_gone_by_the_trials_once_a_minute_and_found_back() {
    let rig = Rig::new();
    let state = || rig.store.health()[0].state;
    rig.test.tick();
    eventually("it is up", || state() == MemberState::Up);
    let bring_back = rig.take_away();
    rig.test.clock.pass(Duration::from_secs(61));
    rig.test.tick();
    eventually("it is found gone", || state() != MemberState::Up);
    assert!(rig.store.health()[0].last_error.is_some());
    bring_back();
    eventually("it is found back", || state() == MemberState::Up);
}

#[test]
fn the_object_goes_with_its_key() {
    let rig = Rig::new();
    let (test, key) = (&rig.test, rig.create(KeySpec::Aes256, Usage::DerivedAead));
    let pair = rig.create(KeySpec::EcP256, Usage::Sign);
    rig.seal(&key).unwrap();
    edit(test, &key, Edit::ScheduleDestruction { days: 7 }).unwrap();
    edit(test, &pair, Edit::ScheduleDestruction { days: 7 }).unwrap();
    test.clock.pass(DAY * 8);
    assert_eq!(test.tick().destroyed, 2);
    eventually("the object is gone", || {
        test.tick();
        rig.loose().is_empty()
    });
    assert!([&key, &pair].iter().all(|key| !rig.store.holds(object(key), LONG).unwrap()));
    assert_eq!(test.store.snapshot().unwrap().scan(Table::UseCounter, &[], None, 10).unwrap(), Vec::new());
}

#[test]
fn an_object_that_was_made_for_no_key_is_destroyed_once_nobody_can_want_it() {
    let rig = Rig::new();
    let test = &rig.test;
    // The pair is made, and then its public half cannot be read.
    rig.faults.set("C_GetAttributeValue * return 0x30").unwrap();
    let refused = test.run(&test.root(), rig.request(KeySpec::EcP256, &[Usage::Sign])).err();
    assert!(matches!(refused, Some(EngineError::Unavailable(Unavailable::KeyStore { .. }))), "{refused:?}");
    assert_eq!(refused.unwrap().to_string(), "key store hsm cannot serve");
    rig.faults.set("").unwrap();
    let [left] = <[Row; 1]>::try_from(rig.loose()).unwrap();
    let object = ObjectId::from_slice(&left.key).unwrap();
    eventually("the object is there", || rig.store.holds(object, LONG).unwrap_or(false));
    test.tick();
    assert_eq!(rig.loose(), [left], "someone may still be at it");
    test.clock.pass(Duration::from_secs(601));
    eventually("the object is gone", || {
        test.clock.pass(Duration::from_secs(31));
        test.tick();
        rig.loose().is_empty()
    });
    assert!(!rig.store.holds(object, LONG).unwrap());
}

#[test]
fn where_a_token_of_a_group_fails_another_makes_the_key_under_an_id_of_its_own() {
    let rig = Rig::of(&["one", "two"], LONG, 256);
    let test = &rig.test;
    // The first makes the pair, and then its public half cannot be read.
    rig.faults.set("C_GetAttributeValue * return 0x30 once").unwrap();
    let key = rig.create(KeySpec::EcP256, Usage::Sign);
    assert!(!rig.faults.in_force());
    let [left] = <[Row; 1]>::try_from(rig.loose()).unwrap();
    let other = ObjectId::from_slice(&left.key).unwrap();
    assert_eq!([rig.has("one", other), rig.has("two", other)], [true, false]);
    assert_eq!([rig.has("one", object(&key)), rig.has("two", object(&key))], [false, true]);
    let (algorithm, kind) = (SigningAlgorithm::EcdsaSha256, MessageKind::Raw);
    let signs = || {
        let sign = Sign { key: by_name(&key), message: b"message".to_vec(), kind, algorithm };
        test.run(&test.root(), sign).is_ok()
    };
    eventually("the key is used", signs);
    eventually("what the first made is there", || rig.store.holds(other, LONG).unwrap_or(false));
    test.clock.pass(Duration::from_secs(601));
    eventually("what the first made is gone", || {
        test.clock.pass(Duration::from_secs(31));
        test.tick();
        rig.loose().is_empty()
    });
    assert!(!rig.store.holds(other, LONG).unwrap());
    eventually("the key is used still", signs);

    // A lone token that fails is not asked for another object.
    let rig = Rig::new();
    rig.faults.set("C_GetAttributeValue * return 0x30").unwrap();
    assert!(rig.test.run(&rig.test.root(), rig.request(KeySpec::EcP256, &[Usage::Sign])).is_err());
    assert_eq!(rig.loose().len(), 1);
}

#[test]
fn a_token_of_a_group_that_serves_uses_but_is_full_keeps_no_key_from_being_made() {
    let rig = Rig::of(&["one", "two"], LONG, 256);
    let make = || rig.test.run(&rig.test.root(), rig.request(KeySpec::EcP256, &[Usage::Sign]));
    // As many as are made in the other, whose calls have the lower numbers for that.
    for _ in 0..5 {
        assert!(rig.has("one", object(&make().unwrap())));
    }
    let full: String = (6..100).map(|nth| format!("C_GenerateKeyPair {nth} return 0x31\n")).collect();
    rig.faults.set(&full).unwrap();
    let done = AtomicBool::new(false);
    let uses = || {
        let (used, text) = (ObjectId::from_bytes([0; 16]), SecretBytes::copy_from(b"text"));
        while !done.load(Ordering::Relaxed) {
            rig.store.seal(used, b"", &text, LONG).unwrap();
        }
    };
    let made: Vec<_> = std::thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(uses)));
        let made = (0..5).map(|_| make()).collect();
        done.store(true, Ordering::Relaxed);
        made
    });
    for key in made {
        let object = object(&key.unwrap());
        assert_eq!([rig.has("one", object), rig.has("two", object)], [false, true]);
    }
}

#[test]
fn uses_are_reserved_in_blocks_and_end_the_sealing_before_the_key_is_worn_out() {
    let rig = Rig::new();
    let (test, key) = (&rig.test, rig.create(KeySpec::Aes256, Usage::DerivedAead));
    let sealed = rig.seal(&key).unwrap();
    let counter = || test.store.snapshot().unwrap().scan(Table::UseCounter, &[], None, 10).unwrap();
    let [row] = <[Row; 1]>::try_from(counter()).unwrap();
    // Version 1, a map of one pair: 0 is what was reserved, 65536.
    assert_eq!(row.value, [1, 0xa1, 0, 0x1a, 0, 1, 0, 0]);
    for _ in 0..3 {
        rig.seal(&key).unwrap();
    }
    assert_eq!(counter(), [row], "no commit for each use");

    let other = rig.create(KeySpec::Aes256, Usage::DerivedAead);
    let mut batch = Batch::default();
    let material = other.current().unwrap().material;
    // All but one of 2^31.
    batch.put(Table::UseCounter, material.as_bytes().to_vec(), vec![1, 0xa1, 0, 0x1a, 0x7f, 0xff, 0xff, 0xff]);
    test.store.commit(batch).unwrap();
    let last = rig.seal(&other).unwrap();
    for _ in 0..2 {
        assert!(matches!(rig.seal(&other), Err(EngineError::LimitExceeded(Quota::KeyUses))));
    }
    assert!(test.run(&test.root(), open(&other, &last)).unwrap().plaintext.equals(b"text"), "it opens as before");
    assert!(test.run(&test.root(), open(&key, &sealed)).unwrap().plaintext.equals(b"text"));
}

#[test]
fn a_hanging_token_slows_no_other_key_and_heals_by_itself() {
    let rig = Rig::within(Duration::from_secs(5));
    let (test, key) = (&rig.test, rig.create(KeySpec::Aes256, Usage::DerivedAead));
    eventually("it is warm", || rig.seal(&key).is_ok());
    let wrapped = test.create_key();
    sealed(test, &wrapped, "text");
    rig.faults.set("C_Encrypt * hang").unwrap();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..16).map(|_| scope.spawn(|| rig.seal(&key))).collect();
        (0..20).for_each(|_| drop(sealed(test, &wrapped, "text")));
        assert!(callers.iter().all(|caller| !caller.is_finished()), "the other key had to wait for the token");
        for caller in callers {
            let refused = caller.join().unwrap().err();
            assert!(matches!(refused, Some(EngineError::Unavailable(_))), "{refused:?}");
        }
    });
    rig.faults.set("").unwrap();
    eventually("it heals", || rig.seal(&key).is_ok());
}
