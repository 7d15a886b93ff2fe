//! A key as KMS describes it.

use std::sync::Arc;

use strongroom_engine::{KeyEntry, KeyRow};
use strongroom_model::purpose::KeyState;
use strongroom_model::spec::KeySpec;

use super::{imports, replicas};
use crate::context::Context;
use crate::dialect::KEY_ID;
use crate::wire::Json;
use crate::words::{self, word};

/// `KeyMetadata`: `row` is the key as it is now, `entry` all that does not change with it, `others` its
/// lineage's. `unreachable` tells that its custom key store is not connected.
pub(super) fn write(
    json: &mut Json,
    context: &Context<'_>,
    entry: &KeyEntry,
    row: &KeyRow,
    others: &[KeyEntry],
    unreachable: bool,
) {
    // One that is to be deleted stays so.
    let unavailable = unreachable && matches!(row.state, KeyState::Active | KeyState::Suspended);
    let state = if unavailable { "Unavailable" } else { words::key_state(row.state) };
    // A new replica is not of the request's region.
    let region = match *row.region == *context.region || row.multi_region.is_none() {
        true => Arc::clone(&context.region),
        false => Arc::from(row.region.as_str()),
    };
    json.text("AWSAccountId", &entry.tenant.account)
        .text("KeyId", entry.name(KEY_ID, &region).unwrap_or_default())
        .text("Arn", &entry.resource(context.dialect, &region))
        .time("CreationDate", row.created)
        .flag("Enabled", row.state == KeyState::Active && !unavailable)
        .text("Description", &row.description)
        .text("KeyUsage", words::key_usage_word(entry.profile))
        .text("KeyState", state);
    if let KeyState::DestructionScheduled { at } = row.state {
        json.time("DeletionDate", at);
    }
    if let KeyState::DestructionAwaitsReplicas { days } = row.state {
        json.number("PendingDeletionWindowInDays", days.into());
    }
    json.text("Origin", words::origin(row.origin)).text("KeyManager", "CUSTOMER");
    // A key that was made in a token without a custom key store is in none.
    let cluster = row.store.as_ref().and_then(|store| context.cluster_of(store));
    json.text_if("CustomKeyStoreId", row.link.as_deref()).text_if("CloudHsmClusterId", cluster);
    if let Some(external) = &row.external {
        json.object("XksKeyConfiguration", |json| {
            json.text("Id", external);
        });
    }
    write_spec(json, row.spec);
    write_algorithms(json, entry);
    replicas::write_configuration(json, context, entry, others);
    imports::write_expiry(json, entry.versions.iter().filter(|version| version.ordinal <= row.current));
    // Of a key in a custom key store AWS tells none: it has one material for good, as every key in a token has.
    let rotates = row.spec == KeySpec::Aes256 && row.link.is_none() && row.store.is_none();
    if let Some(current) = entry.current().filter(|_| rotates) {
        json.digest("CurrentKeyMaterialId", &current.published);
    }
}

/// A key's spec under its name, and under its former one where that knows it.
pub(super) fn write_spec(json: &mut Json, spec: KeySpec) {
    let former = Some(word(words::FORMER_KEY_SPECS, &spec)).filter(|former| !former.is_empty());
    json.text_if("CustomerMasterKeySpec", former).text("KeySpec", word(words::KEY_SPECS, &spec));
}

/// A key's algorithms, under the name that its usage gives them.
pub(super) fn write_algorithms(json: &mut Json, entry: &KeyEntry) {
    if let Some((member, algorithms)) = words::algorithms(entry) {
        json.texts(member, algorithms);
    }
}
