//! Bytes written piece by piece and hashed at once: on the stack while they fit, so that an ordinary request costs no
//! allocation.

/// A buffer that starts as `N` bytes in place and moves to the heap when it outgrows them.
pub(crate) struct Scratch<const N: usize> {
    inline: [u8; N],
    used: usize,
    /// All of it, once it has outgrown the place; empty before.
    spilled: Vec<u8>,
}

impl<const N: usize> Scratch<N> {
    pub(crate) fn new() -> Self {
        Self { inline: [0; N], used: 0, spilled: Vec::new() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = if self.spilled.is_empty() { self.inline.get_mut(self.used..self.used + bytes.len()) } else { None };
        match room {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            None => self.spill(bytes),
        }
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if self.spilled.is_empty() {
            self.spilled.reserve(2 * N + bytes.len());
            self.spilled.extend_from_slice(self.inline.get(..self.used).unwrap_or_default());
        }
        self.spilled.extend_from_slice(bytes);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.spilled.is_empty() { self.inline.get(..self.used).unwrap_or_default() } else { &self.spilled }
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
