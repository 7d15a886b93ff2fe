//! Every route in one table, for the server to route by and for clients to build paths from.

use crate::limits::{BODY_BYTES, MATERIAL_BODY_BYTES, POLICY_BODY_BYTES};
use crate::query;

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes something, or acts on it.
    Post,
    /// Writes under a name that the caller chose.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// As HTTP writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for one segment.
    pub pattern: &'static str,
    /// Bytes that the body may have.
    pub max_body_bytes: usize,
    /// What it is.
    pub endpoint: Endpoint,
}

macro_rules! endpoints {
    ($($(#[$meta:meta])* $endpoint:ident = $method:ident $pattern:literal $body:expr;)*) => {
        /// Everything that can be asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Endpoint { $($(#[$meta])* $endpoint,)* }

        /// The table.
        pub const ROUTES: &[RouteSpec] = &[$(RouteSpec {
            method: Method::$method,
            pattern: $pattern,
            max_body_bytes: $body,
            endpoint: Endpoint::$endpoint,
        },)*];

        impl Endpoint {
            /// Its route.
            #[must_use]
            pub const fn route(self) -> RouteSpec {
                match self {
                    $(Self::$endpoint => RouteSpec {
                        method: Method::$method,
                        pattern: $pattern,
                        max_body_bytes: $body,
                        endpoint: Self::$endpoint,
                    },)*
                }
            }

            /// Its name, as the audit log has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$endpoint => stringify!($endpoint),)* }
            }
        }
    };
}

endpoints! {
    /// That the server serves.
    GetHealth = Get "/v1/health" 0;
    /// Who the caller is.
    GetCallerIdentity = Get "/v1/whoami" 0;
    /// Throws the kill switch of the whole installation.
    SuspendInstallation = Post "/v1/suspend" BODY_BYTES;
    /// Lifts it.
    ResumeInstallation = Post "/v1/resume" BODY_BYTES;
    /// Makes a tenant.
    CreateTenant = Post "/v1/tenants" BODY_BYTES;
    /// Lists tenants.
    ListTenants = Get "/v1/tenants" 0;
    /// Reads a tenant.
    GetTenant = Get "/v1/tenants/{account}" 0;
    /// Throws a tenant's kill switch.
    SuspendTenant = Post "/v1/tenants/{account}/suspend" BODY_BYTES;
    /// Lifts it.
    ResumeTenant = Post "/v1/tenants/{account}/resume" BODY_BYTES;
    /// Makes a principal.
    CreatePrincipal = Post "/v1/tenants/{account}/principals" BODY_BYTES;
    /// Lists principals.
    ListPrincipals = Get "/v1/tenants/{account}/principals" 0;
    /// Reads a principal.
    GetPrincipal = Get "/v1/tenants/{account}/principals/{principal}" 0;
    /// Removes a principal with its policies and access keys.
    DeletePrincipal = Delete "/v1/tenants/{account}/principals/{principal}" 0;
    /// Suspends a principal.
    SuspendPrincipal = Post "/v1/tenants/{account}/principals/{principal}/suspend" BODY_BYTES;
    /// Resumes a principal.
    ResumePrincipal = Post "/v1/tenants/{account}/principals/{principal}/resume" BODY_BYTES;
    /// Lists a principal's policies, with their documents.
    ListPolicies = Get "/v1/tenants/{account}/principals/{principal}/policies" 0;
    /// Attaches a policy, or replaces it.
    PutPolicy = Put "/v1/tenants/{account}/principals/{principal}/policies/{policy}" POLICY_BODY_BYTES;
    /// Reads a policy.
    GetPolicy = Get "/v1/tenants/{account}/principals/{principal}/policies/{policy}" 0;
    /// Detaches a policy.
    DeletePolicy = Delete "/v1/tenants/{account}/principals/{principal}/policies/{policy}" 0;
    /// Makes a role.
    CreateRole = Post "/v1/tenants/{account}/roles" POLICY_BODY_BYTES;
    /// Lists roles.
    ListRoles = Get "/v1/tenants/{account}/roles" 0;
    /// Reads a role.
    GetRole = Get "/v1/tenants/{account}/roles/{role}" 0;
    /// Changes who may assume a role, or for how long.
    UpdateRole = Post "/v1/tenants/{account}/roles/{role}" POLICY_BODY_BYTES;
    /// Lists token issuers.
    ListIssuers = Get "/v1/tenants/{account}/issuers" 0;
    /// Adds a token issuer, or replaces it.
    PutIssuer = Put "/v1/tenants/{account}/issuers/{issuer}" POLICY_BODY_BYTES;
    /// Removes a token issuer.
    DeleteIssuer = Delete "/v1/tenants/{account}/issuers/{issuer}" 0;
    /// Says what would decide a request.
    ExplainPolicy = Post "/v1/tenants/{account}/explain" BODY_BYTES;
    /// Makes an access key; its secret is in the answer and nowhere else.
    CreateAccessKey = Post "/v1/tenants/{account}/access-keys" BODY_BYTES;
    /// Lists access keys.
    ListAccessKeys = Get "/v1/tenants/{account}/access-keys" 0;
    /// Suspends an access key.
    SuspendAccessKey = Post "/v1/tenants/{account}/access-keys/{access_key_id}/suspend" BODY_BYTES;
    /// Resumes an access key.
    ResumeAccessKey = Post "/v1/tenants/{account}/access-keys/{access_key_id}/resume" BODY_BYTES;
    /// Removes an access key.
    DeleteAccessKey = Delete "/v1/tenants/{account}/access-keys/{access_key_id}" 0;
    /// Lists a tenant's keys.
    ListKeys = Get "/v1/tenants/{account}/keys" 0;
    /// Makes a key with its names.
    CreateKey = Post "/v1/tenants/{account}/keys" POLICY_BODY_BYTES;
    /// Lists a tenant's names of keys.
    ListBindings = Get "/v1/tenants/{account}/bindings" 0;
    /// Binds a name to a key.
    CreateBinding = Post "/v1/tenants/{account}/bindings" BODY_BYTES;
    /// Removes a name.
    DeleteBinding = Delete "/v1/tenants/{account}/bindings/{kind}/{region}/{name}" 0;
    /// Makes a key store of an AWS account: what its KMS calls for every use of the keys in it.
    CreateXksStore = Post "/v1/tenants/{account}/xks-stores" POLICY_BODY_BYTES;
    /// Lists them.
    ListXksStores = Get "/v1/tenants/{account}/xks-stores" 0;
    /// Reads one.
    GetXksStore = Get "/v1/tenants/{account}/xks-stores/{store}" 0;
    /// Changes one.
    UpdateXksStore = Put "/v1/tenants/{account}/xks-stores/{store}" BODY_BYTES;
    /// Removes one that holds no keys.
    DeleteXksStore = Delete "/v1/tenants/{account}/xks-stores/{store}" 0;
    /// Throws a key store's kill switch.
    BlockXksStore = Post "/v1/tenants/{account}/xks-stores/{store}/block" BODY_BYTES;
    /// Lifts it.
    UnblockXksStore = Post "/v1/tenants/{account}/xks-stores/{store}/unblock" BODY_BYTES;
    /// Makes a credential of a key store.
    CreateXksCredential = Post "/v1/tenants/{account}/xks-stores/{store}/credentials" BODY_BYTES;
    /// Lists them.
    ListXksCredentials = Get "/v1/tenants/{account}/xks-stores/{store}/credentials" 0;
    /// Removes one.
    DeleteXksCredential = Delete "/v1/tenants/{account}/xks-stores/{store}/credentials/{access_key_id}" 0;
    /// Binds a key to a key store, or makes one there.
    BindXksKey = Post "/v1/tenants/{account}/xks-stores/{store}/keys" BODY_BYTES;
    /// Lists a key store's keys.
    ListXksKeys = Get "/v1/tenants/{account}/xks-stores/{store}/keys" 0;
    /// Takes a key out of a key store.
    UnbindXksKey = Delete "/v1/tenants/{account}/xks-stores/{store}/keys/{external_key_id}" 0;
    /// Throws the kill switch of a key.
    BlockXksKey = Post "/v1/tenants/{account}/xks-stores/{store}/keys/{external_key_id}/block" BODY_BYTES;
    /// Lifts it.
    UnblockXksKey = Post "/v1/tenants/{account}/xks-stores/{store}/keys/{external_key_id}/unblock" BODY_BYTES;
    /// Makes a key store of an Azure Managed HSM: what it calls for every use of the keys in it.
    CreateEkmStore = Post "/v1/tenants/{account}/ekm-stores" POLICY_BODY_BYTES;
    /// Lists them.
    ListEkmStores = Get "/v1/tenants/{account}/ekm-stores" 0;
    /// Reads one.
    GetEkmStore = Get "/v1/tenants/{account}/ekm-stores/{store}" 0;
    /// Changes one.
    UpdateEkmStore = Put "/v1/tenants/{account}/ekm-stores/{store}" BODY_BYTES;
    /// Removes one that holds no keys.
    DeleteEkmStore = Delete "/v1/tenants/{account}/ekm-stores/{store}" 0;
    /// Throws a key store's kill switch.
    BlockEkmStore = Post "/v1/tenants/{account}/ekm-stores/{store}/block" BODY_BYTES;
    /// Lifts it.
    UnblockEkmStore = Post "/v1/tenants/{account}/ekm-stores/{store}/unblock" BODY_BYTES;
    /// Has certificates of a name prove a key store.
    CreateEkmCertificate = Post "/v1/tenants/{account}/ekm-stores/{store}/certificates" BODY_BYTES;
    /// Lists these names.
    ListEkmCertificates = Get "/v1/tenants/{account}/ekm-stores/{store}/certificates" 0;
    /// Removes one.
    DeleteEkmCertificate = Delete "/v1/tenants/{account}/ekm-stores/{store}/certificates/{certificate}" 0;
    /// Binds a key to a key store, or makes one there.
    BindEkmKey = Post "/v1/tenants/{account}/ekm-stores/{store}/keys" BODY_BYTES;
    /// Lists a key store's keys.
    ListEkmKeys = Get "/v1/tenants/{account}/ekm-stores/{store}/keys" 0;
    /// Takes a key out of a key store.
    UnbindEkmKey = Delete "/v1/tenants/{account}/ekm-stores/{store}/keys/{external_key_id}" 0;
    /// Throws the kill switch of a key.
    BlockEkmKey = Post "/v1/tenants/{account}/ekm-stores/{store}/keys/{external_key_id}/block" BODY_BYTES;
    /// Lifts it.
    UnblockEkmKey = Post "/v1/tenants/{account}/ekm-stores/{store}/keys/{external_key_id}/unblock" BODY_BYTES;
    /// Lists how a tenant's keys are used, or those that are not.
    ListKeyUsage = Get "/v1/tenants/{account}/usage" 0;
    /// Lists a tenant's keys with their algorithms and uses.
    GetInventory = Get "/v1/tenants/{account}/inventory" 0;
    /// Reads a key's metadata.
    GetKey = Get "/v1/keys/{key}" 0;
    /// Reads a key's policy.
    GetKeyPolicy = Get "/v1/keys/{key}/policy" 0;
    /// Replaces a key's policy.
    PutKeyPolicy = Put "/v1/keys/{key}/policy" POLICY_BODY_BYTES;
    /// Reads a key's tags.
    GetKeyTags = Get "/v1/keys/{key}/tags" 0;
    /// Adds tags to a key, or replaces their values.
    TagKey = Post "/v1/keys/{key}/tags" POLICY_BODY_BYTES;
    /// Replaces a key's description.
    PutKeyDescription = Put "/v1/keys/{key}/description" POLICY_BODY_BYTES;
    /// Turns a key's automatic rotation on or off.
    PutKeyRotation = Put "/v1/keys/{key}/rotation" BODY_BYTES;
    /// Gives out what is needed to bring a key's material.
    GetImportParameters = Post "/v1/keys/{key}/import-parameters" BODY_BYTES;
    /// Brings a key's material.
    ImportKeyMaterial = Post "/v1/keys/{key}/import-material" MATERIAL_BODY_BYTES;
    /// Suspends a key.
    SuspendKey = Post "/v1/keys/{key}/suspend" BODY_BYTES;
    /// Resumes a key.
    ResumeKey = Post "/v1/keys/{key}/resume" BODY_BYTES;
    /// Reads how a key is used.
    GetKeyUsage = Get "/v1/keys/{key}/usage" 0;
    /// Schedules a key's destruction.
    ScheduleKeyDeletion = Post "/v1/keys/{key}/schedule-deletion" BODY_BYTES;
    /// Calls it off.
    CancelKeyDeletion = Post "/v1/keys/{key}/cancel-deletion" BODY_BYTES;
    /// Suspends one version of a key.
    SuspendKeyVersion = Post "/v1/keys/{key}/versions/{version}/suspend" BODY_BYTES;
    /// Resumes one version of a key.
    ResumeKeyVersion = Post "/v1/keys/{key}/versions/{version}/resume" BODY_BYTES;
    /// Lists the roots of trust.
    ListRoots = Get "/v1/roots" 0;
    /// Adds the roots that the configuration names and the installation does not know.
    AddRoots = Post "/v1/roots" BODY_BYTES;
    /// Finds out whether a root opens every domain key.
    VerifyRoot = Post "/v1/roots/{root}/verify" BODY_BYTES;
    /// Replaces a root by the one new root that the configuration names.
    RotateRoot = Post "/v1/roots/{root}/rotate" BODY_BYTES;
    /// Removes a root that every domain key can do without.
    RemoveRoot = Delete "/v1/roots/{root}" 0;
    /// Gives a tenant a new domain key.
    RotateDomainKey = Post "/v1/tenants/{account}/rotate-domain-key" BODY_BYTES;
    /// Writes a backup to a file on the server's host.
    MakeBackup = Post "/v1/backups" BODY_BYTES;
    /// Confirms that the server's clock is right after it jumped.
    ConfirmClock = Post "/v1/clock/confirm" BODY_BYTES;
    /// Reads the audit log.
    QueryAudit = Get "/v1/audit/records" 0;
}

impl Endpoint {
    /// Whether it can be asked what would come of it, with nothing done ([`crate::DryRun`]).
    #[must_use]
    pub const fn has_dry_run(self) -> bool {
        matches!(
            self,
            Self::CreateTenant
                | Self::CreatePrincipal
                | Self::PutPolicy
                | Self::CreateRole
                | Self::UpdateRole
                | Self::CreateKey
                | Self::PutKeyPolicy
                | Self::TagKey
                | Self::PutKeyDescription
                | Self::PutKeyRotation
                | Self::CreateBinding
        )
    }

    /// Whether it can be looked at by itself ([`crate::DryRun::Alone`]).
    #[must_use]
    pub const fn has_dry_run_alone(self) -> bool {
        matches!(self, Self::PutPolicy | Self::CreateRole | Self::UpdateRole | Self::CreateKey | Self::PutKeyPolicy)
    }

    /// The path with these segments in the places of the captures, percent-encoded. A capture without a segment stays
    /// as it is, which no server answers.
    #[must_use]
    pub fn path(self, segments: &[&str]) -> String {
        let mut segments = segments.iter();
        let filled = self.route().pattern.split('/').map(|part| match part.starts_with('{') {
            true => segments.next().map_or_else(|| part.to_owned(), |segment| query::encode(segment)),
            false => part.to_owned(),
        });
        filled.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_published() {
        let lines = ROUTES.iter().map(|route| {
            let RouteSpec { method, pattern, max_body_bytes, endpoint } = route;
            format!("{:6} {pattern} {max_body_bytes} {}", method.name(), endpoint.name())
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn paths_carry_their_segments_encoded() {
        let path = Endpoint::GetPolicy.path(&["123456789012", "a/b", "p+q"]);
        assert_eq!(path, "/v1/tenants/123456789012/principals/a%2Fb/policies/p%2Bq");
        assert_eq!(Endpoint::ListTenants.path(&[]), "/v1/tenants");
    }
}
