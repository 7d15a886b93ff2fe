//! The credentials that prove principals, and a tenant's root.

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, TenantId};
use strongroom_model::store::{Batch, Table};
use strongroom_secret::SecretBytes;

use super::key::unchanged;
use super::principal::{demands_on, find};
use crate::error::{self, EngineError, InputFault, Noun, Quota};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, PrincipalReference};
use crate::rows::{self, CredentialRow};
use crate::{keys, limits};

/// Makes a credential. Its secret is in the hands of whoever asked, and nowhere else in the clear.
pub struct CreateCredential {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The principal's name; the tenant's root if absent.
    pub principal: Option<String>,
    /// The public half, unique in the installation.
    pub shown: String,
    /// The secret half.
    pub secret: SecretBytes,
    /// When it lapses.
    pub expires: Option<Timestamp>,
}

impl Operation for CreateCredential {
    type Output = CredentialRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ManageCredentials, self.tenant, PrincipalReference::or_root(self.principal.as_ref())))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<CredentialRow>, Halt> {
        let engine = authorized.engine();
        let mut batch = Batch::default();
        let principal = match &self.principal {
            Some(name) => {
                let (principal, read) = find(authorized, self.tenant, name)?;
                if principal.role.is_some() {
                    return Err(EngineError::Unsupported("a credential that lasts, of a role,").into());
                }
                // Of two at the same time, one sees the other's credential.
                batch.touch(Table::Principal, &read, read.value.clone());
                Some(principal.id)
            }
            None if self.tenant == TenantId::INSTALLATION => {
                return Err(EngineError::Unsupported("a credential of the installation itself").into());
            }
            None => None,
        };
        let prefix = keys::credentials_of(self.tenant, principal);
        let existing = engine.catalog().scan_all(Table::CredentialByPrincipal, &prefix, 1000)?;
        if existing.len() >= limits::CREDENTIALS_PER_PRINCIPAL {
            return Err(EngineError::LimitExceeded(Quota::Credentials).into());
        }
        let (tenant, read) = engine.catalog().load_tenant(self.tenant)?;
        match principal {
            Some(_) => batch.preconditions.push(unchanged(Table::Tenant, &read)),
            None => batch.replace(Table::Tenant, &read, read.value.clone()),
        }
        let domain_key = engine.vault.domain_key(self.tenant, tenant.domain_key, authorized.ground)?;
        let id = CredentialId::from_bytes(random::bytes(engine.random()).map_err(error::crypto)?);
        let sealed = engine.vault.seal_credential(&domain_key, self.tenant, id, &self.shown, &self.secret)?;
        let row = CredentialRow {
            id,
            tenant: self.tenant,
            principal,
            shown: self.shown.clone(),
            sealed,
            created: authorized.now(),
            expires: self.expires,
            suspended: false,
        };
        batch.insert(Table::Credential, self.shown.as_bytes().to_vec(), rows::encode(&row));
        batch.put(
            Table::CredentialByPrincipal,
            keys::credential_by_principal(self.tenant, principal, &self.shown),
            Vec::new(),
        );
        Ok(Outcome::Change(batch, row))
    }
}

/// Lists the credentials of a principal, or of the tenant's root. Their secrets stay sealed.
pub struct ListCredentials {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The principal's name; the tenant's root if absent.
    pub principal: Option<String>,
}

impl Operation for ListCredentials {
    /// Each with the time at which it last proved someone.
    type Output = Vec<(CredentialRow, Option<Timestamp>)>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ReadCredentials, self.tenant, PrincipalReference::or_root(self.principal.as_ref())))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let catalog = authorized.engine().catalog();
        let principal = match &self.principal {
            Some(name) => Some(find(authorized, self.tenant, name)?.0.id),
            None => None,
        };
        let prefix = keys::credentials_of(self.tenant, principal);
        let indexes = catalog.scan_all(Table::CredentialByPrincipal, &prefix, 1000)?;
        let snapshot = catalog.snapshot()?;
        let mut credentials: Vec<CredentialRow> = Vec::new();
        for index in indexes {
            let shown = index.key.get(32..).unwrap_or_default();
            let Some(row) = snapshot.get(Table::Credential, shown)? else { continue };
            credentials.push(rows::decode("credentials", &row.value)?);
        }
        drop(snapshot);
        let ids: Vec<_> = credentials.iter().map(|row| row.id).collect();
        let used = authorized.engine().credentials_used(&ids)?;
        Ok(Outcome::Answer(credentials.into_iter().zip(used).collect()))
    }
}

/// What becomes of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Refused for now.
    Suspended,
    /// Taken again.
    Resumed,
    /// Gone.
    Deleted,
}

/// Suspends, resumes or removes a credential.
pub struct ChangeCredential {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The public half.
    pub shown: String,
    /// What becomes of it.
    pub fate: Fate,
}

impl Operation for ChangeCredential {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands_on(Action::ManageCredentials, self.tenant, PrincipalReference::Credential(self.shown.clone())))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let row = authorized.engine().catalog().snapshot()?.get(Table::Credential, self.shown.as_bytes())?;
        let missing = || Noun::Credential(self.shown.as_str().into());
        let row = row.ok_or_else(missing)?;
        let mut credential: CredentialRow = rows::decode("credentials", &row.value)?;
        if credential.tenant != self.tenant {
            return Err(missing().into());
        }
        let used_now = authorized.call().caller.credential.as_ref().is_some_and(|used| used.id == credential.id);
        if used_now && self.fate != Fate::Resumed {
            let problem = "is the one that this request was signed with; use another";
            return Err(EngineError::from(InputFault::Form { what: "the credential", problem }).into());
        }
        let mut batch = Batch::default();
        match self.fate {
            Fate::Deleted => {
                batch.delete(Table::Credential, row.key);
                let index = keys::credential_by_principal(self.tenant, credential.principal, &self.shown);
                batch.delete(Table::CredentialByPrincipal, index);
            }
            Fate::Suspended | Fate::Resumed => {
                credential.suspended = self.fate == Fate::Suspended;
                batch.replace(Table::Credential, &row, rows::encode(&credential));
            }
        }
        Ok(Outcome::Change(batch, ()))
    }
}
