//! A client of any XKS proxy (AWS's XKS proxy API 1.0.3), as AWS KMS is one: keys in somebody else's manager, asked for
//! one encryption or decryption at a time.
//!
//! [`Network`] holds the threads and says where hosts are; [`Network::client`] makes a [`Client`] of one proxy. Requests
//! are signed (Signature Version 4, service `kms-xks-proxy`) and sent over kept TLS connections within a deadline; every
//! answer is checked before it counts, and nothing of it is logged. To the engine it is the port of
//! `strongroom_model::external`, each of whose managers has connections, a deadline and a breaker of its own.
//!
//! Absent on purpose: retries, but for a kept connection that was closed; caches of answers; what plaintexts hold:
//! whoever encrypts twice, under material of its own first, does so before it calls.

mod breaker;
mod client;
mod counts;
mod endpoint;
mod error;
pub mod limits;
mod link;
mod manager;
mod names;
mod network;
mod wire;

pub use client::{Client, Health, HealthStatus, KeyMetadata, Node, Sealed, Target};
pub use endpoint::{Credential, Endpoint, ExternalKeyId, Malformed, is_host, is_service};
pub use error::{InvalidResponse, Refusal, Unreachable, XksError};
pub use network::{ClientCertificate, Hosts, Network, NetworkError, Route};
pub use wire::RequestMetadata;
