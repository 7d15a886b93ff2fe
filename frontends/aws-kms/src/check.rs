//! Constraints of AWS's model, and the messages that tell of all that were broken at once.

use std::ops::RangeInclusive;

use crate::error::Fault;
use crate::limits;
use crate::wire::{self, Text};
use crate::words::Words;

/// Which constraints of a request are broken, the first [`limits::BROKEN`] of them.
#[derive(Default)]
pub(crate) struct Check {
    broken: Vec<String>,
    not_offered: Option<String>,
    not_base64: bool,
}

impl Check {
    fn add(&mut self, subject: &str, path: &str, rule: impl AsRef<str>) {
        if self.broken.len() == limits::BROKEN {
            return;
        }
        let rule = rule.as_ref();
        self.broken.push(format!("{subject} at '{path}' failed to satisfy constraint: Member must {rule}"));
    }

    /// Marks what is missing.
    pub(crate) fn missing(&mut self, path: &str) {
        self.add("Value null", path, "not be null");
    }

    fn length(&mut self, subject: impl FnOnce() -> String, path: &str, length: usize, allowed: &RangeInclusive<usize>) {
        if length < *allowed.start() {
            self.add(&subject(), path, format!("have length greater than or equal to {}", allowed.start()));
        } else if length > *allowed.end() {
            self.add(&subject(), path, format!("have length less than or equal to {}", allowed.end()));
        }
    }

    /// A text that may be absent.
    pub(crate) fn optional<'v>(
        &mut self,
        path: &str,
        value: Option<&'v Text<'_>>,
        allowed: &RangeInclusive<usize>,
    ) -> Option<&'v str> {
        let value: &str = value?;
        self.length(|| shown(value), path, value.chars().count(), allowed);
        Some(value)
    }

    /// A text that may be absent and that no refusal repeats.
    pub(crate) fn sensitive(&mut self, path: &str, value: Option<&str>, allowed: &RangeInclusive<usize>) {
        if let Some(value) = value {
            self.sensitive_length(path, value.chars().count(), allowed);
        }
    }

    /// The length of what no refusal repeats.
    pub(crate) fn sensitive_length(&mut self, path: &str, length: usize, allowed: &RangeInclusive<usize>) {
        self.length(|| "Value".to_owned(), path, length, allowed);
    }

    /// That what no refusal repeats is of the form that `pattern` describes.
    pub(crate) fn sensitive_pattern(&mut self, path: &str, holds: bool, pattern: &str) {
        if !holds {
            self.add("Value", path, format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// A text that must be there; empty where it is not.
    pub(crate) fn required<'v>(
        &mut self,
        path: &str,
        value: Option<&'v Text<'_>>,
        allowed: &RangeInclusive<usize>,
    ) -> &'v str {
        if value.is_none() {
            self.missing(path);
        }
        self.optional(path, value, allowed).unwrap_or_default()
    }

    /// That a text is made of allowed characters only.
    pub(crate) fn characters(&mut self, path: &str, value: &str, allowed: fn(char) -> bool, pattern: &str) {
        self.pattern(path, value, value.chars().all(allowed), pattern);
    }

    /// That a text is of the form that `pattern` describes.
    pub(crate) fn pattern(&mut self, path: &str, value: &str, holds: bool, pattern: &str) {
        if !holds {
            self.add(&shown(value), path, format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// That something is there at all.
    pub(crate) fn present<T>(&mut self, path: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.missing(path);
        }
        value
    }

    /// The texts of a list that may be absent; none of them where there are more than `most`.
    pub(crate) fn texts<'v, 't>(
        &mut self,
        path: &str,
        items: Option<&'v [Text<'t>]>,
        most: usize,
        allowed: &RangeInclusive<usize>,
    ) -> &'v [Text<'t>] {
        let items = self.bounded(path, items, most);
        if items.iter().any(|item| !allowed.contains(&item.chars().count())) {
            let (least, longest) = (allowed.start(), allowed.end());
            let rules = format!(
                "Member must have length less than or equal to {longest}, \
                 Member must have length greater than or equal to {least}"
            );
            self.add(&listed(items), path, format!("satisfy constraint: [{rules}]"));
        }
        items
    }

    /// The words of a list that may be absent, none of them where there are more than `most`, and what they stand for.
    pub(crate) fn choices<T: Copy>(
        &mut self,
        path: &str,
        items: Option<&[Text<'_>]>,
        most: usize,
        words: Words<T>,
    ) -> Vec<T> {
        let items = self.bounded(path, items, most);
        let known = |item: &Text<'_>| words.iter().any(|(word, _)| *word == &**item);
        if !items.iter().all(known) {
            let rule = enumerated(words);
            self.add(&listed(items), path, format!("satisfy constraint: [Member must {rule}]"));
            return Vec::new();
        }
        items.iter().filter_map(|item| self.choice(path, Some(item), words)).collect()
    }

    fn bounded<'v, 't>(&mut self, path: &str, items: Option<&'v [Text<'t>]>, most: usize) -> &'v [Text<'t>] {
        let items = items.unwrap_or_default();
        if items.len() > most {
            self.add(&listed(items), path, format!("have length less than or equal to {most}"));
            return &[];
        }
        items
    }

    /// Bytes that may be absent.
    pub(crate) fn blob(
        &mut self,
        path: &str,
        value: Option<&Text<'_>>,
        allowed: &RangeInclusive<usize>,
    ) -> Option<Vec<u8>> {
        let Some(bytes) = wire::decode(value?) else {
            self.not_base64 = true;
            return None;
        };
        self.length(|| "Value".to_owned(), path, bytes.len(), allowed);
        Some(bytes)
    }

    /// Bytes that must be there; empty where they are not.
    pub(crate) fn required_blob(
        &mut self,
        path: &str,
        value: Option<&Text<'_>>,
        allowed: &RangeInclusive<usize>,
    ) -> Vec<u8> {
        if value.is_none() {
            self.missing(path);
        }
        self.blob(path, value, allowed).unwrap_or_default()
    }

    /// A number that may be absent.
    pub(crate) fn range(&mut self, path: &str, value: Option<i64>, allowed: &RangeInclusive<i64>) -> Option<i64> {
        let value = value?;
        if value < *allowed.start() {
            let rule = format!("have value greater than or equal to {}", allowed.start());
            self.add(&format!("Value '{value}'"), path, rule);
        } else if value > *allowed.end() {
            self.add(&format!("Value '{value}'"), path, format!("have value less than or equal to {}", allowed.end()));
        }
        Some(value)
    }

    /// One of several words; `None` where it is absent, unknown or not offered.
    pub(crate) fn choice<T: Copy>(&mut self, path: &str, value: Option<&Text<'_>>, words: Words<T>) -> Option<T> {
        let value: &str = value?;
        match words.iter().find(|(word, _)| *word == value) {
            Some((_, Some(meant))) => return Some(*meant),
            Some((word, None)) => self.not_offered = Some(format!("{word} is not supported.")),
            None => self.add(&shown(value), path, enumerated(words)),
        }
        None
    }

    /// Marks what AWS knows and this front end does not offer.
    pub(crate) fn not_offered(&mut self, what: &str) {
        self.not_offered = Some(format!("{what} is not supported."));
    }

    /// Nothing is broken, or what is.
    pub(crate) fn done(self) -> Result<(), Fault> {
        if self.not_base64 {
            return Err(Fault::serialization());
        }
        match self.broken.len() {
            0 => {}
            1 => return Err(Fault::validation(format!("1 validation error detected: {}", self.broken.concat()))),
            count => {
                return Err(Fault::validation(format!(
                    "{count} validation errors detected: {}",
                    self.broken.join("; ")
                )));
            }
        }
        self.not_offered.map_or(Ok(()), |what| Err(Fault::unsupported(what)))
    }
}

fn shown(value: &str) -> String {
    format!("Value '{}'", value.chars().take(limits::QUOTED).collect::<String>())
}

/// A list as a refusal repeats it, as much of it as it does.
fn listed(items: &[Text<'_>]) -> String {
    let items: Vec<&str> = items.iter().take(limits::QUOTED).map(|item| &**item).collect();
    let list: String = format!("[{}]", items.join(", ")).chars().take(limits::QUOTED).collect();
    format!("Value '{list}'")
}

fn enumerated<T>(words: Words<T>) -> String {
    let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    format!("satisfy enum value set: [{}]", all.join(", "))
}

/// Characters of aliases and of grants' names.
pub(crate) const fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, ':' | '/' | '_' | '-')
}

/// How AWS writes [`is_name_character`].
pub(crate) const NAME_PATTERN: &str = "^[a-zA-Z0-9:/_-]+$";

/// Characters of policies' names.
pub(crate) const fn is_policy_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// How AWS writes [`is_policy_name_character`].
pub(crate) const POLICY_NAME_PATTERN: &str = "[\\w]+";

/// Characters of markers.
pub(crate) const fn is_marker_character(character: char) -> bool {
    matches!(character, ' '..='\u{ff}')
}

/// How AWS writes [`is_marker_character`].
pub(crate) const MARKER_PATTERN: &str = "[\\u0020-\\u00FF]*";

/// Characters of regions. AWS wants words and a number besides; an installation may call its regions otherwise.
pub(crate) const fn is_region_character(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-')
}

/// How AWS writes what a region is called.
pub(crate) const REGION_PATTERN: &str = "^([a-z]+-){2,3}\\d+$";

/// Characters of principals.
pub(crate) const fn is_principal_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '+' | '=' | ',' | '.' | '@' | ':' | '/' | '-')
}

/// How AWS writes [`is_principal_character`].
pub(crate) const PRINCIPAL_PATTERN: &str = "^[\\w+=,.@:/-]+$";

/// Whether a text is a service's name: three parts at least, joined by dots.
pub(crate) fn is_service_principal(text: &str) -> bool {
    let sound = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    text.split('.').count() >= 3 && text.split('.').all(sound)
}

/// How AWS writes [`is_service_principal`].
pub(crate) const SERVICE_PRINCIPAL_PATTERN: &str = "^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$";

/// Characters of descriptions of key material.
pub(crate) const fn is_material_description_character(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, ':' | '/' | '_' | '.' | '-' | ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// How AWS writes [`is_material_description_character`].
pub(crate) const MATERIAL_DESCRIPTION_PATTERN: &str = "^[a-zA-Z0-9:/_\\s.-]+$";

/// Characters of the ids of external keys.
pub(crate) const fn is_external_key_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// How AWS writes [`is_external_key_character`].
pub(crate) const EXTERNAL_KEY_PATTERN: &str = "^[a-zA-Z0-9-_.]+$";

/// Characters of policies.
pub(crate) const fn is_policy_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{ff}')
}

/// How AWS writes [`is_policy_character`].
pub(crate) const POLICY_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+";
