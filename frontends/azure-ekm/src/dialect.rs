//! How the external key proxy names things: actions `ekm-proxy:...`, keys as their key store calls them.

use strongroom_authentication::aws;
use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, NewKey, OwnedKind, ServiceNames, Value};
use strongroom_model::action::Action;
use strongroom_model::name::{Name, NameKind};
use strongroom_model::usage::Usage;

use crate::error::Fault;
use crate::path::{is_external_key_id, is_prefix};

/// The kind of name that an external key is: its key store's name, a slash, its id (docs/formats/registry.md).
pub const EXTERNAL_KEY: NameKind = NameKind(4);

/// What stands between a key store's name and the name of its test key, which no path can lead to.
const TEST_KEY: &str = "/~test-";

const FIRST_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"EveryCallerOfThisKeyStore","Effect":"Allow","Action":"ekm-proxy:*","Resource":"*"}]}"#;

static KINDS: [OwnedKind; 1] = [OwnedKind {
    kind: EXTERNAL_KEY,
    name: "azure-ekm-key",
    usages: &[Usage::KeyWrap, Usage::RsaOaep],
    is_name: is_external_key,
}];

/// The proxy's language in one partition: the first word after `arn:`.
pub struct EkmDialect {
    partition: Box<str>,
}

/// How the proxy names things in a partition, such as `aws`. Names last as long as the process: call this once, at its start.
#[must_use]
pub fn dialect(partition: &str) -> &'static EkmDialect {
    Box::leak(Box::new(EkmDialect { partition: partition.into() }))
}

impl ServiceNames for EkmDialect {
    fn policy_name(&self, account: &str, store: &str) -> String {
        format!("arn:{}:ekm-proxy::{account}:store/{store}", self.partition)
    }

    /// All calls.
    fn first_policy(&self) -> (&'static str, &'static str) {
        ("calls", FIRST_POLICY)
    }

    /// What Managed HSM is told as the path prefix; a single slash for none.
    fn path(&self, prefix: &str) -> String {
        format!("/{prefix}")
    }

    fn is_prefix(&self, prefix: &str) -> bool {
        is_prefix(prefix)
    }

    fn kind(&self) -> NameKind {
        EXTERNAL_KEY
    }

    fn key(&self, store: &str, external_key_id: &str) -> String {
        external_key_name(store, external_key_id)
    }

    fn test_key(&self, store: &str, drawn: [u8; 16]) -> String {
        format!("{store}{TEST_KEY}{:032x}", u128::from_be_bytes(drawn))
    }
}

/// The name that binds an external key.
#[must_use]
pub fn external_key_name(store: &str, external_key_id: &str) -> String {
    format!("{store}/{external_key_id}")
}

/// Whether a text binds an external key, as opposed to a test key and to nothing.
#[must_use]
pub fn is_external_key(text: &str) -> bool {
    text.split_once('/').is_some_and(|(store, key)| !store.is_empty() && is_external_key_id(key))
}

impl Dialect for EkmDialect {
    fn front_end(&self) -> &'static str {
        "azure-ekm"
    }

    fn event_source(&self) -> &'static str {
        "ekm-proxy"
    }

    fn error(&self, error: &EngineError, _: &Call) -> (&'static str, String) {
        let Fault { kind, message } = error.into();
        (kind.name(), message)
    }

    fn has_key_policies(&self) -> bool {
        false
    }

    fn action(&self, action: Action) -> &'static str {
        match action {
            Action::WrapKey | Action::Encrypt => "ekm-proxy:WrapKey",
            Action::UnwrapKey | Action::Decrypt => "ekm-proxy:UnwrapKey",
            Action::DescribeKey => "ekm-proxy:GetKeyMetadata",
            Action::GetCallerIdentity => "ekm-proxy:GetProxyInfo",
            _ => "ekm-proxy:None",
        }
    }

    fn key_kind(&self) -> NameKind {
        NameKind::INTERNAL
    }

    fn kinds(&self) -> &'static [OwnedKind] {
        &KINDS
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
        format!("arn:{}:ekm-proxy::{account}:key/{text}", self.partition)
    }

    fn tenant_resource(&self, account: &str) -> String {
        format!("arn:{}:ekm-proxy::{account}:tenant", self.partition)
    }

    fn name_resource(&self, account: &str, name: &Name) -> String {
        let (store, key) = name.text.split_once('/').unwrap_or((&name.text, ""));
        format!("arn:{}:ekm-proxy:{}:{account}:store/{store}/key/{key}", self.partition, name.region)
    }

    fn attribute<'a>(&self, key: &ConditionKey, index: usize, facts: &Facts<'a>) -> Option<Value<'a>> {
        aws::surroundings(key, facts).filter(|_| index == 0)
    }
}
