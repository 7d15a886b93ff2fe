//! The policy engine through its public interface.

#[cfg(test)]
mod bound;
mod condition_keys;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod evaluation;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod robustness;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod variables;
#[cfg(test)]
mod words;
