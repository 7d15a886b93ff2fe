//! Whom names mean that were written into a policy or a grant.

use minicbor::{Decode, Encode};

/// Names of principals with the unique ids that they stood for when they were written down, in order of the names; an empty
/// id where nobody was found who had the name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Meant(#[n(0)] Vec<(String, String)>);

impl Meant {
    /// Sorts names out; none if there are none.
    #[must_use]
    pub fn new(mut names: Vec<(String, String)>) -> Option<Self> {
        names.sort_unstable();
        names.dedup_by(|one, other| one.0 == other.0);
        (!names.is_empty()).then_some(Self(names))
    }

    /// The unique id that a name stood for, empty for nobody's; nothing for a name without one.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.0.get(place).map(|(_, id)| id.as_str())
    }

    /// The names with their ids.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, id)| (name.as_str(), id.as_str()))
    }
}
