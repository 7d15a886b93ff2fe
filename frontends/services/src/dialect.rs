//! How such a front end names things: actions `SERVICE:...`, keys as their key store calls them.

use std::marker::PhantomData;

use strongroom_authentication::aws;
use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, NewKey, OwnedKind, ServiceNames, Value};
use strongroom_model::action::Action;
use strongroom_model::name::{Name, NameKind};
use strongroom_model::usage::Usage;

/// What stands between a key store's name and the name of its test key, which no path can lead to.
const TEST_KEY: &str = "/~test-";

/// What is one front end's own in its language.
pub trait Language: Send + Sync + 'static {
    /// The front end's name, as records tell it.
    const FRONT_END: &'static str;
    /// What its actions and resources begin with, and its records come from.
    const SERVICE: &'static str;
    /// The kind of name that an external key is: its key store's name, a slash, its id (docs/formats/registry.md).
    const KIND: NameKind;
    /// What that kind is called.
    const KIND_NAME: &'static str;
    /// What keys with such a name may be for.
    const USAGES: &'static [Usage];
    /// The policy that a key store begins with.
    const FIRST_POLICY: &'static str;

    /// An action as policies name it, with [`Language::SERVICE`] before it.
    fn action(action: Action) -> &'static str;

    /// The path that the cloud is told for a prefix.
    fn path(prefix: &str) -> String;

    /// Whether a key store can be served at a prefix, besides the rules that hold for all.
    fn is_prefix(_: &str) -> bool {
        true
    }

    /// What the cloud can call a key, as an end of "the name must be ...".
    const EXTERNAL_KEY_ID_RULE: &'static str;

    /// Whether a text can be what the cloud calls a key.
    fn is_external_key_id(text: &str) -> bool;

    /// An engine's error in the API's words: its name, and what is said of it.
    fn error(error: &EngineError) -> (&'static str, String);
}

/// A language in one partition: the first word after `arn:`.
pub struct ServiceDialect<L> {
    partition: Box<str>,
    language: PhantomData<fn(L)>,
}

impl<L> ServiceDialect<L> {
    /// How a front end names things in a partition, such as `aws`.
    #[must_use]
    pub fn new(partition: &str) -> Self {
        Self { partition: partition.into(), language: PhantomData }
    }
}

/// The name that binds an external key.
#[must_use]
pub fn external_key_name(store: &str, external_key_id: &str) -> String {
    format!("{store}/{external_key_id}")
}

/// Whether a text binds an external key, as opposed to a test key and to nothing.
fn is_external_key<L: Language>(text: &str) -> bool {
    text.split_once('/').is_some_and(|(store, key)| !store.is_empty() && L::is_external_key_id(key))
}

impl<L: Language> ServiceNames for ServiceDialect<L> {
    fn policy_name(&self, account: &str, store: &str) -> String {
        format!("arn:{}:{}::{account}:store/{store}", self.partition, L::SERVICE)
    }

    fn first_policy(&self) -> (&'static str, &'static str) {
        ("calls", L::FIRST_POLICY)
    }

    fn path(&self, prefix: &str) -> String {
        L::path(prefix)
    }

    fn is_prefix(&self, prefix: &str) -> bool {
        L::is_prefix(prefix)
    }

    fn kind(&self) -> NameKind {
        L::KIND
    }

    fn misnamed(&self, called: &str) -> Option<&'static str> {
        (!L::is_external_key_id(called)).then_some(L::EXTERNAL_KEY_ID_RULE)
    }

    fn key(&self, store: &str, external_key_id: &str) -> String {
        external_key_name(store, external_key_id)
    }

    fn test_key(&self, store: &str, drawn: [u8; 16]) -> String {
        format!("{store}{TEST_KEY}{:032x}", u128::from_be_bytes(drawn))
    }
}

impl<L: Language> Dialect for ServiceDialect<L> {
    fn front_end(&self) -> &'static str {
        L::FRONT_END
    }

    fn event_source(&self) -> &'static str {
        L::SERVICE
    }

    fn error(&self, error: &EngineError, _: &Call) -> (&'static str, String) {
        L::error(error)
    }

    fn has_key_policies(&self) -> bool {
        false
    }

    fn action(&self, action: Action) -> &'static str {
        L::action(action)
    }

    fn key_kind(&self) -> NameKind {
        NameKind::INTERNAL
    }

    fn kinds(&self) -> &'static [OwnedKind] {
        const { &[OwnedKind { kind: L::KIND, name: L::KIND_NAME, usages: L::USAGES, is_name: is_external_key::<L> }] }
    }

    fn new_key(&self, _: [u8; 16], account: &str) -> Option<NewKey> {
        let partition = &self.partition;
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Account","Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
        );
        Some(NewKey { name: String::new(), policy })
    }

    fn services(&self) -> Option<&dyn ServiceNames> {
        Some(self)
    }

    fn key_resource(&self, account: &str, _: &str, text: &str) -> String {
        format!("arn:{}:{}::{account}:key/{text}", self.partition, L::SERVICE)
    }

    fn tenant_resource(&self, account: &str) -> String {
        format!("arn:{}:{}::{account}:tenant", self.partition, L::SERVICE)
    }

    fn name_resource(&self, account: &str, name: &Name) -> String {
        let (store, key) = name.text.split_once('/').unwrap_or((&name.text, ""));
        format!("arn:{}:{}:{}:{account}:store/{store}/key/{key}", self.partition, L::SERVICE, name.region)
    }

    fn attribute<'a>(&self, key: &ConditionKey, index: usize, facts: &Facts<'a>) -> Option<Value<'a>> {
        aws::surroundings(key, facts).filter(|_| index == 0)
    }
}
