//! The members of JSON objects and where they stand: what the reader of documents needs to say precisely what is wrong.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::PolicyError;
use crate::json::Node;

/// A place in a document; written out only for an error.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Root,
    Name(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Place<'_> {
    pub(crate) fn name<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place::Name(self, name)
    }

    pub(crate) fn index(&self, index: usize) -> Place<'_> {
        Place::Index(self, index)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("policy"),
            Self::Name(Self::Root, name) => f.write_str(name),
            Self::Name(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The members of one object, none of them twice.
pub(crate) struct Members<'a> {
    pub(crate) list: &'a [(String, Node)],
    pub(crate) place: &'a Place<'a>,
}

impl<'a> Members<'a> {
    pub(crate) fn of(node: &'a Node, place: &'a Place<'a>) -> Result<Self, PolicyError> {
        let Node::Object(list) = node else {
            return Err(wrong_type(node, place, "an object"));
        };
        match repeated(list.iter().map(|(name, _)| name.as_str())) {
            Some(name) => Err(PolicyError::Duplicate { path: place.to_string(), name: name.to_owned() }),
            None => Ok(Self { list, place }),
        }
    }

    /// Refuses members that are not in `allowed`, a list of names separated by commas.
    pub(crate) fn only(self, allowed: &'static str) -> Result<Self, PolicyError> {
        match self.list.iter().find(|(name, _)| !allowed.split(", ").any(|known| known == name)) {
            Some((name, _)) => {
                Err(PolicyError::UnknownElement { path: self.place.to_string(), name: name.clone(), allowed })
            }
            None => Ok(self),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        self.list.iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    pub(crate) fn missing(&self, element: &'static str) -> PolicyError {
        PolicyError::MissingElement { path: self.place.to_string(), element }
    }

    /// The one of two elements that stands here.
    pub(crate) fn either(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(&'static str, &'a Node)>, PolicyError> {
        match (self.get(first), self.get(second)) {
            (Some(_), Some(_)) => Err(PolicyError::Exclusive { path: self.place.to_string(), first, second }),
            (Some(node), None) => Ok(Some((first, node))),
            (None, Some(node)) => Ok(Some((second, node))),
            (None, None) => Ok(None),
        }
    }
}

/// The first name that stood earlier too.
pub(crate) fn repeated<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

pub(crate) fn wrong_type(node: &Node, place: &Place<'_>, expected: &'static str) -> PolicyError {
    PolicyError::WrongType { path: place.to_string(), expected, found: node.kind() }
}

pub(crate) fn string<'a>(node: &'a Node, place: &Place<'_>) -> Result<&'a str, PolicyError> {
    match node {
        Node::Text(text) => Ok(text),
        node => Err(wrong_type(node, place, "a string")),
    }
}

/// One value or an array of at least one, each read by `read`.
pub(crate) fn one_or_more<'a, T>(
    node: &'a Node,
    place: &Place<'_>,
    read: impl Fn(&'a Node, &Place<'_>) -> Result<T, PolicyError>,
) -> Result<Vec<T>, PolicyError> {
    match node {
        Node::Array(nodes) if nodes.is_empty() => Err(PolicyError::Empty { path: place.to_string() }),
        Node::Array(nodes) => nodes.iter().enumerate().map(|(index, node)| read(node, &place.index(index))).collect(),
        node => Ok(vec![read(node, place)?]),
    }
}
