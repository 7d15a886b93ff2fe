//! The first tenant and its administrator.

use strongroom_admin::AdminDialect;
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::principal::{CreatePrincipal, PutIdentityPolicy};
use strongroom_engine::operations::tenant::{CreateTenant, FindTenant};
use strongroom_engine::{Call, Engine, EngineError, Mode, Operation};
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
    /// Makes the tenant, the administrator and an access key, this one if it is given. What an interrupted run has made
    /// is left as it is.
    pub(crate) fn make(&self, engine: &Engine, key: Option<AccessKey>) -> Result<(TenantId, AccessKey), Failure> {
        let Self { partition, account, principal, .. } = self;
        let made = self.act(
            engine,
            CreateTenant {
                account: (*account).to_owned(),
                name: self.tenant.to_owned(),
                root_name: format!("arn:{partition}:iam::{account}:root"),
            },
        )?;
        let tenant = match made {
            Some(tenant) => tenant,
            None => {
                let find = FindTenant { account: (*account).to_owned() };
                engine.perform_blocking(self.call(), find, Mode::Run).map_err(WiringError::from)?
            }
        };
        self.act(
            engine,
            CreatePrincipal {
                tenant: tenant.id,
                name: (*principal).to_owned(),
                policy_name: format!("arn:{partition}:iam::{account}:user/{principal}"),
                unique_id: identifiers::unique::<17>("AIDA")?,
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
        let key = match key {
            Some(key) => key,
            None => AccessKey::draw()?,
        };
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

    /// Does a step; `None` where what it makes is there already.
    fn act<O: Operation>(&self, engine: &Engine, operation: O) -> Result<Option<O::Output>, WiringError> {
        match engine.perform_blocking(self.call(), operation, Mode::Run) {
            // Nobody else is at work yet, so a conflict is with what is there.
            Err(EngineError::AlreadyExists(_) | EngineError::Conflict) => Ok(None),
            done => Ok(Some(done?)),
        }
    }

    fn call(&self) -> Call {
        Call::internal(self.service, "Setup", &ADMIN)
    }
}

impl AccessKey {
    /// A new access key, which nothing knows yet.
    pub(crate) fn draw() -> Result<Self, Failure> {
        Ok(Self { id: identifiers::unique::<16>("AKIA")?, secret: identifiers::secret_access_key()? })
    }
}
