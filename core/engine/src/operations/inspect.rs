//! Reading: a key's metadata in all its forms, and a tenant's lists.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::caller::Caller;
use strongroom_model::id::{KeyId, TenantId};
use strongroom_model::name::{Name, NameKind};
use strongroom_model::purpose::Purpose;
use strongroom_model::spec::KeySpec;
use strongroom_model::store::Table;
use strongroom_model::usage::Usage;

use crate::catalog::KeyEntry;
use crate::error::EngineError;
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, BindingRow};
use crate::workers::Ground;
use crate::{keys, named};

/// Reads a key: its metadata, tags, policy, rotations, whichever `action` names. Only of symmetric encryption keys are
/// there rotations to read.
pub struct InspectKey {
    /// Which key.
    pub key: KeyReference,
    /// Which reading of it must be permitted.
    pub action: Action,
}

impl Operation for InspectKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: self.action, target, purpose: Purpose::Inspect }])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let entry = authorized.key(0)?.entry();
        check_rotates(self.action, entry)?;
        Ok(Outcome::Answer(Arc::clone(entry)))
    }
}

/// Reads a key's policy as it is shown: as it came, but for the names of those who are gone, which give way to their unique
/// ids.
pub struct InspectPolicy {
    /// Which key.
    pub key: KeyReference,
}

impl Operation for InspectPolicy {
    type Output = String;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Key(self.key.clone());
        Ok(vec![Demand { action: Action::GetKeyPolicy, target, purpose: Purpose::Inspect }])
    }

    fn ground(&self, keys: &[KeyHandle]) -> Ground {
        let names_nobody = keys.iter().all(|handle| handle.entry().row.meant.is_none());
        if names_nobody { Ground::Here } else { Ground::Worker }
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<String>, Halt> {
        let row = &authorized.key(0)?.entry().row;
        let shown = named::shown(authorized.engine().catalog(), &row.policy, row.meant.as_ref())?;
        Ok(Outcome::Answer(shown.into_owned()))
    }
}

/// That there are rotations to read of the key, where that is what it is read for.
pub(super) fn check_rotates(action: Action, entry: &KeyEntry) -> Result<(), EngineError> {
    let of_rotation = matches!(action, Action::GetKeyRotationStatus | Action::ListKeyRotations);
    match of_rotation && entry.row.spec != KeySpec::Aes256 {
        true => Err(EngineError::Unsupported("rotation of this kind of key")),
        false => Ok(()),
    }
}

/// Tells whether the use of the whole installation is suspended, which needs no permission.
pub struct IsSuspended;

impl Operation for IsSuspended {
    type Output = bool;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![Demand { action: Action::GetCallerIdentity, target: Target::Caller, purpose: Purpose::Inspect }])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<bool>, Halt> {
        let catalog = authorized.engine().catalog();
        Ok(Outcome::Answer(catalog.is_suspended(TenantId::INSTALLATION, authorized.ground)?))
    }
}

/// Tells the caller who it is, which needs no permission.
pub struct WhoAmI;

impl Operation for WhoAmI {
    type Output = Arc<Caller>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let (action, target) = (Action::GetCallerIdentity, Target::Caller);
        Ok(vec![Demand { action, target, purpose: Purpose::Inspect }])
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<Caller>>, Halt> {
        Ok(Outcome::Answer(Arc::clone(&authorized.call().caller)))
    }
}

/// Finds out whether keys could be used for something, without anything to use them on.
pub struct TryKeys {
    /// Each key with what would be done and what its state must permit.
    pub keys: Vec<(Action, KeyReference, Purpose)>,
    /// What each must have been made for: one of these.
    pub usages: &'static [Usage],
}

impl Operation for TryKeys {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let demand = |(action, key, purpose): &(Action, KeyReference, Purpose)| Demand {
            action: *action,
            target: Target::Key(key.clone()),
            purpose: *purpose,
        };
        Ok(self.keys.iter().map(demand).collect())
    }

    fn ground(&self, _: &[KeyHandle]) -> Ground {
        Ground::Here
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        for index in 0..self.keys.len() {
            let handle = authorized.key(index)?;
            let fits = self.usages.iter().any(|usage| handle.entry().profile.contains(*usage));
            if let (false, Some(wanted)) = (fits, self.usages.first()) {
                handle.require(*wanted)?;
            }
        }
        Ok(Outcome::Answer(()))
    }
}

/// Lists names of one kind in a tenant and region, in order of their bytes.
pub struct ListNames {
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub region: Box<str>,
    /// What kind.
    pub kind: NameKind,
    /// Which listing must be permitted: keys or names.
    pub action: Action,
    /// Only names of this key.
    pub key: Option<KeyReference>,
    /// Begin behind this name.
    pub after: Option<Box<str>>,
    /// At most so many, up to 1000.
    pub limit: usize,
}

/// As [`ListNames`], each name with the key that it leads to.
pub struct ListNamesWithKeys {
    /// Which names.
    pub names: ListNames,
}

impl Operation for ListNamesWithKeys {
    type Output = Page<(BindingRow, Arc<KeyEntry>)>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.names.demands()
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let Page { items, more } = self.names.page(authorized)?;
        let with_key = |name: BindingRow| -> Result<_, Halt> {
            let key = authorized.engine().catalog().key(name.key, authorized.ground)?;
            Ok((name, key))
        };
        let items = items.into_iter().map(with_key).collect::<Result<_, _>>()?;
        Ok(Outcome::Answer(Page { items, more }))
    }
}

/// The keys that some names of a tenant lead to, under the permission for a listing. Names that lead nowhere are left out.
pub struct FindNamesWithKeys {
    /// Whose. Names of others lead nowhere.
    pub tenant: TenantId,
    /// Which listing must be permitted.
    pub action: Action,
    /// Which names.
    pub names: Vec<Name>,
}

impl Operation for FindNamesWithKeys {
    type Output = Vec<(Name, Arc<KeyEntry>)>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Tenant(self.tenant);
        Ok(vec![Demand { action: self.action, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let (catalog, ground) = (authorized.engine().catalog(), authorized.ground);
        let mut found = Vec::with_capacity(self.names.len());
        for name in self.names.iter().filter(|name| name.tenant == self.tenant) {
            match catalog.by_name(name, ground).and_then(|id| catalog.key(id, ground)) {
                Ok(key) => found.push((name.clone(), key)),
                Err(Halt::Fail(EngineError::NotFound(_))) => {}
                Err(halt) => return Err(halt),
            }
        }
        Ok(Outcome::Answer(found))
    }
}

/// A page of a listing.
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

impl Operation for ListNames {
    type Output = Page<BindingRow>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let mut demands =
            vec![Demand { action: self.action, target: Target::Tenant(self.tenant), purpose: Purpose::Inspect }];
        if let Some(key) = &self.key {
            let target = Target::Known(key.clone());
            demands.push(Demand { action: self.action, target, purpose: Purpose::Inspect });
        }
        Ok(demands)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Page<BindingRow>>, Halt> {
        Ok(Outcome::Answer(self.page(authorized)?))
    }
}

impl ListNames {
    fn page(&self, authorized: &Authorized<'_>) -> Result<Page<BindingRow>, EngineError> {
        let limit = self.limit.clamp(1, 1000);
        let key = self.key.as_ref().map(|_| authorized.key(0).map(|handle| handle.entry().row.id)).transpose()?;
        let (items, more) = match key {
            Some(key) => self.of_key(authorized, key, limit)?,
            None => self.of_tenant(authorized, limit)?,
        };
        Ok(Page { items, more })
    }

    fn of_tenant(&self, authorized: &Authorized<'_>, limit: usize) -> Result<(Vec<BindingRow>, bool), EngineError> {
        let prefix = keys::bindings_of_kind(self.tenant, &self.region, self.kind);
        let after = self.after.as_ref().map(|after| [prefix.as_slice(), after.as_bytes()].concat());
        let snapshot = authorized.engine().catalog().snapshot()?;
        let mut items = Vec::with_capacity(limit);
        let rows = snapshot.scan(Table::Binding, &prefix, after.as_deref(), limit)?;
        let last = rows.last().map(|row| row.key.clone());
        let more = match last {
            Some(last) if rows.len() == limit => !snapshot.scan(Table::Binding, &prefix, Some(&last), 1)?.is_empty(),
            _ => false,
        };
        for row in rows {
            items.push(rows::decode("bindings", &row.value)?);
        }
        Ok((items, more))
    }

    fn of_key(
        &self,
        authorized: &Authorized<'_>,
        key: KeyId,
        limit: usize,
    ) -> Result<(Vec<BindingRow>, bool), EngineError> {
        let entry = authorized.engine().catalog().load_key(key)?;
        let wanted = |name: &&BindingRow| {
            name.kind == self.kind
                && *name.region == *self.region
                && self.after.as_ref().is_none_or(|after| *name.text > **after)
        };
        let mut items: Vec<_> = entry.names.iter().filter(wanted).cloned().collect();
        items.sort_by(|one, other| one.text.cmp(&other.text));
        let more = items.len() > limit;
        items.truncate(limit);
        Ok((items, more))
    }
}
