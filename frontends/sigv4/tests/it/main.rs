//! Signature Version 4 against AWS's published suite, against independent implementations, and against tampering.

mod arbitrary;
mod differential;
mod refusals;
mod sent;
mod speed;
mod suite;
mod tampering;
