//! The PKCS#11 root over SoftHSM2, in a child process as in production.

#[cfg(test)]
mod begun;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod store;
