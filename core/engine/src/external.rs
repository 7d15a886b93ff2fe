//! Keys that an external key manager doubles: what they encrypt here, a key of the manager's encrypts once more.
//!
//! Both keys are needed to decrypt, so that whoever holds the external key can take ours out of use without asking. The
//! managers are asked on threads of their own, so that one that hangs delays nobody else's keys. Absent on purpose: how a
//! manager is spoken to, and any way to use such a key without its manager.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::sync::{Cache, GuardResult};
use strongroom_crypto::ciphertext::{self, AcceptedFormats, DoubledParts, Format, Subject};
use strongroom_crypto::{EncryptionContext, KeyMaterial};
use strongroom_model::external::{
    ExternalAddress, ExternalCredential, ExternalError, ExternalManager, ExternalManagers, ExternalRequest,
    ExternalSealed,
};
use strongroom_model::id::TenantId;
use strongroom_secret::SecretBytes;

use crate::error::{EngineError, LinkFault};
use crate::limits;
use crate::operation::{Authorized, Halt, KeyHandle};
use crate::operations::encrypt::crypto_error;
use crate::rows::ExternalLinkRow;
use crate::workers::Ground;

/// The external key managers that are asked, by what tenants say of them, and who asks.
pub(crate) struct Externals {
    managers: Option<Arc<dyn ExternalManagers>>,
    known: Cache<(Box<str>, ExternalLinkRow), Known>,
    /// Calls under way, by the tenants for which they are.
    asking: Mutex<HashMap<TenantId, usize>>,
}

/// A manager, and when it was used last, in milliseconds since boot.
#[derive(Clone)]
struct Known {
    manager: Arc<dyn ExternalManager>,
    used: Arc<AtomicU64>,
}

impl Externals {
    pub(crate) fn new(managers: Option<Arc<dyn ExternalManagers>>) -> Self {
        Self { managers, known: Cache::new(limits::EXTERNAL_MANAGERS), asking: Mutex::default() }
    }

    /// A manager that nobody has asked yet.
    pub(crate) fn make(
        &self,
        tenant: TenantId,
        address: &ExternalAddress,
        credential: ExternalCredential,
        region: &str,
    ) -> Result<Arc<dyn ExternalManager>, EngineError> {
        let managers = self.managers.as_ref().ok_or(EngineError::Unsupported("an external key manager"))?;
        managers.manager(tenant, address, credential, region).map_err(EngineError::External)
    }

    /// A tenant's share of the threads for one call: whoever names a manager that hangs keeps no other tenant's waiting.
    pub(crate) fn share(&self, tenant: TenantId) -> Result<Share<'_>, EngineError> {
        let mut asking = self.asking.lock();
        let under_way = asking.entry(tenant).or_default();
        if *under_way >= limits::EXTERNAL_CALLS_PER_TENANT {
            return Err(EngineError::External(ExternalError::Busy));
        }
        *under_way += 1;
        Ok(Share { externals: self, tenant })
    }

    /// Forgets managers that nobody has used for a while, with their credentials and connections: those that links lead to
    /// no more are among them.
    pub(crate) fn expire(&self, now: Duration) {
        let used = |known: &Known| Duration::from_millis(known.used.load(Ordering::Relaxed));
        self.known.retain(|_, known| now.saturating_sub(used(known)) < limits::EXTERNAL_KEPT);
    }
}

/// One call under way for a tenant.
pub(crate) struct Share<'a> {
    externals: &'a Externals,
    tenant: TenantId,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut asking = self.externals.asking.lock();
        if let Some(under_way) = asking.get_mut(&self.tenant) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                asking.remove(&self.tenant);
            }
        }
    }
}

/// A manager that may be asked, while this is held.
pub(crate) struct Asked<'a> {
    manager: Arc<dyn ExternalManager>,
    _share: Share<'a>,
}

impl Deref for Asked<'_> {
    type Target = dyn ExternalManager;

    fn deref(&self) -> &Self::Target {
        &*self.manager
    }
}

impl<'a> Authorized<'a> {
    /// Goes on only where external key managers may be waited for.
    pub(crate) fn move_to_external(&self) -> Result<(), Halt> {
        match self.ground < Ground::External {
            true => Err(Halt::Move(Ground::External)),
            false => Ok(()),
        }
    }

    /// The manager that a tenant's link leads to, as a region asks it.
    pub(crate) fn manager(&self, tenant: TenantId, region: &str, row: &ExternalLinkRow) -> Result<Asked<'a>, Halt> {
        let engine = self.engine();
        let externals = &engine.externals;
        let share = externals.share(tenant)?;
        let now = u64::try_from(engine.clock.since_boot().as_millis()).unwrap_or(u64::MAX);
        let make = || -> Result<Known, Halt> {
            let manager = externals.make(tenant, &row.address(), self.credential_of(tenant, row)?, region)?;
            Ok(Known { manager, used: Arc::new(AtomicU64::new(now)) })
        };
        // One alone, so that its limits and its breaker are those of all that ask it.
        let known = match externals.known.get_value_or_guard(&(Box::from(region), row.clone()), None) {
            GuardResult::Value(known) => known,
            GuardResult::Guard(guard) => {
                let known = make()?;
                let _ = guard.insert(known.clone());
                known
            }
            GuardResult::Timeout => make()?,
        };
        known.used.store(now, Ordering::Relaxed);
        Ok(Asked { manager: known.manager, _share: share })
    }

    /// A manager that no link leads to yet.
    pub(crate) fn new_manager(
        &self,
        tenant: TenantId,
        region: &str,
        address: &ExternalAddress,
        credential: ExternalCredential,
    ) -> Result<Asked<'a>, EngineError> {
        let externals = &self.engine().externals;
        Ok(Asked { _share: externals.share(tenant)?, manager: externals.make(tenant, address, credential, region)? })
    }

    /// What requests to a manager are signed with.
    pub(crate) fn credential_of(&self, tenant: TenantId, row: &ExternalLinkRow) -> Result<ExternalCredential, Halt> {
        let secret = self.engine().vault.open_credential(tenant, row.credential, &row.shown, &row.sealed)?;
        Ok(ExternalCredential { shown: row.shown.clone(), secret })
    }

    /// What a manager is told of this request, which is about the key of ours that is called so.
    pub(crate) fn told_to_manager<'r>(&'r self, resource: Option<&'r str>) -> ExternalRequest<'r> {
        let call = self.call();
        let (principal, request_id) = (&*call.caller.policy_name, &*call.request_id);
        ExternalRequest { principal, operation: call.operation, request_id, resource }
    }
}

/// A key version that an external key manager doubles. Made for the holder of a witness only.
pub(crate) struct Doubled<'a> {
    authorized: &'a Authorized<'a>,
    handle: &'a KeyHandle,
    material: Arc<KeyMaterial>,
    manager: Asked<'a>,
    /// What the manager calls its key.
    external: &'a str,
}

impl<'a> Doubled<'a> {
    pub(crate) fn new(
        authorized: &'a Authorized<'a>,
        handle: &'a KeyHandle,
        material: Arc<KeyMaterial>,
        external: &'a str,
    ) -> Result<Self, Halt> {
        authorized.move_to_external()?;
        let key = &handle.entry().row;
        let link = authorized.engine().catalog().link_of(key, authorized.ground)?;
        let row = link.as_ref().and_then(|link| link.external.as_ref());
        let row = row.ok_or(EngineError::StoreLink(LinkFault::OtherKind))?;
        let manager = authorized.manager(key.tenant, &key.region, row)?;
        Ok(Self { authorized, handle, material, manager, external })
    }

    /// A whole ciphertext: one under the material here, which the manager encrypts once more.
    pub(crate) fn seal_whole(
        &self,
        subject: &Subject,
        context: &EncryptionContext<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EngineError> {
        let told = |error| crypto_error(self.handle, error);
        let random = self.authorized.engine().random();
        let inner = ciphertext::seal(&self.material, subject, context, plaintext, random).map_err(told)?;
        self.authorized.may_ask()?;
        let additional = ciphertext::doubled_additional(subject);
        let request = self.authorized.told_to_manager(Some(self.handle.resource()));
        let sealed = self.manager.seal(self.external, &request, &additional, &SecretBytes::take(inner));
        let ExternalSealed { ciphertext: text, iv, tag, metadata } = sealed.map_err(EngineError::External)?;
        let parts = DoubledParts { iv: &iv, tag: &tag, metadata: &metadata, text: &text };
        let cause = || "its parts have other lengths than the interface allows".to_owned();
        let invalid = |_| EngineError::External(ExternalError::InvalidAnswer { cause: cause() });
        ciphertext::doubled_whole(subject, &parts).map_err(invalid)
    }

    /// Opens what [`Doubled::seal_whole`] made.
    pub(crate) fn open_whole(
        &self,
        subject: &Subject,
        context: &EncryptionContext<'_>,
        whole: &[u8],
    ) -> Result<SecretBytes, EngineError> {
        let told = |error| crypto_error(self.handle, error);
        let parts = ciphertext::doubled_parts(subject, whole).map_err(told)?;
        self.authorized.may_ask()?;
        let (iv, metadata) = (parts.iv.to_vec(), parts.metadata.to_vec());
        let sealed = ExternalSealed { ciphertext: parts.text.to_vec(), iv, tag: *parts.tag, metadata };
        let additional = ciphertext::doubled_additional(subject);
        let request = self.authorized.told_to_manager(Some(self.handle.resource()));
        let inner = self.manager.open(self.external, &request, &additional, &sealed).map_err(EngineError::External)?;
        let accepted = AcceptedFormats::of(&[Format::V1]);
        ciphertext::open(&self.material, subject, accepted, context, inner.expose()).map_err(told)
    }
}
