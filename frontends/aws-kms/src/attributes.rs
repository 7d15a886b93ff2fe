//! The condition keys that a request itself carries, gathered once and answered one by one.
//!
//! What the key and the proved caller say is the dialect's. `kms:ViaService` is never taken from a request.

use std::sync::Arc;

use strongroom_engine::operations::ContextPairs;
use strongroom_engine::{Attributes, ConditionKey, Value};

use crate::wire::Pairs;

/// A value of a condition key.
pub(crate) enum Carries {
    Word(&'static str),
    Text(String),
    Number(i64),
    Flag(bool),
    /// Milliseconds since 1970.
    Time(i64),
}

/// What a request carries.
#[derive(Default)]
pub(crate) struct Carried {
    context: Option<ContextPairs>,
    values: Vec<(&'static str, Carries)>,
    tags: Vec<(String, String)>,
    tag_keys: Vec<String>,
}

impl Carried {
    /// An encryption context, shared with the operation.
    pub(crate) fn context(pairs: Option<Pairs>) -> (Self, ContextPairs) {
        let pairs: ContextPairs = pairs.unwrap_or_default().0.into();
        (Self { context: Some(Arc::clone(&pairs)), ..Self::default() }, pairs)
    }

    /// One more value of the condition key `name`, in lower case.
    pub(crate) fn with(mut self, name: &'static str, value: Carries) -> Self {
        self.values.push((name, value));
        self
    }

    /// Tags to be set.
    pub(crate) fn with_tags(mut self, tags: &[(String, String)]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    /// Keys of tags to be removed.
    pub(crate) fn with_tag_keys(mut self, keys: &[String]) -> Self {
        self.tag_keys = keys.to_vec();
        self
    }

    fn pairs(&self) -> &[(String, String)] {
        self.context.as_deref().unwrap_or_default()
    }
}

impl Attributes for Carried {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        let qualified = |pairs: &'_ [(String, String)]| {
            pairs.iter().enumerate().filter(|(_, (name, _))| key.qualifies(name)).map(|(at, _)| at).nth(index)
        };
        match key.name() {
            "kms:encryptioncontext" => {
                let pairs = self.pairs();
                pairs.get(qualified(pairs)?).map(|(_, value)| Value::Text(value))
            }
            "kms:encryptioncontextkeys" => self.pairs().get(index).map(|(name, _)| Value::Text(name)),
            "aws:requesttag" => self.tags.get(qualified(&self.tags)?).map(|(_, value)| Value::Text(value)),
            "aws:tagkeys" => {
                let keys = self.tags.iter().map(|(name, _)| name).chain(&self.tag_keys);
                keys.map(|name| Value::Text(name)).nth(index)
            }
            name => {
                let mut values = self.values.iter().filter(|(carried, _)| *carried == name);
                values.nth(index).map(|(_, value)| match value {
                    Carries::Word(word) => Value::Text(word),
                    Carries::Text(text) => Value::Text(text),
                    Carries::Number(number) => Value::Number(*number),
                    Carries::Flag(flag) => Value::Bool(*flag),
                    Carries::Time(time) => Value::Time(*time),
                })
            }
        }
    }

    fn context_pair(&self, index: usize) -> Option<(&str, &str)> {
        self.pairs().get(index).map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
