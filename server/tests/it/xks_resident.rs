//! An external key store whose keys are inside a token, or a group of them: made by the command line, asked over TLS, and what
//! is told and answered while a token is slow, hangs or is gone.

use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_pkcs11_shim::Faults;
use strongroom_testkit::client::{Answer, Client};
use strongroom_testkit::server::Served;
use strongroom_testkit::softhsm::Token;
use strongroom_testkit::stalls::{Stalled, Stalls};

use crate::house::{ACCOUNT, House, Key, text};
use crate::token::act;

/// What AWS KMS waits. Tests that hold the server to it run alone (.config/nextest.toml), and leave out what the machine
/// itself kept everybody waiting: see [`Stalls`].
const PROMISED: Duration = Duration::from_millis(250);
/// Longest wait for a token to be well again.
const PATIENCE: Duration = Duration::from_secs(60);
const CALLERS: usize = 64;
const DATA: &[u8] = b"project=nile";

/// An installation with a key store over tokens that fail as they are told.
struct Rig {
    house: House,
    faults: Faults,
    token: Token,
    /// Each token's own directory, in the order in which they are asked.
    places: Vec<PathBuf>,
}

impl Rig {
    fn new() -> Self {
        Self::of(&["resident"])
    }

    /// Over a group of tokens with these labels.
    fn of(labels: &[&str]) -> Self {
        let mut house = House::new();
        // The time of an answer is promised here.
        house.cloud_deadline = None;
        let tokens = house.path("softhsm");
        std::fs::create_dir(&tokens).unwrap();
        let mut places = Vec::new();
        let mut token = None;
        for label in labels {
            token = Some(Token::new(&tokens, label));
            let all = std::fs::read_dir(tokens.join("tokens")).unwrap().map(|entry| entry.unwrap().path());
            let new: Vec<_> = all.filter(|path| !places.contains(path)).collect();
            places.extend(new);
        }
        let token = token.unwrap();
        let faults = Faults::new(&tokens);
        house.environment = vec![token.environment(), ("PIN".into(), Token::PIN.into())];
        house.environment.extend(faults.environment(&Token::module()));
        let tokens: Vec<_> = labels.iter().map(|label| format!("{{ label = \"{label}\" }}")).collect();
        let store = format!(
            "[[key_store]]\nname = \"hsm\"\nkind = \"pkcs11\"\nmodule = \"{}\"\ntokens = [{}]\n\
             pin = {{ environment = \"PIN\" }}\n",
            strongroom_pkcs11_shim::library().unwrap().display(),
            tokens.join(", ")
        );
        house.configure(&format!("{}{store}", house.software_root("root")));
        house.init();
        Self { house, faults, token, places }
    }

    fn xks(&self, line: &str) -> Value {
        self.house.done(&format!("xks {line} --tenant {ACCOUNT}"))
    }

    /// A running server, and a credential of a key store with the key `resident` in the token and the key `wrapped`.
    fn serve(&self) -> (Served, Key) {
        let served = self.house.serve();
        self.xks("store create prod --region us-east-1 --key-store hsm");
        let made = self.xks("key create --store prod resident --key-store hsm");
        assert_eq!(made["key_store"], "hsm");
        assert_eq!(self.xks("key create --store prod wrapped")["key_store"], Value::Null);
        let made = self.xks("credential create --store prod --host xks.example.com");
        let told = |name: &str| made[name].as_str().unwrap().to_owned();
        (served, Key { id: told("access_key_id"), secret: told("secret_access_key") })
    }
}

/// A connection of AWS KMS.
struct Caller(Client);

impl Caller {
    fn new(rig: &Rig, served: &Served, key: &Key) -> Self {
        Self(rig.house.client(served, key))
    }

    /// Asks, and again when it was too late, as AWS KMS does: a busy machine is.
    fn ask(&mut self, call: &str, body: &Value) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.ask_once(call, body.clone());
            if !matches!(answer.status, 429 | 503) || begun.elapsed() > PATIENCE {
                return answer;
            }
        }
    }

    fn ask_once(&mut self, call: &str, mut body: Value) -> Answer {
        body["requestMetadata"] = json!({
            "awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice", "kmsOperation": "Encrypt",
            "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
            "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        });
        self.0.xks(&format!("/{ACCOUNT}/prod/kms/xks/v1/{call}"), &body.to_string()).unwrap()
    }

    /// Encrypts with an integrity value.
    fn encrypt(&mut self, key: &str) -> Answer {
        self.ask(&format!("keys/{key}/encrypt"), &encryption())
    }

    /// The same, asked once; and when that was.
    fn try_to_encrypt(&mut self, key: &str) -> (Answer, Range<Instant>) {
        self.try_to(key, encryption())
    }

    fn try_to(&mut self, key: &str, encryption: Value) -> (Answer, Range<Instant>) {
        let begun = Instant::now();
        (self.ask_once(&format!("keys/{key}/encrypt"), encryption), begun..Instant::now())
    }

    fn decrypt(&mut self, key: &str, encrypted: &Answer, data: &[u8]) -> Answer {
        let mut body = json!({"encryptionAlgorithm": "AES_GCM", "additionalAuthenticatedData": STANDARD.encode(data)});
        for member in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
            body[member] = encrypted.text(member).into();
        }
        self.ask(&format!("keys/{key}/decrypt"), &body)
    }

    fn metadata(&mut self, key: &str) -> Answer {
        self.ask(&format!("keys/{key}/metadata"), &json!({}))
    }

    /// Each node's model and state.
    fn health(&mut self) -> Vec<(String, String)> {
        let told = self.ask("health", &json!({}));
        assert_eq!(told.status, 200, "{}", told.body);
        let word = |node: &Value, name: &str| node[name].as_str().unwrap().to_owned();
        let nodes = told.json()["ekmFleetDetails"].as_array().unwrap().clone();
        nodes.iter().map(|node| (word(node, "model"), word(node, "healthStatus"))).collect()
    }
}

fn encryption() -> Value {
    json!({
        "plaintext": STANDARD.encode("Hello World!"), "encryptionAlgorithm": "AES_GCM",
        "additionalAuthenticatedData": STANDARD.encode(DATA), "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
    })
}

/// Without an integrity value, for which the token is asked twice.
fn plain_encryption() -> Value {
    let mut encryption = encryption();
    encryption.as_object_mut().unwrap().remove("ciphertextDataIntegrityValueAlgorithm");
    encryption
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["errorName"].as_str().unwrap_or_default().to_owned())
}

fn serves(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// That each call took no longer than is promised, but for what the machine kept everybody waiting meanwhile; and never so
/// long that no stall excuses it.
fn in_time(times: &[Range<Instant>], stalled: &Stalled) {
    for time in times {
        let (took, stall) = (time.end - time.start, stalled.within(time));
        assert!(took - stall < PROMISED && took < 4 * PROMISED, "{took:?}, of which it was stalled for {stall:?}");
    }
}

/// Asks until it holds.
#[expect(clippy::disallowed_methods, reason = "how a token is doing can only be asked, again and again")]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_key_in_a_token_encrypts_with_an_integrity_value_decrypts_and_is_disabled_like_any_other() {
    let rig = Rig::new();
    let (served, key) = rig.serve();
    let mut caller = Caller::new(&rig, &served, &key);
    let told = caller.metadata("resident").json();
    assert_eq!(told, json!({"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}));
    let encrypted = caller.encrypt("resident");
    serves(&encrypted);
    let part = |name| STANDARD.decode(encrypted.text(name)).unwrap();
    // It names the material, and nothing else (docs/formats/detached.md).
    assert_eq!((part("ciphertextMetadata").len(), part("ciphertextMetadata")[0]), (5, 2));
    assert_eq!((part("initializationVector").len(), part("authenticationTag").len()), (12, 16));
    assert_eq!(part("ciphertextDataIntegrityValue").len(), 32);
    assert_eq!(caller.decrypt("resident", &encrypted, DATA).text("plaintext"), STANDARD.encode("Hello World!"));
    let invalid = (400, "InvalidCiphertextException".to_owned());
    assert_eq!(error(&caller.decrypt("resident", &encrypted, b"project=rhine")), invalid);
    assert_eq!(error(&caller.decrypt("wrapped", &encrypted, DATA)), invalid);

    // The kill switch of the key, as everywhere else.
    assert_eq!(rig.xks("key list --store prod")["items"][0]["key_store"], "hsm");
    rig.xks("key block --store prod resident");
    let disabled = (400, "InvalidStateException".to_owned());
    assert_eq!(error(&caller.encrypt("resident")), disabled);
    assert_eq!(error(&caller.decrypt("resident", &encrypted, DATA)), disabled);
    assert_eq!(caller.metadata("resident").text("keyStatus"), "DISABLED");
    rig.xks("key unblock --store prod resident");
    serves(&caller.decrypt("resident", &encrypted, DATA));

    // No key store of that name; and a key that there is stays where it is.
    let refused = |line: &str| rig.house.refused(&format!("xks {line} --tenant {ACCOUNT}"));
    let unknown = refused("key create --store prod elsewhere --key-store vault");
    assert!(unknown.contains("NotFound") && unknown.contains("key store vault does not exist"), "{unknown}");
    let unknown = refused("store create other --region us-east-1 --key-store vault");
    assert!(unknown.contains("NotFound") && unknown.contains("key store vault does not exist"), "{unknown}");
    served.stop();
}

#[test]
fn while_a_token_hangs_its_keys_time_out_others_serve_health_tells_it_and_all_heals_by_itself() {
    let rig = Rig::new();
    let (served, key) = rig.serve();
    let mut caller = Caller::new(&rig, &served, &key);
    serves(&caller.encrypt("resident"));
    let mut told = Vec::new();
    // Degraded where the machine was busy for a tenth of a second.
    eventually("both are told to serve", || {
        told = caller.health();
        matches!(
            told.iter().map(|(_, state)| state.as_str()).collect::<Vec<_>>()[..],
            ["ACTIVE" | "DEGRADED", "ACTIVE"]
        )
    });
    let [token, root] = <[_; 2]>::try_from(told).unwrap();
    // What the token says of itself: manufacturer, model, versions.
    assert!(token.0.starts_with("SoftHSM project SoftHSM v2, hardware 2."), "{token:?}");
    assert!(token.0.contains(", firmware 2."), "{token:?}");
    assert!(root.0.starts_with("Strongroom ") && root.0.ends_with(" software root"), "{root:?}");

    rig.faults.set("* * hang").unwrap();
    for _ in 0..12 {
        let stalls = Stalls::watch();
        let (answer, time) = caller.try_to_encrypt("resident");
        assert_eq!(error(&answer), (503, "DependencyTimeoutException".to_owned()), "{}", answer.body);
        in_time(&[time], &stalls.end());
        serves(&caller.encrypt("wrapped"));
        serves(&caller.metadata("resident"));
    }
    eventually("health tells it", || caller.health().into_iter().map(|(_, state)| state).eq(["UNAVAILABLE", "ACTIVE"]));

    rig.faults.set("").unwrap();
    eventually("the key serves again", || caller.try_to_encrypt("resident").0.status == 200);
    eventually("health tells that, too", || caller.health().iter().all(|(_, status)| status == "ACTIVE"));
    served.stop();
}

#[test]
fn a_token_of_five_milliseconds_a_call_keeps_no_one_of_many_callers_waiting_for_all_the_others() {
    let rig = Rig::new();
    let (served, key) = rig.serve();
    rig.faults.set("C_Encrypt * delay 5\nC_Decrypt * delay 5").unwrap();
    let all = std::sync::Barrier::new(CALLERS);
    let stalls = Stalls::watch();
    let (came, times): (Vec<u16>, Vec<_>) = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let mut caller = Caller::new(&rig, &served, &key);
                let all = &all;
                scope.spawn(move || {
                    // The connections of a key store are there already.
                    serves(&caller.metadata("resident"));
                    all.wait();
                    let call = |_| {
                        let (answer, time) = caller.try_to("resident", plain_encryption());
                        (answer.status, time)
                    };
                    (0..10).map(call).collect::<Vec<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    in_time(&times, &stalls.end());
    // What is refused is refused in time, and is not all of it.
    assert!(came.iter().all(|status| matches!(status, 200 | 429 | 503)), "{came:?}");
    assert!(came.contains(&200), "none of {}", came.len());
    served.stop();
}

#[test]
fn a_token_of_a_group_that_has_lost_its_keys_is_told_of_while_the_other_serves_and_is_well_again_with_them() {
    let rig = Rig::of(&["first", "second"]);
    let (served, key) = rig.serve();
    served.stop();
    act(&rig.token, "carry", rig.house.root());
    let served = rig.house.serve();
    let mut caller = Caller::new(&rig, &served, &key);
    let mut gone = || caller.health().iter().map(|(_, state)| state == "UNAVAILABLE").collect::<Vec<_>>();
    eventually("both tokens serve", || gone() == [false; 3]);
    act(&rig.token, "lose", rig.house.root());
    eventually("it is told that the first serves nothing", || gone() == [true, false, false]);
    let mut other = Caller::new(&rig, &served, &key);
    serves(&other.encrypt("resident"));
    act(&rig.token, "carry", rig.house.root());
    eventually("it is told that the first serves", || gone() == [false; 3]);
    served.stop();
}

#[test]
fn operators_see_a_token_that_is_gone_wherever_they_look_and_that_it_is_back() {
    let rig = Rig::new();
    // Whoever listens there next is the server.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = rig.house.path("strongroom.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{configuration}[metrics]\naddress = \"127.0.0.1:{port}\"\n")).unwrap();
    let (served, key) = rig.serve();
    let mut caller = Caller::new(&rig, &served, &key);
    serves(&caller.encrypt("resident"));
    let counted = |state: &str, count: u8| {
        let line = format!("strongroom_key_store_tokens{{key_store=\"hsm\",state=\"{state}\"}} {count}");
        plain(port, "/metrics").1.lines().any(|told| told == line)
    };
    let store = || rig.house.done("health")["key_stores"][0].clone();
    eventually("the token is up", || counted("up", 1));
    assert_eq!((&store()["name"], &store()["serves"]), (&json!("hsm"), &json!(true)));
    assert!(text(&rig.house.admin("key-store list").stdout).contains("hsm   pkcs11  serves  token \"resident\""));

    let away = rig.house.path("away");
    std::fs::rename(&rig.places[0], &away).unwrap();
    eventually("a use is refused", || caller.try_to_encrypt("resident").0.status != 200);
    eventually("the metrics say so", || counted("up", 0));
    let told = store();
    assert_eq!(told["serves"], json!(false), "{told}");
    assert!(matches!(told["tokens"][0]["state"].as_str(), Some("degraded" | "down")), "{told}");
    assert!(told["tokens"][0]["last_error"].is_string(), "{told}");
    let listed = rig.house.admin("key-store list");
    assert_eq!(listed.status.code(), Some(1));
    assert!(text(&listed.stdout).contains("does not serve"), "{}", text(&listed.stdout));
    assert!(text(&rig.house.admin("health").stdout).contains("hsm: does not serve"));
    // All other keys go on, so load balancers send requests here as before.
    assert_eq!(plain(port, "/readyz").0, 200);
    serves(&caller.encrypt("wrapped"));

    std::fs::rename(&away, &rig.places[0]).unwrap();
    eventually("the key serves again", || caller.try_to_encrypt("resident").0.status == 200);
    eventually("the token is up again", || counted("up", 1) && store()["serves"] == json!(true));
    assert!(rig.house.admin("key-store list").status.success());
    served.stop();
}

/// A request to the plain listener for health and metrics: status and body.
fn plain(port: u16, path: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The process that has the module for a token, as the server tells it, once it has.
fn process_of(served: &Served, label: &str) -> rustix::process::Pid {
    let mut process = None;
    eventually("the token's process is told", || {
        let said = served.said();
        let told = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut ready = told.filter(|told| told["message"] == "the token is ready" && told["label"] == label);
        process = ready.next_back().and_then(|told| i32::try_from(told["process"].as_i64()?).ok());
        process.is_some()
    });
    process.and_then(rustix::process::Pid::from_raw).unwrap()
}

/// Says that it is over, also where the test has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn while_one_token_of_a_group_is_gone_the_other_serves_every_call_and_the_first_serves_again_once_it_is_back() {
    let rig = Rig::of(&["first", "second"]);
    let (served, key) = rig.serve();
    served.stop();
    // Keys are made in one token, and carrying them to the other is for whoever has the tokens.
    act(&rig.token, "carry", rig.house.root());
    let served = rig.house.serve();
    let mut caller = Caller::new(&rig, &served, &key);
    let states = |caller: &mut Caller| caller.health().into_iter().map(|(_, state)| state).collect::<Vec<_>>();
    // Slow, on a busy machine, is not gone.
    let gone = |caller: &mut Caller| states(caller).iter().map(|state| state == "UNAVAILABLE").collect::<Vec<_>>();
    eventually("both tokens serve", || gone(&mut caller) == [false; 3]);
    let before = caller.encrypt("resident");
    serves(&before);

    let over = AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        let mut other = Caller::new(&rig, &served, &key);
        let over = &over;
        let running = Over(over);
        let calls = scope.spawn(move || {
            let mut took = Vec::new();
            while !over.load(Ordering::Relaxed) {
                took.push(error(&other.try_to_encrypt("resident").0));
            }
            took
        });
        // Its files are moved away and the process that has its module dies in the middle of all that.
        let away = rig.house.path("away");
        std::fs::rename(&rig.places[0], &away).unwrap();
        rustix::process::kill_process(process_of(&served, "first"), rustix::process::Signal::KILL).unwrap();
        eventually("it is told that the first is gone", || gone(&mut caller) == [true, false, false]);
        assert_eq!(caller.decrypt("resident", &before, DATA).text("plaintext"), STANDARD.encode("Hello World!"));
        let during = caller.encrypt("resident");
        serves(&during);
        std::fs::rename(&away, &rig.places[0]).unwrap();
        eventually("the first is back", || gone(&mut caller) == [false; 3]);
        serves(&caller.decrypt("resident", &during, DATA));
        drop(running);
        calls.join().unwrap()
    });
    // On a busy machine one may now and then be too late, and be told so.
    let failed: Vec<_> = took.iter().filter(|(status, _)| *status != 200).collect();
    let late = failed.iter().all(|(_, name)| name == "DependencyTimeoutException");
    assert!(late && failed.len() * 20 <= took.len(), "{failed:?} of {}", took.len());
    served.stop();
}
