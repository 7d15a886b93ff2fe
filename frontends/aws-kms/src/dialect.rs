//! How KMS names things: actions `kms:...`, keys and aliases by ARN, and the condition keys that follow from a key.

use strongroom_authentication::aws;
use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, KeyEntry, NewKey, OwnedKind, Value};
use strongroom_model::action::Action;
use strongroom_model::name::{Name, NameKind};
use strongroom_model::usage::Usage;

use crate::operations::Operation;
use crate::operations::replicas::type_word;
use crate::words::{self, word};
use crate::{error, names};

/// The kind of name that a key id is (docs/formats/registry.md).
pub const KEY_ID: NameKind = NameKind(1);
/// The kind of name that an alias is, its prefix `alias/` included.
pub const ALIAS: NameKind = NameKind(2);

/// What KMS can do with a key.
const USAGES: &[Usage] =
    &[Usage::DerivedAead, Usage::RsaOaep, Usage::Sign, Usage::Mac, Usage::KeyAgreement, Usage::Kem];
static KINDS: [OwnedKind; 2] = [
    OwnedKind { kind: KEY_ID, name: "aws-kms-key-id", usages: USAGES, is_name: names::is_key_id },
    OwnedKind { kind: ALIAS, name: "aws-kms-alias", usages: USAGES, is_name: names::is_alias },
];

/// KMS's language in one partition: the first word after `arn:`, by which worlds of AWS are told apart.
pub struct KmsDialect {
    partition: Box<str>,
}

/// How KMS names things in a partition, such as `aws`. Names last as long as the process: call this once, at its start.
#[must_use]
pub fn dialect(partition: &str) -> &'static KmsDialect {
    Box::leak(Box::new(KmsDialect { partition: partition.into() }))
}

impl KmsDialect {
    /// The partition.
    #[must_use]
    pub const fn partition(&self) -> &str {
        &self.partition
    }

    /// What a key gets whose maker gives it no policy: its account decides.
    #[must_use]
    pub fn default_key_policy(&self, account: &str) -> String {
        let partition = &self.partition;
        format!(
            "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \
             \"Sid\" : \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {{\n      \
             \"AWS\" : \"arn:{partition}:iam::{account}:root\"\n    }},\n    \"Action\" : \"kms:*\",\n    \
             \"Resource\" : \"*\"\n  }} ]\n}}"
        )
    }

    pub(crate) fn arn(&self, account: &str, region: &str, rest: &str) -> String {
        format!("arn:{}:kms:{region}:{account}:{rest}", self.partition)
    }
}

impl Dialect for KmsDialect {
    fn front_end(&self) -> &'static str {
        "aws-kms"
    }

    fn event_source(&self) -> &'static str {
        "kms.amazonaws.com"
    }

    fn error(&self, error: &EngineError, call: &Call) -> (&'static str, String) {
        let answer = error::answer(error, Operation::from_name(call.operation));
        (answer.code, answer.message.unwrap_or_default())
    }

    fn has_key_policies(&self) -> bool {
        true
    }

    fn action(&self, action: Action) -> &'static str {
        action_name(action)
    }

    fn key_kind(&self) -> NameKind {
        KEY_ID
    }

    fn kinds(&self) -> &'static [OwnedKind] {
        &KINDS
    }

    fn new_key(&self, drawn: [u8; 16], account: &str) -> Option<NewKey> {
        Some(NewKey { name: strongroom_authentication::uuid(drawn), policy: self.default_key_policy(account) })
    }

    fn key_resource(&self, account: &str, region: &str, text: &str) -> String {
        self.arn(account, region, &format!("key/{text}"))
    }

    fn tenant_resource(&self, _: &str) -> String {
        "*".to_owned()
    }

    fn name_resource(&self, account: &str, name: &Name) -> String {
        match name.kind {
            KEY_ID => self.key_resource(account, &name.region, &name.text),
            _ => self.arn(account, &name.region, &name.text),
        }
    }

    fn attribute<'a>(&self, key: &ConditionKey, index: usize, facts: &Facts<'a>) -> Option<Value<'a>> {
        let call = facts.call;
        let one = |value: Option<Value<'a>>| value.filter(|_| index == 0);
        match key.name() {
            "aws:viaawsservice" => one(Some(Value::Bool(false))),
            "kms:calleraccount" => one(Some(Value::Text(&call.caller.account))),
            "kms:requestalias" => one(asked_alias(facts)),
            "kms:trailingdayswithoutkeyusage" => one(facts.unused_days().map(Value::Number)),
            "kms:reencryptonsamekey" => one(same_key(facts).map(Value::Bool)),
            _ => match aws::surroundings(key, facts) {
                Some(value) => one(Some(value)),
                None => key_attribute(key, index, facts.key?, &call.region),
            },
        }
    }
}

fn asked_alias<'a>(facts: &Facts<'a>) -> Option<Value<'a>> {
    facts.asked.filter(|name| name.kind == ALIAS).map(|name| Value::Text(&name.text))
}

/// Whether source and destination are the same key, for requests with both.
fn same_key(facts: &Facts<'_>) -> Option<bool> {
    match (facts.call.operation, facts.keys) {
        ("ReEncrypt", [source, destination]) => Some(source.entry().row.id == destination.entry().row.id),
        _ => None,
    }
}

/// What follows from a key itself.
fn key_attribute<'a>(key: &ConditionKey, index: usize, entry: &'a KeyEntry, region: &str) -> Option<Value<'a>> {
    let one = |value: Value<'a>| Some(value).filter(|_| index == 0);
    match key.name() {
        "kms:keyspec" | "kms:customermasterkeyspec" => one(Value::Text(word(words::KEY_SPECS, &entry.row.spec))),
        "kms:keyusage" | "kms:customermasterkeyusage" => one(Value::Text(words::key_usage_word(entry.profile))),
        "kms:keyorigin" => one(Value::Text(words::origin(entry.row.origin))),
        "kms:multiregion" => one(Value::Bool(entry.row.multi_region.is_some())),
        "kms:multiregionkeytype" => one(Value::Text(type_word(entry.row.multi_region?))),
        "kms:resourcealiases" => {
            let aliases = entry.names.iter().filter(|name| name.kind == ALIAS && *name.region == *region);
            aliases.map(|name| Value::Text(&name.text)).nth(index)
        }
        "aws:resourcetag" => {
            let mut tags = entry.row.tags.iter().filter(|(tag, _)| key.qualifies(tag));
            tags.nth(index).map(|(_, value)| Value::Text(value))
        }
        _ => None,
    }
}

/// The name of an action in policies. What KMS has no action for keeps the name that the product gives it.
pub(crate) const fn action_name(action: Action) -> &'static str {
    macro_rules! named {
        ($($variant:ident $(=> $name:literal)?,)*) => {
            match action { $(Action::$variant => named!(@ $variant $($name)?),)* }
        };
        (@ $variant:ident $name:literal) => { $name };
        (@ $variant:ident) => { concat!("kms:", stringify!($variant)) };
    }
    named!(
        CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey,
        ScheduleKeyDestruction => "kms:ScheduleKeyDeletion",
        CancelKeyDestruction => "kms:CancelKeyDeletion",
        UpdateKeyDescription, GetKeyLastUsage, Encrypt, Decrypt, ReEncryptFrom, ReEncryptTo, GenerateDataKey,
        GenerateDataKeyWithoutPlaintext, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, GenerateRandom,
        GenerateMac, VerifyMac, Sign, Verify, GetPublicKey, CreateAlias, UpdateAlias, DeleteAlias, ListAliases,
        TagKey => "kms:TagResource",
        UntagKey => "kms:UntagResource",
        ListKeyTags => "kms:ListResourceTags",
        GetKeyPolicy, PutKeyPolicy, ListKeyPolicies, CreateGrant, ListGrants, ListRetirableGrants, RetireGrant,
        RevokeGrant, EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations, RotateKeyOnDemand,
        GetCallerIdentity => "sts:GetCallerIdentity",
        DeriveSharedSecret, Encapsulate, Decapsulate,
        CreateKeyStore => "kms:CreateCustomKeyStore",
        DescribeKeyStores => "kms:DescribeCustomKeyStores",
        UpdateKeyStore => "kms:UpdateCustomKeyStore",
        DeleteKeyStore => "kms:DeleteCustomKeyStore",
        ConnectKeyStore => "kms:ConnectCustomKeyStore",
        DisconnectKeyStore => "kms:DisconnectCustomKeyStore",
        GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial, ReplicateKey, UpdatePrimaryRegion,
        SealDetached => "strongroom:SealDetached",
        OpenDetached => "strongroom:OpenDetached",
        WrapKey => "strongroom:WrapKey",
        UnwrapKey => "strongroom:UnwrapKey",
        ListTaggedKeys => "tag:GetResources",
        AssumeRole => "sts:AssumeRole",
        AssumeRoleWithWebIdentity => "sts:AssumeRoleWithWebIdentity",
        TagSession => "sts:TagSession",
        SetSourceIdentity => "sts:SetSourceIdentity",
        ManageTenants => "strongroom:ManageTenants",
        ReadTenants => "strongroom:ReadTenants",
        ManagePrincipals => "strongroom:ManagePrincipals",
        ReadPrincipals => "strongroom:ReadPrincipals",
        ManageCredentials => "strongroom:ManageCredentials",
        ReadCredentials => "strongroom:ReadCredentials",
        ManageRoots => "strongroom:ManageRoots",
        ReadRoots => "strongroom:ReadRoots",
        ReadAudit => "strongroom:ReadAudit",
        ManageBackups => "strongroom:ManageBackups",
        Suspend => "strongroom:Suspend",
        RotateDomainKey => "strongroom:RotateDomainKey",
        ReadBindings => "strongroom:ReadBindings",
        ManageBindings => "strongroom:ManageBindings",
        Unseal => "strongroom:Unseal",
        Scheduled => "strongroom:Scheduled",
        Installation => "strongroom:Installation",
        Authenticate => "strongroom:Authenticate",
    )
}
