//! The words of the commands on external key stores: keys that AWS KMS uses and does not hold.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::TenantOf;
use crate::span::Span;

/// On external key stores.
#[derive(Subcommand, Clone, Debug)]
pub enum XksCommand {
    /// Key stores: each is one external key store in AWS.
    #[command(subcommand)]
    Store(XksStoreCommand),
    /// Credentials by which AWS KMS proves a key store.
    #[command(subcommand)]
    Credential(XksCredentialCommand),
    /// Keys in a key store.
    #[command(subcommand)]
    Key(XksKeyCommand),
    /// Try a proxy from outside, as AWS KMS will call it: name, certificate, TLS, signatures, the four calls, time. Any vendor's
    /// proxy; takes its credential from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    #[command(
        after_help = "Example:\n  strongroom xks preflight https://xks.example.com/123456789012/prod/kms/xks/v1 \
                            --key payroll --region eu-west-1"
    )]
    Preflight(PreflightOptions),
}

/// What a proxy is tried with.
#[derive(Args, Clone, Debug)]
pub struct PreflightOptions {
    /// The proxy's endpoint and path: https://HOST/PREFIX/kms/xks/v1
    #[arg(value_name = "URL")]
    pub url: String,
    /// An external key id to try; without it, the calls on keys are left out.
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// The AWS region to sign for.
    #[arg(long, default_value = "us-east-1", value_name = "REGION")]
    pub region: String,
    /// PEM: the certificate authorities that the proxy's certificate may be of; those of AWS_CA_BUNDLE or of the system without it.
    #[arg(long, value_name = "FILE")]
    pub authorities: Option<PathBuf>,
    /// AWS's list of the roots that it accepts: TrustedCertificateAuthorities of github.com/aws/aws-kms-xksproxy-api-spec, as it is.
    /// Without it, the roots of this machine stand in for it.
    #[arg(long, value_name = "FILE")]
    pub trusted_authorities: Option<PathBuf>,
    /// PEM: a client certificate to show, its issuers behind it.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_certificate: Option<PathBuf>,
    /// PEM: its private key.
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
    /// Calls by which latency is measured.
    #[arg(long, default_value_t = 50, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub calls: u16,
}

/// Which key store.
#[derive(Args, Clone, Debug)]
pub struct XksStoreOf {
    #[command(flatten)]
    /// The tenant.
    pub of: TenantOf,
    /// The key store's name.
    #[arg(long, value_name = "NAME")]
    pub store: String,
}

/// On key stores.
#[derive(Subcommand, Clone, Debug)]
pub enum XksStoreCommand {
    /// Make a key store. It has no credential and no key yet.
    #[command(after_help = "Example:\n  strongroom xks store create --tenant 123456789012 prod --region eu-west-1\n  \
                            strongroom xks credential create --tenant 123456789012 --store prod --host xks.example.com\n  \
                            strongroom xks key create --tenant 123456789012 --store prod payroll")]
    Create {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
        /// The region that its keys are in, here.
        #[arg(long)]
        region: String,
        /// An AWS region whose KMS may call; may be repeated. The key store's own region without it.
        #[arg(long = "aws-region", value_name = "REGION")]
        aws_regions: Vec<String>,
        /// What stands before /kms/xks/v1 in its path; the tenant's account and the name without it.
        #[arg(long)]
        prefix: Option<String>,
        /// Its policy: a file, - is standard input; without it, everything that its KMS asks for is permitted.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Try its policies out: what they refuse is done, and told in the record.
        #[arg(long)]
        dry_run: bool,
        /// Decrypt what AWS's sample proxy encrypted with keys imported from its token.
        #[arg(long)]
        reads_sample_proxy: bool,
        /// A key store of the server's configuration, such as an HSM: its health is found out with a key inside it.
        #[arg(long, value_name = "NAME")]
        key_store: Option<String>,
    },
    /// List a tenant's key stores.
    List(TenantOf),
    /// Show a key store.
    Show {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Change a key store; what is not named stays.
    Set {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
        /// The AWS regions whose KMS may call, in place of the former.
        #[arg(long = "aws-region", value_name = "REGION")]
        aws_regions: Vec<String>,
        /// Whether its policies are tried out only.
        #[arg(long)]
        dry_run: Option<bool>,
        /// Whether it decrypts what AWS's sample proxy encrypted.
        #[arg(long)]
        reads_sample_proxy: Option<bool>,
    },
    /// Throw a key store's kill switch: every call is answered InvalidStateException until it is lifted.
    Block {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Lift it.
    Unblock {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
    /// Remove a key store that holds no keys, with its policies and credentials.
    Delete {
        #[command(flatten)]
        /// The tenant.
        of: TenantOf,
        /// Its name.
        name: String,
    },
}

/// On credentials of a key store.
#[derive(Subcommand, Clone, Debug)]
pub enum XksCredentialCommand {
    /// Make a credential, and show what AWS is told: for its console, and as a call of its command line. Its secret is shown
    /// once. Several live at once, so that a new one is made before AWS uses it.
    Create {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// How long it is good for, e.g. 90d; for ever if absent.
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
        /// The name that AWS is to call this server by, for the command that is shown.
        #[arg(long, default_value = "HOST", value_name = "NAME")]
        host: String,
        /// AWS has the key store already: show the command that brings it the new credential.
        #[arg(long, value_name = "ID")]
        custom_key_store_id: Option<String>,
    },
    /// List a key store's credentials.
    List(XksStoreOf),
    /// Remove a credential for good.
    Delete {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// The access key id.
        id: String,
    },
}

/// What alone a key may be used for in a key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// To encrypt.
    Encrypt,
    /// To decrypt.
    Decrypt,
    /// For nothing but to tell its metadata.
    Nothing,
}

/// How material is wrapped to an RSA key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wrapping {
    /// CKM_RSA_AES_KEY_WRAP with SHA-256: AWS calls it RSA_AES_KEY_WRAP_SHA_256.
    #[value(name = "rsa-aes-sha256")]
    RsaAesSha256,
    /// CKM_RSA_PKCS_OAEP with SHA-256: AWS calls it RSAES_OAEP_SHA_256.
    #[value(name = "rsa-oaep-sha256")]
    RsaOaepSha256,
    /// CKM_RSA_AES_KEY_WRAP with SHA-1, for HSMs that have no other.
    #[value(name = "rsa-aes-sha1")]
    RsaAesSha1,
    /// CKM_RSA_PKCS_OAEP with SHA-1, for HSMs that have no other.
    #[value(name = "rsa-oaep-sha1")]
    RsaOaepSha1,
}

/// The RSA key that material is wrapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WrappingKey {
    /// 2048 bits.
    #[value(name = "2048")]
    Rsa2048,
    /// 3072 bits.
    #[value(name = "3072")]
    Rsa3072,
    /// 4096 bits.
    #[value(name = "4096")]
    Rsa4096,
}

/// On keys in a key store.
#[derive(Subcommand, Clone, Debug)]
pub enum XksKeyCommand {
    /// Make an AES-256 key in a key store.
    Create {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// What AWS is to call it: 1 to 128 letters, digits and ._-
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
        /// A key store of the server's configuration, such as an HSM: the key is made there and never leaves it.
        #[arg(long, value_name = "NAME")]
        key_store: Option<String>,
    },
    /// Bring a key of AWS's sample proxy out of its token, so that what it encrypted is decrypted here: for decrypting alone. Two
    /// steps: without --wrapped, the key is made, and a directory with the public key to wrap its material for; with
    /// --wrapped, the material comes.
    #[command(
        after_help = "Example:\n  strongroom xks key import --tenant 123456789012 --store prod legacy --parameters legacy\n  \
                      (in the HSM: wrap the AES key for legacy/public-key.der)\n  \
                      strongroom xks key import --tenant 123456789012 --store prod legacy --parameters legacy --wrapped legacy.wrapped\n  \
                      strongroom xks store set --tenant 123456789012 prod --reads-sample-proxy true"
    )]
    Import {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// What the sample proxy calls it and AWS is to go on calling it: 1 to 128 letters, digits and ._-
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
        /// The directory that is made, with public-key.der, public-key.pem and token; with --wrapped, the one that was.
        #[arg(long, value_name = "DIRECTORY", required_unless_present = "material")]
        parameters: Option<PathBuf>,
        /// The material as the HSM wrapped it for the public key.
        #[arg(long, value_name = "FILE", requires = "parameters", conflicts_with_all = ["wrapping", "wrapping_key"])]
        wrapped: Option<PathBuf>,
        /// The material itself, 32 bytes, where a software token gave it out: all in one step.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["parameters", "wrapped", "wrapping"])]
        material: Option<PathBuf>,
        /// How the HSM will wrap the material.
        #[arg(long, value_enum, default_value_t = Wrapping::RsaAesSha256)]
        wrapping: Wrapping,
        /// The public key's length.
        #[arg(long, value_enum, default_value_t = WrappingKey::Rsa4096, value_name = "BITS")]
        wrapping_key: WrappingKey,
    },
    /// Give a key that there is to a key store.
    Bind {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// What AWS is to call it: 1 to 128 letters, digits and ._-
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
        /// The key's internal id; strongroom key list shows it.
        #[arg(long)]
        key: String,
        /// What alone it may be used for.
        #[arg(long, value_enum)]
        only: Option<Only>,
    },
    /// List the keys in a key store.
    List(XksStoreOf),
    /// Throw a key's kill switch: it is suspended under all its names.
    Block {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// What AWS calls it.
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
    },
    /// Lift it.
    Unblock {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// What AWS calls it.
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
    },
    /// Take a key out of a key store; the key stays. The only name of a key goes once its deletion is scheduled.
    Unbind {
        #[command(flatten)]
        /// The key store.
        of: XksStoreOf,
        /// What AWS calls it.
        #[arg(value_name = "EXTERNAL_KEY_ID")]
        id: String,
    },
}
