//! How often each call ended in what, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::Kind;
use crate::path::Operation;

/// One counter for each call and each way in which it can end.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// By call, those that lead nowhere last; by error, success last.
    cells: [[AtomicU64; Kind::ALL.len() + 1]; Operation::ALL.len() + 1],
}

impl Counts {
    pub(crate) fn count(&self, operation: Option<Operation>, error: Option<Kind>) {
        let row = operation.map_or(Operation::ALL.len(), |operation| operation as usize);
        let column = error.map_or(Kind::ALL.len(), |error| error as usize);
        if let Some(cell) = self.cells.get(row).and_then(|row| row.get(column)) {
            cell.fetch_add(1, Relaxed);
        }
    }

    /// Tells every counter that is not zero: the call, how it ended, how often.
    pub(crate) fn tell(&self, tell: &mut dyn FnMut(&str, &str, u64)) {
        let calls = Operation::ALL.into_iter().map(Operation::name).chain(["none"]);
        for (call, row) in calls.zip(&self.cells) {
            let endings = Kind::ALL.into_iter().map(Kind::name).chain(["Success"]);
            for (ending, cell) in endings.zip(row) {
                match cell.load(Relaxed) {
                    0 => {}
                    count => tell(call, ending, count),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_a_counter_of_its_own() {
        let counts = Counts::default();
        for operation in Operation::ALL.into_iter().map(Some).chain([None]) {
            for error in Kind::ALL.into_iter().map(Some).chain([None]) {
                counts.count(operation, error);
            }
        }
        counts.count(Some(Operation::Unwrap), Some(Kind::TooManyRequests));
        let mut told = Vec::new();
        counts.tell(&mut |call, ending, count| told.push((call.to_owned(), ending.to_owned(), count)));
        assert_eq!(told.len(), 5 * 13);
        let more: Vec<_> = told.iter().filter(|(_, _, count)| *count != 1).collect();
        assert_eq!(more, [&("UnwrapKey".to_owned(), "TooManyRequests".to_owned(), 2)]);
    }
}
