//! Public halves that no credential has, remembered for a moment, so that a client which goes on showing one does not
//! make the store look again each time.
//!
//! A credential that is made is never hidden: its commit drops what is remembered of it, and a lookup that began before
//! that commit leaves nothing behind.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::limits;

/// How many commits had written credentials when a lookup began.
#[derive(Clone, Copy)]
pub(crate) struct Began(u64);

/// Public halves that no credential had a moment ago.
#[derive(Default)]
pub(crate) struct Unknown(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// Commits that wrote a credential.
    written: u64,
    /// Until when, on the clock since boot.
    until: HashMap<Arc<str>, Duration>,
    /// The same in order of time; what was dropped meanwhile stays here until its time comes.
    order: VecDeque<(Arc<str>, Duration)>,
}

impl Unknown {
    /// To be called before the store is looked into.
    pub(crate) fn begin(&self) -> Began {
        Began(self.0.lock().written)
    }

    /// Remembers that a lookup found nothing, unless a credential was written since it began.
    pub(crate) fn remember(&self, shown: &str, began: Began, now: Duration) {
        let mut remembered = self.0.lock();
        if remembered.written != began.0 {
            return;
        }
        while remembered.order.front().is_some_and(|(_, until)| *until <= now)
            || remembered.order.len() >= limits::UNKNOWN_CREDENTIALS
        {
            let Some((oldest, until)) = remembered.order.pop_front() else { break };
            if remembered.until.get(&oldest) == Some(&until) {
                remembered.until.remove(&oldest);
            }
        }
        // What is still remembered keeps its time.
        if remembered.until.contains_key(shown) {
            return;
        }
        let (shown, until) = (Arc::<str>::from(shown), now.saturating_add(limits::UNKNOWN_TIME));
        remembered.order.push_back((Arc::clone(&shown), until));
        remembered.until.insert(shown, until);
    }

    /// Whether no credential had this public half a moment ago.
    pub(crate) fn holds(&self, shown: &str, now: Duration) -> bool {
        self.0.lock().until.get(shown).is_some_and(|until| now < *until)
    }

    /// A credential was written.
    pub(crate) fn written(&self, shown: &str) {
        let mut remembered = self.0.lock();
        remembered.written += 1;
        remembered.until.remove(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn remembering(shown: &str) -> Unknown {
        let unknown = Unknown::default();
        unknown.remember(shown, unknown.begin(), START);
        unknown
    }

    #[test]
    fn what_was_not_found_is_remembered_for_its_time_alone() {
        let unknown = remembering("AKIA1");
        assert!(unknown.holds("AKIA1", START) && !unknown.holds("AKIA2", START));
        assert!(unknown.holds("AKIA1", START + limits::UNKNOWN_TIME - Duration::from_nanos(1)));
        assert!(!unknown.holds("AKIA1", START + limits::UNKNOWN_TIME));
    }

    #[test]
    fn asking_again_does_not_lengthen_the_time() {
        let unknown = remembering("AKIA1");
        unknown.remember("AKIA1", unknown.begin(), START + limits::UNKNOWN_TIME / 2);
        assert!(!unknown.holds("AKIA1", START + limits::UNKNOWN_TIME));
    }

    #[test]
    fn a_credential_that_is_written_is_not_hidden() {
        let unknown = remembering("AKIA1");
        unknown.written("AKIA1");
        assert!(!unknown.holds("AKIA1", START));
    }

    #[test]
    fn a_lookup_that_began_before_a_credential_was_written_leaves_nothing_behind() {
        let unknown = Unknown::default();
        let began = unknown.begin();
        unknown.written("AKIA1");
        unknown.remember("AKIA1", began, START);
        assert!(!unknown.holds("AKIA1", START));
    }

    #[test]
    fn however_many_are_shown_the_oldest_make_room() {
        let unknown = remembering("first");
        for number in 0..3 * limits::UNKNOWN_CREDENTIALS {
            unknown.remember(&number.to_string(), unknown.begin(), START);
            if number % 2 == 0 {
                unknown.written(&number.to_string());
            }
        }
        let remembered = unknown.0.lock();
        assert_eq!(remembered.order.len(), limits::UNKNOWN_CREDENTIALS);
        assert!(remembered.until.len() <= limits::UNKNOWN_CREDENTIALS);
        assert!(!remembered.until.contains_key("first"));
    }
}
