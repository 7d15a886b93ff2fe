//! `strongroom dev` keeps what it promises.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

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
    assert!(!refused.status.success() && said.contains("colour") && said.contains("line 2"), "{said}");
    std::fs::write(&file, "data_directory = \"/nowhere\"\n").unwrap();
    let refused = Command::new(program()).args(["serve", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("no [[root]]"), "{said}");
}
