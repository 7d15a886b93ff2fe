//! The program from outside: real processes, real TLS, real signatures.
#![cfg(test)]

mod backup;
mod crash;
mod crash_disk;
mod development;
mod disk;
mod house;
mod load;
mod roots;
mod serving;
mod setting_up;
mod xks;
mod xks_client;
mod xks_resident;
