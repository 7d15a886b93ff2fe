//! Rows of links to key stores.

use std::fmt;

use minicbor::{Decode, Encode};
use strongroom_model::clock::Timestamp;
use strongroom_model::external::ExternalAddress;
use strongroom_model::id::{CredentialId, TenantId};
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
    /// The key store; absent where it leads to an external key manager.
    #[n(2)]
    pub store: Option<KeyStoreName>,
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
    /// The external key manager; absent where it leads to a key store.
    #[n(7)]
    pub external: Option<ExternalLinkRow>,
}

/// An external key manager, as a tenant named it.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct ExternalLinkRow {
    /// The server: `https://` and a domain name.
    #[n(0)]
    pub endpoint: String,
    /// The path of its interface there.
    #[n(1)]
    pub path: String,
    /// The private service that it is reached through; absent for one that the world can reach.
    #[n(2)]
    pub service: Option<String>,
    /// Identity of the credential that requests to it are signed with.
    #[n(3)]
    pub credential: CredentialId,
    /// The credential's public half.
    #[n(4)]
    pub shown: String,
    /// Its secret half, sealed under the tenant's domain key as any credential is.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// Who owns the private service, in the words of whoever named it; shown, and otherwise not used. Absent where there is none,
    /// and where none was kept.
    #[n(6)]
    pub service_owner: Option<String>,
}

impl ExternalLinkRow {
    /// Where the manager is.
    #[must_use]
    pub fn address(&self) -> ExternalAddress {
        let (endpoint, path) = (self.endpoint.clone(), self.path.clone());
        ExternalAddress { endpoint, path, service: self.service.clone() }
    }
}

/// The sealed secret is left out, as secrets are everywhere.
impl fmt::Debug for ExternalLinkRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, path, service, shown, .. } = self;
        let mut told = formatter.debug_struct("ExternalLinkRow");
        told.field("endpoint", endpoint).field("path", path).field("service", service).field("shown", shown);
        told.finish_non_exhaustive()
    }
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
    /// They can't yet: the store is being tried.
    #[n(3)]
    Connecting,
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
    /// The store did not answer in time.
    #[n(4)]
    Late,
    /// No TLS with the store.
    #[n(5)]
    Tls,
    /// The store's answer was none by its interface's rules.
    #[n(6)]
    Answer,
    /// The store's own rules forbade it.
    #[n(7)]
    Denied,
    /// There is nothing at the store's path.
    #[n(8)]
    Path,
    /// The private service that the store is to be reached through is not known here.
    #[n(9)]
    Service,
    /// The store says that nothing of it works.
    #[n(10)]
    Unhealthy,
}

/// That a link is being connected: what is left to do, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ConnectingRow {
    /// Whose link.
    #[n(0)]
    pub(crate) tenant: TenantId,
    /// Where.
    #[n(1)]
    pub(crate) region: String,
    /// The link's identity.
    #[n(2)]
    pub(crate) link: String,
    /// Which attempt: random. What an earlier one came to does not count.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) attempt: [u8; 16],
    /// When it was asked for.
    #[n(4)]
    pub(crate) since: Timestamp,
    /// The node that is at it, by its log's origin.
    #[n(5)]
    pub(crate) node: String,
    /// The operation that asked for it, as its front end names it.
    #[n(6)]
    pub(crate) operation: String,
    /// The request that asked for it.
    #[n(7)]
    pub(crate) request: String,
    /// The key store that the link leads to; absent where it leads to an external key manager.
    #[n(8)]
    pub(crate) store: Option<KeyStoreName>,
}
