//! Links to external key managers, and the keys that are made through them: doubled by a key of the manager's.
//!
//! A tenant says where its manager is and what requests to it are signed with; whoever may be asked from here is for the
//! [`strongroom_model::external::ExternalManagers`] to know. Absent on purpose: what both kinds of links have in common
//! ([`super::store_link`]), and any key without material of ours.

use std::sync::Arc;

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::external::{ExternalAddress, ExternalCredential};
use strongroom_model::id::CredentialId;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Batch, Table};
use strongroom_model::usage::Usage;

use super::key::{CreateKey, new_version, present_domain_key};
use super::principal::demands;
use super::store_link::{LinkPlace, check_free, check_name, check_new, in_state, require_connected};
use crate::catalog::KeyEntry;
use crate::error::{self, EngineError, InputFault, LinkFault};
use crate::operation::{Authorized, Demand, Halt, KeyHandle, Operation, Outcome};
use crate::rows::{self, ExternalLinkRow, KeyRow, LinkState, RotationCause, StoreLinkRow, StoreLinksRow};
use crate::workers::Ground;
use crate::{keys, limits};

/// Makes a link to an external key manager, disconnected. One that the world can reach must work; one behind a private
/// service is first asked when the link is connected.
pub struct CreateExternalLink {
    /// Where.
    pub place: LinkPlace,
    /// Its identity, which the front end draws: 1 to 64 bytes.
    pub id: String,
    /// Its name, the tenant's only one in this region: 1 to 256 characters.
    pub name: String,
    /// Where the manager is. No other link of this place has it.
    pub address: ExternalAddress,
    /// Who owns the private service that it is reached through, if it is reached through one; kept to be shown.
    pub service_owner: Option<String>,
    /// What requests to it are signed with.
    pub credential: ExternalCredential,
}

impl Operation for CreateExternalLink {
    type Output = StoreLinkRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::CreateKeyStore, self.place.tenant))
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::External
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<StoreLinkRow>, Halt> {
        let (links, _) = self.place.read(authorized)?;
        let mut batch = Batch::default();
        let external = sealed(authorized, &self.place, &self.address, &self.credential, &mut batch)?;
        let external =
            ExternalLinkRow { service_owner: owner(&self.address, self.service_owner.as_ref())?, ..external };
        let link = StoreLinkRow {
            id: self.id.clone(),
            name: self.name.clone(),
            store: None,
            state: LinkState::Disconnected,
            failure: None,
            created: authorized.now(),
            certificate: String::new(),
            external: Some(external),
        };
        check_new(&links, &link)?;
        check_address(&links, &link.id, &self.address)?;
        try_out(authorized, &self.place, &self.address, copy(&self.credential))?;
        // That took its time: others may have been made meanwhile.
        let (mut links, read) = self.place.read(authorized)?;
        check_new(&links, &link)?;
        check_address(&links, &link.id, &self.address)?;
        Ok(self.place.add(&mut links, read.as_ref(), link, batch))
    }
}

/// Changes a link to an external key manager. Server and service change only while it is not connected; with anything but
/// the name, a manager that the world can reach must work as it is then.
pub struct UpdateExternalLink {
    /// Where.
    pub place: LinkPlace,
    /// Its identity.
    pub id: String,
    /// A new name, if it changes.
    pub name: Option<String>,
    /// Another server, if it changes.
    pub endpoint: Option<String>,
    /// Another path, if it changes.
    pub path: Option<String>,
    /// Another private service, or none any more, if it changes. Where it comes or goes, the server changes, too.
    pub service: Option<Option<String>>,
    /// Who owns that service, if that changes.
    pub service_owner: Option<String>,
    /// What requests are signed with from now on, if that changes.
    pub credential: Option<ExternalCredential>,
}

impl UpdateExternalLink {
    /// The address as it will be.
    fn address(&self, external: &ExternalLinkRow) -> ExternalAddress {
        let former = external.address();
        ExternalAddress {
            endpoint: self.endpoint.clone().unwrap_or(former.endpoint),
            path: self.path.clone().unwrap_or(former.path),
            service: self.service.clone().unwrap_or(former.service),
        }
    }
}

impl Operation for UpdateExternalLink {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::UpdateKeyStore, self.place.tenant))
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::External
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let (link, links, _) = self.place.find(authorized, &self.id)?;
        let external = link.external.as_ref().ok_or(EngineError::StoreLink(LinkFault::OtherKind))?;
        let moves = self.endpoint.is_some() || self.service.is_some() || self.service_owner.is_some();
        match link.state {
            LinkState::Disconnected => {}
            LinkState::Connected if !moves => {}
            LinkState::Connected | LinkState::Connecting | LinkState::Failed => return Err(in_state(&link).into()),
        }
        let mut batch = Batch::default();
        let address = self.address(external);
        if address.service.is_some() != external.service.is_some() && self.endpoint.is_none() {
            return Err(EngineError::from(InputFault::ServerUnchanged).into());
        }
        if self.service_owner.is_some() && address.service.is_none() {
            let problem = "is for a link that has one";
            return Err(
                EngineError::from(InputFault::Form { what: "the owner of the private service", problem }).into()
            );
        }
        let service_owner = owner(&address, self.service_owner.as_ref().or(external.service_owner.as_ref()))?;
        let name = self.name.clone().unwrap_or_else(|| link.name.clone());
        check_name(&name)?;
        check_address(&links, &link.id, &address)?;
        let changed = match &self.credential {
            Some(credential) => sealed(authorized, &self.place, &address, credential, &mut batch)?,
            None => {
                let ExternalAddress { endpoint, path, service } = address.clone();
                ExternalLinkRow { endpoint, path, service, ..external.clone() }
            }
        };
        let asked_again = changed != *external;
        let changed = ExternalLinkRow { service_owner, ..changed };
        if asked_again {
            let credential = match &self.credential {
                Some(credential) => copy(credential),
                None => authorized.credential_of(self.place.tenant, external)?,
            };
            try_out(authorized, &self.place, &address, credential)?;
        }
        // That took its time: others may have changed meanwhile.
        let (mut links, read) = self.place.find_again(authorized, &link)?;
        check_address(&links, &link.id, &address)?;
        let updated = StoreLinkRow { name, external: Some(changed), ..link };
        check_free(&links, &updated)?;
        links.change(&self.id, |link| *link = updated);
        batch.replace(Table::StoreLink, &read, rows::encode(&links));
        Ok(Outcome::Change(batch, ()))
    }
}

/// Makes a key that a key of an external key manager doubles, through a link that is connected.
pub struct CreateDoubledKey {
    /// The key: AES of 256 bits for whole ciphertexts, of one region, its origin [`Origin::Doubled`].
    pub key: CreateKey,
    /// The link's identity, in the region of the key's name.
    pub link: String,
    /// What the manager calls its key, which doubles no other key of this link: 1 to 128 bytes.
    pub external: String,
}

impl Operation for CreateDoubledKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.key.demands()
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::External
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let key = &self.key;
        let place = LinkPlace { tenant: key.tenant, region: key.name.region.as_ref().into() };
        let (link, _, _) = place.find(authorized, &self.link)?;
        let external = link.external.as_ref().ok_or(EngineError::StoreLink(LinkFault::OtherKind))?;
        require_connected(&link)?;
        let plain = key.spec == KeySpec::Aes256 && key.usages == [Usage::DerivedAead] && !key.multi_region;
        if key.origin != Origin::Doubled || !plain {
            return Err(EngineError::Unsupported("such a key, doubled by an external key manager,").into());
        }
        if !(1..=limits::EXTERNAL_KEY_BYTES).contains(&self.external.len()) {
            let problem = "must have 1 to 128 bytes";
            return Err(EngineError::from(InputFault::Form { what: "the external key's id", problem }).into());
        }
        let taken = keys::external_key_of_link(place.tenant, &place.region, &self.link, &self.external);
        if authorized.engine().catalog().snapshot()?.get(Table::KeyByStoreLink, &taken)?.is_some() {
            return Err(EngineError::StoreLink(LinkFault::KeyTaken).into());
        }
        let (called, through) = (Some(self.external.clone()), Some(self.link.clone()));
        let mut batch = Batch::default();
        let row = KeyRow { link: through, external: called, ..key.row(authorized, None, &mut batch)? };
        let manager = authorized.manager(place.tenant, &place.region, external)?;
        let request = authorized.told_to_manager(None);
        manager.inspect(&self.external, &request).map_err(EngineError::External)?;
        // That took its time: other links may have changed meanwhile, or other keys have been made.
        let (_, read) = place.find_again(authorized, &link)?;
        // Of a removal or disconnection at the same time, one sees the other.
        batch.touch(Table::StoreLink, &read, read.value.clone());
        batch.insert(Table::KeyByStoreLink, taken, Vec::new());
        let version = new_version(authorized, &[&row], &[], 1, RotationCause::Creation, &mut batch)?;
        key.finish(authorized, row, vec![version], None, batch)
    }
}

/// Whether there can be a manager at an address, and, unless it is behind a private service, whether it works for us.
fn try_out(
    authorized: &Authorized<'_>,
    place: &LinkPlace,
    address: &ExternalAddress,
    credential: ExternalCredential,
) -> Result<(), EngineError> {
    let manager = authorized.new_manager(place.tenant, &place.region, address, credential)?;
    match address.service {
        None => manager.health(&authorized.told_to_manager(None)).map_err(EngineError::External),
        Some(_) => Ok(()),
    }
}

/// An external key manager as a row has it, its credential sealed under the present domain key of the tenant.
fn sealed(
    authorized: &Authorized<'_>,
    place: &LinkPlace,
    address: &ExternalAddress,
    credential: &ExternalCredential,
    batch: &mut Batch,
) -> Result<ExternalLinkRow, Halt> {
    let engine = authorized.engine();
    let domain_key = present_domain_key(authorized, place.tenant, batch)?;
    let id = CredentialId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?);
    let ExternalCredential { shown, secret } = credential;
    let sealed = engine.vault.seal_credential(&domain_key, place.tenant, id, shown, secret)?;
    let ExternalAddress { endpoint, path, service } = address.clone();
    Ok(ExternalLinkRow { endpoint, path, service, credential: id, shown: shown.clone(), sealed, service_owner: None })
}

/// Who owns the private service of an address, where it has one.
fn owner(address: &ExternalAddress, named: Option<&String>) -> Result<Option<String>, EngineError> {
    let named = named.filter(|_| address.service.is_some());
    match named.is_none_or(|named| named.len() <= limits::SERVICE_OWNER_BYTES) {
        true => Ok(named.cloned()),
        false => {
            let problem = "must have 64 bytes at most";
            Err(InputFault::Form { what: "the owner of the private service", problem }.into())
        }
    }
}

fn copy(credential: &ExternalCredential) -> ExternalCredential {
    let secret = strongroom_secret::SecretBytes::copy_from(credential.secret.expose());
    ExternalCredential { shown: credential.shown.clone(), secret }
}

/// That no other link of a place has the same address, leads to the same server in another way, or goes through the same
/// private service.
fn check_address(links: &StoreLinksRow, id: &str, address: &ExternalAddress) -> Result<(), EngineError> {
    let others = links.links.iter().filter(|link| link.id != id).filter_map(|link| link.external.as_ref());
    for other in others {
        let same_server = other.endpoint.eq_ignore_ascii_case(&address.endpoint);
        let fault = match (same_server, &other.service, &address.service) {
            (true, None, None) if other.path == address.path => LinkFault::AddressTaken,
            (true, None, None) => continue,
            (_, Some(one), Some(another)) if one == another => LinkFault::ServiceTaken,
            // A server with a private service belongs to one link, and one with two ways to it would be two servers.
            (true, ..) => LinkFault::EndpointTaken,
            (false, ..) => continue,
        };
        return Err(EngineError::StoreLink(fault));
    }
    Ok(())
}
