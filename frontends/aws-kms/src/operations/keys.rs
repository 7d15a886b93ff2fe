//! Keys: made, described, listed, enabled and disabled, deleted.

use bytes::Bytes;
use strongroom_engine::operations::external_link::CreateDoubledKey;
use strongroom_engine::operations::inspect::{InspectKey, ListNames, Page};
use strongroom_engine::operations::key::{CreateKey, Edit, EditKey};
use strongroom_engine::operations::lineage::InspectLineage;
use strongroom_engine::operations::store_link::CreateLinkedKey;
use strongroom_engine::operations::usage::ReadLastUse;
use strongroom_engine::{KeyEntry, KeyRow, MultiRegion};
use strongroom_model::action::Action;
use strongroom_model::name::Name;
use strongroom_model::purpose::KeyState;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::usage::Usage;

use super::replicas::type_word;
use super::tags::{self, Tag};
use super::{NOTHING, OneKey, metadata, requests};
use crate::attributes::{Carried, Carries};
use crate::check::{self, Check};
use crate::context::{Context, check_grant_tokens};
use crate::dialect::KEY_ID;
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::paging::Listing;
use crate::wire::{Json, Text};
use crate::words::{self, KeyUsage, word};

use std::sync::Arc;

requests! {
    /// `CreateKey`
    CreateKeyRequest {
        policy: Text<'a>,
        description: Text<'a>,
        key_usage: Text<'a>,
        customer_master_key_spec: Text<'a>,
        key_spec: Text<'a>,
        origin: Text<'a>,
        custom_key_store_id: Text<'a>,
        xks_key_id: Text<'a>,
        bypass_policy_lockout_safety_check: bool,
        tags: Vec<Tag<'a>>,
        multi_region: bool,
    }
    /// `DescribeKey`
    DescribeKeyRequest { key_id: Text<'a>, grant_tokens: Vec<Text<'a>>, }
    /// `ListKeys`
    ListKeysRequest { limit: i64, marker: Text<'a>, resource_owners: Vec<Text<'a>>, }
    /// `ScheduleKeyDeletion`
    ScheduleKeyDeletionRequest { key_id: Text<'a>, pending_window_in_days: i64, }
    /// `UpdateKeyDescription`
    UpdateKeyDescriptionRequest { key_id: Text<'a>, description: Text<'a>, }
}

pub(super) async fn create(context: &Context<'_>, request: CreateKeyRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let policy = check.optional("policy", request.policy.as_ref(), &limits::POLICY);
    check.characters("policy", policy.unwrap_or_default(), check::is_policy_character, check::POLICY_PATTERN);
    let description = check.optional("description", request.description.as_ref(), &limits::DESCRIPTION);
    let usage = check.choice("keyUsage", request.key_usage.as_ref(), words::KEY_USAGES);
    let former =
        check.choice("customerMasterKeySpec", request.customer_master_key_spec.as_ref(), words::FORMER_KEY_SPECS);
    let spec = check.choice("keySpec", request.key_spec.as_ref(), words::KEY_SPECS);
    let origin = check.choice("origin", request.origin.as_ref(), words::ORIGINS).unwrap_or(Origin::Generated);
    let store = check.optional("customKeyStoreId", request.custom_key_store_id.as_ref(), &limits::STORE_ID);
    let external = check.optional("xksKeyId", request.xks_key_id.as_ref(), &limits::EXTERNAL_KEY_ID);
    if let Some(external) = external {
        check.characters("xksKeyId", external, check::is_external_key_character, check::EXTERNAL_KEY_PATTERN);
    }
    let tags = tags::check(&mut check, request.tags.as_deref());
    check.done()?;
    tags::check_reserved(&tags)?;
    if former.is_some() && spec.is_some() && former != spec {
        return Err(Fault::validation("You cannot specify KeySpec and CustomerMasterKeySpec in the same request."));
    }
    let spec = spec.or(former).unwrap_or(KeySpec::Aes256);
    let (usage_word, usage) = usage_for(usage, spec)?;
    let bypass_lockout = request.bypass_policy_lockout_safety_check.unwrap_or(false);
    let multi_region = request.multi_region.unwrap_or(false);
    let home = home(store, external, origin, spec, multi_region)?;
    let carried = to_be(spec, usage_word, origin, multi_region)
        .with("kms:bypasspolicylockoutsafetycheck", Carries::Flag(bypass_lockout))
        .with_tags(&tags);
    let id = strongroom_authentication::random_id(context.engine).map_err(|error| context.unrecorded(&error))?;
    let id = if multi_region { format!("mrk-{}", id.replace('-', "")) } else { id };
    let mut detail = vec![
        ("keySpec", word(words::KEY_SPECS, &spec).to_owned()),
        ("keyUsage", usage_word.to_owned()),
        ("origin", words::origin(origin).to_owned()),
        ("multiRegion", multi_region.to_string()),
        ("keyId", id.clone()),
    ];
    let operation = CreateKey {
        tenant: context.caller.tenant,
        name: Name { kind: KEY_ID, ..context.alias(&id) },
        spec,
        usages: vec![usage],
        origin,
        multi_region,
        description: description.unwrap_or_default().to_owned(),
        policy: policy.map_or_else(|| context.dialect.default_key_policy(&context.caller.account), str::to_owned),
        bypass_lockout,
        tags,
    };
    let entry = match home {
        Home::Here => context.perform(carried, detail, operation, None).await?,
        Home::Cluster { store } => {
            detail.push(("customKeyStoreId", store.to_owned()));
            let operation = CreateLinkedKey { key: operation, link: store.to_owned() };
            context.perform(carried, detail, operation, None).await?
        }
        Home::External { store, key } => {
            detail.extend([("customKeyStoreId", store.to_owned()), ("xksKeyId", key.to_owned())]);
            let operation = CreateDoubledKey { key: operation, link: store.to_owned(), external: key.to_owned() };
            context.perform(carried, detail, operation, None).await?
        }
    };
    Ok(described(context, &entry, &[], false))
}

/// What conditions on a key see of one that is to be made.
fn to_be(spec: KeySpec, usage_word: &'static str, origin: Origin, multi_region: bool) -> Carried {
    let carried = Carried::default()
        .with("kms:keyspec", Carries::Word(word(words::KEY_SPECS, &spec)))
        .with("kms:customermasterkeyspec", Carries::Word(word(words::KEY_SPECS, &spec)))
        .with("kms:keyusage", Carries::Word(usage_word))
        .with("kms:customermasterkeyusage", Carries::Word(usage_word))
        .with("kms:keyorigin", Carries::Word(words::origin(origin)))
        .with("kms:multiregion", Carries::Flag(multi_region));
    match multi_region {
        true => carried.with("kms:multiregionkeytype", Carries::Word(type_word(MultiRegion::Primary))),
        false => carried,
    }
}

/// Where a new key is to be.
enum Home<'r> {
    Here,
    /// In a CloudHSM key store.
    Cluster {
        store: &'r str,
    },
    /// In an external key store, doubled by a key that its manager has.
    External {
        store: &'r str,
        key: &'r str,
    },
}

/// Where a key is to be, if it is one that can be there.
fn home<'r>(
    store: Option<&'r str>,
    external: Option<&'r str>,
    origin: Origin,
    spec: KeySpec,
    multi_region: bool,
) -> Result<Home<'r>, Fault> {
    let home = match (origin, store, external) {
        (Origin::Doubled, Some(store), Some(key)) => Home::External { store, key },
        (Origin::Doubled, ..) => {
            return Err(Fault::validation("Origin EXTERNAL_KEY_STORE needs a CustomKeyStoreId and an XksKeyId."));
        }
        (_, _, Some(_)) => return Err(Fault::validation("An XksKeyId needs the Origin EXTERNAL_KEY_STORE.")),
        (Origin::Resident, Some(store), None) => Home::Cluster { store },
        (Origin::Resident, None, None) => {
            return Err(Fault::validation("Origin AWS_CLOUDHSM needs a CustomKeyStoreId."));
        }
        (Origin::Generated | Origin::Imported, None, None) => return Ok(Home::Here),
        (Origin::Generated | Origin::Imported, Some(_), None) => {
            let needed = "A key in a custom key store needs the Origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE.";
            return Err(Fault::validation(needed));
        }
    };
    match spec == KeySpec::Aes256 && !multi_region {
        true => Ok(home),
        false => Err(Fault::unsupported("Custom key stores have symmetric encryption keys of one Region only.")),
    }
}

/// The usage that a key is made for: AWS leaves it out for symmetric encryption keys only.
fn usage_for(asked: Option<KeyUsage>, spec: KeySpec) -> Result<(&'static str, Usage), Fault> {
    let usage = match (asked, spec) {
        (Some(usage), _) => usage,
        (None, KeySpec::Aes256) => KeyUsage::EncryptDecrypt,
        (None, _) => {
            return Err(Fault::validation(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ));
        }
    };
    let usage_word = word(words::KEY_USAGES, &usage);
    let spec_word = word(words::KEY_SPECS, &spec);
    let unfit = || Fault::validation(format!("KeyUsage {usage_word} is not compatible with KeySpec {spec_word}"));
    Ok((usage_word, words::usage_of(usage, spec).ok_or_else(unfit)?))
}

fn described(context: &Context<'_>, entry: &KeyEntry, others: &[KeyEntry], unreachable: bool) -> Bytes {
    let mut json = Json::with_room(1024);
    json.object("KeyMetadata", |json| metadata::write(json, context, entry, &entry.row, others, unreachable));
    json.finish()
}

pub(super) async fn describe(context: &Context<'_>, request: DescribeKeyRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    check.done()?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let detail = vec![("keyId", key.to_owned())];
    let operation =
        InspectLineage { key: context.key(key, Accepts::AliasesOrArns).await?, action: Action::DescribeKey };
    let (entry, others, unreachable) = context.perform(Carried::default(), detail, operation, None).await?;
    Ok(described(context, &entry, &others, unreachable))
}

/// Reads a key as the operation wants it.
pub(super) async fn inspect(context: &Context<'_>, key: &str, accepts: Accepts) -> Result<Arc<KeyEntry>, Fault> {
    let operation = InspectKey { key: context.key(key, accepts).await?, action: context.operation.action() };
    context.perform(Carried::default(), vec![("keyId", key.to_owned())], operation, None).await
}

/// Changes a key.
pub(super) async fn edit(
    context: &Context<'_>,
    key: &str,
    edit: Edit,
    carried: Carried,
    mut detail: crate::context::Detail,
) -> Result<(Arc<KeyEntry>, KeyRow), Fault> {
    detail.push(("keyId", key.to_owned()));
    let operation = EditKey { key: context.key(key, Accepts::Keys).await?, edit };
    context.perform(carried, detail, operation, None).await
}

/// The key of a request that says nothing else.
pub(super) fn only_key<'r>(request: &'r OneKey<'_>) -> Result<&'r str, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check.done()?;
    Ok(key)
}

/// An answer that is a key's ARN.
pub(super) fn arn_of(context: &Context<'_>, entry: &KeyEntry) -> Json {
    let mut json = Json::new();
    json.text("KeyId", &entry.resource(context.dialect, &context.region));
    json
}

pub(super) async fn list(context: &Context<'_>, request: ListKeysRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_KEYS_PAGE);
    let asked = request.resource_owners.as_deref();
    let owners = check.choices("resourceOwners", asked, limits::RESOURCE_OWNERS, words::RESOURCE_OWNERS);
    check.done()?;
    // Nobody shares keys by a resource share: of others there are none to list.
    let own = asked.is_none_or(<[_]>::is_empty) || owners.contains(&true);
    let listing = listing.open(context, &[])?;
    let operation = ListNames {
        tenant: context.caller.tenant,
        region: Box::from(&*context.region),
        kind: KEY_ID,
        action: Action::ListKeys,
        key: None,
        after: listing.after_text(),
        limit: listing.limit,
    };
    let mut page = context.perform(Carried::default(), Vec::new(), operation, None).await?;
    if !own {
        page = Page { items: Vec::new(), more: false };
    }
    let mut json = Json::with_room(160 * page.items.len() + 256);
    json.list("Keys", &page.items, |list, binding| {
        list.item(|item| {
            let arn = context.dialect.arn(&context.caller.account, &context.region, &format!("key/{}", binding.text));
            item.text("KeyId", &binding.text).text("KeyArn", &arn);
        });
    });
    listing.close(context, &mut json, page.items.last().filter(|_| page.more).map(|last| last.text.as_bytes()))?;
    Ok(json.finish())
}

pub(super) async fn enable(context: &Context<'_>, request: OneKey<'_>) -> Result<Bytes, Fault> {
    edit(context, only_key(&request)?, Edit::Resume, Carried::default(), Vec::new()).await.map(|_| NOTHING)
}

pub(super) async fn disable(context: &Context<'_>, request: OneKey<'_>) -> Result<Bytes, Fault> {
    edit(context, only_key(&request)?, Edit::Suspend, Carried::default(), Vec::new()).await.map(|_| NOTHING)
}

pub(super) async fn schedule_deletion(
    context: &Context<'_>,
    request: ScheduleKeyDeletionRequest<'_>,
) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let days = check.range("pendingWindowInDays", request.pending_window_in_days, &limits::DELETION_DAYS);
    check.done()?;
    let days = days.unwrap_or(limits::DEFAULT_DELETION_DAYS);
    let carried = Carried::default().with("kms:schedulekeydeletionpendingwindowindays", Carries::Number(days));
    let detail = vec![("pendingWindowInDays", days.to_string())];
    let days = u32::try_from(days).unwrap_or(u32::MAX);
    let (entry, row) = edit(context, key, Edit::ScheduleDestruction { days }, carried, detail).await?;
    let mut json = arn_of(context, &entry);
    if let KeyState::DestructionScheduled { at } = row.state {
        json.time("DeletionDate", at);
    }
    json.text("KeyState", words::key_state(row.state)).number("PendingWindowInDays", days.into());
    Ok(json.finish())
}

pub(super) async fn cancel_deletion(context: &Context<'_>, request: OneKey<'_>) -> Result<Bytes, Fault> {
    let key = only_key(&request)?;
    let (entry, _) = edit(context, key, Edit::CancelDestruction, Carried::default(), Vec::new()).await?;
    Ok(arn_of(context, &entry).finish())
}

pub(super) async fn update_description(
    context: &Context<'_>,
    request: UpdateKeyDescriptionRequest<'_>,
) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let description = check.required("description", request.description.as_ref(), &limits::DESCRIPTION);
    check.done()?;
    let change = Edit::Describe(description.to_owned());
    edit(context, key, change, Carried::default(), Vec::new()).await.map(|_| NOTHING)
}

pub(super) async fn last_usage(context: &Context<'_>, request: OneKey<'_>) -> Result<Bytes, Fault> {
    let key = only_key(&request)?;
    let operation = ReadLastUse { key: context.key(key, Accepts::Keys).await? };
    let detail = vec![("keyId", key.to_owned())];
    let (entry, last) = context.perform(Carried::default(), detail, operation, None).await?;
    let mut json = arn_of(context, &entry);
    json.object("KeyLastUsage", |json| {
        if let Some(last) = last {
            json.text("Operation", usage_operation(last.action))
                .time("Timestamp", last.at)
                .text("CloudTrailEventId", &strongroom_authentication::hyphenated(last.record.as_bytes()))
                .text("KmsRequestId", &last.request_id);
        }
    });
    // Every use is counted since the key was made.
    json.time("TrackingStartDate", entry.row.created).time("KeyCreationDate", entry.row.created);
    Ok(json.finish())
}

/// The operation that a use was part of, as AWS's `KeyLastUsageTrackingOperation` names it.
fn usage_operation(action: Action) -> &'static str {
    match action {
        Action::ReEncryptFrom | Action::ReEncryptTo => "ReEncrypt",
        other => crate::dialect::action_name(other).trim_start_matches("kms:"),
    }
}
