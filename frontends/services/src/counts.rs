//! How often each call ended in what, for metrics.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Calls of an API, or the ways in which they can fail.
pub trait Named: Copy + Eq + 'static {
    /// All there are, each once.
    const ALL: &'static [Self];

    /// As metrics know it.
    fn name(self) -> &'static str;
}

/// One counter for each call and each way in which it can end.
#[derive(Debug)]
pub struct Counts<Call, Failure> {
    /// By call, those that lead nowhere last; then by failure, success last.
    cells: Box<[AtomicU64]>,
    of: PhantomData<fn(Call, Failure)>,
}

impl<Call: Named, Failure: Named> Default for Counts<Call, Failure> {
    fn default() -> Self {
        let cells = (Call::ALL.len() + 1) * (Failure::ALL.len() + 1);
        Self { cells: (0..cells).map(|_| AtomicU64::new(0)).collect(), of: PhantomData }
    }
}

impl<Call: Named, Failure: Named> Counts<Call, Failure> {
    /// Counts a request: which call it was, if any, and how it failed, if it did.
    pub fn count(&self, call: Option<Call>, failure: Option<Failure>) {
        let cell = place(call) * (Failure::ALL.len() + 1) + place(failure);
        if let Some(cell) = self.cells.get(cell) {
            cell.fetch_add(1, Relaxed);
        }
    }

    /// Tells every counter that is not zero: the call, how it ended, how often.
    pub fn tell(&self, tell: &mut dyn FnMut(&str, &str, u64)) {
        let calls = Call::ALL.iter().map(|call| call.name()).chain(["none"]);
        for (call, row) in calls.zip(self.cells.chunks(Failure::ALL.len() + 1)) {
            let endings = Failure::ALL.iter().map(|failure| failure.name()).chain(["Success"]);
            for (ending, cell) in endings.zip(row) {
                match cell.load(Relaxed) {
                    0 => {}
                    count => tell(call, ending, count),
                }
            }
        }
    }
}

/// The place of one among all, and behind them that of none.
fn place<T: Named>(one: Option<T>) -> usize {
    T::ALL.iter().position(|other| Some(*other) == one).unwrap_or(T::ALL.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Call {
        Wrap,
        Unwrap,
    }

    impl Named for Call {
        const ALL: &'static [Self] = &[Self::Wrap, Self::Unwrap];

        fn name(self) -> &'static str {
            if self == Self::Wrap { "Wrap" } else { "Unwrap" }
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Busy;

    impl Named for Busy {
        const ALL: &'static [Self] = &[Self];

        fn name(self) -> &'static str {
            "Busy"
        }
    }

    #[test]
    fn every_ending_has_a_counter_of_its_own() {
        let counts = Counts::default();
        for call in [Some(Call::Wrap), Some(Call::Unwrap), None] {
            for failure in [Some(Busy), None] {
                counts.count(call, failure);
            }
        }
        counts.count(Some(Call::Unwrap), Some(Busy));
        let mut told = Vec::new();
        counts.tell(&mut |call, ending, count| told.push(format!("{call} {ending} {count}")));
        let expected =
            ["Wrap Busy 1", "Wrap Success 1", "Unwrap Busy 2", "Unwrap Success 1", "none Busy 1", "none Success 1"];
        assert_eq!(told, expected);
    }
}
