//! Real components for tests: never shipped.

#[cfg(feature = "program")]
pub mod client;
#[cfg(feature = "engine")]
pub mod engine;
pub mod external;
pub mod late_store;
pub mod root_suite;
#[cfg(feature = "program")]
pub mod server;
pub mod softhsm;
#[cfg(feature = "program")]
pub mod stalls;
pub mod store_suite;
