//! The embedded store against the port's promises, against damage and against sudden death.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's assertions")]

mod crash;
mod load;
mod opening;
mod running;
mod suite;
