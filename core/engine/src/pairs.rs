//! RSA key pairs made ahead of the requests that want them, by a thread of their own that yields to everything else.
//!
//! The making of one takes tenths of a second. Only 2048-bit pairs are kept, as they are by far the most wanted; others, and
//! all that are wanted while none is ready, are made by the worker for long computations. Each pair is handed out once.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use strongroom_crypto::{Capability, KeyMaterial, Random};
use strongroom_model::spec::KeySpec;

use crate::error::{self, EngineError};
use crate::operation::Halt;
use crate::workers::Ground;

/// The kind of pair that is made ahead.
const MADE_AHEAD: KeySpec = KeySpec::Rsa2048;
/// The lowest priority that a thread can have.
const LOWEST: i32 = 19;

/// Pairs that are ready.
pub(crate) struct Pairs {
    ready: Option<Receiver<KeyMaterial>>,
}

impl Pairs {
    /// Starts the thread that keeps `count` pairs ready; without any, there is none. It ends when nobody can take a pair any
    /// more.
    pub(crate) fn start(count: usize, random: Arc<dyn Random>) -> std::io::Result<Self> {
        // One more than the queue holds is in the hands of the thread, which waits for a place.
        let Some(places) = count.checked_sub(1) else { return Ok(Self { ready: None }) };
        let (sender, ready) = bounded(places);
        thread::Builder::new().name("engine-pairs".to_owned()).spawn(move || make(&sender, &*random))?;
        Ok(Self { ready: Some(ready) })
    }

    /// Material of `spec`, made ahead or now.
    ///
    /// # Errors
    /// [`Halt::Move`] where making it takes longer than `ground` allows; [`EngineError::Unsupported`].
    pub(crate) fn take(
        &self,
        spec: KeySpec,
        ground: Ground,
        make: impl FnOnce() -> Result<KeyMaterial, EngineError>,
    ) -> Result<KeyMaterial, Halt> {
        if !Capability::Spec(spec).is_present() {
            return Err(EngineError::Unsupported("this kind of key").into());
        }
        let ready = self.ready.as_ref().filter(|_| spec == MADE_AHEAD).and_then(|ready| ready.try_recv().ok());
        match ready {
            Some(ready) => Ok(ready),
            None if spec.is_rsa() && ground != Ground::Heavy => Err(Halt::Move(Ground::Heavy)),
            None => Ok(make()?),
        }
    }
}

fn make(ready: &Sender<KeyMaterial>, random: &dyn Random) {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOWEST) {
        tracing::debug!(%error, "key pairs are made ahead at the ordinary priority");
    }
    loop {
        match KeyMaterial::generate(MADE_AHEAD, random, None).map_err(error::crypto) {
            Ok(pair) => {
                if ready.send(pair).is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(?error, "key pairs are made ahead no longer");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use strongroom_crypto::SystemRandom;

    use super::*;

    fn refuse() -> Result<KeyMaterial, EngineError> {
        Err(EngineError::Unsupported("a pair made now"))
    }

    #[test]
    fn pairs_are_made_ahead_handed_out_once_and_made_anew() {
        let pairs = Pairs::start(1, Arc::new(SystemRandom)).unwrap();
        let ready = pairs.ready.as_ref().unwrap();
        let next = || ready.recv_timeout(Duration::from_secs(120)).unwrap();
        let public = |pair: &KeyMaterial| pair.public_key().unwrap().der().to_vec();
        let (one, other) = (next(), next());
        assert_eq!((one.spec(), other.spec()), (KeySpec::Rsa2048, KeySpec::Rsa2048));
        assert_ne!(public(&one), public(&other));
    }

    #[test]
    fn where_none_is_ready_a_pair_is_made_on_the_worker_for_it() {
        let pairs = Pairs::start(0, Arc::new(SystemRandom)).unwrap();
        for spec in [KeySpec::Rsa2048, KeySpec::Rsa4096] {
            let moved = pairs.take(spec, Ground::Worker, refuse);
            assert!(matches!(moved, Err(Halt::Move(Ground::Heavy))));
            assert!(matches!(pairs.take(spec, Ground::Heavy, refuse), Err(Halt::Fail(_))), "it is made now");
        }
        assert!(matches!(pairs.take(KeySpec::Ed25519, Ground::Worker, refuse), Err(Halt::Fail(_))), "it is made now");
    }
}
