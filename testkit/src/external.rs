//! An external key manager in this process, which does what it is told: real ones can't be made to fail in every way.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use strongroom_model::external::{
    ExternalAddress, ExternalCredential, ExternalError, ExternalManager, ExternalManagers, ExternalRefusal,
    ExternalRequest, ExternalSealed,
};
use strongroom_model::id::TenantId;
use strongroom_secret::SecretBytes;

/// What all managers that [`TestManagers::new`] makes have in common.
#[derive(Default)]
struct State {
    /// Keys, by their ids.
    keys: HashSet<String>,
    /// Credentials that are known: secrets by public halves.
    credentials: HashMap<String, Vec<u8>>,
    /// What every call ends with, once one is set.
    fails: Option<ExternalError>,
    /// What was asked, call by call: the operation, the key there, and the key of ours.
    asked: Vec<(String, String, Option<String>)>,
    /// IVs drawn so far.
    drawn: u64,
    /// Whether calls wait before they are answered, and how many do.
    held: bool,
    waiting: usize,
    /// The principals that asked, and by which requests.
    askers: Vec<(String, String)>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a call is held at most.
const HELD: Duration = Duration::from_secs(30);

/// External key managers at every address, all with the same keys.
#[derive(Default)]
pub struct TestManagers(Arc<Shared>);

impl TestManagers {
    /// Managers with some keys, which know one credential.
    #[must_use]
    pub fn new(keys: &[&str], credential: (&str, &[u8])) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let credentials = HashMap::from([(credential.0.to_owned(), credential.1.to_vec())]);
        let state = Mutex::new(State { keys, credentials, ..State::default() });
        Self(Arc::new(Shared { state, changed: Condvar::new() }))
    }

    /// What every call ends with from now on; `None` to serve again.
    pub fn fail(&self, error: Option<ExternalError>) {
        self.with(|state| state.fails = error);
    }

    /// Knows one credential more.
    pub fn trust(&self, shown: &str, secret: &[u8]) {
        self.with(|state| state.credentials.insert(shown.to_owned(), secret.to_vec()));
    }

    /// What was asked since this was called last: the operation, the key there, and the key of ours.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, String, Option<String>)> {
        self.with(|state| std::mem::take(&mut state.asked))
    }

    /// Who asked, and by which request, call by call.
    #[must_use]
    pub fn askers(&self) -> Vec<(String, String)> {
        self.with(|state| state.askers.clone())
    }

    /// Has calls wait from now on, or those that do go on.
    pub fn hold(&self, held: bool) {
        self.with(|state| state.held = held);
    }

    /// Waits until so many calls wait; whether they came.
    #[must_use]
    pub fn await_waiting(&self, calls: usize) -> bool {
        let fewer = |state: &mut State| state.waiting < calls;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), HELD, fewer);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.0.lock());
        self.0.changed.notify_all();
        changed
    }
}

impl ExternalManagers for TestManagers {
    fn manager(
        &self,
        _: TenantId,
        address: &ExternalAddress,
        credential: ExternalCredential,
        _: &str,
    ) -> Result<Arc<dyn ExternalManager>, ExternalError> {
        match &address.service {
            Some(service) if service.contains("unknown") => Err(ExternalError::NoService),
            _ => Ok(Arc::new(TestManager { state: Arc::clone(&self.0), credential })),
        }
    }
}

struct TestManager {
    state: Arc<Shared>,
    credential: ExternalCredential,
}

impl TestManager {
    /// Begins a call about a key, if it is about one.
    fn begin(&self, key: Option<&str>, request: &ExternalRequest<'_>) -> Result<u64, ExternalError> {
        let mut state = self.state.lock();
        let asked = (request.operation.to_owned(), key.unwrap_or_default().to_owned());
        state.asked.push((asked.0, asked.1, request.resource.map(str::to_owned)));
        state.askers.push((request.principal.to_owned(), request.request_id.to_owned()));
        state.waiting += 1;
        self.state.changed.notify_all();
        let held = self.state.changed.wait_timeout_while(state, HELD, |state| state.held);
        let mut state = held.unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        if let Some(error) = &state.fails {
            return Err(error.clone());
        }
        let known = state.credentials.get(&self.credential.shown);
        if !known.is_some_and(|secret| self.credential.secret.equals(secret)) {
            return Err(ExternalError::Refused(ExternalRefusal::Unauthenticated));
        }
        if key.is_some_and(|key| !state.keys.contains(key)) {
            return Err(ExternalError::Refused(ExternalRefusal::NoKey));
        }
        state.drawn += 1;
        Ok(state.drawn)
    }
}

/// A key's material is its id, filled up.
fn material(key: &str) -> Result<LessSafeKey, ExternalError> {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(key.bytes()).for_each(|(byte, letter)| *byte = letter);
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).map_err(module)?))
}

fn module(error: Unspecified) -> ExternalError {
    ExternalError::InvalidAnswer { cause: error.to_string() }
}

impl ExternalManager for TestManager {
    fn seal(
        &self,
        key: &str,
        request: &ExternalRequest<'_>,
        associated: &[u8],
        plaintext: &SecretBytes,
    ) -> Result<ExternalSealed, ExternalError> {
        let drawn = self.begin(Some(key), request)?;
        let iv = [[0; 4].as_slice(), &drawn.to_be_bytes()].concat();
        let nonce = Nonce::try_assume_unique_for_key(&iv).map_err(module)?;
        let mut text = plaintext.expose().to_vec();
        let sealed = material(key)?.seal_in_place_separate_tag(nonce, Aad::from(associated), &mut text);
        let tag = sealed.map_err(module)?.as_ref().try_into().map_err(|_| module(Unspecified))?;
        Ok(ExternalSealed { ciphertext: text, iv, tag, metadata: b"version=1".to_vec() })
    }

    fn open(
        &self,
        key: &str,
        request: &ExternalRequest<'_>,
        associated: &[u8],
        sealed: &ExternalSealed,
    ) -> Result<SecretBytes, ExternalError> {
        self.begin(Some(key), request)?;
        let wrong = || ExternalError::Refused(ExternalRefusal::Ciphertext);
        let iv = Nonce::try_assume_unique_for_key(&sealed.iv).map_err(|_| wrong())?;
        if sealed.metadata != b"version=1" {
            return Err(wrong());
        }
        let mut text = [sealed.ciphertext.as_slice(), &sealed.tag].concat();
        let opened = material(key)?.open_in_place(iv, Aad::from(associated), &mut text).map_err(|_| wrong())?;
        Ok(SecretBytes::copy_from(opened))
    }

    fn inspect(&self, key: &str, request: &ExternalRequest<'_>) -> Result<(), ExternalError> {
        self.begin(Some(key), request)?;
        if key.starts_with("unfit") { Err(ExternalError::KeyUnfit) } else { Ok(()) }
    }

    fn health(&self, request: &ExternalRequest<'_>) -> Result<(), ExternalError> {
        self.begin(None, request).map(drop)
    }
}
