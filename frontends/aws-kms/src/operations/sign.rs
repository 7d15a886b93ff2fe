//! `Sign`, `Verify`, `GetPublicKey`.

use bytes::Bytes;
use strongroom_engine::operations::sign::{GetPublicKey, Sign, Verify};
use strongroom_engine::{EngineError, InputFault};
use strongroom_model::algorithm::{MessageKind, SigningAlgorithm};

use super::keys::arn_of;
use super::{metadata, requests};
use crate::attributes::{Carried, Carries};
use crate::check::Check;
use crate::context::{Context, check_grant_tokens};
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::wire::Text;
use crate::words::{self, word};

requests! {
    /// `Sign`, `Verify`
    SignRequest {
        key_id: Text<'a>,
        message: Text<'a>,
        message_type: Text<'a>,
        signature: Text<'a>,
        signing_algorithm: Text<'a>,
        grant_tokens: Vec<Text<'a>>,
        dry_run: bool,
    }
    /// `GetPublicKey`
    GetPublicKeyRequest { key_id: Text<'a>, grant_tokens: Vec<Text<'a>>, }
}

pub(super) async fn sign(context: &Context<'_>, request: SignRequest<'_>) -> Result<Bytes, Fault> {
    run(context, request, false).await
}

pub(super) async fn verify(context: &Context<'_>, request: SignRequest<'_>) -> Result<Bytes, Fault> {
    run(context, request, true).await
}

async fn run(context: &Context<'_>, request: SignRequest<'_>, verify: bool) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let message = check.required_blob("message", request.message.as_ref(), &limits::PLAINTEXT);
    let kind = check.choice("messageType", request.message_type.as_ref(), words::MESSAGE_TYPES);
    let signature = match verify {
        true => check.required_blob("signature", request.signature.as_ref(), &limits::CIPHERTEXT),
        false => Vec::new(),
    };
    check.present("signingAlgorithm", request.signing_algorithm.as_ref());
    let algorithm = check.choice("signingAlgorithm", request.signing_algorithm.as_ref(), words::SIGNING_ALGORITHMS);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    check.done()?;
    let algorithm = algorithm.ok_or_else(Fault::serialization)?;
    let named = kind.unwrap_or(MessageKind::Raw);
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let algorithm_word = word(words::SIGNING_ALGORITHMS, &algorithm);
    let kind_word = word(words::MESSAGE_TYPES, &named);
    let carried = Carried::default()
        .with("kms:signingalgorithm", Carries::Word(algorithm_word))
        .with("kms:messagetype", Carries::Word(kind_word));
    let detail = vec![
        ("keyId", key.to_owned()),
        ("messageType", kind_word.to_owned()),
        ("signingAlgorithm", algorithm_word.to_owned()),
    ];
    let key = context.key(key, Accepts::Aliases).await?;
    let kind = taken_as(algorithm, named, &message).map_err(|error| context.unrecorded(&error))?;
    let mut json;
    if verify {
        let operation = Verify { key, message, kind, algorithm, signature };
        let entry = context.perform(carried, detail, operation, request.dry_run).await?;
        json = arn_of(context, &entry);
        json.flag("SignatureValid", true);
    } else {
        let operation = Sign { key, message, kind, algorithm };
        let made = context.perform(carried, detail, operation, request.dry_run).await?;
        json = arn_of(context, &made.key);
        json.blob("Signature", &made.signature);
    }
    json.text("SigningAlgorithm", algorithm_word);
    Ok(json.finish())
}

/// What the engine signs. For Ed25519ph AWS takes a digest alone, as long as SHA-512's, and hashes that as if it were the
/// message: what is handed in has been hashed once before.
fn taken_as(algorithm: SigningAlgorithm, kind: MessageKind, message: &[u8]) -> Result<MessageKind, EngineError> {
    match (algorithm, kind) {
        (SigningAlgorithm::Ed25519Ph, MessageKind::Digest) => match algorithm.digest_bytes() == Some(message.len()) {
            true => Ok(MessageKind::Raw),
            false => Err(InputFault::DigestLength { algorithm }.into()),
        },
        (SigningAlgorithm::Ed25519Ph, _) => Err(InputFault::MessageUnfit { algorithm, kind }.into()),
        (_, kind) => Ok(kind),
    }
}

pub(super) async fn public_key(context: &Context<'_>, request: GetPublicKeyRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    check.done()?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let detail = vec![("keyId", key.to_owned())];
    let operation = GetPublicKey { key: context.key(key, Accepts::AliasesOrArns).await? };
    let entry = context.perform(Carried::default(), detail, operation, None).await?;
    let mut json = arn_of(context, &entry);
    if let Some(current) = entry.current() {
        json.blob("PublicKey", &current.public);
    }
    metadata::write_spec(&mut json, entry.row.spec);
    json.text("KeyUsage", words::key_usage_word(entry.profile));
    metadata::write_algorithms(&mut json, &entry);
    Ok(json.finish())
}
