//! What a policy that is sound may still not mean: actions and condition keys that nothing here has, so that a statement never
//! matches, or matches more than it was meant to.
//!
//! Absent on purpose: other services' words, of which nothing is known here; whether a statement can ever be met.

use std::collections::BTreeSet;

use serde_json::Value;
use strongroom_engine::{CONDITION_KEYS, Dialect};
use strongroom_model::action::Action;

use crate::context::Context;
use crate::dialect::AdminDialect;

/// Most warnings of a document.
const WARNINGS: usize = 20;

/// What is to be said of a document, for whoever attaches it.
pub(crate) fn of(context: &Context<'_>, document: &str) -> Vec<String> {
    let own: &dyn Dialect = &AdminDialect;
    let dialects = context.admin.dialects.iter().map(|dialect| &**dialect).chain([own]);
    let actions = dialects.flat_map(|dialect| Action::ALL.iter().map(|action| dialect.action(*action)));
    warnings(document, &Words::new(actions), &Words::new(CONDITION_KEYS.iter().map(|key| key.name)))
}

/// Words that are known, in small letters, and the services that they are of.
struct Words {
    all: BTreeSet<String>,
    services: BTreeSet<String>,
}

impl Words {
    fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let all: BTreeSet<_> = words.map(str::to_ascii_lowercase).collect();
        let services = all.iter().filter_map(|word| Some(word.split_once(':')?.0.to_owned())).collect();
        // The word that no dialect has an action for ends like that.
        Self { all: all.into_iter().filter(|word| !word.ends_with(":none")).collect(), services }
    }

    /// Whether what stands before the colon is a service of which all words are known.
    fn know_service_of(&self, word: &str) -> bool {
        word.split_once(':').is_some_and(|(service, _)| self.services.contains(service))
    }
}

fn warnings(document: &str, actions: &Words, keys: &Words) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return Vec::new() };
    let mut told = BTreeSet::new();
    let Some(statement) = document.get("Statement") else { return Vec::new() };
    for statement in each(statement) {
        let asked = ["Action", "NotAction"].into_iter().filter_map(|name| statement.get(name)).flat_map(each);
        for action in asked.filter_map(Value::as_str) {
            let pattern = action.to_ascii_lowercase();
            if actions.know_service_of(&pattern) && !actions.all.iter().any(|known| matches(&pattern, known)) {
                told.insert(format!("{action:?} is no action here: what it stands in says nothing about any request"));
            }
        }
        let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
        for key in operators.filter_map(|(_, keys)| keys.as_object()).flat_map(|keys| keys.keys()) {
            let name = key.split_once('/').map_or(key.as_str(), |(name, _)| name);
            // A qualifier may stand behind another colon.
            let name = name.match_indices(':').nth(1).map_or(name, |(end, _)| name.split_at(end).0);
            let name = name.to_ascii_lowercase();
            if keys.know_service_of(&name) && !keys.all.contains(&name) {
                told.insert(format!("{key:?} is no condition key here: no request has it"));
            }
        }
    }
    told.into_iter().take(WARNINGS).collect()
}

/// One thing, or each of several.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice).iter()
}

/// Whether a pattern with `*` and `?` matches a text.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on from when what followed the last `*` does not match after all.
    let mut again = None;
    loop {
        let here = text.clone();
        match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                again = Some((pattern.clone(), here.clone()));
                text = here;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            (_, _) => {
                let Some((after, mut from)) = again.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                again = Some((after.clone(), from.clone()));
                (pattern, text) = (after, from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [&str; 3] = ["xks-proxy:Encrypt", "xks-proxy:None", "kms:Decrypt"];
    const KEYS: [&str; 2] = ["xks-proxy:KmsViaService", "kms:EncryptionContext"];

    fn told(statement: &str) -> Vec<String> {
        let words = |words: &[&'static str]| Words::new(words.iter().copied());
        warnings(&format!(r#"{{"Statement": {statement}}}"#), &words(&ACTIONS), &words(&KEYS))
    }

    #[test]
    fn actions_and_condition_keys_that_nothing_has_are_named_once() {
        let told = told(
            r#"[{"Action": ["xks-proxy:Frob", "xks-proxy:Encrypt"], "Condition": {"StringEquals": {"xks-proxy:Nope": "1"}}},
                {"NotAction": "xks-proxy:Frob"}, {"Action": "kms:Enc*"}, {"Action": "xks-proxy:None"}]"#,
        );
        let named: Vec<_> = told.iter().map(|told| told.split('"').nth(1).unwrap()).collect();
        assert_eq!(named, ["kms:Enc*", "xks-proxy:Frob", "xks-proxy:None", "xks-proxy:Nope"]);
    }

    #[test]
    fn what_is_known_or_anothers_is_not_warned_of() {
        let told = told(
            r#"{"Action": ["*", "xks-proxy:*", "XKS-PROXY:enc?ypt", "kms:*crypt", "s3:GetObject"], "Condition": {
                "StringEquals": {"xks-proxy:kmsviaservice": "ebs", "kms:EncryptionContext:department": "hr",
                                 "oidc.example.com/id:sub": "pod"}}}"#,
        );
        assert_eq!(told, [""; 0]);
    }

    #[test]
    fn patterns_match_as_in_policies() {
        for (pattern, text) in [("a*c*e", "abcde"), ("*", ""), ("a?c", "abc"), ("*bc", "abcbc")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "abd"), ("?", ""), ("", "a"), ("*a?", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
