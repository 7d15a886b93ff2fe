//! The program from outside: real processes, real TLS, real signatures.
#![cfg(test)]

mod backup;
mod crash;
mod development;
mod house;
mod roots;
mod serving;
