//! Key policies that are set from above: by who is decided by identity policies alone, where no key policy holds.

use std::sync::Arc;

use strongroom_model::caller::{Caller, Principal};
use strongroom_model::id::TenantId;
use strongroom_policy::Kind;

use super::key::{Edit, EditKey, check_lockout};
use crate::call::{Call, Dialect};
use crate::catalog::KeyEntry;
use crate::error::EngineError;
use crate::named;
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome};

/// Replaces the policy of a key from above the front end that its names are of.
pub struct GovernKey {
    /// Which key.
    pub key: KeyReference,
    /// The new policy.
    pub document: String,
    /// Whether a policy is taken that nobody could change again through any front end of the key's names.
    pub bypass_lockout: bool,
    /// The front ends of this build that have key policies.
    pub owners: Vec<&'static dyn Dialect>,
}

impl GovernKey {
    fn edit(&self) -> EditKey {
        let edit = Edit::ReplacePolicy { document: self.document.clone(), bypass_lockout: true };
        EditKey { key: self.key.clone(), edit }
    }
}

impl Operation for GovernKey {
    type Output = <EditKey as Operation>::Output;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.edit().demands()
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let entry = authorized.key(0)?.entry();
        let knows = |owner: &&&'static dyn Dialect| entry.name(owner.key_kind(), &entry.row.region).is_some();
        if let Some(owner) = self.owners.iter().find(knows).filter(|_| !self.bypass_lockout) {
            let place = (entry.row.tenant, &*entry.row.region);
            check_lockout_under(authorized, *owner, Some(entry), place, &self.document)?;
        }
        self.edit().run(authorized)
    }
}

/// That a policy which is set from above leaves somebody able to change it where `owner`, the front end of the key's
/// names, is in charge: the caller, or where that is of no tenant the root of the key's.
pub(super) fn check_lockout_under(
    authorized: &Authorized<'_>,
    owner: &'static dyn Dialect,
    key: Option<&KeyEntry>,
    (tenant, region): (TenantId, &str),
    document: &str,
) -> Result<(), Halt> {
    let policy = named::write(authorized.engine().catalog(), tenant, document, Kind::Resource)?.document;
    let (tenant, _) = authorized.engine().catalog().load_tenant(tenant)?;
    let asks = &authorized.call().caller;
    let caller = match asks.tenant == tenant.id {
        true => Arc::clone(asks),
        false => Arc::new(Caller {
            tenant: tenant.id,
            account: tenant.account.as_str().into(),
            policy_name: tenant.root_name.as_str().into(),
            principal: Principal::TenantRoot,
            credential: None,
        }),
    };
    let call = Call { caller, region: region.into(), ..Call::internal("lockout", "PutKeyPolicy", owner) };
    let resource = key.map_or_else(|| Arc::from("*"), |key| key.resource(owner, &call.region));
    check_lockout(authorized, &call, key, (&resource, &tenant.account), policy)
}
