//! The operations of the tests, in few words.

use std::sync::Arc;

use strongroom_audit::record::{Mode, Outcome};
use strongroom_engine::operations::encrypt::{Decrypt, Decrypted, Encrypt};
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::{EngineError, KeyEntry, KeyReference};
use strongroom_model::action::Action;
use strongroom_model::algorithm::EncryptionAlgorithm;
use strongroom_model::caller::Caller;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{TestEngine, by_name};

/// A request to encrypt `text` under `key` with a context.
pub(crate) fn encrypt(key: KeyReference, text: &str, context: &[(&str, &str)]) -> Encrypt {
    Encrypt {
        key,
        plaintext: SecretBytes::copy_from(text.as_bytes()),
        context: pairs(context).into(),
        algorithm: EncryptionAlgorithm::DerivedAes256Gcm,
    }
}

/// A request to decrypt, by the key that the ciphertext names.
pub(crate) fn decrypt(ciphertext: &[u8], context: &[(&str, &str)]) -> Decrypt {
    Decrypt {
        key: None,
        ciphertext: ciphertext.to_vec(),
        context: pairs(context).into(),
        algorithm: EncryptionAlgorithm::DerivedAes256Gcm,
    }
}

/// Pairs that own their texts.
pub(crate) fn pairs(context: &[(&str, &str)]) -> Vec<(String, String)> {
    context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A ciphertext of `text` under `key`, made by the tenant's root.
pub(crate) fn sealed(test: &TestEngine, key: &KeyEntry, text: &str) -> Vec<u8> {
    test.run(&test.root(), encrypt(by_name(key), text, &[])).unwrap().ciphertext
}

/// What a ciphertext opens to for the tenant's root.
pub(crate) fn opened(test: &TestEngine, ciphertext: &[u8]) -> Result<String, EngineError> {
    let opened: Decrypted = test.run(&test.root(), decrypt(ciphertext, &[]))?;
    Ok(String::from_utf8(opened.plaintext.expose().to_vec()).unwrap())
}

/// Changes a key as the tenant's root.
pub(crate) fn edit(test: &TestEngine, key: &KeyEntry, edit: Edit) -> Result<(), EngineError> {
    edit_as(test, &test.root(), key, edit)
}

/// Changes a key.
pub(crate) fn edit_as(test: &TestEngine, caller: &Arc<Caller>, key: &KeyEntry, edit: Edit) -> Result<(), EngineError> {
    test.run(caller, EditKey { key: by_name(key), edit }).map(|_| ())
}

/// One record, as far as the tests look at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) action: Action,
    pub(crate) mode: Mode,
    /// The number of the engine's error; 0 when it was done, 1000 when it was abandoned.
    pub(crate) outcome: u16,
}

impl Told {
    pub(crate) fn done(action: Action) -> Self {
        Self { action, mode: Mode::Run, outcome: 0 }
    }

    pub(crate) fn failed(action: Action, outcome: u16) -> Self {
        Self { action, mode: Mode::Run, outcome }
    }
}

/// The records that the log has from number `from` on.
pub(crate) fn told(test: &TestEngine, from: usize) -> Vec<Told> {
    let read = |sealed: &strongroom_audit::record::SealedRecord| {
        let record = sealed.record().unwrap();
        let outcome = match &record.outcome {
            Outcome::Done => 0,
            Outcome::Failed { engine, .. } => *engine,
            Outcome::Abandoned => 1000,
        };
        Told { action: record.action, mode: record.mode, outcome }
    };
    test.records().iter().skip(from).map(read).collect()
}
