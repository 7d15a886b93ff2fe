//! Identifiers and secrets in the forms that clients of AWS expect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_crypto::{SystemRandom, random};
use strongroom_secret::SecretBytes;

use crate::Failure;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A prefix of four letters and random characters of base32: 16 for access keys, 17 for principals, as AWS has it.
pub(crate) fn unique<const CHARACTERS: usize>(prefix: &str) -> Result<String, Failure> {
    let drawn: [u8; CHARACTERS] = random::bytes(&SystemRandom).map_err(|_| Failure::Randomness)?;
    let letter = |byte: &u8| BASE32.get(usize::from(byte % 32)).copied().unwrap_or(b'A');
    Ok(drawn.iter().map(letter).fold(prefix.to_owned(), |mut text, letter| {
        text.push(char::from(letter));
        text
    }))
}

/// 240 random bits in base64: 40 characters.
pub(crate) fn secret_access_key() -> Result<SecretBytes, Failure> {
    let drawn: [u8; 30] = random::bytes(&SystemRandom).map_err(|_| Failure::Randomness)?;
    Ok(SecretBytes::take(STANDARD.encode(drawn).into_bytes()))
}
