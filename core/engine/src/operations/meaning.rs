//! Writing down whom names mean in rows that do not say so: the act of the pass in [`crate::meanings`].

use strongroom_model::id::{KeyId, TenantId};
use strongroom_model::store::{Batch, Precondition, Row, Table};
use strongroom_policy::{Document, Kind, PrincipalName};

use super::domain_key::{changed, scheduled};
use crate::catalog::Catalog;
use crate::error::EngineError;
use crate::named;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome};
use crate::rows::{self, GrantRow, KeyRow, Meant, PrincipalRow, RoleRow};

/// Gives names in rows the ids of whoever has them now; where nobody has, nobody is meant for ever.
pub(crate) struct WriteMeanings {
    /// [`Table::Key`], [`Table::Grant`] or [`Table::Principal`].
    pub(crate) table: Table,
    /// Keys of the rows.
    pub(crate) places: Vec<Vec<u8>>,
}

impl Operation for WriteMeanings {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(scheduled())
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let catalog = authorized.engine().catalog();
        let mut batch = Batch::default();
        for place in &self.places {
            let Some(read) = catalog.snapshot()?.get(self.table, place)? else { continue };
            match rewritten(catalog, self.table, &read) {
                Ok(Some((value, present))) => {
                    batch.preconditions.extend(present);
                    batch.replace(self.table, &read, value);
                }
                Ok(None) => {}
                Err(error) if error.is_damage() => {
                    tracing::error!(table = ?self.table, %error, cause = ?error, "whom a row's names mean can't be told");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(changed(batch, ()))
    }
}

type Rewritten = Option<(Vec<u8>, Vec<Precondition>)>;

fn rewritten(catalog: &Catalog, table: Table, read: &Row) -> Result<Rewritten, EngineError> {
    let told = |tenant, names: Vec<PrincipalName<'_>>| -> Result<Option<(Meant, Vec<Precondition>)>, EngineError> {
        let (meant, present) = named::write_late(catalog, tenant, names.into_iter())?;
        for (name, _) in meant.iter().flat_map(Meant::pairs).filter(|(_, id)| id.is_empty()) {
            tracing::warn!(
                ?table,
                name,
                "nobody has this name in a policy or a grant; nobody is meant by it from now on"
            );
        }
        Ok(meant.map(|meant| (meant, present)))
    };
    match table {
        Table::Key => {
            let row: KeyRow = rows::decode("keys", &read.value)?;
            let Some(document) = read_policy(&row.policy, Kind::Resource) else { return Ok(None) };
            let told = told(row.tenant, document.principals().collect())?;
            Ok(told.map(|(meant, present)| (rows::encode(&KeyRow { meant: Some(meant), ..row }), present)))
        }
        Table::Grant => {
            let row: GrantRow = rows::decode("grants", &read.value)?;
            let tenant = tenant_of(catalog, row.key)?;
            let names = [Some(row.grantee.as_str()), row.retiring.as_deref()];
            let told = told(tenant, names.into_iter().flatten().filter_map(PrincipalName::parse).collect())?;
            Ok(told.map(|(meant, present)| (rows::encode(&GrantRow { meant: Some(meant), ..row }), present)))
        }
        _ => {
            let row: PrincipalRow = rows::decode("principals", &read.value)?;
            let Some(role) = row.role.clone() else { return Ok(None) };
            let Some(document) = read_policy(&role.trust_policy, Kind::Trust) else { return Ok(None) };
            let told = told(row.tenant, document.principals().collect())?;
            Ok(told.map(|(meant, present)| {
                let role = Some(RoleRow { meant: Some(meant), ..role });
                (rows::encode(&PrincipalRow { role, ..row }), present)
            }))
        }
    }
}

/// A policy that can't be read decides nothing.
fn read_policy(document: &str, kind: Kind) -> Option<Document> {
    Document::parse(document, kind).ok()
}

fn tenant_of(catalog: &Catalog, key: KeyId) -> Result<TenantId, EngineError> {
    let row = catalog.snapshot()?.get(Table::Key, key.as_bytes())?;
    let row = row.map(|row| rows::decode::<KeyRow>("keys", &row.value)).transpose()?;
    Ok(row.map_or(TenantId::INSTALLATION, |row| row.tenant))
}

/// Whether a row may name principals without saying whom it means.
pub(crate) fn lacks_meaning(table: Table, row: &Row) -> bool {
    match table {
        Table::Key => rows::decode::<KeyRow>("keys", &row.value)
            .is_ok_and(|row| row.meant.is_none() && may_name(&row.policy, Kind::Resource)),
        Table::Grant => rows::decode::<GrantRow>("grants", &row.value).is_ok_and(|row| {
            let names = || [Some(&row.grantee), row.retiring.as_ref()].into_iter().flatten();
            row.meant.is_none() && names().any(|name| has_id(PrincipalName::parse(name)))
        }),
        _ => rows::decode::<PrincipalRow>("principals", &row.value).is_ok_and(|row| {
            row.role.is_some_and(|role| role.meant.is_none() && may_name(&role.trust_policy, Kind::Trust))
        }),
    }
}

fn may_name(document: &str, kind: Kind) -> bool {
    // Most keys have the policy that names an account alone, and there may be a million.
    let at_a_glance = ["user/", "role/", "\\"].iter().any(|sign| document.contains(sign));
    at_a_glance && read_policy(document, kind).is_some_and(|read| read.principals().any(|name| has_id(Some(name))))
}

/// Whether a name is one of those that ids are kept for.
const fn has_id(name: Option<PrincipalName<'_>>) -> bool {
    matches!(name, Some(PrincipalName::Arn { .. }))
}
