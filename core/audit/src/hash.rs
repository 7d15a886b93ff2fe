//! SHA-256 as the log uses it (FIPS 180-4), with the domain separation of RFC 6962, section 2.1.

use std::fmt;

use aws_lc_rs::digest;

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Thirty-two zero bytes: what stands before the first segment of a log.
    pub const ZERO: Self = Self([0; 32]);

    /// Takes a hash as it was written.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of `parts`, one after the other.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        parts.into_iter().for_each(|part| context.update(part));
        Self::from_digest(&context.finish())
    }

    /// The hash of a leaf: `SHA-256(0x00 || entry)`.
    #[must_use]
    pub fn leaf(entry: &[u8]) -> Self {
        Self::of([[0].as_slice(), entry])
    }

    /// The hash of an inner node: `SHA-256(0x01 || left || right)`.
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut input = [1; 65];
        let (_, children) = input.split_at_mut(1);
        for (place, byte) in children.iter_mut().zip(left.0.iter().chain(&right.0)) {
            *place = *byte;
        }
        Self::from_digest(&digest::digest(&digest::SHA256, &input))
    }

    /// The root of a tree without leaves: the hash of no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::of([])
    }

    fn from_digest(digest: &digest::Digest) -> Self {
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().zip(digest.as_ref()) {
            *place = *byte;
        }
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_rfc_6962() {
        let hex = |hash: Hash| hash.to_string();
        assert_eq!(hex(Hash::empty()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(Hash::leaf(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(
            hex(Hash::node(&Hash::leaf(b""), &Hash::leaf(&[0]))),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
    }
}
