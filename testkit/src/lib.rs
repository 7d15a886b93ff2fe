//! Real components for tests: never shipped.

pub mod root_suite;
pub mod softhsm;
pub mod store_suite;
