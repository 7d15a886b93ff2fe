//! `strongroom init` and `strongroom serve`: sealed and unsealed, reloaded, drained.

use strongroom_testkit::client::Client;
use strongroom_testkit::server::Server;

use crate::development::program;
use crate::house::{ACCOUNT, House};

const PASSPHRASE: &str = "correct horse battery staple";

#[test]
fn the_first_administrator_makes_keys_and_uses_none() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    let made = house.init();
    assert_eq!(made.shares.len(), 3);
    let served = house.serve();
    let mut client = house.client(&served, &made.key);
    let key = client.kms("CreateKey", "{}").unwrap();
    assert_eq!(key.status, 200, "{}", key.body);
    let id = key.text("KeyMetadata.KeyId");
    let used = client.kms("Encrypt", &format!(r#"{{"KeyId":"{id}","Plaintext":"aGVsbG8="}}"#)).unwrap();
    assert_eq!((used.status, used.text("__type")), (400, "AccessDeniedException".to_owned()));
    house.done("tenant create --account 444455556666 --name second");
    assert_eq!(house.done("tenant list")["items"].as_array().unwrap().len(), 2);
    house.done("clock confirm");
    served.stop();
}

#[test]
fn a_tenants_own_root_touches_neither_roots_nor_backups_nor_the_clock() {
    let house = House::new();
    house.configure(&house.software_root("root-a"));
    house.init();
    let served = house.serve();
    let key = house.root_key();
    // A root to be made, if only somebody may ask for it.
    house.configure(&format!("{}{}", house.software_root("root-a"), house.software_root("root-b")));
    let root = house.roots()[0]["id"].as_str().unwrap().to_owned();
    let out = house.path("backup");
    let lines = ["root list", "root add", "clock confirm"].map(str::to_owned);
    let named = ["verify", "rotate", "remove"].map(|verb| format!("root {verb} {root}"));
    for line in lines.into_iter().chain(named).chain([format!("backup --out {}", out.display())]) {
        let said = house.refused_over_https(&served, &key, &line);
        assert!(said.contains("AccessDenied"), "{line}: {said}");
    }
    assert!(!house.path("root-b").exists() && !out.exists());
    served.stop();
}

#[test]
fn a_sealed_server_answers_health_and_unseal_and_nothing_else() {
    let mut house = House::new();
    house.environment = vec![("ROOT_PASSPHRASE".into(), PASSPHRASE.into())];
    let file = house.path("root");
    let root = format!("[[root]]\nkind = \"software\"\nfile = \"{}\"\n", file.display());
    house.configure(&format!("{root}unseal = {{ environment = \"ROOT_PASSPHRASE\" }}\n"));
    let made = house.init();
    let served = house.serve();
    let key = house.root_key();
    let (_, ciphertext) = house.encrypt(&served, &key);
    served.stop();

    house.configure(&root);
    let served = house.serve();
    assert_eq!(house.raw("GET", "/healthz", ""), (200, "ok\n".to_owned()));
    assert_eq!(house.raw("GET", "/readyz", "").0, 503);
    for (method, path) in [("GET", "/v1/tenants"), ("GET", "/v1/health"), ("POST", "/v1/roots"), ("GET", "/v1/unseal")]
    {
        assert_eq!(house.raw(method, path, "").0, 503, "{method} {path}");
    }
    assert!(house.refused("tenant list").contains("sealed"));
    let body = format!(r#"{{"CiphertextBlob":"{ciphertext}"}}"#);
    assert_eq!(house.client(&served, &key).kms("Decrypt", &body).unwrap().status, 503);
    let over_tls = "POST /v1/unseal HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(house.client(&served, &key).send(over_tls.as_bytes()).unwrap().status, 503);
    assert_eq!(house.raw("POST", "/v1/unseal", "passphrase\nwrong\n").0, 403);
    assert_eq!(house.raw("POST", "/v1/unseal", &format!("shares\n{}\n", made.shares[1])).0, 403);
    assert_eq!(house.raw("POST", "/v1/unseal", &format!("passphrase\n{PASSPHRASE}\n")).0, 200);
    house.decrypts(&served, &key, &ciphertext);
    assert_eq!(house.raw("GET", "/readyz", "").0, 200);
    served.stop();

    // The shares open it as well as the passphrase.
    let served = house.serve();
    assert_eq!(house.raw("POST", "/v1/unseal", &format!("shares\n{}\n{}\n", made.shares[1], made.shares[2])).0, 200);
    house.decrypts(&served, &key, &ciphertext);
    served.stop();
}

#[test]
fn sighup_takes_a_new_certificate_and_keeps_the_last_good_one() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    let key = house.root_key();
    house.encrypt(&served, &key);
    // The client trusts what lies in the file, which is the new certificate from here on.
    house.certify();
    served.hang_up();
    served.await_word("certificates read again");
    house.encrypt(&served, &key);
    let good = std::fs::read(house.path("chain.pem")).unwrap();
    std::fs::write(house.path("chain.pem"), "no certificate").unwrap();
    served.hang_up();
    served.await_word("the last good ones stay");
    std::fs::write(house.path("chain.pem"), good).unwrap();
    house.encrypt(&served, &key);
    served.stop();
}

#[test]
fn a_configuration_that_holds_an_installation_is_not_initialised_again() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let again = house.program(&["init", "--account", ACCOUNT], "");
    assert!(!again.status.success() && crate::house::text(&again.stderr).contains("already"));
}

#[test]
fn a_development_server_says_that_it_has_no_configuration_to_take_roots_from() {
    let house = House::new();
    let server = Server::start(program(), &house.path("dev"), &[], &[]);
    let mut client = Client::connect(&server.endpoint).unwrap();
    assert_eq!(client.kms("ListKeys", "{}").unwrap().status, 200);
    let refused = std::process::Command::new(program()).args(["root", "add", "--socket"]).arg(&server.socket).output();
    let said = crate::house::text(&refused.unwrap().stderr);
    assert!(said.contains("no configuration file") && said.contains("strongroom init"), "{said}");
}

#[test]
fn whoever_unseals_the_server_is_recorded_and_so_are_the_tries_that_failed_before() {
    let mut house = House::new();
    house.environment = vec![("ROOT_PASSPHRASE".into(), PASSPHRASE.into())];
    let file = house.path("root");
    let root = format!("[[root]]\nkind = \"software\"\nfile = \"{}\"\n", file.display());
    house.configure(&format!("{root}unseal = {{ environment = \"ROOT_PASSPHRASE\" }}\n"));
    house.init();
    let served = house.serve();
    let unattended = house.records("Unseal");
    assert_eq!(unattended.len(), 1, "{unattended:?}");
    let text = unattended[0].to_string();
    assert!(text.contains("environment ROOT_PASSPHRASE") && text.contains("unattended"), "{text}");
    served.stop();

    house.configure(&root);
    let served = house.serve();
    for _ in 0..70 {
        assert_eq!(house.raw("POST", "/v1/unseal", "shares\nnot a share\n").0, 403);
    }
    assert_eq!(house.raw("POST", "/v1/unseal", &format!("passphrase\n{PASSPHRASE}\n")).0, 200);
    let uid = std::fs::metadata(house.path("strongroom.toml"))
        .map(|file| std::os::unix::fs::MetadataExt::uid(&file))
        .unwrap();
    let records = house.records("Unseal");
    let (failed, done): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record.to_string().contains("UnsealFailed"));
    assert_eq!((failed.len(), done.len()), (65, 2), "64 one by one, the rest together");
    assert!(failed.iter().any(|record| record["count"] == 6), "{failed:?}");
    let by = format!("operator/{uid}");
    assert_eq!(failed.iter().filter(|record| record.to_string().contains(&by)).count(), 64);
    let by_hand = done.iter().filter(|record| record.to_string().contains(&by)).collect::<Vec<_>>();
    assert!(by_hand.len() == 1 && by_hand[0].to_string().contains("passphrase"), "{done:?}");
    assert!(!records.iter().any(|record| record.to_string().contains(PASSPHRASE)));
    served.stop();
}

#[test]
fn sighup_takes_other_certificates_the_log_level_and_the_retention_and_names_what_needs_a_restart() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    house.init();
    let served = house.serve();
    let key = house.root_key();
    let file = house.path("strongroom.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    // The certificate's files move, and the old ones are gone.
    house.certify();
    for name in ["chain", "key"] {
        std::fs::rename(house.path(&format!("{name}.pem")), house.path(&format!("{name}2.pem"))).unwrap();
    }
    let changed = good
        .replace("/chain.pem", "/chain2.pem")
        .replace("/key.pem", "/key2.pem")
        .replace("regions = [\"us-east-1\"]", "regions = [\"us-east-1\", \"eu-west-1\"]\nmax_connections = 7")
        .replace("node = \"node\"", "node = \"another\"")
        .replace("name = \"operators\"", "name = \"people\"");
    std::fs::write(&file, format!("{changed}level = \"debug\"\n[audit]\nretention_days = 40\n")).unwrap();
    served.hang_up();
    for word in [
        "certificates read again",
        "\"log_level\":\"debug\"",
        "\"retention_days\":40",
        "\"change\":\"node\"",
        "listener \\\"kms\\\": regions",
        "listener \\\"kms\\\": max_connections",
        "listener \\\"operators\\\": removed",
        "listener \\\"people\\\": added",
    ] {
        served.await_word(word);
    }
    std::fs::copy(house.path("chain2.pem"), house.path("chain.pem")).unwrap();
    house.encrypt(&served, &key);

    // A file with mistakes changes nothing, and every mistake is told.
    std::fs::write(&file, format!("{changed}level = \"=loud=\"\n[audit]\nretention_days = 0\n")).unwrap();
    served.hang_up();
    served.await_word("the last good one stays");
    served.await_word("nonzero");
    served.await_word("`level`");
    house.encrypt(&served, &key);
    std::fs::write(&file, &good).unwrap();
    std::fs::rename(house.path("key2.pem"), house.path("key.pem")).unwrap();
    served.hang_up();
    served.await_word("\"log_level\":\"info\"");
    house.encrypt(&served, &key);
    served.stop();
}

#[test]
fn beyond_a_rate_of_the_configuration_clients_are_throttled_until_sighup_takes_it_away() {
    let house = House::new();
    let root = house.software_root("root");
    house.configure(&format!("{root}[limits]\nprincipal = [{{ requests = 3, seconds = 3600 }}]\n"));
    house.init();
    let served = house.serve();
    let mut client = house.client(&served, &house.root_key());
    let mut ask = || client.kms("ListKeys", "{}").unwrap();
    for _ in 0..3 {
        assert_eq!(ask().status, 200);
    }
    let refused = ask();
    assert_eq!((refused.status, refused.text("__type")), (400, "ThrottlingException".to_owned()));
    house.done("tenant list");
    house.configure(&root);
    served.hang_up();
    served.await_word("configuration read again");
    assert_eq!(ask().status, 200);
    served.stop();
}

#[test]
fn of_a_crowd_beyond_the_requests_in_work_some_are_served_and_the_others_throttled_and_then_all_are_served_again() {
    const CROWD: usize = 32;
    let house = House::new();
    let root = house.software_root("root");
    house.configure(&format!("{root}[limits]\nrequests_in_work = 1\n"));
    house.init();
    let served = house.serve();
    let key = house.root_key();
    let all = std::sync::Barrier::new(CROWD);
    let ask = |mut client: Client| {
        all.wait();
        let answer = client.kms("CreateKey", "{}").unwrap();
        // The connection of one that was refused goes on.
        let next = client.kms("ListKeys", "{}").unwrap();
        [answer, next]
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients = (0..CROWD).map(|_| house.client(&served, &key)).collect::<Vec<_>>();
        let crowd: Vec<_> = clients.into_iter().map(|client| scope.spawn(|| ask(client))).collect();
        crowd.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let (served_ones, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(!served_ones.is_empty() && !refused.is_empty(), "{} served", served_ones.len());
    for answer in refused {
        assert_eq!((answer.status, answer.text("__type")), (400, "ThrottlingException".to_owned()));
    }
    let mut one = house.client(&served, &key);
    assert_eq!(one.kms("ListKeys", "{}").unwrap().status, 200);
    served.stop();
}
