//! The algorithms through the crate's public door.

#[cfg(test)]
mod algorithms;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod pairs;
#[cfg(test)]
mod wycheproof;
