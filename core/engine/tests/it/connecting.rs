//! Links to external key managers on their way to being connected: what they say meanwhile, who has the last word, and who
//! goes on after a crash. Those to key stores are in [`crate::store_links`].

use std::sync::Arc;

use strongroom_engine::operations::store_link::{LinkEdit, ListStoreLinks};
use strongroom_engine::{Engine, EngineError, LinkFailure, LinkState, Mode, Parts, limits};
use strongroom_model::external::{ExternalError, ExternalManagers};
use strongroom_model::purpose::Forbidden;
use strongroom_testkit::engine::{TestDialect, call, options};
use strongroom_testkit::external::TestManagers;

use crate::external_links::{KNOWN, Rig, address, fault, in_state};
use crate::resident::eventually;
use crate::tools::{opened, sealed};

#[test]
fn a_manager_that_nobody_has_time_to_ask_is_asked_again_and_given_up_in_the_end() {
    let rig = Rig::new();
    rig.link("one", "outside", address("a"), KNOWN).unwrap();
    rig.managers.fail(Some(ExternalError::Busy));
    rig.begin_to_connect().unwrap();
    let asked = || rig.managers.asked().len();
    eventually("it was not asked in time", || asked() > 0);
    eventually("and is not asked in time again", || {
        rig.test.clock.pass(limits::CONNECTING_HOLD);
        rig.test.tick();
        asked() > 0
    });
    assert_eq!(rig.links()[0].state, LinkState::Connecting);
    rig.managers.fail(None);
    eventually("it is connected", || {
        rig.test.clock.pass(limits::CONNECTING_HOLD);
        rig.test.tick();
        rig.links()[0].state == LinkState::Connected
    });
    rig.change(LinkEdit::Disconnect).unwrap();
    rig.managers.fail(Some(ExternalError::Busy));
    rig.begin_to_connect().unwrap();
    rig.test.clock.pass(limits::CONNECTING_MOST);
    eventually("it is given up", || {
        rig.test.clock.pass(limits::CONNECTING_HOLD);
        rig.test.tick();
        (rig.links()[0].state, rig.links()[0].failure) == (LinkState::Failed, Some(LinkFailure::Unfit))
    });
}

#[test]
fn while_a_manager_is_being_connected_the_link_says_so_and_whoever_lets_go_of_it_has_the_last_word() {
    let rig = Rig::connected();
    let key = rig.make("one").unwrap();
    let ciphertext = sealed(&rig.test, &key, "salary");
    rig.change(LinkEdit::Disconnect).unwrap();
    let _ = rig.managers.asked();
    rig.hang_while_connecting();
    assert_eq!(rig.begin_to_connect().unwrap(), LinkState::Connecting, "again changes nothing");
    let connecting = || in_state(LinkState::Connecting);
    assert_eq!(fault(rig.make("two")), connecting());
    assert_eq!(fault(rig.run_update(rig.update())), connecting());
    assert_eq!(fault(rig.change(LinkEdit::Delete)), connecting());
    let unusable = opened(&rig.test, &ciphertext).err();
    assert!(matches!(unusable, Some(EngineError::StateForbids { forbidden: Forbidden::StoreDisconnected, .. })));
    assert_eq!(rig.managers.asked().len(), 1, "once, and nothing else");

    rig.change(LinkEdit::Disconnect).unwrap();
    assert_eq!(rig.links()[0].state, LinkState::Disconnected);
    // What is asked for anew is an attempt of its own, whatever the former comes to.
    rig.managers.fail(Some(ExternalError::Late));
    assert_eq!(rig.begin_to_connect().unwrap(), LinkState::Connecting);
    assert!(rig.managers.await_waiting(2));
    rig.change(LinkEdit::Disconnect).unwrap();
    rig.managers.hold(false);
    eventually("both have come to their ends", || Arc::strong_count(&rig.test.engine) == 1);
    assert_eq!((rig.links()[0].state, rig.links()[0].failure), (LinkState::Disconnected, None));
    rig.managers.fail(None);
    assert_eq!(rig.connect().unwrap(), LinkState::Connected);
}

#[test]
fn a_connection_that_a_crash_interrupted_is_made_by_the_next_start_and_counts_once() {
    let rig = Rig::new();
    rig.link("one", "outside", address("a"), KNOWN).unwrap();
    rig.hang_while_connecting();
    // The process that was at it has no say any more, though its call is under way still.
    let managers = Arc::new(TestManagers::new(&["one"], KNOWN));
    let external: Arc<dyn ExternalManagers> = Arc::<TestManagers>::clone(&managers);
    let next = Engine::start(Parts { external: Some(external), ..rig.test.parts() }, &options()).unwrap();
    next.tick(&TestDialect).unwrap();
    eventually("it is connected", || told_by(&next, &rig) == (LinkState::Connected, None));
    assert_eq!(managers.asked(), [("Test".to_owned(), String::new(), None)]);
    rig.managers.fail(Some(ExternalError::Late));
    rig.managers.hold(false);
    let ended = || Arc::strong_count(&rig.test.engine) == 1;
    eventually("the former has come to its end", ended);
    assert_eq!(told_by(&next, &rig), (LinkState::Connected, None));
}

/// What another engine over the same store says of the only link: what one keeps of a row is not forgotten for a change
/// that another makes.
fn told_by(engine: &Engine, rig: &Rig) -> (LinkState, Option<LinkFailure>) {
    let list = ListStoreLinks { place: rig.place() };
    let links = engine.perform_blocking(call(&rig.test.root()), list, Mode::Run).unwrap();
    (links[0].state, links[0].failure)
}

#[test]
fn another_node_goes_on_where_one_that_was_connecting_a_link_is_not_heard_of_for_a_while() {
    let rig = Rig::new();
    rig.link("one", "outside", address("a"), KNOWN).unwrap();
    rig.hang_while_connecting();
    let managers = Arc::new(TestManagers::new(&["one"], KNOWN));
    let external: Arc<dyn ExternalManagers> = Arc::<TestManagers>::clone(&managers);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Parts { external: Some(external), ..rig.test.parts_of_another_node(elsewhere.path()) };
    let other = Engine::start(other, &options()).unwrap();
    other.tick(&TestDialect).unwrap();
    assert_eq!((managers.asked().len(), rig.links()[0].state), (0, LinkState::Connecting), "that is the other's");
    rig.test.clock.pass(limits::CONNECTING_TAKEN_OVER);
    other.tick(&TestDialect).unwrap();
    eventually("it is connected", || told_by(&other, &rig).0 == LinkState::Connected);
    rig.managers.fail(Some(ExternalError::Late));
    rig.managers.hold(false);
    eventually("the former has come to its end", || Arc::strong_count(&rig.test.engine) == 1);
    assert_eq!(told_by(&other, &rig).0, LinkState::Connected);
}
