//! How the tagging API names things. Keys are named by their own front end.

use strongroom_authentication::aws;
use strongroom_engine::{Call, ConditionKey, Dialect, EngineError, Facts, OwnedKind, Value};
use strongroom_model::action::Action;
use strongroom_model::name::{Name, NameKind};

use crate::error;

/// The tagging API's language. It owns no names.
pub(crate) struct TaggingDialect;

impl Dialect for TaggingDialect {
    fn front_end(&self) -> &'static str {
        "aws-tagging"
    }

    fn event_source(&self) -> &'static str {
        "tagging.amazonaws.com"
    }

    fn error(&self, error: &EngineError, _: &Call) -> (&'static str, String) {
        let answer = error::answer(error);
        (answer.code, answer.message)
    }

    fn has_key_policies(&self) -> bool {
        false
    }

    fn action(&self, action: Action) -> &'static str {
        match action {
            Action::ListTaggedKeys => "tag:GetResources",
            _ => "tag:None",
        }
    }

    fn key_kind(&self) -> NameKind {
        // docs/formats/registry.md: no kind has this number.
        NameKind(u8::MAX)
    }

    fn kinds(&self) -> &'static [OwnedKind] {
        &[]
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

    fn attribute<'a>(&self, key: &ConditionKey, index: usize, facts: &Facts<'a>) -> Option<Value<'a>> {
        aws::surroundings(key, facts).filter(|_| index == 0)
    }
}
