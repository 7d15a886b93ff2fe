//! What an operation is: the demands that it makes, and what it does once they are met.

use std::sync::Arc;
use std::time::Duration;

use strongroom_crypto::KeyMaterial;
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{KeyId, LineageId, MaterialId, TenantId};
use strongroom_model::name::Name;
use strongroom_model::purpose::Purpose;
use strongroom_model::store::Batch;
use strongroom_model::usage::Usage;
use strongroom_policy::Attributes;

use crate::Engine;
use crate::asked::{Asked, Question};
use crate::call::{Call, Mode};
use crate::catalog::KeyEntry;
use crate::decide::{Decided, Subject};
use crate::error::{Denial, EngineError};
use crate::external::Doubled;
use crate::resident::{Resident, Usable};
use crate::rows::{GrantRow, Serves, VersionRow};
use crate::workers::Ground;

/// One thing that must be permitted, by policy and by state, before anything is done.
#[derive(Clone, Debug)]
pub struct Demand {
    /// What for.
    pub action: Action,
    /// On what.
    pub target: Target,
    /// What the key's state must permit.
    pub purpose: Purpose,
}

/// What a demand is about.
#[derive(Clone, Debug)]
pub enum Target {
    /// A key.
    Key(KeyReference),
    /// A key that need only exist: another demand decides.
    Known(KeyReference),
    /// A name, whether or not it is bound.
    Name(Name),
    /// A principal of a tenant. Where there is none, the tenant as a whole: who may not know learns nothing.
    Principal(TenantId, PrincipalReference),
    /// A role of which a session is asked for: its trust policy decides, too. Where there is no such role, or it is
    /// suspended, that is denied: who may not know learns nothing.
    Role(RoleName),
    /// A tenant as a whole: its listings, new principals, new keys.
    Tenant(TenantId),
    /// The installation: its tenants, its roots, its log.
    Installation,
    /// The caller itself, whom nobody need permit to ask who it is.
    Caller,
}

impl Target {
    /// Whether policy decides about it.
    pub(crate) const fn is_decided(&self) -> bool {
        !matches!(self, Self::Known(_) | Self::Caller)
    }

    /// The name that the request used for the key.
    pub(crate) const fn name(&self) -> Option<&Name> {
        match self {
            Self::Key(KeyReference::Name(name)) | Self::Known(KeyReference::Name(name)) => Some(name),
            _ => None,
        }
    }
}

/// How a request points to a role.
#[derive(Clone, Debug)]
pub struct RoleName {
    /// Of which tenant; the installation's, which has none, where there is no such tenant.
    pub tenant: TenantId,
    /// Its name within the tenant.
    pub name: String,
    /// The name that policies know it by, which must be the role's own.
    pub policy_name: Arc<str>,
}

/// How a request points to a principal of a tenant.
#[derive(Clone, Debug)]
pub enum PrincipalReference {
    /// The tenant's root.
    Root,
    /// A principal, by its name within the tenant.
    Name(String),
    /// Whoever this credential proves, by its public half.
    Credential(String),
}

impl PrincipalReference {
    /// A principal by its name; the tenant's root if absent.
    pub(crate) fn or_root(name: Option<&String>) -> Self {
        name.map_or(Self::Root, |name| Self::Name(name.clone()))
    }
}

/// How a request points to a key.
#[derive(Clone, Debug)]
pub enum KeyReference {
    /// By a name of its front end.
    Name(Name),
    /// By what a ciphertext says of itself, within the region of the request.
    Ciphertext {
        /// The lineage that it names.
        lineage: LineageId,
        /// The material that it names.
        material: MaterialId,
    },
    /// By identity: the product's own parts only.
    Id(KeyId),
}

/// Why an attempt stopped.
#[derive(Debug)]
pub enum Halt {
    /// It has to be made again where it may block, or compute for long.
    Move(Ground),
    /// It has to be made again once a key inside a key store has been used.
    Ask(Box<Question>),
    /// What was decided on is not so any more: it has to be decided anew.
    Again,
    /// It failed.
    Fail(EngineError),
}

impl<E: Into<EngineError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Fail(error.into())
    }
}

/// What an operation came to.
pub enum Outcome<T> {
    /// An answer; nothing has changed.
    Answer(T),
    /// An answer that holds once these changes are committed.
    Change(Batch, T),
}

/// One thing that the engine can do. It may be tried more than once before it happens (on another thread, or after
/// someone else changed the same rows), so it changes nothing but through its [`Outcome`].
pub trait Operation: Send + Sync + 'static {
    /// What it answers.
    type Output: Send + 'static;

    /// What must be permitted: all of it, before any material is touched.
    ///
    /// # Errors
    /// When the request can't even say what it is about.
    fn demands(&self) -> Result<Vec<Demand>, EngineError>;

    /// The algorithm asked for, as records and the usage ledger name it; empty for none.
    fn algorithm(&self) -> &'static str {
        ""
    }

    /// What the request carries for the demand at `index`, where that is not what it carries as a whole.
    fn attributes(&self, _index: usize) -> Option<&(dyn Attributes + Send + Sync)> {
        None
    }

    /// Where it must run, now that its keys are known: not here if it reads the store, commits, or computes for long.
    fn ground(&self, _keys: &[KeyHandle]) -> Ground {
        Ground::Worker
    }

    /// Begins what goes on after the request, on threads that outlive it, once what it changed is durable. What a crash
    /// keeps from being begun here, the scheduler finds.
    fn follow(&self, _engine: &Arc<Engine>, _call: &Call, _output: &Self::Output) {}

    /// Does it.
    ///
    /// # Errors
    /// When it can't be done; nothing has changed then.
    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt>;
}

/// A key that a demand led to.
pub struct KeyHandle {
    pub(crate) entry: Arc<KeyEntry>,
    pub(crate) resource: Arc<str>,
    pub(crate) purpose: Purpose,
    pub(crate) action: Action,
    /// What the name that it was asked by leads to it for, if not for everything.
    pub(crate) serves: Option<Serves>,
}

impl KeyHandle {
    /// The key's metadata.
    #[must_use]
    pub fn entry(&self) -> &Arc<KeyEntry> {
        &self.entry
    }

    /// The key as the request's front end names it.
    #[must_use]
    pub fn resource(&self) -> &Arc<str> {
        &self.resource
    }

    /// Checks that the name by which the key was asked for serves a purpose.
    pub(crate) fn require_served(&self, purpose: Purpose) -> Result<(), EngineError> {
        match Serves::permits(self.serves, purpose) {
            true => Ok(()),
            false => {
                let (resource, profile) = (Arc::clone(&self.resource), self.entry.profile);
                let wanted = profile.usages().next().unwrap_or(Usage::DerivedAead);
                Err(EngineError::UsageForbids { resource, profile, wanted })
            }
        }
    }

    /// Whether what is wanted of it happens where it lives, as opposed to what its metadata or public half is enough for.
    pub(crate) fn is_used_in_store(&self) -> bool {
        match self.action {
            Action::Encrypt | Action::ReEncryptTo => self.entry.row.spec.is_symmetric(),
            Action::Decrypt
            | Action::ReEncryptFrom
            | Action::GenerateDataKey
            | Action::GenerateDataKeyWithoutPlaintext
            | Action::GenerateDataKeyPair
            | Action::GenerateDataKeyPairWithoutPlaintext
            | Action::Sign
            | Action::SealDetached
            | Action::OpenDetached
            | Action::WrapKey
            | Action::UnwrapKey => true,
            _ => false,
        }
    }

    /// Checks that the key was made for `usage`.
    pub(crate) fn require(&self, usage: Usage) -> Result<(), EngineError> {
        match self.entry.profile.contains(usage) {
            true => Ok(()),
            false => {
                let (resource, profile) = (Arc::clone(&self.resource), self.entry.profile);
                Err(EngineError::UsageForbids { resource, profile, wanted: usage })
            }
        }
    }
}

/// The witness that every demand was permitted by policy and state. Made by [`Engine::perform`] and its kin only; it
/// opens the material of the keys that it holds, for the purposes that were permitted, and of no other.
pub struct Authorized<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) call: &'a Call,
    pub(crate) keys: &'a [KeyHandle],
    pub(crate) now: Timestamp,
    /// When the request came, by the clock since boot.
    pub(crate) began: Duration,
    pub(crate) mode: Mode,
    pub(crate) ground: Ground,
    pub(crate) used: &'a parking_lot::Mutex<Vec<UsedVersion>>,
    pub(crate) asked: &'a Asked,
    pub(crate) decided: Option<&'a Decided>,
    /// What the work itself decided, in the place of the demands.
    pub(crate) decided_later: &'a parking_lot::Mutex<Option<Decided>>,
}

/// A key version that an operation touched, for the record and the usage ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsedVersion {
    pub(crate) handle: usize,
    pub(crate) material: MaterialId,
    pub(crate) ordinal: u32,
}

impl<'a> Authorized<'a> {
    /// The engine's own parts.
    pub(crate) fn engine(&self) -> &'a Engine {
        self.engine
    }

    /// The request.
    pub(crate) fn call(&self) -> &'a Call {
        self.call
    }

    /// The time that the operation happens at.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The key of the demand at `index`, among those that were about keys.
    pub(crate) fn key(&self, index: usize) -> Result<&'a KeyHandle, EngineError> {
        let fault = crate::error::InternalFault::Material { key: String::new(), cause: "no such demand" };
        self.keys.get(index).ok_or(EngineError::Internal(fault))
    }

    /// That somebody else may be asked to use a key: in a dry run nobody is, and it ends here, all else being as it should.
    pub(crate) const fn may_ask(&self) -> Result<(), EngineError> {
        match self.mode {
            Mode::Run => Ok(()),
            Mode::DryRun => Err(EngineError::DryRun),
        }
    }

    /// The newest version of the key at `index`, ready to use here.
    pub(crate) fn current(&self, index: usize) -> Result<(&'a VersionRow, Arc<KeyMaterial>), Halt> {
        let (version, key) = self.current_key(index)?;
        Ok((version, key.material()?))
    }

    /// The newest version of the key at `index`, ready to use where it is.
    pub(crate) fn current_key(&self, index: usize) -> Result<(&'a VersionRow, Usable<'_>), Halt> {
        let handle = self.key(index)?;
        let version = handle.entry.current().ok_or_else(|| EngineError::StateForbids {
            resource: Arc::clone(&handle.resource),
            forbidden: strongroom_model::purpose::Forbidden::PreActivation,
        })?;
        Ok((version, self.open(index, version)?))
    }

    /// The version of the key at `index` that has this material, ready to use where it is.
    pub(crate) fn version_key(&self, index: usize, material: MaterialId) -> Result<(&'a VersionRow, Usable<'_>), Halt> {
        let handle = self.key(index)?;
        let version = handle.entry.version(material).ok_or(EngineError::InvalidCiphertext)?;
        Ok((version, self.open(index, version)?))
    }

    /// The id of the grant that allowed this, if nothing else did.
    pub(crate) fn deciding_grant(&self) -> Option<&'a str> {
        let statements = &self.decided?.statements;
        statements.iter().find_map(|statement| statement.strip_prefix("grant "))
    }

    /// Decides whether the caller may give up a grant on the key at `index`. A denial is an error.
    pub(crate) fn decide_retirement(&self, index: usize, grant: &GrantRow) -> Result<(), Halt> {
        let handle = self.key(index)?;
        let subject = Subject {
            action: Action::RetireGrant,
            resource: &handle.resource,
            account: &handle.entry.tenant.account,
            key: Some(&handle.entry),
            role: None,
            asked: None,
            keys: self.keys,
            attributes: None,
            retired: Some(grant),
        };
        let now = i64::try_from(self.now.0).unwrap_or(i64::MAX);
        let mut decided = Decided::default();
        let decision = self.engine.decide(self.call, &subject, now, self.ground, &mut decided);
        *self.decided_later.lock() = Some(decided);
        decision
    }

    /// The refusal of what the caller asked of the key at `index`, where the policies alone could not tell.
    pub(crate) fn denied(&self, index: usize) -> EngineError {
        let handle = self.keys.get(index);
        let action = handle.map_or(Action::Installation, |handle| handle.action);
        EngineError::Denied(Box::new(Denial {
            principal: Box::from(&*self.call.caller.policy_name),
            action: self.call.dialect.action(action),
            resource: handle.map_or_else(|| Arc::from(""), |handle| Arc::clone(&handle.resource)),
            outcome: strongroom_policy::Outcome::ImplicitDeny(strongroom_policy::Missing::ResourcePolicyAllow),
            cross_account: false,
        }))
    }

    fn open(&self, index: usize, version: &VersionRow) -> Result<Usable<'_>, Halt> {
        let handle = self.key(index)?;
        version
            .state
            .permits(handle.purpose)
            .map_err(|forbidden| EngineError::StateForbids { resource: Arc::clone(&handle.resource), forbidden })?;
        let material = || self.engine.vault.material(&handle.entry, version, self.ground);
        let usable = match (version.object, &handle.entry.row.external) {
            (Some(object), _) => Usable::Resident(Resident::new(self, handle, version, object)?),
            (None, Some(external)) => Usable::Doubled(Doubled::new(self, handle, material()?, external)?),
            (None, None) => Usable::Material(material()?),
        };
        let used = UsedVersion { handle: index, material: version.material, ordinal: version.ordinal };
        self.used.lock().push(used);
        Ok(usable)
    }
}
