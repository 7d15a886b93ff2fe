//! Owned secrets of fixed and of variable length.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A secret of exactly `N` bytes, kept on the heap so that moving it leaves no copy behind.
pub struct Secret<const N: usize>(Box<Zeroizing<[u8; N]>>);

impl<const N: usize> Secret<N> {
    /// Makes a secret that `fill` writes in place; starts as zeroes.
    pub fn init_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new(Zeroizing::new([0; N])));
        fill(&mut secret.0);
        secret
    }

    /// As [`Secret::init_with`], for a `fill` that may fail.
    ///
    /// # Errors
    /// Whatever `fill` returns.
    pub fn try_init_with<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new(Zeroizing::new([0; N])));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// Copies exactly `N` bytes; `None` when the slice has another length. The source is the caller's to erase.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == N).then(|| Self::init_with(|secret| secret.copy_from_slice(bytes)))
    }

    /// The bytes themselves: the only way in.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Compares in time that depends on the length alone.
    #[must_use]
    pub fn equals(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }
}

/// A secret of a length known only at run time. Its buffer never grows, so no stale copy is left by a reallocation.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over a buffer; it is erased when the secret is dropped.
    #[must_use]
    pub fn take(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies a slice; the source is the caller's to erase.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self::take(bytes.to_vec())
    }

    /// The bytes themselves: the only way in.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes. Not itself treated as secret.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the lengths alone.
    #[must_use]
    pub fn equals(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }

    /// Shortens to `length` bytes, erasing the rest; nothing happens when it is already that short.
    pub fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.0.get_mut(length..) {
            rest.zeroize();
        }
        self.0.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_another_length_is_refused() {
        assert!(Secret::<4>::copy_from(b"abc").is_none());
        assert!(Secret::<3>::copy_from(b"abc").is_some());
    }

    #[test]
    fn comparison_tells_equal_from_unequal_and_from_a_prefix() {
        let secret = SecretBytes::copy_from(b"abc");
        assert!(secret.equals(b"abc"));
        assert!(!secret.equals(b"abd"));
        assert!(!secret.equals(b"ab"));
    }

    #[test]
    fn truncation_keeps_the_front() {
        let mut secret = SecretBytes::copy_from(b"abcdef");
        secret.truncate(2);
        assert_eq!(secret.expose(), b"ab");
        secret.truncate(10);
        assert_eq!(secret.expose(), b"ab");
    }
}
