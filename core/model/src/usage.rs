//! Usage profiles: what a key may be used for, fixed when it is made and bound into its wrapping.

use crate::spec::{KeySpec, coded};

coded! {
    /// One way of using a key. The code is the number of its bit in a [`UsageProfile`].
    Usage {
        /// Authenticated encryption under a key derived afresh for each ciphertext.
        DerivedAead = 0,
        /// AES-GCM directly under the material (SP 800-38D).
        RawGcm = 1,
        /// AES-CBC directly under the material (SP 800-38A).
        RawCbc = 2,
        /// AES key wrap, with and without padding (SP 800-38F).
        KeyWrap = 3,
        /// RSAES-OAEP (RFC 8017).
        RsaOaep = 4,
        /// RSAES-PKCS1-v1_5 (RFC 8017), which has an inherent oracle.
        RsaPkcs1 = 5,
        /// Digital signatures.
        Sign = 6,
        /// Message authentication codes (FIPS 198-1).
        Mac = 7,
        /// Key agreement (SP 800-56A).
        KeyAgreement = 8,
        /// Key encapsulation (FIPS 203).
        Kem = 9,
        /// Release of keys bound to a policy, by a key access service.
        KeyAccess = 10,
    }
}

/// A set of usages that do not endanger each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UsageProfile(u32);

/// Why a usage profile can't be formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No usage at all.
    #[error("a usage profile needs at least one usage")]
    Empty,
    /// Two usages of which one would break the other's protection under the same material.
    #[error("{0:?} and {1:?} endanger each other under the same key material")]
    Conflict(Usage, Usage),
    /// A usage that this kind of key material cannot serve.
    #[error("{0:?} is not a usage of a {1:?} key")]
    Unfit(Usage, KeySpec),
    /// A bit with no meaning in this version.
    #[error("unknown usage bits {0:#x}")]
    Unknown(u32),
}

impl UsageProfile {
    /// Forms a profile for material of `spec`.
    ///
    /// # Errors
    /// When the set is empty, when two members endanger each other, or when one does not fit the material.
    pub fn new(usages: &[Usage], spec: KeySpec) -> Result<Self, ProfileError> {
        let profile = Self(usages.iter().fold(0, |bits, usage| bits | 1 << usage.code()));
        profile.check(spec)
    }

    /// Reads the bits as they stand in formats.
    ///
    /// # Errors
    /// As [`UsageProfile::new`], or when a bit has no meaning.
    pub fn from_bits(bits: u32, spec: KeySpec) -> Result<Self, ProfileError> {
        let known = Usage::ALL.iter().fold(0, |bits, usage| bits | 1u32 << usage.code());
        if bits & !known != 0 {
            return Err(ProfileError::Unknown(bits & !known));
        }
        Self(bits).check(spec)
    }

    /// The bits as they stand in formats.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether `usage` belongs to the profile.
    #[must_use]
    pub const fn contains(self, usage: Usage) -> bool {
        self.0 & 1 << usage.code() != 0
    }

    /// The usages, in order of code.
    pub fn usages(self) -> impl Iterator<Item = Usage> {
        Usage::ALL.iter().copied().filter(move |usage| self.contains(*usage))
    }

    fn check(self, spec: KeySpec) -> Result<Self, ProfileError> {
        if self.0 == 0 {
            return Err(ProfileError::Empty);
        }
        for usage in self.usages() {
            if !fits(usage, spec) {
                return Err(ProfileError::Unfit(usage, spec));
            }
            if let Some(other) = self.usages().find(|other| endangers(usage, *other)) {
                return Err(ProfileError::Conflict(usage, other));
            }
        }
        Ok(self)
    }
}

const fn fits(usage: Usage, spec: KeySpec) -> bool {
    match usage {
        Usage::DerivedAead | Usage::RawGcm | Usage::RawCbc | Usage::KeyWrap => matches!(spec, KeySpec::Aes256),
        Usage::RsaOaep | Usage::RsaPkcs1 => spec.is_rsa(),
        Usage::Sign => spec.is_rsa() || spec.is_elliptic() || spec.is_ml_dsa() || matches!(spec, KeySpec::Ed25519),
        Usage::Mac => matches!(spec, KeySpec::Hmac224 | KeySpec::Hmac256 | KeySpec::Hmac384 | KeySpec::Hmac512),
        Usage::KeyAgreement => matches!(spec, KeySpec::EcP256 | KeySpec::EcP384 | KeySpec::EcP521),
        Usage::Kem => spec.is_ml_kem(),
        Usage::KeyAccess => spec.is_rsa() || matches!(spec, KeySpec::EcP256 | KeySpec::EcP384 | KeySpec::EcP521),
    }
}

/// Key access stands alone: anything else would open what a key access service guards. The raw AES modes stand alone
/// too: a caller who chooses the IV of one mode can undo another under the same bytes. SP 800-57 part 1 (5.2) keeps
/// signing, agreement and encryption apart.
fn endangers(one: Usage, other: Usage) -> bool {
    one != other && !matches!((one, other), (Usage::RsaOaep, Usage::RsaPkcs1) | (Usage::RsaPkcs1, Usage::RsaOaep))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_whose_members_endanger_each_other_cannot_be_formed() {
        assert_eq!(
            UsageProfile::new(&[Usage::RawGcm, Usage::RawCbc], KeySpec::Aes256),
            Err(ProfileError::Conflict(Usage::RawGcm, Usage::RawCbc))
        );
        assert_eq!(
            UsageProfile::new(&[Usage::KeyAccess, Usage::RsaOaep], KeySpec::Rsa2048),
            Err(ProfileError::Conflict(Usage::RsaOaep, Usage::KeyAccess))
        );
        assert_eq!(UsageProfile::new(&[], KeySpec::Aes256), Err(ProfileError::Empty));
    }

    #[test]
    fn a_profile_must_fit_its_material() {
        for (usage, spec) in [
            (Usage::Sign, KeySpec::Aes256),
            (Usage::Sign, KeySpec::MlKem768),
            (Usage::Kem, KeySpec::MlDsa65),
            (Usage::KeyAgreement, KeySpec::Ed25519),
            (Usage::KeyAgreement, KeySpec::EcSecp256k1),
        ] {
            assert_eq!(UsageProfile::new(&[usage], spec), Err(ProfileError::Unfit(usage, spec)));
        }
    }

    #[test]
    fn every_kind_of_material_has_a_usage() {
        for spec in KeySpec::ALL {
            assert!(Usage::ALL.iter().any(|usage| UsageProfile::new(&[*usage], *spec).is_ok()), "{spec:?}");
        }
    }

    #[test]
    fn a_profile_reads_back_from_its_bits_and_unknown_bits_are_refused() {
        let profile = UsageProfile::new(&[Usage::RsaOaep], KeySpec::Rsa4096).unwrap();
        assert_eq!(UsageProfile::from_bits(profile.bits(), KeySpec::Rsa4096), Ok(profile));
        assert_eq!(UsageProfile::from_bits(1 << 30, KeySpec::Rsa4096), Err(ProfileError::Unknown(1 << 30)));
    }
}
