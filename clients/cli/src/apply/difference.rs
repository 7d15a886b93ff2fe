//! What differs between two policies, statement by statement, for people.

use serde_json::Value;

/// A line for each statement that is added (`+`), removed (`-`) or changed (`~`, its former and its new text below), and for
/// each other element of the document. A statement is called by its `Sid`, or by its place where it has none.
pub(super) fn lines(former: Option<&str>, new: &str) -> Vec<String> {
    let (Some(old), Some(new)) = (read(former.unwrap_or("{}")), read(new)) else { return Vec::new() };
    let mut lines = Vec::new();
    let names = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
    let mut elements: Vec<String> = names(&old);
    elements.extend(names(&new));
    elements.sort_unstable();
    elements.dedup();
    for name in elements.iter().filter(|name| *name != "Statement") {
        // What a new document says besides its statements is the same in nearly all of them.
        if former.is_some() {
            told(&mut lines, name, old.get(name), new.get(name));
        }
    }
    let (mut left, mut right) = (statements(&old), statements(&new));
    // What is there unchanged, wherever it stands, is no difference.
    left.retain(|(_, one)| match right.iter().position(|(_, other)| one == other) {
        Some(index) => {
            right.remove(index);
            false
        }
        None => true,
    });
    for (called, one) in &left {
        let other = right.iter().position(|(other, _)| other == called).map(|index| right.remove(index).1);
        told(&mut lines, called, Some(one), other.as_ref());
    }
    for (called, other) in &right {
        told(&mut lines, called, None, Some(other));
    }
    lines
}

fn told(lines: &mut Vec<String>, called: &str, old: Option<&Value>, new: Option<&Value>) {
    match (old, new) {
        (None, None) => {}
        (None, Some(new)) => lines.push(format!("+ {called}: {new}")),
        (Some(old), None) => lines.push(format!("- {called}: {old}")),
        (Some(old), Some(new)) if old == new => {}
        (Some(old), Some(new)) => {
            lines.push(format!("~ {called}"));
            lines.push(format!("    - {old}"));
            lines.push(format!("    + {new}"));
        }
    }
}

fn read(document: &str) -> Option<Value> {
    serde_json::from_str(document).ok()
}

/// Each statement, and what it is called.
fn statements(document: &Value) -> Vec<(String, Value)> {
    let items = match document.get("Statement") {
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let called = |(index, statement): (usize, Value)| match statement.get("Sid").and_then(Value::as_str) {
        Some(sid) => (format!("statement {sid:?}"), statement),
        None => (format!("statement [{index}]"), statement),
    };
    items.into_iter().enumerate().map(called).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_by_sid_or_place_as_added_removed_and_changed() {
        let old = r#"{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow"},{"Sid":"b","Effect":"Deny"},
            {"Effect":"Allow","Action":"x"},{"Effect":"Allow","Action":"stays"}]}"#;
        let new = r#"{"Version":"2012-10-17","Id":"i","Statement":[{"Effect":"Allow","Action":"stays"},
            {"Sid":"a","Effect":"Deny"},{"Effect":"Allow","Action":"y"},{"Sid":"c","Effect":"Allow"}]}"#;
        let told = [
            "+ Id: \"i\"",
            "~ statement \"a\"",
            "    - {\"Effect\":\"Allow\",\"Sid\":\"a\"}",
            "    + {\"Effect\":\"Deny\",\"Sid\":\"a\"}",
            "- statement \"b\": {\"Effect\":\"Deny\",\"Sid\":\"b\"}",
            "~ statement [2]",
            "    - {\"Action\":\"x\",\"Effect\":\"Allow\"}",
            "    + {\"Action\":\"y\",\"Effect\":\"Allow\"}",
            "+ statement \"c\": {\"Effect\":\"Allow\",\"Sid\":\"c\"}",
        ];
        assert_eq!(lines(Some(old), new), told);
    }

    #[test]
    fn of_a_new_policy_every_statement_is_told() {
        let new = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow"}}"#;
        assert_eq!(lines(None, new), ["+ statement [0]: {\"Effect\":\"Allow\"}"]);
    }
}
