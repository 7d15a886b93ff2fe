//! The first tenant and its administrator.

use strongroom_admin::AdminDialect;
use strongroom_engine::operations::principal::{CreateCredential, CreatePrincipal, PutIdentityPolicy};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_engine::{Call, Engine, Mode, Operation};
use strongroom_model::id::TenantId;
use strongroom_secret::SecretBytes;

use crate::wiring::WiringError;
use crate::{Failure, identifiers};

static ADMIN: AdminDialect = AdminDialect;

/// What is to be made.
pub(crate) struct First<'a> {
    /// The part of the program that makes it, for the records.
    pub(crate) service: &'static str,
    pub(crate) partition: &'a str,
    /// 12 digits.
    pub(crate) account: &'a str,
    /// The tenant's name.
    pub(crate) tenant: &'a str,
    /// The administrator's name.
    pub(crate) principal: &'a str,
    /// The name of the administrator's policy, and the policy.
    pub(crate) policy: (&'a str, &'a str),
}

/// An access key with its secret.
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: SecretBytes,
}

impl First<'_> {
    /// Makes the tenant, the administrator and an access key.
    pub(crate) fn make(&self, engine: &Engine) -> Result<(TenantId, AccessKey), Failure> {
        let Self { partition, account, principal, .. } = self;
        let tenant = self.act(
            engine,
            CreateTenant {
                account: (*account).to_owned(),
                name: self.tenant.to_owned(),
                root_name: format!("arn:{partition}:iam::{account}:root"),
            },
        )?;
        self.act(
            engine,
            CreatePrincipal {
                tenant: tenant.id,
                name: (*principal).to_owned(),
                policy_name: format!("arn:{partition}:iam::{account}:user/{principal}"),
                unique_id: identifiers::unique("AIDA")?,
            },
        )?;
        let (name, document) = self.policy;
        self.act(
            engine,
            PutIdentityPolicy {
                tenant: tenant.id,
                principal: (*principal).to_owned(),
                name: name.to_owned(),
                document: Some(document.to_owned()),
            },
        )?;
        let key = AccessKey { id: identifiers::unique("AKIA")?, secret: identifiers::secret_access_key()? };
        self.act(
            engine,
            CreateCredential {
                tenant: tenant.id,
                principal: Some((*principal).to_owned()),
                shown: key.id.clone(),
                secret: SecretBytes::copy_from(key.secret.expose()),
                expires: None,
            },
        )?;
        Ok((tenant.id, key))
    }

    fn act<O: Operation>(&self, engine: &Engine, operation: O) -> Result<O::Output, WiringError> {
        Ok(engine.perform_blocking(Call::internal(self.service, "Setup", &ADMIN), operation, Mode::Run)?)
    }
}
