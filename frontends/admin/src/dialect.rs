//! How the admin API names things: actions `strongroom:...`, resources `arn:aws:strongroom::ACCOUNT:...`. Keys and
//! tenants are of no region to an administrator.

use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, OwnedKind, Value};
use strongroom_model::action::Action;
use strongroom_model::name::{Name, NameKind};

/// The admin API's language.
pub struct AdminDialect;

impl Dialect for AdminDialect {
    fn front_end(&self) -> &'static str {
        "admin"
    }

    fn event_source(&self) -> &'static str {
        "strongroom.internal"
    }

    fn error(&self, error: &EngineError, _: &Call) -> (&'static str, String) {
        (crate::error::code(error), error.to_string())
    }

    fn has_key_policies(&self) -> bool {
        false
    }

    fn action(&self, action: Action) -> &'static str {
        action_name(action)
    }

    fn key_kind(&self) -> NameKind {
        NameKind::INTERNAL
    }

    fn kinds(&self) -> &'static [OwnedKind] {
        // A key's internal id is never bound.
        &[]
    }

    fn key_resource(&self, account: &str, _: &str, text: &str) -> String {
        format!("arn:aws:strongroom::{account}:key/{text}")
    }

    fn tenant_resource(&self, account: &str) -> String {
        match account {
            "" => "arn:aws:strongroom:::installation".to_owned(),
            account => format!("arn:aws:strongroom::{account}:tenant"),
        }
    }

    fn name_resource(&self, account: &str, name: &Name) -> String {
        format!("arn:aws:strongroom:{}:{account}:name/{}", name.region, name.text)
    }

    fn attribute<'a>(&self, key: &ConditionKey, index: usize, facts: &Facts<'a>) -> Option<Value<'a>> {
        let address = || facts.call.source.address.map(|address| Value::Address(address.ip()));
        let value = match key.name() {
            "aws:sourceip" => address(),
            "aws:currenttime" => Some(Value::Time(facts.now)),
            "aws:epochtime" => Some(Value::Number(facts.now / 1000)),
            "kms:trailingdayswithoutkeyusage" => facts.unused_days().map(Value::Number),
            _ => None,
        };
        value.filter(|_| index == 0)
    }
}

/// The name of an action in policies: `strongroom:` and the action's own.
const fn action_name(action: Action) -> &'static str {
    macro_rules! named {
        ($($variant:ident),* $(,)?) => {
            match action { $(Action::$variant => concat!("strongroom:", stringify!($variant)),)* }
        };
    }
    named!(
        CreateKey,
        DescribeKey,
        ListKeys,
        EnableKey,
        DisableKey,
        ScheduleKeyDestruction,
        CancelKeyDestruction,
        UpdateKeyDescription,
        GetKeyLastUsage,
        Encrypt,
        Decrypt,
        ReEncryptFrom,
        ReEncryptTo,
        GenerateDataKey,
        GenerateDataKeyWithoutPlaintext,
        GenerateDataKeyPair,
        GenerateDataKeyPairWithoutPlaintext,
        GenerateRandom,
        GenerateMac,
        VerifyMac,
        Sign,
        Verify,
        GetPublicKey,
        CreateAlias,
        UpdateAlias,
        DeleteAlias,
        ListAliases,
        TagKey,
        UntagKey,
        ListKeyTags,
        GetKeyPolicy,
        PutKeyPolicy,
        ListKeyPolicies,
        CreateGrant,
        ListGrants,
        ListRetirableGrants,
        RetireGrant,
        RevokeGrant,
        EnableKeyRotation,
        DisableKeyRotation,
        GetKeyRotationStatus,
        ListKeyRotations,
        RotateKeyOnDemand,
        GetCallerIdentity,
        DeriveSharedSecret,
        Encapsulate,
        Decapsulate,
        CreateKeyStore,
        DescribeKeyStores,
        UpdateKeyStore,
        DeleteKeyStore,
        ConnectKeyStore,
        DisconnectKeyStore,
        GetParametersForImport,
        ImportKeyMaterial,
        DeleteImportedKeyMaterial,
        ReplicateKey,
        UpdatePrimaryRegion,
        SealDetached,
        OpenDetached,
        WrapKey,
        UnwrapKey,
        ListTaggedKeys,
        AssumeRole,
        AssumeRoleWithWebIdentity,
        TagSession,
        SetSourceIdentity,
        ManageTenants,
        ReadTenants,
        ManagePrincipals,
        ReadPrincipals,
        ManageCredentials,
        ReadCredentials,
        ManageRoots,
        ReadRoots,
        ReadAudit,
        ManageBackups,
        Suspend,
        RotateDomainKey,
        ReadBindings,
        ManageBindings,
        Unseal,
        Scheduled,
        Installation,
        Authenticate,
    )
}
