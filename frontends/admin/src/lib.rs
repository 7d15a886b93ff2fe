//! The admin front end: tenants, principals, credentials, policies, keys, bindings, roots, audit, over our own API.
//!
//! Every act goes through the engine, is decided by policy and recorded like any other. Absent on purpose: any use of
//! key material.

mod dialect;
mod error;

pub use dialect::AdminDialect;
pub use error::code;
