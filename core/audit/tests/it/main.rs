//! The formats that hold for ever, held against files that were written once.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod golden;
