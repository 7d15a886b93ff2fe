//! Key material, parsed once and ready for use.
//!
//! Its secret encoding, which is what gets wrapped: for symmetric keys the raw bytes; for key pairs an unencrypted
//! PKCS#8 version 1 `PrivateKeyInfo` in DER (RFC 5208; RSA as in RFC 8017, elliptic curves as in RFC 5915 with the
//! public key, Ed25519 as in RFC 8410, ML-DSA and ML-KEM as the seed of RFC 9881 and RFC 9935). Absent on purpose: `Debug`,
//! `Clone`, and any way to the private half but [`KeyMaterial::encode`].

use std::sync::OnceLock;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use strongroom_model::spec::KeySpec;
use strongroom_secret::{Arena, ArenaSecret, Secret, SecretBytes};

use crate::error::CryptoError;
use crate::lower::LatticeKey;
use crate::public::{PublicKey, ecdsa_signing, sequence};
use crate::random::Random;

/// The material of one key version.
pub struct KeyMaterial {
    spec: KeySpec,
    pub(crate) form: Form,
}

pub(crate) enum Form {
    Symmetric(SymmetricKey),
    Rsa(Box<RsaMaterial>),
    Elliptic(Box<EcMaterial>),
    Edwards(Box<EdMaterial>),
    Lattice(Box<LatticeMaterial>),
}

pub(crate) struct RsaMaterial {
    pub(crate) signer: RsaKeyPair,
    decrypter: OnceLock<OaepPrivateDecryptingKey>,
    public: PublicKey,
}

pub(crate) struct EcMaterial {
    pub(crate) signer: EcdsaKeyPair,
    agreer: OnceLock<agreement::PrivateKey>,
    public: PublicKey,
}

pub(crate) struct EdMaterial {
    pub(crate) signer: Ed25519KeyPair,
    /// Seed and public key, as Ed25519ph wants them.
    pub(crate) private: Secret<64>,
    public: PublicKey,
}

pub(crate) struct LatticeMaterial {
    pub(crate) pair: LatticeKey,
    public: PublicKey,
}

/// A data key pair, made to leave with the caller.
pub struct DataKeyPair {
    /// The private half: PKCS#8 version 1 in DER.
    pub private: SecretBytes,
    /// The public half: `SubjectPublicKeyInfo` in DER (RFC 5280).
    pub public: Vec<u8>,
}

impl DataKeyPair {
    /// Makes a key pair.
    ///
    /// # Errors
    /// [`CryptoError::NoPublicKey`] for symmetric specs; [`CryptoError::Module`].
    pub fn generate(spec: KeySpec) -> Result<Self, CryptoError> {
        Self::of(&KeyMaterial::generate_pair(spec)?)
    }

    /// The key pair that some material is.
    ///
    /// # Errors
    /// [`CryptoError::NoPublicKey`] for symmetric material; [`CryptoError::Module`].
    pub fn of(material: &KeyMaterial) -> Result<Self, CryptoError> {
        Ok(Self { private: material.encode()?, public: material.public_key()?.der().to_vec() })
    }
}

impl KeyMaterial {
    /// Makes material: symmetric keys from `random`, into `arena` where one is given and has room; key pairs inside
    /// the cryptographic module, which tests them pairwise. RSA takes tenths of a second.
    ///
    /// # Errors
    /// [`CryptoError::Random`]; [`CryptoError::Module`].
    pub fn generate(spec: KeySpec, random: &dyn Random, arena: Option<&Arena>) -> Result<Self, CryptoError> {
        match spec.symmetric_bytes() {
            Some(length) => {
                let fresh = Secret::<64>::try_init_with(|bytes| random.fill(bytes))?;
                let raw = fresh.expose().get(..length).ok_or(CryptoError::MaterialRejected(spec))?;
                Self::parse(spec, raw, arena)
            }
            None => Self::generate_pair(spec),
        }
    }

    fn generate_pair(spec: KeySpec) -> Result<Self, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("generate a key pair");
        let rsa = |size| RsaKeyPair::generate(size).map_err(|_| FAILED);
        match spec {
            KeySpec::Rsa2048 => Self::from_rsa(spec, rsa(KeySize::Rsa2048)?),
            KeySpec::Rsa3072 => Self::from_rsa(spec, rsa(KeySize::Rsa3072)?),
            KeySpec::Rsa4096 => Self::from_rsa(spec, rsa(KeySize::Rsa4096)?),
            KeySpec::Ed25519 => Self::from_edwards(Ed25519KeyPair::generate().map_err(|_| FAILED)?),
            spec if spec.is_ml_dsa() || spec.is_ml_kem() => {
                Self::from_lattice(spec, LatticeKey::generate(spec).map_err(|_| FAILED)?)
            }
            _ => {
                let algorithm = ecdsa_signing(spec).ok_or(CryptoError::NoPublicKey(spec))?;
                Self::from_ec(spec, EcdsaKeyPair::generate(algorithm).map_err(|_| FAILED)?)
            }
        }
    }

    /// Reads the secret encoding, checking that it is material of `spec`: length, modulus size, public exponent 65537,
    /// curve, parameter set, a seed, and that both halves of a key pair belong together. The source is the caller's to
    /// erase.
    ///
    /// # Errors
    /// [`CryptoError::MaterialRejected`].
    pub fn parse(spec: KeySpec, encoded: &[u8], arena: Option<&Arena>) -> Result<Self, CryptoError> {
        let rejected = CryptoError::MaterialRejected(spec);
        if let Some(length) = spec.symmetric_bytes() {
            let form = Form::Symmetric(SymmetricKey::store(encoded, arena));
            return if encoded.len() == length { Ok(Self { spec, form }) } else { Err(rejected) };
        }
        sequence(encoded).ok_or(rejected)?;
        match ecdsa_signing(spec) {
            Some(algorithm) => Self::from_ec(spec, EcdsaKeyPair::from_pkcs8(algorithm, encoded).map_err(|_| rejected)?),
            None if spec.is_rsa() => Self::from_rsa(spec, RsaKeyPair::from_pkcs8(encoded).map_err(|_| rejected)?),
            None if spec == KeySpec::Ed25519 => {
                Self::from_edwards(Ed25519KeyPair::from_pkcs8(encoded).map_err(|_| rejected)?)
            }
            None => Self::from_lattice(spec, LatticeKey::parse_private(spec, encoded).map_err(|_| rejected)?),
        }
    }

    fn from_rsa(spec: KeySpec, signer: RsaKeyPair) -> Result<Self, CryptoError> {
        // The exponent is the last field of `RSAPublicKey`: an INTEGER of three bytes, 65537.
        const EXPONENT: [u8; 5] = [2, 3, 1, 0, 1];
        let rejected = CryptoError::MaterialRejected(spec);
        let der = signer.public_key().as_der().map_err(|_| rejected)?;
        if !signer.public_key().as_ref().ends_with(&EXPONENT) {
            return Err(rejected);
        }
        let public = PublicKey::parse(spec, der.as_ref())?;
        let rsa = RsaMaterial { signer, decrypter: OnceLock::new(), public };
        Ok(Self { spec, form: Form::Rsa(Box::new(rsa)) })
    }

    fn from_ec(spec: KeySpec, signer: EcdsaKeyPair) -> Result<Self, CryptoError> {
        let der = signer.public_key().as_der().map_err(|_| CryptoError::MaterialRejected(spec))?;
        let public = PublicKey::parse(spec, der.as_ref())?;
        let ec = EcMaterial { signer, agreer: OnceLock::new(), public };
        Ok(Self { spec, form: Form::Elliptic(Box::new(ec)) })
    }

    fn from_edwards(signer: Ed25519KeyPair) -> Result<Self, CryptoError> {
        const SPEC: KeySpec = KeySpec::Ed25519;
        const REJECTED: CryptoError = CryptoError::MaterialRejected(SPEC);
        let public = PublicKey::parse(SPEC, signer.public_key().as_der().map_err(|_| REJECTED)?.as_ref())?;
        let encoded = signer.to_pkcs8v1().map_err(|_| REJECTED)?;
        // The seed is the last field of the encoding.
        let seed = encoded.as_ref().last_chunk::<32>().ok_or(REJECTED)?;
        let halves = seed.iter().chain(signer.public_key().as_ref());
        let private = Secret::init_with(|bytes| bytes.iter_mut().zip(halves).for_each(|(byte, half)| *byte = *half));
        Ok(Self { spec: SPEC, form: Form::Edwards(Box::new(EdMaterial { signer, private, public })) })
    }

    fn from_lattice(spec: KeySpec, pair: LatticeKey) -> Result<Self, CryptoError> {
        let der = pair.public_der().map_err(|_| CryptoError::MaterialRejected(spec))?;
        let public = PublicKey::parse(spec, &der)?;
        Ok(Self { spec, form: Form::Lattice(Box::new(LatticeMaterial { pair, public })) })
    }

    /// Kind and size.
    #[must_use]
    pub const fn spec(&self) -> KeySpec {
        self.spec
    }

    /// Whether the secret lies in locked memory. Never for key pairs, which the cryptographic module keeps.
    #[must_use]
    pub const fn is_in_arena(&self) -> bool {
        match &self.form {
            Form::Symmetric(key) => key.is_in_arena(),
            _ => false,
        }
    }

    /// The secret encoding.
    ///
    /// # Errors
    /// [`CryptoError::Module`].
    pub fn encode(&self) -> Result<SecretBytes, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("encode a private key");
        match &self.form {
            Form::Symmetric(key) => Ok(SecretBytes::copy_from(key.expose())),
            Form::Rsa(rsa) => {
                let der: Pkcs8V1Der<'_> = rsa.signer.as_der().map_err(|_| FAILED)?;
                Ok(SecretBytes::copy_from(der.as_ref()))
            }
            Form::Elliptic(ec) => {
                let der = ec.signer.to_pkcs8v1().map_err(|_| FAILED)?;
                Ok(SecretBytes::copy_from(der.as_ref()))
            }
            Form::Edwards(edwards) => {
                let der = edwards.signer.to_pkcs8v1().map_err(|_| FAILED)?;
                Ok(SecretBytes::copy_from(der.as_ref()))
            }
            Form::Lattice(lattice) => lattice.pair.private_der().map_err(|_| FAILED),
        }
    }

    /// The public half.
    ///
    /// # Errors
    /// [`CryptoError::NoPublicKey`] for symmetric material.
    pub const fn public_key(&self) -> Result<&PublicKey, CryptoError> {
        match &self.form {
            Form::Symmetric(_) => Err(CryptoError::NoPublicKey(self.spec)),
            Form::Rsa(rsa) => Ok(&rsa.public),
            Form::Elliptic(ec) => Ok(&ec.public),
            Form::Edwards(edwards) => Ok(&edwards.public),
            Form::Lattice(lattice) => Ok(&lattice.public),
        }
    }

    /// The raw bytes of symmetric material.
    pub(crate) fn symmetric(&self) -> Option<&[u8]> {
        match &self.form {
            Form::Symmetric(key) => Some(key.expose()),
            _ => None,
        }
    }
}

impl RsaMaterial {
    /// The key as the module wants it for decryption; made on first use, since most RSA keys only sign.
    pub(crate) fn decrypter(&self) -> Result<&OaepPrivateDecryptingKey, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("prepare an RSA key");
        if let Some(ready) = self.decrypter.get() {
            return Ok(ready);
        }
        let der: Pkcs8V1Der<'_> = self.signer.as_der().map_err(|_| FAILED)?;
        let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).map_err(|_| FAILED)?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| FAILED)?;
        Ok(self.decrypter.get_or_init(|| key))
    }
}

impl EcMaterial {
    /// The key as the module wants it for agreement; made on first use.
    pub(crate) fn agreer(
        &self,
        algorithm: &'static agreement::Algorithm,
    ) -> Result<&agreement::PrivateKey, CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("prepare a key for agreement");
        if let Some(ready) = self.agreer.get() {
            return Ok(ready);
        }
        let der = self.signer.to_pkcs8v1().map_err(|_| FAILED)?;
        let key = agreement::PrivateKey::from_private_key_der(algorithm, der.as_ref()).map_err(|_| FAILED)?;
        Ok(self.agreer.get_or_init(|| key))
    }
}

/// A symmetric key: in the locked arena, or on the heap where there is none or it is full.
pub(crate) enum SymmetricKey {
    Locked(ArenaSecret),
    Heap(SecretBytes),
}

impl SymmetricKey {
    pub(crate) fn store(bytes: &[u8], arena: Option<&Arena>) -> Self {
        arena
            .and_then(|arena| arena.store(bytes))
            .map_or_else(|| Self::Heap(SecretBytes::copy_from(bytes)), Self::Locked)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        match self {
            Self::Locked(secret) => secret.expose(),
            Self::Heap(secret) => secret.expose(),
        }
    }

    pub(crate) const fn is_in_arena(&self) -> bool {
        matches!(self, Self::Locked(_))
    }
}

#[cfg(test)]
mod tests;
