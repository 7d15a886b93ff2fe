//! From text to a configuration, or to every mistake in it.
//!
//! Deserialising stops at the first value that it can't take. Such a value is noted and taken out, and the rest is tried
//! again, until what is left can be read; only then is it checked.

use std::collections::BTreeSet;
use std::fmt::Formatter;
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use strongroom_http::Network;
use strongroom_identity::Origin;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check;
use super::{Config, RootConfig, SecretSource};

/// Mistakes that are looked for; nobody corrects more at once.
const MISTAKES: usize = 100;

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It can't be right.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

/// One thing that can't be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(super) path: PathBuf,
    pub(super) line: usize,
    pub(super) problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}: {}", self.path.display(), self.line, self.problem)
    }
}

/// Reads and checks a configuration file.
pub(crate) fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path);
    parse(path, &text.map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut found = Found { text, table, problems: Vec::new(), incomplete: BTreeSet::new(), fields: BTreeSet::new() };
    for error in errors {
        found.note(error.span(), error.message().to_owned());
    }
    let config = if found.problems.is_empty() { found.deserialise() } else { None };
    if let Some(config) = &config {
        check::check(config, &mut found);
    }
    match config {
        Some(config) if found.problems.is_empty() => Ok(config),
        _ => Err(ConfigError::Mistakes(found.mistakes(path))),
    }
}

/// A document, and what was found wrong with it.
pub(super) struct Found<'t> {
    text: &'t str,
    table: Spanned<DeTable<'t>>,
    /// Offsets and texts.
    problems: Vec<(usize, String)>,
    /// The tables and arrays that something was taken out of, by where they begin; `None` is the document.
    incomplete: BTreeSet<Option<usize>>,
    /// The fields that were taken out of them.
    fields: BTreeSet<(Option<usize>, String)>,
}

/// One step into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

impl Found<'_> {
    /// Takes out what can't be deserialised until the rest can be.
    fn deserialise(&mut self) -> Option<Config> {
        while self.problems.len() < MISTAKES {
            let document = toml::de::Deserializer::from(self.table.clone());
            let error = match Config::deserialize(document) {
                Ok(config) => return Some(config),
                Err(error) => error,
            };
            let (span, message) = (error.span(), error.message().trim_end().replace('\n', ", "));
            let mut taken = Taken::default();
            let began = span.clone().and_then(|span| take_from_table(self.table.get_mut(), None, &span, &mut taken));
            let Some(began) = began else {
                self.note(span, message);
                return None;
            };
            // What can't be read only because something was taken out of it has been noted.
            if !self.incomplete.contains(&Some(began)) {
                self.note(span, of_field(taken.field.as_ref(), message));
            }
            self.fields.extend(taken.field);
            self.incomplete.extend(taken.containers);
        }
        None
    }

    fn note(&mut self, span: Option<Range<usize>>, message: String) {
        self.problems.push((span.map_or(self.text.len(), |span| span.start), message));
    }

    /// Notes a problem with what lies at `path`, or lacks there; nothing lacks that was taken out.
    pub(super) fn problem(&mut self, path: &[Step<'_>], problem: impl Into<String>) {
        let (mut offset, mut container) = (0, None);
        let mut here: Option<&DeValue<'_>> = None;
        for step in path {
            let next = match step {
                Step::Key(key) => {
                    if self.fields.contains(&(container, (*key).to_owned())) {
                        return;
                    }
                    let table = here.map_or_else(|| Some(self.table.get_ref()), DeValue::as_table);
                    table.and_then(|table| table.get_key_value(*key)).map(|(key, value)| (key.span().start, value))
                }
                Step::Index(index) => {
                    let array = here.and_then(DeValue::as_array);
                    array.and_then(|array| array.get(*index)).map(|value| (value.span().start, value))
                }
            };
            let Some((start, value)) = next else { break };
            (offset, container, here) = (start, Some(value.span().start), Some(value.get_ref()));
        }
        let emptied = here.and_then(DeValue::as_array).is_some_and(|array| array.is_empty());
        if !(emptied && self.incomplete.contains(&container)) {
            self.problems.push((offset, problem.into()));
        }
    }

    fn mistakes(mut self, path: &Path) -> Vec<Mistake> {
        self.problems.sort();
        self.problems.dedup();
        let line = |offset: usize| 1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let mistake =
            |(at, text): &(usize, String)| Mistake { path: path.to_owned(), line: line(*at), problem: text.clone() };
        self.problems.iter().map(mistake).collect()
    }
}

/// A problem with a value, with the name of the field that has it.
fn of_field(field: Option<&(Option<usize>, String)>, message: String) -> String {
    let of_value = ["invalid ", "expected "].iter().any(|begin| message.starts_with(begin));
    match field.filter(|_| of_value) {
        Some((_, name)) => format!("`{name}`: {message}"),
        None => message,
    }
}

/// What was taken out of a document.
#[derive(Default)]
struct Taken {
    /// The tables and arrays that it was in, by where they begin.
    containers: Vec<Option<usize>>,
    /// The table that it was a field of, and its name there.
    field: Option<(Option<usize>, String)>,
}

/// Takes out the smallest thing that `span` lies in, and answers where it began.
fn take_from_table(
    table: &mut DeTable<'_>,
    began: Option<usize>,
    span: &Range<usize>,
    taken: &mut Taken,
) -> Option<usize> {
    taken.containers.push(began);
    for (_, value) in table.iter_mut() {
        if let Some(at) = take_from_value(value, span, taken) {
            return Some(at);
        }
    }
    let within = |name: &Range<usize>, value: &Range<usize>| holds(name, span) || holds(value, span);
    let field = table.iter().find(|(name, value)| within(&name.span(), &value.span()));
    let Some(name) = field.map(|(name, _)| name.get_ref().to_string()) else {
        taken.containers.pop();
        return None;
    };
    let value = table.remove(name.as_str())?;
    taken.field = Some((began, name));
    Some(value.span().start)
}

fn take_from_value(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>, taken: &mut Taken) -> Option<usize> {
    let began = value.span().start;
    match value.get_mut() {
        DeValue::Table(table) => take_from_table(table, Some(began), span, taken),
        DeValue::Array(array) => {
            taken.containers.push(Some(began));
            for item in array.iter_mut() {
                if let Some(at) = take_from_value(item, span, taken) {
                    return Some(at);
                }
            }
            let at = array.iter().find(|item| holds(&item.span(), span)).map(|item| item.span().start);
            match at {
                Some(at) => *array = array.iter().filter(|item| item.span().start != at).cloned().collect(),
                None => drop(taken.containers.pop()),
            }
            at
        }
        _ => None,
    }
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && !outer.is_empty()
}

/// A root as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootTable {
    kind: Kind,
    file: Option<PathBuf>,
    unseal: Option<SecretSource>,
    module: Option<PathBuf>,
    token_label: Option<String>,
    token_serial: Option<String>,
    pin: Option<SecretSource>,
    sessions: Option<usize>,
    deadline_milliseconds: Option<NonZeroU64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Software,
    Pkcs11,
}

/// A field that a root of this kind has no use for.
#[derive(Debug, thiserror::Error)]
#[error("a {kind} root takes no `{field}`")]
struct Foreign {
    kind: &'static str,
    field: &'static str,
}

impl TryFrom<RootTable> for RootConfig {
    type Error = Foreign;

    fn try_from(table: RootTable) -> Result<Self, Foreign> {
        let RootTable { file, unseal, module, token_label, token_serial, pin, sessions, .. } = table;
        let deadline = table.deadline_milliseconds;
        let software = [("file", file.is_some()), ("unseal", unseal.is_some())];
        let pkcs11 = [
            ("module", module.is_some()),
            ("token_label", token_label.is_some()),
            ("token_serial", token_serial.is_some()),
            ("pin", pin.is_some()),
            ("sessions", sessions.is_some()),
            ("deadline_milliseconds", deadline.is_some()),
        ];
        let (kind, foreign): (_, &[_]) = match table.kind {
            Kind::Software => ("software", &pkcs11),
            Kind::Pkcs11 => ("pkcs11", &software),
        };
        if let Some((field, _)) = foreign.iter().find(|(_, given)| *given) {
            return Err(Foreign { kind, field });
        }
        Ok(match table.kind {
            Kind::Software => Self::Software { file: file.unwrap_or_default(), unseal },
            Kind::Pkcs11 => Self::Pkcs11 {
                module: module.unwrap_or_default(),
                token_label,
                token_serial,
                pin,
                sessions: sessions.unwrap_or(super::SESSIONS),
                deadline: deadline.map_or(super::DEADLINE, |given| Duration::from_millis(given.get())),
            },
        })
    }
}

/// Read within the table's own deserialising, so that a refusal has its place.
impl<'de> Deserialize<'de> for RootConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = RootConfig;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a root of trust")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RootConfig, A::Error> {
                let table = RootTable::deserialize(MapAccessDeserializer::new(map))?;
                RootConfig::try_from(table).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(Table)
    }
}

/// A network; what is none is refused where it stands.
struct NetworkText(Network);

impl<'de> Deserialize<'de> for NetworkText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = NetworkText;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a network such as \"10.0.0.0/8\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<NetworkText, E> {
                text.parse().map(NetworkText).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

pub(super) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Origin>, D::Error> {
    let origins = Vec::<String>::deserialize(deserializer)?;
    let read = |origin: &String| origin.parse().map_err(|error| Error::custom(format!("{origin:?}: {error}")));
    origins.iter().map(read).collect()
}

pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let networks = Vec::<NetworkText>::deserialize(deserializer)?;
    Ok(networks.into_iter().map(|network| network.0).collect())
}

pub(super) fn some_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Network>>, D::Error> {
    networks(deserializer).map(Some)
}
