//! Tokens against issuers that are real: a TLS server on loopback, keys made for the test.

mod issuer;
mod refusals;
mod serving;
