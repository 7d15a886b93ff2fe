//! The program from outside: real processes, real TLS, real signatures.

mod crash;
mod development;
