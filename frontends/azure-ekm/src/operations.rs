//! The calls: from a proved key store's request to the engine's operation and back.

use std::sync::Arc;

use bytes::Bytes;
use strongroom_authentication::report;
use strongroom_engine::operations::encrypt::{Decrypt, Encrypt};
use strongroom_engine::operations::inspect::{InspectKey, WhoAmI};
use strongroom_engine::operations::wrap::{UnwrapKey, WrapKey, Wrapped};
use strongroom_engine::{
    Call, Dialect as _, EngineError, InternalFault, KeyEntry, KeyReference, Mode, Operation as EngineOperation,
    SecretBytes, Serves, ServiceRow,
};
use strongroom_model::action::Action;
use strongroom_model::algorithm::{EncryptionAlgorithm, KeyWrapAlgorithm};
use strongroom_model::id::KeyId;
use strongroom_model::key_store::KeyStoreName;
use strongroom_model::name::Name;
use strongroom_model::purpose::{KeyState, Purpose};
use strongroom_model::spec::KeySpec;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use strongroom_services::{Named as _, external_key_name, printable, served};

use crate::claims::{Claims, missing};
use crate::dialect::EXTERNAL_KEY;
use crate::error::{Fault, Kind};
use crate::path::{Operation, Target};
use crate::wire::{Body, Json, decode, encoded_length};
use crate::{API_VERSION, Arrival, Ekm, Proved, limits, nowhere};

const VENDOR: &str = "Strongroom";
const PRODUCT: &str = concat!("Strongroom ", env!("CARGO_PKG_VERSION"));

/// A request of a proved key store.
pub(crate) struct Context<'a> {
    pub(crate) ekm: &'a Ekm,
    pub(crate) proved: Proved,
    pub(crate) target: Target<'a>,
    pub(crate) arrival: Arrival<'a>,
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

/// How a key is wrapped.
#[derive(Clone, Copy)]
enum Algorithm {
    Aes(KeyWrapAlgorithm),
    Rsa(EncryptionAlgorithm),
}

impl Algorithm {
    /// By its name in the API (RFC 7518, section 4.1, and what Azure adds).
    fn named(name: &str) -> Result<Self, Fault> {
        match name {
            "A256KW" => Ok(Self::Aes(KeyWrapAlgorithm::Aes256Kw)),
            "A256KWP" => Ok(Self::Aes(KeyWrapAlgorithm::Aes256Kwp)),
            "RSA-OAEP" => Ok(Self::Rsa(EncryptionAlgorithm::RsaOaepSha1)),
            "RSA-OAEP-256" => Ok(Self::Rsa(EncryptionAlgorithm::RsaOaepSha256)),
            _ => {
                let problem = "alg must be A256KW, A256KWP, RSA-OAEP or RSA-OAEP-256";
                Err(Fault::new(Kind::UnsupportedAlgorithm, problem))
            }
        }
    }
}

impl Context<'_> {
    /// Does what the request asks for; whatever it comes to is recorded.
    pub(crate) async fn run(&self, query: &str, body: &[u8]) -> Result<Bytes, Fault> {
        let mut claims = Claims::default();
        match self.dispatch(query, body, &mut claims).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Engine(error)) => Err(self.worded(&error)),
            Err(Failure::Own(fault)) => {
                let call = self.call(claims);
                let action = action(self.target.operation);
                let recorded = self.ekm.engine.record_refused(&call, action, fault.kind.name(), &fault.message).await;
                Err(recorded.err().map_or(fault, |error| self.worded(&error)))
            }
        }
    }

    async fn dispatch(&self, query: &str, body: &[u8], claims: &mut Claims) -> Result<Bytes, Failure> {
        check_version(query)?;
        let body: Body<'_> = serde_json::from_slice(body).map_err(|_| {
            // What serde says of a body may quote it, and a key may stand there.
            Fault::new(Kind::InvalidRequest, "the body is not a JSON object of the form that this call has")
        })?;
        *claims = Claims::read(body.request_context.as_ref())?;
        match self.target.operation {
            Operation::Info => self.info(claims).await,
            Operation::Metadata => self.metadata(claims).await,
            Operation::Wrap => self.wrap(claims, &body).await,
            Operation::Unwrap => self.unwrap(claims, &body).await,
        }
    }

    /// Whoever is proved here is a service.
    fn service(&self) -> Result<&ServiceRow, Fault> {
        self.proved.store.row.service.as_ref().ok_or_else(nowhere)
    }

    /// The request as the engine sees it.
    fn call(&self, claims: Claims) -> Call {
        let region = self.proved.store.row.service.as_ref().map(|service| service.home.as_str());
        Call {
            caller: Arc::clone(&self.proved.caller),
            dialect: self.ekm.dialect,
            source: Arc::clone(&self.arrival.source),
            request_id: self.arrival.request_id.into(),
            region: Arc::from(region.unwrap_or_default()),
            operation: self.target.operation.name(),
            user_agent: self.arrival.user_agent.into(),
            detail: claims.detail(),
            attributes: Arc::new(claims),
            grant_tokens: Vec::new(),
        }
    }

    async fn perform<O: EngineOperation>(&self, claims: &Claims, operation: O) -> Result<O::Output, EngineError> {
        self.ekm.engine.perform(self.call(claims.clone()), operation, Mode::Run).await
    }

    /// An engine's error in the API's words, once the operators were told what only they may know.
    fn worded(&self, error: &EngineError) -> Fault {
        report(error, self.ekm.dialect.front_end(), self.target.operation.name(), self.arrival.request_id);
        Fault::from(error)
    }

    /// The key that the path names.
    fn key(&self) -> Result<Name, Fault> {
        Ok(Name {
            tenant: self.proved.caller.tenant,
            region: self.service()?.home.as_str().into(),
            kind: EXTERNAL_KEY,
            text: external_key_name(&self.proved.store.row.name, self.target.key).into(),
        })
    }

    /// Policies have no say here, but a blocked key store is told so, and that it asked is recorded. Managed HSM takes the
    /// answer as a sign of health, so the test key wraps and unwraps on the way that every request goes.
    async fn info(&self, claims: &Claims) -> Result<Bytes, Failure> {
        self.perform(claims, WhoAmI).await?;
        let test_key = self.try_key(self.service()?.test_key).await?;
        let product = match test_key.row.store.as_ref().and_then(|store| self.product(store)) {
            Some(token) => printable(&format!("{PRODUCT} over {token}"), limits::MESSAGE_CHARACTERS),
            None => PRODUCT.to_owned(),
        };
        let mut json = Json::with_room(256);
        json.text("api_version", API_VERSION).text("proxy_vendor", VENDOR).text("proxy_name", PRODUCT);
        json.text("ekm_vendor", VENDOR).text("ekm_product", &product);
        Ok(json.finish())
    }

    /// What the first token of a key store says that it is, once it is known.
    fn product(&self, name: &KeyStoreName) -> Option<String> {
        let store = self.ekm.engine.key_stores().iter().find(|store| store.describe().name == *name)?;
        store.health().into_iter().find_map(|member| member.product)
    }

    /// Wraps and unwraps, as the key store would; answers with what.
    async fn try_key(&self, test_key: KeyId) -> Result<Arc<KeyEntry>, EngineError> {
        let engine = &self.ekm.engine;
        let call = || Call::internal("health", Operation::Info.name(), self.ekm.dialect);
        let drawn = engine.identifier()?;
        let (key, plaintext) = (KeyReference::Id(test_key), SecretBytes::copy_from(&drawn));
        let algorithm = KeyWrapAlgorithm::Aes256Kw;
        let wrap = WrapKey { key: key.clone(), plaintext, algorithm };
        let Wrapped { wrapped, key: entry } = engine.perform(call(), wrap, Mode::Run).await?;
        let opened = engine.perform(call(), UnwrapKey { key, wrapped, algorithm }, Mode::Run).await?;
        match opened.plaintext.equals(&drawn) {
            true => Ok(entry),
            false => Err(EngineError::Internal(InternalFault::Crypto("the test key unwraps to something else"))),
        }
    }

    async fn metadata(&self, claims: &Claims) -> Result<Bytes, Failure> {
        let name = self.key()?;
        let key = KeyReference::Name(name.clone());
        let entry = self.perform(claims, InspectKey { key, action: Action::DescribeKey }).await?;
        match entry.row.state {
            KeyState::Active => {}
            KeyState::Destroyed => return Err(Fault::new(Kind::KeyNotFound, "the key is destroyed").into()),
            _ => return Err(Fault::new(Kind::KeyDisabled, "the key is disabled").into()),
        }
        let mut json = Json::with_room(1024);
        match entry.row.spec {
            KeySpec::Aes256 => json.text("key_type", "oct").number("key_size", 256),
            KeySpec::Rsa2048 => json.text("key_type", "RSA").number("key_size", 2048),
            KeySpec::Rsa3072 => json.text("key_type", "RSA").number("key_size", 3072),
            KeySpec::Rsa4096 => json.text("key_type", "RSA").number("key_size", 4096),
            _ => return Err(Fault::new(Kind::OperationNotAllowed, "the key is neither AES-256 nor RSA").into()),
        };
        json.texts("key_ops", uses(&entry, &name));
        if entry.row.spec.is_rsa() {
            write_public(&mut json, &entry)?;
        }
        Ok(json.finish())
    }

    async fn wrap(&self, claims: &Claims, body: &Body<'_>) -> Result<Bytes, Failure> {
        let (algorithm, value) = value(body)?;
        let plaintext = SecretBytes::take(value);
        let key = KeyReference::Name(self.key()?);
        let wrapped = match algorithm {
            Algorithm::Aes(algorithm) => self.perform(claims, WrapKey { key, plaintext, algorithm }).await?.wrapped,
            Algorithm::Rsa(algorithm) => {
                let encrypt = Encrypt { key, plaintext, context: Vec::new().into(), algorithm };
                self.perform(claims, encrypt).await?.ciphertext
            }
        };
        let mut json = Json::with_room(encoded_length(wrapped.len()) + 32);
        json.blob_for_urls("value", &wrapped);
        Ok(json.finish())
    }

    async fn unwrap(&self, claims: &Claims, body: &Body<'_>) -> Result<Bytes, Failure> {
        let (algorithm, value) = value(body)?;
        let key = KeyReference::Name(self.key()?);
        let plaintext = match algorithm {
            Algorithm::Aes(algorithm) => {
                self.perform(claims, UnwrapKey { key, wrapped: value, algorithm }).await?.plaintext
            }
            Algorithm::Rsa(algorithm) => {
                let (key, context) = (Some(key), Vec::new().into());
                self.perform(claims, Decrypt { key, ciphertext: value, context, algorithm }).await?.plaintext
            }
        };
        let mut json = Json::with_room(encoded_length(plaintext.len()) + 32);
        json.blob_for_urls("value", plaintext.expose());
        Ok(json.finish_secret())
    }
}

/// What the record of a request says was asked, where no operation came of it.
const fn action(operation: Operation) -> Action {
    match operation {
        Operation::Info => Action::GetCallerIdentity,
        Operation::Metadata => Action::DescribeKey,
        Operation::Wrap => Action::WrapKey,
        Operation::Unwrap => Action::UnwrapKey,
    }
}

/// That the request names the version that is spoken here, once.
fn check_version(query: &str) -> Result<(), Fault> {
    let mut named = query.split('&').filter_map(|pair| pair.strip_prefix("api-version="));
    match (named.next(), named.next()) {
        (Some(API_VERSION), None) => Ok(()),
        (Some(_), None) => {
            let problem = "api-version must be 0.1-preview";
            Err(Fault::new(Kind::UnsupportedApiVersion, problem))
        }
        (Some(_), Some(_)) => Err(Fault::new(Kind::InvalidRequest, "api-version stands twice")),
        (None, _) => Err(missing("api-version")),
    }
}

/// How, and what.
fn value(body: &Body<'_>) -> Result<(Algorithm, Vec<u8>), Fault> {
    let algorithm = Algorithm::named(body.alg.as_ref().ok_or_else(|| missing("alg"))?)?;
    let text = body.value.as_ref().ok_or_else(|| missing("value"))?;
    let problem = match decode(text) {
        None => "value is not base64 for URLs".to_owned(),
        Some(value) if value.is_empty() => "value is empty".to_owned(),
        Some(value) if value.len() > limits::VALUE_BYTES => {
            format!("value has more than {} bytes", limits::VALUE_BYTES)
        }
        Some(value) => return Ok((algorithm, value)),
    };
    Err(Fault::new(Kind::InvalidRequest, problem))
}

/// What a key may be used for under a name.
fn uses(entry: &KeyEntry, name: &Name) -> Vec<&'static str> {
    let serves = served(entry, name);
    let uses = [(Purpose::ApplyProtection, "wrapKey"), (Purpose::ProcessProtected, "unwrapKey")];
    uses.into_iter().filter(|(purpose, _)| Serves::permits(serves, *purpose)).map(|(_, word)| word).collect()
}

/// Modulus and exponent of an RSA key, without leading zeros (RFC 7518, section 6.3.1).
fn write_public(json: &mut Json, entry: &KeyEntry) -> Result<(), Failure> {
    let unread = || EngineError::Internal(InternalFault::Crypto("a public key that can't be read"));
    let public = &entry.current().ok_or_else(unread)?.public;
    let (_, info) = SubjectPublicKeyInfo::from_der(public).map_err(|_| unread())?;
    let Ok(PublicKey::RSA(rsa)) = info.parsed() else { return Err(unread().into()) };
    let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    json.blob_for_urls("n", &bare(rsa.modulus)).blob_for_urls("e", &bare(rsa.exponent));
    Ok(())
}
