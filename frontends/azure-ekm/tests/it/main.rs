//! The external key proxy over a real engine and real mutual TLS.

mod calls;
mod house;
mod refusals;
