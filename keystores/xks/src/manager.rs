//! The port to external key managers (`strongroom_model::external`), as a client of XKS proxies serves it.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use strongroom_model::external::{
    ExternalAddress, ExternalCredential, ExternalError, ExternalManager, ExternalManagers, ExternalRefusal,
    ExternalRequest, ExternalSealed,
};
use strongroom_model::id::TenantId;
use strongroom_sigv4::SecretBytes;

use crate::breaker::Breaker;
use crate::client::{Client, Sealed, Target};
use crate::counts::Counts;
use crate::endpoint::{Credential, Endpoint, ExternalKeyId, Malformed};
use crate::error::{Refusal, XksError};
use crate::limits;
use crate::network::Network;
use crate::wire::RequestMetadata;

impl ExternalManagers for Network {
    fn manager(
        &self,
        tenant: TenantId,
        address: &ExternalAddress,
        credential: ExternalCredential,
        region: &str,
    ) -> Result<Arc<dyn ExternalManager>, ExternalError> {
        let endpoint = Endpoint::new(&address.endpoint, &address.path)?;
        let credential = Credential::new(&credential.shown, credential.secret)?;
        let service = address.service.as_deref();
        let deadline = self.deadline(endpoint.host(), service);
        let target = Target { endpoint, credential, region: region.to_owned(), deadline };
        let client = self.client_by(tenant, target, service).ok_or(ExternalError::NoService)?;
        let counts = Arc::clone(self.counts());
        let breaker = Mutex::new(Breaker::new(Arc::clone(&counts)));
        Ok(Arc::new(Manager { client, breaker, counts, told: Mutex::default() }))
    }
}

/// One tenant's way to a proxy.
struct Manager {
    client: Client,
    breaker: Mutex<Breaker>,
    counts: Arc<Counts>,
    /// When operators were told last of what it says besides a refusal.
    told: Mutex<Option<Instant>>,
}

impl Manager {
    /// Makes a call where the breaker admits it.
    fn ask<T>(
        &self,
        request: &ExternalRequest<'_>,
        call: impl FnOnce(&Client) -> Result<T, XksError>,
    ) -> Result<T, ExternalError> {
        self.breaker.lock().admit(Instant::now())?;
        self.ask_anyhow(request, call)
    }

    /// Makes a call, and has the breaker know how it ended.
    fn ask_anyhow<T>(
        &self,
        request: &ExternalRequest<'_>,
        call: impl FnOnce(&Client) -> Result<T, XksError>,
    ) -> Result<T, ExternalError> {
        let outcome = call(&self.client).inspect_err(|error| self.tell(request, error)).map_err(ExternalError::from);
        self.counts.ended(&outcome);
        match &outcome {
            Err(why @ (ExternalError::Late | ExternalError::Unreachable { .. } | ExternalError::Tls { .. })) => {
                self.breaker.lock().failure(Instant::now(), why);
            }
            // Nothing was sent, which tells nothing of the proxy.
            Err(ExternalError::Busy | ExternalError::TooLong | ExternalError::Malformed(_)) => {}
            Ok(_) | Err(_) => self.breaker.lock().success(),
        }
        outcome
    }

    /// Tells operators what the proxy says besides a refusal, which is not for whoever asked us: a line a second at most.
    fn tell(&self, request: &ExternalRequest<'_>, error: &XksError) {
        let XksError::Refused { refusal, message: Some(message) } = error else { return };
        let mut told = self.told.lock();
        let now = Instant::now();
        if told.is_none_or(|last| now.saturating_duration_since(last) >= limits::MESSAGE_PAUSE) {
            *told = Some(now);
            let (host, request_id) = (self.client.endpoint().host(), request.request_id);
            tracing::info!(host, request_id, %refusal, told = &**message, "an external key manager refused and said why");
        }
    }
}

impl ExternalManager for Manager {
    fn seal(
        &self,
        key: &str,
        request: &ExternalRequest<'_>,
        associated: &[u8],
        plaintext: &SecretBytes,
    ) -> Result<ExternalSealed, ExternalError> {
        let key = ExternalKeyId::new(key)?;
        let sealed = self.ask(request, |client| client.encrypt(&key, &metadata(request), plaintext, associated))?;
        Ok(sealed.into())
    }

    fn open(
        &self,
        key: &str,
        request: &ExternalRequest<'_>,
        associated: &[u8],
        sealed: &ExternalSealed,
    ) -> Result<SecretBytes, ExternalError> {
        let key = ExternalKeyId::new(key)?;
        let ExternalSealed { ciphertext, iv, tag, metadata: more } = sealed;
        // No proxy made parts of another length.
        let sealed = Sealed::new(ciphertext.clone(), iv.clone(), tag, more.clone())
            .map_err(|_| ExternalError::Refused(ExternalRefusal::Ciphertext))?;
        self.ask(request, |client| client.decrypt(&key, &metadata(request), &sealed, associated))
    }

    fn inspect(&self, key: &str, request: &ExternalRequest<'_>) -> Result<(), ExternalError> {
        let key = ExternalKeyId::new(key)?;
        match self.ask(request, |client| client.metadata(&key, &metadata(request)))?.serves() {
            true => Ok(()),
            false => Err(ExternalError::KeyUnfit),
        }
    }

    /// Asked in any case: whoever mended a proxy and connects it is told how it is, and not how it was.
    fn health(&self, request: &ExternalRequest<'_>) -> Result<(), ExternalError> {
        let operation = health_operation(request.operation);
        match self.ask_anyhow(request, |client| client.health(operation, request.request_id))?.serves() {
            true => Ok(()),
            false => Err(ExternalError::Unhealthy),
        }
    }
}

const fn metadata<'a>(request: &ExternalRequest<'a>) -> RequestMetadata<'a> {
    RequestMetadata {
        principal_arn: request.principal,
        kms_operation: request.operation,
        kms_request_id: request.request_id,
        kms_key_arn: request.resource,
        kms_via_service: None,
        aws_source_vpc: None,
        aws_source_vpce: None,
    }
}

/// What health may be asked for (specification, GetHealthStatus).
fn health_operation(operation: &str) -> &str {
    match operation {
        "CreateCustomKeyStore" | "ConnectCustomKeyStore" | "UpdateCustomKeyStore" => operation,
        _ => "KmsHealthCheck",
    }
}

impl From<Malformed> for ExternalError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.says())
    }
}

impl From<XksError> for ExternalError {
    fn from(error: XksError) -> Self {
        match error {
            XksError::Refused { refusal, .. } => Self::Refused(refusal.into()),
            XksError::Unreachable(why) => Self::Unreachable { cause: told(&why) },
            XksError::Tls(why) => Self::Tls { cause: told(&why) },
            XksError::Late => Self::Late,
            XksError::Invalid(why) => Self::InvalidAnswer { cause: told(&why) },
            XksError::Busy => Self::Busy,
            XksError::TooLong { .. } => Self::TooLong,
            XksError::Unsigned(_) => Self::Malformed("a region is 1 to 64 of a-z, A-Z, 0-9, -, _ and ."),
        }
    }
}

impl From<Refusal> for ExternalRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Validation => Self::Request,
            Refusal::InvalidState => Self::State,
            Refusal::InvalidCiphertext => Self::Ciphertext,
            Refusal::InvalidKeyUsage => Self::Usage,
            Refusal::AuthenticationFailed => Self::Unauthenticated,
            Refusal::AccessDenied => Self::Denied,
            Refusal::KeyNotFound => Self::NoKey,
            Refusal::InvalidUriPath => Self::NoPath,
            Refusal::Throttling => Self::Throttled,
            Refusal::UnsupportedOperation => Self::Unsupported,
            Refusal::DependencyTimeout => Self::Late,
            Refusal::Internal => Self::Internal,
        }
    }
}

/// An error and what caused it, in one line. A stranger's certificate may have a part in it: so it is cut, and keeps
/// printable characters only.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    let printable = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    text.chars().take(limits::CAUSE_CHARACTERS).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_asked_for_what_the_specification_knows() {
        for operation in ["CreateCustomKeyStore", "ConnectCustomKeyStore", "UpdateCustomKeyStore"] {
            assert_eq!(health_operation(operation), operation);
        }
        assert_eq!(health_operation("Encrypt"), "KmsHealthCheck");
    }

    #[test]
    fn a_cause_is_one_line_of_printable_characters_with_an_end() {
        let text = format!("no\r\n\u{1b}[31m{}", "n".repeat(limits::CAUSE_CHARACTERS));
        let told = told(&rustls::Error::General(text));
        assert!(told.contains("no???[31mn") && told.len() == limits::CAUSE_CHARACTERS, "{told}");
    }
}
