//! `Encrypt`, `Decrypt`, `ReEncrypt`.

use std::sync::Arc;

use bytes::Bytes;
use strongroom_engine::operations::encrypt::{Decrypt, Encrypt, ReEncrypt};
use strongroom_engine::operations::inspect::TryKeys;
use strongroom_engine::{KeyEntry, KeyReference, SecretBytes};
use strongroom_model::action::Action;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::id::MaterialId;
use strongroom_model::purpose::Purpose;
use strongroom_model::usage::Usage;

use super::requests;
use crate::attributes::{Carried, Carries};
use crate::check::Check;
use crate::context::{Context, Detail, check_grant_tokens};
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::wire::{Json, Pairs, Text, encoded_length};
use crate::words::{self, word};

requests! {
    /// `Encrypt`
    EncryptRequest {
        key_id: Text<'a>,
        plaintext: Text<'a>,
        encryption_context: Pairs,
        grant_tokens: Vec<Text<'a>>,
        encryption_algorithm: Text<'a>,
        dry_run: bool,
    }
    /// `Decrypt`
    DecryptRequest {
        ciphertext_blob: Text<'a>,
        encryption_context: Pairs,
        grant_tokens: Vec<Text<'a>>,
        key_id: Text<'a>,
        encryption_algorithm: Text<'a>,
        recipient: serde::de::IgnoredAny,
        dry_run: bool,
        dry_run_modifiers: Vec<Text<'a>>,
    }
    /// `ReEncrypt`
    ReEncryptRequest {
        ciphertext_blob: Text<'a>,
        source_encryption_context: Pairs,
        source_key_id: Text<'a>,
        destination_key_id: Text<'a>,
        destination_encryption_context: Pairs,
        source_encryption_algorithm: Text<'a>,
        destination_encryption_algorithm: Text<'a>,
        grant_tokens: Vec<Text<'a>>,
        dry_run: bool,
        dry_run_modifiers: Vec<Text<'a>>,
    }
}

/// The usages of keys that encrypt.
const ENCRYPTING: &[Usage] = &[Usage::DerivedAead, Usage::RsaOaep];

fn algorithm(check: &mut Check, path: &str, value: Option<&Text<'_>>) -> EncryptionAlgorithm {
    let algorithm = check.choice(path, value, words::ENCRYPTION_ALGORITHMS);
    algorithm.unwrap_or(EncryptionAlgorithm::DerivedAes256Gcm)
}

pub(super) async fn encrypt(context: &Context<'_>, request: EncryptRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let plaintext = check.required_blob("plaintext", request.plaintext.as_ref(), &limits::PLAINTEXT);
    let plaintext = SecretBytes::take(plaintext);
    let algorithm = algorithm(&mut check, "encryptionAlgorithm", request.encryption_algorithm.as_ref());
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    check.done()?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let algorithm_word = word(words::ENCRYPTION_ALGORITHMS, &algorithm);
    let (carried, pairs) = Carried::context(request.encryption_context);
    let carried = carried.with("kms:encryptionalgorithm", Carries::Word(algorithm_word));
    let detail = vec![("keyId", key.to_owned()), ("encryptionAlgorithm", algorithm_word.to_owned())];
    let key = context.key(key, Accepts::Aliases).await?;
    let operation = Encrypt { key, plaintext, context: pairs, algorithm };
    let made = context.perform(carried, detail, operation, request.dry_run).await?;
    let mut json = Json::with_room(encoded_length(made.ciphertext.len()) + 256);
    json.blob("CiphertextBlob", &made.ciphertext)
        .text("KeyId", &made.key.resource(context.dialect, &context.region))
        .text("EncryptionAlgorithm", algorithm_word);
    Ok(json.finish())
}

pub(super) async fn decrypt(context: &Context<'_>, request: DecryptRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let without = without_ciphertext(&mut check, request.dry_run, request.dry_run_modifiers.as_deref());
    let ciphertext = ciphertext(&mut check, request.ciphertext_blob.as_ref(), without);
    let key = check.optional("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let algorithm = algorithm(&mut check, "encryptionAlgorithm", request.encryption_algorithm.as_ref());
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    if request.recipient.is_some() {
        check.not_offered("Recipient");
    }
    if without {
        check.present("keyId", key);
    }
    check.done()?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let algorithm_word = word(words::ENCRYPTION_ALGORITHMS, &algorithm);
    let (carried, pairs) = Carried::context(request.encryption_context);
    let carried = carried.with("kms:encryptionalgorithm", Carries::Word(algorithm_word));
    let mut detail = vec![("encryptionAlgorithm", algorithm_word.to_owned())];
    detail.extend(key.map(|key| ("keyId", key.to_owned())));
    let key = context.optional_key(key, Accepts::Aliases).await?;
    if let (true, Some(key)) = (without, &key) {
        let keys = vec![(Action::Decrypt, key.clone(), Purpose::ProcessProtected)];
        return tried(context, carried, detail, keys).await;
    }
    let operation = Decrypt { key, ciphertext, context: pairs, algorithm };
    let opened = context.perform(carried, detail, operation, request.dry_run).await?;
    let mut json = Json::with_room(encoded_length(opened.plaintext.len()) + 384);
    json.text("KeyId", &opened.key.resource(context.dialect, &context.region))
        .blob("Plaintext", opened.plaintext.expose())
        .text("EncryptionAlgorithm", algorithm_word);
    write_material(&mut json, "KeyMaterialId", &opened.key, Some(opened.material));
    Ok(json.finish_secret())
}

pub(super) async fn re_encrypt(context: &Context<'_>, request: ReEncryptRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let without = without_ciphertext(&mut check, request.dry_run, request.dry_run_modifiers.as_deref());
    let ciphertext = ciphertext(&mut check, request.ciphertext_blob.as_ref(), without);
    let source = check.optional("sourceKeyId", request.source_key_id.as_ref(), &limits::KEY_ID);
    let destination = check.required("destinationKeyId", request.destination_key_id.as_ref(), &limits::KEY_ID);
    let from = algorithm(&mut check, "sourceEncryptionAlgorithm", request.source_encryption_algorithm.as_ref());
    let to = algorithm(&mut check, "destinationEncryptionAlgorithm", request.destination_encryption_algorithm.as_ref());
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    if without {
        check.present("sourceKeyId", source);
    }
    check.done()?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let (from_word, to_word) = (word(words::ENCRYPTION_ALGORITHMS, &from), word(words::ENCRYPTION_ALGORITHMS, &to));
    let (source_carried, source_pairs) = Carried::context(request.source_encryption_context);
    let source_carried = source_carried.with("kms:encryptionalgorithm", Carries::Word(from_word));
    let (carried, pairs) = Carried::context(request.destination_encryption_context);
    let carried = carried.with("kms:encryptionalgorithm", Carries::Word(to_word));
    let mut detail = vec![
        ("destinationKeyId", destination.to_owned()),
        ("sourceEncryptionAlgorithm", from_word.to_owned()),
        ("destinationEncryptionAlgorithm", to_word.to_owned()),
    ];
    detail.extend(source.map(|key| ("sourceKeyId", key.to_owned())));
    detail.extend(shown_context(&source_pairs).map(|text| ("sourceEncryptionContext", text)));
    let source = context.optional_key(source, Accepts::Aliases).await?;
    let destination = context.key(destination, Accepts::Aliases).await?;
    if let (true, Some(source)) = (without, &source) {
        let keys = vec![
            (Action::ReEncryptFrom, source.clone(), Purpose::ProcessProtected),
            (Action::ReEncryptTo, destination, Purpose::ApplyProtection),
        ];
        return tried(context, carried, detail, keys).await;
    }
    let operation = ReEncrypt {
        source: Decrypt { key: source, ciphertext, context: source_pairs, algorithm: from },
        destination,
        context: pairs,
        algorithm: to,
        source_attributes: Arc::new(source_carried),
    };
    let made = context.perform(carried, detail, operation, request.dry_run).await?;
    let mut json = Json::with_room(encoded_length(made.ciphertext.len()) + 640);
    json.blob("CiphertextBlob", &made.ciphertext)
        .text("SourceKeyId", &made.source.resource(context.dialect, &context.region))
        .text("KeyId", &made.destination.resource(context.dialect, &context.region))
        .text("SourceEncryptionAlgorithm", from_word)
        .text("DestinationEncryptionAlgorithm", to_word);
    write_material(&mut json, "SourceKeyMaterialId", &made.source, Some(made.source_material));
    write_material(&mut json, "DestinationKeyMaterialId", &made.destination, None);
    Ok(json.finish())
}

/// Whether a trial leaves the ciphertext out.
fn without_ciphertext(check: &mut Check, dry_run: Option<bool>, modifiers: Option<&[Text<'_>]>) -> bool {
    let modifiers = check.choices("dryRunModifiers", modifiers, limits::DRY_RUN_MODIFIERS, words::DRY_RUN_MODIFIERS);
    !modifiers.is_empty() && dry_run == Some(true)
}

fn ciphertext(check: &mut Check, value: Option<&Text<'_>>, without: bool) -> Vec<u8> {
    if without && value.is_none() {
        return Vec::new();
    }
    check.required_blob("ciphertextBlob", value, &limits::CIPHERTEXT)
}

/// A trial on keys alone.
async fn tried(
    context: &Context<'_>,
    carried: Carried,
    detail: Detail,
    keys: Vec<(Action, KeyReference, Purpose)>,
) -> Result<Bytes, Fault> {
    context.perform(carried, detail, TryKeys { keys, usages: ENCRYPTING }, Some(true)).await?;
    Ok(super::NOTHING)
}

/// A context as a record shows it where it is not the request's only one.
fn shown_context(pairs: &[(String, String)]) -> Option<String> {
    if pairs.is_empty() {
        return None;
    }
    let mut json = Json::new();
    json.pairs("", pairs);
    let bytes = json.finish();
    let text = str::from_utf8(&bytes).ok()?;
    text.strip_prefix("{\"\":").and_then(|text| text.strip_suffix('}')).map(str::to_owned)
}

/// The published identity of a symmetric key's material: of the version named, or of the newest.
pub(super) fn write_material(json: &mut Json, member: &'static str, key: &KeyEntry, material: Option<MaterialId>) {
    let version = match material {
        Some(material) => key.version(material),
        None => key.current(),
    };
    if let (true, Some(version)) = (key.row.spec.is_symmetric(), version) {
        json.digest(member, &version.published);
    }
}
