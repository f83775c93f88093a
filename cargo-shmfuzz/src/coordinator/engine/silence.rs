//! The failures of a fuzz test that must not end a job again.
//!
//! A bucket is silent once it was met. A place (a kind and a location) is silent as a whole once
//! its failures had too many different messages: those hold what the input says, so each input
//! would be a finding of its own. What workers tell apart by program counters may be one bucket by
//! the names of functions: then it is known, and the place is silent once it was reached in too
//! many ways. Invariant: the list is bounded, and only grows at its end.

use shmfuzz_runtime::bucket::Bucket;
use std::collections::BTreeMap;

/// Different messages that the failures of one place may have.
pub(super) const MESSAGES: usize = 5;
/// Ways to one place that may turn out to be known, each of which costs the end of a job.
const WAYS: usize = 100;
/// Failures of one fuzz test that are told apart. All of them fit one line of a request.
pub(super) const MOST: usize = 2048;

/// What a failure is to a fuzz test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    /// The first of its bucket, which is silent from now on.
    New,
    /// Its bucket or its place is silent.
    Known,
    /// One message too many for its place, which is silent from now on.
    Crowded,
    /// No failure is told apart any more.
    Full,
}

/// What is silent.
#[derive(Debug, Default)]
pub(super) struct Silence {
    buckets: Vec<Bucket>,
    /// What is silent, by its bucket.
    names: BTreeMap<Bucket, Bucket>,
    /// How often each bucket was met.
    met: BTreeMap<Bucket, u64>,
    n_messages: BTreeMap<Bucket, usize>,
    n_ways: BTreeMap<Bucket, usize>,
}

impl Silence {
    /// Notes a failure by what it counts as among workers, its bucket, and its place.
    pub(super) fn note(&mut self, silent: Bucket, bucket: Bucket, place: Bucket) -> Novelty {
        if let Some(met) = self.met.get_mut(&bucket) {
            *met = met.saturating_add(1);
        }
        if self.buckets.contains(&silent) || self.buckets.contains(&place) {
            return Novelty::Known;
        }
        if self.buckets.len() >= MOST {
            return Novelty::Full;
        }
        if self.met.contains_key(&bucket) {
            let n_ways = self.n_ways.entry(place).or_default();
            *n_ways += 1;
            if *n_ways >= WAYS {
                self.buckets.push(place);
            } else {
                self.buckets.push(silent);
                self.names.insert(silent, bucket);
            }
            return Novelty::Known;
        }
        let n_messages = self.n_messages.entry(place).or_default();
        if *n_messages >= MESSAGES {
            self.buckets.push(place);
            return Novelty::Crowded;
        }
        *n_messages += 1;
        self.met.insert(bucket, 1);
        self.names.insert(silent, bucket);
        self.buckets.push(silent);
        Novelty::New
    }

    /// Counts failures that a worker passed over, as it says. Those of a place that is silent as a
    /// whole belong to no bucket.
    pub(super) fn passed_over(&mut self, silent: Bucket, times: u64) {
        if let Some(met) = self.names.get(&silent).and_then(|bucket| self.met.get_mut(bucket)) {
            *met = met.saturating_add(times);
        }
    }

    /// How often a bucket was met.
    pub(super) fn times(&self, bucket: Bucket) -> u64 {
        self.met.get(&bucket).copied().unwrap_or(0)
    }

    /// What is silent among workers, and places, in the order in which they were met.
    pub(super) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded() {
        let mut silence = Silence::default();
        for n in 0..100_000 {
            silence.note(Bucket(n), Bucket(n), Bucket(u64::MAX - n));
        }
        assert_eq!(silence.buckets().len(), MOST);
        assert_eq!(silence.note(Bucket(1), Bucket(1), Bucket(1 << 41)), Novelty::Known);
        let new = Bucket(1 << 40);
        assert_eq!(silence.note(new, new, Bucket(1 << 41)), Novelty::Full);
    }

    #[test]
    fn ways_to_a_known_failure_are_no_news_and_do_not_go_on_for_ever() {
        let (mut silence, place) = (Silence::default(), Bucket(1));
        assert_eq!(silence.note(Bucket(10), Bucket(2), place), Novelty::New);
        for n in 0..WAYS as u64 - 1 {
            assert_eq!(silence.note(Bucket(11 + n), Bucket(2), place), Novelty::Known);
        }
        assert!(!silence.buckets().contains(&place));
        assert_eq!(silence.note(Bucket(9), Bucket(3), place), Novelty::New, "another failure");
        assert_eq!(silence.note(Bucket(8), Bucket(2), place), Novelty::Known);
        assert!(silence.buckets().contains(&place));
    }

    #[test]
    fn failures_are_counted_by_bucket_however_they_were_reached() {
        let (mut silence, place) = (Silence::default(), Bucket(1));
        silence.note(Bucket(10), Bucket(2), place);
        silence.note(Bucket(11), Bucket(2), place);
        silence.note(Bucket(10), Bucket(2), place);
        silence.note(Bucket(20), Bucket(3), place);
        silence.passed_over(Bucket(11), 5);
        silence.passed_over(Bucket(10), u64::MAX - 10);
        silence.passed_over(Bucket(99), 7);
        assert_eq!(silence.times(Bucket(2)), u64::MAX - 2);
        silence.passed_over(Bucket(11), 5);
        let times = [2, 3, 4].map(|bucket| silence.times(Bucket(bucket)));
        assert_eq!(times, [u64::MAX, 1, 0]);
    }
}
