//! Places in a log's queue, taken before work begins and given back when its records are on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the places of one log.
#[derive(Debug)]
pub struct Gate {
    taken: AtomicUsize,
    places: usize,
}

/// Places in a queue; dropping it gives them back.
#[derive(Debug)]
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit {
    gate: Arc<Gate>,
    places: usize,
}

impl Gate {
    /// A gate with this many places.
    #[must_use]
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), places })
    }

    /// Takes places; `None` when fewer are free.
    pub fn take(self: &Arc<Self>, places: usize) -> Option<Permit> {
        let room = |taken: usize| taken.checked_add(places).filter(|taken| *taken <= self.places);
        self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Permit { gate: Arc::clone(self), places })
    }

    /// How many places are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Permit {
    /// How many records it is good for.
    #[must_use]
    pub const fn places(&self) -> usize {
        self.places
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.taken.fetch_sub(self.places, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_places_are_given_than_there_are() {
        let gate = Gate::new(3);
        let two = gate.take(2).unwrap();
        assert!(gate.take(2).is_none());
        assert!(gate.take(usize::MAX).is_none());
        drop(two);
        assert_eq!(gate.take(3).unwrap().places(), 3);
        assert_eq!(gate.taken(), 0);
    }
}
