//! Roles, and sessions of them.
//!
//! A role is a principal that nobody has a lasting credential of: whoever its trust policy names may begin a session of it.
//! Where a request refers to a principal by name, a role is `role/` and its name ([`crate::role_reference`]).

use std::time::Duration;

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::caller::Principal;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Table};
use strongroom_policy::{
    AssumeRole as Asked, Attributes, ConditionKey, Document, Kind, NoAttributes, PolicyError, TokenClaims, Value,
};
use strongroom_secret::SecretBytes;

use super::principal::{Kind as PrincipalKind, add, check_name, demands, demands_on, find, role};
use crate::catalog::Catalog;
use crate::error::{self, EngineError, InputFault, Noun, Quota, SessionLimit};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, PrincipalReference, RoleName, Target};
use crate::rows::{self, PrincipalRow, RoleRow, role_reference};
use crate::session::{self, SessionRow};
use crate::{limits, named};

/// Makes a role.
pub struct CreateRole {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Name among the tenant's roles: 1 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// The name that policies know it by.
    pub policy_name: String,
    /// Identity as policies and answers show it.
    pub unique_id: String,
    /// Who may begin a session of it, and how long one lasts.
    pub role: RoleRow,
}

impl Operation for CreateRole {
    type Output = PrincipalRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ManagePrincipals, self.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<PrincipalRow>, Halt> {
        check_name("the role's name", &self.name)?;
        let mut role = RoleRow::new(self.role.trust_policy.clone(), self.role.session_seconds);
        check_seconds(&role)?;
        let written = named::write(authorized.engine().catalog(), self.tenant, &role.trust_policy, Kind::Trust)?;
        role.meant = written.meant;
        let (policy_name, unique_id) = (self.policy_name.clone(), self.unique_id.clone());
        let kind = PrincipalKind::Role(role, written.present);
        add(authorized, self.tenant, &self.name, policy_name, unique_id, kind)
    }
}

/// Changes who may begin a session of a role, or how long one lasts. Sessions that have begun go on.
pub struct UpdateRole {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// The new trust policy, if it changes.
    pub trust_policy: Option<String>,
    /// The new longest time of a session in seconds, if it changes.
    pub session_seconds: Option<u32>,
}

impl Operation for UpdateRole {
    type Output = PrincipalRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let reference = PrincipalReference::Name(role_reference(&self.name));
        Ok(demands_on(Action::ManagePrincipals, self.tenant, reference))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<PrincipalRow>, Halt> {
        let (mut principal, read) = find(authorized, self.tenant, &role_reference(&self.name))?;
        let missing = || EngineError::from(Noun::Principal(role_reference(&self.name).into()));
        let mut role = principal.role.take().ok_or_else(missing)?;
        let mut batch = Batch::default();
        if let Some(trust_policy) = &self.trust_policy {
            let written = named::write(authorized.engine().catalog(), self.tenant, trust_policy, Kind::Trust)?;
            batch.preconditions.extend(written.present);
            role.trust_policy.clone_from(trust_policy);
            role.meant = written.meant;
        }
        role.session_seconds = self.session_seconds.unwrap_or(role.session_seconds);
        check_seconds(&role)?;
        principal.role = Some(role);
        batch.replace(Table::Principal, &read, rows::encode(&principal));
        show(authorized.engine().catalog(), &mut principal)?;
        Ok(Outcome::Change(batch, principal))
    }
}

/// Lets a role show its trust policy as it is to be shown: names of those who are gone give way to their unique ids.
pub(super) fn show(catalog: &Catalog, principal: &mut PrincipalRow) -> Result<(), EngineError> {
    let Some(role) = &mut principal.role else { return Ok(()) };
    role.trust_policy = named::shown(catalog, &role.trust_policy, role.meant.as_ref())?.into_owned();
    Ok(())
}

fn check_seconds(role: &RoleRow) -> Result<(), EngineError> {
    let allowed = limits::SESSION_SECONDS_USUAL..=*limits::SESSION_SECONDS.end();
    match allowed.contains(&role.session_seconds) {
        true => Ok(()),
        false => {
            let problem = "must be from 3600 to 43200 seconds";
            Err(InputFault::Form { what: "the longest time of a role's session", problem }.into())
        }
    }
}

/// What a verified token says, for the conditions of a trust policy.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its issuer, as conditions name it: the URL without `https://`.
    pub issuer: String,
    /// Whom it is about.
    pub subject: String,
    /// Whom it is for.
    pub audiences: Vec<String>,
    /// Its other claims of text; a list stands as several pairs of one name.
    pub others: Vec<(String, String)>,
}

/// Begins a session of a role: its credentials are in the hands of whoever asked, and nowhere else.
pub struct AssumeRole {
    /// The role.
    pub role: RoleName,
    /// The session's name, part of the names by which policies and records know it.
    pub session_name: String,
    /// The name that policies know the session by.
    pub session_policy_name: String,
    /// Seconds that it is to last; the usual time if absent.
    pub seconds: Option<u32>,
    /// What the trust policy may want to hear from strangers.
    pub external_id: Option<String>,
    /// On whose behalf; kept by every session begun from this one.
    pub source_identity: Option<String>,
    /// The session's tags, at most [`limits::SESSION_TAGS`].
    pub tags: Vec<(String, String)>,
    /// Keys of those that sessions begun from this one keep.
    pub transitive_tag_keys: Vec<String>,
    /// Policies of which one must allow what the session does, beside the role's own.
    pub policies: Vec<String>,
    /// The token that proves the caller, for a caller so proved.
    pub token: Option<Token>,
    /// The public half of the session's credentials, unique in the installation.
    pub shown: String,
    /// The secret half.
    pub secret: SecretBytes,
}

/// A session that has begun.
#[derive(Debug)]
pub struct Begun {
    /// What every request shows beside the access key id.
    pub token: Vec<u8>,
    /// When the session ends.
    pub expires: Timestamp,
    /// The role's identity, a colon, and the session's name.
    pub unique_id: String,
    /// On whose behalf the session acts.
    pub source_identity: Option<String>,
    /// How much of what a token can hold its policies and tags take, in hundredths.
    pub packed_percent: u32,
}

impl AssumeRole {
    const fn action(&self) -> Action {
        match self.token {
            Some(_) => Action::AssumeRoleWithWebIdentity,
            None => Action::AssumeRole,
        }
    }

    fn check(&self) -> Result<(), EngineError> {
        let limit = strongroom_policy::limits::SESSION_POLICY_BYTES;
        for policy in &self.policies {
            // Counted in characters, which are as many bytes at least.
            if policy.chars().count() > limit {
                return Err(EngineError::InvalidPolicy(PolicyError::TooLarge { bytes: policy.len(), limit }));
            }
            Document::parse(policy, Kind::Identity).map_err(EngineError::InvalidPolicy)?;
        }
        let repeated = |(index, (key, _)): (usize, &(String, String))| {
            self.tags.iter().skip(index + 1).any(|(other, _)| other.eq_ignore_ascii_case(key))
        };
        if self.tags.iter().enumerate().any(repeated) {
            return Err(InputFault::DuplicateTags.into());
        }
        match self.tags.len() > limits::SESSION_TAGS {
            true => Err(EngineError::LimitExceeded(Quota::Tags)),
            false => Ok(()),
        }
    }

    /// How long the session lasts.
    fn lasts(&self, role: &RoleRow, chained: bool) -> Result<Duration, EngineError> {
        let usual = limits::SESSION_SECONDS_USUAL;
        let seconds = self.seconds.unwrap_or(usual);
        if !limits::SESSION_SECONDS.contains(&seconds) {
            return Err(InputFault::Form { what: "the session's time", problem: "must be from 900 to 43200 s" }.into());
        }
        match seconds {
            seconds if chained && seconds > usual => Err(InputFault::SessionTooLong(SessionLimit::Chained).into()),
            seconds if seconds > role.session_seconds => Err(InputFault::SessionTooLong(SessionLimit::Role).into()),
            seconds => Ok(Duration::from_secs(u64::from(seconds))),
        }
    }

    /// What a session that begins another one hands on: transitive tags, which can't be changed, and whom it acts for.
    fn inherit(&self, row: &mut SessionRow, caller: &Principal) -> Result<(), EngineError> {
        let Principal::Session(own) = caller else { return Ok(()) };
        for (key, value) in &own.tags {
            if !own.transitive_tag_keys.iter().any(|kept| kept.eq_ignore_ascii_case(key)) {
                continue;
            }
            if row.tags.iter().any(|(other, _)| other.eq_ignore_ascii_case(key)) {
                let problem = "repeat a tag that the calling session hands on";
                return Err(InputFault::Form { what: "the session's tags", problem }.into());
            }
            row.tags.push((key.clone(), value.clone()));
            row.transitive_tag_keys.push(key.clone());
        }
        let kept = own.source_identity.as_deref();
        if kept.is_some() && row.source_identity.is_some() && kept != row.source_identity.as_deref() {
            return Err(
                InputFault::Form { what: "the source identity", problem: "can't be changed once it is set" }.into()
            );
        }
        row.source_identity = kept.map(str::to_owned).or_else(|| row.source_identity.take());
        row.federated_provider = own.federated_provider.as_deref().map(str::to_owned);
        Ok(())
    }
}

impl Attributes for AssumeRole {
    fn value(&self, key: &ConditionKey, index: usize) -> Option<Value<'_>> {
        let token = self.token.as_ref().map(|token| TokenClaims {
            issuer: &token.issuer,
            subject: &token.subject,
            audiences: &token.audiences,
            others: &token.others,
        });
        let asked = Asked {
            session_name: &self.session_name,
            external_id: self.external_id.as_deref(),
            duration_seconds: self.seconds.map(i64::from),
            source_identity: self.source_identity.as_deref(),
            tags: &self.tags,
            transitive_tag_keys: &self.transitive_tag_keys,
            token,
            surroundings: &NoAttributes,
        };
        asked.value_of(key, index)
    }
}

impl Operation for AssumeRole {
    type Output = Begun;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.check()?;
        let demand = |action| Demand { action, target: Target::Role(self.role.clone()), purpose: Purpose::Inspect };
        let mut demands = vec![demand(self.action())];
        if !self.tags.is_empty() {
            demands.push(demand(Action::TagSession));
        }
        if self.source_identity.is_some() {
            demands.push(demand(Action::SetSourceIdentity));
        }
        Ok(demands)
    }

    fn attributes(&self, _: usize) -> Option<&(dyn Attributes + Send + Sync)> {
        Some(self)
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Begun>, Halt> {
        let engine = authorized.engine();
        let caller = &authorized.call().caller;
        let entry = role(engine.catalog(), &self.role, authorized.ground)?;
        let entry = entry.ok_or_else(|| Noun::Principal(role_reference(&self.role.name).into()))?;
        let missing = || EngineError::from(Noun::Principal(role_reference(&self.role.name).into()));
        let own = entry.row.role.as_ref().ok_or_else(missing)?;
        let lasts = self.lasts(own, matches!(caller.principal, Principal::Session(_)))?;
        let (issued, tenant) = (authorized.now(), self.role.tenant);
        let mut row = SessionRow {
            credential: CredentialId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?),
            role: entry.row.id,
            name: self.session_name.clone(),
            policy_name: self.session_policy_name.clone(),
            issued,
            expires: issued.after(lasts),
            tags: self.tags.clone(),
            transitive_tag_keys: self.transitive_tag_keys.clone(),
            federated_provider: self.token.as_ref().map(|_| String::from(&*caller.policy_name)),
            source_identity: self.source_identity.clone(),
            policies: self.policies.clone(),
        };
        self.inherit(&mut row, &caller.principal)?;
        let (tenant_row, _) = engine.catalog().load_tenant(tenant)?;
        let domain_key = engine.vault.domain_key(tenant, tenant_row.domain_key, authorized.ground)?;
        let token = session::seal(&domain_key, tenant, &self.shown, &row, &self.secret, engine.random())?;
        if token.len() > limits::SESSION_TOKEN_BYTES {
            return Err(EngineError::LimitExceeded(Quota::SessionToken).into());
        }
        let pairs = row.tags.iter().map(|(key, value)| key.len() + value.len());
        let packed = row.policies.iter().map(String::len).chain(pairs).sum::<usize>();
        Ok(Outcome::Answer(Begun {
            token,
            expires: row.expires,
            unique_id: format!("{}:{}", entry.row.unique_id, row.name),
            source_identity: row.source_identity,
            packed_percent: u32::try_from((packed * 100).div_ceil(limits::SESSION_TOKEN_BYTES)).unwrap_or(100),
        }))
    }
}
