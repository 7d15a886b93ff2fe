//! Rows of grants.

use minicbor::{Decode, Encode};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{GrantId, KeyId};

use super::Meant;

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GrantRow {
    /// Identity.
    #[n(0)]
    pub id: GrantId,
    /// On which key.
    #[n(1)]
    pub key: KeyId,
    /// Who may use it, as policies name them.
    #[n(2)]
    pub grantee: String,
    /// Who may give it up besides, as policies name them.
    #[n(3)]
    pub retiring: Option<String>,
    /// Codes of the actions it allows.
    #[n(4)]
    pub actions: Vec<u8>,
    /// The encryption context must be exactly this.
    #[n(5)]
    pub context_equals: Option<Vec<(String, String)>>,
    /// The encryption context must hold this.
    #[n(6)]
    pub context_subset: Option<Vec<(String, String)>>,
    /// Name given by its maker, for idempotence.
    #[n(7)]
    pub name: Option<String>,
    /// When it was made.
    #[n(8)]
    pub created: Timestamp,
    /// Who made it, as policies name them.
    #[n(9)]
    pub issuer: String,
    /// The resource it may be used for, where the maker said so.
    #[n(10)]
    pub source_resource: Option<String>,
    /// Whom the names of grantee and retiring principal mean; absent as in [`KeyRow::meant`](super::KeyRow::meant).
    #[n(11)]
    pub meant: Option<Meant>,
}

impl GrantRow {
    /// The unique id that a name in it means, empty for nobody's; none where there is only the name.
    fn means(&self, name: &str) -> Option<&str> {
        self.meant.as_ref().and_then(|meant| meant.id_of(name))
    }

    /// The unique id of the grantee, empty where nobody is meant; none where there is only the name.
    #[must_use]
    pub fn grantee_id(&self) -> Option<&str> {
        self.means(&self.grantee)
    }

    /// The unique id of the retiring principal, likewise.
    #[must_use]
    pub fn retiring_id(&self) -> Option<&str> {
        self.retiring.as_deref().and_then(|retiring| self.means(retiring))
    }
}
