//! Aliases: names beside a key's own.

use bytes::Bytes;
use strongroom_engine::KeyReference;
use strongroom_engine::operations::inspect::{ListNames, ListNamesWithKeys};
use strongroom_engine::operations::name::{CreateName, DeleteName, MoveName};
use strongroom_model::action::Action;
use strongroom_model::name::Name;

use super::{NOTHING, requests};
use crate::attributes::Carried;
use crate::check::{self, Check};
use crate::context::Context;
use crate::dialect::{ALIAS, KEY_ID};
use crate::error::Fault;
use crate::limits;
use crate::names::{ALIAS_PREFIX, Accepts};
use crate::paging::Listing;
use crate::wire::{Json, Text};

requests! {
    /// `CreateAlias`, `UpdateAlias`, `DeleteAlias`
    AliasRequest { alias_name: Text<'a>, target_key_id: Text<'a>, }
    /// `ListAliases`
    ListAliasesRequest { key_id: Text<'a>, limit: i64, marker: Text<'a>, }
}

/// The aliases that AWS keeps for its own services.
const RESERVED: &str = "alias/aws/";
const NO_PREFIX: &str = "Alias must start with the prefix \"alias/\". \
     Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";

/// The alias of a request, and the key, where it has one.
fn read<'r>(
    context: &Context<'_>,
    request: &'r AliasRequest<'_>,
    with_key: bool,
) -> Result<(Name, &'r str, crate::context::Detail), Fault> {
    let mut check = Check::default();
    let alias = check.required("aliasName", request.alias_name.as_ref(), &limits::NAME);
    check.characters("aliasName", alias, check::is_name_character, check::NAME_PATTERN);
    let key = match with_key {
        true => check.required("targetKeyId", request.target_key_id.as_ref(), &limits::KEY_ID),
        false => "",
    };
    check.done()?;
    match alias.strip_prefix(ALIAS_PREFIX) {
        None => return Err(Fault::validation(NO_PREFIX)),
        Some("") => return Err(Fault::own("InvalidAliasNameException", "The alias has no name behind its prefix.")),
        Some(_) if alias.starts_with(RESERVED) => return Err(Fault::own("NotAuthorizedException", "")),
        Some(_) => {}
    }
    let mut detail = vec![("aliasName", alias.to_owned())];
    if with_key {
        detail.push(("targetKeyId", key.to_owned()));
    }
    Ok((context.alias(alias), key, detail))
}

pub(super) async fn create(context: &Context<'_>, request: AliasRequest<'_>) -> Result<Bytes, Fault> {
    let (name, key, detail) = read(context, &request, true)?;
    if name.text.contains(':') {
        return Err(Fault::validation(format!("{} contains invalid characters for an alias", name.text)));
    }
    let operation = CreateName { name, key: context.key(key, Accepts::Targets).await? };
    context.perform(Carried::default(), detail, operation, None).await.map(|()| NOTHING)
}

pub(super) async fn update(context: &Context<'_>, request: AliasRequest<'_>) -> Result<Bytes, Fault> {
    let (name, key, detail) = read(context, &request, true)?;
    let operation = MoveName { name, key: context.key(key, Accepts::Targets).await? };
    context.perform(Carried::default(), detail, operation, None).await.map(|()| NOTHING)
}

pub(super) async fn delete(context: &Context<'_>, request: AliasRequest<'_>) -> Result<Bytes, Fault> {
    let (name, _, detail) = read(context, &request, false)?;
    context.perform(Carried::default(), detail, DeleteName { name }, None).await.map(|()| NOTHING)
}

pub(super) async fn list(context: &Context<'_>, request: ListAliasesRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.optional("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_PAGE);
    check.done()?;
    let page = listing.open(context, &[key.unwrap_or_default()])?;
    let detail = key.map(|key| ("keyId", key.to_owned())).into_iter().collect();
    let key = context.optional_key(key, Accepts::Keys).await?;
    // The listing is of the caller's own account; another's key has no place in it.
    if let Some(KeyReference::Name(name)) = &key
        && name.tenant != context.caller.tenant
    {
        return Err(context.hidden());
    }
    let names = ListNames {
        tenant: context.caller.tenant,
        region: Box::from(&*context.region),
        kind: ALIAS,
        action: Action::ListAliases,
        key,
        after: page.after_text(),
        limit: page.limit,
    };
    let found = context.perform(Carried::default(), detail, ListNamesWithKeys { names }, None).await?;
    let mut json = Json::with_room(384 * found.items.len() + 256);
    json.list("Aliases", &found.items, |list, (alias, key)| {
        list.item(|item| {
            let arn = context.dialect.arn(&context.caller.account, &context.region, &alias.text);
            item.text("AliasName", &alias.text)
                .text("AliasArn", &arn)
                .text_if("TargetKeyId", key.name(KEY_ID, &context.region))
                .time("CreationDate", alias.created)
                .time("LastUpdatedDate", alias.updated);
        });
    });
    page.close(context, &mut json, found.items.last().filter(|_| found.more).map(|(last, _)| last.text.as_bytes()))?;
    Ok(json.finish())
}
