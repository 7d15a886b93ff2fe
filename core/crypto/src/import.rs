//! Key material brought from outside: unwrapped with an RSA key made for the purpose, checked, and told again.
//!
//! One error for every fault, and the same steps after a fault as before it, so that nobody learns how far something
//! came. That is all that can be had with RSAES-PKCS1-v1_5, whose successes alone tell what a padding was; front ends offer
//! it, if at all, knowing that. Absent on purpose: unwrapping that gives out bytes rather than material.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use strongroom_model::algorithm::{EncryptionAlgorithm, ImportWrapping, MessageKind, SigningAlgorithm};
use strongroom_model::id::LineageId;
use strongroom_model::spec::KeySpec;
use strongroom_secret::{Arena, Secret, SecretBytes};
use zeroize::Zeroizing;

use crate::derive::{Label, derive};
use crate::error::CryptoError;
use crate::limits::IMPORT_BYTES;
use crate::material::{Form, KeyMaterial};

/// Bytes of the passing AES key in RSA AES key wrap, and of the stand-in for what could not be unwrapped.
const PASSING_KEY_BYTES: usize = 32;

/// What tells whether the same material came again, and nothing else: KBKDF over the raw bytes of a symmetric key or the
/// public half of a key pair, bound to spec and lineage (docs/formats/wrapped-material.md). For ever.
pub struct MaterialDigest(Secret<32>);

impl MaterialDigest {
    pub(crate) const fn new(digest: Secret<32>) -> Self {
        Self(digest)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Compares in constant time.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.0.equals(other.expose())
    }
}

impl KeyMaterial {
    /// Takes in material of `spec` that was wrapped to the public half of `self`, an RSA pair made by
    /// [`KeyMaterial::generate`]; into `arena` where one is given and has room. The plaintext is the secret encoding of
    /// [`KeyMaterial::encode`], or for key pairs any PKCS#8 of the same key, with its attributes and public half left out or
    /// in; ML-DSA and ML-KEM with their seed. What is kept is what `encode` says.
    ///
    /// Both halves of a pair are tested against each other (SP 800-56A, 5.6.2.1.4, and 800-56B, 6.4.1.2).
    ///
    /// # Errors
    /// [`CryptoError::ImportRejected`] for every fault of what was brought; [`CryptoError::UnfitImport`] when `self` is no
    /// RSA pair; [`CryptoError::Module`].
    pub fn import(
        &self,
        wrapping: ImportWrapping,
        wrapped: &[u8],
        spec: KeySpec,
        arena: Option<&Arena>,
    ) -> Result<Self, CryptoError> {
        if !self.spec().is_rsa() {
            return Err(CryptoError::UnfitImport(wrapping, self.spec()));
        }
        if wrapped.len() > IMPORT_BYTES {
            return Err(CryptoError::ImportRejected);
        }
        let opened = match wrapping {
            ImportWrapping::RsaPkcs1 => self.open_pkcs1(wrapped),
            ImportWrapping::RsaOaepSha1 => self.decrypt(EncryptionAlgorithm::RsaOaepSha1, wrapped),
            ImportWrapping::RsaOaepSha256 => self.decrypt(EncryptionAlgorithm::RsaOaepSha256, wrapped),
            ImportWrapping::RsaAesSha1 => self.open_aes(EncryptionAlgorithm::RsaOaepSha1, wrapped),
            ImportWrapping::RsaAesSha256 => self.open_aes(EncryptionAlgorithm::RsaOaepSha256, wrapped),
        };
        let (sound, encoded) = or_stand_in(opened)?;
        let material = Self::parse(spec, encoded.expose(), arena);
        match material {
            Ok(material) if sound && material.is_well_made() => Ok(material),
            Ok(_) | Err(CryptoError::MaterialRejected(_)) => Err(CryptoError::ImportRejected),
            Err(error) => Err(error),
        }
    }

    /// RSAES-PKCS1-v1_5 (RFC 8017, section 7.2.2).
    fn open_pkcs1(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("prepare an RSA key");
        let key = PrivateDecryptingKey::from_pkcs8(self.encode()?.expose()).map_err(|_| FAILED)?;
        let key = Pkcs1PrivateDecryptingKey::new(key).map_err(|_| FAILED)?;
        let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
        let opened = key.decrypt(wrapped, &mut room).map_err(|_| CryptoError::ImportRejected)?;
        Ok(SecretBytes::copy_from(opened))
    }

    /// RSA AES key wrap: the passing key under RSAES-OAEP, as long as the modulus; behind it the material under the passing
    /// key by AES key wrap with padding (RFC 5649).
    fn open_aes(&self, oaep: EncryptionAlgorithm, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        const REJECTED: CryptoError = CryptoError::ImportRejected;
        let modulus = match &self.form {
            Form::Rsa(rsa) => rsa.signer.public_modulus_len(),
            _ => return Err(REJECTED),
        };
        let (passing, material) = wrapped.split_at_checked(modulus).ok_or(REJECTED)?;
        let (sound, passing) = or_stand_in(self.decrypt(oaep, passing))?;
        let passing = AesKek::new(&AES_256, passing.expose()).map_err(|_| REJECTED)?;
        let mut room = Zeroizing::new(vec![0; material.len()]);
        let opened = passing.unwrap_with_padding(material, &mut room).map_err(|_| REJECTED)?;
        if sound { Ok(SecretBytes::copy_from(opened)) } else { Err(REJECTED) }
    }

    /// What reading the encoding did not check. For RSA it was checked that the factors make the modulus and the exponents
    /// belong together, not that the factors are prime: with others, a signature does not verify.
    fn is_well_made(&self) -> bool {
        let (algorithm, kind, message) = (SigningAlgorithm::RsaPkcs1Sha256, MessageKind::Raw, b"strongroom");
        !self.spec().is_rsa()
            || self.sign(algorithm, kind, message).is_ok_and(|signature| {
                self.public_key().is_ok_and(|public| public.verify(algorithm, kind, message, &signature).is_ok())
            })
    }

    /// The digest of this material as material of a key of `lineage`.
    ///
    /// # Errors
    /// [`CryptoError::Module`].
    pub fn digest(&self, lineage: LineageId) -> Result<MaterialDigest, CryptoError> {
        let identity = match self.symmetric() {
            Some(bytes) => bytes,
            None => self.public_key()?.der(),
        };
        let mut context = [self.spec().code(); 17];
        context.iter_mut().skip(1).zip(lineage.as_bytes()).for_each(|(byte, id)| *byte = *id);
        Secret::try_init_with(|digest| derive(identity, Label::ImportedMaterial, &context, digest)).map(MaterialDigest)
    }
}

/// What was opened, or something to go on with where nothing was; and whether it was. Faults that are ours pass.
fn or_stand_in(opened: Result<SecretBytes, CryptoError>) -> Result<(bool, SecretBytes), CryptoError> {
    match opened {
        Ok(bytes) => Ok((true, bytes)),
        Err(CryptoError::InvalidCiphertext | CryptoError::ImportRejected) => {
            Ok((false, SecretBytes::take(vec![0; PASSING_KEY_BYTES])))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
