//! The front end over a whole engine: real store, real log, real root; requests signed as a client signs them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test's assertions, and values written where they are used"
)]

mod access;
mod agreements;
mod authentication;
mod encryption;
mod external_key_stores;
mod external_keys;
mod grants;
mod imports;
mod key_stores;
mod keys;
mod named;
mod names;
mod refusals;
mod replicas;
mod services;
mod signatures;
mod support;
