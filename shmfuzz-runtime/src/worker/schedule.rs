//! Which entry is mutated next. Pure: it reads the queue and random numbers, no clock.
//!
//! New entries come first, each for a few picks. Otherwise an entry's chance is its weight: fast,
//! small, recent and fruitful entries with many features of their own weigh more. Weights are
//! summed once in a while, not for each
//! pick or find: a new entry's is put behind the others'. A better schedule replaces this module.

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
    /// The averages that the sums were made with.
    mean: Mean,
}

/// What an entry is compared with.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    cost: u64,
    len: u64,
}

impl Schedule {
    /// Puts a new entry in front of the others.
    pub(super) fn add(&mut self, idx: usize) {
        self.fresh.push_back((idx, FIRST_PICKS));
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
        self.weigh_rest(queue);
        self.keep = self.keep.saturating_sub(1);
        let total = *self.sums.last()?;
        let ticket = ((u128::from(random.bits()) * u128::from(total)) >> 64) as u64;
        Some(self.sums.partition_point(|sum| *sum <= ticket).min(self.sums.len() - 1))
    }

    fn sum_weights(&mut self, queue: &Queue) {
        self.keep = KEEP_WEIGHTS;
        let n = queue.len().max(1) as u64;
        self.mean.cost = queue.iter().map(|entry| entry.work + CALL).sum::<u64>() / n;
        self.mean.len = queue.iter().map(|entry| entry.input.len() as u64).sum::<u64>() / n;
        self.sums.clear();
    }

    /// Adds the weights of the entries that have come since the sums were made.
    fn weigh_rest(&mut self, queue: &Queue) {
        let n = queue.len();
        for idx in self.sums.len()..n {
            let before = self.sums.last().copied().unwrap_or(0);
            let weight = weight(queue.get(idx), self.mean, (n - idx) as u64);
            self.sums.push(before.saturating_add(weight));
        }
    }
}

/// The weight of an entry: 64 for an average one, at least 1.
fn weight(entry: &Entry, mean: Mean, age: u64) -> u64 {
    // Nothing that it has reached comes back.
    if entry.features.is_empty() {
        return 1;
    }
    // Ratios to the average, from 1/4 to 4, in sixteenths.
    let ratio = |mean: u64, own: u64| (mean.saturating_mul(16) / own.max(1)).clamp(4, 64);
    let speed = ratio(mean.cost, entry.work + CALL);
    let size = ratio(mean.len + 8, entry.input.len() as u64 + 8);
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
    fn a_find_adds_its_weight_to_the_sums() {
        let (mut queue, mut schedule) = (Queue::default(), Schedule::default());
        let mut random = Random::from_state(1, 1);
        for _ in 0..100 {
            queue.push(entry(10, 100));
        }
        schedule.pick(&queue, &mut random).unwrap();
        let before = schedule.sums.clone();
        schedule.add(queue.push(entry(10, 100)));
        while schedule.sums.len() == before.len() {
            schedule.pick(&queue, &mut random).unwrap();
        }
        assert_eq!((schedule.sums.len(), &schedule.sums[..100]), (101, &before[..]));
    }

    #[test]
    fn fast_and_small_entries_weigh_more() {
        const MEAN: Mean = Mean { cost: 1000, len: 100 };
        let base = weight(&entry(100, 1000), MEAN, 1000);
        assert!(weight(&entry(100, 100), MEAN, 1000) > base);
        assert!(weight(&entry(10, 1000), MEAN, 1000) > base);
        assert!(weight(&entry(100, 1000), MEAN, 3) > base);
        assert!(weight(&entry(100_000, u64::MAX / 1000), MEAN, 1000) >= 1);
    }
}
