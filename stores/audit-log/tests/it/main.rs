//! What the log promises, with real files. Failing disks are simulated at the one place where files are touched.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod append;
mod cost;
mod crash;
mod fault;
mod helper;
mod prune;
mod read;
mod recover;
