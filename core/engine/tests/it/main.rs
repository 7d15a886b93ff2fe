//! What the engine promises, over a real store, a real log and a real root.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's assertions")]

mod access;
mod audit;
mod backup;
mod begun;
mod conflicts;
mod connecting;
mod detached;
mod doubt;
mod external_links;
mod gate;
mod grants;
mod imported_replicas;
mod imports;
mod ledger;
mod lifecycle;
mod matrix;
mod named;
mod planned;
mod quotas;
mod races;
mod rates;
mod replicas;
mod resident;
mod roots;
mod sessions;
mod sharing;
mod store_links;
mod strangers;
mod tools;
mod using;
