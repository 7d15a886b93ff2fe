//! What this build can do, asked at run time. No cargo feature changes an algorithm or a default.

use strongroom_model::algorithm::{EncryptionAlgorithm, MacAlgorithm, SigningAlgorithm};
use strongroom_model::spec::KeySpec;

use crate::ciphertext::Format;

/// One thing that this build can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Make and use material of this kind.
    Spec(KeySpec),
    /// Sign and verify.
    Signing(SigningAlgorithm),
    /// Encrypt and decrypt.
    Encryption(EncryptionAlgorithm),
    /// Compute and verify message authentication codes.
    Mac(MacAlgorithm),
    /// Open ciphertexts of this format.
    Ciphertext(Format),
}

/// Everything that this build can do.
pub fn capabilities() -> impl Iterator<Item = Capability> {
    let specs = KeySpec::ALL.iter().copied().map(Capability::Spec);
    let signing = SigningAlgorithm::ALL.iter().copied().map(Capability::Signing);
    let encryption = EncryptionAlgorithm::ALL.iter().copied().map(Capability::Encryption);
    let macs = MacAlgorithm::ALL.iter().copied().map(Capability::Mac);
    specs.chain(signing).chain(encryption).chain(macs).chain([Capability::Ciphertext(Format::V1)])
}

/// The cryptographic module in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    /// Name and version, for people.
    pub version: &'static str,
    /// Whether it runs in FIPS 140 mode.
    pub fips: bool,
}

/// Which cryptographic module this process runs on.
#[must_use]
pub fn module() -> Module {
    Module { version: aws_lc_rs::awslc_version(), fips: aws_lc_rs::try_fips_mode().is_ok() }
}
