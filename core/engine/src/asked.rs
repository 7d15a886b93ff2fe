//! What key stores were asked for one request, and what came of it.
//!
//! An attempt on the thread that asked waits for no key store: it stops at the use that it needs, and is made again once that
//! has ended. From then on it finds here what came of the use, but only of that very one: what another attempt wants instead
//! is asked for by itself.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use strongroom_audit::gate::Permit;
use strongroom_model::id::{KeyId, ObjectId};
use strongroom_model::key_store::{KeyStore, KeyStoreError, KeyUse, KeyUsed, ResidentSealed};
use strongroom_secret::SecretBytes;

use crate::error::EngineError;
use crate::journey::Trace;
use crate::limits;
use crate::workers::Ground;

/// A use that an attempt needs, to be begun by whoever made the attempt. Made for the holder of a witness only.
pub struct Question {
    pub(crate) store: Arc<dyn KeyStore>,
    /// Where it can be waited for instead.
    pub(crate) ground: Ground,
    pub(crate) object: ObjectId,
    pub(crate) wanted: KeyUse,
    /// What is left of the time that it may take.
    pub(crate) within: Duration,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "a use of {:?} within {:?}", self.object, self.within)
    }
}

/// What was asked for a request so far.
#[derive(Default)]
pub(crate) struct Asked(Mutex<State>);

#[derive(Default)]
struct State {
    uses: Vec<Use>,
    /// The attempt that found out most of those that stopped, with the key versions that all of them touched and the place in
    /// the log that was taken before anything was asked.
    attempt: Option<Trace>,
    drawn: Option<SecretBytes>,
}

struct Use {
    object: ObjectId,
    wanted: Arc<KeyUse>,
    came: Option<Result<KeyUsed, KeyStoreError>>,
}

/// What is known of a use.
pub(crate) enum Known {
    /// It was not asked for.
    Nothing,
    /// It was asked for, and is counted; what came of it is not known, and it may be asked for again.
    Open,
    /// What came of it.
    Came(Result<KeyUsed, KeyStoreError>),
}

impl Asked {
    /// What is known of a use.
    pub(crate) fn known(&self, object: ObjectId, wanted: &KeyUse) -> Known {
        let state = self.0.lock();
        match state.uses.iter().find(|asked| asked.object == object && asked.wanted.is(wanted)) {
            Some(Use { came: Some(came), .. }) => Known::Came(came.as_ref().map(copied).map_err(Clone::clone)),
            Some(Use { came: None, .. }) => Known::Open,
            None => Known::Nothing,
        }
    }

    /// Whether anything was asked.
    pub(crate) fn any(&self) -> bool {
        !self.0.lock().uses.is_empty()
    }

    /// Whether so much was asked that more has to be waited for.
    pub(crate) fn is_full(&self) -> bool {
        self.0.lock().uses.len() >= limits::ASKED_OF_STORES
    }

    /// Notes that something is asked.
    pub(crate) fn ask(&self, object: ObjectId, wanted: Arc<KeyUse>) {
        self.0.lock().uses.push(Use { object, wanted, came: None });
    }

    /// Notes what came of the use that was asked for last; `false` when that is known already.
    pub(crate) fn came(&self, came: Result<KeyUsed, KeyStoreError>) -> bool {
        match self.0.lock().uses.last_mut() {
            Some(Use { came: place @ None, .. }) => {
                *place = Some(came);
                true
            }
            _ => false,
        }
    }

    /// Keeps what an attempt found out that stopped.
    pub(crate) fn keep(&self, mut attempt: Trace) {
        let mut state = self.0.lock();
        if let Some(mut before) = state.attempt.take() {
            if before.demands.len() > attempt.demands.len() {
                std::mem::swap(&mut before, &mut attempt);
            }
            attempt.add(before);
        }
        state.attempt = Some(attempt);
    }

    /// The key at `index` among those that the demands are about, once anything was asked: a name that was led elsewhere
    /// meanwhile leads this request to the key that was used for it.
    pub(crate) fn key(&self, index: usize) -> Option<KeyId> {
        self.0.lock().attempt.as_ref()?.keys.get(index).map(|handle| handle.entry.row.id)
    }

    /// Whether a place in the log is kept.
    pub(crate) fn has_permit(&self) -> bool {
        self.0.lock().attempt.as_ref().is_some_and(|attempt| attempt.permit.is_some())
    }

    /// The place in the log that was kept.
    pub(crate) fn permit(&self) -> Option<Permit> {
        self.0.lock().attempt.as_mut()?.permit.take()
    }

    /// What was found out before, for the record of a request that failed before it found out as much again.
    pub(crate) fn attempt(&self) -> Option<Trace> {
        self.0.lock().attempt.take()
    }

    /// Random bytes that are the same in every attempt: drawn anew, they would make another use of the key each time.
    pub(crate) fn drawn(
        &self,
        draw: impl FnOnce() -> Result<SecretBytes, EngineError>,
    ) -> Result<SecretBytes, EngineError> {
        let mut state = self.0.lock();
        let drawn = match state.drawn.take() {
            Some(drawn) => drawn,
            None => draw()?,
        };
        Ok(SecretBytes::copy_from(state.drawn.insert(drawn).expose()))
    }
}

fn copied(used: &KeyUsed) -> KeyUsed {
    match used {
        KeyUsed::Sealed(sealed) => {
            let ResidentSealed { ciphertext, iv, tag } = sealed;
            KeyUsed::Sealed(ResidentSealed { ciphertext: ciphertext.clone(), iv: *iv, tag: *tag })
        }
        KeyUsed::Opened(secret) => KeyUsed::Opened(SecretBytes::copy_from(secret.expose())),
        KeyUsed::Made(bytes) => KeyUsed::Made(bytes.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ObjectId = ObjectId::from_bytes([1; 16]);
    const THERE: ObjectId = ObjectId::from_bytes([2; 16]);

    fn unwrap(text: &[u8]) -> KeyUse {
        let algorithm = strongroom_model::algorithm::KeyWrapAlgorithm::Aes256Kwp;
        KeyUse::Unwrap { algorithm, wrapped: text.to_vec() }
    }

    #[test]
    fn what_came_of_a_use_is_told_for_that_very_use_and_no_other() {
        let asked = Asked::default();
        assert!(!asked.any() && !asked.came(Err(KeyStoreError::Busy)));
        asked.ask(HERE, Arc::new(unwrap(b"one")));
        assert!(asked.any() && matches!(asked.known(HERE, &unwrap(b"one")), Known::Open));
        assert!(asked.came(Ok(KeyUsed::Made(vec![7]))));
        assert!(!asked.came(Err(KeyStoreError::Busy)), "it is known already");
        // As often as it is asked: an attempt may be made again for another reason.
        for _ in 0..2 {
            let Known::Came(Ok(KeyUsed::Made(made))) = asked.known(HERE, &unwrap(b"one")) else { panic!() };
            assert_eq!(made, [7]);
        }
        assert!(matches!(asked.known(THERE, &unwrap(b"one")), Known::Nothing));
        assert!(matches!(asked.known(HERE, &unwrap(b"two")), Known::Nothing));
        asked.ask(HERE, Arc::new(unwrap(b"two")));
        assert!(asked.came(Err(KeyStoreError::Refused)));
        assert!(matches!(asked.known(HERE, &unwrap(b"two")), Known::Came(Err(KeyStoreError::Refused))));
        assert!(matches!(asked.known(HERE, &unwrap(b"one")), Known::Came(Ok(_))));
    }

    #[test]
    fn what_is_drawn_once_stays_and_a_failure_to_draw_does_not() {
        let asked = Asked::default();
        assert!(asked.drawn(|| Err(EngineError::Conflict)).is_err());
        assert!(asked.drawn(|| Ok(SecretBytes::copy_from(b"first"))).unwrap().equals(b"first"));
        assert!(asked.drawn(|| Ok(SecretBytes::copy_from(b"second"))).unwrap().equals(b"first"));
    }
}
