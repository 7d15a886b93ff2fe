//! What a record says of the change that it belongs to, as words that can be read back.
//!
//! A record keeps only so many of them, so the states of keys and tenants come first, since after a rollback of the store
//! they are what is applied again; then those of versions, then which other rows were written or removed. docs/formats/rows.md lists the words.

use std::fmt::Write as _;

use strongroom_model::clock::Timestamp;
use strongroom_model::id::{KeyId, TenantId};
use strongroom_model::purpose::{KeyState, VersionState};
use strongroom_model::store::{Batch, Change, Table};

use crate::rows::{self, CredentialRow, KeyRow, PrincipalRow, TenantRow, VersionRow};

/// Bytes of a row's key that are told.
const KEY_BYTES: usize = 96;

/// What a change has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateChange {
    Key(KeyId, KeyState),
    Version(KeyId, u32, VersionState),
    /// Whether it is suspended.
    Tenant(TenantId, bool),
    /// A row of a principal or credential, by its key, and whether it is suspended.
    Row(Table, Vec<u8>, bool),
    /// A row of another table was written or removed, by its key.
    Written(Table, Vec<u8>),
    Removed(Table, Vec<u8>),
}

/// Tells what a batch changes. What it only touches is as it was, and may have been changed again by others since.
pub(crate) fn describe(batch: &Batch) -> Vec<String> {
    let (mut states, mut versions, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let touched = |change: &&Change| {
        let (Change::Put(table, key, _) | Change::Delete(table, key)) = change;
        batch.touches(*table, key)
    };
    for change in batch.changes.iter().filter(|change| !touched(change)) {
        match state(change) {
            Some(told) if matches!(change, Change::Put(Table::KeyVersion, ..)) => versions.push(told),
            Some(told) => states.push(told),
            None => others.extend(other(change)),
        }
    }
    states.append(&mut versions);
    states.append(&mut others);
    if states.is_empty() {
        // Every change is told of: a record without any is one that changed nothing.
        states.push("nothing but indexes".to_owned());
    }
    states
}

fn state(change: &Change) -> Option<String> {
    let Change::Put(table, key, value) = change else { return None };
    let use_of = |suspended| if suspended { "suspended" } else { "active" };
    Some(match table {
        Table::Key => {
            let row: KeyRow = rows::decode("keys", value).ok()?;
            format!("key {} {}", row.id, key_state(row.state))
        }
        Table::KeyVersion => {
            let row: VersionRow = rows::decode("key versions", value).ok()?;
            format!("version {} {} {}", row.key, row.ordinal, version_state(row.state))
        }
        Table::Tenant => {
            let row: TenantRow = rows::decode("tenants", value).ok()?;
            format!("tenant {} {}", row.id, use_of(row.suspended))
        }
        Table::Principal => {
            let row: PrincipalRow = rows::decode("principals", value).ok()?;
            format!("principal {} {}", hex(key), use_of(row.suspended))
        }
        Table::Credential => {
            let row: CredentialRow = rows::decode("credentials", value).ok()?;
            format!("credential {} {}", hex(key), use_of(row.suspended))
        }
        _ => return None,
    })
}

/// A row that is no index and whose content is not told.
fn other(change: &Change) -> Option<String> {
    let (what, table, key) = match change {
        Change::Put(table, key, _) => ("put", table, key),
        Change::Delete(table, key) => ("delete", table, key),
    };
    Some(format!("{what} {} {}", table_name(*table)?, hex(key)))
}

/// The name of a table in records; none for indexes and for what is not a change.
const fn table_name(table: Table) -> Option<&'static str> {
    Some(match table {
        Table::Installation => "installation",
        Table::Root => "root",
        Table::DomainKey => "domain-key",
        Table::Principal => "principal",
        Table::Credential => "credential",
        Table::IdentityPolicy => "identity-policy",
        Table::Binding => "binding",
        Table::Grant => "grant",
        Table::Guardrail => "guardrail",
        Table::Key => "key",
        Table::KeyVersion => "version",
        Table::Tenant => "tenant",
        Table::TokenIssuer => "token-issuer",
        Table::LooseObject => "loose-object",
        Table::StoreLink => "store-link",
        Table::TenantByAccount
        | Table::PrincipalByName
        | Table::VersionByMaterial
        | Table::BindingByKey
        | Table::GrantByRetiring
        | Table::Schedule
        | Table::Outbox
        | Table::Usage
        | Table::UseCounter
        | Table::CredentialByPrincipal
        | Table::KeyByLineage
        | Table::KeyByStoreLink
        | Table::ConnectingLink => return None,
    })
}

fn hex(key: &[u8]) -> String {
    let mut digits = String::new();
    for byte in key.iter().take(KEY_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn key_state(state: KeyState) -> String {
    match state {
        KeyState::PreActivation => "pre-activation".to_owned(),
        KeyState::Active => "active".to_owned(),
        KeyState::Suspended => "suspended".to_owned(),
        KeyState::DestructionScheduled { at } => format!("destruction-scheduled {}", at.0),
        KeyState::Destroyed => "destroyed".to_owned(),
        KeyState::DestructionAwaitsReplicas { days } => format!("destruction-awaits-replicas {days}"),
    }
}

const fn version_state(state: VersionState) -> &'static str {
    match state {
        VersionState::Active => "active",
        VersionState::Deactivated => "deactivated",
        VersionState::Suspended => "suspended",
        VersionState::Destroyed => "destroyed",
        VersionState::Pending => "pending",
        VersionState::Absent => "absent",
    }
}

/// Reads what [`describe`] told; `None` for anything else.
pub(crate) fn parse(told: &str) -> Option<StateChange> {
    let words: Vec<&str> = told.split(' ').collect();
    Some(match *words.as_slice() {
        ["key", id, "destruction-scheduled", at] => {
            let at = Timestamp(at.parse().ok()?);
            StateChange::Key(KeyId::from_hex(id)?, KeyState::DestructionScheduled { at })
        }
        ["key", id, "destruction-awaits-replicas", days] => {
            let days = days.parse().ok()?;
            StateChange::Key(KeyId::from_hex(id)?, KeyState::DestructionAwaitsReplicas { days })
        }
        ["key", id, state] => {
            let state = match state {
                "pre-activation" => KeyState::PreActivation,
                "active" => KeyState::Active,
                "suspended" => KeyState::Suspended,
                "destroyed" => KeyState::Destroyed,
                _ => return None,
            };
            StateChange::Key(KeyId::from_hex(id)?, state)
        }
        ["version", id, ordinal, state] => {
            let state = match state {
                "active" => VersionState::Active,
                "deactivated" => VersionState::Deactivated,
                "suspended" => VersionState::Suspended,
                "destroyed" => VersionState::Destroyed,
                "pending" => VersionState::Pending,
                "absent" => VersionState::Absent,
                _ => return None,
            };
            StateChange::Version(KeyId::from_hex(id)?, ordinal.parse().ok()?, state)
        }
        ["tenant", id, state @ ("active" | "suspended")] => {
            StateChange::Tenant(TenantId::from_hex(id)?, state == "suspended")
        }
        ["principal", key, state @ ("active" | "suspended")] => {
            StateChange::Row(Table::Principal, unhex(key)?, state == "suspended")
        }
        ["credential", key, state @ ("active" | "suspended")] => {
            StateChange::Row(Table::Credential, unhex(key)?, state == "suspended")
        }
        [what @ ("put" | "delete"), table, key] => {
            let named = |wanted: &&Table| table_name(**wanted) == Some(table);
            let (table, key) = (*Table::ALL.iter().find(named)?, unhex(key)?);
            if what == "put" { StateChange::Written(table, key) } else { StateChange::Removed(table, key) }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use strongroom_model::store::{Precondition, Revision, Row};

    use super::*;

    #[test]
    fn states_read_back_as_they_were_told() {
        let id = KeyId::from_bytes([7; 16]);
        let states = [
            KeyState::PreActivation,
            KeyState::Active,
            KeyState::Suspended,
            KeyState::DestructionScheduled { at: Timestamp(12_345) },
            KeyState::Destroyed,
            KeyState::DestructionAwaitsReplicas { days: 7 },
        ];
        for state in states {
            assert_eq!(parse(&format!("key {id} {}", key_state(state))), Some(StateChange::Key(id, state)));
        }
        for state in [
            VersionState::Active,
            VersionState::Deactivated,
            VersionState::Suspended,
            VersionState::Destroyed,
            VersionState::Pending,
            VersionState::Absent,
        ] {
            let told = format!("version {id} 3 {}", version_state(state));
            assert_eq!(parse(&told), Some(StateChange::Version(id, 3, state)));
        }
    }

    #[test]
    fn rows_read_back_as_they_were_told() {
        assert_eq!(parse("principal 01 suspended"), Some(StateChange::Row(Table::Principal, vec![1], true)));
        assert_eq!(parse("credential 41 active"), Some(StateChange::Row(Table::Credential, b"A".to_vec(), false)));
        assert_eq!(parse("put grant 0aff"), Some(StateChange::Written(Table::Grant, vec![10, 255])));
        assert_eq!(parse("delete grant 0aff"), Some(StateChange::Removed(Table::Grant, vec![10, 255])));
    }

    #[test]
    fn other_words_are_no_states() {
        for told in
            ["", "key", "key 00 active", "put nothing 00", "put grant 0", "key 07070707070707070707070707070707 asleep"]
        {
            assert_eq!(parse(told), None, "{told}");
        }
    }

    #[test]
    fn a_keys_and_a_tenants_state_is_told_before_those_of_many_versions() {
        let mut batch = Batch::default();
        for ordinal in 1..=40 {
            let version = rows::tests::version();
            let version = VersionRow { ordinal, ..version };
            batch.put(Table::KeyVersion, crate::keys::version(version.key, ordinal), rows::encode(&version));
        }
        batch.put(Table::Key, vec![8; 16], rows::encode(&rows::tests::key()));
        batch.put(Table::Tenant, vec![4; 16], rows::encode(&rows::tests::tenant()));
        let told = describe(&batch);
        assert_eq!(told.len(), 42);
        assert!(told[..2].iter().any(|told| told.starts_with("key ")), "{told:?}");
        assert!(told[..2].iter().any(|told| told.starts_with("tenant ")), "{told:?}");
    }

    #[test]
    fn of_a_row_that_is_only_touched_no_state_is_told_and_nobody_looks_again() {
        let row = rows::tests::key();
        let read = Row { key: row.id.as_bytes().to_vec(), value: Vec::new(), revision: Revision(7) };
        let mut batch = Batch::default();
        batch.touch(Table::Key, &read, rows::encode(&row));
        batch.put(Table::Binding, vec![0xab], Vec::new());
        assert_eq!(describe(&batch), ["put binding ab"]);
        assert!(!crate::commit::changes_use(&batch));
        assert!(crate::commit::changes_use(&Batch { touched: Vec::new(), ..batch.clone() }));
        assert_eq!(batch.preconditions, [Precondition::Unchanged(Table::Key, read.key, read.revision)]);
    }

    #[test]
    fn a_change_is_never_told_as_none() {
        let mut batch = Batch::default();
        batch.put(Table::Schedule, vec![1], Vec::new());
        assert_eq!(describe(&batch), ["nothing but indexes"]);
        batch.delete(Table::Binding, vec![0xab]);
        assert_eq!(describe(&batch), ["delete binding ab"]);
    }
}
