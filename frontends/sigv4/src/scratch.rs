//! Bytes written piece by piece and hashed at once: on the stack while they fit, so that an ordinary request costs no
//! allocation.

/// Past the end of every place.
const SPILLED: usize = usize::MAX;

/// A buffer that starts as `N` bytes in place and moves to the heap when it outgrows them.
pub(crate) struct Scratch<const N: usize> {
    inline: [u8; N],
    /// Bytes in place, or [`SPILLED`].
    used: usize,
    /// All of it, once it has outgrown the place; empty before.
    spilled: Vec<u8>,
}

impl<const N: usize> Scratch<N> {
    pub(crate) fn new() -> Self {
        Self { inline: [0; N], used: 0, spilled: Vec::new() }
    }

    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // What has spilled leaves no room in place.
        match self.inline.get_mut(self.used..).and_then(|room| room.get_mut(..bytes.len())) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.used = self.used.wrapping_add(bytes.len());
            }
            None => self.spill(bytes),
        }
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if let Some(used) = self.inline.get(..self.used) {
            self.spilled.reserve(2 * N + bytes.len());
            self.spilled.extend_from_slice(used);
            self.used = SPILLED;
        }
        self.spilled.extend_from_slice(bytes);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.inline.get(..self.used).unwrap_or(&self.spilled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outgrows_the_place_is_kept_whole() {
        for pieces in [vec![4, 4], vec![8, 1], vec![9], vec![3, 9, 0, 3], vec![0, 20]] {
            let mut scratch = Scratch::<8>::new();
            let mut expected = Vec::new();
            for (number, length) in (0..).zip(pieces) {
                scratch.push(&vec![number; length]);
                expected.extend(vec![number; length]);
            }
            assert_eq!(scratch.as_slice(), expected);
        }
    }
}
