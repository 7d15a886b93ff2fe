//! A document in TOML or JSON as one kind of tree that knows its places, and the mistakes found in it.

use std::path::Path;

use serde_json::StreamDeserializer;
use serde_json::de::StrRead;
use toml::de::{DeTable, DeValue};

use crate::error::CliError;
use crate::limits;

/// A value, and where in the text it is.
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

pub(super) enum Value {
    Text(String),
    Number(i64),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    Other,
}

/// What is wrong with a document, by place.
pub(super) struct Mistakes<'t> {
    path: &'t Path,
    text: &'t str,
    found: Vec<(usize, String)>,
}

impl<'t> Mistakes<'t> {
    pub(super) const fn new(path: &'t Path, text: &'t str) -> Self {
        Self { path, text, found: Vec::new() }
    }

    pub(super) fn note(&mut self, at: usize, problem: impl Into<String>) {
        self.found.push((at, problem.into()));
    }

    /// That there are none.
    pub(super) fn check(&mut self) -> Result<(), CliError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort();
        self.found.dedup();
        let line = |at: usize| self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let tell = |(at, problem): &(usize, String)| format!("{}:{}: {problem}", self.path.display(), line(*at));
        let mut lines: Vec<String> = self.found.iter().take(limits::MISTAKES).map(tell).collect();
        if self.found.len() > limits::MISTAKES {
            lines.push(format!("and {} more", self.found.len() - limits::MISTAKES));
        }
        Err(CliError::Mistakes(lines.join("\n")))
    }
}

/// The document; nothing where its syntax is wrong, which has been noted.
pub(super) fn parse(text: &str, json: bool, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    if json {
        return match (Json { text, at: 0 }).node(0) {
            Ok(node) => Some(node),
            Err((at, problem)) => {
                mistakes.note(at, problem);
                None
            }
        };
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        mistakes.note(error.span().map_or(text.len(), |span| span.start), error.message().replace('\n', ", "));
    }
    errors.is_empty().then(|| Node { at: 0, value: of_table(table.get_ref()) })
}

fn of_table(table: &DeTable<'_>) -> Value {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        // Many tables of one name begin each at their own heading, other values are found by their names.
        let at = if value.get_ref().is_table() { value.span().start } else { key.span().start };
        (name.to_string(), Node { at, value: of_toml(value.get_ref()) })
    };
    Value::Table(table.iter().map(entry).collect())
}

fn of_toml(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other, Value::Number)
        }
        DeValue::Array(items) => Value::List(
            items.iter().map(|item| Node { at: item.span().start, value: of_toml(item.get_ref()) }).collect(),
        ),
        DeValue::Table(table) => of_table(table),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => Value::Other,
    }
}

/// JSON (RFC 8259) with places: scalars are read by serde, which knows none.
struct Json<'t> {
    text: &'t str,
    at: usize,
}

type Fault = (usize, String);

impl<'t> Json<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.rest().chars().next()
    }

    fn fault<T>(&self, problem: &str) -> Result<T, Fault> {
        Err((self.at, problem.to_owned()))
    }

    fn scalar(&mut self) -> Result<serde_json::Value, Fault> {
        let mut stream: StreamDeserializer<'_, StrRead<'_>, serde_json::Value> =
            serde_json::Deserializer::from_str(self.rest()).into_iter();
        match stream.next() {
            Some(Ok(value)) => {
                self.at += stream.byte_offset();
                Ok(value)
            }
            _ => self.fault("this is not JSON"),
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Fault> {
        let first = self.next();
        let at = self.at;
        if depth > limits::DECLARATIONS_DEPTH {
            return self.fault("this is nested deeper than any declaration");
        }
        let value = match first {
            Some('{') => self.table(depth)?,
            Some('[') => self.list(depth)?,
            _ => match self.scalar()? {
                serde_json::Value::String(text) => Value::Text(text),
                serde_json::Value::Number(number) => number.as_i64().map_or(Value::Other, Value::Number),
                _ => Value::Other,
            },
        };
        match (depth, self.next()) {
            (0, Some(_)) => self.fault("there is something behind the document"),
            _ => Ok(Node { at, value }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        while self.more(']', items.is_empty())? {
            items.push(self.node(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    fn table(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while self.more('}', entries.is_empty())? {
            if self.next() != Some('"') {
                return self.fault("a name in quotes must stand here");
            }
            let begin = self.at;
            let serde_json::Value::String(name) = self.scalar()? else {
                return self.fault("a name in quotes must stand here");
            };
            if entries.iter().any(|(other, _)| *other == name) {
                return Err((begin, format!("{name:?} is there twice")));
            }
            if self.next() != Some(':') {
                return self.fault("a colon must stand here");
            }
            self.at += 1;
            entries.push((name, self.node(depth + 1)?));
        }
        Ok(Value::Table(entries))
    }

    /// Whether another item comes, past the bracket or comma before it.
    fn more(&mut self, close: char, none_yet: bool) -> Result<bool, Fault> {
        if none_yet {
            self.at += 1;
            if self.next() != Some(close) {
                return Ok(true);
            }
        }
        match self.next() {
            Some(',') => self.at += 1,
            Some(found) if found == close => {
                self.at += 1;
                return Ok(false);
            }
            _ => return self.fault("a comma or a closing bracket must stand here"),
        }
        Ok(true)
    }
}

/// A table as its fields are taken out of it; those that are left at the end are unknown.
pub(super) struct Table<'n> {
    pub(super) at: usize,
    left: Vec<&'n (String, Node)>,
}

impl<'n> Table<'n> {
    pub(super) fn of(node: &'n Node, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        match &node.value {
            Value::Table(entries) => Some(Self { at: node.at, left: entries.iter().collect() }),
            _ => {
                mistakes.note(node.at, "a table must stand here");
                None
            }
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<&'n Node> {
        let index = self.left.iter().position(|(other, _)| other == name)?;
        Some(&self.left.swap_remove(index).1)
    }

    /// A text, with its place.
    pub(super) fn text(&mut self, name: &str, mistakes: &mut Mistakes<'_>) -> Option<(usize, &'n str)> {
        let node = self.take(name)?;
        match &node.value {
            Value::Text(text) => Some((node.at, text)),
            _ => {
                mistakes.note(node.at, format!("`{name}` must be a text in quotes"));
                None
            }
        }
    }

    /// As [`Table::text`], of what must be there.
    pub(super) fn required(&mut self, name: &str, mistakes: &mut Mistakes<'_>) -> Option<(usize, &'n str)> {
        if !self.left.iter().any(|(other, _)| other == name) {
            mistakes.note(self.at, format!("`{name}` is missing"));
        }
        self.text(name, mistakes)
    }

    /// A text, or a list of them.
    pub(super) fn texts(&mut self, name: &str, mistakes: &mut Mistakes<'_>) -> Vec<(usize, &'n str)> {
        let Some(node) = self.take(name) else { return Vec::new() };
        let items = match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) => texts.push((item.at, text.as_str())),
                _ => mistakes.note(item.at, format!("`{name}` must be a text in quotes, or a list of them")),
            }
        }
        texts
    }

    /// A list of tables.
    pub(super) fn tables(&mut self, name: &str, mistakes: &mut Mistakes<'_>) -> Vec<Self> {
        let Some(node) = self.take(name) else { return Vec::new() };
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| Self::of(item, mistakes)).collect(),
            _ => {
                mistakes.note(node.at, format!("`{name}` must be a list of tables: [[{name}]]"));
                Vec::new()
            }
        }
    }

    /// That nothing is left.
    pub(super) fn end(self, mistakes: &mut Mistakes<'_>) {
        for (name, node) in self.left {
            mistakes.note(node.at, format!("`{}` is no field here", name.chars().take(64).collect::<String>()));
        }
    }
}
