//! Multi-Region keys: `ReplicateKey`, `UpdatePrimaryRegion`, and what describes them.

use std::sync::Arc;

use bytes::Bytes;
use strongroom_engine::operations::lineage::{MovePrimary, ReplicateKey};
use strongroom_engine::{KeyEntry, KeyReference, MultiRegion};
use strongroom_model::name::Name;

use super::tags::{self, Tag};
use super::{NOTHING, metadata, requests};
use crate::attributes::{Carried, Carries};
use crate::check::{self, Check};
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::wire::{Json, Text};

requests! {
    /// `ReplicateKey`
    ReplicateRequest {
        key_id: Text<'a>,
        replica_region: Text<'a>,
        policy: Text<'a>,
        bypass_policy_lockout_safety_check: bool,
        description: Text<'a>,
        tags: Vec<Tag<'a>>,
    }
    /// `UpdatePrimaryRegion`
    UpdatePrimaryRequest { key_id: Text<'a>, primary_region: Text<'a>, }
}

pub(super) async fn replicate(context: &Context<'_>, request: ReplicateRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let region = required_region(&mut check, "replicaRegion", request.replica_region.as_ref());
    let policy = check.optional("policy", request.policy.as_ref(), &limits::POLICY);
    check.characters("policy", policy.unwrap_or_default(), check::is_policy_character, check::POLICY_PATTERN);
    let description = check.optional("description", request.description.as_ref(), &limits::DESCRIPTION);
    let tags = tags::check(&mut check, request.tags.as_deref());
    check.done()?;
    tags::check_reserved(&tags)?;
    let bypass_lockout = request.bypass_policy_lockout_safety_check.unwrap_or(false);
    let carried = Carried::default()
        .with("kms:replicaregion", Carries::Text(region.to_owned()))
        .with("kms:bypasspolicylockoutsafetycheck", Carries::Flag(bypass_lockout))
        .with_tags(&tags);
    let detail = vec![("keyId", key.to_owned()), ("replicaRegion", region.to_owned())];
    let key = context.key(key, Accepts::Keys).await?;
    let name = in_region(context, &key, region)?;
    let policy = policy.map_or_else(|| context.dialect.default_key_policy(&context.caller.account), str::to_owned);
    let answered_policy = policy.clone();
    let answered_tags = tags.clone();
    let operation = ReplicateKey {
        key,
        name,
        description: description.unwrap_or_default().to_owned(),
        policy,
        bypass_lockout,
        tags,
    };
    let (replica, lineage) = context.perform(carried, detail, operation, None).await?;
    let mut json = Json::with_room(2048 + answered_policy.len());
    json.object("ReplicaKeyMetadata", |json| metadata::write(json, context, &replica, &replica.row, &lineage, false))
        .text("ReplicaPolicy", &answered_policy);
    json.list("ReplicaTags", &answered_tags, |list, (key, value)| {
        list.item(|item| {
            item.text("TagKey", key).text("TagValue", value);
        });
    });
    Ok(json.finish())
}

pub(super) async fn update_primary(context: &Context<'_>, request: UpdatePrimaryRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let region = required_region(&mut check, "primaryRegion", request.primary_region.as_ref());
    check.done()?;
    let carried = Carried::default().with("kms:primaryregion", Carries::Text(region.to_owned()));
    let detail = vec![("keyId", key.to_owned()), ("primaryRegion", region.to_owned())];
    let key = context.key(key, Accepts::Keys).await?;
    let relative = in_region(context, &key, region)?;
    // A key of one region has no relatives: that is said of it, rather than that they don't exist.
    let replica = if relative.text.starts_with("mrk-") { KeyReference::Name(relative) } else { key.clone() };
    context.perform(carried, detail, MovePrimary { key, replica }, None).await.map(|()| NOTHING)
}

fn required_region<'r>(check: &mut Check, path: &str, region: Option<&'r Text<'_>>) -> &'r str {
    let region = check.required(path, region, &limits::REGION);
    check.characters(path, region, check::is_region_character, check::REGION_PATTERN);
    region
}

/// The name of a key's relative in another region, which one of the installation's listeners must serve.
fn in_region(context: &Context<'_>, key: &KeyReference, region: &str) -> Result<Name, Fault> {
    match key {
        KeyReference::Name(name) if context.regions.iter().any(|served| **served == *region) => {
            Ok(Name { region: region.into(), ..name.clone() })
        }
        _ => Err(Fault::unsupported(format!("The region {region} is not one that this installation serves."))),
    }
}

/// `MultiRegion`, and for a multi-Region key `MultiRegionConfiguration`; `others` are the other keys of its lineage.
pub(super) fn write_configuration(json: &mut Json, context: &Context<'_>, entry: &KeyEntry, others: &[KeyEntry]) {
    json.flag("MultiRegion", entry.row.multi_region.is_some());
    let Some(kind) = entry.row.multi_region else { return };
    let mut lineage: Vec<&KeyEntry> = others.iter().chain([entry]).collect();
    lineage.sort_unstable_by(|one, other| one.row.region.cmp(&other.row.region));
    let place = |item: &mut Json, key: &KeyEntry| {
        item.text("Arn", &arn(context, key)).text("Region", &key.row.region);
    };
    json.object("MultiRegionConfiguration", |json| {
        json.text("MultiRegionKeyType", type_word(kind));
        if let Some(primary) = lineage.iter().find(|key| key.row.multi_region == Some(MultiRegion::Primary)) {
            json.object("PrimaryKey", |json| place(json, primary));
        }
        lineage.retain(|key| key.row.multi_region == Some(MultiRegion::Replica));
        json.list("ReplicaKeys", &lineage, |list, key| {
            list.item(|item| place(item, key));
        });
    });
}

/// AWS's word for a key's part.
pub(crate) const fn type_word(kind: MultiRegion) -> &'static str {
    match kind {
        MultiRegion::Primary => "PRIMARY",
        MultiRegion::Replica => "REPLICA",
    }
}

fn arn(context: &Context<'_>, key: &KeyEntry) -> Arc<str> {
    key.resource(context.dialect, &Arc::from(key.row.region.as_str()))
}
