//! All key derivation, on one screen.
//!
//! KBKDF in counter mode with HMAC-SHA256 (SP 800-108r1, section 4.1): counter of 32 bits in front, fixed input
//! `label || 0x00 || context || L`, L being the output's length in bits as 32 bits, all numbers big-endian. The
//! context is always the whole fixed header of the format that the key is for, salt included. Absent on purpose: any
//! other derivation, and a label made at run time.

use std::io::Write;

use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};

use crate::error::CryptoError;

/// What a derived key is for. No two purposes share a label, so no two ever share a key. For ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Ciphertext,
    Secret,
    WrappedMaterial,
    Credential,
    ImportToken,
    GrantToken,
    PageCursor,
    Backup,
    ShareSet,
    ImportedMaterial,
    MaterialDigest,
    SessionToken,
    Detached,
}

impl Label {
    pub(crate) const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Ciphertext => b"strongroom ciphertext",
            Self::Secret => b"strongroom secret",
            Self::WrappedMaterial => b"strongroom wrapped material",
            Self::Credential => b"strongroom credential",
            Self::ImportToken => b"strongroom import token",
            Self::GrantToken => b"strongroom grant token",
            Self::PageCursor => b"strongroom page cursor",
            Self::Backup => b"strongroom backup",
            Self::ShareSet => b"strongroom share set",
            Self::ImportedMaterial => b"strongroom imported material",
            Self::MaterialDigest => b"strongroom material digest",
            Self::SessionToken => b"strongroom session token",
            Self::Detached => b"strongroom detached ciphertext",
        }
    }
}

/// Room for the longest label, the longest header and the two fixed parts.
const FIXED_INPUT_BYTES: usize = 160;
const FAILED: CryptoError = CryptoError::Module("derive a key");

/// Derives `output.len()` bytes from `key` for `label` and `context`.
pub(crate) fn derive(key: &[u8], label: Label, context: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
    let bits = u32::try_from(output.len()).ok().and_then(|bytes| bytes.checked_mul(8)).ok_or(FAILED)?;
    let mut input = [0; FIXED_INPUT_BYTES];
    let mut room = input.as_mut_slice();
    for part in [label.bytes(), &[0], context, &bits.to_be_bytes()] {
        room.write_all(part).map_err(|_| FAILED)?;
    }
    let unused = room.len();
    expand(key, input.get(..FIXED_INPUT_BYTES - unused).ok_or(FAILED)?, output)
}

fn expand(key: &[u8], fixed_input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
    let algorithm = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256).ok_or(FAILED)?;
    kbkdf_ctr_hmac(algorithm, key, fixed_input, output).map_err(|_| FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_input_is_label_zero_context_and_length_in_bits_behind_a_counter() {
        let mut derived = [0; 64];
        derive(&[7; 32], Label::Ciphertext, b"context", &mut derived).unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]);
        for (block, counter) in derived.chunks(32).zip(1u8..) {
            let mut message = vec![0, 0, 0, counter];
            message.extend_from_slice(b"strongroom ciphertext\0context\0\0\x02\0");
            assert_eq!(aws_lc_rs::hmac::sign(&key, &message).as_ref(), block);
        }
    }

    /// NIST CAVP, SP 800-108 counter mode (KDFCTR_gen.rsp): PRF HMAC_SHA256, counter before the fixed input, 32 bits,
    /// count 0, L = 128.
    #[test]
    fn the_counter_mode_gives_the_answer_that_nist_published() {
        let hex = |text: &str| -> Vec<u8> {
            let nibbles: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
            nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
        };
        let key = hex("dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0");
        let fixed_input = hex(concat!(
            "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b8",
            "64a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac"
        ));
        let mut derived = [0; 16];
        expand(&key, &fixed_input, &mut derived).unwrap();
        assert_eq!(derived.as_slice(), hex("10621342bfb0fd40046c0e29f2cfdbf0"));
    }

    #[test]
    fn a_header_longer_than_any_format_has_is_refused() {
        assert!(derive(&[7; 32], Label::Ciphertext, &[0; FIXED_INPUT_BYTES], &mut [0; 64]).is_err());
    }
}
