//! AWS Signature Version 4, verifying and signing: pure, without input or output, clock or run time.
//!
//! A receiver goes four steps, so that it can route by service and look the access key up between them:
//!
//! 1. [`ParsedAuthorization::parse`]: what the request claims.
//! 2. [`ParsedAuthorization::check`]: scope, time and signed headers against an [`Expectation`]; no key needed.
//! 3. A [`SigningKey`] for the claimed access key and scope, from a [`SigningKeyCache`] or derived.
//! 4. [`Checked::verify`]: the signature over the request and its body.
//!
//! Stricter than AWS where a lax rule would leave a part of the request open to change: every `x-amz-` header that is
//! present must be signed, `Host` must be the authority that the request was sent to, no header that counts may occur
//! twice. The canonical form is the one of every service but S3.
//!
//! Absent on purpose: Signature Version 4a, chunked (`STREAMING-`) payloads, S3's rules for paths, form bodies folded
//! into the query string, presigning.

mod authorization;
mod canonical;
mod encoding;
mod error;
mod key;
pub mod limits;
mod request;
mod scratch;
mod sign;
mod signed_headers;
mod signing_time;
mod verify;

pub use authorization::ParsedAuthorization;
pub use error::{Part, ScopeField, SigV4Error};
pub use key::{Scope, SigningKey, SigningKeyCache};
pub use request::{Headers, HeadersFrom, Request};
pub use sign::{Credentials, SignatureHeaders, sign};
pub use signing_time::{ScopeDate, SigningTime};
pub use strongroom_secret::SecretBytes;
pub use verify::{Checked, Expectation, Verified};
