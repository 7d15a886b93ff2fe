//! The client against a proxy that does as it is told: over real TLS, with every kind of answer.
#![cfg(test)]

mod answers;
mod connections;
mod managers;
mod proxy;
