//! A token, or a group of tokens with the same keys in them, as key store: what callers see.
//!
//! One token serves until it can't; then the next one does, within the same deadline. Carrying a new key from the token
//! that made it to the others is the vendor's matter; a token that does not have it yet is passed over.

use std::path::PathBuf;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{self, Algorithm, SHA256, SHA384, SHA512};
use minicbor::bytes::ByteVec;
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm, MessageKind, SigningAlgorithm};
use strongroom_model::id::ObjectId;
use strongroom_model::key_store::{
    KeyStore, KeyStoreDescription, KeyStoreError, KeyStoreName, MemberHealth, MemberState, ResidentAead,
    ResidentDecryption, ResidentKeyWrapping, ResidentSealed, ResidentSigning,
};
use strongroom_model::root::RootError;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;

use crate::client::{Client, Settings};
use crate::der;
use crate::error::{CallError, Pkcs11Error};
use crate::health::HealthState;
use crate::launcher::Launcher;
use crate::limits::{self, DATA_BYTES, RANDOM_BYTES, TOKENS_MOST};
use crate::protocol::{Act, Call, Fault, Reply, SecretField, TokenSelector};
use crate::supervisor::Known;

/// The shortest time that is left to a further token.
const LEAST: Duration = Duration::from_millis(20);

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
    members: Vec<Client>,
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
    fn call(
        &self,
        object: Option<ObjectId>,
        within: Duration,
        call: impl Fn() -> Call,
    ) -> Result<Reply, KeyStoreError> {
        let deadline = Instant::now() + within;
        // Those that refuse, or would have to be waited for, are asked last: their answers say why nobody serves.
        let (mut order, away): (Vec<_>, Vec<_>) = self.members.iter().partition(|member| member.is_ready());
        order.extend(away);
        // A lone token is asked once more, since a child that ended is soon replaced.
        if let [only] = *order {
            order.push(only);
        }
        let (mut failure, mut absent) = (None, None);
        let tries = order.len();
        for (tried, member) in order.into_iter().enumerate() {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let others = u32::try_from(tries - tried).unwrap_or(1);
            // A lone token is given all the time there is.
            let share = if self.members.len() == 1 { left } else { left / others };
            if left.is_zero() || (tried > 0 && left < LEAST) {
                break;
            }
            match member.call(&call(), now + share, within).map_err(|error| told(object, error)) {
                Ok(reply) => return Ok(reply),
                // What was given is at fault, or would be at fault in the next token, too.
                Err(error @ (KeyStoreError::Refused | KeyStoreError::Unsupported { .. })) => return Err(error),
                Err(error @ KeyStoreError::NoObject(_)) => absent = Some(error),
                Err(error @ KeyStoreError::Unavailable { .. }) => failure = Some(error),
                Err(error) if self.members.len() == 1 => return Err(error),
                Err(error) => failure = Some(error),
            }
            if absent.is_some() && self.members.len() == 1 {
                break;
            }
        }
        // A token that did not answer may have what the others lack.
        Err(failure.or(absent).unwrap_or(KeyStoreError::Timeout(within)))
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

    fn act(&self, object: ObjectId, within: Duration, act: impl Fn() -> Act) -> Result<Reply, KeyStoreError> {
        self.call(Some(object), within, || Call::Object { object, act: act() })
    }
}

/// A failure in the port's words.
fn told(object: Option<ObjectId>, error: CallError) -> KeyStoreError {
    if let (CallError::Fault(Fault::NoObject | Fault::Unfit(_)), Some(object)) = (&error, object) {
        return KeyStoreError::NoObject(object);
    }
    match RootError::from(error) {
        RootError::Busy => KeyStoreError::Busy,
        RootError::Timeout(allowed) => KeyStoreError::Timeout(allowed),
        RootError::WrongCredential => KeyStoreError::WrongCredential,
        RootError::Refused => KeyStoreError::Refused,
        RootError::Unsupported { mechanism } => KeyStoreError::Unsupported { mechanism },
        RootError::Unavailable { cause } => KeyStoreError::Unavailable { cause },
        RootError::Sealed => KeyStoreError::Unavailable { cause: "it is sealed".into() },
    }
}

fn senseless() -> KeyStoreError {
    KeyStoreError::Unavailable { cause: "the child process answered something else".into() }
}

fn bounded(bytes: usize) -> Result<(), KeyStoreError> {
    if bytes <= DATA_BYTES { Ok(()) } else { Err(KeyStoreError::TooLong { limit: DATA_BYTES }) }
}

fn copied(secret: &SecretBytes) -> SecretField {
    SecretField(SecretBytes::copy_from(secret.expose()))
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
    ) -> Result<Vec<u8>, KeyStoreError> {
        self.act(object, within, || Act::Generate { spec, usage }).and_then(public)
    }

    fn destroy(&self, object: ObjectId, within: Duration) -> Result<(), KeyStoreError> {
        // In every token: what the vendor has not carried away yet must not stay.
        let deadline = Instant::now() + within;
        let call = Call::Object { object, act: Act::Destroy };
        for member in &self.members {
            member.call(&call, deadline, within).map_err(|error| told(Some(object), error))?;
        }
        Ok(())
    }

    fn holds(&self, object: ObjectId, within: Duration) -> Result<bool, KeyStoreError> {
        match self.act(object, within, || Act::Look) {
            Ok(_) => Ok(true),
            Err(KeyStoreError::NoObject(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn random(&self, bytes: &mut [u8], within: Duration) -> Result<(), KeyStoreError> {
        for part in bytes.chunks_mut(RANDOM_BYTES) {
            let length = u32::try_from(part.len()).unwrap_or(0);
            let drawn = secret(self.call(None, within, || Call::Random(length))?)?;
            if drawn.len() != part.len() {
                return Err(senseless());
            }
            part.copy_from_slice(drawn.expose());
        }
        Ok(())
    }

    fn probe(&self, within: Duration) -> Result<(), KeyStoreError> {
        self.call(None, within, || Call::Probe).map(drop)
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
        bounded(additional.len() + plaintext.len())?;
        let act = || Act::Seal { additional: additional.to_vec().into(), text: copied(plaintext) };
        let Reply::Wrapped { iv, text } = self.act(object, within, act)? else { return Err(senseless()) };
        let (text, tag) = text.split_last_chunk().ok_or_else(senseless)?;
        let iv = iv.as_slice().try_into().map_err(|_| senseless())?;
        match text.len() == plaintext.len() {
            true => Ok(ResidentSealed { ciphertext: text.to_vec(), iv, tag: *tag }),
            false => Err(senseless()),
        }
    }

    fn open(
        &self,
        object: ObjectId,
        additional: &[u8],
        sealed: &ResidentSealed,
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError> {
        bounded(additional.len() + sealed.ciphertext.len())?;
        let text = [sealed.ciphertext.as_slice(), &sealed.tag].concat();
        let act = || Act::Open {
            additional: additional.to_vec().into(),
            iv: sealed.iv.to_vec().into(),
            text: text.clone().into(),
        };
        let opened = secret(self.act(object, within, act)?)?;
        if opened.len() == sealed.ciphertext.len() { Ok(opened) } else { Err(senseless()) }
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
        bounded(key.len())?;
        self.act(object, within, || Act::WrapKey { algorithm, key: copied(key) }).and_then(public)
    }

    fn unwrap(
        &self,
        object: ObjectId,
        algorithm: KeyWrapAlgorithm,
        wrapped: &[u8],
        within: Duration,
    ) -> Result<SecretBytes, KeyStoreError> {
        bounded(wrapped.len())?;
        self.act(object, within, || Act::UnwrapKey { algorithm, text: wrapped.to_vec().into() }).and_then(secret)
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
        bounded(ciphertext.len())?;
        self.act(object, within, || Act::Decrypt { algorithm, text: ciphertext.to_vec().into() }).and_then(secret)
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
        let hash = hash(algorithm).ok_or_else(|| KeyStoreError::Unsupported { mechanism: format!("{algorithm:?}") })?;
        let digest: ByteVec = match kind {
            MessageKind::Raw => digest::digest(hash, message).as_ref().to_vec().into(),
            MessageKind::Digest | MessageKind::ExternalMu => message.to_vec().into(),
        };
        bounded(digest.len())?;
        let signature = public(self.act(object, within, || Act::Sign { algorithm, digest: digest.clone() })?)?;
        match algorithm {
            SigningAlgorithm::EcdsaSha256 | SigningAlgorithm::EcdsaSha384 | SigningAlgorithm::EcdsaSha512 => {
                der::ecdsa_signature(&signature).ok_or_else(senseless)
            }
            _ => Ok(signature),
        }
    }
}

const fn hash(algorithm: SigningAlgorithm) -> Option<&'static Algorithm> {
    match algorithm.digest_bytes() {
        Some(32) => Some(&SHA256),
        Some(48) => Some(&SHA384),
        Some(64) if !matches!(algorithm, SigningAlgorithm::Ed25519Ph) => Some(&SHA512),
        _ => None,
    }
}
