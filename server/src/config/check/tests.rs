use std::path::Path;

use crate::config::read::parse;

const GOOD: &str = r#"
data_directory = "/var/lib/strongroom"
[[root]]
kind = "software"
file = "/var/lib/strongroom/root"
unseal = { credential = "root" }
[[listener]]
name = "kms"
address = "127.0.0.1:8443"
front_ends = ["aws-kms", "aws-sts"]
regions = ["us-east-1"]
tls = { certificate_chain = "chain.pem", private_key = "key.pem" }
"#;

fn problems(text: &str) -> Vec<String> {
    let error = parse(Path::new("strongroom.toml"), text).unwrap_err();
    error.to_string().lines().map(|line| line.trim_start_matches("strongroom.toml:").to_owned()).collect()
}

/// What is said of the good configuration with `from` replaced by `to`.
fn with(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from));
    problems(&GOOD.replace(from, to))
}

/// Asserts that exactly one thing is said, of this line, with this in it.
fn only(said: &[String], line: usize, word: &str) {
    assert!(said.len() == 1 && said[0].starts_with(&format!("{line}: ")) && said[0].contains(word), "{said:#?}");
}

#[test]
fn a_plain_configuration_is_taken_with_its_defaults() {
    let config = parse(Path::new("strongroom.toml"), GOOD).unwrap();
    assert_eq!(config.partition, "aws");
    assert_eq!(config.audit.segment_bytes, 64 * 1024 * 1024);
    assert_eq!(config.key_pairs.rsa_ahead, 2);
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    only(&with("name = \"kms\"", "name = \"kms\"\ncolour = \"red\""), 9, "colour");
    only(&with("unseal = { credential", "unseal = { password"), 6, "password");
    only(&with("unseal =", "unsael ="), 6, "unsael");
}

#[test]
fn values_of_the_wrong_kind_are_named_with_their_line() {
    only(&with("\"aws-sts\"", "\"aws-stx\""), 10, "aws-stx");
    only(&with("127.0.0.1:8443", "localhost"), 9, "`address`: ");
    only(&with("name = \"kms\"", "name = \"kms\"\nmax_connections = 0"), 9, "`max_connections`: ");
    let rate = "[limits]\ntenant = [{ requests = 0, seconds = 1 }]";
    only(&problems(&format!("{GOOD}{rate}")), GOOD.lines().count() + 2, "`requests`: ");
    only(
        &with("name = \"kms\"", "name = \"kms\"\nproxy_protocol_from = [\"10.0.0.0/8\",\n\"10.0.0.0/33\"]"),
        10,
        "not a network",
    );
    only(&with("name = \"kms\"", "name = \"kms\"\ntrusted_proxies = [\"here\"]"), 9, "not a network");
}

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_lines() {
    let text = r#"
data_directory = 7
node = "a b"
partition = "AWS"
colour = "red"
[[root]]
kind = "pkcs11"
module = "/lib/module.so"
token_label = "a"
pin = { key_file = "/pin" }
deadline_milliseconds = 0
[[root]]
kind = "pkcs11"
module = "/lib/module.so"
token_label = "a"
sessions = 65
[[listener]]
name = "kms"
address = "127.0.0.1:8443"
front_ends = ["aws-kms"]
max_connections = 0
trusted_proxies = ["here", "10.0.0.0/8", "there"]
tls = { certificate_chain = "c", private_key = "k", client_crls = ["crl"] }
[[listener]]
name = "kms"
address = "127.0.0.1:8443"
front_ends = ["admin"]
[log]
level = "loud=loudest=7"
[audit]
segment_bytes = 1
retention_days = 0
[key_pairs]
rsa_ahead = 65
"#;
    let said = problems(text);
    let expected = [
        (2, "path string"),
        (3, "`node`"),
        (4, "`partition`"),
        (5, "colour"),
        (10, "`pin`"),
        (11, "nonzero"),
        (15, "in this token"),
        (16, "`sessions`"),
        (17, "`regions` is empty"),
        (21, "nonzero"),
        (22, "not a network"),
        (22, "not a network"),
        (23, "`client_crls`"),
        (24, "in the clear"),
        (25, "this name"),
        (26, "this address"),
        (29, "`level`"),
        (31, "`segment_bytes`"),
        (32, "nonzero"),
        (34, "`rsa_ahead`"),
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (line, word) in expected {
        assert!(
            said.iter().any(|said| said.starts_with(&format!("{line}: ")) && said.contains(word)),
            "{line} {word}: {said:#?}"
        );
    }
    let lines: Vec<usize> = said.iter().map(|said| said.split(':').next().unwrap().parse().unwrap()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn every_fault_of_syntax_is_named_with_its_line() {
    let said = problems("data_directory = \nnode = \"x\ny = 1\n");
    assert!(said[0].starts_with("1: ") && said.iter().any(|said| said.starts_with("2: ")), "{said:#?}");
}

#[test]
fn a_server_without_roots_listeners_or_a_place_is_refused() {
    let said = problems("");
    assert!(said.len() == 3, "{said:#?}");
    for word in ["`data_directory`", "no [[root]]", "no [[listener]]"] {
        assert!(said.iter().any(|said| said.contains(word)), "{said:#?}");
    }
}

#[test]
fn a_root_must_be_told_where_it_is_in_one_way() {
    only(&with("file =", "# file ="), 3, "needs `file`");
    only(&with("unseal = { credential = \"root\" }", "pin = { file = \"x\" }"), 3, "takes no `pin`");
    only(&with("credential = \"root\"", "credential = \"/etc/root\""), 6, "not a path");
    let token = |more: &str| problems(&format!("{GOOD}[[root]]\nkind = \"pkcs11\"\n{more}"));
    only(&token("module = \"m.so\"\n"), 13, "token_label");
    only(&token("token_label = \"t\"\n"), 13, "`module`");
    only(&token("module = \"m\"\ntoken_serial = \"t\"\nsessions = 0\n"), 17, "`sessions`");
    only(&token("module = \"m\"\ntoken_serial = \"t\"\ndeadline_milliseconds = 999999\n"), 17, "120000");
    only(
        &problems(&format!("{GOOD}[[root]]\nkind = \"software\"\nfile = \"/var/lib/strongroom/root\"\n")),
        15,
        "this file",
    );
}

#[test]
fn a_listener_is_on_tcp_with_tls_or_on_a_socket_without() {
    only(&with("tls =", "# tls ="), 7, "in the clear");
    only(&with("address = \"127.0.0.1:8443\"", "socket = \"/run/s\""), 12, "takes no `tls`");
    only(&with("address =", "# address ="), 7, "either `address` or `socket`");
    only(&with("address =", "socket = \"/run/s\"\naddress ="), 9, "not both");
    let socket = |more: &str| problems(&format!("{GOOD}[[listener]]\nname = \"s\"\nfront_ends = [\"admin\"]\n{more}"));
    only(&socket(&format!("socket = \"/{}\"", "x".repeat(107))), 16, "107");
    only(&socket("socket = \"/s\"\nproxy_protocol_from = [\"::/0\"]"), 17, "takes no");
}

#[test]
fn what_a_listener_serves_is_told_once_and_makes_sense() {
    only(&with("front_ends = [\"aws-kms\", \"aws-sts\"]", ""), 7, "nothing would be served");
    only(&with("\"aws-sts\"", "\"aws-kms\""), 10, "twice");
    only(&with("[\"us-east-1\"]", "[]"), 11, "`regions` is empty");
    only(&with("us-east-1", "US"), 11, "lower-case");
    only(&with("name = \"kms\"", "name = \"k m\""), 8, "`name`");
    only(&with("name = \"kms\"", "name = \"kms\"\nproxy_protocol_from = []"), 9, "every connection");
}

#[test]
fn addresses_and_sockets_and_names_are_for_one_listener_each() {
    let metrics = |address: &str| problems(&format!("{GOOD}[metrics]\naddress = \"{address}\"\n"));
    only(&metrics("0.0.0.0:8443"), 9, "this address");
    only(
        &problems(&format!("{}[metrics]\naddress = \"[::1]:1\"\n", GOOD.replace("\"kms\"", "\"metrics\""))),
        8,
        "this name",
    );
    let socket = "front_ends = [\"admin\"]\nsocket = \"/s\"\n";
    let said = problems(&format!("{GOOD}[[listener]]\nname = \"a\"\n{socket}[[listener]]\nname = \"b\"\n{socket}"));
    only(&said, 20, "this socket");
}

#[test]
fn settings_for_client_certificates_need_an_authority() {
    only(&with("\"key.pem\"", "\"key.pem\", client_optional = true"), 12, "`client_optional`");
    only(&with("private_key = \"key.pem\"", "client_ca = \"ca.pem\""), 12, "`private_key`");
}

#[test]
fn the_external_key_proxy_demands_client_certificates_over_tls_1_3() {
    let ekm = GOOD.replace("\"aws-kms\", \"aws-sts\"", "\"azure-ekm\"").replace("regions = [\"us-east-1\"]\n", "");
    let with = |more: &str| ekm.replace("\"key.pem\"", &format!("\"key.pem\"{more}"));
    assert!(parse(Path::new("strongroom.toml"), &with(", client_ca = \"ca.pem\"")).is_ok());
    only(&problems(&ekm), 11, "`client_ca`");
    only(&problems(&with(", client_ca = \"ca.pem\", client_optional = true")), 11, "`client_optional`");
    only(&problems(&with(", client_ca = \"ca.pem\", minimum = \"1.2\"")), 11, "`minimum`");
    let tls = "tls = { certificate_chain = \"chain.pem\", private_key = \"key.pem\" }\n";
    let socket = ekm.replace("address = \"127.0.0.1:8443\"", "socket = \"/s\"").replace(tls, "");
    only(&problems(&socket), 10, "`azure-ekm`");
}

#[test]
fn rates_have_few_windows_none_longer_than_a_day_and_none_of_nothing() {
    let good = format!("{GOOD}[limits]\nrequests_in_work = 64\nkey = [{{ requests = 100, seconds = 1 }}]\n");
    let config = parse(Path::new("strongroom.toml"), &good).unwrap();
    assert_eq!((config.limits.rates().key.len(), config.limits.rates().tenant.len()), (1, 0));
    for (wrong, word) in [
        ("key = [{ requests = 0, seconds = 1 }]", "nonzero"),
        ("tenant = [{ requests = 1, seconds = 86401 }]", "a day"),
        ("requests_in_work = 0", "nonzero"),
        ("cloud_deadline_milliseconds = 0", "nonzero"),
        ("cloud_deadline_milliseconds = 10001", "10000 at most"),
        ("hosts = []", "hosts"),
    ] {
        let said = problems(&format!("{GOOD}[limits]\n{wrong}\n"));
        assert!(said.len() == 1 && said[0].contains(word), "{wrong}: {said:?}");
    }
    let many = ["{ requests = 1, seconds = 1 }"; 5].join(", ");
    assert!(problems(&format!("{GOOD}[limits]\nprincipal = [{many}]\n"))[0].contains("more than 4 windows"));
}

#[test]
fn quotas_are_aws_s_unless_they_are_given_and_no_more_than_the_engine_holds() {
    let config = parse(Path::new("strongroom.toml"), GOOD).unwrap();
    let quotas = config.limits.quotas();
    assert_eq!((quotas.keys, quotas.names_per_key, quotas.grants_per_key), (Some(100_000), 50, 50_000));
    let given = "[limits]\nkeys_per_account = 7\naliases_per_key = 250\ngrants_per_key = 100000\n";
    let quotas = parse(Path::new("strongroom.toml"), &format!("{GOOD}{given}")).unwrap().limits.quotas();
    assert_eq!((quotas.keys, quotas.names_per_key, quotas.grants_per_key), (Some(7), 250, 100_000));
    for (wrong, word) in [
        ("keys_per_account = 0", "nonzero"),
        ("aliases_per_key = 251", "250 at most"),
        ("grants_per_key = 100001", "100000 at most"),
    ] {
        let said = problems(&format!("{GOOD}[limits]\n{wrong}\n"));
        assert!(said.len() == 1 && said[0].contains(word), "{wrong}: {said:?}");
    }
}

const STORE: &str = r#"
[[key_store]]
name = "hsm"
kind = "pkcs11"
module = "/lib/module.so"
tokens = [{ label = "one" }, { serial = "17" }]
pin = { credential = "pin" }
"#;

/// What is said of the good configuration with a key store in which `from` is replaced by `to`.
fn with_store(from: &str, to: &str) -> Vec<String> {
    assert!(STORE.contains(from));
    problems(&format!("{GOOD}{}", STORE.replace(from, to)))
}

#[test]
fn a_key_store_is_taken_and_each_mistake_in_one_is_named_with_its_line() {
    let config = parse(Path::new("strongroom.toml"), &format!("{GOOD}{STORE}")).unwrap();
    assert_eq!(config.key_store[0].tokens.len(), 2);
    only(&with_store("name = \"hsm\"", "name = \"HSM\""), 15, "lower-case");
    only(&with_store("kind = \"pkcs11\"", "kind = \"kmip\""), 16, "kmip");
    only(&with_store("module = \"/lib/module.so\"", "module = \"\""), 17, "`module`");
    only(&with_store("[{ label = \"one\" }, { serial = \"17\" }]", "[]"), 18, "1 to 8");
    only(&with_store("{ serial = \"17\" }", "{ label = \"one\" }"), 18, "twice");
    only(&with_store("{ serial =", "{ slot ="), 18, "slot");
    only(&with_store("{ credential = \"pin\" }", "{ key_file = \"/pin\" }"), 19, "text");
    only(&with_store("pin =", "sessions = 65\npin ="), 19, "sessions");
    only(&with_store("pin =", "queue = 0\npin ="), 19, "queue");
    only(&with_store("pin =", "deadline_milliseconds = 120001\npin ="), 19, "120000");
    only(&problems(&format!("{GOOD}{STORE}{STORE}")), 22, "another key store");
}

#[test]
fn the_tenants_that_a_key_store_is_offered_to_are_named_by_their_accounts() {
    let with = |accounts: &str| with_store("pin =", &format!("accounts = {accounts}\npin ="));
    let good = STORE.replace("pin =", "accounts = [\"111122223333\", \"444455556666\"]\npin =");
    let read = parse(Path::new("strongroom.toml"), &format!("{GOOD}{good}")).unwrap();
    assert_eq!(read.key_store[0].offered_to(), ["111122223333", "444455556666"]);
    only(&with("[\"1111\"]"), 19, "12 digits");
    only(&with("[\"111122223333\", \"111122223333\"]"), 19, "twice");
}

#[test]
fn a_key_store_is_a_cluster_to_the_accounts_that_are_named() {
    const CLUSTER: &str = "pin = { credential = \"pin\" }\naws_kms = { cluster = \"cluster-abcdefghijk\", accounts = [\"111122223333\"] }";
    let with = |from: &str, to: &str| with_store("pin = { credential = \"pin\" }", &CLUSTER.replace(from, to));
    let good = format!("{GOOD}{}", STORE.replace("pin = { credential = \"pin\" }", CLUSTER));
    assert!(parse(Path::new("strongroom.toml"), &good).is_ok());
    only(&with("abcdefghijk", "hsm"), 20, "11 to 16");
    only(&with("\"111122223333\"", "\"1111\""), 20, "12 digits");
    only(&with("\"111122223333\"", ""), 20, "12 digits");
    // Without its own, those of the key store hold.
    let of_store = CLUSTER.replace(", accounts = [\"111122223333\"]", "");
    let offered = format!("{of_store}\naccounts = [\"111122223333\"]");
    let text = format!("{GOOD}{}", STORE.replace("pin = { credential = \"pin\" }", &offered));
    assert!(parse(Path::new("strongroom.toml"), &text).is_ok());
    only(&with_store("pin = { credential = \"pin\" }", &of_store), 20, "`accounts`");
    let other = STORE.replace("\"hsm\"", "\"two\"").replace("pin = { credential = \"pin\" }", CLUSTER);
    only(&problems(&format!("{good}{other}")), 28, "another key store");
}

#[test]
fn external_key_managers_are_taken_as_they_are_listed() {
    let service = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0";
    let text = format!(
        "{GOOD}[external_key_managers]\nonly_listed = true\n[[external_key_manager]]\nhost = \"xks.example.com\"\n\
         [[external_key_manager]]\nhost = \"xks.example.com\"\nservice = \"{service}\"\naddress = \"10.0.0.7:8443\"\n\
         authorities = \"ca.pem\"\nclient_certificate = \"c.pem\"\nclient_key = \"k.pem\"\ndeadline_milliseconds = 300\n"
    );
    let config = parse(Path::new("strongroom.toml"), &text).unwrap();
    assert!(config.external_key_managers.only_listed);
    let [plain, private] = &config.external_key_manager[..] else { panic!("{config:?}") };
    assert_eq!((plain.address, plain.service.as_deref()), (None, None));
    assert_eq!((private.address, private.service.as_deref()), (Some(([10, 0, 0, 7], 8443).into()), Some(service)));
    assert!(!parse(Path::new("strongroom.toml"), GOOD).unwrap().external_key_managers.only_listed);
}

#[test]
fn mistakes_in_external_key_managers_are_named_with_their_line() {
    let began = GOOD.lines().count() + 1;
    let listed = |more: &str| problems(&format!("{GOOD}[[external_key_manager]]\nhost = \"xks.example.com\"\n{more}"));
    let next = began + 2;
    only(&listed("colour = \"red\"\n"), next, "colour");
    only(&listed("address = \"xks.example.com:443\"\n"), next, "socket address");
    only(&listed("address = \"10.0.0.7:443\"\nservice = \"vpce-svc-1\"\n"), next + 1, "`service`");
    let service = "service = \"com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0\"\n";
    only(&listed(service), began, "`address`");
    only(&listed("client_certificate = \"c.pem\"\n"), next, "go together");
    only(&listed("authorities = \"\"\n"), next, "no file");
    only(&listed("deadline_milliseconds = 10001\n"), next, "10000 at most");
    only(&listed("[[external_key_manager]]\nhost = \"XKS.example.com\"\n"), next + 1, "has this host");
    for host in ["", "10.0.0.7", "https://xks.example.com", "xks"] {
        only(&problems(&format!("{GOOD}[[external_key_manager]]\nhost = \"{host}\"\n")), began + 1, "domain name");
    }
    only(&problems(&format!("{GOOD}[external_key_managers]\nonly = true\n")), began + 1, "only");
}
