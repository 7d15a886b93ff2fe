//! Grants: a part of a key's use, given to someone.

use std::sync::Arc;

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::id::{GrantId, KeyId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Table};
use strongroom_model::usage::{Usage, UsageProfile};

use super::inspect::Page;
use super::key::unchanged;
use crate::catalog::KeyEntry;
use crate::error::{self, EngineError, InputFault, Noun};
use crate::keys;
use crate::named::{self, ShownGrants};
use crate::operation::{Authorized, Demand, Halt, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, GrantRow};

/// Grants a part of a key's use.
pub struct CreateGrant {
    /// Of which key.
    pub key: KeyReference,
    /// To whom, as policies name them.
    pub grantee: String,
    /// Who may give it up besides.
    pub retiring: Option<String>,
    /// What it allows.
    pub actions: Vec<Action>,
    /// The encryption context must be exactly this.
    pub context_equals: Option<Vec<(String, String)>>,
    /// The encryption context must hold this.
    pub context_subset: Option<Vec<(String, String)>>,
    /// The resource it may be used for.
    pub source_resource: Option<String>,
    /// A name, under which the same grant made again is the same grant.
    pub name: Option<String>,
}

/// What [`CreateGrant`] answers.
pub struct GrantCreated {
    /// Identity.
    pub id: GrantId,
    /// The key.
    pub key: Arc<KeyEntry>,
    /// A token that makes it count at once, wherever it is shown.
    pub token: Vec<u8>,
}

impl Operation for CreateGrant {
    type Output = GrantCreated;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::CreateGrant, target, purpose: Purpose::Delegate }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<GrantCreated>, Halt> {
        let engine = authorized.engine();
        let handle = authorized.key(0)?;
        let entry = handle.entry();
        let constrained = self.context_equals.is_some() || self.context_subset.is_some();
        if constrained && !entry.profile.contains(Usage::DerivedAead) {
            return Err(EngineError::from(InputFault::ConstraintsUnsupported).into());
        }
        if let Some(action) = self.actions.iter().find(|action| !fits(**action, entry.profile)) {
            return Err(EngineError::from(InputFault::ActionUnfit { action: *action }).into());
        }
        let names: Vec<&str> = [Some(self.grantee.as_str()), self.retiring.as_deref()].into_iter().flatten().collect();
        let (meant, present) = named::write_grant(engine.catalog(), entry.row.tenant, &names)?;
        let mut existing = engine.catalog().grants(entry.row.id, authorized.ground)?;
        let mut row = GrantRow {
            id: GrantId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?),
            key: entry.row.id,
            grantee: self.grantee.clone(),
            retiring: self.retiring.clone(),
            actions: self.actions.iter().map(|action| action.code()).collect(),
            context_equals: self.context_equals.clone(),
            context_subset: self.context_subset.clone(),
            name: self.name.clone(),
            created: authorized.now(),
            issuer: authorized.call().caller.policy_name.to_string(),
            source_resource: self.source_resource.clone(),
            meant,
        };
        row.actions.sort_unstable();
        row.actions.dedup();
        let parent = self.check_delegation(authorized, &row, &existing.rows)?;
        let same = |other: &&GrantRow| {
            // A row that does not say whom it means, means whoever has the names.
            let meant = other.meant.clone().or_else(|| row.meant.clone());
            let issuer = row.issuer.clone();
            row.name.is_some()
                && GrantRow { id: row.id, created: row.created, issuer, meant, ..(*other).clone() } == row
        };
        let answer = |id| -> Result<GrantCreated, EngineError> {
            let token = engine.seal_grant_token(entry.row.id, id)?;
            Ok(GrantCreated { id, key: Arc::clone(entry), token })
        };
        let ordered = row.name.is_some() || engine.quotas.are_grants_scarce(existing.rows.len());
        if ordered && !existing.rows.iter().any(|other| same(&other)) {
            // Read once more, now that the key was read: what the caches hold may be older than the key.
            existing = engine.catalog().load_grants(entry.row.id)?;
        }
        if let Some(same) = existing.rows.iter().find(same) {
            return Ok(Outcome::Answer(answer(same.id)?));
        }
        engine.quotas.check_grants(existing.rows.len())?;
        let mut batch = Batch { preconditions: present, ..Batch::default() };
        let value = rows::encode(&row);
        match ordered {
            // Of two of the same name, or for the last place, at the same time, one sees the other.
            true => batch.touch(Table::Key, &entry.as_read(), rows::encode(&entry.row)),
            false => batch.preconditions.push(entry.unchanged()),
        }
        if let Some(parent) = parent {
            let place = keys::grant(row.key, parent);
            let read = engine.catalog().snapshot()?.get(Table::Grant, &place)?.ok_or_else(|| authorized.denied(0))?;
            batch.preconditions.push(unchanged(Table::Grant, &read));
        }
        batch.insert(Table::Grant, keys::grant(row.key, row.id), value);
        if let Some(retiring) = &row.retiring {
            let key = keys::grant_by_retiring(entry.row.tenant, retiring, row.key, row.id);
            batch.put(Table::GrantByRetiring, key, Vec::new());
        }
        Ok(Outcome::Change(batch, answer(row.id)?))
    }
}

impl CreateGrant {
    /// Whoever may make grants by a grant alone may pass on no more than that grant gives: the same actions or fewer,
    /// under the same constraints or stricter ones.
    fn check_delegation(
        &self,
        authorized: &Authorized<'_>,
        new: &GrantRow,
        existing: &[GrantRow],
    ) -> Result<Option<GrantId>, EngineError> {
        let Some(by) = authorized.deciding_grant() else { return Ok(None) };
        let parent = existing.iter().find(|grant| grant.id.to_string() == by);
        let parent = parent.ok_or_else(|| authorized.denied(0))?;
        let fewer = new.actions.iter().all(|action| parent.actions.contains(action));
        match fewer && is_as_strict(new, parent) {
            true => Ok(Some(parent.id)),
            false => Err(authorized.denied(0)),
        }
    }
}

/// Whether a key of this usage can do what a grant would allow.
fn fits(action: Action, profile: UsageProfile) -> bool {
    let any = |usages: &[Usage]| usages.iter().any(|usage| profile.contains(*usage));
    match action {
        Action::Encrypt | Action::Decrypt | Action::ReEncryptFrom | Action::ReEncryptTo => {
            any(&[Usage::DerivedAead, Usage::RsaOaep])
        }
        Action::GenerateDataKey
        | Action::GenerateDataKeyWithoutPlaintext
        | Action::GenerateDataKeyPair
        | Action::GenerateDataKeyPairWithoutPlaintext => any(&[Usage::DerivedAead]),
        Action::Sign | Action::Verify => any(&[Usage::Sign]),
        Action::GetPublicKey => any(&[Usage::Sign, Usage::RsaOaep, Usage::KeyAgreement, Usage::Kem]),
        Action::DeriveSharedSecret => any(&[Usage::KeyAgreement]),
        Action::Encapsulate | Action::Decapsulate => any(&[Usage::Kem]),
        Action::SealDetached => any(&[Usage::DerivedAead]),
        Action::OpenDetached => any(&[Usage::DerivedAead, Usage::RawGcm]),
        Action::WrapKey | Action::UnwrapKey => any(&[Usage::KeyWrap]),
        Action::GenerateMac | Action::VerifyMac => any(&[Usage::Mac]),
        _ => true,
    }
}

/// Whether everything that `new` admits, `parent` admits too.
fn is_as_strict(new: &GrantRow, parent: &GrantRow) -> bool {
    let holds = |has: &[(String, String)], wanted: &[(String, String)]| wanted.iter().all(|pair| has.contains(pair));
    let equals = parent.context_equals.as_ref().is_none_or(|wanted| {
        new.context_equals.as_ref().is_some_and(|has| has.len() == wanted.len() && holds(has, wanted))
    });
    let subset = parent.context_subset.as_ref().is_none_or(|wanted| {
        let has = new.context_equals.as_ref().or(new.context_subset.as_ref());
        has.is_some_and(|has| holds(has, wanted))
    });
    equals && subset && (parent.source_resource.is_none() || parent.source_resource == new.source_resource)
}

/// Lists a key's grants, in order of their ids.
pub struct ListGrants {
    /// Of which key.
    pub key: KeyReference,
    /// Only this one.
    pub id: Option<GrantId>,
    /// Only those of this grantee.
    pub grantee: Option<String>,
    /// Begin behind this one.
    pub after: Option<GrantId>,
    /// At most so many.
    pub limit: usize,
}

impl Operation for ListGrants {
    type Output = (Arc<KeyEntry>, Page<GrantRow>);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::ListGrants, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let entry = authorized.key(0)?.entry();
        let grants = authorized.engine().catalog().grants(entry.row.id, authorized.ground)?;
        let may_be = |grant: &&GrantRow| {
            let named = |grantee| grant.grantee == grantee || grant.grantee_id() == Some(grantee);
            self.id.is_none_or(|id| grant.id == id)
                && self.grantee.as_deref().is_none_or(named)
                && self.after.is_none_or(|after| grant.id > after)
        };
        // Listed by the name or id that is shown: a name is its present holder's alone.
        let is = |grant: &GrantRow| self.grantee.as_ref().is_none_or(|grantee| grant.grantee == *grantee);
        let limit = self.limit.clamp(1, 1000);
        let mut shown = ShownGrants::new(authorized.engine().catalog())?;
        let found = grants.rows.iter().filter(may_be).map(|grant| shown.grant(grant));
        let found = found.filter(|grant| grant.as_ref().map_or(true, is)).take(limit + 1);
        let mut items = found.collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Outcome::Answer((Arc::clone(entry), Page { items, more })))
    }
}

/// Lists the grants that someone may retire.
pub struct ListRetirableGrants {
    /// Of whose keys.
    pub tenant: TenantId,
    /// In which region.
    pub region: Arc<str>,
    /// Who, as policies name them.
    pub retiring: String,
    /// Begin behind this one.
    pub after: Option<(KeyId, GrantId)>,
    /// At most so many.
    pub limit: usize,
}

impl Operation for ListRetirableGrants {
    type Output = Page<(Arc<KeyEntry>, GrantRow)>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Tenant(self.tenant);
        Ok(vec![Demand { action: Action::ListRetirableGrants, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let catalog = authorized.engine().catalog();
        let limit = self.limit.clamp(1, 999);
        let prefix = keys::grants_retired_by(self.tenant, &self.retiring);
        let mut after = self.after.map(|(key, id)| keys::grant_by_retiring(self.tenant, &self.retiring, key, id));
        let mut shown = ShownGrants::new(catalog)?;
        let mut items = Vec::new();
        while items.len() <= limit {
            let rows = catalog.snapshot()?.scan(Table::GrantByRetiring, &prefix, after.as_deref(), limit + 1)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            for row in &rows {
                let ids = row.key.get(prefix.len()..).and_then(|ids| ids.split_at_checked(16));
                let ids = ids.and_then(|(key, id)| KeyId::from_slice(key).zip(GrantId::from_slice(id)));
                let Some((key, id)) = ids else { continue };
                let grants = catalog.grants(key, authorized.ground)?;
                let place = grants.rows.binary_search_by_key(&id, |grant| grant.id);
                let Some(grant) = place.ok().and_then(|place| grants.rows.get(place)) else { continue };
                let grant = shown.grant(grant)?;
                // The index knows the name; those whom a former holder may retire are not the present one's.
                if grant.retiring.as_ref() != Some(&self.retiring) {
                    continue;
                }
                let entry = catalog.key(key, authorized.ground)?;
                if entry.row.region == *self.region {
                    items.push((entry, grant));
                }
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Outcome::Answer(Page { items, more }))
    }
}

/// Ends a grant: revoked by whoever governs the key, or given up by whoever may retire it.
pub struct EndGrant {
    /// On which key.
    pub key: KeyReference,
    /// Which grant.
    pub id: GrantId,
    /// Given up, as opposed to revoked.
    pub retire: bool,
}

impl Operation for EndGrant {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let key = self.key.clone();
        Ok(vec![match self.retire {
            // Whether the caller may retire it depends on the grant itself, so that is asked when it runs.
            true => Demand { action: Action::RetireGrant, target: Target::Known(key), purpose: Purpose::Govern },
            false => Demand { action: Action::RevokeGrant, target: Target::Key(key), purpose: Purpose::Govern },
        }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let entry = authorized.key(0)?.entry();
        let grants = authorized.engine().catalog().grants(entry.row.id, authorized.ground)?;
        let grant = grants.rows.iter().find(|grant| grant.id == self.id).ok_or(Noun::Grant)?;
        if self.retire {
            authorized.decide_retirement(0, grant)?;
        }
        let mut batch = Batch::default();
        batch.delete(Table::Grant, keys::grant(entry.row.id, grant.id));
        if let Some(retiring) = &grant.retiring {
            let key = keys::grant_by_retiring(entry.row.tenant, retiring, entry.row.id, grant.id);
            batch.delete(Table::GrantByRetiring, key);
        }
        Ok(Outcome::Change(batch, Arc::clone(entry)))
    }
}
