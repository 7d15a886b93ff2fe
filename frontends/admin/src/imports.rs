//! Material for keys that were made to have it brought.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_admin_api::{
    GetImportParameters, ImportKeyMaterial, ImportParameters, import_wrapping, spec as spec_named,
};
use strongroom_engine::KeyReference;
use strongroom_engine::operations::import;

use crate::context::Context;
use crate::error::AdminError;
use crate::keys::version;
use crate::reply::Reply;

pub(crate) async fn parameters(context: &Context<'_>) -> Result<Reply, AdminError> {
    let GetImportParameters { wrapping, wrapping_spec } = context.body()?;
    let key = KeyReference::Id(context.key()?);
    let detail = vec![("wrapping", wrapping.clone()), ("wrapping_spec", wrapping_spec.clone())];
    let get = import::GetImportParameters {
        key,
        wrapping: import_wrapping(&wrapping).map_err(AdminError::Body)?,
        wrapping_spec: spec_named(&wrapping_spec).map_err(AdminError::Body)?,
    };
    let given = context.perform_telling(get, detail).await?;
    Reply::ok(&ImportParameters {
        key: given.key.row.id.to_string(),
        wrapping,
        wrapping_spec,
        public_key: STANDARD.encode(&given.public),
        token: STANDARD.encode(&given.token),
        valid_to: given.valid_to.into(),
    })
}

pub(crate) async fn bring(context: &Context<'_>) -> Result<Reply, AdminError> {
    let ImportKeyMaterial { token, wrapped } = context.body()?;
    let bytes =
        |field, text: &str| STANDARD.decode(text).map_err(|_| AdminError::Value { field, problem: "is not base64" });
    let bring = import::ImportMaterial {
        key: KeyReference::Id(context.key()?),
        token: bytes("token", &token)?,
        wrapped: bytes("wrapped", &wrapped)?,
        kind: None,
        material: None,
        expires: None,
        description: None,
    };
    let (entry, brought) = context.perform(bring).await?;
    // The key's first version is its current one from here on.
    Reply::ok(&version(&brought, Some(entry.row.current.max(1))))
}
