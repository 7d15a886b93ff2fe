//! Real components for tests: never shipped.

pub mod root_suite;
pub mod store_suite;
