//! The embedded store against the port's promises, against damage and against sudden death.

mod crash;
mod opening;
mod running;
mod suite;
