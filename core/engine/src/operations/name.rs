//! Names beside a key's own: bound, moved, removed.

use std::sync::Arc;

use strongroom_model::action::Action;
use strongroom_model::id::KeyId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::name::Name;
use strongroom_model::purpose::{KeyState, Purpose};
use strongroom_model::store::{Batch, Row, Table};
use strongroom_model::usage::UsageProfile;

use super::govern::check_lockout_under;
use super::key::{CreateKey, bind, unchanged};
use crate::call::Dialect;
use crate::catalog::KeyEntry;
use crate::error::{EngineError, InputFault, Noun};
use crate::keys;
use crate::operation::{Authorized, Demand, Halt, KeyHandle, KeyReference, Operation, Outcome, Target};
use crate::rows::{self, BindingRow};
use crate::workers::Ground;

/// Binds a free name to a key.
pub struct CreateName {
    /// The name.
    pub name: Name,
    /// The key.
    pub key: KeyReference,
}

impl Operation for CreateName {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::CreateAlias, &self.name, Some((&self.key, Purpose::Describe))))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let handle = authorized.key(0)?;
        check_home(handle, &self.name)?;
        check_room(authorized, handle, &self.name)?;
        check_fit(authorized.call().dialect, handle.entry().profile, &self.name)?;
        if find(authorized, &self.name)?.is_some() {
            return Err(EngineError::AlreadyExists(shown(authorized, &self.name)).into());
        }
        let entry = handle.entry();
        let mut batch = Batch::default();
        // Of two at the same time, one sees the other's name.
        batch.touch(Table::Key, &entry.as_read(), rows::encode(&entry.row));
        bind(&mut batch, &self.name, entry.row.id, authorized.now());
        Ok(Outcome::Change(batch, ()))
    }
}

/// Binds a name to another key, of the same kind and usage as the former.
pub struct MoveName {
    /// The name.
    pub name: Name,
    /// The key that it leads to now.
    pub key: KeyReference,
}

impl Operation for MoveName {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let mut demands = demands(Action::UpdateAlias, &self.name, Some((&self.key, Purpose::Describe)));
        let former = KeyReference::Name(self.name.clone());
        demands.push(Demand { action: Action::UpdateAlias, target: Target::Key(former), purpose: Purpose::Inspect });
        Ok(demands)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let (handle, former) = (authorized.key(0)?, authorized.key(1)?);
        check_home(handle, &self.name)?;
        check_room(authorized, handle, &self.name)?;
        let (new, old) = (&handle.entry().row, &former.entry().row);
        if new.spec.is_symmetric() != old.spec.is_symmetric() || new.profile != old.profile {
            let problem = "must be of the same kind and usage as the one that the name leads to";
            return Err(EngineError::from(InputFault::Form { what: "the key", problem }).into());
        }
        let missing = || shown(authorized, &self.name);
        let row = find(authorized, &self.name)?.ok_or_else(missing)?;
        let mut binding: BindingRow = rows::decode("bindings", &row.value)?;
        check_decided(authorized, &self.name, &binding, former)?;
        let Name { region, kind, text, .. } = &self.name;
        let mut batch = Batch::default();
        // Of two names that come to it at the same time, one is seen with the other.
        batch.touch(Table::Key, &handle.entry().as_read(), rows::encode(new));
        batch.delete(Table::BindingByKey, keys::binding_by_key(binding.key, region, *kind, text));
        binding.key = new.id;
        binding.updated = authorized.now();
        let value = rows::encode(&binding);
        batch.replace(Table::Binding, &row, value.clone());
        batch.put(Table::BindingByKey, keys::binding_by_key(new.id, region, *kind, text), value);
        Ok(Outcome::Change(batch, ()))
    }
}

/// Removes a name; the key stays.
pub struct DeleteName {
    /// The name.
    pub name: Name,
}

impl Operation for DeleteName {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let key = KeyReference::Name(self.name.clone());
        Ok(demands(Action::DeleteAlias, &self.name, Some((&key, Purpose::Inspect))))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let missing = || shown(authorized, &self.name);
        let row = find(authorized, &self.name)?.ok_or_else(missing)?;
        let binding: BindingRow = rows::decode("bindings", &row.value)?;
        check_decided(authorized, &self.name, &binding, authorized.key(0)?)?;
        let mut batch = Batch::default();
        unbind(&mut batch, &self.name, &row, &binding);
        Ok(Outcome::Change(batch, ()))
    }
}

/// Binds a free name of any front end to a key: by this an administrator gives the key to that front end. A key whose
/// destruction is scheduled may get one, too: without one that can't be called off.
pub struct CreateBinding {
    /// The name.
    pub name: Name,
    /// The front end that owns the kind of name.
    pub owner: &'static dyn Dialect,
    /// The key.
    pub key: KeyId,
}

impl Operation for CreateBinding {
    type Output = BindingRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let key = KeyReference::Id(self.key);
        Ok(demands(Action::ManageBindings, &self.name, Some((&key, Purpose::Govern))))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<BindingRow>, Halt> {
        let Self { name, owner, key } = self;
        let handle = authorized.key(0)?;
        let entry = handle.entry();
        check_home(handle, name)?;
        check_room(authorized, handle, name)?;
        check_form(*owner, entry.profile, name)?;
        let known = entry.name(owner.key_kind(), &name.region).is_some();
        match name.kind == owner.key_kind() {
            true if known => {
                let problem = "has a name of this kind already; a front end knows a key by one";
                return Err(EngineError::from(InputFault::Form { what: "the key", problem }).into());
            }
            false if !known => return Err(EngineError::from(InputFault::NameNeeded).into()),
            _ => {}
        }
        if find(authorized, name)?.is_some() {
            return Err(EngineError::AlreadyExists(Noun::Name(name.text.clone())).into());
        }
        let mut batch = Batch::default();
        // Of two at the same time, one sees the other's name.
        batch.touch(Table::Key, &entry.as_read(), rows::encode(&entry.row));
        let binding = bind(&mut batch, name, *key, authorized.now());
        Ok(Outcome::Change(batch, binding))
    }
}

/// Makes a key with all its names at once, inside a key store or in none, for the front end that owns them: whoever finds one of the names taken has made
/// no key.
pub struct CreateNamedKey {
    /// The key, and the name that the front end knows it by.
    pub key: CreateKey,
    /// Its other names.
    pub names: Vec<Name>,
    /// The front end that owns them all.
    pub owner: &'static dyn Dialect,
    /// Whether a policy is taken that nobody could change again through that front end.
    pub bypass_lockout: bool,
    /// Inside which key store it is made, if in any.
    pub store: Option<KeyStoreName>,
}

impl Operation for CreateNamedKey {
    type Output = Arc<KeyEntry>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let mut all = self.key.demands()?;
        all.extend(self.names.iter().flat_map(|name| demands(Action::ManageBindings, name, None)));
        Ok(all)
    }

    fn ground(&self, keys: &[KeyHandle]) -> Ground {
        self.key.ground(keys)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Arc<KeyEntry>>, Halt> {
        let profile = UsageProfile::new(&self.key.usages, self.key.spec).map_err(InputFault::Profile)?;
        authorized.engine().quotas.check_names(self.names.len())?;
        for name in self.names.iter().chain([&self.key.name]) {
            check_form(self.owner, profile, name)?;
            if find(authorized, name)?.is_some() {
                return Err(EngineError::AlreadyExists(Noun::Name(name.text.clone())).into());
            }
        }
        if !self.bypass_lockout {
            let place = (self.key.tenant, &*self.key.name.region);
            check_lockout_under(authorized, self.owner, None, place, &self.key.policy)?;
        }
        let (mut batch, made) = match self.key.run_in(authorized, self.store.as_ref(), None)? {
            Outcome::Change(batch, made) => (batch, made),
            answered @ Outcome::Answer(_) => return Ok(answered),
        };
        let bind = |name| bind(&mut batch, name, made.row.id, authorized.now());
        let bound: Vec<BindingRow> = self.names.iter().map(bind).collect();
        let made = Arc::try_unwrap(made).map_or_else(
            |shared| shared,
            |mut own| {
                own.names.extend(bound);
                Arc::new(own)
            },
        );
        Ok(Outcome::Change(batch, made))
    }
}

/// Removes a name of any front end; the key stays. Its last name stays, too, as keys are listed by their names, unless the key
/// is about to end or has ended.
pub struct DeleteBinding {
    /// The name.
    pub name: Name,
    /// The front end that owns the kind of name.
    pub owner: &'static dyn Dialect,
}

impl Operation for DeleteBinding {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let key = KeyReference::Name(self.name.clone());
        Ok(demands(Action::ManageBindings, &self.name, Some((&key, Purpose::Inspect))))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let Self { name, owner } = self;
        let row = find(authorized, name)?.ok_or_else(|| Noun::Name(name.text.clone()))?;
        let binding: BindingRow = rows::decode("bindings", &row.value)?;
        check_decided(authorized, name, &binding, authorized.key(0)?)?;
        let entry = authorized.engine().catalog().load_key(binding.key)?;
        if entry.names.len() <= 1 && !is_ending(entry.row.state) {
            return Err(EngineError::from(InputFault::LastName).into());
        }
        let beside = |other: &BindingRow| {
            let owned = owner.kinds().iter().any(|kind| kind.kind == other.kind && kind.kind != name.kind);
            owned && *other.region == *name.region
        };
        if name.kind == owner.key_kind() && entry.names.iter().any(beside) {
            return Err(EngineError::from(InputFault::NameNeeded).into());
        }
        let mut batch = Batch::default();
        // Written as it was: of two at the same time, one sees the other's name gone.
        batch.replace(Table::Key, &entry.as_read(), rows::encode(&entry.row));
        unbind(&mut batch, name, &row, &binding);
        Ok(Outcome::Change(batch, ()))
    }
}

/// Whether nobody needs to find a key by its name any more: its end is scheduled, or has come.
const fn is_ending(state: KeyState) -> bool {
    match state {
        KeyState::DestructionScheduled { .. } | KeyState::DestructionAwaitsReplicas { .. } | KeyState::Destroyed => {
            true
        }
        KeyState::PreActivation | KeyState::Active | KeyState::Suspended => false,
    }
}

/// Both sides are asked: the name's own policy side and the key's.
fn demands(action: Action, name: &Name, key: Option<(&KeyReference, Purpose)>) -> Vec<Demand> {
    let mut demands = vec![Demand { action, target: Target::Name(name.clone()), purpose: Purpose::Inspect }];
    demands.extend(key.map(|(key, purpose)| Demand { action, target: Target::Key(key.clone()), purpose }));
    demands
}

pub(super) fn find(authorized: &Authorized<'_>, name: &Name) -> Result<Option<Row>, EngineError> {
    let key = keys::binding(name.tenant, &name.region, name.kind, &name.text);
    Ok(authorized.engine().catalog().snapshot()?.get(Table::Binding, &key)?)
}

/// Removes a name as it was read.
fn unbind(batch: &mut Batch, name: &Name, read: &Row, binding: &BindingRow) {
    batch.preconditions.push(unchanged(Table::Binding, read));
    batch.delete(Table::Binding, read.key.clone());
    batch.delete(Table::BindingByKey, keys::binding_by_key(binding.key, &name.region, name.kind, &name.text));
}

/// That a name still leads to the key that was decided on; else it is looked up and decided anew.
fn check_decided(
    authorized: &Authorized<'_>,
    name: &Name,
    binding: &BindingRow,
    decided: &KeyHandle,
) -> Result<(), Halt> {
    if binding.key == decided.entry().row.id {
        return Ok(());
    }
    authorized.engine().catalog().forget_name(name);
    Err(Halt::Again)
}

/// The name as the front end shows it.
fn shown(authorized: &Authorized<'_>, name: &Name) -> Noun {
    let call = authorized.call();
    Noun::Name(call.dialect.name_resource(&call.caller.account, name).into())
}

/// A name leads to keys of its own tenant and region.
pub(super) fn check_home(handle: &KeyHandle, name: &Name) -> Result<(), EngineError> {
    let row = &handle.entry().row;
    match row.tenant == name.tenant && *row.region == *name.region {
        true => Ok(()),
        false => {
            Err(InputFault::Form { what: "the key", problem: "must be of the name's own tenant and region" }.into())
        }
    }
}

pub(super) fn check_room(authorized: &Authorized<'_>, handle: &KeyHandle, name: &Name) -> Result<(), EngineError> {
    let names = handle.entry().names.iter().filter(|bound| bound.kind == name.kind);
    authorized.engine().quotas.check_names(names.count())
}

/// That a front end serves, under names of this kind, whatever the key is for. Answers whether the text is such a name.
fn check_fit(owner: &dyn Dialect, profile: UsageProfile, name: &Name) -> Result<bool, EngineError> {
    let Some(kind) = owner.kinds().iter().find(|kind| kind.kind == name.kind) else { return Ok(false) };
    match profile.usages().find(|usage| !kind.usages.contains(usage)) {
        None => Ok((kind.is_name)(&name.text)),
        Some(usage) => Err(InputFault::NameUnfit { kind: kind.name, usage }.into()),
    }
}

/// As [`check_fit`], and that the text is such a name.
pub(super) fn check_form(owner: &dyn Dialect, profile: UsageProfile, name: &Name) -> Result<(), EngineError> {
    match check_fit(owner, profile, name)? {
        true => Ok(()),
        false => Err(InputFault::Form { what: "the name", problem: "is not of the form that its kind has" }.into()),
    }
}
