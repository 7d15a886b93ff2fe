//! Imported key material: `GetParametersForImport`, `ImportKeyMaterial`, `DeleteImportedKeyMaterial`.

use std::time::Duration;

use bytes::Bytes;
use strongroom_engine::operations::import::{DeleteMaterial, GetImportParameters, ImportMaterial};
use strongroom_engine::{KeyEntry, VersionRow};
use strongroom_model::clock::Timestamp;
use strongroom_model::spec::KeySpec;

use super::keys::arn_of;
use super::requests;
use crate::attributes::{Carried, Carries};
use crate::check::{self, Check};
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::wire::{Json, Text};
use crate::words::{self, word};

requests! {
    /// `GetParametersForImport`
    GetParametersRequest { key_id: Text<'a>, wrapping_algorithm: Text<'a>, wrapping_key_spec: Text<'a>, }
    /// `ImportKeyMaterial`
    ImportRequest {
        key_id: Text<'a>,
        import_token: Text<'a>,
        encrypted_key_material: Text<'a>,
        valid_to: f64,
        expiration_model: Text<'a>,
        import_type: Text<'a>,
        key_material_description: Text<'a>,
        key_material_id: Text<'a>,
    }
    /// `DeleteImportedKeyMaterial`
    DeleteRequest { key_id: Text<'a>, key_material_id: Text<'a>, }
}

pub(super) async fn parameters(context: &Context<'_>, request: GetParametersRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check.present("wrappingAlgorithm", request.wrapping_algorithm.as_ref());
    let wrapping =
        check.choice("wrappingAlgorithm", request.wrapping_algorithm.as_ref(), words::IMPORT_WRAPPING_ALGORITHMS);
    check.present("wrappingKeySpec", request.wrapping_key_spec.as_ref());
    let spec = check.choice("wrappingKeySpec", request.wrapping_key_spec.as_ref(), words::IMPORT_WRAPPING_SPECS);
    check.done()?;
    let (wrapping, wrapping_spec) = wrapping.zip(spec).ok_or_else(Fault::serialization)?;
    let wrapping_word = word(words::IMPORT_WRAPPING_ALGORITHMS, &wrapping);
    let spec_word = word(words::IMPORT_WRAPPING_SPECS, &wrapping_spec);
    let carried = Carried::default()
        .with("kms:wrappingalgorithm", Carries::Word(wrapping_word))
        .with("kms:wrappingkeyspec", Carries::Word(spec_word));
    let detail = vec![
        ("keyId", key.to_owned()),
        ("wrappingAlgorithm", wrapping_word.to_owned()),
        ("wrappingKeySpec", spec_word.to_owned()),
    ];
    let operation = GetImportParameters { key: context.key(key, Accepts::Keys).await?, wrapping, wrapping_spec };
    let given = context.perform(carried, detail, operation, None).await?;
    let mut json = arn_of(context, &given.key);
    json.blob("ImportToken", &given.token).blob("PublicKey", &given.public).time("ParametersValidTo", given.valid_to);
    Ok(json.finish())
}

pub(super) async fn import(context: &Context<'_>, request: ImportRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let token = check.required_blob("importToken", request.import_token.as_ref(), &limits::CIPHERTEXT);
    let wrapped =
        check.required_blob("encryptedKeyMaterial", request.encrypted_key_material.as_ref(), &limits::CIPHERTEXT);
    let expires = check.choice("expirationModel", request.expiration_model.as_ref(), words::EXPIRATION_MODELS);
    let kind = check.choice("importType", request.import_type.as_ref(), words::IMPORT_TYPES);
    let path = "keyMaterialDescription";
    let description =
        check.optional(path, request.key_material_description.as_ref(), &limits::KEY_MATERIAL_DESCRIPTION);
    let allowed = check::is_material_description_character;
    check.characters(path, description.unwrap_or_default(), allowed, check::MATERIAL_DESCRIPTION_PATTERN);
    let material = material_id(&mut check, request.key_material_id.as_ref());
    check.done()?;
    let expires = valid_to(expires.unwrap_or(true), request.valid_to)?;
    let model = word(words::EXPIRATION_MODELS, &expires.is_some());
    let mut carried = Carried::default().with("kms:expirationmodel", Carries::Word(model));
    let mut detail = vec![("keyId", key.to_owned()), ("expirationModel", model.to_owned())];
    if let Some(at) = expires {
        carried = carried.with("kms:validto", Carries::Time(i64::try_from(at.0).unwrap_or(i64::MAX)));
        detail.push(("validTo", at.seconds().to_string()));
    }
    detail.extend(kind.map(|kind| ("importType", word(words::IMPORT_TYPES, &kind).to_owned())));
    detail.extend(description.map(|description| ("keyMaterialDescription", description.to_owned())));
    let operation = ImportMaterial {
        key: context.key(key, Accepts::Keys).await?,
        token,
        wrapped,
        kind,
        material,
        expires,
        description: description.map(str::to_owned),
    };
    let (entry, version) = context.perform(carried, detail, operation, None).await?;
    Ok(answered(context, &entry, Some(&version)))
}

pub(super) async fn delete(context: &Context<'_>, request: DeleteRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let material = material_id(&mut check, request.key_material_id.as_ref());
    check.done()?;
    let detail = vec![("keyId", key.to_owned())];
    let operation = DeleteMaterial { key: context.key(key, Accepts::Keys).await?, material };
    let (entry, version) = context.perform(Carried::default(), detail, operation, None).await?;
    Ok(answered(context, &entry, version.as_ref()))
}

/// AWS tells the ids of materials of symmetric encryption keys only.
fn answered(context: &Context<'_>, entry: &KeyEntry, version: Option<&VersionRow>) -> Bytes {
    let mut json = arn_of(context, entry);
    if let Some(version) = version.filter(|_| entry.row.spec == KeySpec::Aes256) {
        json.digest("KeyMaterialId", &version.published);
    }
    json.finish()
}

/// When the material is to go. It is to go unless the request says otherwise.
fn valid_to(expires: bool, seconds: Option<f64>) -> Result<Option<Timestamp>, Fault> {
    match (expires, seconds) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(Fault::validation(
            "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        )),
        (true, None) => {
            Err(Fault::validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"))
        }
        // What lies before 1970 lies in the past, which the engine refuses.
        (true, Some(seconds)) => {
            let since = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
            Ok(Some(Timestamp(0).after(since)))
        }
    }
}

/// The identity of key material, as AWS spells it.
fn material_id(check: &mut Check, text: Option<&Text<'_>>) -> Option<[u8; 32]> {
    let path = "keyMaterialId";
    let text = check.optional(path, text, &limits::KEY_MATERIAL_ID)?;
    check.characters(path, text, |character| matches!(character, '0'..='9' | 'a'..='f'), "^[a-f0-9]+$");
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// `ExpirationModel`, and `ValidTo` where any of the material expires: of the imported `versions` whose material is there.
pub(super) fn write_expiry<'v>(json: &mut Json, versions: impl Iterator<Item = &'v VersionRow>) {
    let mut earliest = None;
    for version in versions {
        let (true, Some(imported)) = (!version.lacks_material(), &version.imported) else { continue };
        let at = imported.expires.unwrap_or(Timestamp(u64::MAX));
        earliest = Some(earliest.map_or(at, |other: Timestamp| other.min(at)));
    }
    let Some(at) = earliest else { return };
    let expires = at < Timestamp(u64::MAX);
    json.text("ExpirationModel", word(words::EXPIRATION_MODELS, &expires));
    if expires {
        json.time("ValidTo", at);
    }
}
