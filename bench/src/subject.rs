//! What is measured: our server in the form that a job needs, and the requests that it is asked.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_pkcs11_shim::Faults;

use crate::client::{Ask, Client, text_field};
use crate::house::House;
use crate::load::{Job, Sample, Samples};
use crate::process::Dev;
use crate::{Arguments, Result};

/// A server and what it is asked.
pub(crate) struct Subject {
    pub(crate) running: Running,
    pub(crate) samples: Samples,
}

/// In which form it runs.
pub(crate) enum Running {
    /// `strongroom dev`.
    Dev(Dev),
    /// `strongroom serve`.
    House(House),
}

impl Subject {
    /// `strongroom dev`, for AWS KMS.
    pub(crate) async fn dev(arguments: &Arguments, directory: &Path) -> Result<Self> {
        let dev = Dev::start(arguments.server.as_deref(), directory, &arguments.dev)?;
        let samples = kms(&dev).await?;
        Ok(Self { running: Running::Dev(dev), samples })
    }

    /// `strongroom serve`, for external keys.
    pub(crate) async fn house(arguments: &Arguments, directory: &Path, faults: Option<&Faults>) -> Result<Self> {
        let house = House::start(arguments.server.as_deref(), directory, faults)?;
        let samples = house.samples().await?;
        Ok(Self { running: Running::House(house), samples })
    }

    /// The server's process.
    pub(crate) fn id(&self) -> Result<u32> {
        match &self.running {
            Running::Dev(dev) => Ok(dev.server.id()),
            Running::House(house) => house.id(),
        }
    }
}

/// The subjects that jobs need: each that is needed, with its jobs.
pub(crate) async fn subjects(
    arguments: &Arguments,
    jobs: &[Job],
    directory: &Path,
) -> Result<Vec<(Subject, Vec<Job>)>> {
    let (of_kms, others): (Vec<_>, Vec<_>) = jobs.iter().copied().partition(|job| Job::KMS.contains(job));
    let mut subjects = Vec::new();
    if !of_kms.is_empty() {
        subjects.push((Subject::dev(arguments, directory).await?, of_kms));
    }
    if !others.is_empty() {
        let directory = directory.join("house");
        std::fs::create_dir(&directory)?;
        subjects.push((Subject::house(arguments, &directory, None).await?, others));
    }
    Ok(subjects)
}

/// Makes the keys that the jobs use, and the requests that name them.
async fn kms(dev: &Dev) -> Result<Samples> {
    let ask = |operation: &str, body: String| Ask::kms(&dev.signer, operation, body);
    let mut client = Client::connect(&dev.server.target).await?;
    let plaintext = STANDARD.encode([7u8; 32]);
    let context = r#""EncryptionContext":{"purpose":"bench"}"#;
    let encrypt = format!(r#"{{"KeyId":"alias/dev","Plaintext":"{plaintext}",{context}}}"#);
    let encrypted = client.ask(&ask("Encrypt", encrypt.clone())).await?;
    let ciphertext = text_field(&encrypted, "CiphertextBlob")?;
    let mac = r#"{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}"#.to_owned();
    let mac = text_field(&client.ask(&ask("CreateKey", mac)).await?, "KeyId")?;
    let signing = r#"{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}"#.to_owned();
    let signing = text_field(&client.ask(&ask("CreateKey", signing)).await?, "KeyId")?;
    let bodies = [
        (Job::Encrypt, encrypt),
        (Job::Decrypt, format!(r#"{{"CiphertextBlob":"{ciphertext}",{context}}}"#)),
        (Job::GenerateDataKey, format!(r#"{{"KeyId":"alias/dev","KeySpec":"AES_256",{context}}}"#)),
        (Job::GenerateMac, format!(r#"{{"KeyId":"{mac}","Message":"{plaintext}","MacAlgorithm":"HMAC_SHA_256"}}"#)),
        (
            Job::Sign,
            format!(
                r#"{{"KeyId":"{signing}","Message":"{plaintext}","MessageType":"DIGEST","SigningAlgorithm":"ECDSA_SHA_256"}}"#
            ),
        ),
    ];
    let sample = |(job, body): (Job, String)| Sample {
        job,
        target: dev.server.target.clone(),
        ask: Arc::new(ask(job.name(), body)),
    };
    let settle = (dev.server.target.clone(), ask("GetKeyLastUsage", format!(r#"{{"KeyId":"{mac}"}}"#)));
    Ok(Samples { all: bodies.into_iter().map(sample).collect(), settle })
}
