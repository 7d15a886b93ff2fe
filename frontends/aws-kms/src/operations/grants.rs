//! Grants: made, listed, retired, revoked.

use std::sync::Arc;

use bytes::Bytes;
use strongroom_engine::operations::grant::{CreateGrant, EndGrant, ListGrants, ListRetirableGrants};
use strongroom_engine::{GrantRow, KeyEntry, KeyReference};
use strongroom_model::action::Action;
use strongroom_model::caller::Principal;
use strongroom_model::id::{GrantId, KeyId};

use super::{NOTHING, requests};
use crate::attributes::{Carried, Carries};
use crate::check::{self, Check};
use crate::context::{Context, Detail, check_grant_tokens};
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::paging::Listing;
use crate::wire::{self, Json, Pairs, Text};
use crate::words::{self, word};

requests! {
    /// What must hold for a grant to count.
    Constraints { encryption_context_equals: Pairs, encryption_context_subset: Pairs, source_arn: Text<'a>, }
    /// `CreateGrant`
    CreateGrantRequest {
        key_id: Text<'a>,
        grantee_principal: Text<'a>,
        grantee_service_principal: Text<'a>,
        retiring_principal: Text<'a>,
        retiring_service_principal: Text<'a>,
        operations: Vec<Text<'a>>,
        constraints: Constraints<'a>,
        grant_tokens: Vec<Text<'a>>,
        name: Text<'a>,
        dry_run: bool,
    }
    /// `ListGrants`
    ListGrantsRequest {
        key_id: Text<'a>,
        grant_id: Text<'a>,
        grantee_principal: Text<'a>,
        grantee_service_principal: Text<'a>,
        limit: i64,
        marker: Text<'a>,
    }
    /// `ListRetirableGrants`
    ListRetirableGrantsRequest {
        retiring_principal: Text<'a>,
        retiring_service_principal: Text<'a>,
        limit: i64,
        marker: Text<'a>,
    }
    /// `RetireGrant`, `RevokeGrant`
    EndGrantRequest { grant_token: Text<'a>, key_id: Text<'a>, grant_id: Text<'a>, dry_run: bool, }
}

pub(super) async fn create(context: &Context<'_>, request: CreateGrantRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let (principal, service) = (request.grantee_principal.as_ref(), request.grantee_service_principal.as_ref());
    let grantee = Party::check(&mut check, GRANTEE, principal, service).required(&mut check);
    let (principal, service) = (request.retiring_principal.as_ref(), request.retiring_service_principal.as_ref());
    let retiring = Party::check(&mut check, RETIRING, principal, service);
    let actions = operations(&mut check, request.operations.as_deref());
    let name = check.optional("name", request.name.as_ref(), &limits::NAME);
    check.characters("name", name.unwrap_or_default(), check::is_name_character, check::NAME_PATTERN);
    let constraints = request.constraints;
    let source_arn = constraints.as_ref().and_then(|constraints| constraints.source_arn.as_ref());
    let source_resource = check.optional("constraints.sourceArn", source_arn, &limits::SOURCE_ARN).map(str::to_owned);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    check.done()?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let (grantee, retiring) = (grantee.settle(context)?.unwrap_or_default(), retiring.settle(context)?);
    if is_service(grantee) && (source_resource.is_none() || retiring.is_none()) {
        let message = "A grant to a service principal needs a SourceArn constraint and a retiring principal.";
        return Err(Fault::validation(message));
    }
    let (equals, subset) = constraints.map_or((None, None), |constraints| {
        (constraints.encryption_context_equals, constraints.encryption_context_subset)
    });
    // A grant may be made under conditions, or by a grant with constraints, on the context that it is made for.
    let (carried, _) = Carried::context(equals.as_ref().or(subset.as_ref()).cloned());
    let (context_equals, context_subset) = (equals.map(|pairs| pairs.0), subset.map(|pairs| pairs.0));
    let mut carried = carried
        .with(GRANTEE.condition_key(grantee), Carries::Text(grantee.to_owned()))
        .with("kms:grantisforawsresource", Carries::Flag(false));
    for action in &actions {
        carried = carried.with("kms:grantoperations", Carries::Word(word(words::GRANT_OPERATIONS, action)));
    }
    if let Some(retiring) = retiring {
        carried = carried.with(RETIRING.condition_key(retiring), Carries::Text(retiring.to_owned()));
    }
    if let Some(arn) = &source_resource {
        carried = carried.with("kms:grantconstraintsourcearn", Carries::Text(arn.clone()));
    }
    let kinds = [
        ("EncryptionContextEquals", context_equals.is_some()),
        ("EncryptionContextSubset", context_subset.is_some()),
        ("SourceArn", source_resource.is_some()),
    ];
    for (kind, _) in kinds.iter().filter(|(_, given)| *given) {
        carried = carried.with("kms:grantconstrainttype", Carries::Word(kind));
    }
    let detail = create_detail(key, grantee, retiring, &actions, name);
    let operation = CreateGrant {
        key: context.key(key, Accepts::Keys).await?,
        grantee: grantee.to_owned(),
        retiring: retiring.map(str::to_owned),
        actions,
        context_equals,
        context_subset,
        source_resource,
        name: name.map(str::to_owned),
    };
    let made = context.perform(carried, detail, operation, request.dry_run).await?;
    let mut json = Json::new();
    json.text("GrantToken", &wire::encode(&made.token)).text("GrantId", &made.id.to_string());
    Ok(json.finish())
}

fn create_detail(key: &str, grantee: &str, retiring: Option<&str>, actions: &[Action], name: Option<&str>) -> Detail {
    let operations: Vec<&str> = actions.iter().map(|action| word(words::GRANT_OPERATIONS, action)).collect();
    let mut detail = vec![
        ("keyId", key.to_owned()),
        (GRANTEE.detail(grantee), grantee.to_owned()),
        ("operations", operations.join(",")),
    ];
    detail.extend(retiring.map(|retiring| (RETIRING.detail(retiring), retiring.to_owned())));
    detail.extend(name.map(|name| ("name", name.to_owned())));
    detail
}

fn operations(check: &mut Check, given: Option<&[Text<'_>]>) -> Vec<Action> {
    check.present("operations", given);
    check.choices("operations", given, limits::GRANT_OPERATIONS, words::GRANT_OPERATIONS)
}

/// Whom a grant speaks of in one of its two parts, and how the API names that part.
#[derive(Clone, Copy)]
struct Part {
    path: &'static str,
    service_path: &'static str,
    members: [&'static str; 2],
    condition_keys: [&'static str; 2],
}

const GRANTEE: Part = Part {
    path: "granteePrincipal",
    service_path: "granteeServicePrincipal",
    members: ["GranteePrincipal", "GranteeServicePrincipal"],
    condition_keys: ["kms:granteeprincipal", "kms:granteeserviceprincipal"],
};
const RETIRING: Part = Part {
    path: "retiringPrincipal",
    service_path: "retiringServicePrincipal",
    members: ["RetiringPrincipal", "RetiringServicePrincipal"],
    condition_keys: ["kms:retiringprincipal", "kms:retiringserviceprincipal"],
};

impl Part {
    fn detail(self, name: &str) -> &'static str {
        if is_service(name) { self.service_path } else { self.path }
    }

    fn member(self, name: &str) -> &'static str {
        let [principal, service] = self.members;
        if is_service(name) { service } else { principal }
    }

    fn condition_key(self, name: &str) -> &'static str {
        let [principal, service] = self.condition_keys;
        if is_service(name) { service } else { principal }
    }
}

/// Whether a grantee is a service: every other is an ARN, which holds colons, or the unique id of somebody who is gone,
/// which holds no dot unless it is a session's and holds a colon, too.
fn is_service(name: &str) -> bool {
    name.contains('.') && !name.contains(':')
}

/// A principal or a service, as a request names one.
struct Party<'v> {
    principal: Option<&'v str>,
    service: Option<&'v str>,
    part: Part,
}

impl<'v> Party<'v> {
    fn check(check: &mut Check, part: Part, principal: Option<&'v Text<'_>>, service: Option<&'v Text<'_>>) -> Self {
        let principal = check.optional(part.path, principal, &limits::PRINCIPAL);
        let text = principal.unwrap_or_default();
        check.characters(part.path, text, check::is_principal_character, check::PRINCIPAL_PATTERN);
        let service = check.optional(part.service_path, service, &limits::SERVICE_PRINCIPAL);
        let sound = service.is_none_or(check::is_service_principal);
        check.pattern(part.service_path, service.unwrap_or_default(), sound, check::SERVICE_PRINCIPAL_PATTERN);
        Self { principal, service, part }
    }

    /// That either is named.
    fn required(self, check: &mut Check) -> Self {
        if self.principal.is_none() && self.service.is_none() {
            check.missing(self.part.path);
        }
        self
    }

    /// The one that is named, by its name in policies.
    fn settle(&self, context: &Context<'_>) -> Result<Option<&'v str>, Fault> {
        match (self.principal, self.service) {
            (Some(_), Some(_)) => {
                let Part { path, service_path, .. } = self.part;
                Err(Fault::validation(format!("Specify either {path} or {service_path}, but not both.")))
            }
            (Some(principal), None) => check_principal(context, principal).map(|()| Some(principal)),
            (None, service) => Ok(service),
        }
    }

    /// The one that a listing is about, whose form AWS does not look at. What is a service's is for services to list.
    fn filter(&self, context: &Context<'_>) -> Result<Option<&'v str>, Fault> {
        if self.service.is_some() && !matches!(context.caller.principal, Principal::Service { .. }) {
            let path = self.part.service_path;
            return Err(Fault::validation(format!("{path} can be used by service principals only.")));
        }
        match self.service {
            Some(_) => self.settle(context),
            None => Ok(self.principal),
        }
    }
}

/// That a principal is the ARN of one that can ask for something.
fn check_principal(context: &Context<'_>, text: &str) -> Result<(), Fault> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let partition = context.dialect.partition();
    let valid = match parts.as_slice() {
        ["arn", of, service, "", account, who] if *of == partition => {
            let user = |kind: &str| who.strip_prefix(kind).is_some_and(|name| !name.is_empty());
            let known = match *service {
                "iam" => *who == "root" || user("user/") || user("role/"),
                "sts" => user("assumed-role/") || user("federated-user/"),
                _ => false,
            };
            known && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    match valid {
        true => Ok(()),
        false => Err(Fault::own("InvalidArnException", format!("ARN does not refer to a valid principal: {text}"))),
    }
}

fn grant_id(text: &str) -> Result<GrantId, Fault> {
    GrantId::from_hex(text).ok_or_else(|| Fault::own("InvalidGrantIdException", "The grant id is not valid."))
}

pub(super) async fn list(context: &Context<'_>, request: ListGrantsRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let id = check.optional("grantId", request.grant_id.as_ref(), &limits::GRANT_ID);
    let (principal, service) = (request.grantee_principal.as_ref(), request.grantee_service_principal.as_ref());
    let grantee = Party::check(&mut check, GRANTEE, principal, service);
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_PAGE);
    check.done()?;
    let grantee = grantee.filter(context)?;
    let page = listing.open(context, &[key, id.unwrap_or_default(), grantee.unwrap_or_default()])?;
    let id = id.map(grant_id).transpose()?;
    let operation = ListGrants {
        key: context.key(key, Accepts::Keys).await?,
        id,
        grantee: grantee.map(str::to_owned),
        after: page.after().and_then(GrantId::from_slice),
        limit: page.limit,
    };
    let detail = vec![("keyId", key.to_owned())];
    let (entry, found) = context.perform(Carried::default(), detail, operation, None).await?;
    let mut json = Json::with_room(640 * found.items.len() + 256);
    json.list("Grants", &found.items, |list, grant| list.item(|item| write(item, context, &entry, grant)));
    let last = found.items.last().filter(|_| found.more).map(|grant| grant.id.as_bytes().as_slice());
    page.close(context, &mut json, last)?;
    Ok(json.finish())
}

pub(super) async fn list_retirable(
    context: &Context<'_>,
    request: ListRetirableGrantsRequest<'_>,
) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let (principal, service) = (request.retiring_principal.as_ref(), request.retiring_service_principal.as_ref());
    let retiring = Party::check(&mut check, RETIRING, principal, service).required(&mut check);
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_PAGE);
    check.done()?;
    retiring.settle(context)?;
    let retiring = retiring.filter(context)?.unwrap_or_default();
    let page = listing.open(context, &[retiring])?;
    let after = page.after().and_then(|after| after.split_at_checked(16));
    let operation = ListRetirableGrants {
        tenant: context.caller.tenant,
        region: Arc::clone(&context.region),
        retiring: retiring.to_owned(),
        after: after.and_then(|(key, id)| KeyId::from_slice(key).zip(GrantId::from_slice(id))),
        limit: page.limit,
    };
    let detail = vec![(RETIRING.detail(retiring), retiring.to_owned())];
    let found = context.perform(Carried::default(), detail, operation, None).await?;
    let mut json = Json::with_room(640 * found.items.len() + 256);
    json.list("Grants", &found.items, |list, (entry, grant)| list.item(|item| write(item, context, entry, grant)));
    let last = found.items.last().filter(|_| found.more);
    let last = last.map(|(_, grant)| [grant.key.as_bytes().as_slice(), grant.id.as_bytes()].concat());
    page.close(context, &mut json, last.as_deref())?;
    Ok(json.finish())
}

/// One grant of a list.
fn write(json: &mut Json, context: &Context<'_>, entry: &Arc<KeyEntry>, grant: &GrantRow) {
    json.text("KeyId", &entry.resource(context.dialect, &context.region))
        .text("GrantId", &grant.id.to_string())
        .text_if("Name", grant.name.as_deref())
        .time("CreationDate", grant.created)
        .text(GRANTEE.member(&grant.grantee), &grant.grantee);
    if let Some(retiring) = &grant.retiring {
        json.text(RETIRING.member(retiring), retiring);
    }
    if let Some(account) = grant.issuer.split(':').nth(4) {
        json.text("IssuingAccount", &format!("arn:{}:iam::{account}:root", context.dialect.partition()));
    }
    let actions = grant.actions.iter().filter_map(|code| Action::from_code(*code));
    json.texts("Operations", actions.map(|action| word(words::GRANT_OPERATIONS, &action)));
    if grant.context_equals.is_some() || grant.context_subset.is_some() || grant.source_resource.is_some() {
        json.object("Constraints", |json| {
            if let Some(pairs) = &grant.context_equals {
                json.pairs("EncryptionContextEquals", pairs);
            }
            if let Some(pairs) = &grant.context_subset {
                json.pairs("EncryptionContextSubset", pairs);
            }
            json.text_if("SourceArn", grant.source_resource.as_deref());
        });
    }
}

pub(super) async fn retire(context: &Context<'_>, request: EndGrantRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let token = check.optional("grantToken", request.grant_token.as_ref(), &limits::GRANT_TOKEN);
    let key = check.optional("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let id = check.optional("grantId", request.grant_id.as_ref(), &limits::GRANT_ID);
    check.done()?;
    let (key, id, detail) = match (token, key, id) {
        (Some(token), None, None) => {
            let (key, id) = context.grant_token(token)?;
            (KeyReference::Id(key), id, Vec::new())
        }
        (None, Some(key), Some(id)) => {
            (context.key(key, Accepts::Keys).await?, grant_id(id)?, vec![("keyId", key.to_owned())])
        }
        _ => return Err(Fault::validation("Specify either a grant token or both a key ARN and a grant id.")),
    };
    end(context, EndGrant { key, id, retire: true }, detail, request.dry_run).await
}

pub(super) async fn revoke(context: &Context<'_>, request: EndGrantRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let id = check.required("grantId", request.grant_id.as_ref(), &limits::GRANT_ID);
    check.done()?;
    let (key, id, detail) = (context.key(key, Accepts::Keys).await?, grant_id(id)?, vec![("keyId", key.to_owned())]);
    end(context, EndGrant { key, id, retire: false }, detail, request.dry_run).await
}

async fn end(
    context: &Context<'_>,
    operation: EndGrant,
    mut detail: Detail,
    dry_run: Option<bool>,
) -> Result<Bytes, Fault> {
    detail.push(("grantId", operation.id.to_string()));
    context.perform(Carried::default(), detail, operation, dry_run).await.map(|_| NOTHING)
}
