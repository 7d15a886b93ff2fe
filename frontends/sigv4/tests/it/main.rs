//! Signature Version 4 against AWS's published suite, against independent implementations, and against tampering.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod arbitrary;
mod differential;
mod refusals;
mod sent;
mod speed;
mod suite;
mod tampering;
