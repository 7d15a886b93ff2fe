//! Making keys for other front ends, and setting what of them can change.
//!
//! Here identity policies decide, so no key policy locks anyone out. One that would where the key is used is refused all the
//! same, unless the request says that it is meant.

use strongroom_admin_api::{
    CreateKey, KeyDescription, KeyPolicy, KeyRotation, PutKeyPolicy, Tag, Tags, spec as spec_named,
    usages as usages_named,
};
use strongroom_engine::operations::govern::GovernKey;
use strongroom_engine::operations::inspect::{InspectKey, InspectPolicy};
use strongroom_engine::operations::key::{self, Edit, EditKey};
use strongroom_engine::operations::name::CreateNamedKey;
use strongroom_engine::{KeyReference, NewKey};
use strongroom_model::action::Action;
use strongroom_model::spec::Origin;

use crate::bindings::{bounded, find};
use crate::context::Context;
use crate::error::AdminError;
use crate::keys::shown;
use crate::reply::Reply;

pub(crate) async fn create(context: &Context<'_>) -> Result<Reply, AdminError> {
    let asked: CreateKey = context.body()?;
    let (owner, kind) = find(context.admin, &asked.kind)?;
    if asked.names.is_empty() || kind == owner.key_kind() {
        return Err(AdminError::Value { field: "names", problem: "must be names beside the front end's own" });
    }
    let spec = spec_named(&asked.spec).map_err(AdminError::Body)?;
    let usages = usages_named(&asked.usages, spec).map_err(AdminError::Body)?;
    let tenant = context.tenant().await?;
    let drawn = context.admin.engine.identifier()?;
    let NewKey { name, policy } = owner
        .new_key(drawn, context.segment("account"))
        .ok_or_else(|| AdminError::KeyNotOffered(asked.kind.clone()))?;
    let mut detail = vec![("spec", asked.spec), ("region", asked.region.clone()), ("names", asked.names.join(" "))];
    // The record tells the policy that the key begins with: one that is too long for it leaves its digest there.
    detail.extend(asked.policy.iter().map(|policy| ("policy", policy.clone())));
    let names = asked.names.into_iter().map(|name| bounded(tenant, asked.region.clone(), kind, name));
    let names = names.collect::<Result<_, _>>()?;
    // The front end's own policy for new keys needs no look: whoever has the tenant has the key.
    let bypass_lockout = asked.bypass_lockout || asked.policy.is_none();
    let key = key::CreateKey {
        tenant,
        name: bounded(tenant, asked.region, owner.key_kind(), name)?,
        spec,
        usages,
        description: asked.description,
        policy: asked.policy.unwrap_or(policy),
        bypass_lockout: true,
        origin: Origin::Generated,
        multi_region: false,
        tags: asked.tags.into_iter().map(|Tag { name, value }| (name, value)).collect(),
    };
    let entry = context.perform_telling(CreateNamedKey { key, names, owner, bypass_lockout }, detail).await?;
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
    let owners = context.admin.dialects.iter().copied().filter(|dialect| dialect.has_key_policies()).collect();
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
    let tags = tags.into_iter().map(|Tag { name, value }| (name, value)).collect();
    edit(context, Edit::Tag(tags), detail).await
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

async fn edit(context: &Context<'_>, edit: Edit, detail: Vec<(&'static str, String)>) -> Result<Reply, AdminError> {
    let key = KeyReference::Id(context.key()?);
    context.perform_telling(EditKey { key, edit }, detail).await?;
    Ok(Reply::done())
}
