//! What entries hold that could be made again: a bounded part of it is kept. Pure.
//!
//! A worker may have tens of thousands of entries, each with a thousand edits: without a bound they
//! would fill the memory that the fuzz test is allowed.

use std::collections::VecDeque;

/// The most that is kept, in bytes, and the least that is the most.
const MOST: u64 = 128 << 20;
const LEAST: u64 = 8 << 20;
/// Which part of the memory that the worker may use it may be.
const PART: u64 = 16;

/// Which entries hold how much, in the order in which it was made.
#[derive(Debug)]
pub(super) struct Hoard {
    limit: usize,
    held: VecDeque<(usize, usize)>,
    sum: usize,
}

impl Hoard {
    /// Nothing, in a worker that may use so many bytes; 0 for any number.
    pub(super) fn new(memory: u64) -> Self {
        let limit = if memory == 0 { MOST } else { (memory / PART).clamp(LEAST, MOST) };
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), held: VecDeque::new(), sum: 0 }
    }

    /// An entry holds so many bytes from now on; -> those that hold too much together give theirs
    /// up: the ones that have had theirs for longest, and never this one.
    pub(super) fn add(&mut self, idx: usize, n_bytes: usize) -> Vec<usize> {
        self.held.push_back((idx, n_bytes));
        self.sum += n_bytes;
        let mut given_up = Vec::new();
        while self.sum > self.limit && self.held.len() > 1 {
            let Some((idx, n_bytes)) = self.held.pop_front() else { break };
            self.sum -= n_bytes;
            given_up.push(idx);
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_theirs_up() {
        let mut hoard = Hoard::new(PART * LEAST);
        let third = LEAST as usize / 3;
        for idx in 0..3 {
            assert_eq!(hoard.add(idx, third), [] as [usize; 0]);
        }
        assert_eq!(hoard.add(3, third), [0]);
        assert_eq!(hoard.add(0, 2 * third), [1, 2]);
        assert_eq!(hoard.add(9, 100 * third), [3, 0], "the last one keeps its own");
        assert_eq!(hoard.add(1, 1), [9]);
    }

    #[test]
    fn the_limit_is_part_of_the_memory() {
        for (memory, limit) in [(0, MOST), (1, LEAST), (1 << 30, 1 << 26), (u64::MAX, MOST)] {
            assert_eq!(Hoard::new(memory).limit as u64, limit);
        }
    }
}
