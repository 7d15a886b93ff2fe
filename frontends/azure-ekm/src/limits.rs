//! Every bound of this front end.

use std::time::Duration;

/// Bytes of a request's body: the longest value in base64, the context of the request, and unknown members. Checked before
/// anyone is proved.
pub const BODY_BYTES: usize = 32 * 1024;
/// Bytes of a value that is wrapped or unwrapped.
pub const VALUE_BYTES: usize = 8_192;
/// Bytes of a text in a request's context.
pub const CLAIM_BYTES: usize = 256;
/// Bytes of an external key id.
pub const EXTERNAL_KEY_ID_BYTES: usize = 64;
/// Bytes of a key store's prefix.
pub const PREFIX_BYTES: usize = 64;
/// Characters of what a refusal says.
pub const MESSAGE_CHARACTERS: usize = 511;
/// Time for a request in all: Managed HSM gives up after 250 ms, the way here and back included.
pub const DEADLINE: Duration = Duration::from_millis(200);
