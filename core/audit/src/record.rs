//! What one audit record says, version 1. Its bytes are described in docs/formats/audit-log.md and never change.
//!
//! A record holds no position and no hash of another record, so its maker finishes it alone. Absent on purpose:
//! plaintext, key material, secrets, expected signatures; nothing here takes them.

use std::borrow::Cow;
use std::net::SocketAddr;

use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, KeyId, MaterialId, PrincipalId, RecordId, TenantId};
use strongroom_model::store::Revision;

use crate::hash::Hash;

mod decode;
mod encode;
mod sealed;
#[cfg(test)]
mod tests;

pub use decode::DecodeError;
pub use sealed::{SealedRecord, peek_id};
pub use strongroom_model::action::Action;
pub use strongroom_model::purpose::Purpose;

/// The version of the records that this program writes.
pub const VERSION: u64 = 1;

/// One record, borrowed from its maker or from the bytes that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Identity, drawn at random by the maker. The same in every copy of the record.
    pub id: RecordId,
    /// When the request arrived.
    pub started: Timestamp,
    /// Time from its arrival to its outcome, in microseconds.
    pub duration_micros: u64,
    /// The tenant that the caller belongs to; `None` when nobody was proved.
    pub tenant: Option<TenantId>,
    /// The tenant's account number; empty when there is none.
    pub account: Text<'a>,
    /// The name that policies know the caller by; empty for the product itself and when nobody was proved.
    pub policy_name: Text<'a>,
    /// Who asked, as proved.
    pub principal: Principal<'a>,
    /// The credential that proved it, or that was shown and did not prove it.
    pub credential: Credential<'a>,
    /// Where the request came from.
    pub source: Source<'a>,
    /// The request in its front end's words.
    pub request: Request<'a>,
    /// What was asked.
    pub action: Action,
    /// In earnest, as a trial, or by the product itself.
    pub mode: Mode,
    /// What the operation demanded, at most [`crate::limits::DEMANDS`].
    pub demands: List<'a, Demand<'a>>,
    /// What was decided; `None` when it never came to a decision.
    pub decision: Option<Decision<'a>>,
    /// What came of it.
    pub outcome: Outcome<'a>,
    /// The algorithm used, as the front end or the engine names it; empty for none.
    pub algorithm: Text<'a>,
    /// What the request said, as far as the front end shows it; at most [`crate::limits::DETAILS`].
    pub details: List<'a, Detail<'a>>,
    /// What the reply said, as far as the front end shows it; at most [`crate::limits::RESULTS`].
    pub results: List<'a, Detail<'a>>,
    /// What changed in the store, in the engine's words; at most [`crate::limits::CHANGES`].
    pub changes: List<'a, Text<'a>>,
    /// The store's revision that the change belongs to; `None` when nothing changed.
    pub revision: Option<Revision>,
    /// How many requests the record stands for: one, save for failed authentications that were put together.
    pub count: u64,
    /// What of the lists was over its limit. `None` when making a record; set by reading one.
    pub left_out: Option<LeftOut>,
}

/// A text, or its digest where it was too long for its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// The text itself.
    Full(Cow<'a, str>),
    /// What stands in its place.
    Digest(TextDigest),
}

/// Items in order, borrowed by a record's maker, owned by its reader. (`Cow` would tie all lifetimes into one.)
#[derive(Clone, Debug)]
pub enum List<'a, T> {
    /// Borrowed.
    Borrowed(&'a [T]),
    /// Owned.
    Owned(Vec<T>),
}

/// What stands in place of a text that was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextDigest {
    /// How long the text was, in bytes.
    pub bytes: u64,
    /// SHA-256 of the text.
    pub sha256: Hash,
}

/// List items that a record had no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub items: u64,
    /// SHA-256 of the items as they would have been written whole, in the order of the record's fields.
    pub sha256: Hash,
}

/// Who asked, as proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    /// Nobody was proved.
    Unproved,
    /// Whoever owns the tenant.
    TenantRoot,
    /// A user of the tenant.
    User {
        /// Identity.
        id: PrincipalId,
        /// Identity as policies and answers show it.
        unique_id: Text<'a>,
        /// The name within the tenant.
        name: Text<'a>,
    },
    /// An operator of the installation.
    Operator {
        /// User id at the far end of the Unix socket.
        uid: u32,
    },
    /// A part of the product acting by itself.
    Internal {
        /// Which part.
        service: Text<'a>,
    },
    /// Whoever a verified token is about, of the issuer that the policy name tells.
    WebIdentity {
        /// Whom the token is about.
        subject: Text<'a>,
    },
}

/// A credential as it may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Identity; `None` when it is not known here.
    pub id: Option<CredentialId>,
    /// The public half as the request showed it, e.g. an access key id; empty for none.
    pub shown: Text<'a>,
}

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source<'a> {
    /// The true peer; `None` for a Unix socket or the product itself. Scope and flow of IPv6 are not recorded.
    pub address: Option<SocketAddr>,
    /// Name of the listener.
    pub listener: Text<'a>,
    /// Version of TLS and cipher suite; empty without TLS.
    pub tls: Text<'a>,
    /// What the client calls itself.
    pub user_agent: Text<'a>,
}

/// A request in its front end's words, opaque here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The request's id, as the reply carries it.
    pub id: Text<'a>,
    /// The front end, e.g. `aws-kms`.
    pub front_end: Text<'a>,
    /// What the front end's world calls the service, e.g. `kms.amazonaws.com`.
    pub event_source: Text<'a>,
    /// What it calls the operation, e.g. `Encrypt`.
    pub operation: Text<'a>,
    /// The region that the request was made in; empty for none.
    pub region: Text<'a>,
}

/// How a request was meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In earnest.
    #[default]
    Run,
    /// Every check, no release.
    DryRun,
    /// The product's own act, that nobody asked for at that moment.
    Internal,
}

/// One thing that an operation demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand<'a> {
    /// What was to be done.
    pub action: Action,
    /// With what, as policies name it; empty for nothing in particular.
    pub resource: Text<'a>,
    /// The key; `None` when there is none, or it was not found.
    pub key: Option<KeyId>,
    /// The material of the key version that served; `None` when none did.
    pub material: Option<MaterialId>,
    /// The ordinal of that version; `None` when none served.
    pub ordinal: Option<u64>,
    /// What for; `None` when no key was wanted.
    pub purpose: Option<Purpose>,
}

/// What was decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Whether the request was allowed.
    pub allowed: bool,
    /// The statements that decided, at most [`crate::limits::STATEMENTS`].
    pub statements: List<'a, Text<'a>>,
    /// What was missing, for a request that nothing allowed; empty otherwise.
    pub missing: Text<'a>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It was done.
    Done,
    /// It failed.
    Failed {
        /// The error's name in the front end's words.
        code: Text<'a>,
        /// What the caller was told; empty for nothing.
        message: Text<'a>,
        /// The number of the engine's error.
        engine: u16,
    },
    /// It vanished before work on it began.
    Abandoned,
}

/// One thing that a request or reply said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail<'a> {
    /// The map that it stood in, e.g. `encryptionContext`; empty when it stood alone.
    pub group: Text<'a>,
    /// Its name.
    pub name: Text<'a>,
    /// Its value.
    pub value: Text<'a>,
}

impl<'a> Record<'a> {
    /// A record that says only what every record must; the other fields say nothing until they are set.
    #[must_use]
    pub fn new(id: RecordId, started: Timestamp, action: Action) -> Self {
        Self {
            id,
            started,
            duration_micros: 0,
            tenant: None,
            account: Text::default(),
            policy_name: Text::default(),
            principal: Principal::Unproved,
            credential: Credential::default(),
            source: Source::default(),
            request: Request::default(),
            action,
            mode: Mode::Run,
            demands: List::default(),
            decision: None,
            outcome: Outcome::Done,
            algorithm: Text::default(),
            details: List::default(),
            results: List::default(),
            changes: List::default(),
            revision: None,
            count: 1,
            left_out: None,
        }
    }
}

impl Text<'_> {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Full(text) if text.is_empty())
    }

    /// The text; `None` when only its digest is left.
    #[must_use]
    pub fn as_full(&self) -> Option<&str> {
        match self {
            Self::Full(text) => Some(text),
            Self::Digest(_) => None,
        }
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self::Full(Cow::Borrowed(""))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Full(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Full(Cow::Owned(text))
    }
}

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(text) => formatter.write_str(text),
            Self::Digest(TextDigest { bytes, sha256 }) => write!(formatter, "({bytes} bytes, SHA-256 {sha256})"),
        }
    }
}

impl<T> std::ops::Deref for List<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Borrowed(items) => items,
            Self::Owned(items) => items,
        }
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self::Borrowed(&[])
    }
}

impl<T: PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for List<'_, T> {}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self::Borrowed(items)
    }
}

impl<T> From<Vec<T>> for List<'_, T> {
    fn from(items: Vec<T>) -> Self {
        Self::Owned(items)
    }
}

/// The number that stands for a purpose in records.
pub(crate) const fn purpose_code(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::ApplyProtection => 1,
        Purpose::ProcessProtected => 2,
        Purpose::Publish => 3,
        Purpose::Inspect => 4,
        Purpose::Describe => 5,
        Purpose::Govern => 6,
        Purpose::Delegate => 7,
        Purpose::Suspend => 8,
        Purpose::Rotate => 9,
        Purpose::Import => 10,
        Purpose::ScheduleDestruction => 11,
        Purpose::CancelDestruction => 12,
        Purpose::RemoveMaterial => 13,
    }
}

/// The purpose with this number; `None` when there is none.
pub(crate) const fn purpose_from_code(code: u8) -> Option<Purpose> {
    Some(match code {
        1 => Purpose::ApplyProtection,
        2 => Purpose::ProcessProtected,
        3 => Purpose::Publish,
        4 => Purpose::Inspect,
        5 => Purpose::Describe,
        6 => Purpose::Govern,
        7 => Purpose::Delegate,
        8 => Purpose::Suspend,
        9 => Purpose::Rotate,
        10 => Purpose::Import,
        11 => Purpose::ScheduleDestruction,
        12 => Purpose::CancelDestruction,
        13 => Purpose::RemoveMaterial,
        _ => return None,
    })
}
