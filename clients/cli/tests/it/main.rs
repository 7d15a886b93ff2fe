//! The command line against a real server: over its Unix socket, over HTTPS, and against nothing.
#![cfg(test)]

mod acts;
mod apply;
mod audit;
mod house;
mod keys;
mod preflight;
mod refusals;
