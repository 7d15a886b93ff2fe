//! Custom key stores: there are none, and whoever asks for one is told so, whatever the request says of it.

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::context::Context;
use crate::error::Fault;

pub(super) async fn refuse(_: &Context<'_>, _: IgnoredAny) -> Result<Bytes, Fault> {
    Err(Fault::unsupported("Custom key stores are not supported."))
}
