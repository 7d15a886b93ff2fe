//! Links to key stores: a tenant's own name for a key store of the installation, in one region, with keys of its own in
//! it. Made, changed, connected, disconnected and removed; keys made through one. A link may lead to an external key
//! manager instead ([`super::external_link`]); it is listed, connected, disconnected and removed in the same way.
//!
//! While a link is not connected, no key that was made through it can be used and none can be made. Absent on purpose:
//! what a front end calls a key store, which is the front end's to know, and any change of a key store itself.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::id::TenantId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::store::{Batch, Row, Table};
use strongroom_secret::SecretBytes;

use super::key::CreateKey;
use super::principal::demands;
use super::resident_key::make_resident;
use crate::call::Call;
use crate::catalog::KeyEntry;
use crate::error::{EngineError, InputFault, LinkFault, Quota};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome};
use crate::rows::{self, LinkState, StoreLinkRow, StoreLinksRow};
use crate::{Engine, connecting, keys, limits};

/// A tenant's place for links.
#[derive(Clone, Debug)]
pub struct LinkPlace {
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub region: Box<str>,
}

impl LinkPlace {
    /// The links as they are now, with the row to replace if there is one.
    pub(crate) fn read(&self, authorized: &Authorized<'_>) -> Result<(StoreLinksRow, Option<Row>), EngineError> {
        let place = keys::store_links(self.tenant, &self.region);
        let read = authorized.engine().catalog().snapshot()?.get(Table::StoreLink, &place)?;
        let links = read.as_ref().map(|row| rows::decode("store links", &row.value)).transpose()?;
        Ok((links.unwrap_or_default(), read))
    }

    /// One link as it is now, and all of them with the row to replace.
    pub(crate) fn find(
        &self,
        authorized: &Authorized<'_>,
        id: &str,
    ) -> Result<(StoreLinkRow, StoreLinksRow, Row), EngineError> {
        let (links, read) = self.read(authorized)?;
        let found = links.link(id).cloned();
        let missing = || EngineError::StoreLink(LinkFault::Missing { id: id.into() });
        let (found, read) = found.zip(read).ok_or_else(missing)?;
        Ok((found, links, read))
    }
}

/// Makes a link, disconnected.
pub struct CreateStoreLink {
    /// Where.
    pub place: LinkPlace,
    /// Its identity, which the front end draws: 1 to 64 bytes.
    pub id: String,
    /// Its name, the tenant's only one in this region: 1 to 256 characters.
    pub name: String,
    /// The key store, which no other link of this place leads to; absent if the request named none that the tenant may have.
    pub store: Option<KeyStoreName>,
    /// What the request says that the store's certificates are checked by, kept to be shown.
    pub certificate: String,
}

impl Operation for CreateStoreLink {
    type Output = StoreLinkRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::CreateKeyStore, self.place.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<StoreLinkRow>, Halt> {
        let (mut links, read) = self.place.read(authorized)?;
        if self.certificate.len() > limits::CERTIFICATE_BYTES {
            let problem = "must have a certificate of 5000 bytes at most";
            return Err(EngineError::from(InputFault::Form { what: "the link", problem }).into());
        }
        let store = self.store.clone().ok_or(EngineError::StoreLink(LinkFault::NoStore))?;
        let stores = &authorized.engine().key_stores;
        stores.offered(authorized, &store, self.place.tenant).map_err(no_store)?;
        let link = StoreLinkRow {
            id: self.id.clone(),
            name: self.name.clone(),
            store: Some(store.clone()),
            state: LinkState::Disconnected,
            failure: None,
            created: authorized.now(),
            certificate: self.certificate.clone(),
            external: None,
        };
        check_new(&links, &link)?;
        if links.links.iter().any(|link| link.store.as_ref() == Some(&store)) {
            return Err(EngineError::StoreLink(LinkFault::StoreTaken).into());
        }
        Ok(self.place.add(&mut links, read.as_ref(), link, Batch::default()))
    }
}

impl LinkPlace {
    /// The links once more, after something that took its time, if this one is still as it was.
    pub(crate) fn find_again(
        &self,
        authorized: &Authorized<'_>,
        link: &StoreLinkRow,
    ) -> Result<(StoreLinksRow, Row), Halt> {
        let (now, links, read) = self.find(authorized, &link.id)?;
        if now == *link { Ok((links, read)) } else { Err(Halt::Again) }
    }

    /// Writes the links with one more.
    pub(super) fn add(
        &self,
        links: &mut StoreLinksRow,
        read: Option<&Row>,
        link: StoreLinkRow,
        mut batch: Batch,
    ) -> Outcome<StoreLinkRow> {
        links.links.push(link.clone());
        let value = rows::encode(links);
        match read {
            Some(read) => batch.replace(Table::StoreLink, read, value),
            None => batch.insert(Table::StoreLink, keys::store_links(self.tenant, &self.region), value),
        }
        Outcome::Change(batch, link)
    }
}

/// What holds for a link of either kind that is about to be made.
pub(super) fn check_new(links: &StoreLinksRow, link: &StoreLinkRow) -> Result<(), EngineError> {
    check_name(&link.name)?;
    if !(1..=limits::LINK_ID_BYTES).contains(&link.id.len()) {
        let problem = "must have an identity of 1 to 64 bytes";
        return Err(InputFault::Form { what: "the link", problem }.into());
    }
    check_free(links, link)?;
    let (most, has) = (limits::STORE_LINKS, links.links.len());
    if has < most { Ok(()) } else { Err(EngineError::LimitExceeded(Quota::StoreLinks { most, has })) }
}

/// That no other link has the name of this one.
pub(super) fn check_free(links: &StoreLinksRow, link: &StoreLinkRow) -> Result<(), EngineError> {
    match links.links.iter().any(|other| other.name == link.name && other.id != link.id) {
        true => Err(EngineError::StoreLink(LinkFault::NameTaken)),
        false => Ok(()),
    }
}

/// Lists the links of a place, in the order in which they were made.
pub struct ListStoreLinks {
    /// Where.
    pub place: LinkPlace,
}

impl Operation for ListStoreLinks {
    type Output = Vec<StoreLinkRow>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::DescribeKeyStores, self.place.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Vec<StoreLinkRow>>, Halt> {
        // Never read past the cache: a link that is told to be connected must be so for the next use of a key.
        let links = authorized.engine().catalog().links(self.place.tenant, &self.place.region, authorized.ground)?;
        Ok(Outcome::Answer(links.links.clone()))
    }
}

/// One change to a link.
pub enum LinkEdit {
    /// What a request to update says. Of a link that is connected only the name changes.
    Update {
        /// A new name, if it changes.
        name: Option<String>,
        /// Besides the name, something that needs the link to be disconnected.
        more: bool,
        /// The key store that the request names, if it names one, and if the tenant may have it; it must be the same.
        store: Option<Option<KeyStoreName>>,
    },
    /// Lets go of it; nothing that was made through it can be used meanwhile.
    Disconnect,
    /// Removes it. It must be disconnected, and no key may have been made through it that is not destroyed.
    Delete,
}

/// Changes a link.
pub struct EditStoreLink {
    /// Where.
    pub place: LinkPlace,
    /// Its identity.
    pub id: String,
    /// How.
    pub edit: LinkEdit,
}

impl Operation for EditStoreLink {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let action = match self.edit {
            LinkEdit::Update { .. } => Action::UpdateKeyStore,
            LinkEdit::Disconnect => Action::DisconnectKeyStore,
            LinkEdit::Delete => Action::DeleteKeyStore,
        };
        Ok(demands(action, self.place.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let (link, mut links, read) = self.place.find(authorized, &self.id)?;
        let forbidden = || in_state(&link);
        match (&self.edit, link.state) {
            (LinkEdit::Update { more: true, .. }, _) if link.external.is_some() => {
                return Err(EngineError::StoreLink(LinkFault::OtherKind).into());
            }
            (LinkEdit::Update { .. }, LinkState::Failed | LinkState::Connecting)
            | (LinkEdit::Update { more: true, .. }, LinkState::Connected)
            | (LinkEdit::Disconnect, LinkState::Disconnected)
            | (LinkEdit::Delete, LinkState::Connected | LinkState::Connecting | LinkState::Failed) => {
                return Err(forbidden().into());
            }
            (LinkEdit::Update { name, store, .. }, _) => {
                match store {
                    Some(None) => return Err(EngineError::StoreLink(LinkFault::NoStore).into()),
                    Some(other) if *other != link.store => {
                        return Err(EngineError::StoreLink(LinkFault::OtherStore).into());
                    }
                    _ => {}
                }
                let name = name.clone().unwrap_or_else(|| link.name.clone());
                check_name(&name)?;
                let renamed = StoreLinkRow { name, ..link.clone() };
                check_free(&links, &renamed)?;
                links.change(&self.id, |link| *link = renamed);
            }
            (LinkEdit::Disconnect, _) => links.change(&self.id, |link| {
                link.state = LinkState::Disconnected;
                link.failure = None;
            }),
            (LinkEdit::Delete, LinkState::Disconnected) => {
                let place = keys::keys_of_link(self.place.tenant, &self.place.region, &self.id);
                // Whoever makes a key through it writes the links, too.
                if !authorized.engine().catalog().snapshot()?.scan(Table::KeyByStoreLink, &place, None, 1)?.is_empty() {
                    return Err(EngineError::StoreLink(LinkFault::HasKeys).into());
                }
                links.links.retain(|other| other.id != self.id);
            }
        }
        let mut batch = Batch::default();
        batch.replace(Table::StoreLink, &read, rows::encode(&links));
        if link.state == LinkState::Connecting {
            connecting::end(&self.place, &self.id, &mut batch);
        }
        Ok(Outcome::Change(batch, ()))
    }
}

/// Begins to connect a link: what it leads to is tried by a worker, and the link is connected, or failed and says
/// why, after this has answered. One that is connected, or about to be, is left as it is.
pub struct ConnectStoreLink {
    /// Where.
    pub place: LinkPlace,
    /// Its identity.
    pub id: String,
}

impl Operation for ConnectStoreLink {
    type Output = LinkState;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ConnectKeyStore, self.place.tenant))
    }

    fn follow(&self, engine: &Arc<Engine>, call: &Call, state: &LinkState) {
        if *state == LinkState::Connecting {
            engine.pursue_connection(call.dialect, &self.place, &self.id);
        }
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<LinkState>, Halt> {
        let (link, mut links, read) = self.place.find(authorized, &self.id)?;
        match link.state {
            LinkState::Connected | LinkState::Connecting => return Ok(Outcome::Answer(link.state)),
            LinkState::Failed => return Err(in_state(&link).into()),
            LinkState::Disconnected => {}
        }
        let state = LinkState::Connecting;
        links.change(&self.id, |link| (link.state, link.failure) = (state, None));
        let mut batch = Batch::default();
        batch.replace(Table::StoreLink, &read, rows::encode(&links));
        connecting::begin(authorized, &self.place, &link, &mut batch)?;
        Ok(Outcome::Change(batch, state))
    }
}

/// Makes a key through a link that is connected.
pub struct CreateLinkedKey {
    /// The key, as for [`super::resident_key::CreateResidentKey`].
    pub key: CreateKey,
    /// The link's identity, in the region of the key's name.
    pub link: String,
}

impl CreateLinkedKey {
    fn place(&self) -> LinkPlace {
        LinkPlace { tenant: self.key.tenant, region: self.key.name.region.clone() }
    }
}

impl Operation for CreateLinkedKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.key.demands()
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let (link, _, read) = self.place().find(authorized, &self.link)?;
        let store = link.store.as_ref().ok_or(EngineError::StoreLink(LinkFault::OtherKind))?;
        require_connected(&link)?;
        authorized.engine().key_stores.offered_here(authorized, store, self.place().tenant)?;
        // Of a removal or disconnection at the same time, one sees the other.
        let mut batch = Batch::default();
        batch.touch(Table::StoreLink, &read, read.value.clone());
        make_resident(authorized, &self.key, store, (Some(&self.link), None), batch)
    }
}

/// Gives out random bytes of the key store that a link leads to.
pub struct GenerateLinkedRandom {
    /// Where.
    pub place: LinkPlace,
    /// The link's identity.
    pub link: String,
    /// 1 to [`limits::RANDOM_BYTES`].
    pub bytes: usize,
}

impl Operation for GenerateLinkedRandom {
    type Output = SecretBytes;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::GenerateRandom, self.place.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<SecretBytes>, Halt> {
        let (link, _, _) = self.place.find(authorized, &self.link)?;
        let name = link.store.as_ref().ok_or(EngineError::StoreLink(LinkFault::OtherKind))?;
        require_connected(&link)?;
        if !(1..=limits::RANDOM_BYTES).contains(&self.bytes) {
            let problem = "must lie between 1 and 1024";
            return Err(EngineError::from(InputFault::Form { what: "the number of bytes", problem }).into());
        }
        let store = authorized.engine().key_stores.offered_here(authorized, name, self.place.tenant)?;
        let mut drawn = vec![0; self.bytes];
        let answered = store.random(&mut drawn, limits::OBJECT_DEADLINE);
        answered.map_err(|error| EngineError::of_store(name, error))?;
        Ok(Outcome::Answer(SecretBytes::take(drawn)))
    }
}

pub(super) fn require_connected(link: &StoreLinkRow) -> Result<(), EngineError> {
    match link.state {
        LinkState::Connected => Ok(()),
        LinkState::Disconnected | LinkState::Connecting | LinkState::Failed => Err(in_state(link)),
    }
}

/// That the state of a link forbids what is asked of it.
pub(super) fn in_state(link: &StoreLinkRow) -> EngineError {
    EngineError::StoreLink(LinkFault::State { id: link.id.as_str().into(), state: link.state })
}

/// A store that is not offered to a tenant is none of the tenant's to know of.
fn no_store(error: EngineError) -> EngineError {
    match error {
        EngineError::NotFound(_) | EngineError::StoreNotOffered { .. } => EngineError::StoreLink(LinkFault::NoStore),
        other => other,
    }
}

pub(super) fn check_name(name: &str) -> Result<(), EngineError> {
    match (1..=limits::LINK_NAME_CHARACTERS).contains(&name.chars().count()) {
        true => Ok(()),
        false => Err(InputFault::Form { what: "the link's name", problem: "must have 1 to 256 characters" }.into()),
    }
}
