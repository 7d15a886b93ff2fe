//! Identifiers of requests and records, drawn many at a time.
//!
//! A draw from the cryptographic module costs the same for 16 bytes as for a thousand, and every request needs two
//! identifiers. What is drawn ahead is no secret: it is shown to callers, and never becomes a key, salt or initialisation
//! vector.

use parking_lot::Mutex;
use strongroom_crypto::{CryptoError, Random, random};

/// How many are drawn at once.
const DRAWN: usize = 64;

/// Identifiers that are not given out yet.
#[derive(Default)]
pub(crate) struct Identifiers(Mutex<Vec<[u8; 16]>>);

impl Identifiers {
    /// One that was never given out before.
    pub(crate) fn next(&self, random: &dyn Random) -> Result<[u8; 16], CryptoError> {
        let mut left = self.0.lock();
        if left.is_empty() {
            let drawn = random::bytes::<{ 16 * DRAWN }>(random)?;
            left.extend_from_slice(drawn.as_chunks().0);
        }
        left.pop().ok_or(CryptoError::Random)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use strongroom_crypto::SystemRandom;

    use super::*;

    struct Exhausted;

    impl Random for Exhausted {
        fn fill(&self, _: &mut [u8]) -> Result<(), CryptoError> {
            Err(CryptoError::Random)
        }
    }

    #[test]
    fn none_is_given_out_twice() {
        let identifiers = Identifiers::default();
        let given: HashSet<_> = (0..3 * DRAWN).map(|_| identifiers.next(&SystemRandom).unwrap()).collect();
        assert_eq!(given.len(), 3 * DRAWN);
    }

    #[test]
    fn without_randomness_there_is_none() {
        assert!(Identifiers::default().next(&Exhausted).is_err());
    }
}
