//! Roots that are about to be made, and installations that were not finished.

use strongroom_engine::{begin_initialisation, finish_initialisation, installation, plan_root, planned_root, roots};
use strongroom_model::id::RootId;
use strongroom_testkit::engine::TestEngine;

const FIRST: RootId = RootId::from_bytes([1; 16]);
const SECOND: RootId = RootId::from_bytes([2; 16]);

#[test]
fn a_root_that_was_planned_keeps_its_id_until_it_is_finished() {
    let test = TestEngine::new();
    assert_eq!(planned_root(&*test.store, "token \"a\"").unwrap(), None);
    assert_eq!(plan_root(&*test.store, "token \"a\"", FIRST).unwrap(), FIRST);
    assert_eq!(plan_root(&*test.store, "token \"a\"", SECOND).unwrap(), FIRST);
    assert_eq!(plan_root(&*test.store, "token \"b\"", SECOND).unwrap(), SECOND);
    finish_initialisation(&*test.store).unwrap();
    assert_eq!(planned_root(&*test.store, "token \"a\"").unwrap(), None);
    assert_eq!(plan_root(&*test.store, "token \"a\"", SECOND).unwrap(), SECOND);
}

#[test]
fn an_installation_that_is_begun_again_keeps_nothing_but_the_roots_that_were_planned() {
    let test = TestEngine::new();
    let _ = test.create_key();
    plan_root(&*test.store, "token \"a\"", FIRST).unwrap();
    begin_initialisation(&*test.store).unwrap();
    assert!(installation(&*test.store).unwrap().is_none());
    assert!(roots(&*test.store).unwrap().is_empty());
    assert_eq!(planned_root(&*test.store, "token \"a\"").unwrap(), Some(FIRST));
}
