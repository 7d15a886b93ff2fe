//! Whether those whom a policy names exist. A policy that names nobody would open to whoever takes the name later.

use strongroom_model::id::{PrincipalId, TenantId};
use strongroom_model::store::Table;
use strongroom_policy::{Document, PolicyError, PrincipalName};

use crate::catalog::Catalog;
use crate::error::EngineError;
use crate::{keys, rows};

/// Refuses a policy of `tenant`'s that names an account, user or role that this installation does not have. Services and
/// identity providers are taken as they are named.
pub(crate) fn check(catalog: &Catalog, tenant: TenantId, document: &Document) -> Result<(), EngineError> {
    for name in document.principals() {
        let exists = match name {
            PrincipalName::Account(account) => tenant_of(catalog, account)?.is_some(),
            PrincipalName::Arn { arn, account, kind, name } => match tenant_of(catalog, account)? {
                Some(tenant) => has(catalog, tenant, kind, name, arn)?,
                None => false,
            },
            PrincipalName::UniqueId(id) => has_unique_id(catalog, tenant, id)?,
            PrincipalName::Service(_) | PrincipalName::Federated(_) => true,
        };
        if !exists {
            let found = match name {
                PrincipalName::Arn { arn, .. } => arn,
                PrincipalName::Account(text)
                | PrincipalName::UniqueId(text)
                | PrincipalName::Service(text)
                | PrincipalName::Federated(text) => text,
            };
            let found = found.to_owned();
            return Err(EngineError::InvalidPolicy(PolicyError::UnknownPrincipal { found, service: false }));
        }
    }
    Ok(())
}

fn tenant_of(catalog: &Catalog, account: &str) -> Result<Option<TenantId>, EngineError> {
    let row = catalog.snapshot()?.get(Table::TenantByAccount, account.as_bytes())?;
    Ok(row.and_then(|row| TenantId::from_slice(&row.value)))
}

/// Whether a tenant has the user, or the role that a session is of.
fn has(catalog: &Catalog, tenant: TenantId, kind: &str, name: &str, arn: &str) -> Result<bool, EngineError> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let (key, whole) = match kind {
        "user" => (keys::principal_by_name(tenant, last), true),
        "role" => (keys::principal_by_name(tenant, &format!("role/{last}")), true),
        "assumed-role" => {
            let role = name.split('/').next().unwrap_or(name);
            (keys::principal_by_name(tenant, &format!("role/{role}")), false)
        }
        _ => return Ok(false),
    };
    let row = catalog.snapshot()?.get(Table::PrincipalByName, &key)?;
    let Some(id) = row.and_then(|row| PrincipalId::from_slice(&row.value)) else { return Ok(false) };
    Ok(!whole || catalog.load_principal(tenant, id)?.0.policy_name == arn)
}

fn has_unique_id(catalog: &Catalog, tenant: TenantId, id: &str) -> Result<bool, EngineError> {
    let snapshot = catalog.snapshot()?;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = snapshot.scan(Table::Principal, tenant.as_bytes(), after.as_deref(), 1000)?;
        for row in &page {
            if rows::decode::<rows::PrincipalRow>("principals", &row.value)?.unique_id == id {
                return Ok(true);
            }
        }
        match page.last() {
            Some(last) => after = Some(last.key.clone()),
            None => return Ok(false),
        }
    }
}
