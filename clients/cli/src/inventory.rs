//! The inventory of a tenant's cryptography: as a table, as JSON, as CSV (RFC 4180), and as a cryptographic bill of
//! materials (CycloneDX 1.6, ECMA-424).
//!
//! In the bill, each algorithm and each key version is a cryptographic asset. Absent on purpose: a serial number, so that
//! two bills of the same keys differ in their time alone.

use serde_json::{Value, json};
use strongroom_admin_api::{
    Algorithm, Endpoint, InventoryKey, KeyVersion, PageQuery, PageSize, Time, UsageCount, limits,
};

use crate::arguments::{Format, InventoryFormat, InventoryOptions};
use crate::client::Client;
use crate::environment::Environment;
use crate::error::CliError;
use crate::output::Output;
use crate::usage::newest;

pub(crate) fn inventory(
    client: &Client<'_>,
    output: &mut Output<'_>,
    options: &InventoryOptions,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    let tenant = options.of.tenant.as_str();
    let limit = PageSize::new(limits::PAGE_SIZE_MAX);
    let keys: Vec<InventoryKey> =
        client.every(Endpoint::GetInventory, &[tenant], |after| PageQuery { limit, after })?;
    match (options.format, output.format()) {
        (Some(InventoryFormat::Csv), _) => output.raw(&csv(&keys)),
        (Some(InventoryFormat::Cyclonedx), _) => {
            output.json(&bill(tenant, &keys, Time::from_millis((environment.now)())))
        }
        (Some(InventoryFormat::Json), _) | (None, Format::Json | Format::Cloudtrail) => {
            output.json(&json!({ "items": keys }))
        }
        (None, Format::Table) => {
            let headings =
                ["KEY", "NAME", "ALGORITHM", "BITS", "QUANTUM LEVEL", "STATE", "CREATED", "USES", "LAST USE"];
            output.list(&keys, &headings, |key| {
                let level = key.algorithms.iter().map(|algorithm| algorithm.nist_quantum_security_level).min();
                vec![
                    key.key.id.clone(),
                    name(key).to_owned(),
                    algorithms(key),
                    key.key_bits.to_string(),
                    level.unwrap_or_default().to_string(),
                    key.key.state.clone(),
                    key.key.created.to_string(),
                    key.uses.to_string(),
                    newest(key.last_use.as_ref()),
                ]
            })
        }
    }
}

/// What a key is called: the first of the names that someone chose, else what its front end calls it.
fn name(key: &InventoryKey) -> &str {
    let chosen = |binding: &&strongroom_admin_api::Binding| (binding.kind.ends_with("-key-id"), binding.name.clone());
    key.key.bindings.iter().min_by_key(chosen).map_or(&key.key.id, |binding| &binding.name)
}

fn algorithms(key: &InventoryKey) -> String {
    key.algorithms.iter().map(|algorithm| algorithm.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// Uses of one version by algorithm and caller, whatever for.
fn uses(key: &InventoryKey, version: u32) -> Vec<UsageCount> {
    let mut sums: Vec<UsageCount> = Vec::new();
    for count in key.usage.iter().filter(|count| count.version == version) {
        let same = |sum: &&mut UsageCount| sum.algorithm == count.algorithm && sum.caller == count.caller;
        match sums.iter_mut().find(same) {
            None => sums.push(count.clone()),
            Some(sum) => {
                sum.uses = sum.uses.saturating_add(count.uses);
                if count.first.0 < sum.first.0 {
                    sum.first = count.first;
                }
                if count.last.0 > sum.last.0 {
                    sum.last = count.last;
                }
            }
        }
    }
    sums
}

const COLUMNS: &str = "key,account,region,name,spec,algorithms,key_bits,classical_security_bits,\
    nist_quantum_security_level,key_state,created,expires,version,version_state,activated,algorithm,caller,uses,\
    first_use,last_use,key_store";

/// A line for each version, algorithm and caller; a version that was never used has one line.
fn csv(keys: &[InventoryKey]) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    for key in keys {
        let weakest = |strength: fn(&Algorithm) -> u32| key.algorithms.iter().map(strength).min().unwrap_or_default();
        let of_key = [
            key.key.id.clone(),
            key.key.account.clone(),
            key.key.region.clone(),
            name(key).to_owned(),
            key.key.spec.clone(),
            algorithms(key),
            key.key_bits.to_string(),
            weakest(|algorithm| algorithm.classical_security_bits).to_string(),
            weakest(|algorithm| u32::from(algorithm.nist_quantum_security_level)).to_string(),
            key.key.state.clone(),
            key.key.created.to_string(),
            key.key.destruction.as_ref().map(Time::to_string).unwrap_or_default(),
        ];
        for version in &key.key.versions {
            let of_version = [version.ordinal.to_string(), version.state.clone(), version.created.to_string()];
            let mut lines: Vec<[String; 5]> = uses(key, version.ordinal).into_iter().map(cells).collect();
            if lines.is_empty() {
                lines.push([String::new(), String::new(), "0".to_owned(), String::new(), String::new()]);
            }
            for line in lines {
                let store = key.key.key_store.clone().unwrap_or_default();
                let cells = of_key.iter().chain(&of_version).chain(&line).chain([&store]).map(|cell| quoted(cell));
                text.push_str(&cells.collect::<Vec<_>>().join(","));
                text.push_str("\r\n");
            }
        }
    }
    text
}

fn cells(count: UsageCount) -> [String; 5] {
    let UsageCount { algorithm, caller, uses, first, last, .. } = count;
    let caller = caller.unwrap_or_else(|| "others".to_owned());
    [algorithm.unwrap_or_default(), caller, uses.to_string(), first.to_string(), last.to_string()]
}

/// A cell, in quotes where it must be. One that a spreadsheet would take for a formula is led by an apostrophe.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    match cell.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

fn bill(tenant: &str, keys: &[InventoryKey], now: Time) -> Value {
    let mut known: Vec<&Algorithm> = keys.iter().flat_map(|key| &key.algorithms).collect();
    known.sort_by(|one, other| one.name.cmp(&other.name));
    known.dedup_by(|one, other| one.name == other.name);
    let versions = || keys.iter().flat_map(|key| key.key.versions.iter().map(move |version| (key, version)));
    let components = known.iter().map(|algorithm| algorithm_asset(algorithm));
    let components: Vec<Value> = components.chain(versions().map(|(key, version)| key_asset(key, version))).collect();
    let dependencies = versions().map(|(key, version)| {
        let on = key.algorithms.iter().map(algorithm_reference).collect::<Vec<_>>();
        json!({ "ref": key_reference(key, version), "dependsOn": on })
    });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": now,
            "tools": { "components": [
                { "type": "application", "name": "strongroom", "version": env!("CARGO_PKG_VERSION") }
            ] },
            "component": { "type": "platform", "bom-ref": format!("tenant/{tenant}"), "name": format!("tenant {tenant}") },
        },
        "components": components,
        "dependencies": dependencies.collect::<Vec<_>>(),
    })
}

fn algorithm_reference(algorithm: &Algorithm) -> String {
    format!("algorithm/{}", algorithm.name)
}

fn key_reference(key: &InventoryKey, version: &KeyVersion) -> String {
    format!("key/{}/{}", key.key.id, version.ordinal)
}

fn algorithm_asset(algorithm: &Algorithm) -> Value {
    let mut properties = json!({
        "primitive": algorithm.primitive,
        "parameterSetIdentifier": algorithm.parameters,
        "cryptoFunctions": algorithm.functions,
        "classicalSecurityLevel": algorithm.classical_security_bits,
        "nistQuantumSecurityLevel": algorithm.nist_quantum_security_level,
    });
    for (member, value) in [("curve", &algorithm.curve), ("mode", &algorithm.mode), ("padding", &algorithm.padding)] {
        if let (Some(members), Some(value)) = (properties.as_object_mut(), value) {
            members.insert(member.to_owned(), value.as_str().into());
        }
    }
    json!({
        "type": "cryptographic-asset",
        "bom-ref": algorithm_reference(algorithm),
        "name": algorithm.name,
        "cryptoProperties": { "assetType": "algorithm", "algorithmProperties": properties },
    })
}

fn key_asset(key: &InventoryKey, version: &KeyVersion) -> Value {
    let algorithm = key.algorithms.first();
    let secret = algorithm.is_none_or(|algorithm| matches!(&*algorithm.primitive, "ae" | "block-cipher" | "mac"));
    let state = state(&key.key.state, &version.state);
    let mut properties = json!({
        "type": if secret { "secret-key" } else { "private-key" },
        "id": key_reference(key, version),
        "state": state,
        "size": key.key_bits,
        "creationDate": version.created,
    });
    if let Some(members) = properties.as_object_mut() {
        members.extend(algorithm.map(|algorithm| ("algorithmRef".to_owned(), algorithm_reference(algorithm).into())));
        let activated = (state != "pre-activation").then(|| json!(version.created));
        members.extend(activated.map(|at| ("activationDate".to_owned(), at)));
        members.extend(key.key.destruction.as_ref().map(|at| ("expirationDate".to_owned(), json!(at))));
    }
    let mut said = vec![
        ("strongroom:key".to_owned(), key.key.id.clone()),
        ("strongroom:version".to_owned(), version.ordinal.to_string()),
        ("strongroom:account".to_owned(), key.key.account.clone()),
        ("strongroom:region".to_owned(), key.key.region.clone()),
        ("strongroom:usages".to_owned(), key.key.usages.join(" ")),
        ("strongroom:key-state".to_owned(), key.key.state.clone()),
    ];
    said.extend(key.key.key_store.iter().map(|store| ("strongroom:key-store".to_owned(), store.clone())));
    said.extend(key.last_use.as_ref().map(|last| ("strongroom:key-last-use".to_owned(), last.at.to_string())));
    said.extend(uses(key, version.ordinal).into_iter().map(|count| {
        let [algorithm, caller, uses, ..] = cells(count);
        (format!("strongroom:uses:{algorithm}:{caller}"), uses)
    }));
    let said: Vec<Value> = said.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "type": "cryptographic-asset",
        "bom-ref": key_reference(key, version),
        "name": name(key),
        "description": key.key.description,
        "cryptoProperties": {
            "assetType": "related-crypto-material",
            "relatedCryptoMaterialProperties": properties,
        },
        "properties": said,
    })
}

/// The state of a key version in CycloneDX's words, which are those of SP 800-57 part 1: the key's, where that ends use, else
/// the version's own.
fn state(key: &str, version: &str) -> &'static str {
    match (key, version) {
        ("Destroyed", _) | (_, "Destroyed") => "destroyed",
        ("DestructionScheduled" | "DestructionAwaitsReplicas", _) => "deactivated",
        ("PreActivation", _) | (_, "Pending" | "Absent") => "pre-activation",
        ("Suspended", _) | (_, "Suspended") => "suspended",
        (_, "Deactivated") => "deactivated",
        _ => "active",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_csv_is_quoted_where_it_must_be_and_is_no_formula() {
        assert_eq!(quoted("alias/app"), "alias/app");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }

    #[test]
    fn a_version_is_in_no_better_state_than_its_key() {
        assert_eq!(state("Active", "Active"), "active");
        assert_eq!(state("Active", "Deactivated"), "deactivated");
        assert_eq!(state("Suspended", "Active"), "suspended");
        assert_eq!(state("Suspended", "Destroyed"), "destroyed");
        assert_eq!(state("DestructionScheduled", "Active"), "deactivated");
        assert_eq!(state("PreActivation", "Pending"), "pre-activation");
        assert_eq!(state("Destroyed", "Active"), "destroyed");
    }
}
