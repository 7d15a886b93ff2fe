//! An installation as an operator makes one, for what `strongroom dev` does not have: external key stores, with keys
//! wrapped and in a SoftHSM2 token, and a Managed HSM's key store behind mutual TLS.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use strongroom_pkcs11_shim::Faults;
use strongroom_secret::SecretBytes;
use strongroom_testkit::server::Served;
use strongroom_testkit::softhsm::Token;

use crate::Result;
use crate::certificates::{Certificate, write_secret};
use crate::client::{Ask, Client, Signer, Target, text_field};
use crate::load::{Job, Sample, Samples};
use crate::process::program;

const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";
const POOL: &str = "pool.managedhsm.example";
const TOKEN: &str = "bench";
/// The variable with the token's PIN.
const PIN: &str = "STRONGROOM_BENCH_PIN";
/// Sessions with the token: calls that run in it at once.
pub(crate) const SESSIONS: u32 = 8;
/// What is encrypted, and the data that goes with it.
pub(crate) const PLAINTEXT: [u8; 64] = [7; 64];
pub(crate) const ASSOCIATED: [u8; 32] = [8; 32];
/// What AWS KMS says of its own request.
const METADATA: &str = r#""requestMetadata":{"awsPrincipalArn":"arn:aws:iam::123456789012:user/Alice","kmsOperation":"Encrypt","kmsRequestId":"4112f4d6-db54-4af4-ae30-c55a22a8dfae","kmsKeyArn":"arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab","kmsViaService":"ebs"},"encryptionAlgorithm":"AES_GCM""#;

/// A running `strongroom serve`, and what it is asked.
pub(crate) struct House {
    directory: PathBuf,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    served: Option<Served>,
    /// Of the listener for AWS KMS and XKS, and of that for Managed HSM.
    addresses: [SocketAddr; 2],
}

/// Two ports that are free now.
fn free_addresses() -> Result<[SocketAddr; 2]> {
    let [one, two] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([one.local_addr()?, two.local_addr()?])
}

/// An encryption, one with CDIV, and a decryption, as AWS KMS asks a proxy for them; `key` is the key's path.
pub(crate) async fn xks_asks(client: &mut Client, signer: &Arc<Signer>, key: &str) -> Result<[Ask; 3]> {
    let associated = format!(r#""additionalAuthenticatedData":"{}""#, STANDARD.encode(ASSOCIATED));
    let plaintext = format!(r#""plaintext":"{}""#, STANDARD.encode(PLAINTEXT));
    let cdiv = r#""ciphertextDataIntegrityValueAlgorithm":"SHA_256""#;
    let ask = |call: &str, body: String| {
        let target = format!("{key}/{call}");
        Ask { signer: Some(Arc::clone(signer)), target, content: "application/json", action: None, body }
    };
    let plain = ask("encrypt", format!("{{{METADATA},{associated},{plaintext}}}"));
    let checked = ask("encrypt", format!("{{{METADATA},{associated},{plaintext},{cdiv}}}"));
    let sealed = client.ask(&plain).await?;
    let mut body = format!("{{{METADATA},{associated}");
    for member in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
        // Metadata is for a proxy to give or not.
        if let Ok(value) = text_field(&sealed, member) {
            body.push_str(&format!(r#","{member}":"{value}""#));
        }
    }
    body.push('}');
    Ok([plain, checked, ask("decrypt", body)])
}

impl House {
    /// Makes the installation and serves. Its token is slow as `faults` says; without them nothing stands between.
    pub(crate) fn start(given: Option<&Path>, directory: &Path, faults: Option<&Faults>) -> Result<Self> {
        let token = Token::new(directory, TOKEN);
        let mut environment = vec![token.environment(), (PIN.into(), Token::PIN.into())];
        let module = match faults {
            Some(faults) => {
                environment.extend(faults.environment(&Token::module()));
                strongroom_pkcs11_shim::library().ok_or("the shim's library is not beside this program")?
            }
            None => Token::module(),
        };
        let (program, addresses) = (program(given)?, free_addresses()?);
        let mut house = Self { directory: directory.to_owned(), program, environment, served: None, addresses };
        house.configure(&module)?;
        house.strongroom(&["init", "--config", &house.configuration().to_string_lossy(), "--account", ACCOUNT])?;
        let served = Served::start(&house.program, &house.configuration(), &[], &house.environment)?;
        house.served = Some(served);
        Ok(house)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn configuration(&self) -> PathBuf {
        self.path("strongroom.toml")
    }

    fn configure(&self, module: &Path) -> Result<()> {
        write_secret(&self.path("root.key"), &[9; 32])?;
        let server = Certificate::of_server(&self.directory)?;
        let (authority, _) = Certificate::of_client(&self.directory, POOL)?;
        let at = |name: &str| self.path(name).display().to_string();
        let tls =
            format!("certificate_chain = \"{}\", private_key = \"{}\"", server.chain.display(), server.key.display());
        let [aws, azure] = self.addresses;
        let text = format!(
            "data_directory = \"{}\"\nnode = \"bench\"\n\
             [[root]]\nkind = \"software\"\nfile = \"{}\"\nunseal = {{ key_file = \"{}\" }}\n\
             [[key_store]]\nname = \"hsm\"\nkind = \"pkcs11\"\nmodule = \"{}\"\ntokens = [{{ label = \"{TOKEN}\" }}]\n\
             pin = {{ environment = \"{PIN}\" }}\nsessions = {SESSIONS}\n\
             [[listener]]\nname = \"aws\"\naddress = \"{aws}\"\nfront_ends = [\"aws-kms\", \"aws-xks\"]\n\
             regions = [\"{REGION}\"]\ntls = {{ {tls} }}\n\
             [[listener]]\nname = \"azure\"\naddress = \"{azure}\"\nfront_ends = [\"azure-ekm\"]\n\
             tls = {{ {tls}, client_ca = \"{}\" }}\n\
             [[listener]]\nname = \"operators\"\nsocket = \"{}\"\nfront_ends = [\"admin\"]\n\
             [log]\nformat = \"json\"\n",
            at("data"),
            at("root"),
            at("root.key"),
            module.display(),
            authority.chain.display(),
            at("admin.sock"),
        );
        Ok(std::fs::write(self.configuration(), text)?)
    }

    /// What a command of `strongroom` prints.
    fn strongroom(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let ran = command.env_remove("STRONGROOM_ENDPOINT").output()?;
        match ran.status.success() {
            true => Ok(String::from_utf8(ran.stdout)?),
            false => Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr)).into()),
        }
    }

    /// What an operator's command prints, as JSON.
    fn admin(&self, line: &str) -> Result<String> {
        let socket = self.path("admin.sock");
        let socket = ["--output", "json", "--socket", &*socket.to_string_lossy()].map(str::to_owned);
        let words: Vec<&str> = line.split_whitespace().chain(socket.iter().map(String::as_str)).collect();
        // Names and values without blanks between them, however it is laid out.
        Ok(self.strongroom(&words)?.replace("\": \"", "\":\""))
    }

    /// The server's process.
    pub(crate) fn id(&self) -> Result<u32> {
        Ok(self.served.as_ref().ok_or("it is not started")?.id())
    }

    fn target(&self) -> Target {
        Target { address: self.addresses[0], authority: self.path("server.pem"), identity: None }
    }

    fn pool(&self) -> Target {
        let identity = Some((self.path("client.pem"), self.path("client.key")));
        Target { address: self.addresses[1], identity, ..self.target() }
    }

    fn signer(made: &str, service: &'static str) -> Result<Arc<Signer>> {
        let secret = SecretBytes::copy_from(text_field(made, "secret_access_key")?.as_bytes());
        let (access_key_id, region) = (text_field(made, "access_key_id")?, REGION.to_owned());
        Ok(Arc::new(Signer { access_key_id, secret_access_key: secret, region, service }))
    }

    /// Makes key stores and keys, and the requests that use them.
    pub(crate) async fn samples(&self) -> Result<Samples> {
        let kms = Self::signer(&self.admin(&format!("access-key create --root --tenant {ACCOUNT}"))?, "kms")?;
        let mut client = Client::connect(&self.target()).await?;
        let key = text_field(&client.ask(&Ask::kms(&kms, "CreateKey", "{}".to_owned())).await?, "KeyId")?;
        let settle = (self.target(), Ask::kms(&kms, "GetKeyLastUsage", format!(r#"{{"KeyId":"{key}"}}"#)));
        let mut samples = Samples { all: Vec::new(), settle };
        self.add_xks(&mut samples, &mut client).await?;
        self.add_ekm(&mut samples).await?;
        Ok(samples)
    }

    async fn add_xks(&self, samples: &mut Samples, client: &mut Client) -> Result<()> {
        for line in [
            "store create prod --region us-east-1 --key-store hsm",
            "key create --store prod wrapped",
            "key create --store prod resident --key-store hsm",
        ] {
            self.admin(&format!("xks {line} --tenant {ACCOUNT}"))?;
        }
        let made = self.admin(&format!("xks credential create --store prod --tenant {ACCOUNT}"))?;
        let signer = Self::signer(&made, "kms-xks-proxy")?;
        for (key, jobs) in [("wrapped", Job::XKS), ("resident", Job::XKS_RESIDENT)] {
            let key = format!("/{ACCOUNT}/prod/kms/xks/v1/keys/{key}");
            for (job, ask) in jobs.into_iter().zip(xks_asks(client, &signer, &key).await?) {
                samples.all.push(Sample { job, target: self.target(), ask: Arc::new(ask) });
            }
        }
        Ok(())
    }

    async fn add_ekm(&self, samples: &mut Samples) -> Result<()> {
        for line in [
            "store create pool --region us-east-1".to_owned(),
            format!("certificate create --store pool {POOL}"),
            "key create --store pool aes".to_owned(),
        ] {
            self.admin(&format!("ekm {line} --tenant {ACCOUNT}"))?;
        }
        let ask = |call: &str, value: &str| Ask {
            signer: None,
            target: format!("/{ACCOUNT}/pool/aes/{call}?api-version=0.1-preview"),
            content: "application/json",
            action: None,
            body: format!(
                r#"{{"request_context":{{"correlation_id":"4112f4d6","pool_name":"bench"}},"alg":"A256KW","value":"{value}"}}"#
            ),
        };
        let wrap = ask("wrapkey", &URL_SAFE_NO_PAD.encode([7; 32]));
        let wrapped = Client::connect(&self.pool()).await?.ask(&wrap).await?;
        let unwrap = ask("unwrapkey", &text_field(&wrapped, "value")?);
        for (job, ask) in [(Job::EkmWrap, wrap), (Job::EkmUnwrap, unwrap)] {
            samples.all.push(Sample { job, target: self.pool(), ask: Arc::new(ask) });
        }
        Ok(())
    }

    /// In microseconds: the CPU that an encryption and a decryption take in the token's module alone.
    pub(crate) fn module_alone(&self) -> Result<(f64, f64)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("module").arg(Token::module()).args([TOKEN, Token::PIN]);
        let ran = command.envs(self.environment.iter().map(|(name, value)| (name, value))).output()?;
        let told = String::from_utf8(ran.stdout)?;
        let mut figures = told.split_whitespace().map(str::parse::<f64>);
        match (figures.next(), figures.next()) {
            (Some(Ok(seal)), Some(Ok(open))) => Ok((seal, open)),
            _ => Err(format!("the module alone: {}", String::from_utf8_lossy(&ran.stderr)).into()),
        }
    }
}
