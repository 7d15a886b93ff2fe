//! Services elsewhere that ask for keys of a tenant, such as a cloud's key store: made, changed and removed; keys bound to
//! them; what their health is found out from.
//!
//! A service is a principal: it has credentials and policies as a user has, and its kill switch is a principal's
//! ([`crate::service_reference`] names it there). It asks through the front end that is for services, and nowhere else.
//! What a binding to it is called begins with its name and a slash.

use std::sync::Arc;
use std::time::Duration;

use strongroom_model::action::Action;
use strongroom_model::id::{KeyId, RootId, TenantId};
use strongroom_model::key_store::{KeyStoreError, KeyStoreName};
use strongroom_model::name::{Name, NameKind};
use strongroom_model::purpose::Purpose;
use strongroom_model::spec::Origin;
use strongroom_model::store::{Batch, Row, Table};
use strongroom_model::usage::UsageProfile;
use strongroom_policy::{Document, Kind as DocumentKind};

use super::key::{CreateKey, bind_serving};
use super::name::{check_form, check_home, check_room, find as find_name};
use super::principal::{Kind, add, check_name, check_self, demands, demands_on, find, remove};
use crate::call::Dialect;
use crate::catalog::KeyEntry;
use crate::error::{EngineError, InputFault, Noun};
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome, PrincipalReference, Target};
use crate::resident::Usable;
use crate::rows::{
    self, BindingRow, DomainKeyRow, IdentityPolicyRow, PrincipalRow, Serves, ServiceRow, service_reference,
};
use crate::{keys, limits};

/// Makes a service, with the key that its health is found out with and a policy.
pub struct CreateService {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Name among the tenant's services: 1 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// The name that policies know it by.
    pub policy_name: String,
    /// Identity as policies and answers show it.
    pub unique_id: String,
    /// Where it is served, and what it may sign for; its test key is put in here.
    pub service: ServiceRow,
    /// Its first policy: name and document.
    pub policy: (String, String),
    /// The key that its health is found out with.
    pub test_key: CreateKey,
    /// Inside which key store that key is made, if in any.
    pub store: Option<KeyStoreName>,
}

impl Operation for CreateService {
    type Output = PrincipalRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let mut all = demands(Action::ManagePrincipals, self.tenant);
        all.extend(self.test_key.demands()?);
        Ok(all)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<PrincipalRow>, Halt> {
        check_name("the service's name", &self.name)?;
        let (policy, document) = &self.policy;
        check_name("the policy's name", policy)?;
        check_prefix(&self.service.prefix)?;
        check_regions(&self.service.regions)?;
        Document::parse(document, DocumentKind::Identity).map_err(EngineError::InvalidPolicy)?;
        let by_prefix = keys::service_by_prefix(&self.service.prefix);
        if authorized.engine().catalog().snapshot()?.get(Table::PrincipalByName, &by_prefix)?.is_some() {
            let taken = Noun::Name(format!("/{}", self.service.prefix).into());
            return Err(EngineError::AlreadyExists(taken).into());
        }
        let Outcome::Change(mut batch, key) = self.test_key.run_in(authorized, self.store.as_ref(), None)? else {
            return Err(EngineError::Unsupported("a test key that is not made").into());
        };
        let kind = Kind::Service(ServiceRow { test_key: key.row.id, ..self.service.clone() });
        let (policy_name, unique_id) = (self.policy_name.clone(), self.unique_id.clone());
        let Outcome::Change(more, row) = add(authorized, self.tenant, &self.name, policy_name, unique_id, kind)? else {
            return Err(EngineError::Unsupported("a service that is not made").into());
        };
        batch.preconditions.extend(more.preconditions);
        batch.changes.extend(more.changes);
        batch.insert(Table::PrincipalByName, by_prefix, row.id.as_bytes().to_vec());
        let attached = IdentityPolicyRow { name: policy.clone(), document: document.clone() };
        let place = keys::identity_policy(self.tenant, row.id, policy);
        batch.put(Table::IdentityPolicy, place, rows::encode(&attached));
        Ok(Outcome::Change(batch, row))
    }
}

/// Changes what a service may do by itself.
pub struct UpdateService {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// The regions that it may sign for, if they change.
    pub regions: Option<Vec<String>>,
    /// Whether its policies are tried out only, if that changes.
    pub policies_tried_out: Option<bool>,
    /// Whether it opens ciphertexts over digested data, if that changes.
    pub opens_digested_data: Option<bool>,
}

impl Operation for UpdateService {
    type Output = PrincipalRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ManagePrincipals, self.tenant, PrincipalReference::Name(service_reference(&self.name))))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<PrincipalRow>, Halt> {
        let (mut principal, mut service, read) = find_service(authorized, self.tenant, &self.name)?;
        service.regions = self.regions.clone().unwrap_or(service.regions);
        service.policies_tried_out = self.policies_tried_out.unwrap_or(service.policies_tried_out);
        service.opens_digested_data = self.opens_digested_data.unwrap_or(service.opens_digested_data);
        check_regions(&service.regions)?;
        principal.service = Some(service);
        let mut batch = Batch::default();
        batch.replace(Table::Principal, &read, rows::encode(&principal));
        Ok(Outcome::Change(batch, principal))
    }
}

/// Removes a service that no key is bound to but its test key, with its policies and credentials.
pub struct DeleteService {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// The kind of name that keys are bound to it by.
    pub kind: NameKind,
}

impl Operation for DeleteService {
    /// Its test key, which stays.
    type Output = KeyId;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ManagePrincipals, self.tenant, PrincipalReference::Name(service_reference(&self.name))))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<KeyId>, Halt> {
        let (principal, service, read) = find_service(authorized, self.tenant, &self.name)?;
        check_self(authorized, &principal)?;
        if service.kind() != self.kind {
            return Err(EngineError::from(Noun::Principal(service_reference(&self.name).into())).into());
        }
        let bound = bound(authorized, self.tenant, &self.name, &service.home, self.kind, None, 2)?;
        let names = bound.iter().map(|row| rows::decode::<BindingRow>("bindings", &row.value));
        if names.collect::<Result<Vec<_>, _>>()?.iter().any(|name| name.key != service.test_key) {
            let problem =
                "still has keys; unbind each first: a key with no other name needs its deletion scheduled before";
            return Err(EngineError::from(InputFault::Form { what: "the service", problem }).into());
        }
        let mut batch = Batch::default();
        // Whoever binds a key to it writes it, too.
        batch.preconditions.push(super::key::unchanged(Table::Principal, &read));
        remove(authorized, &principal, read, &mut batch)?;
        batch.delete(Table::PrincipalByName, keys::service_by_prefix(&service.prefix));
        Ok(Outcome::Change(batch, service.test_key))
    }
}

/// Binds a key to a service under a free name.
pub struct BindToService {
    /// The service's name.
    pub service: String,
    /// The name, in the service's home region: the service's, a slash, and what the service calls the key.
    pub name: Name,
    /// The key.
    pub key: KeyId,
    /// What for; everything if absent.
    pub serves: Option<Serves>,
    /// The front end that serves it.
    pub owner: &'static dyn Dialect,
}

impl Operation for BindToService {
    type Output = (BindingRow, Arc<KeyEntry>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let demand = |target, purpose| Demand { action: Action::ManageBindings, target, purpose };
        let key = Target::Key(KeyReference::Id(self.key));
        // A key whose destruction is scheduled may get a name: without one that can't be called off.
        Ok(vec![demand(Target::Name(self.name.clone()), Purpose::Inspect), demand(key, Purpose::Govern)])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let Self { service, name, owner, serves, .. } = self;
        let handle = authorized.key(0)?;
        let entry = handle.entry();
        check_home(handle, name)?;
        check_room(authorized, handle, name)?;
        check_form(*owner, entry.profile, name)?;
        if entry.row.external.is_some() {
            return Err(EngineError::Unsupported("a key that an external key manager doubles, for a service,").into());
        }
        if find_name(authorized, name)?.is_some() {
            return Err(EngineError::AlreadyExists(Noun::Name(name.text.clone())).into());
        }
        let mut batch = Batch::default();
        for_service(authorized, service, name, &mut batch)?;
        // Of two at the same time, one sees the other's name.
        batch.touch(Table::Key, &entry.as_read(), rows::encode(&entry.row));
        let bound = bind_serving(&mut batch, name, entry.row.id, authorized.now(), *serves);
        Ok(Outcome::Change(batch, (bound, Arc::clone(entry))))
    }
}

/// Makes a key that is bound to a service from the start.
pub struct CreateServiceKey {
    /// The service's name.
    pub service: String,
    /// The key, by the name that binds it, as for [`BindToService`].
    pub key: CreateKey,
    /// What for; everything if absent.
    pub serves: Option<Serves>,
    /// Inside which key store it is made, if in any.
    pub store: Option<KeyStoreName>,
    /// The front end that serves it.
    pub owner: &'static dyn Dialect,
}

impl Operation for CreateServiceKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let mut all = self.key.demands()?;
        let target = Target::Name(self.key.name.clone());
        // Whoever could not bring its material would leave a key behind that never serves.
        let import = [Action::GetParametersForImport, Action::ImportKeyMaterial];
        let actions =
            import.into_iter().filter(|_| self.key.origin == Origin::Imported).chain([Action::ManageBindings]);
        all.extend(actions.map(|action| Demand { action, target: target.clone(), purpose: Purpose::Inspect }));
        Ok(all)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let name = &self.key.name;
        if find_name(authorized, name)?.is_some() {
            return Err(EngineError::AlreadyExists(Noun::Name(name.text.clone())).into());
        }
        // All that can be refused is, before anything is made in a key store.
        let mut of_service = Batch::default();
        for_service(authorized, &self.service, name, &mut of_service)?;
        let profile = UsageProfile::new(&self.key.usages, self.key.spec).map_err(InputFault::Profile)?;
        check_form(self.owner, profile, name)?;
        let (mut batch, made) = match self.key.run_in(authorized, self.store.as_ref(), self.serves)? {
            Outcome::Change(batch, made) => (batch, made),
            answered @ Outcome::Answer(_) => return Ok(answered),
        };
        batch.preconditions.extend(of_service.preconditions);
        batch.changes.extend(of_service.changes);
        Ok(Outcome::Change(batch, made))
    }
}

/// Lists the keys that are bound to a service, in order of their names.
pub struct ListServiceKeys {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The service's name.
    pub service: String,
    /// The kind of name that keys are bound to it by.
    pub kind: NameKind,
    /// Begin behind this name, as the service calls the key.
    pub after: Option<String>,
    /// At most so many, up to 999.
    pub limit: usize,
}

impl Operation for ListServiceKeys {
    /// Each name with its key, and whether there are more.
    type Output = (Vec<(BindingRow, Arc<KeyEntry>)>, bool);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadBindings, self.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let (_, service, _) = find_service(authorized, self.tenant, &self.service)?;
        let limit = self.limit.clamp(1, 999);
        let after = self.after.as_deref();
        let mut rows = bound(authorized, self.tenant, &self.service, &service.home, self.kind, after, limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let catalog = authorized.engine().catalog();
        let with_key = |row: Row| -> Result<_, EngineError> {
            let binding: BindingRow = rows::decode("bindings", &row.value)?;
            let entry = catalog.load_key(binding.key)?;
            Ok((binding, Arc::new(entry)))
        };
        Ok(Outcome::Answer((rows.into_iter().map(with_key).collect::<Result<_, _>>()?, more)))
    }
}

/// Finds out which roots of trust open a tenant's domain key now, and which key store a key is in.
pub struct TryRoots {
    /// Which tenant.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
}

/// How a root of trust met [`TryRoots`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootTried {
    /// Which root.
    pub id: RootId,
    /// `software` or `pkcs11`.
    pub kind: String,
    /// Whether it serves: it is open here, and opens the domain key if it has wrapped it yet.
    pub serves: bool,
}

impl Operation for TryRoots {
    /// Each root, and the key store that the key is in, if in any.
    type Output = (Vec<RootTried>, Option<KeyStoreName>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![Demand { action: Action::ReadRoots, target: Target::Installation, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let engine = authorized.engine();
        let store = engine.catalog().load_key(self.key)?.row.store;
        let (tenant, _) = engine.catalog().load_tenant(self.tenant)?;
        let place = keys::domain_key(self.tenant, tenant.domain_key);
        let row = engine.catalog().snapshot()?.get(Table::DomainKey, &place)?;
        let row: Option<DomainKeyRow> = row.map(|row| rows::decode("domain keys", &row.value)).transpose()?;
        let tried = crate::start::roots(engine.catalog().store())?.into_iter().map(|known| {
            let root = engine.vault.root(known.id);
            let opens = |root: &dyn strongroom_model::root::RootOfTrust| {
                row.as_ref().and_then(|row| engine.vault.opens(root, row)).is_none_or(|opened| opened.is_ok())
            };
            RootTried { id: known.id, kind: known.kind, serves: root.is_some_and(|root| opens(&*root)) }
        });
        Ok(Outcome::Answer((tried.collect(), store)))
    }
}

/// Tries each token of the key store that a key is inside with that key, which is one for authenticated encryption.
pub struct TryTokens {
    /// Which key.
    pub key: KeyId,
    /// How long that may take.
    pub within: Duration,
}

impl Operation for TryTokens {
    /// How each token fared and how long it took, in the order of [`strongroom_model::key_store::KeyStore::health`]; nothing for
    /// a key that is in no key store.
    type Output = Vec<Result<Duration, KeyStoreError>>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(KeyReference::Id(self.key));
        Ok(vec![Demand { action: Action::SealDetached, target, purpose: Purpose::ApplyProtection }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        match authorized.current_key(0)?.1 {
            Usable::Resident(resident) => Ok(Outcome::Answer(resident.try_each(self.within)?)),
            Usable::Material(_) | Usable::Doubled(_) => Ok(Outcome::Answer(Vec::new())),
        }
    }
}

/// A service as it is now, with its row to replace.
fn find_service(
    authorized: &Authorized<'_>,
    tenant: TenantId,
    name: &str,
) -> Result<(PrincipalRow, ServiceRow, Row), EngineError> {
    let reference = service_reference(name);
    let (principal, read) = find(authorized, tenant, &reference)?;
    let service = principal.service.clone().ok_or_else(|| Noun::Principal(reference.into()))?;
    Ok((principal, service, read))
}

/// That a name is one of a service that is there when the batch is committed.
fn for_service(authorized: &Authorized<'_>, service: &str, name: &Name, batch: &mut Batch) -> Result<(), EngineError> {
    let (_, row, read) = find_service(authorized, name.tenant, service)?;
    let own = name.text.strip_prefix(service).is_some_and(|rest| rest.starts_with('/'));
    if *name.region != *row.home || !own {
        let problem = "must be in the service's home region and begin with its name";
        return Err(InputFault::Form { what: "the name", problem }.into());
    }
    // Of a removal at the same time, one sees the other.
    batch.touch(Table::Principal, &read, read.value.clone());
    Ok(())
}

/// The bindings to a service as rows.
fn bound(
    authorized: &Authorized<'_>,
    tenant: TenantId,
    service: &str,
    home: &str,
    kind: NameKind,
    after: Option<&str>,
    most: usize,
) -> Result<Vec<Row>, EngineError> {
    let place = |text: &str| keys::binding(tenant, home, kind, &format!("{service}/{text}"));
    let after = after.map(place);
    Ok(authorized.engine().catalog().snapshot()?.scan(Table::Binding, &place(""), after.as_deref(), most)?)
}

fn check_prefix(prefix: &str) -> Result<(), EngineError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    let whole = prefix.is_empty() || prefix.split('/').all(|part| !part.is_empty());
    match prefix.len() <= limits::PREFIX_BYTES && prefix.bytes().all(fits) && whole {
        true => Ok(()),
        false => {
            let problem = "must be at most 117 letters, digits, _ and - in parts between single slashes";
            Err(InputFault::Form { what: "the service's prefix", problem }.into())
        }
    }
}

fn check_regions(regions: &[String]) -> Result<(), EngineError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let plain = |region: &String| {
        (1..=strongroom_model::limits::REGION_BYTES).contains(&region.len()) && region.bytes().all(fits)
    };
    match (1..=limits::SERVICE_REGIONS).contains(&regions.len()) && regions.iter().all(plain) {
        true => Ok(()),
        false => {
            let problem = "must be 1 to 32 of lower-case letters, digits and hyphens";
            Err(InputFault::Form { what: "the regions that the service signs for", problem }.into())
        }
    }
}
