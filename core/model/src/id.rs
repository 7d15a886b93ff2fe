//! Identifiers: 128 random bits each, unique across installations, never derived from a name, a region or a place.

macro_rules! identifiers {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes 128 bits drawn at random by the caller, or read back from where they were written.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Reads exactly 16 bytes; `None` for any other length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Reads 32 hexadecimal digits, as [`std::fmt::Display`] writes them; `None` for anything else.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                parse_hex(text).map(Self)
            }

            /// The 16 bytes, as they stand in every format.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(decoder.bytes()?)
                    .ok_or_else(|| minicbor::decode::Error::message("an identifier has 16 bytes"))
            }
        }
    )*};
}

identifiers! {
    /// A key: what has a state, a policy and versions.
    KeyId;
    /// The key material of one key version.
    MaterialId;
    /// What is the same key everywhere it lives: a primary and its replicas, here and in other installations.
    LineageId;
    /// A tenant. The tenant of the installation's own keys is [`TenantId::INSTALLATION`].
    TenantId;
    /// One version of a tenant's domain key.
    DomainKeyId;
    /// A user of a tenant.
    PrincipalId;
    /// A credential that proves a principal.
    CredentialId;
    /// A grant on a key.
    GrantId;
    /// An audit record.
    RecordId;
    /// A root of trust.
    RootId;
    /// An installation: every node over one store.
    InstallationId;
    /// An object inside a key store: the key that is one version's material.
    ObjectId;
}

impl TenantId {
    /// The installation itself, whose domain key wraps what belongs to no tenant.
    pub const INSTALLATION: Self = Self([0; 16]);
}

fn parse_hex(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_reads_back_what_it_prints_and_nothing_else() {
        let id = KeyId::from_bytes([0xab; 16]);
        assert_eq!(KeyId::from_hex(&id.to_string()), Some(id));
        assert_eq!(KeyId::from_hex(&id.to_string().to_uppercase()), None);
        assert_eq!(KeyId::from_hex("00"), None);
        assert_eq!(KeyId::from_slice(&[0; 15]), None);
    }
}
