//! Rotation: at intervals, on demand, and what has been rotated.

use std::cmp::Ordering;

use bytes::Bytes;
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::lineage::{InspectLineage, held_by_all};
use strongroom_engine::operations::rotation::RotateKey;
use strongroom_engine::{KeyEntry, RotationCause, VersionRow};
use strongroom_model::clock::Timestamp;
use strongroom_model::purpose::KeyState;

use super::keys::{arn_of, edit, inspect, only_key};
use super::{NOTHING, OneKey, imports, requests};
use crate::attributes::{Carried, Carries};
use crate::check::Check;
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::paging::Listing;
use crate::wire::{Json, Text};
use crate::words;

requests! {
    /// `EnableKeyRotation`
    EnableKeyRotationRequest { key_id: Text<'a>, rotation_period_in_days: i64, }
    /// `ListKeyRotations`
    ListKeyRotationsRequest { key_id: Text<'a>, include_key_material: Text<'a>, limit: i64, marker: Text<'a>, }
}

pub(super) async fn enable(context: &Context<'_>, request: EnableKeyRotationRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let days = check.range("rotationPeriodInDays", request.rotation_period_in_days, &limits::ROTATION_DAYS);
    check.done()?;
    let days = days.unwrap_or(limits::DEFAULT_ROTATION_DAYS);
    let carried = Carried::default().with("kms:rotationperiodindays", Carries::Number(days));
    let detail = vec![("rotationPeriodInDays", days.to_string())];
    let change = Edit::EnableRotation { period_days: u32::try_from(days).unwrap_or(u32::MAX) };
    edit(context, key, change, carried, detail).await.map(|_| NOTHING)
}

pub(super) async fn disable(context: &Context<'_>, request: OneKey<'_>) -> Result<Bytes, Fault> {
    edit(context, only_key(&request)?, Edit::DisableRotation, Carried::default(), Vec::new()).await.map(|_| NOTHING)
}

pub(super) async fn status(context: &Context<'_>, request: OneKey<'_>) -> Result<Bytes, Fault> {
    let entry = inspect(context, only_key(&request)?, Accepts::Keys).await?;
    let mut json = arn_of(context, &entry);
    // A key that is to be deleted isn't rotated; it is again once its deletion is called off.
    let pending = matches!(entry.row.state, KeyState::DestructionScheduled { .. });
    let rotation = entry.row.rotation.filter(|_| !pending);
    json.flag("KeyRotationEnabled", rotation.is_some());
    if let Some(rotation) = rotation {
        json.number("RotationPeriodInDays", rotation.period_days.into()).time("NextRotationDate", rotation.next);
    }
    Ok(json.finish())
}

pub(super) async fn rotate(context: &Context<'_>, request: OneKey<'_>) -> Result<Bytes, Fault> {
    let key = only_key(&request)?;
    let detail = vec![("keyId", key.to_owned())];
    let operation = RotateKey { key: context.key(key, Accepts::Keys).await?, cause: RotationCause::OnDemand };
    let entry = context.perform(Carried::default(), detail, operation, None).await?;
    Ok(arn_of(context, &entry).finish())
}

pub(super) async fn list(context: &Context<'_>, request: ListKeyRotationsRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let all = check.choice("includeKeyMaterial", request.include_key_material.as_ref(), words::ROTATION_LISTS);
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_KEYS_PAGE);
    check.done()?;
    let all = all.unwrap_or(false);
    let page = listing.open(context, &[key, if all { "all" } else { "rotations" }])?;
    let operation = InspectLineage { key: context.key(key, Accepts::Keys).await?, action: context.operation.action() };
    let detail = vec![("keyId", key.to_owned())];
    let (entry, others, _) = context.perform(Carried::default(), detail, operation, None).await?;
    let listed = |version: &&VersionRow| version.ordinal > page.after_number() && (all || rotated(version).is_some());
    let mut versions: Vec<&VersionRow> = entry.versions.iter().filter(listed).collect();
    let more = versions.len() > page.limit;
    versions.truncate(page.limit);
    let arn = entry.resource(context.dialect, &context.region);
    let mut json = Json::with_room(320 * versions.len() + 256);
    json.list("Rotations", &versions, |list, version| {
        list.item(|item| {
            item.text("KeyId", &arn).digest("KeyMaterialId", &version.published);
            item.text("KeyMaterialState", material_state(version, &entry, &others));
            if let Some(imported) = &version.imported {
                let described = Some(imported.description.as_str()).filter(|description| !description.is_empty());
                item.text_if("KeyMaterialDescription", described)
                    .text("ImportState", if version.lacks_material() { "PENDING_IMPORT" } else { "IMPORTED" });
                imports::write_expiry(item, std::iter::once(*version));
            }
            if let Some(at) = rotated(version) {
                let on_demand = version.cause == RotationCause::OnDemand;
                item.time("RotationDate", at).text("RotationType", if on_demand { "ON_DEMAND" } else { "AUTOMATIC" });
            }
        });
    });
    let last = versions.last().filter(|_| more).map(|version| version.ordinal.to_be_bytes());
    page.close(context, &mut json, last.as_ref().map(|last| last.as_slice()))?;
    Ok(json.finish())
}

/// When the rotation happened that made the version current; none for a key's first and for what waits for one.
fn rotated(version: &VersionRow) -> Option<Timestamp> {
    let made = match &version.imported {
        Some(imported) => imported.rotated,
        None => Some(version.created),
    };
    made.filter(|_| version.cause != RotationCause::Creation)
}

fn material_state(version: &VersionRow, entry: &KeyEntry, others: &[KeyEntry]) -> &'static str {
    match version.ordinal.cmp(&entry.row.current) {
        Ordering::Less => "NON_CURRENT",
        Ordering::Equal => "CURRENT",
        Ordering::Greater if held_by_all(others.iter().chain([entry]), version.material) => "PENDING_ROTATION",
        Ordering::Greater => "PENDING_MULTI_REGION_IMPORT_AND_ROTATION",
    }
}
