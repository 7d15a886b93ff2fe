//! What a policy that is sound may still not mean: actions and condition keys that nothing here has, so that a statement never
//! matches, or matches more than it was meant to.
//!
//! Absent on purpose: other services' words, of which nothing is known here; whether a statement can ever be met.

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
    let actions: Vec<&str> =
        dialects.flat_map(|dialect| Action::ALL.iter().map(|action| dialect.action(*action))).collect();
    let keys: Vec<&str> = CONDITION_KEYS.iter().map(|key| key.name).collect();
    warnings(document, &actions, &keys)
}

fn warnings(document: &str, actions: &[&str], keys: &[&str]) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return Vec::new() };
    let mut told = Vec::new();
    let Some(statement) = document.get("Statement") else { return told };
    for statement in each(statement) {
        let asked = ["Action", "NotAction"].into_iter().filter_map(|name| statement.get(name)).flat_map(each);
        for action in asked.filter_map(Value::as_str) {
            // The word that no dialect has an action for ends like that.
            let known = |known: &&str| !known.ends_with(":None") && matches(action, known);
            if of_known_service(action, actions) && !actions.iter().any(known) {
                told.push(format!("{action:?} is no action here: what it stands in says nothing about any request"));
            }
        }
        let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
        for key in operators.filter_map(|(_, keys)| keys.as_object()).flat_map(|keys| keys.keys()) {
            let name = key.split_once('/').map_or(key.as_str(), |(name, _)| name);
            // A qualifier may stand behind another colon.
            let name = name.match_indices(':').nth(1).map_or(name, |(end, _)| name.split_at(end).0);
            if of_known_service(name, keys) && !keys.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                told.push(format!("{key:?} is no condition key here: no request has it"));
            }
        }
    }
    told.sort_unstable();
    told.dedup();
    told.truncate(WARNINGS);
    told
}

/// One thing, or each of several.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice).iter()
}

/// Whether what stands before the colon is a service of which all words are known.
fn of_known_service(word: &str, known: &[&str]) -> bool {
    let service = |word: &str| word.split_once(':').map(|(service, _)| service.to_ascii_lowercase());
    service(word).is_some_and(|wanted| known.iter().any(|known| service(known).as_ref() == Some(&wanted)))
}

/// Whether a pattern with `*` and `?` matches a text, in any case.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
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
        warnings(&format!(r#"{{"Statement": {statement}}}"#), &ACTIONS, &KEYS)
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
        for (pattern, text) in [("a*c*e", "abcde"), ("*", ""), ("a?c", "abc"), ("*bc", "abcbc"), ("A", "a")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "abd"), ("?", ""), ("", "a"), ("*a?", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
