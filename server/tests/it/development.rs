//! `strongroom dev` keeps what it promises.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use strongroom_testkit::client::Client;
use strongroom_testkit::server::Server;

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_strongroom"))
}

const PLAINTEXT: &str = "aGVsbG8gc3Ryb25ncm9vbQ==";

#[test]
fn a_started_server_encrypts_and_decrypts_and_keeps_its_keys_and_credential_when_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut first = Server::start(program(), &data, &[], &[]);
    let mut client = Client::connect(&first.endpoint).unwrap();
    let body = format!(r#"{{"KeyId":"alias/dev","Plaintext":"{PLAINTEXT}","EncryptionContext":{{"a":"b"}}}}"#);
    let encrypted = client.kms("Encrypt", &body).unwrap();
    assert_eq!(encrypted.status, 200, "{}", encrypted.body);
    let ciphertext = encrypted.text("CiphertextBlob");
    first.stop();

    let second = Server::start(program(), &data, &[], &[]);
    assert_eq!(second.endpoint.access_key_id, first.endpoint.access_key_id);
    assert_eq!(second.endpoint.secret_access_key, first.endpoint.secret_access_key);
    let mut client = Client::connect(&second.endpoint).unwrap();
    let body = format!(r#"{{"CiphertextBlob":"{ciphertext}","EncryptionContext":{{"a":"b"}}}}"#);
    let decrypted = client.kms("Decrypt", &body).unwrap();
    assert_eq!(decrypted.status, 200, "{}", decrypted.body);
    assert_eq!(decrypted.text("Plaintext"), PLAINTEXT);
    let other = client.kms("Decrypt", &body.replace("\"b\"", "\"c\"")).unwrap();
    assert_eq!((other.status, other.text("__type")), (400, "InvalidCiphertextException".to_owned()));
}

#[test]
fn secrets_in_the_data_directory_are_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let _server = Server::start(program(), &data, &[], &[]);
    for name in ["credential", "root", "root.key", "backup.key", "tls/ca.key", "tls/server.key"] {
        let mode = std::fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_server_over_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let _server = Server::start(program(), &data, &[], &[]);
    let second =
        Command::new(program()).args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use") || said.contains("lock"), "{said}");
}

#[test]
fn a_configuration_without_a_root_or_with_an_unknown_field_is_refused_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("strongroom.toml");
    std::fs::write(&file, "data_directory = \"/nowhere\"\ncolour = 1\n").unwrap();
    let refused = Command::new(program()).args(["serve", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("strongroom.toml:2:") && said.contains("colour"), "{said}");
    std::fs::write(&file, "data_directory = \"/nowhere\"\n").unwrap();
    let refused = Command::new(program()).args(["serve", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("no [[root]]"), "{said}");
}

/// A start that must fail, and what it said.
fn refused(data: &Path, more: &[&str]) -> String {
    let ran = Command::new(program()).args(["dev", "--data"]).arg(data).args(more).output().unwrap();
    assert!(!ran.status.success());
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

#[test]
fn a_first_start_killed_at_any_moment_is_completed_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    for milliseconds in (0..600).step_by(60) {
        let data = directory.path().join(milliseconds.to_string());
        let mut child = Command::new(program())
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::park_timeout(Duration::from_millis(milliseconds));
        let _ = child.kill();
        let _ = child.wait();
        let mut server = Server::start(program(), &data, &[], &[]);
        let mut client = Client::connect(&server.endpoint).unwrap();
        let body = format!(r#"{{"KeyId":"alias/dev","Plaintext":"{PLAINTEXT}"}}"#);
        let encrypted = client.kms("Encrypt", &body).unwrap();
        assert_eq!(encrypted.status, 200, "killed after {milliseconds} ms: {}", encrypted.body);
        server.stop();
        std::fs::remove_dir_all(&data).unwrap();
    }
}

#[test]
fn a_first_start_killed_before_its_credential_was_kept_is_completed_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut first = Server::start(program(), &data, &[], &[]);
    first.stop();
    let (kept, unfinished) = (data.join("credential"), data.join("credential.unfinished"));
    std::fs::rename(&kept, &unfinished).unwrap();
    let mut second = Server::start(program(), &data, &[], &[]);
    assert_eq!(second.endpoint.secret_access_key, first.endpoint.secret_access_key);
    assert!(kept.exists() && !unfinished.exists());
    second.stop();
    // Even where it is lost, there is a new one.
    std::fs::remove_file(&kept).unwrap();
    let third = Server::start(program(), &data, &[], &[]);
    assert_ne!(third.endpoint.access_key_id, first.endpoint.access_key_id);
    assert_eq!(Client::connect(&third.endpoint).unwrap().kms("ListKeys", "{}").unwrap().status, 200);
}

#[test]
fn every_region_that_dev_is_started_for_has_the_alias_and_keeps_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let key = |region: &str| {
        let mut server = Server::start(program(), &data, &["--region", region], &[]);
        let mut client = Client::connect(&server.endpoint).unwrap();
        let described = client.kms("DescribeKey", r#"{"KeyId":"alias/dev"}"#).unwrap();
        assert_eq!(described.status, 200, "{region}: {}", described.body);
        server.stop();
        described.text("KeyMetadata.KeyId")
    };
    let (here, there) = (key("us-east-1"), key("eu-central-1"));
    assert_ne!(here, there);
    assert_eq!((key("us-east-1"), key("eu-central-1")), (here, there));
}

#[test]
fn what_is_to_be_pasted_is_quoted_where_a_shell_needs_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("it's a directory");
    let mut child = Command::new(program())
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let lines: Vec<String> = out.take_while(|line| !line.is_empty()).collect();
    let script = format!("{}\ntest -f \"$AWS_CA_BUNDLE\" && test -S \"$STRONGROOM_SOCKET\"", lines.join("\n"));
    let pasted = Command::new("sh").args(["-e", "-c", &script]).output().unwrap();
    let _ = child.kill();
    let _ = child.wait();
    assert!(pasted.status.success(), "{script}: {}", String::from_utf8_lossy(&pasted.stderr));
}

#[test]
fn the_certificate_names_the_address_that_dev_listens_on() {
    let directory = tempfile::tempdir().unwrap();
    // Every address of 127.0.0.0/8 is this machine; 192.0.2.1 (RFC 5737) is nobody's, and its certificate is made all the same.
    let data = directory.path().join("data");
    refused(&data, &["--listen", "192.0.2.1:8443"]);
    let pem = data.join("tls/server.pem");
    let read = Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(pem).output().unwrap();
    let names = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(names.contains("IP Address:192.0.2.1") && names.contains("DNS:localhost"), "{names}");
}
