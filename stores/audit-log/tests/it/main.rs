//! What the log promises, with real files. Failing disks are simulated at the one place where files are touched.

mod append;
mod fault;
mod helper;
mod prune;
mod read;
mod recover;
