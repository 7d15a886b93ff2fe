//! Tokens against issuers that are real: a TLS server on loopback, keys made for the test.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's assertions")]

mod issuer;
mod refusals;
mod serving;
