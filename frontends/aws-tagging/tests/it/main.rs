//! The tagging API over an engine, beside the front end that the keys belong to.

mod resources;
mod support;
