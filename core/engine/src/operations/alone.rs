//! What can be said of a declaration by itself, before all that it builds on is there: for plans of several steps.
//!
//! Absent on purpose: whether names are free and whether those exist whom a policy names, which earlier steps may change.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal};
use strongroom_model::id::TenantId;
use strongroom_model::purpose::Purpose;
use strongroom_policy::{Document, Kind};

use super::key::{check_lockout, check_tags};
use crate::call::{Call, Dialect};
use crate::error::EngineError;
use crate::operation::{Authorized, Demand, Halt, KeyHandle, Operation, Outcome, Target};
use crate::workers::Ground;

/// Looks at a declaration by itself, which needs no permission: nothing is read for it.
pub struct CheckAlone {
    /// A policy, and of which kind.
    pub document: Option<(String, Kind)>,
    /// Of a key policy: who must be able to change it again, unless nobody has to.
    pub in_charge: Option<InCharge>,
    /// A key's tags.
    pub tags: Vec<(String, String)>,
}

/// Where somebody has to stay in charge of a key.
pub struct InCharge {
    /// The front end that the key is of.
    pub owner: &'static dyn Dialect,
    /// The key's account: the caller, where it is of another, is taken for the root of this one.
    pub account: String,
    /// The name that policies know that root by.
    pub root_name: String,
    /// The key's region.
    pub region: String,
}

impl Operation for CheckAlone {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, target) = (Action::GetCallerIdentity, Target::Caller);
        Ok(vec![Demand { action, target, purpose: Purpose::Inspect }])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Worker
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        check_tags(&self.tags)?;
        let Some((document, kind)) = &self.document else { return Ok(Outcome::Answer(())) };
        let parsed = Document::parse(document, *kind).map_err(EngineError::InvalidPolicy)?;
        if let Some(InCharge { owner, account, root_name, region }) = &self.in_charge {
            let asks = &authorized.call().caller;
            let caller = match *asks.account == **account {
                true => Arc::clone(asks),
                false => Arc::new(Caller {
                    // The tenant may not be there yet; its root has no policies to look up.
                    tenant: TenantId::INSTALLATION,
                    account: account.as_str().into(),
                    policy_name: root_name.as_str().into(),
                    principal: Principal::TenantRoot,
                    credential: None,
                }),
            };
            let region = region.as_str().into();
            let call = Call { caller, region, ..Call::internal("lockout", "PutKeyPolicy", *owner) };
            check_lockout(authorized, &call, None, ("*", account), parsed)?;
        }
        Ok(Outcome::Answer(()))
    }
}
