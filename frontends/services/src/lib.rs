//! What the front ends for services elsewhere share: how they name things, how they count their calls, and what an
//! external key serves. A service is a cloud's key store that calls for every use of a key
//! ([`strongroom_engine::operations::service`]).
//!
//! Absent on purpose: any word of a single API, how a service is proved, and the making of keys.

mod counts;
mod dialect;

use strongroom_engine::{KeyEntry, Serves};
use strongroom_model::name::Name;

pub use crate::counts::{Counts, Named};
pub use crate::dialect::{Language, ServiceDialect, external_key_name};

/// What a key serves under one of its names, if not everything.
#[must_use]
pub fn served(entry: &KeyEntry, name: &Name) -> Option<Serves> {
    let bound = entry.names.iter().find(|bound| bound.kind == name.kind && *bound.text == *name.text);
    bound.and_then(|bound| bound.serves)
}

/// Printable ASCII alone, at most `characters` of it; anything else becomes a question mark.
#[must_use]
pub fn printable(text: &str, characters: usize) -> String {
    let plain = |character: char| if character.is_ascii_graphic() || character == ' ' { character } else { '?' };
    text.chars().take(characters).map(plain).collect()
}
