//! How the external key proxy names things: actions `ekm-proxy:...`, keys as their key store calls them.

use strongroom_engine::EngineError;
use strongroom_model::action::Action;
use strongroom_model::name::NameKind;
use strongroom_model::usage::Usage;
use strongroom_services::{Language, Named as _, ServiceDialect};

use crate::Ekm;
use crate::error::Fault;
use crate::path::{is_external_key_id, is_prefix};

/// The kind of name that an external key is: its key store's name, a slash, its id (docs/formats/registry.md).
pub const EXTERNAL_KEY: NameKind = NameKind(4);

/// The proxy's language in one partition.
pub type EkmDialect = ServiceDialect<Ekm>;

/// How the proxy names things in a partition, such as `aws`. Names last as long as the process: call this once, at its start.
#[must_use]
pub fn dialect(partition: &str) -> &'static EkmDialect {
    Box::leak(Box::new(EkmDialect::new(partition)))
}

impl Language for Ekm {
    const FRONT_END: &'static str = "azure-ekm";
    const SERVICE: &'static str = "ekm-proxy";
    const KIND: NameKind = EXTERNAL_KEY;
    const KIND_NAME: &'static str = "azure-ekm-key";
    const USAGES: &'static [Usage] = &[Usage::KeyWrap, Usage::RsaOaep];
    /// All calls.
    const FIRST_POLICY: &'static str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"EveryCallerOfThisKeyStore","Effect":"Allow","Action":"ekm-proxy:*","Resource":"*"}]}"#;

    const EXTERNAL_KEY_ID_RULE: &'static str = "must be 1 to 64 letters, digits and -";

    fn action(action: Action) -> &'static str {
        match action {
            Action::WrapKey | Action::Encrypt => "ekm-proxy:WrapKey",
            Action::UnwrapKey | Action::Decrypt => "ekm-proxy:UnwrapKey",
            Action::DescribeKey => "ekm-proxy:GetKeyMetadata",
            Action::GetCallerIdentity => "ekm-proxy:GetProxyInfo",
            _ => "ekm-proxy:None",
        }
    }

    /// What Managed HSM is told as the path prefix; a single slash for none.
    fn path(prefix: &str) -> String {
        format!("/{prefix}")
    }

    fn is_prefix(prefix: &str) -> bool {
        is_prefix(prefix)
    }

    fn is_external_key_id(text: &str) -> bool {
        is_external_key_id(text)
    }

    fn error(error: &EngineError) -> (&'static str, String) {
        let Fault { kind, message } = error.into();
        (kind.name(), message)
    }
}
