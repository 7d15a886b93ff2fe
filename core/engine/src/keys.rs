//! The keys of rows. Fixed-size parts first, so that a prefix selects exactly what belongs together.

use strongroom_model::clock::Timestamp;
use strongroom_model::id::{CredentialId, DomainKeyId, GrantId, KeyId, LineageId, MaterialId, PrincipalId, TenantId};
use strongroom_model::name::NameKind;

use crate::rows::Due;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn region_part(region: &str) -> Vec<u8> {
    let mut part = Vec::with_capacity(region.len() + 1);
    // Regions are at most 64 bytes: checked where they enter.
    part.push(u8::try_from(region.len()).unwrap_or(u8::MAX));
    part.extend_from_slice(region.as_bytes());
    part
}

/// Bindings of one tenant, region and kind: the prefix of [`binding`].
pub(crate) fn bindings_of_kind(tenant: TenantId, region: &str, kind: NameKind) -> Vec<u8> {
    join(&[tenant.as_bytes(), &region_part(region), &[kind.0]])
}

pub(crate) fn binding(tenant: TenantId, region: &str, kind: NameKind, text: &str) -> Vec<u8> {
    join(&[&bindings_of_kind(tenant, region, kind), text.as_bytes()])
}

pub(crate) fn binding_by_key(key: KeyId, region: &str, kind: NameKind, text: &str) -> Vec<u8> {
    join(&[key.as_bytes(), &region_part(region), &[kind.0], text.as_bytes()])
}

pub(crate) fn version(key: KeyId, ordinal: u32) -> Vec<u8> {
    join(&[key.as_bytes(), &ordinal.to_be_bytes()])
}

pub(crate) fn version_by_material(lineage: LineageId, material: MaterialId, key: KeyId) -> Vec<u8> {
    join(&[lineage.as_bytes(), material.as_bytes(), key.as_bytes()])
}

pub(crate) fn key_by_lineage(lineage: LineageId, key: KeyId) -> Vec<u8> {
    join(&[lineage.as_bytes(), key.as_bytes()])
}

/// Links to key stores of a tenant in a region.
pub(crate) fn store_links(tenant: TenantId, region: &str) -> Vec<u8> {
    join(&[tenant.as_bytes(), &region_part(region)])
}

/// Keys that were made through a link: the prefix of [`key_of_link`]. Identities of links are written as regions are.
pub(crate) fn keys_of_link(tenant: TenantId, region: &str, link: &str) -> Vec<u8> {
    join(&[&store_links(tenant, region), &region_part(link)])
}

/// A key that was made through a link to a key store.
pub(crate) fn key_of_link(tenant: TenantId, region: &str, link: &str, key: KeyId) -> Vec<u8> {
    join(&[&keys_of_link(tenant, region, link), key.as_bytes()])
}

/// The one key that was made through a link to an external key manager with this external key.
pub(crate) fn external_key_of_link(tenant: TenantId, region: &str, link: &str, external: &str) -> Vec<u8> {
    join(&[&keys_of_link(tenant, region, link), external.as_bytes()])
}

pub(crate) fn domain_key(tenant: TenantId, id: DomainKeyId) -> Vec<u8> {
    join(&[tenant.as_bytes(), id.as_bytes()])
}

pub(crate) fn grant(key: KeyId, id: GrantId) -> Vec<u8> {
    join(&[key.as_bytes(), id.as_bytes()])
}

/// Grants that a principal may retire are found by the whole of the principal's policy name, closed by a zero byte.
pub(crate) fn grants_retired_by(tenant: TenantId, retiring: &str) -> Vec<u8> {
    join(&[tenant.as_bytes(), retiring.as_bytes(), &[0]])
}

pub(crate) fn grant_by_retiring(tenant: TenantId, retiring: &str, key: KeyId, id: GrantId) -> Vec<u8> {
    join(&[&grants_retired_by(tenant, retiring), key.as_bytes(), id.as_bytes()])
}

pub(crate) fn principal(tenant: TenantId, id: PrincipalId) -> Vec<u8> {
    join(&[tenant.as_bytes(), id.as_bytes()])
}

/// Roles have names apart from users': `role/` stands before them.
pub(crate) fn principal_by_name(tenant: TenantId, name: &str) -> Vec<u8> {
    join(&[tenant.as_bytes(), name.as_bytes()])
}

/// What stands before the places that services are served at, among the names of the installation's own principals, none of
/// which holds a slash.
pub(crate) const SERVICE_PREFIXES: &str = "service-prefix/";

/// A service by where it is served, which is one place in the installation.
pub(crate) fn service_by_prefix(prefix: &str) -> Vec<u8> {
    principal_by_name(TenantId::INSTALLATION, &format!("{SERVICE_PREFIXES}{prefix}"))
}

/// A token issuer of a tenant, by its URL.
pub(crate) fn token_issuer(tenant: TenantId, issuer: &str) -> Vec<u8> {
    join(&[tenant.as_bytes(), issuer.as_bytes()])
}

/// Policies of one principal: the prefix of [`identity_policy`].
pub(crate) fn policies_of(tenant: TenantId, id: PrincipalId) -> Vec<u8> {
    principal(tenant, id)
}

pub(crate) fn identity_policy(tenant: TenantId, id: PrincipalId, name: &str) -> Vec<u8> {
    join(&[&policies_of(tenant, id), name.as_bytes()])
}

/// Credentials of a principal, or of the tenant's root: the prefix of [`credential_by_principal`].
pub(crate) fn credentials_of(tenant: TenantId, id: Option<PrincipalId>) -> Vec<u8> {
    join(&[tenant.as_bytes(), id.unwrap_or(PrincipalId::from_bytes([0; 16])).as_bytes()])
}

pub(crate) fn credential_by_principal(tenant: TenantId, id: Option<PrincipalId>, shown: &str) -> Vec<u8> {
    join(&[&credentials_of(tenant, id), shown.as_bytes()])
}

/// Told by its length from what the ledger keeps of keys: 16 bytes for all uses of one, 37 for uses of one kind.
pub(crate) fn credential_usage(id: CredentialId) -> Vec<u8> {
    join(&[id.as_bytes(), &[0]])
}

pub(crate) fn schedule(at: Timestamp, due: Due, key: KeyId) -> Vec<u8> {
    join(&[&at.0.to_be_bytes(), &[due as u8], key.as_bytes()])
}
