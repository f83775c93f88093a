//! Which entry is mutated next. Pure: it reads the queue and random numbers, no clock.
//!
//! New entries come first, each for a few picks. Otherwise an entry's chance is its weight: fast,
//! small, recent and fruitful entries with many features of their own weigh more. Weights are
//! summed once in a while, not for each pick. A better schedule replaces this module.

use super::budget::CALL;
use super::queue::{Entry, Queue};
use super::random::Random;
use std::collections::VecDeque;

/// How many picks a new entry gets before it takes its chances with the others.
const FIRST_PICKS: u32 = 4;
/// After how many weighted picks the weights are summed again.
const KEEP_WEIGHTS: u32 = 64;

/// The order of picks.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// New entries, with the picks they are still owed.
    fresh: VecDeque<(usize, u32)>,
    /// Sums of weights up to and including each entry.
    sums: Vec<u64>,
    /// Weighted picks until the sums are made again.
    keep: u32,
}

impl Schedule {
    /// Puts a new entry in front of the others.
    pub(super) fn add(&mut self, idx: usize) {
        self.fresh.push_back((idx, FIRST_PICKS));
        self.keep = 0;
    }

    /// The entry to mutate next; `None` if there is none.
    pub(super) fn pick(&mut self, queue: &Queue, random: &mut Random) -> Option<usize> {
        // Between the first picks of new entries, old ones get their turn: once in four.
        if !self.fresh.is_empty() && !random.one_in(4) {
            let (idx, owed) = self.fresh.pop_front()?;
            if owed > 1 {
                self.fresh.push_back((idx, owed - 1));
            }
            return Some(idx);
        }
        if self.keep == 0 || self.sums.is_empty() {
            self.sum_weights(queue);
        }
        self.keep = self.keep.saturating_sub(1);
        let total = *self.sums.last()?;
        let ticket = ((u128::from(random.bits()) * u128::from(total)) >> 64) as u64;
        Some(self.sums.partition_point(|sum| *sum <= ticket).min(self.sums.len() - 1))
    }

    fn sum_weights(&mut self, queue: &Queue) {
        self.keep = KEEP_WEIGHTS;
        let n = queue.len().max(1) as u64;
        let mean_cost = queue.iter().map(|entry| entry.work + CALL).sum::<u64>() / n;
        let mean_len = queue.iter().map(|entry| entry.input.len() as u64).sum::<u64>() / n;
        self.sums.clear();
        let mut sum = 0u64;
        for (idx, entry) in queue.iter().enumerate() {
            let age = n - idx as u64;
            sum = sum.saturating_add(weight(entry, mean_cost, mean_len, age));
            self.sums.push(sum);
        }
    }
}

/// The weight of an entry: 64 for an average one, at least 1.
fn weight(entry: &Entry, mean_cost: u64, mean_len: u64, age: u64) -> u64 {
    // Ratios to the average, from 1/4 to 4, in sixteenths.
    let ratio = |mean: u64, own: u64| (mean.saturating_mul(16) / own.max(1)).clamp(4, 64);
    let speed = ratio(mean_cost, entry.work + CALL);
    let size = ratio(mean_len + 8, entry.input.len() as u64 + 8);
    let n_features = u64::from((entry.features.len() as u64).clamp(1, 64).ilog2()) + 2;
    let recency = match age {
        0..=16 => 4,
        17..=64 => 3,
        65..=256 => 2,
        _ => 1,
    };
    let yielded = 16 + (entry.n_finds.min(64) * 256) / (entry.n_picks + 8);
    let weight = speed * size / 16 * n_features / 2 * recency * yielded / 16;
    let weight = if entry.is_stable { weight } else { weight / 2 };
    weight.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::Origin;

    fn entry(len: usize, work: u64) -> Entry {
        let mut entry = Entry::new(&vec![b'x'; len], &[1], Origin::Mutation);
        (entry.work, entry.is_stable) = (work, true);
        entry
    }

    #[test]
    fn an_empty_queue_has_nothing_to_pick() {
        let mut random = Random::from_state(1, 1);
        assert_eq!(Schedule::default().pick(&Queue::default(), &mut random), None);
    }

    #[test]
    fn new_entries_come_first_and_none_starves() {
        let (mut queue, mut schedule) = (Queue::default(), Schedule::default());
        for i in 0..50 {
            schedule.add(queue.push(entry(10 + i, 100 * i as u64)));
        }
        let mut random = Random::from_state(1, 1);
        let mut picks = vec![0u32; 50];
        for _ in 0..300 {
            picks[schedule.pick(&queue, &mut random).unwrap()] += 1;
        }
        assert!(picks.iter().all(|n| *n >= FIRST_PICKS), "{picks:?}");
        for _ in 0..20_000 {
            picks[schedule.pick(&queue, &mut random).unwrap()] += 1;
        }
        assert!(picks.iter().all(|n| *n > 30), "{picks:?}");
    }

    #[test]
    fn fast_and_small_entries_weigh_more() {
        let base = weight(&entry(100, 1000), 1000, 100, 1000);
        assert!(weight(&entry(100, 100), 1000, 100, 1000) > base);
        assert!(weight(&entry(10, 1000), 1000, 100, 1000) > base);
        assert!(weight(&entry(100, 1000), 1000, 100, 3) > base);
        assert!(weight(&entry(100_000, u64::MAX / 1000), 1000, 100, 1000) >= 1);
    }
}
