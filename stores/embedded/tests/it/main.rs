//! The embedded store against the port's promises, against damage and against sudden death.

mod opening;
mod suite;
