//! Text patterns: `*`, `?` and policy variables. A pattern is compiled once; matching a pattern without variables
//! allocates nothing.
//!
//! UTF-8 never holds the bytes 0xFE and 0xFF, so a compiled pattern is a byte string in which they stand for `?` and
//! `*`. A variable's value is inserted as plain text: wildcards in it match themselves alone.

use crate::attributes::{ConditionKey, TextBuffer};
use crate::evaluate::Request;

const ONE: u8 = 0xFE;
const MANY: u8 = 0xFF;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Any,
    Exact(Box<str>),
    /// Literal text and one `*` after it, the usual shape of a wildcard. Where ARNs are compared, the reader demands six
    /// components, so that the `*` stands in the last one.
    Prefix(Box<str>),
    Glob(Box<[u8]>),
    Template(Box<[Piece]>),
}

/// A part of a pattern that holds variables.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Bytes(Box<[u8]>),
    Variable { key: ConditionKey, default: Option<Box<str>> },
}

/// What has a meaning of its own in a pattern's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Syntax {
    pub(crate) wildcards: bool,
    pub(crate) variables: bool,
}

/// How a pattern is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Byte for byte.
    Exact,
    /// Ignoring the case of ASCII letters.
    IgnoreCase,
    /// The six components of an ARN one by one: no wildcard crosses a colon of the first five.
    Arn,
}

/// A policy variable that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedVariable;

impl Pattern {
    pub(crate) fn parse(text: &str, syntax: Syntax) -> Result<Self, MalformedVariable> {
        if text == "*" && syntax.wildcards {
            return Ok(Self::Any);
        }
        let mut pieces = Vec::new();
        let mut bytes = Vec::with_capacity(text.len());
        let mut wild = false;
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let (true, Some(inner)) = (syntax.variables, rest.strip_prefix("${")) {
                let (content, after) = inner.split_once('}').ok_or(MalformedVariable)?;
                rest = after;
                match content {
                    "*" | "?" | "$" => bytes.extend_from_slice(content.as_bytes()),
                    _ => {
                        pieces.push(Piece::Bytes(std::mem::take(&mut bytes).into()));
                        pieces.push(variable(content)?);
                    }
                }
                continue;
            }
            let (head, after) = rest.split_at(next.len_utf8());
            rest = after;
            match next {
                '*' if syntax.wildcards && bytes.last() == Some(&MANY) => {}
                '*' if syntax.wildcards => bytes.push(MANY),
                '?' if syntax.wildcards => bytes.push(ONE),
                _ => {
                    bytes.extend_from_slice(head.as_bytes());
                    continue;
                }
            }
            wild = true;
        }
        if !pieces.is_empty() {
            pieces.push(Piece::Bytes(bytes.into()));
            return Ok(Self::Template(pieces.into()));
        }
        let trailing = wild && bytes.iter().position(|byte| matches!(*byte, ONE | MANY)) == Some(bytes.len() - 1);
        if trailing && bytes.last() == Some(&MANY) {
            bytes.pop();
        } else if wild {
            return Ok(Self::Glob(bytes.into()));
        }
        // What is left was copied from text whole characters at a time.
        let literal = String::from_utf8(bytes).map_err(|_| MalformedVariable)?.into();
        Ok(if wild { Self::Prefix(literal) } else { Self::Exact(literal) })
    }

    /// Whether the text matches; `None` where a variable has no value, so that nothing can match
    /// (IAM User Guide, "Policy variables with no value").
    pub(crate) fn matches(&self, text: &str, comparison: Comparison, request: &Request<'_>) -> Option<bool> {
        match self {
            Self::Template(pieces) => Some(compare(&expand(pieces, request)?, text.as_bytes(), comparison)),
            _ => Some(self.matches_literally(text, comparison)),
        }
    }

    /// Whether the text matches a pattern that holds no variable.
    pub(crate) fn matches_literally(&self, text: &str, comparison: Comparison) -> bool {
        let equal = |left: &str, right: &[u8]| match comparison {
            Comparison::IgnoreCase => left.as_bytes().eq_ignore_ascii_case(right),
            Comparison::Exact | Comparison::Arn => left.as_bytes() == right,
        };
        match self {
            Self::Any => true,
            Self::Exact(exact) => equal(exact, text.as_bytes()),
            Self::Prefix(prefix) => text.as_bytes().get(..prefix.len()).is_some_and(|head| equal(prefix, head)),
            Self::Glob(pattern) => compare(pattern, text.as_bytes(), comparison),
            Self::Template(_) => false,
        }
    }
}

/// Reads `key` or `key, 'default'` from between the braces.
fn variable(content: &str) -> Result<Piece, MalformedVariable> {
    let (key, default) = match content.split_once(',') {
        None => (content, None),
        Some((key, default)) => {
            let quoted = default.trim_start_matches(' ').strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            (key, Some(quoted.ok_or(MalformedVariable)?.into()))
        }
    };
    Ok(Piece::Variable { key: ConditionKey::parse(key).ok_or(MalformedVariable)?, default })
}

fn expand(pieces: &[Piece], request: &Request<'_>) -> Option<Vec<u8>> {
    let mut pattern = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => pattern.extend_from_slice(bytes),
            Piece::Variable { key, default } => {
                // A key with several values can't stand for one of them.
                let value = request.value(key, 0).filter(|_| request.value(key, 1).is_none());
                match (value, default) {
                    (Some(value), _) => pattern.extend_from_slice(value.text(&mut TextBuffer::new()).as_bytes()),
                    (None, Some(default)) => pattern.extend_from_slice(default.as_bytes()),
                    (None, None) => return None,
                }
            }
        }
    }
    Some(pattern)
}

fn compare(pattern: &[u8], text: &[u8], comparison: Comparison) -> bool {
    match comparison {
        Comparison::Exact => glob(pattern, text, false),
        Comparison::IgnoreCase => glob(pattern, text, true),
        Comparison::Arn => glob_arn(pattern, text),
    }
}

fn glob_arn(mut pattern: &[u8], mut text: &[u8]) -> bool {
    if pattern == [MANY] {
        return true;
    }
    for _ in 0..5 {
        let (Some((left, pattern_rest)), Some((right, text_rest))) = (split_colon(pattern), split_colon(text)) else {
            return false;
        };
        if !glob(left, right, false) {
            return false;
        }
        (pattern, text) = (pattern_rest, text_rest);
    }
    glob(pattern, text, false)
}

fn split_colon(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (left, right) = bytes.split_at_checked(bytes.iter().position(|byte| *byte == b':')?)?;
    Some((left, right.get(1..)?))
}

/// Matches greedily and returns to the last `*` on a mismatch: at worst the product of both lengths.
fn glob(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(&MANY), _) => {
                p += 1;
                retry = Some((p, t));
            }
            (Some(&ONE), Some(_)) => {
                p += 1;
                t = after_character(text, t);
            }
            (Some(want), Some(have)) if want == have || (ignore_case && want.eq_ignore_ascii_case(have)) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) if after_star < pattern.len() && from < text.len() => {
                    p = after_star;
                    t = after_character(text, from);
                    retry = Some((p, t));
                }
                Some((after_star, _)) if after_star == pattern.len() => return true,
                _ => return false,
            },
        }
    }
}

/// The index after the UTF-8 character that starts at `index`.
fn after_character(text: &[u8], index: usize) -> usize {
    let mut next = index + 1;
    while text.get(next).is_some_and(|byte| byte & 0xC0 == 0x80) {
        next += 1;
    }
    next
}
