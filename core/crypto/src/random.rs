//! Randomness as an argument.
//!
//! Salts, symmetric keys and identifiers come from the [`Random`] handed in. Initialisation vectors, RSA and elliptic
//! key pairs and signature nonces come from the cryptographic module's own generator, inside its boundary.

use std::convert::Infallible;

use hpke::rand_core::{TryCryptoRng, TryRng};

use crate::error::CryptoError;

/// Where random bytes come from.
pub trait Random: Send + Sync {
    /// Fills `bytes` with bytes that nobody can predict.
    ///
    /// # Errors
    /// [`CryptoError::Random`]; `bytes` must not be used then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError>;
}

/// The cryptographic module's generator: CTR-DRBG (SP 800-90A), seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| CryptoError::Random)
    }
}

/// `N` random bytes: an identifier is `KeyId::from_bytes(random::bytes(random)?)`.
///
/// # Errors
/// [`CryptoError::Random`].
pub fn bytes<const N: usize>(random: &dyn Random) -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// Lends a [`Random`] to libraries whose generators cannot fail: a failure is remembered, and [`Lent::finish`] then
/// withholds what was made.
pub(crate) struct Lent<'a> {
    random: &'a dyn Random,
    failed: bool,
}

impl<'a> Lent<'a> {
    pub(crate) fn new(random: &'a dyn Random) -> Self {
        Self { random, failed: false }
    }

    pub(crate) fn finish<T>(self, made: T) -> Result<T, CryptoError> {
        if self.failed { Err(CryptoError::Random) } else { Ok(made) }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.failed |= self.random.fill(&mut bytes).is_err();
        bytes
    }
}

impl TryRng for Lent<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.failed |= self.random.fill(bytes).is_err();
        Ok(())
    }
}

impl TryCryptoRng for Lent<'_> {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Counts upwards from a byte: for golden files only.
    pub(crate) struct Counting(pub(crate) u8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
            bytes.iter_mut().zip(0u8..).for_each(|(byte, count)| *byte = self.0.wrapping_add(count));
            Ok(())
        }
    }

    /// Has nothing to give.
    pub(crate) struct Exhausted;

    impl Random for Exhausted {
        fn fill(&self, _: &mut [u8]) -> Result<(), CryptoError> {
            Err(CryptoError::Random)
        }
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<32>(&SystemRandom).unwrap(), bytes::<32>(&SystemRandom).unwrap());
    }

    #[test]
    fn what_a_library_made_while_the_generator_failed_is_withheld() {
        let mut lent = Lent::new(&Exhausted);
        let _ = lent.try_next_u64();
        assert_eq!(lent.finish(1), Err(CryptoError::Random));
    }
}
