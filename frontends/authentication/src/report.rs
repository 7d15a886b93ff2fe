//! What only operators may know of a request that failed, told to them.

use strongroom_engine::{EngineError, Unavailable};
use strongroom_model::external::ExternalError;

/// Writes an error that is no answer to the caller's request, but a fault or a lack of ours, to the operators' log, with
/// all its causes; any other error is the caller's own and leaves no line.
pub fn report(error: &EngineError, front_end: &'static str, operation: &'static str, request_id: &str) {
    match error {
        EngineError::Internal(cause) => {
            tracing::error!(request_id, front_end, operation, ?cause, "a request failed: {cause}");
        }
        // Under overload a line for each refusal would be load of its own.
        EngineError::Unavailable(Unavailable::Busy) => {
            tracing::debug!(request_id, front_end, operation, "a request was refused: the server is busy");
        }
        EngineError::Unavailable(unwritten @ Unavailable::Log { cause }) => {
            tracing::warn!(request_id, front_end, operation, "a request could not be served: {unwritten}: {cause}");
        }
        EngineError::Unavailable(cause) => {
            tracing::warn!(request_id, front_end, operation, "a request could not be served: {}", chain(cause));
        }
        // A manager's own refusals are between it and the tenant, who is told of them.
        EngineError::External(cause @ (ExternalError::Busy | ExternalError::Refused(_))) => {
            tracing::debug!(request_id, front_end, operation, "{cause}");
        }
        EngineError::External(cause) => {
            tracing::warn!(request_id, front_end, operation, "a request could not be served: {cause}");
        }
        _ => {}
    }
}

/// What an error says, and whatever caused it that it does not say itself.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    use strongroom_engine::{InternalFault, Noun};
    use strongroom_model::store::StoreError;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn reported(error: &EngineError) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || report(error, "front", "Encrypt", "request-1"));
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn operators_are_told_the_causes_that_callers_are_not() {
        for (error, level, cause) in [
            (EngineError::Internal(InternalFault::Crypto("inside")), "ERROR", "inside"),
            (EngineError::Unavailable(Unavailable::Log { cause: Arc::from("disk full") }), "WARN", "disk full"),
            (EngineError::Unavailable(Unavailable::Store(StoreError::Busy)), "WARN", "more work than it takes"),
            (EngineError::External(ExternalError::Tls { cause: "expired".to_owned() }), "WARN", "expired"),
        ] {
            let line = reported(&error);
            for part in [level, cause, "request-1", "Encrypt"] {
                assert!(line.contains(part), "{part}: {line}");
            }
        }
    }

    #[test]
    fn what_is_the_callers_own_matter_or_overload_leaves_no_line() {
        for error in [Noun::Grant.into(), EngineError::InvalidCiphertext, EngineError::Unavailable(Unavailable::Busy)] {
            assert_eq!(reported(&error), "");
        }
    }
}
