//! A client of any XKS proxy (AWS's XKS proxy API 1.0.3), as AWS KMS is one: keys in somebody else's manager, asked for
//! one encryption or decryption at a time.
//!
//! [`Network`] holds the threads and says where hosts are; [`Network::client`] makes a [`Client`] of one proxy. Requests
//! are signed (Signature Version 4, service `kms-xks-proxy`) and sent over kept TLS connections within a deadline; every
//! answer is checked before it counts, and nothing of it is logged.
//!
//! Absent on purpose: retries, but for a kept connection that was closed; caches of answers; client certificates; what
//! plaintexts hold: whoever encrypts twice, under material of its own first, does so before it calls.

mod client;
mod endpoint;
mod error;
pub mod limits;
mod link;
mod network;
mod wire;

pub use client::{Client, Health, HealthStatus, KeyMetadata, Node, Sealed, Target};
pub use endpoint::{Credential, Endpoint, ExternalKeyId, Malformed};
pub use error::{InvalidResponse, Refusal, Unreachable, XksError};
pub use network::{Network, NetworkError, Route};
pub use wire::RequestMetadata;
