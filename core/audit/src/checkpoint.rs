//! What is signed about a log: checkpoints (C2SP tlog-checkpoint, v1.0.0) and the introduction of checkpoint keys.
//!
//! Both are notes whose first line is the log's origin. The second line of a checkpoint is a decimal number, that of an
//! introduction never is, so neither can be taken for the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::note::{NoteError, NoteSignature, SignedNote, VerifierKey};

const INTRODUCTION: &str = "introduces checkpoint key";

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many records it had.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// What introduces a new checkpoint key, under the old one's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyIntroduction {
    /// The log's name.
    pub origin: String,
    /// How many records the log had, so that an old introduction can't be used again later.
    pub size: u64,
    /// The new key.
    pub key: VerifierKey,
}

/// What a signed note of a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The log's size and root.
    Checkpoint(Checkpoint),
    /// A new checkpoint key.
    KeyIntroduction(KeyIntroduction),
}

impl Checkpoint {
    /// The text to be signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// The text with the signatures that were made of it.
    #[must_use]
    pub fn signed(&self, signatures: Vec<NoteSignature>) -> SignedNote {
        SignedNote::new(self.text(), signatures)
    }
}

impl KeyIntroduction {
    /// The text to be signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{INTRODUCTION}\n{}\n{}\n", self.origin, self.size, self.key)
    }

    /// The text with the signatures that were made of it.
    #[must_use]
    pub fn signed(&self, signatures: Vec<NoteSignature>) -> SignedNote {
        SignedNote::new(self.text(), signatures)
    }
}

impl Statement {
    /// Reads what a note says, verified or not.
    ///
    /// # Errors
    /// When it is neither kind of statement. Extension lines of checkpoints are not taken.
    pub fn of(note: &SignedNote) -> Result<Self, NoteError> {
        let text = note.text().strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let mut lines = text.split('\n');
        let statement = match (lines.next(), lines.next(), lines.next(), lines.next(), lines.next()) {
            (Some(origin), Some(INTRODUCTION), Some(size), Some(key), None) => {
                let size = decimal(size).ok_or(NoteError::Malformed)?;
                Self::KeyIntroduction(KeyIntroduction { origin: origin.to_owned(), size, key: key.parse()? })
            }
            (Some(origin), Some(size), Some(root), None, None) => {
                let size = decimal(size).ok_or(NoteError::Malformed)?;
                let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
                let root = Hash::from_bytes(root.ok_or(NoteError::Malformed)?);
                Self::Checkpoint(Checkpoint { origin: origin.to_owned(), size, root })
            }
            _ => return Err(NoteError::Malformed),
        };
        Ok(statement)
    }

    /// The log that it is about.
    #[must_use]
    pub fn origin(&self) -> &str {
        match self {
            Self::Checkpoint(checkpoint) => &checkpoint.origin,
            Self::KeyIntroduction(introduction) => &introduction.origin,
        }
    }
}

/// A decimal number in its one form: without sign, spaces or leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use strongroom_model::root::{CheckpointAlgorithm, CheckpointKey};

    use super::*;

    fn note(text: &str) -> SignedNote {
        SignedNote::new(text.to_owned(), Vec::new())
    }

    #[test]
    fn the_specifications_example_is_a_checkpoint() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let Ok(Statement::Checkpoint(checkpoint)) = Statement::of(&note(text)) else { panic!() };
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.text(), text);
    }

    #[test]
    fn an_introduction_reads_back_and_is_no_checkpoint() {
        let key = CheckpointKey { algorithm: CheckpointAlgorithm::Ed25519, public: vec![1; 32] };
        let key = VerifierKey::new("kms.example/node-1", key).unwrap();
        let introduction = KeyIntroduction { origin: "kms.example/node-1".to_owned(), size: 12, key };
        assert_eq!(Statement::of(&note(&introduction.text())), Ok(Statement::KeyIntroduction(introduction)));
    }

    #[test]
    fn anything_else_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for text in [
            String::new(),
            "origin\n".to_owned(),
            format!("origin\n01\n{root}\n"),
            format!("origin\n+1\n{root}\n"),
            format!("origin\n1\n{root}\nextension\n"),
            "origin\n1\nAAAA\n".to_owned(),
            format!("origin\n{INTRODUCTION}\n1\nno key\n"),
        ] {
            assert!(Statement::of(&note(&text)).is_err(), "{text:?}");
        }
    }
}
