//! The tagging API over an engine, beside the front end that the keys belong to.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's assertions")]

mod resources;
mod support;
