//! The external key proxy over a real engine and real mutual TLS.
#![cfg(test)]

mod calls;
mod house;
mod refusals;
