//! Identifiers and secrets that this front end makes, in the forms that clients of AWS expect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_engine::{Engine, SecretBytes};

use crate::error::AdminError;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A prefix of four letters and 16 random characters of base32.
pub(crate) fn unique(engine: &Engine, prefix: &str) -> Result<String, AdminError> {
    let mut drawn = [0; 16];
    engine.random().fill(&mut drawn).map_err(|_| AdminError::Randomness)?;
    let letter = |byte: &u8| BASE32.get(usize::from(byte % 32)).copied().map(char::from);
    Ok(prefix.chars().chain(drawn.iter().filter_map(letter)).collect())
}

/// 240 random bits in base64: 40 characters.
pub(crate) fn secret_access_key(engine: &Engine) -> Result<SecretBytes, AdminError> {
    let mut drawn = [0; 30];
    engine.random().fill(&mut drawn).map_err(|_| AdminError::Randomness)?;
    Ok(SecretBytes::take(STANDARD.encode(drawn).into_bytes()))
}
