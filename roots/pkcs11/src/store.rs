//! A token, or a group of tokens with the same keys in them, as key store: what callers see.
//!
//! One token serves until it can't; then the next one does, within the same deadline. Carrying a new key from the token
//! that made it to the others is the vendor's matter; a token that does not have it yet is passed over.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::id::ObjectId;
use strongroom_model::key_store::{
    AfterUse, KeyStore, KeyStoreDescription, KeyStoreError, KeyStoreName, KeyUse, KeyUsed, MemberHealth, MemberState,
    ResidentAead, ResidentDecryption, ResidentKeyWrapping, ResidentSealed, ResidentSigning,
};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;

use crate::asking::{Asking, Failures, told};
use crate::client::{Client, Settings};
use crate::error::{CallError, Pkcs11Error};
use crate::health::HealthState;
use crate::launcher::Launcher;
use crate::limits::{self, LEAST, RANDOM_BYTES, TOKENS_MOST};
use crate::protocol::{Act, Call, Reply, TokenSelector};
use crate::supervisor::Known;
use crate::uses::{self, senseless};

/// Which tokens, and how they are used.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The store's name.
    pub name: KeyStoreName,
    /// The PKCS#11 module: the path of a shared library.
    pub module: PathBuf,
    /// The tokens among those of the module, in the order in which they are asked: 1 to [`TOKENS_MOST`], with one PIN.
    pub tokens: Vec<TokenSelector>,
    /// How many calls run in each token at once: 1 to [`limits::SESSIONS_MOST`].
    pub sessions: usize,
    /// How many calls may be under way in each, running and waiting together: 1 to [`limits::QUEUE_MOST`].
    pub queue: usize,
    /// How long a use of a key may take, waiting included.
    pub deadline: Duration,
}

impl StoreConfig {
    /// The usual bounds: [`limits::SESSIONS`], [`limits::QUEUE`], [`limits::USE_DEADLINE`].
    #[must_use]
    pub const fn new(name: KeyStoreName, module: PathBuf, tokens: Vec<TokenSelector>) -> Self {
        let (sessions, queue, deadline) = (limits::SESSIONS, limits::QUEUE, limits::USE_DEADLINE);
        Self { name, module, tokens, sessions, queue, deadline }
    }
}

/// A key store of PKCS#11 tokens, each behind a child process of its own, which ends with the store.
pub struct Pkcs11KeyStore {
    description: KeyStoreDescription,
    members: Arc<[Client]>,
}

impl Pkcs11KeyStore {
    /// Begins to keep the tokens ready; they need not be reachable yet.
    ///
    /// # Errors
    /// When the configuration is out of bounds, or no thread can be started.
    pub fn start(config: StoreConfig, launcher: &Launcher, pin: &SecretBytes) -> Result<Self, Pkcs11Error> {
        let StoreConfig { name, module, tokens, sessions, queue, deadline } = config;
        if !(1..=TOKENS_MOST).contains(&tokens.len()) {
            return Err(Pkcs11Error::Bounds { what: "the number of tokens", least: 1, most: TOKENS_MOST });
        }
        let start = |token| {
            let settings = Settings { module: module.clone(), token, root: None, sessions, queue, deadline };
            Client::start(settings, launcher.clone(), SecretBytes::copy_from(pin.expose()))
        };
        let members = tokens.into_iter().map(start).collect::<Result<_, _>>()?;
        let description = KeyStoreDescription { name, kind: "pkcs11", deadline, parallel: sessions, queue };
        Ok(Self { description, members })
    }

    /// Waits for every token to be ready, or to have failed to be; for whoever begins to use the store at once.
    ///
    /// # Errors
    /// The first failure.
    pub fn await_tokens(&self, within: Duration) -> Result<(), KeyStoreError> {
        let deadline = Instant::now() + within;
        self.members.iter().try_for_each(|member| member.started(deadline).map_err(|error| told(None, error)))
    }

    /// Makes a call, of one token after the other until one has served. Each but the last gets an equal part of the time
    /// that is left.
    fn call(&self, object: Option<ObjectId>, within: Duration, call: &Call) -> Result<Reply, KeyStoreError> {
        let deadline = Instant::now() + within;
        // Those that refuse, or would have to be waited for, are asked last: their answers say why nobody serves.
        let (mut order, away): (Vec<_>, Vec<_>) = self.members.iter().partition(|member| member.is_ready());
        order.extend(away);
        // A lone token is asked once more, since a child that ended is soon replaced.
        if let [only] = *order {
            order.push(only);
        }
        let mut failures = Failures::default();
        let (tries, tokens) = (order.len(), self.members.len());
        for (tried, member) in order.into_iter().enumerate() {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let others = u32::try_from(tries - tried).unwrap_or(1);
            // A lone token is given all the time there is.
            let share = if tokens == 1 { left } else { left / others };
            if left.is_zero() || (tried > 0 && left < LEAST) {
                break;
            }
            match member.call(call, now + share, within) {
                Ok(reply) => return Ok(reply),
                Err(error) => failures.note(told(object, error), tokens)?,
            }
        }
        Err(failures.told(within))
    }

    /// Tries all tokens at the same time, and says how long each took.
    fn each(
        &self,
        within: Duration,
        attempt: impl Fn(&Client, Instant) -> Result<(), KeyStoreError> + Sync,
    ) -> Vec<Result<Duration, KeyStoreError>> {
        let began = Instant::now();
        let timed = &|member| attempt(member, began + within).map(|()| began.elapsed());
        std::thread::scope(|scope| {
            let begin = |member| std::thread::Builder::new().spawn_scoped(scope, move || timed(member));
            let trials: Vec<_> = self.members.iter().map(begin).collect();
            let no_thread = || KeyStoreError::Unavailable { cause: "no thread to try the token on".into() };
            let ended = |trial: std::io::Result<ScopedJoinHandle<'_, _>>| {
                trial.ok().and_then(|trial| trial.join().ok()).unwrap_or_else(|| Err(no_thread()))
            };
            trials.into_iter().map(ended).collect()
        })
    }

    fn act(&self, object: ObjectId, within: Duration, act: Act) -> Result<Reply, KeyStoreError> {
        self.call(Some(object), within, &Call::Object { object, act })
    }

    /// A use of a key, waited for.
    fn wait(&self, object: ObjectId, wanted: &KeyUse, within: Duration) -> Result<KeyUsed, KeyStoreError> {
        let (call, shape) = uses::call(object, wanted)?;
        shape.used(self.call(Some(object), within, &call)?)
    }

    fn opened(&self, object: ObjectId, wanted: &KeyUse, within: Duration) -> Result<SecretBytes, KeyStoreError> {
        match self.wait(object, wanted, within)? {
            KeyUsed::Opened(secret) => Ok(secret),
            _ => Err(senseless()),
        }
    }

    fn made(&self, object: ObjectId, wanted: &KeyUse, within: Duration) -> Result<Vec<u8>, KeyStoreError> {
        match self.wait(object, wanted, within)? {
            KeyUsed::Made(bytes) => Ok(bytes),
            _ => Err(senseless()),
        }
    }
}

fn secret(reply: Reply) -> Result<SecretBytes, KeyStoreError> {
    match reply {
        Reply::Secret(secret) => Ok(secret.0),
        _ => Err(senseless()),
    }
}

fn public(reply: Reply) -> Result<Vec<u8>, KeyStoreError> {
    match reply {
        Reply::Public(bytes) => Ok(bytes.into()),
        _ => Err(senseless()),
    }
}

impl KeyStore for Pkcs11KeyStore {
    fn describe(&self) -> KeyStoreDescription {
        self.description.clone()
    }

    fn health(&self) -> Vec<MemberHealth> {
        let told = |member: &Client| {
            let (health, known) = (member.health(), member.token());
            MemberHealth {
                location: match &known {
                    Some(Known { label, serial, .. }) => format!("token {label:?}, serial number {serial:?}"),
                    None => format!("token with {}", member.selector()),
                },
                product: known.map(|known| known.product),
                state: match health.state {
                    HealthState::Up => MemberState::Up,
                    HealthState::Degraded => MemberState::Degraded,
                    HealthState::Down => MemberState::Down,
                },
                lasting: health.lasting,
                last_error: health.last_error.map(|error| told(None, CallError::Root(error)).to_string()),
            }
        };
        self.members.iter().map(told).collect()
    }

    fn generate(
        &self,
        object: ObjectId,
        spec: KeySpec,
        usage: Usage,
        within: Duration,
        asked: &mut Vec<usize>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        // In one token alone: were another asked while it is not known what came of the first, two keys could be left that go
        // by one id. Of those that answer, one that has not just failed. How it did is no sign of who was asked already: a
        // token that can make nothing may serve uses all the while.
        let fresh = self.members.iter().enumerate().filter(|(place, _)| !asked.contains(place));
        let rank = |member: &Client| (!member.is_ready(), member.health().state != HealthState::Up);
        let Some((place, one)) = fresh.min_by_key(|(_, member)| rank(member)) else {
            return Err(KeyStoreError::Unavailable { cause: "each of its tokens was asked".into() });
        };
        asked.push(place);
        let call = Call::Object { object, act: Act::Generate { spec, usage } };
        let made = match *self.members {
            [_] => self.call(Some(object), within, &call),
            // Whoever wants the key asks again for another object, which another token makes.
            _ => one.call(&call, Instant::now() + within, within).map_err(|error| told(Some(object), error)),
        };
        made.and_then(public)
    }

    fn destroy(&self, object: ObjectId, within: Duration) -> Result<(), KeyStoreError> {
        // In every token: what the vendor has not carried away yet must not stay.
        let deadline = Instant::now() + within;
        let call = Call::Object { object, act: Act::Destroy };
        for member in &*self.members {
            member.call(&call, deadline, within).map_err(|error| told(Some(object), error))?;
        }
        Ok(())
    }

    fn holds(&self, object: ObjectId, within: Duration) -> Result<bool, KeyStoreError> {
        match self.act(object, within, Act::Look) {
            Ok(_) => Ok(true),
            Err(KeyStoreError::NoObject(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn random(&self, bytes: &mut [u8], within: Duration) -> Result<(), KeyStoreError> {
        for part in bytes.chunks_mut(RANDOM_BYTES) {
            let length = u32::try_from(part.len()).unwrap_or(0);
            let drawn = secret(self.call(None, within, &Call::Random(length))?)?;
            if drawn.len() != part.len() {
                return Err(senseless());
            }
            part.copy_from_slice(drawn.expose());
        }
        Ok(())
    }

    fn probe(&self, within: Duration) -> Result<(), KeyStoreError> {
        self.call(None, within, &Call::Probe).map(drop)
    }

    fn begin(&self, object: ObjectId, wanted: &KeyUse, within: Duration, after: AfterUse) {
        let (call, shape) = match uses::call(object, wanted) {
            Ok((call, shape)) => (Arc::new(call), shape),
            Err(error) => return after(Some(Err(error))),
        };
        let (tokens, deadline, failures) = (Arc::clone(&self.members), Instant::now() + within, Failures::default());
        let (past, passed_over) = (0, false);
        let asking = Asking { tokens, object, call, shape, deadline, within, after, past, passed_over, failures };
        asking.ask_next();
    }

    fn probe_each(&self, within: Duration) -> Vec<Result<Duration, KeyStoreError>> {
        let probe = |member: &Client, deadline| member.call(&Call::Probe, deadline, within).map(drop);
        self.each(within, |member, deadline| probe(member, deadline).map_err(|error| told(None, error)))
    }

    fn try_each(&self, object: ObjectId, within: Duration) -> Vec<Result<Duration, KeyStoreError>> {
        self.each(within, |member, deadline| {
            member.works_with(object, deadline, within).map_err(|error| told(Some(object), error))
        })
    }

    fn aead(&self) -> Option<&dyn ResidentAead> {
        Some(self)
    }

    fn key_wrapping(&self) -> Option<&dyn ResidentKeyWrapping> {
        Some(self)
    }

    fn decryption(&self) -> Option<&dyn ResidentDecryption> {
        Some(self)
    }

    fn signing(&self) -> Option<&dyn ResidentSigning> {
        Some(self)
    }
}

impl ResidentAead for Pkcs11KeyStore {
    fn seal(
        &self,
        object: ObjectId,
        additional: &[u8],
        plaintext: &SecretBytes,
        within: Duration,
    ) -> Result<ResidentSealed, KeyStoreError> {
        let plaintext = SecretBytes::copy_from(plaintext.expose());
        match self.wait(object, &KeyUse::Seal { additional: additional.to_vec(), plaintext }, within)? {
            KeyUsed::Sealed(sealed) => Ok(sealed),
            _ => Err(senseless()),
        }
    }

    fn open(
        &self,
        object: ObjectId,
        additional: &[u8],
        sealed: &ResidentSealed,
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError> {
        let wanted = KeyUse::Open { additional: additional.to_vec(), sealed: sealed.clone() };
        self.opened(object, &wanted, within)
    }
}

impl ResidentKeyWrapping for Pkcs11KeyStore {
    fn wrap(
        &self,
        object: ObjectId,
        algorithm: KeyWrapAlgorithm,
        key: &SecretBytes,
        within: Duration,
    ) -> Result<Vec<u8>, KeyStoreError> {
        self.made(object, &KeyUse::Wrap { algorithm, key: SecretBytes::copy_from(key.expose()) }, within)
    }

    fn unwrap(
        &self,
        object: ObjectId,
        algorithm: KeyWrapAlgorithm,
        wrapped: &[u8],
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError> {
        self.opened(object, &KeyUse::Unwrap { algorithm, wrapped: wrapped.to_vec() }, within)
    }
}

impl ResidentDecryption for Pkcs11KeyStore {
    fn decrypt(
        &self,
        object: ObjectId,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError> {
        self.opened(object, &KeyUse::Decrypt { algorithm, ciphertext: ciphertext.to_vec() }, within)
    }
}

impl ResidentSigning for Pkcs11KeyStore {
    fn sign(
        &self,
        object: ObjectId,
        algorithm: SigningAlgorithm,
        kind: MessageKind,
        message: &[u8],
        within: Duration,
    ) -> Result<Vec<u8>, KeyStoreError> {
        self.made(object, &KeyUse::Sign { algorithm, kind, message: message.to_vec() }, within)
    }
}
