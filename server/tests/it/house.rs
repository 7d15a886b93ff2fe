//! An installation as an operator makes one: a configuration file, `init`, `serve`, the command line.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use strongroom_testkit::client::{Client, Endpoint};
use strongroom_testkit::server::Served;

use crate::development::program;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const PLAINTEXT: &str = "aGVsbG8gc3Ryb25ncm9vbQ==";
/// A name of the listener.
pub(crate) const PROXY: &str = "xks.example.com";
/// Longest wait for the sweep, which does a step each second.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct House {
    directory: tempfile::TempDir,
    /// The data directory's name.
    pub(crate) data: String,
    /// The log's name.
    pub(crate) node: String,
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// How long a request of a cloud's key store may take, in milliseconds; as the program has it, where that is promised. What
    /// is promised of an answer besides its time has to hold on a busy machine, too.
    pub(crate) cloud_deadline: Option<u32>,
}

/// What `init` showed.
pub(crate) struct Initialised {
    pub(crate) shares: Vec<String>,
    pub(crate) key: Key,
}

/// An access key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let house = Self {
            directory,
            data: "data".into(),
            node: "node".into(),
            environment: Vec::new(),
            cloud_deadline: Some(10_000),
        };
        house.certify();
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// A new certificate for the listener, signed by itself: for its address, and for a name, which XKS proxies must have.
    pub(crate) fn certify(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned(), PROXY.to_owned()]).unwrap();
        std::fs::write(self.path("chain.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        self.secret("key.pem", key.serialize_pem().as_bytes());
    }

    pub(crate) fn secret(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path(name), content).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A software root with a key file, for the configuration.
    pub(crate) fn software_root(&self, name: &str) -> String {
        let key = format!("{name}.key");
        if !self.path(&key).exists() {
            self.secret(&key, &[name.bytes().last().unwrap(); 32]);
        }
        let (file, key) = (self.path(name), self.path(&key));
        format!(
            "[[root]]\nkind = \"software\"\nfile = \"{}\"\nunseal = {{ key_file = \"{}\" }}\n",
            file.display(),
            key.display()
        )
    }

    /// Writes the configuration with these roots.
    pub(crate) fn configure(&self, roots: &str) {
        let at = |name: &str| self.path(name).display().to_string();
        // Where the test has limits of its own to set, the program's hold besides.
        let limits = self.cloud_deadline.filter(|_| !roots.contains("[limits]"));
        let limits = limits.map(|most| format!("[limits]\ncloud_deadline_milliseconds = {most}\n")).unwrap_or_default();
        let text = format!(
            "data_directory = \"{}\"\nnode = \"{}\"\n{roots}\n{limits}\
             [[listener]]\nname = \"kms\"\naddress = \"127.0.0.1:0\"\nfront_ends = [\"aws-kms\", \"aws-xks\", \"admin\"]\n\
             regions = [\"us-east-1\"]\ntls = {{ certificate_chain = \"{}\", private_key = \"{}\" }}\n\
             [[listener]]\nname = \"operators\"\nsocket = \"{}\"\nfront_ends = [\"admin\"]\n\
             [log]\nformat = \"json\"\n",
            at(&self.data),
            self.node,
            at("chain.pem"),
            at("key.pem"),
            at("admin.sock"),
        );
        std::fs::write(self.path("strongroom.toml"), text).unwrap();
    }

    /// Writes the configuration with these roots, and a listener for an Azure Managed HSM, whose authority is in `client-ca.pem`.
    pub(crate) fn configure_for_pool(&self, roots: &str) {
        self.configure(roots);
        let file = self.path("strongroom.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace("[\"aws-kms\", \"aws-xks\", \"admin\"]", "[\"azure-ekm\"]");
        let text = text.replace("regions = [\"us-east-1\"]\n", "");
        let authority = format!("key.pem\", client_ca = \"{}\"", self.path("client-ca.pem").display());
        std::fs::write(file, text.replacen("key.pem\"", &authority, 1)).unwrap();
    }

    pub(crate) fn init(&self) -> Initialised {
        let made = self.program(&["init", "--shares", "3", "--threshold", "2", "--account", ACCOUNT], "");
        let out = text(&made.stdout);
        assert!(made.status.success(), "{out}{}", text(&made.stderr));
        let variable = |name: &str| {
            let line = out.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("no {name} in {out}")).to_owned()
        };
        let key = Key { id: variable("AWS_ACCESS_KEY_ID"), secret: variable("AWS_SECRET_ACCESS_KEY") };
        let shares = out.split("\n\n").nth(1).unwrap().lines().map(str::to_owned).collect();
        Initialised { shares, key }
    }

    /// A command that takes `--config`, with this on its standard input.
    pub(crate) fn program(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(program())
            .args(arguments)
            .arg("--config")
            .arg(self.path("strongroom.toml"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whoever does not read what it is given says why in what follows.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    pub(crate) fn serve(&self) -> Served {
        self.try_serve(&[]).unwrap_or_else(|said| panic!("the server did not start: {said}"))
    }

    pub(crate) fn try_serve(&self, more: &[&str]) -> Result<Served, String> {
        Served::start(program(), &self.path("strongroom.toml"), more, &self.environment)
    }

    /// An admin command over the socket.
    pub(crate) fn admin(&self, line: &str) -> Output {
        let mut command = Command::new(program());
        command.args(line.split_whitespace()).arg("--socket").arg(self.path("admin.sock"));
        command.env_remove("STRONGROOM_ENDPOINT").output().unwrap()
    }

    /// What an admin command that must succeed answers.
    pub(crate) fn done(&self, line: &str) -> Value {
        let ran = self.admin(&format!("{line} --output json"));
        assert!(ran.status.success(), "{line}: {}{}", text(&ran.stdout), text(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap_or_default()
    }

    /// What an admin command that must fail says.
    pub(crate) fn refused(&self, line: &str) -> String {
        let ran = self.admin(line);
        assert!(!ran.status.success(), "{line}: {}", text(&ran.stdout));
        text(&ran.stderr)
    }

    /// What an admin command over HTTPS that must fail says.
    pub(crate) fn refused_over_https(&self, served: &Served, key: &Key, line: &str) -> String {
        let ran = self.over_https(served, key, line);
        assert!(!ran.status.success(), "{line}: {}", text(&ran.stdout));
        text(&ran.stderr)
    }

    /// An admin command over HTTPS.
    pub(crate) fn over_https(&self, served: &Served, key: &Key, line: &str) -> Output {
        let endpoint = format!("https://{}", served.address.unwrap());
        let mut command = Command::new(program());
        command.args(line.split_whitespace()).args(["--endpoint", &endpoint]);
        command.env("AWS_ACCESS_KEY_ID", &key.id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
        command.env("AWS_CA_BUNDLE", self.path("chain.pem")).output().unwrap()
    }

    /// The newest records of an operation, as `audit show` has them.
    pub(crate) fn records(&self, operation: &str) -> Vec<Value> {
        let ran = self.admin(&format!("audit show --action {operation} --limit 1000 --output json"));
        assert!(ran.status.success(), "{}", text(&ran.stderr));
        let records = serde_json::Deserializer::from_slice(&ran.stdout).into_iter::<Value>();
        records.map(|record| record.unwrap()).collect()
    }

    /// The installation's roots, by what `root list` says.
    pub(crate) fn roots(&self) -> Vec<Value> {
        self.done("root list")["items"].as_array().unwrap().clone()
    }

    /// Waits until the roots are as wanted.
    #[expect(clippy::disallowed_methods, reason = "how far the sweep is can only be asked, again and again")]
    pub(crate) fn await_roots(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let roots = self.roots();
            if wanted(&roots) {
                return roots;
            }
            assert!(begun.elapsed() < PATIENCE, "{roots:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A new access key of the tenant's root.
    pub(crate) fn root_key(&self) -> Key {
        let made = self.done(&format!("access-key create --tenant {ACCOUNT} --root"));
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Key { id: text("access_key_id"), secret: text("secret_access_key") }
    }

    pub(crate) fn endpoint(&self, served: &Served, key: &Key) -> Endpoint {
        Endpoint {
            address: served.address,
            authority: self.path("chain.pem"),
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
            region: "us-east-1".to_owned(),
        }
    }

    pub(crate) fn client(&self, served: &Served, key: &Key) -> Client {
        Client::connect(&self.endpoint(served, key)).unwrap()
    }

    /// A new key's id, and a ciphertext under it.
    pub(crate) fn encrypt(&self, served: &Served, key: &Key) -> (String, String) {
        let mut client = self.client(served, key);
        let made = client.kms("CreateKey", "{}").unwrap();
        assert_eq!(made.status, 200, "{}", made.body);
        let id = made.text("KeyMetadata.KeyId");
        let encrypted = client.kms("Encrypt", &format!(r#"{{"KeyId":"{id}","Plaintext":"{PLAINTEXT}"}}"#)).unwrap();
        assert_eq!(encrypted.status, 200, "{}", encrypted.body);
        (id, encrypted.text("CiphertextBlob"))
    }

    pub(crate) fn decrypts(&self, served: &Served, key: &Key, ciphertext: &str) {
        let body = format!(r#"{{"CiphertextBlob":"{ciphertext}"}}"#);
        let opened = self.client(served, key).kms("Decrypt", &body).unwrap();
        assert_eq!(opened.status, 200, "{}", opened.body);
        assert_eq!(opened.text("Plaintext"), PLAINTEXT);
    }

    /// A request over the Unix socket as it stands: status and body.
    pub(crate) fn raw(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = UnixStream::connect(self.path("admin.sock")).unwrap();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
