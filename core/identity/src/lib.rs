//! Who a token says its bearer is, and whether that is proved: OpenID Connect issuers, their keys, their tokens.
//!
//! A front end hands in a token and the issuer that a tenant trusts; [`Tokens::verify`] answers with the claims, or says
//! why they are not proved. Keys come from a document that an operator gave, or are fetched from the issuer over TLS 1.3,
//! from an origin that the operator has allowed and no other; what was fetched is kept for an hour.
//!
//! Absent on purpose: symmetric and unsigned tokens, encrypted tokens, redirects, clocks (time is handed in), and what the
//! claims permit: policies decide that. Certificate checks come with the front ends that need them.

mod claims;
mod error;
mod fetch;
mod issuer;
mod keys;
pub mod limits;
mod token;

pub use claims::Claims;
pub use error::TokenError;
pub use fetch::{Fetcher, Origin, OriginError};
pub use issuer::{Issuer, KeySource, check_keys};
pub use token::{Tokens, issuer_of};
