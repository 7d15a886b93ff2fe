//! A token of its own for each test, and this test binary as the child.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use strongroom_model::id::RootId;
use strongroom_pkcs11_shim::Faults;
use strongroom_root_pkcs11::{Config, Launcher, Pkcs11Root, TokenSelector, Wrapping};
use strongroom_testkit::softhsm::Token;
use tempfile::TempDir;

pub(crate) const ROOT: RootId = RootId::from_bytes(*b"a root for tests");
const CHILD: &str = "STRONGROOM_TEST_CHILD";
const PARENT: &str = "STRONGROOM_TEST_PARENT";

/// Not a test of its own: what the launcher starts.
#[test]
fn runs_as_the_child_when_told_to() {
    if std::env::var_os(CHILD).is_some() {
        strongroom_root_pkcs11::child_main();
    }
}

/// Not a test of its own: a parent to be killed. Says who its child is and waits.
#[test]
fn runs_as_a_parent_when_told_to() {
    let Some(announcement) = std::env::var_os(PARENT) else { return };
    let rig = Rig::new();
    let _root = rig.provision(rig.config());
    std::fs::write(announcement, children_of_this_process().concat()).unwrap();
    loop {
        std::thread::park();
    }
}

pub(crate) struct Rig {
    directory: TempDir,
    pub(crate) token: Token,
    pub(crate) faults: Faults,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let token = Token::new(directory.path(), "strongroom test");
        let faults = Faults::new(directory.path());
        Self { directory, token, faults }
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The real module.
    pub(crate) fn config(&self) -> Config {
        Config::new(Token::module(), TokenSelector::Label(self.token.label().into()), ROOT)
    }

    /// The real module behind the shim.
    pub(crate) fn shim_config(&self) -> Config {
        let module = strongroom_pkcs11_shim::library().expect("the shim is built with this test");
        Config { module, deadline: Duration::from_secs(2), ..self.config() }
    }

    pub(crate) fn launcher(&self) -> Launcher {
        let arguments = ["--exact", "rig::runs_as_the_child_when_told_to", "--nocapture"].map(OsString::from);
        let marker = (OsString::from(CHILD), OsString::from("1"));
        let environment =
            [marker, self.token.environment()].into_iter().chain(self.faults.environment(&Token::module()));
        Launcher { environment: environment.collect(), ..Launcher::of_this_program(arguments.into()) }
    }

    pub(crate) fn provision(&self, config: Config) -> Pkcs11Root {
        Pkcs11Root::provision(config, self.launcher(), self.token.pin(), None).unwrap()
    }

    pub(crate) fn provision_for(&self, config: Config, wrapping: Wrapping) -> Pkcs11Root {
        Pkcs11Root::provision(config, self.launcher(), self.token.pin(), Some(wrapping)).unwrap()
    }

    /// A process with a root and a child of its own, and its files in our directory.
    pub(crate) fn become_parent(&self) -> Child {
        let mut parent = Command::new(program());
        parent.args(["--exact", "rig::runs_as_a_parent_when_told_to"]).env(PARENT, self.directory().join("child"));
        parent.env("TMPDIR", self.directory()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// The process number of that process's child.
    pub(crate) fn await_child_of_parent(&self) -> String {
        let announced = || std::fs::read_to_string(self.directory().join("child")).unwrap_or_default();
        eventually("the parent has a child", || !announced().is_empty());
        announced()
    }
}

pub(crate) fn children_of_this_process() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

pub(crate) fn program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Tries until it holds; fails after half a minute.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
