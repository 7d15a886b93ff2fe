//! The signal to stop, from one place to every listener and connection.

use std::time::Duration;

use tokio::sync::watch;

/// Gives the signal. Dropping it gives the signal too.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// Waits for the signal.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut off because their requests had not ended in time; 0 is a clean end.
    pub cut_off: usize,
    /// How long the drain took.
    pub took: Duration,
}

/// Makes a signal and its first waiter.
pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Asks every listener to stop accepting, to finish what is under way and to end.
    pub fn drain(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns once the signal was given.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, which counts as the signal.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}
