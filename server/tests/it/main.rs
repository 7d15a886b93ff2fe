//! The program from outside: real processes, real TLS, real signatures.
#![cfg(test)]

mod backup;
mod crash;
mod crash_disk;
mod custom_key_stores;
mod development;
mod disk;
mod ekm;
mod external_keys;
mod house;
mod load;
mod offered;
mod roots;
mod serving;
mod setting_up;
mod token;
mod token_keys;
mod xks;
mod xks_client;
mod xks_http2;
mod xks_import;
mod xks_resident;
