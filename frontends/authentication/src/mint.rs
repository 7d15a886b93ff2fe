//! Identifiers and secrets that front ends make, in the forms that clients of AWS expect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_engine::{Engine, EngineError, InternalFault, SecretBytes};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A prefix of four letters and 16 random characters of base32: 20 characters, as AWS's access keys have.
///
/// # Errors
/// [`EngineError::Internal`] when there is no randomness.
pub fn unique(engine: &Engine, prefix: &str) -> Result<String, EngineError> {
    random::<16>(engine, prefix)
}

/// A prefix of four letters and 17 random characters of base32: 21 characters, as AWS's unique ids of users and roles
/// have. Former ones have 20, and stay.
///
/// # Errors
/// [`EngineError::Internal`] when there is no randomness.
pub fn unique_id(engine: &Engine, prefix: &str) -> Result<String, EngineError> {
    random::<17>(engine, prefix)
}

fn random<const CHARACTERS: usize>(engine: &Engine, prefix: &str) -> Result<String, EngineError> {
    let mut drawn = [0; CHARACTERS];
    fill(engine, &mut drawn)?;
    let letter = |byte: &u8| BASE32.get(usize::from(byte % 32)).copied().map(char::from);
    Ok(prefix.chars().chain(drawn.iter().filter_map(letter)).collect())
}

/// 240 random bits in base64: 40 characters.
///
/// # Errors
/// [`EngineError::Internal`] when there is no randomness.
pub fn secret_access_key(engine: &Engine) -> Result<SecretBytes, EngineError> {
    let mut drawn = [0; 30];
    fill(engine, &mut drawn)?;
    Ok(SecretBytes::take(STANDARD.encode(drawn).into_bytes()))
}

/// 256 random bits in base64: 44 characters, for credentials that are used for one service alone.
///
/// # Errors
/// [`EngineError::Internal`] when there is no randomness.
pub fn service_secret(engine: &Engine) -> Result<SecretBytes, EngineError> {
    let mut drawn = [0; 32];
    fill(engine, &mut drawn)?;
    Ok(SecretBytes::take(STANDARD.encode(drawn).into_bytes()))
}

fn fill(engine: &Engine, bytes: &mut [u8]) -> Result<(), EngineError> {
    engine.random().fill(bytes).map_err(|_| EngineError::Internal(InternalFault::Crypto("no randomness")))
}
