//! The PKCS#11 root over SoftHSM2, in a child process as in production.

mod faults;
mod promises;
mod rig;
