//! Real components for tests: never shipped.

pub mod root_suite;
