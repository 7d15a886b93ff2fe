//! Data keys, data key pairs, and random bytes.

use bytes::Bytes;
use strongroom_engine::operations::data_key::{GenerateDataKey, GenerateDataKeyPair, GenerateRandom};
use strongroom_engine::operations::store_link::GenerateLinkedRandom;

use super::encrypt::write_material;
use super::{key_stores, requests};
use crate::attributes::{Carried, Carries};
use crate::check::Check;
use crate::context::{Context, check_grant_tokens};
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::wire::{Json, Pairs, Text, encoded_length};
use crate::words::{self, word};

requests! {
    /// `GenerateDataKey`, `GenerateDataKeyWithoutPlaintext`
    DataKeyRequest {
        key_id: Text<'a>,
        encryption_context: Pairs,
        number_of_bytes: i64,
        key_spec: Text<'a>,
        grant_tokens: Vec<Text<'a>>,
        recipient: serde::de::IgnoredAny,
        dry_run: bool,
    }
    /// `GenerateDataKeyPair`, `GenerateDataKeyPairWithoutPlaintext`
    DataKeyPairRequest {
        key_id: Text<'a>,
        encryption_context: Pairs,
        key_pair_spec: Text<'a>,
        grant_tokens: Vec<Text<'a>>,
        recipient: serde::de::IgnoredAny,
        dry_run: bool,
    }
    /// `GenerateRandom`
    RandomRequest { number_of_bytes: i64, custom_key_store_id: Text<'a>, recipient: serde::de::IgnoredAny, }
}

pub(super) async fn generate(context: &Context<'_>, request: DataKeyRequest<'_>) -> Result<Bytes, Fault> {
    data_key(context, request, true).await
}

pub(super) async fn generate_sealed(context: &Context<'_>, request: DataKeyRequest<'_>) -> Result<Bytes, Fault> {
    data_key(context, request, false).await
}

async fn data_key(context: &Context<'_>, request: DataKeyRequest<'_>, in_the_clear: bool) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let bytes = check.range("numberOfBytes", request.number_of_bytes, &limits::RANDOM_BYTES);
    let spec = check.choice("keySpec", request.key_spec.as_ref(), words::DATA_KEY_SPECS);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    if request.recipient.is_some() {
        check.not_offered("Recipient");
    }
    check.done()?;
    let bytes = match (bytes, spec) {
        (Some(bytes), None) => usize::try_from(bytes).unwrap_or(0),
        (None, Some(spec)) => spec,
        _ => return Err(Fault::validation("Please specify either number of bytes or key spec.")),
    };
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let (carried, pairs) = Carried::context(request.encryption_context);
    let carried = carried.with("kms:encryptionalgorithm", Carries::Word("SYMMETRIC_DEFAULT"));
    let detail = vec![("keyId", key.to_owned()), ("numberOfBytes", bytes.to_string())];
    let key = context.key(key, Accepts::Aliases).await?;
    let operation = GenerateDataKey { key, bytes, context: pairs, in_the_clear };
    let made = context.perform(carried, detail, operation, request.dry_run).await?;
    let mut json = Json::with_room(encoded_length(made.ciphertext.len()) + encoded_length(bytes) + 384);
    json.blob("CiphertextBlob", &made.ciphertext);
    if let Some(plaintext) = &made.plaintext {
        json.blob("Plaintext", plaintext.expose());
    }
    json.text("KeyId", &made.key.resource(context.dialect, &context.region));
    write_material(&mut json, "KeyMaterialId", &made.key, None);
    Ok(json.finish_secret())
}

pub(super) async fn generate_pair(context: &Context<'_>, request: DataKeyPairRequest<'_>) -> Result<Bytes, Fault> {
    pair(context, request, true).await
}

pub(super) async fn generate_pair_sealed(
    context: &Context<'_>,
    request: DataKeyPairRequest<'_>,
) -> Result<Bytes, Fault> {
    pair(context, request, false).await
}

async fn pair(context: &Context<'_>, request: DataKeyPairRequest<'_>, in_the_clear: bool) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check.present("keyPairSpec", request.key_pair_spec.as_ref());
    let spec = check.choice("keyPairSpec", request.key_pair_spec.as_ref(), words::PAIR_SPECS);
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    if request.recipient.is_some() {
        check.not_offered("Recipient");
    }
    check.done()?;
    let spec = spec.ok_or_else(Fault::serialization)?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let spec_word = word(words::PAIR_SPECS, &spec);
    let (carried, pairs) = Carried::context(request.encryption_context);
    let carried = carried
        .with("kms:datakeypairspec", Carries::Word(spec_word))
        .with("kms:encryptionalgorithm", Carries::Word("SYMMETRIC_DEFAULT"));
    let detail = vec![("keyId", key.to_owned()), ("keyPairSpec", spec_word.to_owned())];
    let key = context.key(key, Accepts::Aliases).await?;
    let operation = GenerateDataKeyPair { key, spec, context: pairs, in_the_clear };
    let made = context.perform(carried, detail, operation, request.dry_run).await?;
    let private = made.private.as_ref().map_or(0, |private| private.len());
    let room = encoded_length(made.ciphertext.len()) + encoded_length(private) + encoded_length(made.public.len());
    let mut json = Json::with_room(room + 512);
    json.blob("PrivateKeyCiphertextBlob", &made.ciphertext);
    if let Some(private) = &made.private {
        json.blob("PrivateKeyPlaintext", private.expose());
    }
    json.blob("PublicKey", &made.public)
        .text("KeyId", &made.key.resource(context.dialect, &context.region))
        .text("KeyPairSpec", spec_word);
    write_material(&mut json, "KeyMaterialId", &made.key, None);
    Ok(json.finish_secret())
}

pub(super) async fn random(context: &Context<'_>, request: RandomRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    check.present("numberOfBytes", request.number_of_bytes);
    let bytes = check.range("numberOfBytes", request.number_of_bytes, &limits::RANDOM_BYTES);
    let store = check.optional("customKeyStoreId", request.custom_key_store_id.as_ref(), &limits::STORE_ID);
    if request.recipient.is_some() {
        check.not_offered("Recipient");
    }
    check.done()?;
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut detail = vec![("numberOfBytes", bytes.to_string())];
    let drawn = match store {
        Some(store) => {
            detail.push(("customKeyStoreId", store.to_owned()));
            let operation = GenerateLinkedRandom { place: key_stores::place(context), link: store.to_owned(), bytes };
            context.perform(Carried::default(), detail, operation, None).await?
        }
        None => {
            let operation = GenerateRandom { tenant: context.caller.tenant, bytes };
            context.perform(Carried::default(), detail, operation, None).await?
        }
    };
    let mut json = Json::with_room(encoded_length(bytes) + 64);
    json.blob("Plaintext", drawn.expose());
    Ok(json.finish_secret())
}
