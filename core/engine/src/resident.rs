//! Keys inside key stores: the stores at hand, a key's use under a witness, and how often it may be used.
//!
//! A use is begun and not waited for, or happens on threads of its store's own where that can't be; within the store's
//! deadline either way, counted from when the request came, so that a store that hangs delays nobody else. Absent on purpose:
//! the choice of a store, which is made with the key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use strongroom_crypto::ciphertext;
use strongroom_crypto::detached::{self, Detached, MaterialNumber, Metadata, Parts};
use strongroom_crypto::{CryptoError, EncryptionContext, KeyMaterial, PublicKey};
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::caller::Principal;
use strongroom_model::id::{MaterialId, ObjectId, TenantId};
use strongroom_model::key_store::{KeyStore, KeyStoreError, KeyStoreName, KeyUse, KeyUsed, ResidentSealed};
use strongroom_secret::SecretBytes;

use crate::asked::{Known, Question};
use crate::error::{Algorithm, EngineError, Lack, Noun, Unavailable};
use crate::external::Doubled;
use crate::operation::{Authorized, Halt, KeyHandle};
use crate::rows::VersionRow;
use crate::start::OfferedStore;
use crate::workers::{Ground, Pool};
use crate::{Engine, limits};

/// The key stores at hand, by their places, which are also those of their threads.
pub(crate) struct KeyStores {
    stores: Vec<Arc<dyn KeyStore>>,
    /// The accounts that each is offered to.
    accounts: Vec<Vec<String>>,
    /// Whether their private keys open what is encrypted by an algorithm, as far as it was tried.
    decrypts: Mutex<HashMap<(usize, EncryptionAlgorithm), bool>>,
    /// RSA key pairs that are being made in each.
    pairs: Mutex<HashMap<KeyStoreName, usize>>,
}

/// The making of one RSA key pair in a store, while it lasts.
pub(crate) struct PairMaking<'a> {
    stores: &'a KeyStores,
    store: &'a KeyStoreName,
}

impl Drop for PairMaking<'_> {
    fn drop(&mut self) {
        let mut pairs = self.stores.pairs.lock();
        if let Some(making) = pairs.get_mut(self.store) {
            *making = making.saturating_sub(1);
        }
    }
}

impl KeyStores {
    /// As many as places are numbered; later ones of the same name are never asked.
    pub(crate) fn new(offered: Vec<OfferedStore>) -> Self {
        let (stores, accounts) = offered.into_iter().map(|OfferedStore { store, accounts }| (store, accounts)).unzip();
        Self { stores, accounts, decrypts: Mutex::default(), pairs: Mutex::default() }
    }

    pub(crate) fn all(&self) -> &[Arc<dyn KeyStore>] {
        &self.stores
    }

    fn place(&self, name: &KeyStoreName) -> Option<usize> {
        self.stores.iter().position(|store| store.describe().name == *name)
    }

    /// The store that a key is in.
    pub(crate) fn get(&self, name: &KeyStoreName) -> Result<&Arc<dyn KeyStore>, EngineError> {
        self.place(name).and_then(|place| self.stores.get(place)).ok_or_else(|| {
            let cause = format!("no key store {name} is configured");
            EngineError::of_store(name, KeyStoreError::Unavailable { cause })
        })
    }

    /// The store that something new of a tenant is to be made in, if it is offered to that tenant. Every way into a key
    /// store leads through here.
    ///
    /// # Errors
    /// When there is no such store, or whoever asks is no operator and it is not offered: who may not use a store does not
    /// learn whether there is one.
    pub(crate) fn offered(
        &self,
        authorized: &Authorized<'_>,
        name: &KeyStoreName,
        tenant: TenantId,
    ) -> Result<&Arc<dyn KeyStore>, EngineError> {
        let found = self.place(name).and_then(|place| Some((self.stores.get(place)?, self.accounts.get(place)?)));
        if matches!(authorized.call().caller.principal, Principal::Operator { .. }) {
            return found.map(|(store, _)| store).ok_or_else(|| Noun::KeyStore(name.clone()).into());
        }
        let (tenant, _) = authorized.engine().catalog().load_tenant(tenant)?;
        let offered = found.filter(|(_, accounts)| accounts.contains(&tenant.account));
        let refusal = || EngineError::StoreNotOffered { store: name.clone(), account: tenant.account.as_str().into() };
        offered.map(|(store, _)| store).ok_or_else(refusal)
    }

    /// The same, on one of the store's own threads: none but whom it is offered to has a place among those who wait for it.
    pub(crate) fn offered_here(
        &self,
        authorized: &Authorized<'_>,
        name: &KeyStoreName,
        tenant: TenantId,
    ) -> Result<&Arc<dyn KeyStore>, Halt> {
        let store = self.offered(authorized, name, tenant)?;
        match self.ground(name) {
            Some(wanted) if wanted > authorized.ground && authorized.ground < Ground::Heavy => Err(Halt::Move(wanted)),
            _ => Ok(store),
        }
    }

    /// Begins the making of an RSA key pair: of so few at once that its store goes on with other keys meanwhile.
    ///
    /// # Errors
    /// When enough are being made.
    pub(crate) fn begin_pair<'a>(&'a self, store: &'a KeyStoreName) -> Result<PairMaking<'a>, EngineError> {
        let mut pairs = self.pairs.lock();
        let making = pairs.entry(store.clone()).or_default();
        if *making >= limits::RSA_OBJECTS_AT_ONCE {
            return Err(EngineError::Unavailable(Unavailable::Busy));
        }
        *making += 1;
        Ok(PairMaking { stores: self, store })
    }

    /// The threads of a store.
    pub(crate) fn ground(&self, name: &KeyStoreName) -> Option<Ground> {
        u8::try_from(self.place(name)?).ok().map(Ground::Store)
    }
}

impl Engine {
    /// The key stores at hand. Their health is true to within [`limits::STORE_TRIAL_EVERY`].
    #[must_use]
    pub fn key_stores(&self) -> &[Arc<dyn KeyStore>] {
        self.key_stores.all()
    }

    /// Has each token tried now and then, on a thread of its store: a token that nobody asks shows nothing.
    pub(crate) fn try_stores(&self) {
        for store in self.key_stores.all() {
            let name = store.describe().name;
            let mark = [b"trial of ", name.as_str().as_bytes()].concat();
            let Some(ground) = self.key_stores.ground(&name) else { continue };
            if !self.scheduler.hold_back(&mark, self.clock.since_boot(), limits::STORE_TRIAL_EVERY) {
                continue;
            }
            let store = Arc::clone(store);
            let job = move |taken: bool| {
                // Where the queue is full, those in it are trial enough.
                let tried = if taken { store.probe_each(limits::STORE_TRIAL) } else { Vec::new() };
                for (token, tried) in tried.into_iter().enumerate() {
                    if let Err(error) = tried {
                        tracing::warn!(store = %name, token, %error, "a token of a key store does not serve");
                    }
                }
            };
            self.workers.push(Pool::from(ground), Box::new(job));
        }
    }

    /// Where an operation must run for the sake of the stores that its keys are in. `begins` says whether uses are begun only,
    /// which may be done anywhere.
    pub(crate) fn store_ground(&self, keys: &[KeyHandle], begins: bool) -> Option<Ground> {
        let used = || keys.iter().filter(|key| key.is_used_in_store()).map(|key| &key.entry().row);
        let doubled = used().any(|key| key.external.is_some()).then_some(Ground::External);
        let resident = used().filter(|_| !begins).filter_map(|key| key.store.as_ref());
        resident.filter_map(|name| self.key_stores.ground(name)).chain(doubled).max()
    }
}

/// A key version ready to use: as bytes here, or where it lives.
pub(crate) enum Usable<'a> {
    Material(Arc<KeyMaterial>),
    Resident(Resident<'a>),
    Doubled(Doubled<'a>),
}

impl Usable<'_> {
    /// The bytes, for what no store does.
    pub(crate) fn material(self) -> Result<Arc<KeyMaterial>, EngineError> {
        match self {
            Self::Material(material) => Ok(material),
            Self::Resident(_) => Err(EngineError::Unsupported("this use of a key inside a key store")),
            Self::Doubled(_) => Err(Self::DOUBLED_ONLY_WHOLE),
        }
    }

    /// That a doubled key makes and opens whole ciphertexts, and nothing else.
    pub(crate) const DOUBLED_ONLY_WHOLE: EngineError =
        EngineError::Unsupported("this use of a key that an external key manager doubles");
}

/// A key version inside a store. Made for the holder of a witness only.
pub(crate) struct Resident<'a> {
    authorized: &'a Authorized<'a>,
    store: &'a Arc<dyn KeyStore>,
    object: ObjectId,
    material: MaterialId,
    handle: &'a KeyHandle,
}

impl<'a> Resident<'a> {
    pub(crate) fn new(
        authorized: &'a Authorized<'a>,
        handle: &'a KeyHandle,
        version: &VersionRow,
        object: ObjectId,
    ) -> Result<Self, EngineError> {
        let none = || EngineError::Unsupported("a key inside no key store");
        let name = handle.entry().row.store.as_ref().ok_or_else(none)?;
        let store = authorized.engine().key_stores.get(name)?;
        Ok(Self { authorized, store, object, material: version.material, handle })
    }

    /// That the store may be asked, and what is left of the time that a use may take.
    fn within(&self) -> Result<Duration, EngineError> {
        self.authorized.may_ask()?;
        let deadline = self.store.describe().deadline;
        let spent = self.authorized.engine().clock.since_boot().saturating_sub(self.authorized.began);
        match deadline.saturating_sub(spent) {
            Duration::ZERO => Err(EngineError::Unavailable(Unavailable::Deadline(deadline))),
            left => Ok(left),
        }
    }

    /// A use of the key: what came of it, if it was asked for already.
    fn ask(&self, wanted: KeyUse) -> Result<KeyUsed, Halt> {
        let (asked, here) = (self.authorized.asked, self.authorized.ground == Ground::Here);
        let known = match asked.known(self.object, &wanted) {
            Known::Came(came) => return Ok(came.map_err(|error| self.failed(&wanted, error))?),
            known => known,
        };
        self.authorized.may_ask()?;
        let ground = || {
            let name = self.handle.entry().row.store.as_ref();
            name.and_then(|name| self.authorized.engine().key_stores.ground(name)).unwrap_or(Ground::Worker)
        };
        // It has to be waited for, on a thread that may.
        let waits = !here || matches!(known, Known::Open) || asked.is_full();
        if waits && self.authorized.ground < ground() {
            return Err(Halt::Move(ground()));
        }
        if matches!((&wanted, known), (KeyUse::Seal { .. }, Known::Nothing)) {
            let engine = self.authorized.engine();
            match here {
                true if !engine.uses.take(self.material) => return Err(Halt::Move(ground())),
                true => {}
                false => engine.uses.count(engine, self.material)?,
            }
        }
        let within = self.within()?;
        match here {
            true => {
                let store = Arc::clone(self.store);
                Err(Halt::Ask(Box::new(Question { store, ground: ground(), object: self.object, wanted, within })))
            }
            false => Ok(self.wait(&wanted, within)?),
        }
    }

    /// A use of the key, waited for.
    fn wait(&self, wanted: &KeyUse, within: Duration) -> Result<KeyUsed, EngineError> {
        let (store, object) = (self.store, self.object);
        let lacks = || self.lacks(algorithm(wanted));
        let used = match wanted {
            KeyUse::Seal { additional, plaintext } => {
                let aead = store.aead().ok_or_else(lacks)?;
                aead.seal(object, additional, plaintext, within).map(KeyUsed::Sealed)
            }
            KeyUse::Open { additional, sealed } => {
                let aead = store.aead().ok_or_else(lacks)?;
                aead.open(object, additional, sealed, within).map(KeyUsed::Opened)
            }
            KeyUse::Wrap { algorithm, key } => {
                let wrapping = store.key_wrapping().ok_or_else(lacks)?;
                wrapping.wrap(object, *algorithm, key, within).map(KeyUsed::Made)
            }
            KeyUse::Unwrap { algorithm, wrapped } => {
                let wrapping = store.key_wrapping().ok_or_else(lacks)?;
                wrapping.unwrap(object, *algorithm, wrapped, within).map(KeyUsed::Opened)
            }
            KeyUse::Decrypt { algorithm, ciphertext } => {
                let decryption = store.decryption().ok_or_else(lacks)?;
                decryption.decrypt(object, *algorithm, ciphertext, within).map(KeyUsed::Opened)
            }
            KeyUse::Sign { algorithm, kind, message } => {
                let signing = store.signing().ok_or_else(lacks)?;
                signing.sign(object, *algorithm, *kind, message, within).map(KeyUsed::Made)
            }
        };
        used.map_err(|error| self.failed(wanted, error))
    }

    /// A use that the store did not do. What it lacks is named as what was asked for: a module's own word for it names none.
    fn failed(&self, wanted: &KeyUse, error: KeyStoreError) -> EngineError {
        match error {
            KeyStoreError::Unsupported { .. } => self.lacks(algorithm(wanted)),
            other => EngineError::of_store(&self.store.describe().name, other),
        }
    }

    fn lacks(&self, lack: Lack) -> EngineError {
        EngineError::StoreLacks { store: self.store.describe().name, lack }
    }

    /// The answer to another use than what was asked for.
    fn senseless(&self) -> Halt {
        let cause = "it answered something else".to_owned();
        EngineError::of_store(&self.store.describe().name, KeyStoreError::Unavailable { cause }).into()
    }

    /// AES-GCM under the key itself, counted.
    fn seal(&self, additional: Vec<u8>, plaintext: SecretBytes) -> Result<ResidentSealed, Halt> {
        match self.ask(KeyUse::Seal { additional, plaintext })? {
            KeyUsed::Sealed(sealed) => Ok(sealed),
            _ => Err(self.senseless()),
        }
    }

    fn open(&self, additional: Vec<u8>, sealed: ResidentSealed) -> Result<SecretBytes, Halt> {
        self.opened(KeyUse::Open { additional, sealed })
    }

    fn opened(&self, wanted: KeyUse) -> Result<SecretBytes, Halt> {
        match self.ask(wanted)? {
            KeyUsed::Opened(secret) => Ok(secret),
            _ => Err(self.senseless()),
        }
    }

    fn made(&self, wanted: KeyUse) -> Result<Vec<u8>, Halt> {
        match self.ask(wanted)? {
            KeyUsed::Made(bytes) => Ok(bytes),
            _ => Err(self.senseless()),
        }
    }

    /// Whether each token of the store by itself works with the key, and how long that took; each trial counts as a use.
    pub(crate) fn try_each(&self, within: Duration) -> Result<Vec<Result<Duration, KeyStoreError>>, EngineError> {
        for _ in self.store.health() {
            self.authorized.engine().uses.count(self.authorized.engine(), self.material)?;
        }
        Ok(self.store.try_each(self.object, within.min(self.within()?)))
    }

    /// A ciphertext in parts.
    pub(crate) fn seal_detached(&self, associated: &[u8], plaintext: &SecretBytes) -> Result<Detached, Halt> {
        let metadata = Metadata::Resident { number: MaterialNumber::of(self.material) }.encode();
        let additional = detached::additional(associated, &metadata).map_err(|error| self.told(error))?;
        let ResidentSealed { ciphertext, iv, tag } =
            self.seal(additional, SecretBytes::copy_from(plaintext.expose()))?;
        Ok(Detached { ciphertext, iv, tag, metadata })
    }

    /// Opens what [`Resident::seal_detached`] made.
    pub(crate) fn open_detached(&self, associated: &[u8], parts: &Parts<'_>) -> Result<SecretBytes, Halt> {
        const INVALID: EngineError = EngineError::InvalidCiphertext;
        let Ok(Metadata::Resident { .. }) = Metadata::parse(parts.metadata) else { return Err(INVALID.into()) };
        let (iv, tag) = (parts.iv.try_into().map_err(|_| INVALID)?, parts.tag.try_into().map_err(|_| INVALID)?);
        let sealed = ResidentSealed { ciphertext: parts.ciphertext.to_vec(), iv, tag };
        let additional = detached::additional(associated, parts.metadata).map_err(|error| self.told(error))?;
        self.open(additional, sealed)
    }

    /// A whole ciphertext.
    pub(crate) fn seal_whole(
        &self,
        subject: &ciphertext::Subject,
        context: &EncryptionContext<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Halt> {
        let additional = ciphertext::resident_additional(subject, context);
        let ResidentSealed { ciphertext, iv, tag } = self.seal(additional, SecretBytes::copy_from(plaintext))?;
        Ok(ciphertext::resident_whole(subject, &iv, &ciphertext, &tag))
    }

    /// Opens what [`Resident::seal_whole`] made.
    pub(crate) fn open_whole(
        &self,
        subject: &ciphertext::Subject,
        context: &EncryptionContext<'_>,
        whole: &[u8],
    ) -> Result<SecretBytes, Halt> {
        let parts = ciphertext::resident_parts(subject, whole).map_err(|error| self.told(error))?;
        let sealed = ResidentSealed { ciphertext: parts.text.to_vec(), iv: *parts.iv, tag: *parts.tag };
        self.open(ciphertext::resident_additional(subject, context), sealed)
    }

    pub(crate) fn wrap(&self, algorithm: KeyWrapAlgorithm, key: &SecretBytes) -> Result<Vec<u8>, Halt> {
        if !algorithm.takes(key.len()) {
            return Err(self.told(CryptoError::WrapLength(algorithm)).into());
        }
        self.made(KeyUse::Wrap { algorithm, key: SecretBytes::copy_from(key.expose()) })
    }

    pub(crate) fn unwrap(&self, algorithm: KeyWrapAlgorithm, wrapped: &[u8]) -> Result<SecretBytes, Halt> {
        self.opened(KeyUse::Unwrap { algorithm, wrapped: wrapped.to_vec() })
    }

    pub(crate) fn decrypt(&self, algorithm: EncryptionAlgorithm, text: &[u8]) -> Result<SecretBytes, Halt> {
        self.opened(KeyUse::Decrypt { algorithm, ciphertext: text.to_vec() })
    }

    pub(crate) fn sign(&self, algorithm: SigningAlgorithm, kind: MessageKind, message: &[u8]) -> Result<Vec<u8>, Halt> {
        self.made(KeyUse::Sign { algorithm, kind, message: message.to_vec() })
    }

    /// That what is encrypted by an algorithm can be decrypted here: not all tokens know OAEP with other digests than SHA-1.
    /// Found out once for each store, by a trial on one of its threads.
    pub(crate) fn require_decrypts(&self, algorithm: EncryptionAlgorithm, public: &PublicKey) -> Result<(), Halt> {
        if algorithm == EncryptionAlgorithm::RsaOaepSha1 {
            return Ok(());
        }
        let stores = &self.authorized.engine().key_stores;
        let name = self.store.describe().name;
        let place = (stores.place(&name).unwrap_or(usize::MAX), algorithm);
        let known = stores.decrypts.lock().get(&place).copied();
        let decrypts = match (known, stores.ground(&name)) {
            (Some(known), _) => known,
            (None, Some(wanted)) if wanted > self.authorized.ground && self.authorized.ground < Ground::Heavy => {
                return Err(Halt::Move(wanted));
            }
            (None, _) => {
                let trial = public.encrypt(algorithm, b"trial").map_err(|error| self.told(error))?;
                let decrypts = match self.decrypt(algorithm, &trial) {
                    Ok(_) => true,
                    Err(Halt::Fail(EngineError::StoreLacks { .. })) => false,
                    Err(halt) => return Err(halt),
                };
                stores.decrypts.lock().insert(place, decrypts);
                decrypts
            }
        };
        match decrypts {
            true => Ok(()),
            false => Err(self.lacks(Lack::Algorithm(Algorithm::Encryption(algorithm))).into()),
        }
    }

    fn told(&self, error: CryptoError) -> EngineError {
        crate::operations::encrypt::crypto_error(self.handle, error)
    }
}

/// By what a key is used.
fn algorithm(wanted: &KeyUse) -> Lack {
    match wanted {
        KeyUse::Seal { .. } | KeyUse::Open { .. } => Lack::Mechanism("AES-256-GCM".to_owned()),
        // Its hardware may take keys of some lengths and not others.
        KeyUse::Wrap { algorithm, key } => Lack::Mechanism(format!("{algorithm:?} of {} bytes", key.len())),
        KeyUse::Unwrap { algorithm, .. } => Lack::Algorithm(Algorithm::KeyWrap(*algorithm)),
        KeyUse::Decrypt { algorithm, .. } => Lack::Algorithm(Algorithm::Encryption(*algorithm)),
        KeyUse::Sign { algorithm, .. } => Lack::Algorithm(Algorithm::Signing(*algorithm)),
    }
}
