//! How STS names things.

use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, Value};
use strongroom_model::action::Action;
use strongroom_model::name::{Name, NameKind};

/// STS's language. It has no keys.
pub(crate) struct StsDialect;

impl Dialect for StsDialect {
    fn front_end(&self) -> &'static str {
        "aws-sts"
    }

    fn event_source(&self) -> &'static str {
        "sts.amazonaws.com"
    }

    fn error(&self, error: &EngineError, _: &Call) -> (&'static str, String) {
        let crate::Refusal(_, code, message) = crate::refusal(error);
        (code, message)
    }

    fn has_key_policies(&self) -> bool {
        false
    }

    fn action(&self, action: Action) -> &'static str {
        match action {
            Action::GetCallerIdentity => "sts:GetCallerIdentity",
            _ => "sts:Unknown",
        }
    }

    fn key_kind(&self) -> NameKind {
        NameKind(0)
    }

    fn key_resource(&self, _: &str, _: &str, _: &str) -> String {
        "*".to_owned()
    }

    fn tenant_resource(&self, _: &str) -> String {
        "*".to_owned()
    }

    fn name_resource(&self, _: &str, _: &Name) -> String {
        "*".to_owned()
    }

    fn attribute<'a>(&self, _: &ConditionKey, _: usize, _: &Facts<'a>) -> Option<Value<'a>> {
        None
    }
}
