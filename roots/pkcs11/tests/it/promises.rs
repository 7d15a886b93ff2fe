//! What holds while the token is well.

use std::time::Duration;

use strongroom_model::id::RootId;
use strongroom_model::root::{RootError, RootOfTrust};
use strongroom_root_pkcs11::{Config, HealthState, Launcher, Pkcs11Error, Pkcs11Root, TokenSelector, Wrapping};
use strongroom_secret::SecretBytes;
use strongroom_testkit::root_suite::{self, sample_key};
use strongroom_testkit::softhsm::Token;

use crate::rig::{ROOT, Rig, children_of_this_process, eventually, program};

const CONTEXT: &[u8] = b"context";

fn other(config: Config) -> Config {
    Config { root: RootId::from_bytes(*b"another test's r"), ..config }
}

#[test]
fn with_gcm_it_keeps_what_every_root_promises() {
    let rig = Rig::new();
    let root = rig.provision(rig.config());
    assert_eq!(root.describe().wrapping, "AES-256-GCM in the token");
    root_suite::holds(&root, &rig.provision(other(rig.config())));
}

#[test]
fn with_key_wrap_it_keeps_what_every_root_promises() {
    let rig = Rig::new();
    let root = rig.provision_for(rig.config(), Wrapping::KeyWrapPad);
    assert_eq!(root.describe().wrapping, "AES-256 key wrap with padding in the token");
    root_suite::holds(&root, &rig.provision_for(other(rig.config()), Wrapping::KeyWrapPad));
}

#[test]
fn keys_are_found_again_rather_than_made_twice() {
    let rig = Rig::new();
    let first = rig.provision(rig.config());
    let wrapped = first.wrap(CONTEXT, &sample_key()).unwrap();
    let key = first.checkpoint_key().unwrap();
    drop(first);
    for again in [rig.provision(rig.config()), Pkcs11Root::open(rig.config(), rig.launcher(), rig.token.pin()).unwrap()]
    {
        assert!(again.unwrap(CONTEXT, &wrapped).unwrap().equals(sample_key().expose()));
        assert_eq!(again.checkpoint_key().unwrap(), key);
        assert_eq!(again.describe().id, ROOT);
        assert_eq!(again.health().state, HealthState::Up);
    }
    let wish = Pkcs11Root::provision(rig.config(), rig.launcher(), rig.token.pin(), Some(Wrapping::KeyWrapPad));
    assert!(matches!(wish, Err(Pkcs11Error::Unfit(_))));
}

#[test]
fn a_token_is_chosen_by_serial_number_and_never_by_guess() {
    let rig = Rig::new();
    let root = rig.provision(rig.config());
    let location = root.describe().location;
    let serial = location.split('"').nth(3).unwrap().to_owned();
    let by_serial = Config { token: TokenSelector::Serial(serial), ..rig.config() };
    assert_eq!(rig.provision(by_serial.clone()).describe().location, location);

    let _twin = Token::new(rig.directory(), rig.token.label());
    let open = |config| Pkcs11Root::open(config, rig.launcher(), rig.token.pin());
    assert!(matches!(open(rig.config()), Err(Pkcs11Error::SeveralTokens(_))));
    assert_eq!(open(by_serial).unwrap().describe().location, location);
    let absent = Config { token: TokenSelector::Label("strongroom".into()), ..rig.config() };
    assert!(matches!(open(absent), Err(Pkcs11Error::NoToken(_))));
}

#[test]
fn what_cannot_be_opened_is_told_apart() {
    let rig = Rig::new();
    let open = |config, launcher, pin: &[u8]| Pkcs11Root::open(config, launcher, SecretBytes::copy_from(pin));
    let pin = rig.token.pin();
    let unprovisioned = open(rig.config(), rig.launcher(), pin.expose());
    assert!(matches!(unprovisioned, Err(Pkcs11Error::NotProvisioned(ROOT))));
    let wrong_pin = open(rig.config(), rig.launcher(), b"wrong");
    assert!(matches!(wrong_pin, Err(Pkcs11Error::Root(RootError::WrongCredential))));
    let no_module = Config { module: "/nowhere/module.so".into(), ..rig.config() };
    let no_module = open(no_module, rig.launcher(), pin.expose());
    assert!(matches!(no_module, Err(Pkcs11Error::Root(RootError::Unavailable { .. }))));
    let no_program = Launcher { program: "/nowhere/program".into(), ..rig.launcher() };
    let no_program = open(rig.config(), no_program, pin.expose());
    assert!(matches!(no_program, Err(Pkcs11Error::Root(RootError::Unavailable { .. }))));
    let no_child = Launcher { program: program(), arguments: vec!["--list".into()], environment: vec![] };
    let no_child = open(rig.config(), no_child, pin.expose());
    assert!(matches!(no_child, Err(Pkcs11Error::Root(RootError::Unavailable { .. }))));
    for config in [Config { sessions: 0, ..rig.config() }, Config { queue: 1 << 20, ..rig.config() }] {
        assert!(matches!(open(config, rig.launcher(), pin.expose()), Err(Pkcs11Error::Bounds { .. })));
    }
    assert!(matches!(open(rig.config(), rig.launcher(), b""), Err(Pkcs11Error::Bounds { .. })));
}

#[test]
fn the_child_ends_with_the_last_clone_and_hides_the_pin() {
    let rig = Rig::new();
    let root = rig.provision(rig.config());
    let children = children_of_this_process();
    let [child] = children.as_slice() else { panic!("one child, not {children:?}") };
    let read = |name| std::fs::read(format!("/proc/{child}/{name}")).unwrap_or_default();
    for name in ["cmdline", "environ"] {
        let pin = rig.token.pin();
        assert!(!read(name).windows(pin.len()).any(|window| window == pin.expose()), "{name}");
    }
    let clone = root.with_deadline(Duration::from_secs(1));
    drop(root);
    clone.wrap(CONTEXT, &sample_key()).unwrap();
    drop(clone);
    eventually("the child ends", || children_of_this_process().is_empty());
}

#[test]
fn the_child_does_not_outlive_a_killed_parent() {
    let rig = Rig::new();
    let mut parent = rig.become_parent();
    let child = rig.await_child_of_parent();
    parent.kill().unwrap();
    parent.wait().unwrap();
    // A zombie has ended too, whether or not somebody has asked for its status yet.
    let status = || std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
    eventually("the child ends", || status().is_empty() || status().contains("State:\tZ"));
}

#[test]
fn many_callers_share_the_sessions() {
    let rig = Rig::new();
    let root = rig.provision(rig.config());
    std::thread::scope(|scope| {
        for number in 0..16_u8 {
            let root = root.clone();
            scope.spawn(move || {
                for round in 0..20_u8 {
                    let context = [number, round];
                    let wrapped = root.wrap(&context, &sample_key()).unwrap();
                    assert!(root.unwrap(&context, &wrapped).unwrap().equals(sample_key().expose()));
                }
            });
        }
    });
    assert_eq!(root.health().state, HealthState::Up);
}
