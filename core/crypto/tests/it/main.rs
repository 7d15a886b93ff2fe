//! The algorithms through the crate's public door.

#[cfg(test)]
mod algorithms;
#[cfg(test)]
mod wycheproof;
