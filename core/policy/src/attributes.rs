//! What a request carries beside principal, action and resource: condition keys and their values. The front end
//! answers them one by one when a condition asks, so that nothing is gathered that no policy reads.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use time::OffsetDateTime;

use crate::condition_keys::{self, KnownKey};

/// The values of condition keys in a request, answered on demand.
///
/// Keys that follow from what was proved, and keys that nothing here can have, are never asked, whatever a request claims
/// ([`Supplier::Proof`](crate::Supplier::Proof), [`Supplier::Nobody`](crate::Supplier::Nobody)).
pub trait Attributes {
    /// The value of `key` at `index`, counted from 0; `None` past the last one, so `None` at 0 says that the request
    /// has no such key.
    ///
    /// Answer by [`ConditionKey::name`]. Compare [`ConditionKey::qualifier`] ignoring ASCII case, as AWS does for tag keys
    /// and encryption context keys ([`ConditionKey::qualifies`]); where several fit, answer them all.
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>>;

    /// The pair at `index` of the request's encryption context, in any order and without repetition, which the
    /// constraints of grants read. Requests without one keep this answer.
    fn context_pair(&self, index: usize) -> Option<(&str, &str)> {
        let _ = index;
        None
    }
}

/// A request that carries no attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAttributes;

impl Attributes for NoAttributes {
    fn value(&self, _: &ConditionKey, _: usize) -> Option<Value<'_>> {
        None
    }
}

/// One value of a condition key. Typed values are compared without parsing; where a string operator asks, each has
/// the text form that AWS uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text. Numbers, dates, addresses, booleans and base64 (for binary values) are read from it where an operator wants one.
    Text(&'a str),
    /// An integer; for dates, seconds since 1970 (`aws:EpochTime`).
    Number(i64),
    /// A boolean (`aws:SecureTransport`).
    Bool(bool),
    /// Milliseconds since 1970-01-01T00:00:00Z (`aws:CurrentTime`).
    Time(i64),
    /// An address (`aws:SourceIp`). IPv4 mapped into IPv6 counts as IPv4.
    Address(IpAddr),
}

impl<'a> Value<'a> {
    /// The value as text, written into the buffer unless it is text already.
    pub(crate) fn text<'b>(self, buffer: &'b mut TextBuffer) -> &'b str
    where
        'a: 'b,
    {
        // The buffer holds the longest form of each, so that writing can't fail.
        let _written = match self {
            Self::Text(text) => return text,
            Self::Bool(true) => return "true",
            Self::Bool(false) => return "false",
            Self::Number(number) => write!(buffer, "{number}"),
            Self::Address(address) => write!(buffer, "{}", address.to_canonical()),
            Self::Time(milliseconds) => match OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1000)) {
                Ok(t) => write!(
                    buffer,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                    t.year(),
                    u8::from(t.month()),
                    t.day(),
                    t.hour(),
                    t.minute(),
                    t.second()
                ),
                Err(_) => write!(buffer, "{milliseconds}"),
            },
        };
        buffer.as_str()
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::Text("")
    }
}

/// Room for the text form of any typed value: the longest is an IPv6 address of 39 characters.
pub(crate) struct TextBuffer {
    bytes: [u8; 48],
    length: usize,
}

impl TextBuffer {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; 48], length: 0 }
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for TextBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// The name of a condition key, such as `aws:SourceIp` or `aws:RequestTag/team`, as a policy writes it.
///
/// Names ignore case (IAM User Guide, "Condition", and for encryption contexts the KMS Developer Guide, "Case
/// sensitivity of the encryption context condition").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionKey {
    written: Box<str>,
    name: Box<str>,
    qualifier: Option<Box<str>>,
    known: Option<&'static KnownKey>,
}

impl ConditionKey {
    /// Reads `service:name`, `service:name/qualifier` or `service:name:qualifier`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (service, rest) = text.split_once(':')?;
        let (name, qualifier) = match rest.split_once([':', '/']) {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        let plain = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        };
        if !plain(service) || !plain(name) || qualifier == Some("") {
            return None;
        }
        let name = format!("{service}:{name}").to_ascii_lowercase();
        let known = condition_keys::find(&name);
        Some(Self { written: text.into(), name: name.into(), qualifier: qualifier.map(Into::into), known })
    }

    /// The key in lower case without its qualifier: `aws:requesttag` of `aws:RequestTag/team`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What follows the name, as written: `team` of `aws:RequestTag/team`, `Dept` of `kms:EncryptionContext:Dept`.
    #[must_use]
    pub fn qualifier(&self) -> Option<&str> {
        self.qualifier.as_deref()
    }

    /// Whether the qualifier is `text`, ignoring ASCII case.
    #[must_use]
    pub fn qualifies(&self, text: &str) -> bool {
        self.qualifier.as_ref().is_some_and(|qualifier| qualifier.eq_ignore_ascii_case(text))
    }

    /// What is known of the key; `None` for one that is not in [`CONDITION_KEYS`](crate::CONDITION_KEYS).
    #[must_use]
    pub const fn known(&self) -> Option<&'static KnownKey> {
        self.known
    }

    /// The claim that the key names in a token of `issuer`, a URL without its scheme: `sub` of
    /// `oidc.example/tenant:sub`.
    #[must_use]
    pub fn claim_of(&self, issuer: &str) -> Option<&str> {
        let (name, claim) = self.written.split_at_checked(issuer.len())?;
        claim.strip_prefix(':').filter(|claim| name.eq_ignore_ascii_case(issuer) && !claim.is_empty())
    }

    /// The key as the policy wrote it.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.written
    }
}
