//! The four calls (XKS proxy API 1.0.3) and what they answer.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use strongroom_model::clock::Clock;
use strongroom_model::external::ExternalSealed;
use strongroom_sigv4::{Credentials, SecretBytes, SigningTime, sign};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::endpoint::{Credential, Endpoint, ExternalKeyId};
use crate::error::{InvalidResponse, XksError};
use crate::limits;
use crate::link::{Answer, Link, Post};
use crate::network::Threads;
use crate::wire::{self, Body, HealthMetadata, RequestMetadata};

/// The service that requests are signed for.
const SERVICE: &str = "kms-xks-proxy";

/// A proxy, and how it is asked.
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What requests are signed with.
    pub credential: Credential,
    /// The region that asks.
    pub region: String,
    /// How long a call may take, all in all: [`limits::DEADLINE`] is what AWS KMS grants.
    pub deadline: Duration,
}

/// What a proxy made of a plaintext: nothing of it is secret, and all of it is needed to get the plaintext back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    ciphertext: Vec<u8>,
    initialization_vector: Vec<u8>,
    tag: [u8; limits::TAG_BYTES],
    metadata: Vec<u8>,
}

impl Sealed {
    /// Puts the parts together: 12 or 16 bytes of initialization vector, 16 of tag, at most 20 of metadata, where none
    /// and absent are the same.
    ///
    /// # Errors
    /// [`InvalidResponse::Length`] for a part of another length.
    pub fn new(
        ciphertext: Vec<u8>,
        initialization_vector: Vec<u8>,
        tag: &[u8],
        metadata: Vec<u8>,
    ) -> Result<Self, InvalidResponse> {
        let wrong = |member, length| InvalidResponse::Length { member, length };
        if !matches!(initialization_vector.len(), 12 | 16) {
            return Err(wrong("initializationVector", initialization_vector.len()));
        }
        if metadata.len() > limits::METADATA_BYTES {
            return Err(wrong("ciphertextMetadata", metadata.len()));
        }
        let tag = tag.try_into().map_err(|_| wrong("authenticationTag", tag.len()))?;
        Ok(Self { ciphertext, initialization_vector, tag, metadata })
    }

    /// As long as the plaintext.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    /// 12 or 16 bytes, of the proxy's making.
    #[must_use]
    pub fn initialization_vector(&self) -> &[u8] {
        &self.initialization_vector
    }

    /// 16 bytes.
    #[must_use]
    pub fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// At most 20 bytes, which mean something to the proxy alone; empty for none.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        &self.metadata
    }
}

impl From<Sealed> for ExternalSealed {
    fn from(Sealed { ciphertext, initialization_vector, tag, metadata }: Sealed) -> Self {
        Self { ciphertext, iv: initialization_vector, tag, metadata }
    }
}

/// What a proxy says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMetadata {
    /// Whether it is an AES key of 256 bits, the only kind that AWS KMS takes.
    pub aes_256: bool,
    /// Whether `ENCRYPT` is among its usages.
    pub encrypts: bool,
    /// Whether `DECRYPT` is.
    pub decrypts: bool,
    /// Whether its status is `ENABLED`.
    pub enabled: bool,
}

impl KeyMetadata {
    /// Whether a key of ours may be made on it.
    #[must_use]
    pub const fn serves(self) -> bool {
        self.aes_256 && self.encrypts && self.decrypts && self.enabled
    }
}

/// What a proxy says of itself. The texts are the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How many proxies there are, at least 1.
    pub proxies: u32,
    /// Who made the proxy.
    pub proxy_vendor: String,
    /// What the proxy is called.
    pub proxy_model: String,
    /// Who made the key manager behind it.
    pub manager_vendor: String,
    /// The key manager's nodes, 1 to 10.
    pub nodes: Vec<Node>,
}

impl Health {
    /// Whether any node works.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.nodes.iter().any(|node| node.status != HealthStatus::Unavailable)
    }
}

/// A node of an external key manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub id: String,
    /// What it is.
    pub model: String,
    /// How it is.
    pub status: HealthStatus,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthStatus {
    /// It works.
    Active,
    /// It works, but not as it should.
    Degraded,
    /// It does not.
    Unavailable,
}

/// A client of one proxy. Calls block their thread, never longer than the deadline and a moment, and may come from many
/// threads at once.
pub struct Client {
    threads: Arc<Threads>,
    clock: Arc<dyn Clock>,
    link: Arc<Link>,
    target: Target,
    calls: Arc<Semaphore>,
}

impl Client {
    pub(crate) fn new(threads: Arc<Threads>, clock: Arc<dyn Clock>, link: Link, target: Target) -> Self {
        Self { threads, clock, link: Arc::new(link), target, calls: Arc::new(Semaphore::new(limits::CALLS)) }
    }

    /// Where this one asks.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.target.endpoint
    }

    /// Encrypts under an external key. The integrity value is always asked for, and compared before the answer counts:
    /// the proxy has then opened its own ciphertext once, and nothing changed it on the way here.
    ///
    /// # Errors
    /// [`XksError::TooLong`] beyond [`limits::PLAINTEXT_BYTES`] and [`limits::ASSOCIATED_DATA_BYTES`], and every other.
    pub fn encrypt(
        &self,
        key: &ExternalKeyId,
        metadata: &RequestMetadata<'_>,
        plaintext: &SecretBytes,
        associated_data: &[u8],
    ) -> Result<Sealed, XksError> {
        bounded("plaintext", plaintext.len(), limits::PLAINTEXT_BYTES)?;
        bounded("additionalAuthenticatedData", associated_data.len(), limits::ASSOCIATED_DATA_BYTES)?;
        let body = Body::new(metadata, plaintext.len() + associated_data.len())
            .bytes("plaintext", plaintext.expose())
            .word("encryptionAlgorithm", "AES_GCM")
            .some_bytes("additionalAuthenticatedData", associated_data)
            .word("ciphertextDataIntegrityValueAlgorithm", "SHA_256");
        let answer = self.call(&format!("keys/{}/encrypt", key.as_str()), body.end())?;
        wire::sealed(&answer, plaintext.len(), associated_data)
    }

    /// Decrypts what [`Client::encrypt`] answered, with the same associated data.
    ///
    /// # Errors
    /// [`XksError`]; a part that was changed is the proxy's to refuse, with `InvalidCiphertextException`.
    pub fn decrypt(
        &self,
        key: &ExternalKeyId,
        metadata: &RequestMetadata<'_>,
        sealed: &Sealed,
        associated_data: &[u8],
    ) -> Result<SecretBytes, XksError> {
        let ciphertext = sealed.ciphertext();
        bounded("ciphertext", ciphertext.len(), limits::PLAINTEXT_BYTES)?;
        bounded("additionalAuthenticatedData", associated_data.len(), limits::ASSOCIATED_DATA_BYTES)?;
        let body = Body::new(metadata, ciphertext.len() + associated_data.len())
            .bytes("ciphertext", ciphertext)
            .some_bytes("ciphertextMetadata", sealed.metadata())
            .word("encryptionAlgorithm", "AES_GCM")
            .some_bytes("additionalAuthenticatedData", associated_data)
            .bytes("initializationVector", sealed.initialization_vector())
            .bytes("authenticationTag", sealed.tag());
        let answer = self.call(&format!("keys/{}/decrypt", key.as_str()), body.end())?;
        wire::opened(&answer, ciphertext.len())
    }

    /// Asks what a key is and whether it may be used.
    ///
    /// # Errors
    /// [`XksError`].
    pub fn metadata(&self, key: &ExternalKeyId, metadata: &RequestMetadata<'_>) -> Result<KeyMetadata, XksError> {
        let answer = self.call(&format!("keys/{}/metadata", key.as_str()), Body::new(metadata, 0).end())?;
        wire::key_metadata(&answer)
    }

    /// Asks how the proxy and its key manager are. `operation` is what it is asked for, such as `KmsHealthCheck`.
    ///
    /// # Errors
    /// [`XksError`].
    pub fn health(&self, operation: &str, request_id: &str) -> Result<Health, XksError> {
        let metadata = HealthMetadata { kms_operation: operation, kms_request_id: request_id };
        wire::health(&self.call("health", Body::new(&metadata, 0).end())?)
    }

    /// Signs a request, has it carried, and waits for its end.
    fn call(&self, call: &str, body: Bytes) -> Result<Answer, XksError> {
        let path = format!("{}/{call}", self.target.endpoint.path());
        let credential = &self.target.credential;
        let credentials = Credentials {
            access_key_id: credential.access_key_id(),
            secret_access_key: credential.secret_access_key(),
            session_token: None,
        };
        let request = strongroom_sigv4::Request {
            method: "POST",
            path: &path,
            query: "",
            authority: self.link.host(),
            headers: std::iter::empty::<(&str, &[u8])>(),
        };
        let now = SigningTime::from_unix_millis(i64::try_from(self.clock.now().0).unwrap_or(i64::MAX));
        let signature = sign(&request, &body, &credentials, &self.target.region, SERVICE, now)?;
        let permit = Arc::clone(&self.calls).try_acquire_owned().map_err(|_| XksError::Busy)?;
        let (link, post) = (Arc::clone(&self.link), Post { path, signature, body });
        let (done, ended) = sync_channel(1);
        let deadline = Instant::now() + self.target.deadline;
        let carried = async move {
            let answer = timeout_at(deadline, link.exchange(&post, deadline)).await.unwrap_or_else(|_| {
                link.forget();
                Err(XksError::Late)
            });
            drop(permit);
            // Whoever asked may have stopped waiting.
            let _ = done.send(answer);
        };
        let threads = self.threads.handle().ok_or(XksError::Late)?;
        threads.spawn(carried);
        ended.recv_timeout(self.target.deadline + limits::GRACE).unwrap_or(Err(XksError::Late))
    }
}

fn bounded(member: &'static str, bytes: usize, most: usize) -> Result<(), XksError> {
    if bytes > most { Err(XksError::TooLong { member, bytes, most }) } else { Ok(()) }
}
