//! `strongroom init` interrupted and begun again; `check` and `man`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use strongroom_testkit::softhsm::Token;

use crate::development::program;
use crate::house::{ACCOUNT, House, text};

const INIT: [&str; 7] = ["init", "--shares", "3", "--threshold", "2", "--account", ACCOUNT];

/// Moments at which an init is killed, spread over the time that one takes.
const ROUNDS: u32 = 12;
/// Tokens that SoftHSM2 may lose to that.
const TOKENS: u32 = 6;

fn token_root(token: &Token) -> String {
    format!(
        "[[root]]\nkind = \"pkcs11\"\nmodule = \"{}\"\ntoken_label = \"{}\"\npin = {{ environment = \"PIN\" }}\n",
        Token::module().display(),
        token.label()
    )
}

/// A house whose configuration has a token and a software root.
fn house(pin: &str) -> (House, Token) {
    let mut house = House::new();
    let tokens = house.path("softhsm");
    std::fs::create_dir(&tokens).unwrap();
    let token = Token::new(&tokens, "first");
    house.environment = vec![token.environment(), ("PIN".into(), pin.into())];
    house.configure(&format!("{}{}", house.software_root("root"), token_root(&token)));
    (house, token)
}

/// Objects in the tokens.
fn objects(house: &House) -> usize {
    let tokens = std::fs::read_dir(house.path("softhsm/tokens")).unwrap();
    let files = tokens.flat_map(|token| std::fs::read_dir(token.unwrap().path()).unwrap());
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "object")).count()
}

/// The labels of what is in the token, if it is there.
fn labels(house: &House, token: &Token) -> Option<Vec<String>> {
    let mut tool = Command::new("pkcs11-tool");
    tool.arg("--module").arg(Token::module()).args(["--token-label", token.label(), "--login", "--pin", Token::PIN]);
    let listed = tool.arg("--list-objects").envs(house.environment.iter().map(|(name, value)| (name, value))).output();
    let listed = listed.unwrap();
    let label = |line: &str| Some(line.trim().strip_prefix("label:")?.trim().to_owned());
    listed.status.success().then(|| text(&listed.stdout).lines().filter_map(label).collect())
}

#[test]
fn an_init_that_failed_half_way_is_completed_when_it_is_run_again() {
    let (mut house, _token) = house("wrong");
    let failed = house.program(&INIT, "");
    assert!(!failed.status.success() && text(&failed.stdout).is_empty(), "{}", text(&failed.stdout));
    assert!(house.path("root").exists(), "the software root was made before the token failed");
    let served = house.try_serve(&[]);
    assert!(served.is_err(), "half an installation is not served");
    house.environment[1].1 = Token::PIN.into();
    let made = house.init();
    let served = house.serve();
    let key = house.root_key();
    let (_, ciphertext) = house.encrypt(&served, &key);
    house.decrypts(&served, &key, &ciphertext);
    served.stop();
    assert!(!house.path("data/initialising").exists());
    // The software root that serves is the one that the shares open.
    let file = house.path("root");
    house.configure(&format!("[[root]]\nkind = \"software\"\nfile = \"{}\"\n", file.display()));
    let served = house.serve();
    let shares = format!("shares\n{}\n{}\n", made.shares[0], made.shares[1]);
    assert_eq!(house.raw("POST", "/v1/unseal", &shares).0, 200);
    house.decrypts(&served, &key, &ciphertext);
    served.stop();
}

#[test]
fn an_init_killed_at_any_moment_is_completed_by_the_next_under_the_id_that_the_token_knows_already() {
    let (clean, _token) = house(Token::PIN);
    let begun = Instant::now();
    clean.init();
    let whole = begun.elapsed();

    // SoftHSM2 writes its own file of the token in place: a kill within that destroys the token, which no real one lets
    // happen, and which nobody could complete.
    let outlived = (0..TOKENS).any(|_| {
        let (house, token) = house(Token::PIN);
        kill_inits(&house, whole);
        let there = labels(&house, &token).is_some();
        if there {
            completes(&house, &token);
        } else {
            println!("SoftHSM2 lost its token to a kill: once more with another");
        }
        there
    });
    assert!(outlived, "SoftHSM2 lost {TOKENS} tokens");
}

/// Begins inits and kills them, each at a later moment of the time that a whole one takes.
fn kill_inits(house: &House, whole: Duration) {
    for moment in 0..ROUNDS {
        let mut child = Command::new(program())
            .args(INIT)
            .arg("--config")
            .arg(house.path("strongroom.toml"))
            .envs(house.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::park_timeout(whole * moment / ROUNDS);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn completes(house: &House, token: &Token) {
    // The last one may have been finished before it was killed, or have had nothing left to do but to tell of it.
    if !house.path("data/store").exists() {
        let completed = house.program(&INIT, "");
        assert!(completed.status.success(), "{}", text(&completed.stderr));
    }
    let again = house.program(&INIT, "");
    assert!(!again.status.success() && text(&again.stderr).contains("already"), "{}", text(&again.stderr));
    let served = house.serve();
    let roots = house.roots();
    let root = roots.iter().find(|root| root["kind"] == "pkcs11").unwrap()["id"].as_str().unwrap();
    // SoftHSM2 itself may have left an object half made, without a label; whatever is there is under the one id.
    let labels = labels(house, token).unwrap();
    assert!(labels.contains(&format!("strongroom root {root}")), "{labels:?}");
    let half_made = |label: &str| matches!(label, "" | "<empty>");
    assert!(labels.iter().all(|label| half_made(label) || label.ends_with(root)), "{root}: {labels:?}");
    let key = house.root_key();
    house.encrypt(&served, &key);
    served.stop();
}

#[test]
fn a_file_in_a_roots_place_that_init_did_not_make_is_left_alone_however_often_it_is_run() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.secret("root", b"someone else's");
    for _ in 0..2 {
        let refused = house.program(&INIT, "");
        assert!(
            !refused.status.success() && text(&refused.stderr).contains("move it away"),
            "{}",
            text(&refused.stderr)
        );
    }
    assert_eq!(std::fs::read(house.path("root")).unwrap(), b"someone else's");
    std::fs::remove_file(house.path("root")).unwrap();
    house.init();
}

#[test]
fn a_root_that_could_not_be_added_is_added_by_the_next_try_and_its_token_holds_one_roots_keys() {
    let (clean, _token) = house(Token::PIN);
    clean.init();
    let wanted = objects(&clean);

    let (mut house, token) = house("wrong");
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    house.configure(&format!("{}{}", house.software_root("root"), token_root(&token)));
    assert!(house.refused("root add").contains("token"));
    served.stop();
    house.environment[1].1 = Token::PIN.into();
    let served = house.serve();
    house.done("root add");
    house.await_roots(|roots| roots.len() == 2 && roots.iter().all(|root| root["complete"] == true));
    served.stop();
    assert_eq!(objects(&house), wanted);
}

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

#[test]
fn check_says_ok_or_tells_every_mistake_and_certificates_that_cannot_be_used() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    let checked = house.program(&["check"], "");
    assert!(checked.status.success() && text(&checked.stdout).contains("OK"), "{}", text(&checked.stderr));
    std::fs::write(house.path("chain.pem"), "no certificate").unwrap();
    let refused = house.program(&["check"], "");
    assert!(!refused.status.success() && text(&refused.stderr).contains("\"kms\""), "{}", text(&refused.stderr));
    house.configure("[[root]]\nkind = \"software\"\ncolour = 1\n");
    let refused = text(&house.program(&["check"], "").stderr);
    let said = |line: usize, word: &str| {
        let place = format!("strongroom.toml:{line}: ");
        refused.lines().any(|line| line.contains(&place) && line.contains(word))
    };
    assert!(said(5, "colour") && said(3, "`file`"), "{refused}");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/strongroom.toml");
    let said = text(&run(&["check", "--config", sample.to_str().unwrap()]).stderr);
    assert!(!said.contains("strongroom.toml:1"), "the sample has mistakes: {said}");
}

/// A listener's certificate that holds until then.
fn certificate_until(house: &House, until: time::OffsetDateTime) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = until;
    std::fs::write(house.path("chain.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(house.path("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn check_tells_certificates_that_have_ended_or_soon_will_and_tells_programs_in_json() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    let json = |output: &Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    let checked = house.program(&["check", "--output", "json"], "");
    assert_eq!(json(&checked), serde_json::json!({"ok": true, "warnings": []}));
    certificate_until(&house, rcgen::date_time_ymd(2021, 1, 1));
    let checked = house.program(&["check"], "");
    assert!(!checked.status.success() && text(&checked.stderr).contains("expired on Jan"), "{checked:?}");
    let checked = house.program(&["check", "--output", "json"], "");
    let told = json(&checked);
    assert!(!checked.status.success() && told["ok"] == false, "{told}");
    assert!(told["mistakes"][0].as_str().unwrap().contains("expired on Jan"), "{told}");
    #[expect(clippy::disallowed_methods, reason = "certificates are held against the real clock")]
    let tomorrow = std::time::SystemTime::now() + Duration::from_secs(36 * 60 * 60);
    certificate_until(&house, tomorrow.into());
    let checked = house.program(&["check"], "");
    assert!(checked.status.success(), "{checked:?}");
    let told = text(&checked.stdout);
    assert!(told.starts_with("warning: listener \"kms\"") && told.contains("ends in 1 day;"), "{told}");
}

#[test]
fn check_reads_what_external_key_managers_are_listed_with_and_serve_refuses_the_same() {
    let house = House::new();
    let with = |fields: &str| {
        let manager = format!("[[external_key_manager]]\nhost = \"xks.example.com\"\n{fields}\n");
        house.configure(&format!("{}{manager}", house.software_root("root")));
        let checked = house.program(&["check"], "");
        (checked.status.success(), text(&checked.stderr))
    };
    let path = |name: &str| house.path(name).display().to_string();
    let shown = |key: &str| format!("client_certificate = \"{}\"\nclient_key = \"{}\"", path("chain.pem"), path(key));
    let (_, said) = with(&format!("authorities = \"{}\"", path("missing.pem")));
    assert!(said.contains("xks.example.com") && said.contains("missing.pem"), "{said}");
    let (_, said) = with(&format!("authorities = \"{}\"", path("key.pem")));
    assert!(said.contains("xks.example.com") && said.contains("no certificate"), "{said}");
    std::fs::copy(house.path("key.pem"), house.path("exposed.pem")).unwrap();
    std::fs::set_permissions(house.path("exposed.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_, said) = with(&shown("exposed.pem"));
    assert!(said.contains("xks.example.com") && said.contains("chmod 600"), "{said}");
    house.secret("other.pem", rcgen::KeyPair::generate().unwrap().serialize_pem().as_bytes());
    let (_, said) = with(&shown("other.pem"));
    assert!(said.contains("cannot be used with its key"), "{said}");
    let (right, said) = with(&shown("key.pem"));
    assert!(right, "{said}");
    house.init();
    house.serve().stop();
    with(&shown("other.pem"));
    let said = house.try_serve(&[]).err().unwrap();
    assert!(said.contains("cannot be used with its key"), "{said}");
}

#[test]
fn there_is_a_manual_page_for_the_program_and_for_each_subcommand() {
    let whole = run(&["man"]);
    assert!(whole.status.success() && text(&whole.stdout).contains(".TH strongroom 1"), "{}", text(&whole.stdout));
    let page = text(&run(&["man", "root", "add"]).stdout);
    assert!(page.contains(".TH strongroom-root-add 1"), "{page}");
    let refused = run(&["man", "nothing"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("nothing"), "{}", text(&refused.stderr));
    let directory = tempfile::tempdir().unwrap();
    assert!(run(&["man", "--out", directory.path().to_str().unwrap()]).status.success());
    for name in ["strongroom", "strongroom-init", "strongroom-serve", "strongroom-check", "strongroom-audit-verify"] {
        assert!(directory.path().join(format!("{name}.1")).exists(), "{name}");
    }
    assert!(!directory.path().join("strongroom-pkcs11-module.1").exists(), "what is hidden has no page");
}

#[test]
fn what_init_shows_can_be_had_as_json() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    let made = house
        .program(&["init", "--shares", "3", "--threshold", "2", "--account", "111122223333", "--output", "json"], "");
    let shown: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(made.status.success() && made.stdout.iter().filter(|byte| **byte == b'\n').count() == 1);
    assert_eq!((&shown["threshold"], shown["shares"].as_array().unwrap().len()), (&2.into(), 3));
    assert!(shown["access_key_id"].as_str().unwrap().starts_with("AKIA"), "an access key");
    assert_eq!(shown["secret_access_key"].as_str().unwrap().len(), 40);
}
