//! The promises of every store.

use std::path::Path;

use strongroom_model::store::{Revision, Store};
use strongroom_store_embedded::{EmbeddedStore, OpenError, Options};
use strongroom_testkit::store_suite::{self, Place};
use tempfile::TempDir;

struct Home(TempDir);

impl Place for Home {
    fn open(&self) -> Box<dyn Store> {
        let path: &Path = &self.0.path().join("store");
        let store = match EmbeddedStore::create(path, Revision(0), Options::default()) {
            Err(OpenError::Exists { .. }) => EmbeddedStore::open(path, Options::default()),
            created => created,
        };
        Box::new(store.unwrap())
    }
}

#[test]
fn every_promise_of_a_store_holds() {
    store_suite::holds(&|| Box::new(Home(tempfile::tempdir().unwrap())));
}
