//! The nouns of the product and the ports of its core, in the words of NIST SP 800-57 part 1.
//!
//! Every other room speaks in these types. Absent on purpose: IO, an async runtime, a clock of its own, and any word
//! of a wire protocol: the front ends translate theirs to these.

pub mod action;
pub mod algorithm;
pub mod caller;
pub mod clock;
pub mod external;
pub mod id;
pub mod key_store;
pub mod limits;
pub mod name;
pub mod purpose;
pub mod root;
pub mod spec;
pub mod store;
pub mod usage;
