//! The failures of a fuzz test that must not end a job again.
//!
//! A bucket is silent once it was met. A place (a kind and a location) is silent as a whole once
//! its failures had too many different messages: those hold what the input says, so each input
//! would be a finding of its own. Invariant: the list is bounded, and only grows at its end.

use shmfuzz_runtime::bucket::Bucket;
use std::collections::BTreeMap;

/// Different messages that the failures of one place may have.
pub(super) const MESSAGES: usize = 5;
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
    n_messages: BTreeMap<Bucket, usize>,
}

impl Silence {
    /// Notes a failure by its bucket and its place.
    pub(super) fn note(&mut self, bucket: Bucket, place: Bucket) -> Novelty {
        if self.buckets.contains(&bucket) || self.buckets.contains(&place) {
            return Novelty::Known;
        }
        if self.buckets.len() >= MOST {
            return Novelty::Full;
        }
        let n_messages = self.n_messages.entry(place).or_default();
        if *n_messages >= MESSAGES {
            self.buckets.push(place);
            return Novelty::Crowded;
        }
        *n_messages += 1;
        self.buckets.push(bucket);
        Novelty::New
    }

    /// Buckets and places, in the order in which they were met.
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
            silence.note(Bucket(n), Bucket(u64::MAX - n));
        }
        assert_eq!(silence.buckets().len(), MOST);
        assert_eq!(silence.note(Bucket(1), Bucket(1 << 41)), Novelty::Known);
        assert_eq!(silence.note(Bucket(1 << 40), Bucket(1 << 41)), Novelty::Full);
    }
}
