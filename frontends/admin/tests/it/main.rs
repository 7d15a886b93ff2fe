//! The admin front end over a real engine.
#![cfg(test)]
#![expect(clippy::needless_pass_by_value, reason = "json!(..) reads best where it stands")]

mod access;
mod acts;
mod audit;
mod bindings;
mod dry_run;
mod house;
mod keys;
mod requests;
mod usage;
