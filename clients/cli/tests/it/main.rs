//! The command line against a real server: over its Unix socket, over HTTPS, and against nothing.

mod acts;
mod audit;
mod house;
mod refusals;
