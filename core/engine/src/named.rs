//! Whom names in policies and grants mean.
//!
//! A name is looked up when it is written, and its holder's unique id is kept beside it: a name that nobody has is refused, and
//! whoever is given the name later is not meant. Accounts, services and identity providers have no ids; they mean whoever
//! has the name. docs/adr/named-principals.md says why.

use std::borrow::Cow;
use std::collections::HashMap;

use strongroom_model::id::{PrincipalId, TenantId};
use strongroom_model::limits::SCAN_ROWS;
use strongroom_model::store::{Precondition, Snapshot, Table};
use strongroom_policy::{Document, Kind, PolicyError, PrincipalName};

use crate::catalog::Catalog;
use crate::error::{EngineError, InputFault};
use crate::keys;
use crate::operations::key::unchanged;
use crate::rows::{self, GrantRow, Meant, PrincipalRow, role_reference};

/// A document that may be written, and whom it means.
pub(crate) struct Written {
    /// The document, in which names mean whom they mean now.
    pub(crate) document: Document,
    pub(crate) meant: Option<Meant>,
    /// That those whom it means are still there.
    pub(crate) present: Vec<Precondition>,
}

/// Reads a policy of `tenant`'s that is to be written. Services and identity providers are taken as they are named.
///
/// # Errors
/// When it can't be read, or names an account, user or role that this installation does not have.
pub(crate) fn write(catalog: &Catalog, tenant: TenantId, document: &str, kind: Kind) -> Result<Written, EngineError> {
    let document = Document::parse(document, kind).map_err(EngineError::InvalidPolicy)?;
    let (mut pairs, mut present) = (Vec::new(), Vec::new());
    let directory = Directory::open(catalog)?;
    for name in document.principals() {
        let Some(holder) = directory.holder(tenant, name)? else {
            let found = text(name).to_owned();
            return Err(EngineError::InvalidPolicy(PolicyError::UnknownPrincipal { found, service: false }));
        };
        holder.note(name, &mut pairs, &mut present);
    }
    let meant = Meant::new(pairs);
    Ok(Written { document: bound(document, meant.as_ref()), meant, present })
}

/// Whom the grantee and the retiring principal of a grant that is to be written mean, and that they are still there.
///
/// # Errors
/// When either is nobody that this installation has.
pub(crate) fn write_grant(
    catalog: &Catalog,
    tenant: TenantId,
    names: &[&str],
) -> Result<(Option<Meant>, Vec<Precondition>), EngineError> {
    let (mut pairs, mut present) = (Vec::new(), Vec::new());
    let directory = Directory::open(catalog)?;
    for name in names {
        // Whatever is no name of a principal is a service's, or nobody's for ever.
        let Some(name) = PrincipalName::parse(name) else { continue };
        let unknown = || InputFault::UnknownPrincipal { name: text(name).into() };
        directory.holder(tenant, name)?.ok_or_else(unknown)?.note(name, &mut pairs, &mut present);
    }
    Ok((Meant::new(pairs), present))
}

/// Whom names mean in a row that was written before their ids were kept: whoever has them now, and nobody where nobody has.
pub(crate) fn write_late<'n>(
    catalog: &Catalog,
    tenant: TenantId,
    names: impl Iterator<Item = PrincipalName<'n>>,
) -> Result<(Option<Meant>, Vec<Precondition>), EngineError> {
    let (mut pairs, mut present) = (Vec::new(), Vec::new());
    let directory = Directory::open(catalog)?;
    for name in names {
        match (directory.holder(tenant, name)?, name) {
            (Some(holder), _) => holder.note(name, &mut pairs, &mut present),
            (None, PrincipalName::Arn { arn, .. }) => pairs.push((arn.to_owned(), String::new())),
            (None, _) => {}
        }
    }
    Ok((Meant::new(pairs), present))
}

/// A document in which names mean whom they meant when it was written.
pub(crate) fn bound(document: Document, meant: Option<&Meant>) -> Document {
    match meant {
        Some(meant) => document.bound(|name| meant.id_of(name)),
        None => document,
    }
}

/// A policy as it is shown: names of those who are gone give way to their unique ids.
pub(crate) fn shown<'d>(
    catalog: &Catalog,
    document: &'d str,
    meant: Option<&Meant>,
) -> Result<Cow<'d, str>, EngineError> {
    let Some(meant) = meant else { return Ok(Cow::Borrowed(document)) };
    let mut gone: HashMap<&str, &str> = HashMap::new();
    let directory = Directory::open(catalog)?;
    for (name, id) in meant.pairs() {
        if !directory.still_means(name, id)? {
            gone.insert(name, id);
        }
    }
    match gone.is_empty() {
        true => Ok(Cow::Borrowed(document)),
        false => Ok(Cow::Owned(strongroom_policy::shown(document, |name| gone.get(name).copied()))),
    }
}

/// Shows grants, in one view of who is there.
pub(crate) struct ShownGrants<'c> {
    directory: Directory<'c>,
    still: HashMap<(String, String), bool>,
}

impl<'c> ShownGrants<'c> {
    pub(crate) fn new(catalog: &'c Catalog) -> Result<Self, EngineError> {
        Ok(Self { directory: Directory::open(catalog)?, still: HashMap::new() })
    }

    /// A name in a grant as it is shown: the unique id of whoever is gone.
    pub(crate) fn name<'n>(&mut self, name: &'n str, meant: Option<&'n Meant>) -> Result<&'n str, EngineError> {
        let Some(id) = meant.and_then(|meant| meant.id_of(name)) else { return Ok(name) };
        let pair = (name.to_owned(), id.to_owned());
        let still = match self.still.get(&pair) {
            Some(still) => *still,
            None => {
                let still = self.directory.still_means(name, id)?;
                self.still.insert(pair, still);
                still
            }
        };
        Ok(if still { name } else { id })
    }

    /// A grant as it is shown.
    pub(crate) fn grant(&mut self, row: &GrantRow) -> Result<GrantRow, EngineError> {
        let meant = row.meant.as_ref();
        let grantee = self.name(&row.grantee, meant)?.to_owned();
        let retiring = row.retiring.as_deref().map(|retiring| self.name(retiring, meant)).transpose()?;
        Ok(GrantRow { grantee, retiring: retiring.map(str::to_owned), ..row.clone() })
    }
}

/// Whoever has a name.
struct Holder {
    /// The unique id; none for what has only its name.
    id: Option<String>,
    /// That nobody has taken the name away.
    present: Option<Precondition>,
}

impl Holder {
    fn note(self, name: PrincipalName<'_>, pairs: &mut Vec<(String, String)>, present: &mut Vec<Precondition>) {
        if let (PrincipalName::Arn { arn, .. }, Some(id)) = (name, self.id) {
            pairs.push((arn.to_owned(), id));
        }
        present.extend(self.present.filter(|one| !present.contains(one)));
    }
}

/// Who is there, at one moment.
struct Directory<'c>(Box<dyn Snapshot + 'c>);

impl<'c> Directory<'c> {
    fn open(catalog: &'c Catalog) -> Result<Self, EngineError> {
        Ok(Self(catalog.snapshot()?))
    }

    /// Who has a name that stands in a policy of `tenant`'s.
    fn holder(&self, tenant: TenantId, name: PrincipalName<'_>) -> Result<Option<Holder>, EngineError> {
        let named_alone = Some(Holder { id: None, present: None });
        match name {
            PrincipalName::Account(account) => Ok(self.tenant_of(account)?.and(named_alone)),
            PrincipalName::Arn { arn, account, kind, name } => match self.tenant_of(account)? {
                Some(tenant) => self.principal(tenant, kind, name, arn),
                None => Ok(None),
            },
            PrincipalName::UniqueId(id) => self.with_unique_id(tenant, id),
            PrincipalName::Service(_) | PrincipalName::Federated(_) => Ok(named_alone),
        }
    }

    fn tenant_of(&self, account: &str) -> Result<Option<TenantId>, EngineError> {
        let row = self.0.get(Table::TenantByAccount, account.as_bytes())?;
        Ok(row.and_then(|row| TenantId::from_slice(&row.value)))
    }

    /// The user or role of a tenant, or the session of a role, that an ARN names.
    fn principal(&self, tenant: TenantId, kind: &str, name: &str, arn: &str) -> Result<Option<Holder>, EngineError> {
        let last = name.rsplit('/').next().unwrap_or(name);
        let (reference, session) = match (kind, name.split_once('/')) {
            ("user", _) => (last.to_owned(), None),
            ("role", _) => (role_reference(last), None),
            ("assumed-role", Some((role, session))) => (role_reference(role), Some(session)),
            _ => return Ok(None),
        };
        let Some(by_name) = self.0.get(Table::PrincipalByName, &keys::principal_by_name(tenant, &reference))? else {
            return Ok(None);
        };
        let id = PrincipalId::from_slice(&by_name.value);
        let row = id.map(|id| self.0.get(Table::Principal, &keys::principal(tenant, id))).transpose()?.flatten();
        let Some(row) = row else { return Ok(None) };
        let row: PrincipalRow = rows::decode("principals", &row.value)?;
        let partition = |name: &str| name.split(':').nth(1).map(str::to_owned);
        let (is_it, id) = match session {
            None => (row.policy_name == arn, row.unique_id),
            Some(session) => (partition(&row.policy_name) == partition(arn), format!("{}:{session}", row.unique_id)),
        };
        let present = Some(unchanged(Table::PrincipalByName, &by_name));
        Ok(is_it.then_some(Holder { id: Some(id), present }))
    }

    fn with_unique_id(&self, tenant: TenantId, id: &str) -> Result<Option<Holder>, EngineError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.0.scan(Table::Principal, tenant.as_bytes(), after.as_deref(), SCAN_ROWS)?;
            for row in &page {
                if rows::decode::<PrincipalRow>("principals", &row.value)?.unique_id == id {
                    // Ids are never given again, so nobody can be meant by it but its present holder.
                    return Ok(Some(Holder { id: None, present: None }));
                }
            }
            match page.last() {
                Some(last) => after = Some(last.key.clone()),
                None => return Ok(None),
            }
        }
    }

    /// Whether a name leads to whoever it meant. Of whom nothing but the name is known, that is shown.
    fn still_means(&self, name: &str, id: &str) -> Result<bool, EngineError> {
        let Some(parsed @ PrincipalName::Arn { .. }) = PrincipalName::parse(name).filter(|_| !id.is_empty()) else {
            return Ok(true);
        };
        let holder = self.holder(TenantId::INSTALLATION, parsed)?;
        Ok(holder.is_some_and(|holder| holder.id.as_deref() == Some(id)))
    }
}

fn text<'n>(name: PrincipalName<'n>) -> &'n str {
    match name {
        PrincipalName::Arn { arn: text, .. }
        | PrincipalName::Account(text)
        | PrincipalName::UniqueId(text)
        | PrincipalName::Service(text)
        | PrincipalName::Federated(text) => text,
    }
}
