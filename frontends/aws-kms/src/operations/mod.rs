//! The operations as data: each name of AWS's, the action that it is in records of refusals, and its handler.

mod agreements;
mod aliases;
mod data_keys;
mod encrypt;
mod grants;
mod imports;
pub(crate) mod key_stores;
mod keys;
mod macs;
mod metadata;
mod policies;
pub(crate) mod replicas;
mod rotation;
mod sign;
mod tags;

use bytes::Bytes;
use serde::Deserialize;
use strongroom_model::action::Action;

use crate::context::Context;
use crate::error::Fault;

macro_rules! operations {
    ($($name:ident, $action:ident => $handler:path;)*) => {
        /// An operation of KMS that this front end knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($name,)*
            /// One that it does not know.
            Unknown,
        }

        impl Operation {
            /// Every operation that it knows.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The operation of that name.
            pub(crate) fn from_name(name: &str) -> Self {
                match name {
                    $(stringify!($name) => Self::$name,)*
                    _ => Self::Unknown,
                }
            }

            /// Its name.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Unknown => "UnknownOperation",
                }
            }

            /// What it asks for.
            pub(crate) const fn action(self) -> Action {
                match self {
                    $(Self::$name => Action::$action,)*
                    Self::Unknown => Action::Authenticate,
                }
            }

            /// Does it.
            pub(crate) async fn run(self, context: &Context<'_>, body: &[u8]) -> Result<Bytes, Fault> {
                match self {
                    $(Self::$name => $handler(context, parse(body)?).await,)*
                    Self::Unknown => Err(Fault::unknown_operation()),
                }
            }
        }
    };
}

operations! {
    CancelKeyDeletion, CancelKeyDestruction => keys::cancel_deletion;
    ConnectCustomKeyStore, ConnectKeyStore => key_stores::connect;
    CreateAlias, CreateAlias => aliases::create;
    CreateCustomKeyStore, CreateKeyStore => key_stores::create;
    CreateGrant, CreateGrant => grants::create;
    CreateKey, CreateKey => keys::create;
    Decapsulate, Decapsulate => agreements::decapsulate;
    Decrypt, Decrypt => encrypt::decrypt;
    DeleteAlias, DeleteAlias => aliases::delete;
    DeleteCustomKeyStore, DeleteKeyStore => key_stores::delete;
    DeleteImportedKeyMaterial, DeleteImportedKeyMaterial => imports::delete;
    DeriveSharedSecret, DeriveSharedSecret => agreements::derive;
    DescribeCustomKeyStores, DescribeKeyStores => key_stores::describe;
    DescribeKey, DescribeKey => keys::describe;
    DisableKey, DisableKey => keys::disable;
    DisableKeyRotation, DisableKeyRotation => rotation::disable;
    DisconnectCustomKeyStore, DisconnectKeyStore => key_stores::disconnect;
    EnableKey, EnableKey => keys::enable;
    EnableKeyRotation, EnableKeyRotation => rotation::enable;
    Encapsulate, Encapsulate => agreements::encapsulate;
    Encrypt, Encrypt => encrypt::encrypt;
    GenerateDataKey, GenerateDataKey => data_keys::generate;
    GenerateDataKeyPair, GenerateDataKeyPair => data_keys::generate_pair;
    GenerateDataKeyPairWithoutPlaintext, GenerateDataKeyPairWithoutPlaintext => data_keys::generate_pair_sealed;
    GenerateDataKeyWithoutPlaintext, GenerateDataKeyWithoutPlaintext => data_keys::generate_sealed;
    GenerateMac, GenerateMac => macs::generate;
    GenerateRandom, GenerateRandom => data_keys::random;
    GetKeyLastUsage, GetKeyLastUsage => keys::last_usage;
    GetKeyPolicy, GetKeyPolicy => policies::get;
    GetKeyRotationStatus, GetKeyRotationStatus => rotation::status;
    GetParametersForImport, GetParametersForImport => imports::parameters;
    GetPublicKey, GetPublicKey => sign::public_key;
    ImportKeyMaterial, ImportKeyMaterial => imports::import;
    ListAliases, ListAliases => aliases::list;
    ListGrants, ListGrants => grants::list;
    ListKeyPolicies, ListKeyPolicies => policies::list;
    ListKeyRotations, ListKeyRotations => rotation::list;
    ListKeys, ListKeys => keys::list;
    ListResourceTags, ListKeyTags => tags::list;
    ListRetirableGrants, ListRetirableGrants => grants::list_retirable;
    PutKeyPolicy, PutKeyPolicy => policies::put;
    ReEncrypt, ReEncryptFrom => encrypt::re_encrypt;
    ReplicateKey, ReplicateKey => replicas::replicate;
    RetireGrant, RetireGrant => grants::retire;
    RevokeGrant, RevokeGrant => grants::revoke;
    RotateKeyOnDemand, RotateKeyOnDemand => rotation::rotate;
    ScheduleKeyDeletion, ScheduleKeyDestruction => keys::schedule_deletion;
    Sign, Sign => sign::sign;
    TagResource, TagKey => tags::tag;
    UntagResource, UntagKey => tags::untag;
    UpdateAlias, UpdateAlias => aliases::update;
    UpdateCustomKeyStore, UpdateKeyStore => key_stores::update;
    UpdateKeyDescription, UpdateKeyDescription => keys::update_description;
    UpdatePrimaryRegion, UpdatePrimaryRegion => replicas::update_primary;
    Verify, Verify => sign::verify;
    VerifyMac, VerifyMac => macs::verify;
}

impl Operation {
    /// Whether it uses a key, so that AWS's model has `KeyUnavailableException` for it.
    pub(crate) const fn uses_a_key(self) -> bool {
        matches!(
            self,
            Self::Decapsulate
                | Self::Decrypt
                | Self::DeriveSharedSecret
                | Self::Encapsulate
                | Self::Encrypt
                | Self::GenerateDataKey
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateMac
                | Self::GetPublicKey
                | Self::ReEncrypt
                | Self::Sign
                | Self::Verify
                | Self::VerifyMac
        )
    }
}

/// Reads a request's body: one JSON object.
fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Fault> {
    // A struct would be read from an array, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Fault::serialization());
    }
    serde_json::from_slice(body).map_err(|_| Fault::serialization())
}

/// The answer of operations that have none.
const NOTHING: Bytes = Bytes::new();

/// Declares requests: structs whose members may all be absent.
macro_rules! requests {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
        pub(super) struct $name<'a> {
            $($field: Option<$type>,)*
        }
    )*};
}
use requests;

requests! {
    /// A request that says nothing but which key.
    OneKey { key_id: crate::wire::Text<'a>, }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_operations_is_what_was_last_looked_at() {
        let table: Vec<String> =
            Operation::ALL.iter().map(|operation| format!("{} {:?}", operation.name(), operation.action())).collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn every_name_leads_to_its_operation_and_no_other_does() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_name(operation.name()), *operation);
        }
        assert_eq!(Operation::from_name("StealKeys"), Operation::Unknown);
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for body in ["", "[]", "[\"id\"]", "null", "{", "{\"KeyId\":1}", "{\"KeyId\":\"a\",\"KeyId\":\"b\"}"] {
            assert!(parse::<OneKey<'_>>(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(parse::<OneKey<'_>>(b" {\"KeyId\":\"a\",\"More\":[]}").unwrap().key_id.as_deref(), Some("a"));
    }
}
