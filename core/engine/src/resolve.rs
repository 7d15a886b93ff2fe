//! Finding what demands are about: keys by whatever points to them, names, principals, tenants, and what each is called in
//! the front end's words.
//!
//! Absent on purpose: whether any of it is permitted.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::id::{KeyId, TenantId};

use crate::Engine;
use crate::call::Call;
use crate::catalog::KeyEntry;
use crate::error::{EngineError, Noun};
use crate::journey::{Journey, Trace, TracedDemand};
use crate::operation::{Demand, Halt, KeyHandle, KeyReference, RoleName, Target};
use crate::operations::principal;
use crate::workers::Ground;

impl Engine {
    /// Finds what the demands are about, up to the first of which it can't be found; that one, if it is known by name, and
    /// why, are told in its turn: whoever may not do what comes before it must not learn from this what there is.
    pub(crate) fn resolve_all(
        &self,
        journey: &Journey,
        demands: Vec<Demand>,
        ground: Ground,
        trace: &mut Trace,
    ) -> Result<Option<(EngineError, Option<TracedDemand>)>, Halt> {
        for (index, demand) in demands.into_iter().enumerate() {
            match self.resolve(journey, demand, ground, trace) {
                Ok(()) => {}
                Err(Halt::Fail(error)) => {
                    let traced = (trace.demands.len() > index).then(|| trace.demands.pop()).flatten();
                    return Ok(Some((error, traced)));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }

    /// Finds what a demand is about.
    fn resolve(&self, journey: &Journey, demand: Demand, ground: Ground, trace: &mut Trace) -> Result<(), Halt> {
        let call = &journey.call;
        let dialect = call.dialect;
        let mut reserved = false;
        let (resource, key) = match &demand.target {
            Target::Key(reference) | Target::Known(reference) => {
                let entry = match journey.asked.key(trace.keys.len()) {
                    Some(id) => self.catalog.key(id, ground)?,
                    None => self.resolve_key(call, &demand, reference, ground, trace)?,
                };
                let region = match reference {
                    KeyReference::Name(name) if *name.region != *call.region => Arc::from(&*name.region),
                    _ => Arc::clone(&call.region),
                };
                let resource = match reference {
                    KeyReference::Name(name) if dialect.services().is_some() => {
                        Arc::from(dialect.name_resource(&entry.tenant.account, name))
                    }
                    _ => entry.resource(dialect, &region),
                };
                let (purpose, action) = (demand.purpose, demand.action);
                let serves = demand.target.name().and_then(|name| entry.serves(name));
                trace.keys.push(KeyHandle { entry, resource: Arc::clone(&resource), purpose, action, serves });
                (resource, Some(trace.keys.len() - 1))
            }
            Target::Name(name) => {
                let account = self.account_of_tenant(call, name.tenant, ground)?;
                (Arc::from(dialect.name_resource(&account, name)), None)
            }
            Target::Principal(tenant, reference) => {
                if ground == Ground::Here {
                    return Err(Halt::Move(Ground::Worker));
                }
                match principal::named(&self.catalog, *tenant, reference)? {
                    Some(named) => {
                        reserved = named.is_root && demand.action == Action::ManageCredentials;
                        (Arc::from(named.policy_name), None)
                    }
                    None => {
                        let account = self.account_of_tenant(call, *tenant, ground)?;
                        (Arc::from(dialect.tenant_resource(&account)), None)
                    }
                }
            }
            Target::Role(_) if ground == Ground::Here => return Err(Halt::Move(Ground::Worker)),
            Target::Role(role) => (Arc::clone(&role.policy_name), None),
            Target::Tenant(tenant) => {
                let account = self.account_of_tenant(call, *tenant, ground)?;
                (Arc::from(dialect.tenant_resource(&account)), None)
            }
            Target::Installation => (Arc::from(dialect.tenant_resource("")), None),
            Target::Caller => (Arc::clone(&call.caller.policy_name), None),
        };
        trace.demands.push(TracedDemand { demand, resource, key, reserved });
        Ok(())
    }

    /// Finds the key of a demand; a demand whose key can't be found is traced, for the record.
    fn resolve_key(
        &self,
        call: &Call,
        demand: &Demand,
        reference: &KeyReference,
        ground: Ground,
        trace: &mut Trace,
    ) -> Result<Arc<KeyEntry>, Halt> {
        let found = match (self.find_key(call, reference, ground), reference) {
            (Err(Halt::Fail(error)), KeyReference::Name(name)) => {
                let account = self.account_of_tenant(call, name.tenant, ground)?;
                let asked: Arc<str> = call.dialect.name_resource(&account, name).into();
                trace.demands.push(TracedDemand {
                    demand: demand.clone(),
                    resource: Arc::clone(&asked),
                    key: None,
                    reserved: false,
                });
                Err(Halt::Fail(match error {
                    EngineError::NotFound(Noun::Name(_)) => Noun::Name(Box::from(&*asked)).into(),
                    other => other,
                }))
            }
            (Err(Halt::Fail(error)), _) => {
                let (demand, resource) = (demand.clone(), Arc::from(""));
                trace.demands.push(TracedDemand { demand, resource, key: None, reserved: false });
                Err(Halt::Fail(error))
            }
            (found, _) => found,
        };
        self.catalog.key(found?, ground)
    }

    fn find_key(&self, call: &Call, reference: &KeyReference, ground: Ground) -> Result<KeyId, Halt> {
        match reference {
            KeyReference::Name(name) => self.catalog.by_name(name, ground),
            KeyReference::Ciphertext { lineage, material } => {
                self.catalog.by_material(*lineage, *material, &call.region, ground)
            }
            KeyReference::Id(id) => Ok(*id),
        }
    }

    pub(crate) fn account_of(
        &self,
        call: &Call,
        target: &Target,
        key: Option<&KeyEntry>,
        ground: Ground,
    ) -> Result<Arc<str>, Halt> {
        match (key, target) {
            (Some(key), _) if key.row.tenant == call.caller.tenant => Ok(Arc::clone(&call.caller.account)),
            (Some(key), _) => Ok(Arc::from(key.tenant.account.as_str())),
            (None, Target::Name(name)) => self.account_of_tenant(call, name.tenant, ground),
            (None, Target::Tenant(tenant) | Target::Principal(tenant, _) | Target::Role(RoleName { tenant, .. })) => {
                self.account_of_tenant(call, *tenant, ground)
            }
            (None, _) => Ok(Arc::from("")),
        }
    }

    fn account_of_tenant(&self, call: &Call, tenant: TenantId, ground: Ground) -> Result<Arc<str>, Halt> {
        if tenant == call.caller.tenant {
            return Ok(Arc::clone(&call.caller.account));
        }
        Ok(Arc::from(self.catalog.tenant(tenant, ground)?.account.as_str()))
    }
}
