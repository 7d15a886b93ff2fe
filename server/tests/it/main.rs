//! The program from outside: real processes, real TLS, real signatures.
#![cfg(test)]

mod backup;
mod crash;
mod crash_disk;
mod development;
mod disk;
mod external_keys;
mod house;
mod load;
mod roots;
mod serving;
mod setting_up;
mod token;
mod xks;
mod xks_client;
mod xks_http2;
mod xks_import;
mod xks_resident;
