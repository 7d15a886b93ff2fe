//! The algorithms through the crate's public door.

mod algorithms;
mod wycheproof;
