//! How the XKS proxy names things: actions `xks-proxy:...`, keys as their key store calls them.

use strongroom_engine::EngineError;
use strongroom_model::action::Action;
use strongroom_model::name::NameKind;
use strongroom_model::usage::Usage;
use strongroom_services::{Language, Named as _, ServiceDialect};

use crate::Xks;
use crate::error::Fault;
use crate::path::is_external_key_id;

/// The kind of name that an external key is: its key store's name, a slash, its id (docs/formats/registry.md).
pub const EXTERNAL_KEY: NameKind = NameKind(3);

/// The proxy's language in one partition.
pub type XksDialect = ServiceDialect<Xks>;

/// How the proxy names things in a partition, such as `aws`. Names last as long as the process: call this once, at its start.
#[must_use]
pub fn dialect(partition: &str) -> &'static XksDialect {
    Box::leak(Box::new(XksDialect::new(partition)))
}

impl Language for Xks {
    const FRONT_END: &'static str = "aws-xks";
    const SERVICE: &'static str = "xks-proxy";
    const KIND: NameKind = EXTERNAL_KEY;
    const KIND_NAME: &'static str = "aws-xks-key";
    const USAGES: &'static [Usage] = &[Usage::DerivedAead, Usage::RawGcm];
    /// All calls, for whoever its KMS asks for.
    const FIRST_POLICY: &'static str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"EveryCallerOfThisKeyStore","Effect":"Allow","Action":"xks-proxy:*","Resource":"*"}]}"#;

    const EXTERNAL_KEY_ID_RULE: &'static str = "must be 1 to 128 letters, digits and ._-";

    fn action(action: Action) -> &'static str {
        match action {
            Action::SealDetached => "xks-proxy:Encrypt",
            Action::OpenDetached => "xks-proxy:Decrypt",
            Action::DescribeKey => "xks-proxy:GetKeyMetadata",
            Action::GetCallerIdentity => "xks-proxy:GetHealthStatus",
            _ => "xks-proxy:None",
        }
    }

    fn path(prefix: &str) -> String {
        match prefix {
            "" => "/kms/xks/v1".to_owned(),
            prefix => format!("/{prefix}/kms/xks/v1"),
        }
    }

    fn is_external_key_id(text: &str) -> bool {
        is_external_key_id(text)
    }

    fn error(error: &EngineError) -> (&'static str, String) {
        let Fault { kind, message } = error.into();
        (kind.name(), message)
    }
}
