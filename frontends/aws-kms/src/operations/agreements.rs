//! Secrets shared with someone else: `DeriveSharedSecret`, `Encapsulate`, `Decapsulate`.

use bytes::Bytes;
use strongroom_engine::operations::agreement::DeriveSharedSecret;
use strongroom_engine::operations::kem::{Decapsulate, Encapsulate};
use strongroom_model::algorithm::KemAlgorithm;

use super::keys::arn_of;
use super::requests;
use crate::attributes::{Carried, Carries};
use crate::check::Check;
use crate::context::{Context, check_grant_tokens};
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::wire::Text;
use crate::words::{self, word};

requests! {
    /// `DeriveSharedSecret`
    DeriveSharedSecretRequest {
        key_id: Text<'a>,
        key_agreement_algorithm: Text<'a>,
        public_key: Text<'a>,
        grant_tokens: Vec<Text<'a>>,
        dry_run: bool,
        recipient: serde::de::IgnoredAny,
    }
    /// `Encapsulate`, `Decapsulate`
    KemRequest {
        key_id: Text<'a>,
        shared_secret_ciphertext_blob: Text<'a>,
        encapsulation_algorithm: Text<'a>,
        grant_tokens: Vec<Text<'a>>,
        dry_run: bool,
    }
}

pub(super) async fn derive(context: &Context<'_>, request: DeriveSharedSecretRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let given = check.present("keyAgreementAlgorithm", request.key_agreement_algorithm.as_ref());
    let algorithm = check.choice("keyAgreementAlgorithm", given, words::AGREEMENT_ALGORITHMS);
    let peer = check.required_blob("publicKey", request.public_key.as_ref(), &limits::PUBLIC_KEY);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    if request.recipient.is_some() {
        check.not_offered("Recipient");
    }
    check.done()?;
    let algorithm = algorithm.ok_or_else(Fault::serialization)?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let algorithm_word = word(words::AGREEMENT_ALGORITHMS, &algorithm);
    let carried = Carried::default().with("kms:keyagreementalgorithm", Carries::Word(algorithm_word));
    let detail = vec![("keyId", key.to_owned()), ("keyAgreementAlgorithm", algorithm_word.to_owned())];
    let key = context.key(key, Accepts::Aliases).await?;
    let operation = DeriveSharedSecret { key, peer, algorithm };
    let made = context.perform(carried, detail, operation, request.dry_run).await?;
    let mut json = arn_of(context, &made.key);
    json.blob("SharedSecret", made.secret.expose())
        .text("KeyAgreementAlgorithm", algorithm_word)
        .text("KeyOrigin", words::origin(made.key.row.origin));
    Ok(json.finish_secret())
}

pub(super) async fn encapsulate(context: &Context<'_>, request: KemRequest<'_>) -> Result<Bytes, Fault> {
    let asked = checked(context, &request, false)?;
    let key = context.key(asked.key, Accepts::Aliases).await?;
    let operation = Encapsulate { key, algorithm: asked.algorithm };
    let made = context.perform(Carried::default(), asked.detail(), operation, request.dry_run).await?;
    let mut json = arn_of(context, &made.key);
    json.blob("SharedSecret", made.secret.expose())
        .blob("SharedSecretCiphertextBlob", &made.ciphertext)
        .text("EncapsulationAlgorithm", asked.algorithm_word());
    Ok(json.finish_secret())
}

pub(super) async fn decapsulate(context: &Context<'_>, request: KemRequest<'_>) -> Result<Bytes, Fault> {
    let asked = checked(context, &request, true)?;
    let (algorithm_word, detail) = (asked.algorithm_word(), asked.detail());
    let key = context.key(asked.key, Accepts::Aliases).await?;
    let operation = Decapsulate { key, ciphertext: asked.ciphertext, algorithm: asked.algorithm };
    let made = context.perform(Carried::default(), detail, operation, request.dry_run).await?;
    let mut json = arn_of(context, &made.key);
    json.blob("SharedSecret", made.secret.expose()).text("EncapsulationAlgorithm", algorithm_word);
    Ok(json.finish_secret())
}

/// A request whose constraints all hold.
struct Asked<'r> {
    key: &'r str,
    ciphertext: Vec<u8>,
    algorithm: KemAlgorithm,
}

impl Asked<'_> {
    fn algorithm_word(&self) -> &'static str {
        word(words::KEM_ALGORITHMS, &self.algorithm)
    }

    fn detail(&self) -> crate::context::Detail {
        vec![("keyId", self.key.to_owned()), ("encapsulationAlgorithm", self.algorithm_word().to_owned())]
    }
}

fn checked<'r>(context: &Context<'_>, request: &'r KemRequest<'_>, with_ciphertext: bool) -> Result<Asked<'r>, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let ciphertext = match with_ciphertext {
        true => {
            let given = request.shared_secret_ciphertext_blob.as_ref();
            check.required_blob("sharedSecretCiphertextBlob", given, &limits::CIPHERTEXT)
        }
        false => Vec::new(),
    };
    let given = check.present("encapsulationAlgorithm", request.encapsulation_algorithm.as_ref());
    let algorithm = check.choice("encapsulationAlgorithm", given, words::KEM_ALGORITHMS);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    check.done()?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    Ok(Asked { key, ciphertext, algorithm: algorithm.ok_or_else(Fault::serialization)? })
}
