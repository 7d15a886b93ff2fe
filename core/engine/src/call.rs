//! A request as the engine sees it, and the language that its front end speaks.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Source};
use strongroom_model::clock::Timestamp;
use strongroom_model::name::{Name, NameKind};
use strongroom_model::usage::Usage;
use strongroom_policy::{Attributes, ConditionKey, NoAttributes, Value};

use crate::Engine;
use crate::catalog::KeyEntry;
use crate::error::EngineError;
use crate::operation::KeyHandle;
use crate::operations::key::DAY;

/// How a front end names things: in policies, in records, in refusals. The engine knows none of these words.
pub trait Dialect: Send + Sync + 'static {
    /// The front end, for records, e.g. `aws-kms`.
    fn front_end(&self) -> &'static str;

    /// What its world calls the service, for records, e.g. `kms.amazonaws.com`.
    fn event_source(&self) -> &'static str;

    /// An error's name and message in its words, for records.
    fn error(&self, error: &EngineError, call: &Call) -> (&'static str, String);

    /// Whether key policies and grants decide here, or identity policies alone.
    fn has_key_policies(&self) -> bool;

    /// The name of an action in policies.
    fn action(&self, action: Action) -> &'static str;

    /// The kind of name by which this front end knows a key itself, as opposed to other names bound to it.
    fn key_kind(&self) -> NameKind;

    /// The kinds of name that this front end owns.
    fn kinds(&self) -> &'static [OwnedKind];

    /// What a key gets that an administrator makes for this front end: `drawn` is random. `None` where the front end's own
    /// name of a key is no random one.
    fn new_key(&self, _drawn: [u8; 16], _account: &str) -> Option<NewKey> {
        None
    }

    /// How services elsewhere are named, if they speak this language: they ask in it and in no other, and nobody else asks
    /// in it. A key is the name that it was asked by, in policies and records, since each service has names of its own for
    /// keys.
    fn services(&self) -> Option<&dyn ServiceNames> {
        None
    }

    /// The resource that a key is in policies: `text` is its name of [`Dialect::key_kind`] in `region`.
    fn key_resource(&self, account: &str, region: &str, text: &str) -> String;

    /// The resource that a tenant as a whole is, for actions on no key.
    fn tenant_resource(&self, account: &str) -> String;

    /// The resource that a name is, for actions on the name itself.
    fn name_resource(&self, account: &str, name: &Name) -> String;

    /// A condition key that follows from the key and the proved caller, at `index` as [`Attributes::value`] counts;
    /// what the request itself carries has been asked before.
    fn attribute<'a>(&self, key: &ConditionKey, index: usize, facts: &Facts<'a>) -> Option<Value<'a>>;
}

/// How a front end names services elsewhere and what is theirs.
pub trait ServiceNames: Send + Sync {
    /// The name that policies know a service by.
    fn policy_name(&self, account: &str, service: &str) -> String;

    /// The name and the document of the policy that a service begins with, unless it is given another.
    fn first_policy(&self) -> (&'static str, &'static str);

    /// The path by which a service is served at a prefix.
    fn path(&self, prefix: &str) -> String;

    /// Whether a service can be served at a prefix, besides the rules that hold for every service.
    fn is_prefix(&self, _: &str) -> bool {
        true
    }

    /// The kind of name that binds keys to services.
    fn kind(&self) -> NameKind;

    /// What a key must be called by the service, where it is called otherwise: an end of "the name ...".
    fn misnamed(&self, _called: &str) -> Option<&'static str> {
        None
    }

    /// The name that binds a key, as the service calls it.
    fn key(&self, service: &str, called: &str) -> String;

    /// The name of a service's test key; `drawn` is random.
    fn test_key(&self, service: &str, drawn: [u8; 16]) -> String;
}

/// A kind of name, as the front end that owns it describes it (docs/formats/registry.md).
#[derive(Clone, Copy, Debug)]
pub struct OwnedKind {
    /// The kind.
    pub kind: NameKind,
    /// What it is called, e.g. `aws-kms-alias`.
    pub name: &'static str,
    /// What keys may be for that a name of this kind leads to: anything else is not served under it.
    pub usages: &'static [Usage],
    /// Whether a text is a name of this kind.
    pub is_name: fn(&str) -> bool,
}

/// What a front end gives a new key.
pub struct NewKey {
    /// Its name of [`Dialect::key_kind`].
    pub name: String,
    /// The policy of a key whose maker gives it none.
    pub policy: String,
}

/// What a dialect may draw an attribute from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The request.
    pub call: &'a Call,
    /// The key, if the demand is about one.
    pub key: Option<&'a KeyEntry>,
    /// The name by which the request called it, if it used one.
    pub asked: Option<&'a Name>,
    /// Every key that the request is about.
    pub keys: &'a [KeyHandle],
    /// Milliseconds since 1970.
    pub now: i64,
    pub(crate) usage: Option<UsageOf<'a>>,
}

/// Where the use of a key that is to be taken out of use can be looked up. Blocks, so it is there on a worker only.
#[derive(Clone, Copy)]
pub(crate) struct UsageOf<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) key: &'a KeyEntry,
}

impl Facts<'_> {
    /// Whole days since the key was used last, or was made if it never was; for what takes the key out of use only. Where
    /// the ledger can't tell the key counts as in use: a policy that asks is there to stop just this.
    #[must_use]
    pub fn unused_days(&self) -> Option<i64> {
        let UsageOf { engine, key } = self.usage?;
        let newest = match engine.last_use(key.row.id) {
            Ok(last) => last.map_or(key.row.created, |last| last.at.max(key.row.created)),
            Err(error) => {
                tracing::warn!(%error, "the usage ledger could not be read; the key counts as used today");
                return Some(0);
            }
        };
        let unused = Timestamp(u64::try_from(self.now).unwrap_or(0)).since(newest);
        Some(i64::try_from(unused.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX))
    }
}

/// One request, as proved and parsed by a front end.
pub struct Call {
    /// Who asks.
    pub caller: Arc<Caller>,
    /// The front end's language.
    pub dialect: &'static dyn Dialect,
    /// Where from.
    pub source: Arc<Source>,
    /// Identity of the request, as the answer shows it.
    pub request_id: Box<str>,
    /// The region that the request was signed for.
    pub region: Arc<str>,
    /// The operation as the front end names it, for the record.
    pub operation: &'static str,
    /// What the client calls itself; at most a few hundred bytes.
    pub user_agent: Box<str>,
    /// What the record should say of the request besides, in the front end's words. Never a secret.
    pub detail: Vec<(&'static str, String)>,
    /// The condition keys that the request itself carries.
    pub attributes: Arc<dyn Attributes + Send + Sync>,
    /// Grants that the caller points to, before every node may know of them.
    pub grant_tokens: Vec<String>,
}

impl Call {
    /// A call of the product's own, by one of its parts.
    #[must_use]
    pub fn internal(service: &'static str, operation: &'static str, dialect: &'static dyn Dialect) -> Self {
        Self {
            caller: Arc::new(Caller {
                tenant: strongroom_model::id::TenantId::INSTALLATION,
                account: Arc::from(""),
                policy_name: Arc::from(service),
                principal: strongroom_model::caller::Principal::Internal { service },
                credential: None,
            }),
            dialect,
            source: Arc::new(Source::default()),
            request_id: Box::from(""),
            region: Arc::from(""),
            operation,
            user_agent: Box::from(""),
            detail: Vec::new(),
            attributes: Arc::new(NoAttributes),
            grant_tokens: Vec::new(),
        }
    }
}

/// Whether an operation is really done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Run,
    /// Check everything, opening the ciphertext included; release and change nothing.
    DryRun,
}
