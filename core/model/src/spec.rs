//! What kind of key material a key has. The numbers stand in formats and never change their meaning.

macro_rules! coded {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_meta])* $variant = $code,)* }

        impl $name {
            /// Every value, in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number that stands for it in formats.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value with this number; `None` when there is none.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.u8(self.code())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_code(decoder.u8()?)
                    .ok_or_else(|| minicbor::decode::Error::message(concat!("unknown ", stringify!($name))))
            }
        }
    };
}
pub(crate) use coded;

coded! {
    /// Kind and size of key material.
    KeySpec {
        /// AES with a 256-bit key (FIPS 197).
        Aes256 = 1,
        /// RSA, 2048-bit modulus, public exponent 65537 (FIPS 186-5).
        Rsa2048 = 16,
        /// RSA, 3072-bit modulus.
        Rsa3072 = 17,
        /// RSA, 4096-bit modulus.
        Rsa4096 = 18,
        /// Elliptic curve P-256 (SP 800-186).
        EcP256 = 32,
        /// Elliptic curve P-384.
        EcP384 = 33,
        /// Elliptic curve P-521.
        EcP521 = 34,
        /// Elliptic curve secp256k1 (SEC 2).
        EcSecp256k1 = 35,
        /// Ed25519, the twisted Edwards curve (RFC 8032; FIPS 186-5).
        Ed25519 = 36,
        /// HMAC key of 224 bits (FIPS 198-1).
        Hmac224 = 48,
        /// HMAC key of 256 bits.
        Hmac256 = 49,
        /// HMAC key of 384 bits.
        Hmac384 = 50,
        /// HMAC key of 512 bits.
        Hmac512 = 51,
        /// ML-DSA-44, signatures over module lattices (FIPS 204), security category 2.
        MlDsa44 = 64,
        /// ML-DSA-65, category 3.
        MlDsa65 = 65,
        /// ML-DSA-87, category 5.
        MlDsa87 = 66,
        /// ML-KEM-512, key encapsulation over module lattices (FIPS 203), security category 1.
        MlKem512 = 80,
        /// ML-KEM-768, category 3.
        MlKem768 = 81,
        /// ML-KEM-1024, category 5.
        MlKem1024 = 82,
    }
}

coded! {
    /// Where key material came from.
    Origin {
        /// Made here, by the cryptographic module of this process.
        Generated = 1,
        /// Brought by a caller.
        Imported = 2,
        /// Made inside a key store, which it never leaves.
        Resident = 3,
        /// Made here, and doubled: whatever it encrypts, a key in an external key manager encrypts once more.
        Doubled = 4,
    }
}

impl KeySpec {
    /// Whether the material is one secret shared by both sides, as opposed to a key pair.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Aes256 | Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512)
    }

    /// Whether the material is an RSA key pair.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether the material is a key pair on an elliptic curve in Weierstrass form, as ECDSA and ECDH use it; Ed25519 is
    /// not.
    #[must_use]
    pub const fn is_elliptic(self) -> bool {
        matches!(self, Self::EcP256 | Self::EcP384 | Self::EcP521 | Self::EcSecp256k1)
    }

    /// Whether the material is an ML-DSA key pair.
    #[must_use]
    pub const fn is_ml_dsa(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }

    /// Whether the material is an ML-KEM key pair.
    #[must_use]
    pub const fn is_ml_kem(self) -> bool {
        matches!(self, Self::MlKem512 | Self::MlKem768 | Self::MlKem1024)
    }

    /// Bytes of the material, for symmetric keys.
    #[must_use]
    pub const fn symmetric_bytes(self) -> Option<usize> {
        match self {
            Self::Aes256 | Self::Hmac256 => Some(32),
            Self::Hmac224 => Some(28),
            Self::Hmac384 => Some(48),
            Self::Hmac512 => Some(64),
            _ => None,
        }
    }
}
