//! The module and the token in it, as one worker thread sees them: a session, the root's keys, and the calls.
//!
//! Runs in the child process. A session that is lost is replaced, not closed (closing races in some modules), and the
//! call is tried once more; `C_Finalize` is never called.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use minicbor::bytes::ByteVec;
use parking_lot::Mutex;
use strongroom_model::id::RootId;
use strongroom_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::keys::{self, Keys};
use crate::limits::RENEWALS;
use crate::objects::Objects;
use crate::protocol::{Call, Configure, Fault, Reply, SecretField, TokenSelector};
use crate::wrapping;

/// Why an attempt failed.
pub(crate) enum Trouble {
    /// The session, the login or a handle is gone: a new session may help.
    Lost(String),
    /// The blob is wrong or the token is: the code does not tell.
    Doubtful(String),
    /// Anything else.
    Fault(Fault),
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Lost(text) => Self::Lost(text),
            Trouble::Doubtful(text) => Self::Failed(text),
            Trouble::Fault(fault) => fault,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let text = match &error {
            Error::Pkcs11(code, function) => format!("{function} returned {code:?}"),
            other => other.to_string(),
        };
        let Error::Pkcs11(code, _) = error else { return Self::Fault(Fault::Failed(text)) };
        match code {
            RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::WrappingKeyHandleInvalid
            | RvError::UnwrappingKeyHandleInvalid
            | RvError::OperationActive
            | RvError::CryptokiNotInitialized => Self::Lost(text),
            RvError::MechanismInvalid | RvError::FunctionNotSupported => Self::Fault(Fault::Unsupported(text)),
            _ => Self::Fault(Fault::Failed(text)),
        }
    }
}

/// The return code within, if it is one.
pub(crate) fn code(error: &Error) -> Option<RvError> {
    match error {
        Error::Pkcs11(code, _) => Some(*code),
        _ => None,
    }
}

/// What a token is, for people: who made it, which model, which versions of its hardware and firmware.
fn product(info: &TokenInfo) -> String {
    let (hardware, firmware) = (info.hardware_version(), info.firmware_version());
    let versions = format!(
        "hardware {}.{}, firmware {}.{}",
        hardware.major(),
        hardware.minor(),
        firmware.major(),
        firmware.minor()
    );
    let words = [info.manufacturer_id().trim(), info.model().trim()];
    let named: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    match named.is_empty() {
        true => versions,
        false => format!("{}, {versions}", named.join(" ")),
    }
}

/// A token of a loaded module, shared by all workers.
pub(crate) struct Token {
    module: Pkcs11,
    slot: Slot,
    root: Option<RootId>,
    pub(crate) label: String,
    pub(crate) serial: String,
    /// Manufacturer, model and versions.
    pub(crate) product: String,
    pin: RawAuthPin,
    /// Whether the token refused the PIN; held during a login, so that there is one at a time.
    pin_refused: Mutex<bool>,
    renewals: AtomicUsize,
    /// How many objects were destroyed. Handles found before the last of them are looked for again: a token may give the
    /// handle of what is gone to something else.
    pub(crate) destroyed: AtomicUsize,
}

impl Token {
    /// Loads the module, finds the token and logs in. The session returned keeps the login alive: keep it.
    pub(crate) fn load(configure: &Configure) -> Result<(Self, Session), Fault> {
        let failed = |error: Error| Fault::from(Trouble::from(error));
        let module = Pkcs11::new(Path::new(OsStr::from_bytes(&configure.module))).map_err(failed)?;
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(failed)?;
        let mut found = Vec::new();
        for slot in module.get_slots_with_token().map_err(failed)? {
            // One slot that cannot be read must not hide the others.
            let Ok(info) = module.get_token_info(slot) else { continue };
            let matches = match &configure.token {
                TokenSelector::Label(label) => info.label() == label,
                TokenSelector::Serial(serial) => info.serial_number() == serial,
            };
            if matches && info.token_initialized() {
                found.push((slot, info.label().to_owned(), info.serial_number().to_owned(), product(&info)));
            }
        }
        let (slot, label, serial, product) = match (found.pop(), found.is_empty()) {
            (Some(token), true) => token,
            (None, _) => return Err(Fault::NoToken),
            (Some(_), false) => return Err(Fault::SeveralTokens),
        };
        let token = Self {
            module,
            slot,
            root: configure.root,
            label,
            serial,
            product,
            pin: RawAuthPin::new(Box::new(configure.pin.0.expose().to_vec())),
            pin_refused: Mutex::new(false),
            renewals: AtomicUsize::new(0),
            destroyed: AtomicUsize::new(0),
        };
        let session = token.session(false)?;
        Ok((token, session))
    }

    /// A new session, logged in. It is not closed when dropped.
    pub(crate) fn session(&self, writing: bool) -> Result<Session, Trouble> {
        let session = if writing {
            self.module.open_rw_session_no_drop(self.slot)?
        } else {
            self.module.open_ro_session_no_drop(self.slot)?
        };
        let mut refused = self.pin_refused.lock();
        if *refused {
            return Err(Fault::WrongPin.into());
        }
        match session.login_with_raw(UserType::User, &self.pin) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => {
                *refused = matches!(
                    code(&error),
                    Some(
                        RvError::PinIncorrect
                            | RvError::PinInvalid
                            | RvError::PinLenRange
                            | RvError::PinExpired
                            | RvError::PinLocked
                    )
                );
                Err(if *refused { Fault::WrongPin.into() } else { error.into() })
            }
        }
    }

    /// The root whose keys are used.
    pub(crate) fn root(&self) -> Result<RootId, Fault> {
        self.root.ok_or(Fault::NotProvisioned)
    }

    /// Whether the token knows a mechanism.
    pub(crate) fn offers(&self, mechanism: MechanismType) -> bool {
        self.module.get_mechanism_info(self.slot, mechanism).is_ok()
    }

    /// Whether the token offers a mechanism for encryption.
    pub(crate) fn encrypts_with(&self, mechanism: MechanismType) -> bool {
        self.module.get_mechanism_info(self.slot, mechanism).is_ok_and(|info| info.encrypt() && info.decrypt())
    }
}

/// One worker's view of the token: its session and, once found, the root's keys.
pub(crate) struct Worker<'a> {
    token: &'a Token,
    session: Option<Session>,
    keys: Option<Keys>,
    objects: Objects,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(token: &'a Token) -> Self {
        Self { token, session: None, keys: None, objects: Objects::default() }
    }

    /// Carries out a call, once more on a new session if the old one was lost.
    pub(crate) fn perform(&mut self, call: &Call) -> Result<Reply, Fault> {
        let lost = match self.attempt(call) {
            Ok(reply) => return Ok(reply),
            Err(Trouble::Lost(text)) => text,
            Err(other) => return Err(other.into()),
        };
        self.forget();
        if self.token.renewals.fetch_add(1, Ordering::Relaxed) >= RENEWALS {
            return Err(Fault::Lost(lost));
        }
        self.attempt(call).map_err(Fault::from)
    }

    fn forget(&mut self) {
        self.session = None;
        self.keys = None;
        self.objects = Objects::default();
    }

    fn attempt(&mut self, call: &Call) -> Result<Reply, Trouble> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.token.session(false)?,
        };
        let session = self.session.insert(session);
        if let Call::Provision(wish) = call {
            let keys = keys::provision(self.token, *wish)?;
            wrapping::prove(session, &keys)?;
            return Ok(Reply::Provisioned(keys.mechanism));
        }
        match call {
            Call::Random(length) => {
                // A key store's bytes are to come from the token, and modules have generators of their own.
                if self.token.root.is_none() {
                    self.objects.sees(self.token, session)?;
                }
                let mut bytes = Zeroizing::new(vec![0; *length as usize]);
                session.generate_random_slice(&mut bytes)?;
                return Ok(Reply::Secret(SecretField(SecretBytes::copy_from(&bytes))));
            }
            Call::Probe => return self.objects.probe(self.token, session).map(|()| Reply::Done),
            Call::Object { object, act } => {
                let outcome = self.objects.act(self.token, session, *object, act);
                return outcome.map_err(|trouble| self.objects.doubt(self.token, session, act, trouble));
            }
            // Finding is what a root is probed with: that what was found once is there still.
            Call::Find => self.keys = None,
            _ => {}
        }
        let keys = match self.keys.take() {
            Some(keys) => keys,
            None => keys::find(session, self.token.root()?)?.ok_or(Fault::NotProvisioned)?,
        };
        let keys = self.keys.insert(keys);
        match call {
            Call::Wrap { bound, key } => {
                let (iv, text) = wrapping::wrap(session, keys, bound, &key.0)?;
                Ok(Reply::Wrapped { iv: ByteVec::from(iv), text: ByteVec::from(text) })
            }
            Call::Unwrap { bound, iv, text } => {
                Ok(Reply::Secret(SecretField(wrapping::unwrap(session, keys, bound, iv, text)?)))
            }
            Call::Sign(digest) => {
                Ok(Reply::Public(ByteVec::from(session.sign(&Mechanism::Ecdsa, keys.signing, digest)?)))
            }
            Call::CheckpointKey => Ok(Reply::Public(ByteVec::from(keys.point.to_vec()))),
            Call::Find | Call::Provision(_) | Call::Random(_) | Call::Probe | Call::Object { .. } => {
                Ok(Reply::Provisioned(keys.mechanism))
            }
        }
    }
}
