//! The calls on keys: from a proved key store's request to the engine's operation and back.

use std::sync::Arc;

use bytes::Bytes;
use strongroom_authentication::{Proved, report};
use strongroom_engine::operations::detached::{OpenDetached, SealDetached};
use strongroom_engine::operations::inspect::{InspectKey, WhoAmI};
use strongroom_engine::{
    Call, Dialect as _, EngineError, KeyEntry, KeyReference, Mode, Operation as EngineOperation, PrincipalEntry,
    SecretBytes, Serves, ServiceRow,
};
use strongroom_model::action::Action;
use strongroom_model::name::Name;
use strongroom_model::purpose::{KeyState, Purpose, VersionState};
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use tokio::time::Instant;

use strongroom_services::{Named as _, external_key_name, served};

use crate::claims::{Claims, missing};
use crate::dialect::EXTERNAL_KEY;
use crate::error::{Fault, Kind};
use crate::path::{Operation, Target};
use crate::wire::{Body, Json, Text, decode, encoded_length};
use crate::{Arrival, Xks, limits, nowhere};

/// The one algorithm of ciphertexts, and the one of integrity values.
const AES_GCM: &str = "AES_GCM";
const SHA_256: &str = "SHA_256";

/// A request of a proved key store.
pub(crate) struct Context<'a> {
    pub(crate) xks: &'a Xks,
    pub(crate) proved: Proved,
    pub(crate) store: Arc<PrincipalEntry>,
    pub(crate) target: Target<'a>,
    pub(crate) arrival: Arrival<'a>,
    pub(crate) deadline: Instant,
}

/// Why a request came to nothing.
enum Failure {
    /// The engine refused or failed, and has recorded it.
    Engine(EngineError),
    /// No operation could be made of it.
    Own(Fault),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Own(fault)
    }
}

impl Context<'_> {
    /// Does what the request asks for; whatever it comes to is recorded.
    pub(crate) async fn run(&self, body: &[u8]) -> Result<Bytes, Fault> {
        let mut claims = Claims::default();
        match self.dispatch(body, &mut claims).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Engine(error)) => Err(self.worded(&error)),
            Err(Failure::Own(fault)) => {
                let call = self.call(claims);
                let action = action(self.target.operation);
                let recorded = self.xks.engine.record_refused(&call, action, fault.kind.name(), &fault.message).await;
                Err(recorded.err().map_or(fault, |error| self.worded(&error)))
            }
        }
    }

    async fn dispatch(&self, body: &[u8], claims: &mut Claims) -> Result<Bytes, Failure> {
        let service = self.service()?;
        // A key store learns nothing of the others, not even where they are.
        if self.target.prefix != service.prefix {
            return Err(nowhere().into());
        }
        let body: Body<'_> = serde_json::from_slice(body).map_err(|_| {
            // What serde says of a body may quote it, and a plaintext may stand there.
            Fault::new(Kind::Validation, "the body is not a JSON object of the form that this call has")
        })?;
        *claims = Claims::read(body.request_metadata.as_ref(), self.target.operation)?;
        match self.target.operation {
            Operation::Health => self.health(claims, service).await,
            Operation::Metadata => self.metadata(claims, service).await,
            Operation::Encrypt => self.encrypt(claims, service, &body).await,
            Operation::Decrypt => self.decrypt(claims, service, &body).await,
        }
    }

    fn service(&self) -> Result<&ServiceRow, Fault> {
        // Whoever is proved here is a service.
        self.store.row.service.as_ref().ok_or_else(nowhere)
    }

    /// The request as the engine sees it.
    fn call(&self, claims: Claims) -> Call {
        Call {
            caller: Arc::clone(&self.proved.caller),
            dialect: self.xks.dialect,
            source: Arc::clone(&self.arrival.source),
            request_id: self.arrival.request_id.into(),
            region: Arc::clone(&self.proved.region),
            operation: self.target.operation.name(),
            user_agent: self.arrival.user_agent.into(),
            detail: claims.detail(),
            attributes: Arc::new(claims),
            grant_tokens: Vec::new(),
        }
    }

    async fn perform<O: EngineOperation>(&self, claims: &Claims, operation: O) -> Result<O::Output, EngineError> {
        self.xks.engine.perform(self.call(claims.clone()), operation, Mode::Run).await
    }

    /// An engine's error in the API's words, once the operators were told what only they may know.
    fn worded(&self, error: &EngineError) -> Fault {
        report(error, self.xks.dialect.front_end(), self.target.operation.name(), self.arrival.request_id);
        Fault::from(error)
    }

    /// The key that the path names.
    fn key(&self, service: &ServiceRow) -> Name {
        Name {
            tenant: self.proved.caller.tenant,
            region: service.home.as_str().into(),
            kind: EXTERNAL_KEY,
            text: external_key_name(&self.store.row.name, self.target.key).into(),
        }
    }

    /// Policies have no say here, but a blocked key store is told so, and that it asked is recorded.
    async fn health(&self, claims: &Claims, service: &ServiceRow) -> Result<Bytes, Failure> {
        self.perform(claims, WhoAmI).await?;
        let (store, tenant) = (self.store.row.id, self.proved.caller.tenant);
        Ok(self.xks.health.tell(self.xks, store, tenant, service.test_key, self.deadline).await)
    }

    async fn metadata(&self, claims: &Claims, service: &ServiceRow) -> Result<Bytes, Failure> {
        let name = self.key(service);
        let key = KeyReference::Name(name.clone());
        let entry = self.perform(claims, InspectKey { key, action: Action::DescribeKey }).await?;
        let spec = match entry.row.spec {
            KeySpec::Aes256 => "AES_256",
            _ => return Err(Fault::new(Kind::InvalidKeyUsage, "the key is not an AES-256 key").into()),
        };
        if entry.row.state == KeyState::Destroyed {
            return Err(Fault::new(Kind::KeyNotFound, "the key is destroyed").into());
        }
        let mut json = Json::with_room(128);
        json.text("keySpec", spec).texts("keyUsage", usages(&entry, &name)).text("keyStatus", status(&entry));
        Ok(json.finish())
    }

    async fn encrypt(&self, claims: &Claims, service: &ServiceRow, body: &Body<'_>) -> Result<Bytes, Failure> {
        check_algorithm(body)?;
        let plaintext = bytes("plaintext", body.plaintext.as_ref(), limits::TEXT_BYTES)?;
        let plaintext = SecretBytes::take(plaintext.ok_or_else(|| missing("plaintext"))?);
        if plaintext.is_empty() {
            return Err(Fault::new(Kind::Validation, "plaintext is empty").into());
        }
        let associated = associated(body)?;
        let integrity = match body.ciphertext_data_integrity_value_algorithm.as_deref() {
            None => false,
            Some(SHA_256) => true,
            Some(_) => {
                let problem = "ciphertextDataIntegrityValueAlgorithm must be SHA_256";
                return Err(Fault::new(Kind::Validation, problem).into());
            }
        };
        let room = encoded_length(plaintext.len()) + 256;
        let key = KeyReference::Name(self.key(service));
        let sealed = self.perform(claims, SealDetached { key, plaintext, associated, integrity }).await?;
        let parts = sealed.parts.parts();
        let mut json = Json::with_room(room);
        json.blob("ciphertext", parts.ciphertext).blob("initializationVector", parts.iv);
        json.blob("authenticationTag", parts.tag);
        if !parts.metadata.is_empty() {
            json.blob("ciphertextMetadata", parts.metadata);
        }
        if let Some(integrity) = &sealed.integrity {
            json.blob("ciphertextDataIntegrityValue", integrity);
        }
        Ok(json.finish())
    }

    async fn decrypt(&self, claims: &Claims, service: &ServiceRow, body: &Body<'_>) -> Result<Bytes, Failure> {
        check_algorithm(body)?;
        let required = |name, text: &Option<Text<'_>>, limit| {
            let given = bytes(name, text.as_ref(), limit)?;
            given.filter(|bytes| !bytes.is_empty()).ok_or_else(|| missing(name))
        };
        let ciphertext = required("ciphertext", &body.ciphertext, limits::TEXT_BYTES)?;
        let iv = required("initializationVector", &body.initialization_vector, usize::MAX)?;
        let tag = required("authenticationTag", &body.authentication_tag, usize::MAX)?;
        let metadata = bytes("ciphertextMetadata", body.ciphertext_metadata.as_ref(), usize::MAX)?.unwrap_or_default();
        if !matches!(iv.len(), 12 | 16) {
            return Err(Fault::new(Kind::Validation, "initializationVector must have 12 or 16 bytes").into());
        }
        if tag.len() != limits::TAG_BYTES {
            return Err(Fault::new(Kind::Validation, "authenticationTag must have 16 bytes").into());
        }
        if metadata.len() > limits::METADATA_BYTES {
            return Err(Fault::new(Kind::Validation, "ciphertextMetadata must have at most 20 bytes").into());
        }
        let key = KeyReference::Name(self.key(service));
        let (associated, reads_hashed) = (associated(body)?, service.opens_digested_data);
        let open = OpenDetached { key, ciphertext, iv, tag, metadata, associated, reads_hashed };
        let plaintext = self.perform(claims, open).await?.plaintext;
        let mut json = Json::with_room(encoded_length(plaintext.len()) + 32);
        json.blob("plaintext", plaintext.expose());
        Ok(json.finish_secret())
    }
}

/// What the record of a request says was asked, where no operation came of it.
const fn action(operation: Operation) -> Action {
    match operation {
        Operation::Health => Action::GetCallerIdentity,
        Operation::Metadata => Action::DescribeKey,
        Operation::Encrypt => Action::SealDetached,
        Operation::Decrypt => Action::OpenDetached,
    }
}

fn check_algorithm(body: &Body<'_>) -> Result<(), Fault> {
    match body.encryption_algorithm.as_deref() {
        Some(AES_GCM) => Ok(()),
        Some(_) => Err(Fault::new(Kind::Validation, "encryptionAlgorithm must be AES_GCM")),
        None => Err(missing("encryptionAlgorithm")),
    }
}

fn associated(body: &Body<'_>) -> Result<Option<Vec<u8>>, Fault> {
    let text = body.additional_authenticated_data.as_ref();
    bytes("additionalAuthenticatedData", text, limits::ASSOCIATED_BYTES)
}

/// The bytes of a member; more of them than we take are not supported, as the specification words it.
fn bytes(name: &'static str, text: Option<&Text<'_>>, limit: usize) -> Result<Option<Vec<u8>>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let decoded = wire_bytes(name, text)?;
    match decoded.len() <= limit {
        true => Ok(Some(decoded)),
        false => Err(Fault::new(Kind::UnsupportedOperation, format!("{name} has more than {limit} bytes"))),
    }
}

fn wire_bytes(name: &str, text: &Text<'_>) -> Result<Vec<u8>, Fault> {
    decode(text).ok_or_else(|| Fault::new(Kind::Validation, format!("{name} is not base64")))
}

/// What the key is for under this name.
fn usages(entry: &KeyEntry, name: &Name) -> Vec<&'static str> {
    let serves = served(entry, name);
    let makes = entry.profile.contains(Usage::DerivedAead);
    let mut usages = Vec::with_capacity(2);
    if makes && Serves::permits(serves, Purpose::ApplyProtection) {
        usages.push("ENCRYPT");
    }
    if Serves::permits(serves, Purpose::ProcessProtected) {
        usages.push("DECRYPT");
    }
    usages
}

/// Enabled is a key that would encrypt now.
fn status(entry: &KeyEntry) -> &'static str {
    let serves = entry.current().is_some_and(|version| version.state == VersionState::Active);
    if entry.row.state == KeyState::Active && serves { "ENABLED" } else { "DISABLED" }
}
