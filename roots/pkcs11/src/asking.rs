//! A call that is made of one token after the other until one has served, and how their failures are told.
//!
//! Begun without a thread that waits, it goes on with the next token as soon as it is known that one has failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_model::id::ObjectId;
use strongroom_model::key_store::{AfterUse, KeyStoreError};
use strongroom_model::root::RootError;

use crate::client::Client;
use crate::error::CallError;
use crate::limits::LEAST;
use crate::protocol::{Call, Fault, Reply};
use crate::uses::Shape;

/// What tokens said that did not serve.
#[derive(Default)]
pub(crate) struct Failures {
    failure: Option<KeyStoreError>,
    absent: Option<KeyStoreError>,
}

impl Failures {
    /// Notes a failure of one of so many.
    ///
    /// # Errors
    /// What is told at once: no further token would serve.
    pub(crate) fn note(&mut self, error: KeyStoreError, tokens: usize) -> Result<(), KeyStoreError> {
        match error {
            // What was given is at fault, or would be at fault in the next token, too.
            error @ (KeyStoreError::Refused | KeyStoreError::Unsupported { .. }) => return Err(error),
            error @ KeyStoreError::NoObject(_) if tokens == 1 => return Err(self.failure.take().unwrap_or(error)),
            error @ KeyStoreError::NoObject(_) => self.absent = Some(error),
            error @ KeyStoreError::Unavailable { .. } => self.failure = Some(error),
            error if tokens == 1 => return Err(error),
            error => self.failure = Some(error),
        }
        Ok(())
    }

    /// What is told when no token has served.
    pub(crate) fn told(self, within: Duration) -> KeyStoreError {
        // A token that did not answer may have what the others lack.
        self.failure.or(self.absent).unwrap_or(KeyStoreError::Timeout(within))
    }
}

/// A failure in the port's words.
pub(crate) fn told(object: Option<ObjectId>, error: CallError) -> KeyStoreError {
    if let (CallError::Fault(Fault::NoObject | Fault::Unfit(_)), Some(object)) = (&error, object) {
        return KeyStoreError::NoObject(object);
    }
    match RootError::from(error) {
        RootError::Busy => KeyStoreError::Busy,
        RootError::Timeout(allowed) => KeyStoreError::Timeout(allowed),
        RootError::WrongCredential => KeyStoreError::WrongCredential,
        RootError::Refused => KeyStoreError::Refused,
        RootError::Unsupported { mechanism } => KeyStoreError::Unsupported { mechanism },
        RootError::Unavailable { cause } => KeyStoreError::Unavailable { cause },
        RootError::Sealed => KeyStoreError::Unavailable { cause: "it is sealed".into() },
    }
}

/// A use on its way, which no thread waits for.
pub(crate) struct Asking {
    pub(crate) tokens: Arc<[Client]>,
    pub(crate) object: ObjectId,
    pub(crate) call: Arc<Call>,
    pub(crate) shape: Shape,
    pub(crate) deadline: Instant,
    pub(crate) within: Duration,
    pub(crate) after: AfterUse,
    /// How many tokens were asked or passed over.
    pub(crate) past: usize,
    /// Whether one was passed over because it would have had to be waited for.
    pub(crate) passed_over: bool,
    pub(crate) failures: Failures,
}

impl Asking {
    /// Asks the next token that is ready. Each but the last gets an equal part of the time that is left.
    pub(crate) fn ask_next(mut self) {
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        let mut rest = self.tokens.iter().enumerate().skip(self.past);
        let Some((place, token)) = rest.find(|(_, token)| token.is_ready()) else {
            // Whoever may wait asks those again.
            let waits = self.passed_over || self.past < self.tokens.len();
            return (self.after)((!waits).then(|| Err(self.failures.told(self.within))));
        };
        let is_first = self.past == 0;
        if left.is_zero() || (!is_first && left < LEAST) {
            return (self.after)(Some(Err(self.failures.told(self.within))));
        }
        let share = left / u32::try_from(self.tokens.len() - place).unwrap_or(1);
        self.passed_over |= place > self.past;
        self.past = place + 1;
        let (token, call, within) = (token.clone(), Arc::clone(&self.call), self.within);
        token.begin(&call, now + share, within, move |ending| self.ended(ending));
    }

    /// Goes on after one token: `None` when the call could not be handed to it without waiting.
    fn ended(mut self, ending: Option<Result<Reply, CallError>>) {
        let (object, tokens) = (self.object, self.tokens.len());
        let error = match ending {
            None => return (self.after)(None),
            Some(Ok(reply)) => return (self.after)(Some(self.shape.used(reply))),
            Some(Err(error)) => told(Some(object), error),
        };
        match self.failures.note(error, tokens) {
            Err(error) => (self.after)(Some(Err(error))),
            // A child that ended is soon replaced: that is worth waiting for.
            Ok(()) if tokens == 1 => (self.after)(None),
            Ok(()) => self.ask_next(),
        }
    }
}
