//! Custom key stores: links to what keeps keys elsewhere. A CloudHSM key store is one to a key store of the installation,
//! an external key store one to somebody else's manager.
//!
//! A cluster's id is what the configuration says of a key store; only the accounts that it names there find it. Absent on
//! purpose: any use of a cluster's password, since the PIN of a token is the configuration's.

mod cluster;
mod external;

use bytes::Bytes;
use strongroom_engine::operations::external_link::{CreateExternalLink, UpdateExternalLink};
use strongroom_engine::operations::store_link::{
    ConnectStoreLink, CreateStoreLink, EditStoreLink, LinkEdit, LinkPlace, ListStoreLinks,
};
use strongroom_engine::{EngineError, LinkFault, LinkState, StoreLinkRow};

pub use self::cluster::{Cluster, is_cluster_id};

use super::requests;
use crate::attributes::Carried;
use crate::check::Check;
use crate::context::{Context, Detail};
use crate::error::Fault;
use crate::limits;
use crate::paging::Listing;
use crate::wire::{Json, Text};
use crate::words::{self, Words, word};

/// What a custom key store is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cluster,
    External,
}

const KINDS: Words<Kind> = &[("AWS_CLOUDHSM", Some(Kind::Cluster)), ("EXTERNAL_KEY_STORE", Some(Kind::External))];

requests! {
    /// `CreateCustomKeyStore`
    CreateRequest {
        custom_key_store_name: Text<'a>,
        cloud_hsm_cluster_id: Text<'a>,
        trust_anchor_certificate: Text<'a>,
        key_store_password: Text<'a>,
        custom_key_store_type: Text<'a>,
        xks_proxy_uri_endpoint: Text<'a>,
        xks_proxy_uri_path: Text<'a>,
        xks_proxy_vpc_endpoint_service_name: Text<'a>,
        xks_proxy_vpc_endpoint_service_owner: Text<'a>,
        xks_proxy_authentication_credential: external::Credential<'a>,
        xks_proxy_connectivity: Text<'a>,
    }
    /// `UpdateCustomKeyStore`
    UpdateRequest {
        custom_key_store_id: Text<'a>,
        new_custom_key_store_name: Text<'a>,
        key_store_password: Text<'a>,
        cloud_hsm_cluster_id: Text<'a>,
        xks_proxy_uri_endpoint: Text<'a>,
        xks_proxy_uri_path: Text<'a>,
        xks_proxy_vpc_endpoint_service_name: Text<'a>,
        xks_proxy_vpc_endpoint_service_owner: Text<'a>,
        xks_proxy_authentication_credential: external::Credential<'a>,
        xks_proxy_connectivity: Text<'a>,
    }
    /// `DescribeCustomKeyStores`
    DescribeRequest {
        custom_key_store_id: Text<'a>,
        custom_key_store_name: Text<'a>,
        limit: i64,
        marker: Text<'a>,
    }
    /// A request that says nothing but which custom key store.
    OneStore { custom_key_store_id: Text<'a>, }
}

/// The members of either type of custom key store: what `$request` gives of them, checked for their form.
macro_rules! members {
    ($check:ident, $request:ident, $certificate:expr) => {{
        let cluster = cluster::Members {
            cluster: $request.cloud_hsm_cluster_id.as_ref(),
            certificate: $certificate,
            password: $request.key_store_password.as_ref(),
        };
        cluster.check(&mut $check);
        let external = external::Given {
            connectivity: $request.xks_proxy_connectivity.as_ref(),
            endpoint: $request.xks_proxy_uri_endpoint.as_ref(),
            path: $request.xks_proxy_uri_path.as_ref(),
            service: $request.xks_proxy_vpc_endpoint_service_name.as_ref(),
            owner: $request.xks_proxy_vpc_endpoint_service_owner.as_ref(),
            credential: $request.xks_proxy_authentication_credential,
        };
        (cluster, external.check(&mut $check))
    }};
}

pub(super) async fn create(context: &Context<'_>, request: CreateRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let name = check.required("customKeyStoreName", request.custom_key_store_name.as_ref(), &limits::STORE_NAME);
    let kind = check.choice("customKeyStoreType", request.custom_key_store_type.as_ref(), KINDS);
    let (cluster, external) = members!(check, request, request.trust_anchor_certificate.as_ref());
    check.done()?;
    let drawn = strongroom_authentication::random_id(context.engine).map_err(|error| context.unrecorded(&error))?;
    let id: String = drawn.chars().filter(char::is_ascii_hexdigit).take(17).collect();
    let id = format!("cks-{id}");
    let mut detail = vec![("customKeyStoreId", id.clone()), ("customKeyStoreName", name.to_owned())];
    let (place, name) = (place(context), name.to_owned());
    let link = match kind.unwrap_or(Kind::Cluster) {
        Kind::Cluster if external.any() => return Err(Fault::validation(FOR_EXTERNAL)),
        Kind::External if cluster.any() => return Err(Fault::validation(FOR_CLUSTERS)),
        Kind::Cluster => {
            let (cluster, certificate) = cluster.required()?;
            detail.push(("cloudHsmClusterId", cluster.to_owned()));
            let (store, certificate) = (cluster::store_of(context, cluster), certificate.to_owned());
            let operation = CreateStoreLink { place, id, name, store, certificate };
            context.perform(Carried::default(), detail, operation, None).await?
        }
        Kind::External => {
            external.detail(&mut detail);
            let service_owner = external.owner.map(str::to_owned);
            let (address, credential) = external.required()?;
            let operation = CreateExternalLink { place, id, name, address, service_owner, credential };
            context.perform(Carried::default(), detail, operation, None).await?
        }
    };
    let mut json = Json::new();
    json.text("CustomKeyStoreId", &link.id);
    Ok(json.finish())
}

const FOR_EXTERNAL: &str = "XksProxy members are for custom key stores of type EXTERNAL_KEY_STORE.";
const FOR_CLUSTERS: &str =
    "CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate are for custom key stores of type AWS_CLOUDHSM.";

pub(super) async fn update(context: &Context<'_>, request: UpdateRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let id = check.required("customKeyStoreId", request.custom_key_store_id.as_ref(), &limits::STORE_ID);
    let name = request.new_custom_key_store_name.as_ref();
    let name = check.optional("newCustomKeyStoreName", name, &limits::STORE_NAME).map(str::to_owned);
    let (cluster, external) = members!(check, request, None);
    check.done()?;
    if !external.any() {
        let store = cluster.cluster.map(|cluster| cluster::store_of(context, cluster));
        return edited(context, id, LinkEdit::Update { name, more: cluster.any(), store }).await;
    }
    if cluster.any() {
        return Err(Fault::validation(FOR_CLUSTERS));
    }
    let mut detail: Detail = vec![("customKeyStoreId", id.to_owned())];
    external.detail(&mut detail);
    let operation = UpdateExternalLink {
        place: place(context),
        id: id.to_owned(),
        name,
        endpoint: external.endpoint.map(str::to_owned),
        path: external.path.map(str::to_owned),
        service: external.changed_service()?,
        service_owner: external.owner.map(str::to_owned),
        credential: external.credential,
    };
    context.perform(Carried::default(), detail, operation, None).await?;
    Ok(NOTHING_IN_JSON)
}

pub(super) async fn delete(context: &Context<'_>, request: OneStore<'_>) -> Result<Bytes, Fault> {
    edited(context, only_store(&request)?, LinkEdit::Delete).await
}

pub(super) async fn disconnect(context: &Context<'_>, request: OneStore<'_>) -> Result<Bytes, Fault> {
    edited(context, only_store(&request)?, LinkEdit::Disconnect).await
}

pub(super) async fn connect(context: &Context<'_>, request: OneStore<'_>) -> Result<Bytes, Fault> {
    let id = only_store(&request)?;
    let operation = ConnectStoreLink { place: place(context), id: id.to_owned() };
    context.perform(Carried::default(), vec![("customKeyStoreId", id.to_owned())], operation, None).await?;
    Ok(NOTHING_IN_JSON)
}

pub(super) async fn describe(context: &Context<'_>, request: DescribeRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let id = check.optional("customKeyStoreId", request.custom_key_store_id.as_ref(), &limits::STORE_ID);
    let name = check.optional("customKeyStoreName", request.custom_key_store_name.as_ref(), &limits::STORE_NAME);
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_PAGE);
    check.done()?;
    if id.is_some() && name.is_some() {
        return Err(Fault::validation("Specify CustomKeyStoreId or CustomKeyStoreName, not both."));
    }
    let page = listing.open(context, &[id.unwrap_or_default(), name.unwrap_or_default()])?;
    let named = [("customKeyStoreId", id), ("customKeyStoreName", name)];
    let detail = named.into_iter().filter_map(|(member, value)| Some((member, value?.to_owned()))).collect();
    let operation = ListStoreLinks { place: place(context) };
    let mut links = context.perform(Carried::default(), detail, operation, None).await?;
    if let Some(wanted) = id.or(name) {
        links.retain(|link| if id.is_some() { link.id == wanted } else { link.name == wanted });
        if links.is_empty() {
            return Err(context.unrecorded(&EngineError::StoreLink(LinkFault::Missing { id: wanted.into() })));
        }
    }
    if let Some(after) = page.after_text() {
        let begins = links.iter().position(|link| *link.id == *after).map_or(0, |position| position + 1);
        links.drain(..begins);
    }
    let more = links.len() > page.limit;
    links.truncate(page.limit);
    let mut json = Json::with_room(1024 + links.iter().map(|link| 512 + link.certificate.len()).sum::<usize>());
    json.list("CustomKeyStores", &links, |list, link| list.item(|item| write(item, context, link)));
    page.close(context, &mut json, links.last().filter(|_| more).map(|last| last.id.as_bytes()))?;
    Ok(json.finish())
}

fn write(json: &mut Json, context: &Context<'_>, link: &StoreLinkRow) {
    let kind = if link.external.is_some() { Kind::External } else { Kind::Cluster };
    json.text("CustomKeyStoreId", &link.id)
        .text("CustomKeyStoreName", &link.name)
        .text("CustomKeyStoreType", word(KINDS, &kind));
    match &link.external {
        None => json
            .text_if("CloudHsmClusterId", link.store.as_ref().and_then(|store| context.cluster_of(store)))
            .text("TrustAnchorCertificate", &link.certificate),
        Some(external) => json.object("XksProxyConfiguration", |json| {
            json.text("Connectivity", external::connectivity_word(external.service.as_deref()))
                .text("AccessKeyId", &external.shown)
                .text("UriEndpoint", &external.endpoint)
                .text("UriPath", &external.path)
                .text_if("VpcEndpointServiceName", external.service.as_deref());
            if external.service.is_some() {
                // The account's own, unless it named another.
                let owner = external.service_owner.as_deref().unwrap_or(&context.caller.account);
                json.text("VpcEndpointServiceOwner", owner);
            }
        }),
    };
    json.text("ConnectionState", words::connection_state(link.state)).time("CreationDate", link.created);
    if let (LinkState::Failed, Some(failure)) = (link.state, link.failure) {
        json.text("ConnectionErrorCode", words::connection_error(failure, link.external.is_some()));
    }
}

/// AWS answers with an empty object where other operations answer with nothing.
const NOTHING_IN_JSON: Bytes = Bytes::from_static(b"{}");

async fn edited(context: &Context<'_>, id: &str, edit: LinkEdit) -> Result<Bytes, Fault> {
    let operation = EditStoreLink { place: place(context), id: id.to_owned(), edit };
    context.perform(Carried::default(), vec![("customKeyStoreId", id.to_owned())], operation, None).await?;
    Ok(NOTHING_IN_JSON)
}

pub(super) fn place(context: &Context<'_>) -> LinkPlace {
    LinkPlace { tenant: context.caller.tenant, region: Box::from(&*context.region) }
}

fn only_store<'r>(request: &'r OneStore<'_>) -> Result<&'r str, Fault> {
    let mut check = Check::default();
    let id = check.required("customKeyStoreId", request.custom_key_store_id.as_ref(), &limits::STORE_ID);
    check.done()?;
    Ok(id)
}
