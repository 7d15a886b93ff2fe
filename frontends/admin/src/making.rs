//! Making keys for other front ends, and setting what of them can change.
//!
//! Here identity policies decide, so no key policy locks anyone out. One that would where the key is used is refused all the
//! same, unless the request says that it is meant.

use std::ops::RangeInclusive;

use strongroom_admin_api::{
    CreateKey, KeyDescription, KeyPolicy, KeyRotation, PutKeyPolicy, Tag, Tags, spec as spec_named,
    usages as usages_named,
};
use strongroom_engine::operations::alone::{CheckAlone, InCharge};
use strongroom_engine::operations::govern::GovernKey;
use strongroom_engine::operations::inspect::{InspectKey, InspectPolicy};
use strongroom_engine::operations::key::{self, Edit, EditKey};
use strongroom_engine::operations::name::CreateNamedKey;
use strongroom_engine::{Dialect, KeyReference, Kind, NewKey};
use strongroom_model::action::Action;
use strongroom_model::name::NameKind;
use strongroom_model::spec::Origin;

use crate::bindings::{bounded, find};
use crate::context::Context;
use crate::error::AdminError;
use crate::keys::shown;
use crate::reply::Reply;
use crate::services::{inside, key_store};
use crate::xks::served;

/// Characters of a tag's name and value, as AWS has them.
const TAG_NAME: RangeInclusive<usize> = 1..=128;
const TAG_VALUE: usize = 256;

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let asked: CreateKey = context.body()?;
    let (owner, kind) = find(context.admin, &asked.kind)?;
    if kind == owner.key_kind() {
        return Err(AdminError::Value { field: "names", problem: "must be names beside the front end's own" });
    }
    let spec = spec_named(&asked.spec).map_err(AdminError::Body)?;
    let usages = usages_named(&asked.usages, spec).map_err(AdminError::Body)?;
    let region = region(context, asked.region)?;
    let store = asked.key_store.as_deref().map(key_store).transpose()?;
    if store.is_some() && asked.rotation_period_days.is_some() {
        let problem = "is not for a key in a key store, whose material is one for good: rotate by an alias";
        return Err(AdminError::Value { field: "rotation_period_days", problem });
    }
    asked.names.iter().try_for_each(|name| check_name(owner, kind, name))?;
    check_tags(&asked.tags)?;
    if context.is_alone() {
        let CreateKey { policy, tags, bypass_lockout, .. } = asked;
        let in_charge = (!bypass_lockout).then(|| in_charge(context, owner, context.segment("account"), region));
        let document = policy.map(|policy| (policy, Kind::Resource));
        context.perform(CheckAlone { document, in_charge, tags: pairs(tags) }).await?;
        return Ok(Reply::done());
    }
    let tenant = context.tenant().await?;
    let drawn = context.admin.engine.identifier()?;
    let NewKey { name, policy } = owner
        .new_key(drawn, context.segment("account"))
        .ok_or_else(|| AdminError::KeyNotOffered(asked.kind.clone()))?;
    let mut detail = vec![("spec", asked.spec), ("region", region.clone()), ("names", asked.names.join(" "))];
    detail.extend(store.iter().map(|store| ("key_store", store.to_string())));
    // The record tells the policy that the key begins with: one that is too long for it leaves its digest there.
    detail.extend(asked.policy.iter().map(|policy| ("policy", policy.clone())));
    let names = asked.names.into_iter().map(|name| bounded(tenant, region.clone(), kind, name));
    let names = names.collect::<Result<_, _>>()?;
    // The front end's own policy for new keys needs no look: whoever has the tenant has the key.
    let bypass_lockout = asked.bypass_lockout || asked.policy.is_none();
    let key = key::CreateKey {
        tenant,
        name: bounded(tenant, region, owner.key_kind(), name)?,
        spec,
        usages,
        description: asked.description,
        policy: asked.policy.unwrap_or(policy),
        bypass_lockout: true,
        origin: Origin::Generated,
        multi_region: false,
        tags: pairs(asked.tags),
    };
    let key = inside(key, store.as_ref());
    let make = CreateNamedKey { key, names, owner, bypass_lockout, store };
    let entry = context.perform_telling(make, detail).await?;
    let mut answer = shown(context.admin, &entry, entry.row.state);
    if let Some(period_days) = asked.rotation_period_days {
        let edit = EditKey { key: KeyReference::Id(entry.row.id), edit: Edit::EnableRotation { period_days } };
        let (_, row) = context.perform(edit).await?;
        answer.rotation_period_days = row.rotation.map(|rotation| rotation.period_days);
        answer.next_rotation = row.rotation.map(|rotation| rotation.next.into());
    }
    Reply::created(&answer)
}

pub(crate) async fn policy(context: &Context<'_>) -> Result<Reply, AdminError> {
    let key = KeyReference::Id(context.key()?);
    Reply::ok(&KeyPolicy { document: context.perform(InspectPolicy { key }).await? })
}

pub(crate) async fn put_policy(context: &Context<'_>) -> Result<Reply, AdminError> {
    let PutKeyPolicy { document, bypass_lockout } = context.body()?;
    let detail = vec![("policy", document.clone())];
    let key = KeyReference::Id(context.key()?);
    let mut owners = context.admin.dialects.iter().copied().filter(|dialect| dialect.has_key_policies());
    if context.is_alone() {
        let entry = context.read(InspectKey { key, action: Action::GetKeyPolicy }).await?;
        let (region, account) = (&entry.row.region, &entry.tenant.account);
        let owner = owners.find(|owner| entry.name(owner.key_kind(), region).is_some()).filter(|_| !bypass_lockout);
        let in_charge = owner.map(|owner| in_charge(context, owner, account, region.to_string()));
        let document = Some((document, Kind::Resource));
        context.perform(CheckAlone { document, in_charge, tags: Vec::new() }).await?;
        return Ok(Reply::done());
    }
    let owners = owners.collect();
    context.perform_telling(GovernKey { key, document, bypass_lockout, owners }, detail).await?;
    Ok(Reply::done())
}

pub(crate) async fn tags(context: &Context<'_>) -> Result<Reply, AdminError> {
    let key = KeyReference::Id(context.key()?);
    let entry = context.perform(InspectKey { key, action: Action::ListKeyTags }).await?;
    let mut tags: Vec<Tag> =
        entry.row.tags.iter().map(|(name, value)| Tag { name: name.clone(), value: value.clone() }).collect();
    tags.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Reply::ok(&Tags { tags })
}

pub(crate) async fn tag(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Tags { tags } = context.body()?;
    let detail = vec![("tags", tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>().join(" "))];
    check_tags(&tags)?;
    edit(context, Edit::Tag(pairs(tags)), detail).await
}

pub(crate) async fn describe(context: &Context<'_>) -> Result<Reply, AdminError> {
    let KeyDescription { description } = context.body()?;
    edit(context, Edit::Describe(description), Vec::new()).await
}

pub(crate) async fn rotation(context: &Context<'_>) -> Result<Reply, AdminError> {
    let KeyRotation { period_days } = context.body()?;
    let detail = vec![("period_days", period_days.map_or_else(|| "off".to_owned(), |days| days.to_string()))];
    let change = period_days.map_or(Edit::DisableRotation, |period_days| Edit::EnableRotation { period_days });
    edit(context, change, detail).await
}

/// The region that something is to be made in: one that is served, and where it is not said the only one.
fn region(context: &Context<'_>, asked: Option<String>) -> Result<String, AdminError> {
    match (asked, context.admin.regions.as_slice()) {
        (Some(region), _) => served(context, [&region]).map(|()| region),
        (None, [only]) => Ok(only.to_string()),
        (None, _) => {
            Err(AdminError::Value { field: "region", problem: "must be named where a server serves several regions" })
        }
    }
}

fn check_name(owner: &dyn Dialect, kind: NameKind, name: &str) -> Result<(), AdminError> {
    match owner.kinds().iter().find(|owned| owned.kind == kind) {
        Some(owned) if !(owned.is_name)(name) => {
            Err(AdminError::Name { name: name.chars().take(512).collect(), kind: owned.name })
        }
        _ => Ok(()),
    }
}

/// No client of AWS KMS could take such a tag away again.
fn check_tags(tags: &[Tag]) -> Result<(), AdminError> {
    let reserved = |tag: &&Tag| tag.name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    let misshapen = |tag: &&Tag| !TAG_NAME.contains(&tag.name.chars().count()) || tag.value.chars().count() > TAG_VALUE;
    let shown = |tag: &Tag| tag.name.chars().take(*TAG_NAME.end()).collect();
    if let Some(tag) = tags.iter().find(misshapen) {
        return Err(AdminError::TagLength(shown(tag)));
    }
    match tags.iter().find(reserved) {
        Some(tag) => Err(AdminError::ReservedTag(shown(tag))),
        None => Ok(()),
    }
}

fn pairs(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|Tag { name, value }| (name, value)).collect()
}

fn in_charge(context: &Context<'_>, owner: &'static dyn Dialect, account: &str, region: String) -> InCharge {
    let root_name = format!("arn:{}:iam::{account}:root", context.admin.partition);
    InCharge { owner, account: account.to_owned(), root_name, region }
}

async fn edit(context: &Context<'_>, edit: Edit, detail: Vec<(&'static str, String)>) -> Result<Reply, AdminError> {
    let key = KeyReference::Id(context.key()?);
    context.perform_telling(EditKey { key, edit }, detail).await?;
    Ok(Reply::done())
}
