//! Every operation. One file a family; each is a plain struct that a front end fills and [`crate::Engine::perform`] does.

pub mod agreement;
pub mod alone;
pub mod backup;
pub mod clock;
pub mod credential;
pub mod data_key;
pub mod detached;
pub mod domain_key;
pub mod encrypt;
pub mod explain;
pub mod external_link;
pub mod govern;
pub mod grant;
pub mod import;
pub mod inspect;
pub mod issuer;
pub mod kem;
pub mod key;
pub mod lineage;
pub mod listing;
pub mod mac;
pub(crate) mod meaning;
pub mod name;
pub mod principal;
pub mod records;
pub mod resident_key;
pub mod role;
pub mod root;
pub mod rotation;
pub mod service;
pub mod sign;
pub mod store_link;
pub mod suspend;
pub mod tenant;
pub mod usage;
pub mod wrap;

/// Pairs that are bound to a ciphertext without being encrypted, as the request gave them.
pub type ContextPairs = std::sync::Arc<[(String, String)]>;
