//! Rows of links to key stores.

use minicbor::{Decode, Encode};
use strongroom_model::clock::Timestamp;
use strongroom_model::key_store::KeyStoreName;

/// All links of a tenant in a region. One row, so that what must be unique among them is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoreLinksRow {
    /// In the order in which they were made.
    #[n(0)]
    pub links: Vec<StoreLinkRow>,
}

impl StoreLinksRow {
    /// The link of that identity.
    #[must_use]
    pub fn link(&self, id: &str) -> Option<&StoreLinkRow> {
        self.links.iter().find(|link| link.id == id)
    }

    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut StoreLinkRow)) {
        if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
            change(link);
        }
    }
}

/// A tenant's link to a key store.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoreLinkRow {
    /// Identity, as its front end shows it.
    #[n(0)]
    pub id: String,
    /// Name for people.
    #[n(1)]
    pub name: String,
    /// The key store.
    #[n(2)]
    pub store: KeyStoreName,
    /// Whether it is connected.
    #[n(3)]
    pub state: LinkState,
    /// Why it could not be connected.
    #[n(4)]
    pub failure: Option<LinkFailure>,
    /// When it was made.
    #[n(5)]
    pub created: Timestamp,
    /// What its maker said that the store's certificates are checked by; shown, and otherwise not used.
    #[n(6)]
    pub certificate: String,
}

/// Whether keys that were made through a link can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LinkState {
    /// They can't.
    #[n(0)]
    Disconnected,
    /// They can.
    #[n(1)]
    Connected,
    /// They can't, since the store could not serve when it was to be connected.
    #[n(2)]
    Failed,
}

/// Why a link could not be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LinkFailure {
    /// No such store is configured any more.
    #[n(0)]
    NoStore,
    /// The store refused the credential that is configured.
    #[n(1)]
    Credential,
    /// The store did not answer.
    #[n(2)]
    Unreachable,
    /// The store lacks something, or failed otherwise.
    #[n(3)]
    Unfit,
}
