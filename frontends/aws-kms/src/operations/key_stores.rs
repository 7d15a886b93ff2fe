//! Custom key stores: what AWS calls a CloudHSM key store is a link to one of the installation's key stores.
//!
//! A cluster's id is what the configuration says of a key store; only the accounts that it names there find it. Absent on
//! purpose: external key stores, and any use of the password, since the PIN of a token is the configuration's.

use bytes::Bytes;
use serde::de::IgnoredAny;
use strongroom_engine::operations::store_link::{
    ConnectStoreLink, CreateStoreLink, EditStoreLink, LinkEdit, LinkPlace, ListStoreLinks,
};
use strongroom_engine::{EngineError, LinkFailure, LinkFault, LinkState, StoreLinkRow};
use strongroom_model::key_store::KeyStoreName;

use super::requests;
use crate::attributes::Carried;
use crate::check::Check;
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::paging::Listing;
use crate::wire::{self, Json, Text};
use crate::words::{self, Words};

/// A key store as AWS's clients find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id, of the form that [`is_cluster_id`] knows.
    pub id: String,
    /// The key store.
    pub store: KeyStoreName,
    /// The accounts that may have a custom key store on it.
    pub accounts: Vec<String>,
}

/// Whether a text is a cluster's id: `cluster-` and 11 to 16 letters and digits from 2 to 7.
#[must_use]
pub fn is_cluster_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7');
    text.strip_prefix("cluster-").is_some_and(|rest| (11..=16).contains(&rest.len()) && rest.bytes().all(fits))
}

const CLUSTER_PATTERN: &str = "cluster-[2-7a-zA-Z]{11,16}";

/// Kinds of custom key stores; whether they are offered.
const TYPES: Words<()> = &[("AWS_CLOUDHSM", Some(())), ("EXTERNAL_KEY_STORE", None)];

requests! {
    /// `CreateCustomKeyStore`
    CreateRequest {
        custom_key_store_name: Text<'a>,
        cloud_hsm_cluster_id: Text<'a>,
        trust_anchor_certificate: Text<'a>,
        key_store_password: Text<'a>,
        custom_key_store_type: Text<'a>,
        xks_proxy_uri_endpoint: IgnoredAny,
        xks_proxy_uri_path: IgnoredAny,
        xks_proxy_vpc_endpoint_service_name: IgnoredAny,
        xks_proxy_authentication_credential: IgnoredAny,
        xks_proxy_connectivity: IgnoredAny,
    }
    /// `UpdateCustomKeyStore`
    UpdateRequest {
        custom_key_store_id: Text<'a>,
        new_custom_key_store_name: Text<'a>,
        key_store_password: Text<'a>,
        cloud_hsm_cluster_id: Text<'a>,
        xks_proxy_uri_endpoint: IgnoredAny,
        xks_proxy_uri_path: IgnoredAny,
        xks_proxy_vpc_endpoint_service_name: IgnoredAny,
        xks_proxy_authentication_credential: IgnoredAny,
        xks_proxy_connectivity: IgnoredAny,
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

pub(super) async fn create(context: &Context<'_>, request: CreateRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let name = check.required("customKeyStoreName", request.custom_key_store_name.as_ref(), &limits::STORE_NAME);
    let cluster = cluster_id(&mut check, request.cloud_hsm_cluster_id.as_ref());
    let certificate = request.trust_anchor_certificate.as_ref();
    let certificate = check.optional("trustAnchorCertificate", certificate, &limits::TRUST_ANCHOR);
    check.sensitive("keyStorePassword", request.key_store_password.as_ref(), &limits::STORE_PASSWORD);
    check.choice("customKeyStoreType", request.custom_key_store_type.as_ref(), TYPES);
    check.done()?;
    refuse_external([
        &request.xks_proxy_uri_endpoint,
        &request.xks_proxy_uri_path,
        &request.xks_proxy_vpc_endpoint_service_name,
        &request.xks_proxy_authentication_credential,
        &request.xks_proxy_connectivity,
    ])?;
    let (Some(cluster), Some(certificate), Some(_)) = (cluster, certificate, &request.key_store_password) else {
        let needed = "CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate";
        return Err(Fault::validation(format!("A custom key store of type AWS_CLOUDHSM needs {needed}.")));
    };
    if !is_certificate(certificate) {
        let problem = "The trust anchor certificate is not a certificate in PEM form.";
        return Err(Fault::own("IncorrectTrustAnchorException", problem));
    }
    let drawn = strongroom_authentication::random_id(context.engine).map_err(|error| context.unrecorded(&error))?;
    let id: String = drawn.chars().filter(char::is_ascii_hexdigit).take(17).collect();
    let id = format!("cks-{id}");
    let detail = vec![
        ("customKeyStoreId", id.clone()),
        ("customKeyStoreName", name.to_owned()),
        ("cloudHsmClusterId", cluster.to_owned()),
    ];
    let operation = CreateStoreLink {
        place: place(context),
        id,
        name: name.to_owned(),
        store: store_of(context, cluster),
        certificate: certificate.to_owned(),
    };
    let link = context.perform(Carried::default(), detail, operation, None).await?;
    let mut json = Json::new();
    json.text("CustomKeyStoreId", &link.id);
    Ok(json.finish())
}

pub(super) async fn update(context: &Context<'_>, request: UpdateRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let id = check.required("customKeyStoreId", request.custom_key_store_id.as_ref(), &limits::STORE_ID);
    let name = request.new_custom_key_store_name.as_ref();
    let name = check.optional("newCustomKeyStoreName", name, &limits::STORE_NAME);
    check.sensitive("keyStorePassword", request.key_store_password.as_ref(), &limits::STORE_PASSWORD);
    let cluster = cluster_id(&mut check, request.cloud_hsm_cluster_id.as_ref());
    check.done()?;
    refuse_external([
        &request.xks_proxy_uri_endpoint,
        &request.xks_proxy_uri_path,
        &request.xks_proxy_vpc_endpoint_service_name,
        &request.xks_proxy_authentication_credential,
        &request.xks_proxy_connectivity,
    ])?;
    let edit = LinkEdit::Update {
        name: name.map(str::to_owned),
        more: cluster.is_some() || request.key_store_password.is_some(),
        store: cluster.map(|cluster| store_of(context, cluster)),
    };
    edited(context, id, edit).await
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
    json.text("CustomKeyStoreId", &link.id)
        .text("CustomKeyStoreName", &link.name)
        .text("CustomKeyStoreType", "AWS_CLOUDHSM")
        .text_if("CloudHsmClusterId", link.store.as_ref().and_then(|store| context.cluster_of(store)))
        .text("TrustAnchorCertificate", &link.certificate)
        .text("ConnectionState", words::connection_state(link.state))
        .time("CreationDate", link.created);
    if let (LinkState::Failed, Some(failure)) = (link.state, link.failure) {
        json.text(
            "ConnectionErrorCode",
            match failure {
                LinkFailure::NoStore => "CLUSTER_NOT_FOUND",
                LinkFailure::Credential => "INVALID_CREDENTIALS",
                LinkFailure::Unreachable => "NETWORK_ERRORS",
                _ => "INTERNAL_ERROR",
            },
        );
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

fn cluster_id<'r>(check: &mut Check, id: Option<&'r Text<'_>>) -> Option<&'r str> {
    let id = check.optional("cloudHsmClusterId", id, &limits::CLUSTER_ID)?;
    check.pattern("cloudHsmClusterId", id, is_cluster_id(id), CLUSTER_PATTERN);
    Some(id)
}

/// The key store of a cluster that the caller's account may have.
fn store_of(context: &Context<'_>, cluster: &str) -> Option<KeyStoreName> {
    let may = |known: &&Cluster| known.id == cluster && known.accounts.iter().any(|it| **it == *context.caller.account);
    context.clusters.iter().find(may).map(|known| known.store.clone())
}

fn refuse_external(members: [&Option<IgnoredAny>; 5]) -> Result<(), Fault> {
    match members.iter().any(|member| member.is_some()) {
        true => Err(Fault::unsupported("EXTERNAL_KEY_STORE is not supported.")),
        false => Ok(()),
    }
}

/// Whether a text is a certificate, as far as its form tells: PEM (RFC 7468) around a DER sequence.
fn is_certificate(text: &str) -> bool {
    let within = text.trim().strip_prefix("-----BEGIN CERTIFICATE-----");
    let within = within.and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"));
    let within: Option<String> = within.map(|within| within.split_ascii_whitespace().collect());
    within.and_then(|within| wire::decode(&within)).is_some_and(|der| der.first() == Some(&0x30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clusters_are_those_of_aws_s_form() {
        for id in ["cluster-abcdefghijk", "cluster-ABCdefghijk22777"] {
            assert!(is_cluster_id(id), "{id}");
        }
        for id in
            ["", "cluster-", "cluster-abcdefghij", "cluster-abcdefghijklmnopq", "cluster-abcdefghij1", "abcdefghijk"]
        {
            assert!(!is_cluster_id(id), "{id}");
        }
    }

    #[test]
    fn a_trust_anchor_is_taken_in_pem_form_only() {
        let pem = |inside: &str| format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
        assert!(is_certificate(&pem("MIIB\nAAAA")));
        for text in ["", "MIIB", &pem(""), &pem("?"), &pem("AAAA")] {
            assert!(!is_certificate(text), "{text}");
        }
    }
}
