//! Why a request would be allowed or denied, without making it.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal, Session};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{GrantId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_policy::Attributes;

use super::principal;
use crate::call::{Call, Dialect};
use crate::decide::{Explained, Subject};
use crate::error::{EngineError, Noun};
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome, Target};
use crate::rows::{GrantRow, PrincipalRow};

/// Asks what policy would say to a request. States of keys and tenants are left out.
pub struct ExplainRequest {
    /// Whose principal.
    pub tenant: TenantId,
    /// Its name; the tenant's root if absent.
    pub principal: Option<String>,
    /// The language that the request would be in.
    pub dialect: &'static dyn Dialect,
    /// What for.
    pub action: Action,
    /// On which key; on the tenant as a whole if neither a key nor a principal is named.
    pub key: Option<KeyReference>,
    /// Which grant on the key it would give up; where giving one up is asked for and none is named, one that speaks of
    /// nobody.
    pub grant: Option<GrantId>,
    /// On which principal of the tenant, by name.
    pub on_principal: Option<String>,
    /// Where; in the key's own region if absent.
    pub region: Option<Arc<str>>,
    /// What the request would carry.
    pub attributes: Arc<dyn Attributes + Send + Sync>,
}

impl Operation for ExplainRequest {
    type Output = Explained;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Tenant(self.tenant);
        let mut demands = vec![Demand { action: Action::ReadPrincipals, target, purpose: Purpose::Inspect }];
        demands.extend(self.key.clone().map(|key| Demand {
            action: Action::GetKeyPolicy,
            target: Target::Key(key),
            purpose: Purpose::Inspect,
        }));
        Ok(demands)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Explained>, Halt> {
        let engine = authorized.engine();
        let (tenant, _) = engine.catalog().load_tenant(self.tenant)?;
        let (policy_name, principal) = match &self.principal {
            None => (tenant.root_name.clone(), Principal::TenantRoot),
            Some(name) => {
                let (row, _) = principal::find(authorized, self.tenant, name)?;
                (row.policy_name.clone(), asking(row, authorized.now()))
            }
        };
        let caller = Caller {
            tenant: self.tenant,
            account: tenant.account.as_str().into(),
            policy_name: policy_name.into(),
            principal,
            credential: None,
        };
        let key = self.key.as_ref().map(|_| authorized.key(0)).transpose()?.map(|handle| &**handle.entry());
        let own_region = || key.map_or_else(|| Arc::from(""), |key| Arc::from(key.row.region.as_str()));
        let call = Call {
            caller: Arc::new(caller),
            region: self.region.clone().unwrap_or_else(own_region),
            attributes: Arc::clone(&self.attributes),
            ..Call::internal("explain", "Explain", self.dialect)
        };
        let target = match &self.on_principal {
            Some(name) if key.is_none() => {
                let id = principal::find(authorized, self.tenant, name)?.0.id;
                Some(engine.catalog().principal(self.tenant, id, authorized.ground)?)
            }
            _ => None,
        };
        let resource = match (key, &target) {
            (Some(key), _) => key.resource(self.dialect, &call.region),
            (None, Some(entry)) => entry.row.policy_name.as_str().into(),
            (None, None) => self.dialect.tenant_resource(&tenant.account).into(),
        };
        let account = key.map_or(&tenant.account, |key| &key.tenant.account);
        let grants = match (key, self.grant) {
            (Some(key), Some(_)) => Some(engine.catalog().grants(key.row.id, authorized.ground)?),
            _ => None,
        };
        let named = |row: &&GrantRow| Some(row.id) == self.grant;
        let retired = grants.as_deref().map(|grants| grants.rows.iter().find(named).ok_or(Noun::Grant)).transpose()?;
        let subject = Subject {
            action: self.action,
            resource: &resource,
            account,
            key,
            role: target.as_deref().filter(|entry| entry.trust.is_some()),
            asked: match &self.key {
                Some(KeyReference::Name(name)) => Some(name),
                _ => None,
            },
            keys: &[],
            attributes: None,
            retired,
        };
        let now = i64::try_from(authorized.now().0).unwrap_or(i64::MAX);
        Ok(Outcome::Answer(engine.explain(&call, &subject, now)?))
    }
}

/// Who would ask: a user, or some session of a role that begins now.
fn asking(row: PrincipalRow, now: Timestamp) -> Principal {
    let (unique_id, name) = (row.unique_id.into(), row.name.into());
    match row.role {
        None => Principal::User { id: row.id, unique_id, name },
        Some(_) => Principal::Session(Box::new(Session {
            role: row.id,
            role_name: name,
            role_policy_name: row.policy_name.into(),
            unique_id,
            issued: now,
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            federated_provider: None,
            source_identity: None,
            policies: Vec::new(),
        })),
    }
}
