//! Audit records as others like to read them: CloudTrail's event form, and a plain form of our own.
//!
//! Made on reading; what is kept and signed is the record itself. Absent on purpose: reading logs, choosing records.

mod cloudtrail;
mod plain;

use serde_json::{Map, Value};
use strongroom_audit::record::{Detail, Text, TextDigest};

pub use cloudtrail::cloudtrail;
pub use plain::plain;

/// A value as JSON on one line. Besides what JSON asks for, all characters that could steer a terminal, hide text or turn
/// its direction are escaped: what a client calls itself may not deceive whoever reads the log.
#[must_use]
pub fn line(value: &Value) -> String {
    let json = value.to_string();
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if deceives(character) {
            // Outside of strings JSON has none of these, so an escape is right wherever one stands.
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Control characters, and the format characters of Unicode that can't be seen or change what is seen.
const fn deceives(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// A text; where only its digest is left, that, as an object.
fn text(text: &Text<'_>) -> Value {
    match text {
        Text::Full(full) => Value::from(&**full),
        Text::Digest(TextDigest { bytes, sha256 }) => {
            let mut digest = Map::new();
            digest.insert("bytes".to_owned(), Value::from(*bytes));
            digest.insert("sha256".to_owned(), Value::from(sha256.to_string()));
            Value::Object(digest)
        }
    }
}

/// Details as an object, one inside for each group; `null` when there are none.
fn details(details: &[Detail<'_>]) -> Value {
    if details.is_empty() {
        return Value::Null;
    }
    let mut object = Map::new();
    for Detail { group, name, value } in details {
        let value = text(value);
        if group.is_empty() {
            add(&mut object, name.to_string(), value);
        } else if let Value::Object(inner) = object.entry(group.to_string()).or_insert_with(|| Map::new().into()) {
            add(inner, name.to_string(), value);
        }
    }
    Value::Object(object)
}

/// Adds a value under a name; several under one name become a list.
fn add(object: &mut Map<String, Value>, name: String, value: Value) {
    match object.get_mut(&name) {
        None => {
            object.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

/// Adds a text under a name, unless it says nothing.
fn add_text(object: &mut Map<String, Value>, name: &str, value: &Text<'_>) {
    if !value.is_empty() {
        object.insert(name.to_owned(), text(value));
    }
}

/// A time as RFC 3339 with whole seconds, or with milliseconds. One beyond year 9999 stays a number.
fn time(millis: u64, whole_seconds: bool) -> Value {
    let millis = if whole_seconds { millis - millis % 1000 } else { millis };
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    let written = moment.and_then(|moment| moment.format(&time::format_description::well_known::Rfc3339).ok());
    written.map_or_else(|| Value::from(millis), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_or_hides_text_is_shown_as_it_is() {
        let written = line(&Value::from("a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{feff}\u{e0041}\"é\n"));
        assert_eq!(written, r#""a\u001b[2J\u007f\u009b\u202e\ufeff\udb40\udc41\"é\n""#);
        assert_eq!(
            serde_json::from_str::<Value>(&written).unwrap(),
            "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{feff}\u{e0041}\"é\n"
        );
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        assert_eq!(time(1_763_726_400_123, true), "2025-11-21T12:00:00Z");
        assert_eq!(time(1_763_726_400_123, false), "2025-11-21T12:00:00.123Z");
        assert_eq!(time(u64::MAX, false), u64::MAX);
    }

    #[test]
    fn details_stand_in_their_groups_and_repeated_names_become_lists() {
        let detail = |group: &'static str, name: &'static str, value: &'static str| Detail {
            group: group.into(),
            name: name.into(),
            value: value.into(),
        };
        let all =
            [detail("", "keyId", "1"), detail("context", "a", "x"), detail("", "token", "t"), detail("", "token", "u")];
        assert_eq!(line(&details(&all)), r#"{"context":{"a":"x"},"keyId":"1","token":["t","u"]}"#);
        assert_eq!(details(&[]), Value::Null);
    }
}
