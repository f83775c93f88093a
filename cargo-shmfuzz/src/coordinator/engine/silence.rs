//! The failures of a fuzz test that must not end a job again.
//!
//! A bucket is silent once it was met. A place (a kind and a location) is silent as a whole once
//! its failures had too many different messages: those hold what the input says, so each input
//! would be a finding of its own. What workers tell apart by program counters may be one bucket by
//! the names of functions: then it is known, and the place is silent once it was reached in too
//! many ways. Invariant: the list is bounded, and only grows at its end.

use crate::coordinator::notice::Failure;
use shmfuzz_runtime::bucket::Bucket;
use std::collections::{BTreeMap, BTreeSet};

/// Different messages that the failures of one place may have.
pub(super) const MESSAGES: usize = 5;
/// Buckets that the failures of one place may have, by the functions that led there.
pub(super) const BUCKETS: usize = 50;
/// Ways to one place that may turn out to be known, each of which costs the end of a job.
pub(super) const WAYS: usize = 200;
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
    /// One bucket, or one way, too many for its place, which is silent from now on.
    Scattered,
    /// No failure is told apart any more.
    Full,
}

/// What is silent.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// In the order in which they were met.
    buckets: Vec<Bucket>,
    /// What is silent, by its bucket.
    names: BTreeMap<Bucket, Bucket>,
    /// How often each bucket was met.
    met: BTreeMap<Bucket, u64>,
    places: BTreeMap<Bucket, Place>,
}

/// What was met at one place.
#[derive(Debug, Default)]
struct Place {
    /// Failures however they were reached.
    messages: BTreeSet<Bucket>,
    n_buckets: usize,
    /// Ways to buckets that were known.
    n_ways: usize,
}

impl Silence {
    /// Notes a failure.
    pub(super) fn note(&mut self, failure: &Failure) -> Novelty {
        let Failure { silent, bucket, any_way, place, .. } = failure;
        let known = self.met.get_mut(bucket);
        let is_known = known.is_some();
        if let Some(met) = known {
            *met = met.saturating_add(1);
        }
        if self.buckets.contains(silent) || self.buckets.contains(place) {
            return Novelty::Known;
        }
        if self.buckets.len() >= MOST {
            return Novelty::Full;
        }
        let at = self.places.entry(*place).or_default();
        if is_known {
            at.n_ways += 1;
            if at.n_ways >= WAYS {
                self.buckets.push(*place);
                return Novelty::Scattered;
            }
            self.buckets.push(*silent);
            self.names.insert(*silent, *bucket);
            return Novelty::Known;
        }
        if at.messages.len() >= MESSAGES && !at.messages.contains(any_way) {
            self.buckets.push(*place);
            return Novelty::Crowded;
        }
        if at.n_buckets >= BUCKETS {
            self.buckets.push(*place);
            return Novelty::Scattered;
        }
        at.messages.insert(*any_way);
        at.n_buckets += 1;
        self.met.insert(*bucket, 1);
        self.names.insert(*silent, *bucket);
        self.buckets.push(*silent);
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

    /// All that is silent, but what belongs to these buckets.
    pub(super) fn all_but(&self, buckets: &BTreeSet<Bucket>) -> Vec<Bucket> {
        let is_others =
            |silent: &Bucket| self.names.get(silent).is_none_or(|bucket| !buckets.contains(bucket));
        self.buckets.iter().copied().filter(is_others).collect()
    }

    /// What is silent among workers, and places, in the order in which they were met.
    pub(super) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Trace;
    use shmfuzz_runtime::kind::FailureKind;

    /// By what it counts as among workers, its bucket, message and place.
    fn failure(silent: u64, bucket: u64, message: u64, place: u64) -> Failure {
        Failure {
            kind: FailureKind::Panic,
            message: String::new(),
            location: None,
            bucket: Bucket(bucket),
            silent: Bucket(silent),
            any_way: Bucket(message),
            place: Bucket(place),
            stack: Trace::default(),
            output: String::new(),
        }
    }

    #[test]
    fn the_list_is_bounded() {
        let mut silence = Silence::default();
        for n in 0..100_000 {
            silence.note(&failure(n, n, n, u64::MAX - n));
        }
        assert_eq!(silence.buckets().len(), MOST);
        assert_eq!(silence.note(&failure(1, 1, 1, 1 << 41)), Novelty::Known);
        let new = 1 << 40;
        assert_eq!(silence.note(&failure(new, new, new, 1 << 41)), Novelty::Full);
    }

    #[test]
    fn ways_to_a_known_failure_are_no_news_and_do_not_go_on_for_ever() {
        let mut silence = Silence::default();
        assert_eq!(silence.note(&failure(1000, 2, 0, 1)), Novelty::New);
        for n in 1..WAYS as u64 {
            assert_eq!(silence.note(&failure(1000 + n, 2, 0, 1)), Novelty::Known);
        }
        assert!(!silence.buckets().contains(&Bucket(1)));
        assert_eq!(silence.note(&failure(9, 3, 0, 1)), Novelty::New, "another function");
        assert_eq!(silence.note(&failure(8, 2, 0, 1)), Novelty::Scattered, "which is told");
        assert_eq!(silence.note(&failure(7, 4, 0, 1)), Novelty::Known);
    }

    #[test]
    fn one_message_from_many_functions_is_no_crowd_but_many_messages_are() {
        let mut silence = Silence::default();
        for n in 0..BUCKETS as u64 {
            assert_eq!(silence.note(&failure(100 + n, 100 + n, 0, 1)), Novelty::New);
        }
        assert_eq!(silence.note(&failure(99, 99, 0, 1)), Novelty::Scattered);
        for n in 0..MESSAGES as u64 {
            assert_eq!(silence.note(&failure(500 + n, 500 + n, 500 + n, 2)), Novelty::New);
        }
        assert_eq!(silence.note(&failure(600, 600, 600, 2)), Novelty::Crowded);
    }

    #[test]
    fn failures_are_counted_by_bucket_however_they_were_reached() {
        let mut silence = Silence::default();
        silence.note(&failure(10, 2, 0, 1));
        silence.note(&failure(11, 2, 0, 1));
        silence.note(&failure(10, 2, 0, 1));
        silence.note(&failure(20, 3, 0, 1));
        silence.passed_over(Bucket(11), 5);
        silence.passed_over(Bucket(10), u64::MAX - 10);
        silence.passed_over(Bucket(99), 7);
        assert_eq!(silence.times(Bucket(2)), u64::MAX - 2);
        silence.passed_over(Bucket(11), 5);
        let times = [2, 3, 4].map(|bucket| silence.times(Bucket(bucket)));
        assert_eq!(times, [u64::MAX, 1, 0]);
        assert_eq!(silence.all_but(&[Bucket(2)].into()), [Bucket(20)]);
        assert_eq!(silence.all_but(&BTreeSet::new()).len(), 3);
    }
}
