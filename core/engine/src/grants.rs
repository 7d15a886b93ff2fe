//! A key's grants, found by whoever asks.

use std::collections::HashMap;

use strongroom_model::caller::{Caller, Principal};
use strongroom_policy::PrincipalName;

use crate::rows::GrantRow;

/// A key's grants.
pub struct GrantSet {
    /// The rows, in order of id.
    pub rows: Vec<GrantRow>,
    /// By unique id, by account, and by name where that is all there is; none of them is ever the same as another.
    by_grantee: HashMap<String, Vec<usize>>,
}

impl GrantSet {
    pub(crate) fn new(rows: Vec<GrantRow>) -> Self {
        let mut by_grantee: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            let grantee = row.grantee_id().unwrap_or_else(|| match PrincipalName::parse(&row.grantee) {
                Some(PrincipalName::Account(account)) => account,
                _ => &row.grantee,
            });
            by_grantee.entry(grantee.to_owned()).or_default().push(index);
        }
        Self { rows, by_grantee }
    }

    /// The grants of one grantee, by unique id, account, or the name in policies.
    pub fn of_grantee<'a>(&'a self, grantee: &str) -> impl Iterator<Item = &'a GrantRow> {
        let indexes = self.by_grantee.get(grantee).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.rows.get(*index))
    }
}

/// What grants may call a caller: a name in policies or a unique id, its own or its role's, or its account.
pub(crate) fn known_as(caller: &Caller) -> impl Iterator<Item = &str> {
    let account = (!caller.account.is_empty()).then_some(&*caller.account);
    let [id, role, role_id] = match &caller.principal {
        Principal::User { unique_id, .. } => [Some(&**unique_id), None, None],
        Principal::Session(session) => {
            let role_id = session.unique_id.split_once(':').map(|(role, _)| role);
            [Some(&*session.unique_id), Some(&*session.role_policy_name), role_id]
        }
        _ => [None; 3],
    };
    [Some(&*caller.policy_name), id, role, role_id, account].into_iter().flatten()
}
