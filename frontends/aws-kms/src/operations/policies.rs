//! Key policies: each key has one, and it is called `default`.

use bytes::Bytes;
use strongroom_engine::operations::inspect::InspectPolicy;
use strongroom_engine::operations::key::Edit;

use super::keys::{edit, inspect};
use super::{NOTHING, requests};
use crate::attributes::{Carried, Carries};
use crate::check::{self, Check};
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::paging::Listing;
use crate::wire::{Json, Text};

requests! {
    /// `GetKeyPolicy`
    GetKeyPolicyRequest { key_id: Text<'a>, policy_name: Text<'a>, }
    /// `PutKeyPolicy`
    PutKeyPolicyRequest {
        key_id: Text<'a>,
        policy_name: Text<'a>,
        policy: Text<'a>,
        bypass_policy_lockout_safety_check: bool,
    }
    /// `ListKeyPolicies`
    ListKeyPoliciesRequest { key_id: Text<'a>, limit: i64, marker: Text<'a>, }
}

/// The one name.
const DEFAULT: &str = "default";

fn policy_name<'r>(check: &mut Check, name: Option<&'r Text<'_>>) -> Option<&'r str> {
    let path = "policyName";
    let name = check.optional(path, name, &limits::POLICY_NAME);
    check.characters(path, name.unwrap_or_default(), check::is_policy_name_character, check::POLICY_NAME_PATTERN);
    name
}

fn check_name(name: Option<&str>) -> Result<(), Fault> {
    match name.unwrap_or(DEFAULT) {
        DEFAULT => Ok(()),
        _ => Err(Fault::not_found("No such policy exists")),
    }
}

pub(super) async fn get(context: &Context<'_>, request: GetKeyPolicyRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let name = policy_name(&mut check, request.policy_name.as_ref());
    check.done()?;
    check_name(name)?;
    let operation = InspectPolicy { key: context.key(key, Accepts::Keys).await? };
    let policy = context.perform(Carried::default(), vec![("keyId", key.to_owned())], operation, None).await?;
    let mut json = Json::with_room(policy.len() + 256);
    json.text("Policy", &policy).text("PolicyName", DEFAULT);
    Ok(json.finish())
}

pub(super) async fn put(context: &Context<'_>, request: PutKeyPolicyRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let name = policy_name(&mut check, request.policy_name.as_ref());
    let policy = check.required("policy", request.policy.as_ref(), &limits::POLICY);
    check.characters("policy", policy, check::is_policy_character, check::POLICY_PATTERN);
    check.done()?;
    check_name(name)?;
    let bypass_lockout = request.bypass_policy_lockout_safety_check.unwrap_or(false);
    let carried = Carried::default().with("kms:bypasspolicylockoutsafetycheck", Carries::Flag(bypass_lockout));
    let change = Edit::ReplacePolicy { document: policy.to_owned(), bypass_lockout };
    let detail = vec![("bypassPolicyLockoutSafetyCheck", bypass_lockout.to_string()), ("policy", policy.to_owned())];
    edit(context, key, change, carried, detail).await.map(|_| NOTHING)
}

pub(super) async fn list(context: &Context<'_>, request: ListKeyPoliciesRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_KEYS_PAGE);
    check.done()?;
    let page = listing.open(context, &[key])?;
    inspect(context, key, Accepts::Keys).await?;
    let mut json = Json::new();
    json.texts("PolicyNames", [DEFAULT]);
    page.close(context, &mut json, None)?;
    Ok(json.finish())
}
