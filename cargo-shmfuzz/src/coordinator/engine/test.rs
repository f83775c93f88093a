//! One fuzz test of a campaign: what its inputs reach, its budget of calls, its troubles.

use super::forecast::{Curve, Past};
use super::leak::Grown;
use super::pool::Pool;
use super::silence::Silence;
use super::slow::SlowInputs;
use super::stats::Speed;
use crate::coordinator::campaign::Test;
use crate::coordinator::notice::{Stats, Trial};
use std::collections::BTreeSet;
use std::time::Duration;

/// What all workers of a fuzz test together have reached.
#[derive(Debug, Default)]
pub(super) struct Features {
    seen: BTreeSet<u32>,
    n_edges: u64,
}

/// Buckets a counter has.
pub(super) const BUCKETS: u32 = 8;

impl Features {
    /// Adds features; -> how many of them are new.
    pub(super) fn add(&mut self, features: &[u32]) -> usize {
        let mut n_new = 0;
        for feature in features {
            let first = feature / BUCKETS * BUCKETS;
            let is_new_edge = self.seen.range(first..=first + (BUCKETS - 1)).next().is_none();
            self.n_edges += u64::from(is_new_edge);
            n_new += usize::from(self.seen.insert(*feature));
        }
        n_new
    }

    /// Counters that were above 0.
    pub(super) fn edges(&self) -> u64 {
        self.n_edges
    }
}

/// Calls of the fuzzing phase: what is used, what is handed out, what is left.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Option<u64>,
    used: u64,
    granted: u64,
}

/// Calls that are handed out at least at once, if there are so many.
const SMALLEST_GRANT: u64 = 256;

impl Budget {
    /// A budget of so many calls, or without end.
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit, used: 0, granted: 0 }
    }

    /// Whether a job can be given calls.
    pub(super) fn has_left(&self) -> bool {
        self.limit.is_none_or(|limit| self.used + self.granted < limit)
    }

    /// Whether all calls were made.
    pub(super) fn is_used_up(&self) -> bool {
        self.granted == 0 && self.limit.is_some_and(|limit| self.used >= limit)
    }

    /// Hands out calls for a job of one of `jobs` workers; `None` without end.
    pub(super) fn grant(&mut self, jobs: usize) -> Option<u64> {
        let left = self.limit?.saturating_sub(self.used + self.granted);
        let part = match jobs {
            0 | 1 => left,
            jobs => (left / (2 * jobs as u64)).max(SMALLEST_GRANT).min(left),
        };
        self.granted += part;
        Some(part)
    }

    /// Takes a grant back after its job; -> the calls that count.
    pub(super) fn settle(&mut self, granted: Option<u64>, execs: u64) -> u64 {
        let Some(granted) = granted else { return execs };
        let used = execs.min(granted);
        self.granted = self.granted.saturating_sub(granted);
        self.used += used;
        used
    }
}

/// A fuzz test.
#[derive(Debug)]
pub(super) struct FuzzTest {
    /// Its inputs.
    pub(super) pool: Pool,
    /// What they reach.
    pub(super) features: Features,
    /// Most edges that one worker has seen.
    pub(super) edges: u64,
    /// Counters above 0 when an input was run again, and those of them that flickered, in the worker
    /// that has seen most.
    pub(super) checked: (u64, u64),
    /// Counters in its binary, once a worker has said so.
    pub(super) n_counters: Option<u64>,
    /// Seeds in its attribute.
    pub(super) n_seeds: u32,
    /// The attribute's seeds before this one are not run by new workers: one of them ends the
    /// process, and those that matter are in the pool.
    pub(super) first_seed: u32,
    /// Failures that must not end a job.
    pub(super) silence: Silence,
    /// How many of the committed sequences were given to a worker.
    pub(super) n_sequences_run: usize,
    /// How many of them are being run.
    pub(super) n_recalling: usize,
    /// Seeds that are known to fail.
    pub(super) known: BTreeSet<String>,
    /// Its calls.
    pub(super) budget: Budget,
    /// Calls of the fuzzing phase.
    pub(super) execs: u64,
    /// Other calls.
    pub(super) extra_execs: u64,
    /// Its virtual time.
    pub(super) used: Duration,
    /// Time spent on jobs of the fuzzing phase, by all of its workers.
    pub(super) spent: Duration,
    /// Its discoveries.
    pub(super) curve: Curve,
    /// How many discoveries the next minute of one worker promises, if that can be said.
    pub(super) promise: Option<f64>,
    /// Whether it is not fuzzed any more because little is left to find.
    pub(super) is_at_plateau: bool,
    /// Whether it is never fuzzed again.
    pub(super) is_broken: bool,
    /// Whether it was seen to write over the mapping, so that its workers find that read-only.
    pub(super) is_guarded: bool,
    /// Workers in a row that died before they were ready.
    pub(super) dead_starts: u32,
    /// Workers in a row that were lost without a call of the fuzzing phase.
    pub(super) fruitless: u32,
    /// Workers in a row that died without a job done.
    pub(super) deaths: u32,
    /// No worker starts before.
    pub(super) not_before: Duration,
    /// Workers that were ever started for fuzzing.
    pub(super) n_workers: u64,
    /// Entries added.
    pub(super) new_entries: usize,
    /// Distinct failures found.
    pub(super) n_findings: usize,
    /// Warnings that were given: each is given once.
    pub(super) warned: BTreeSet<&'static str>,
    /// How memory grew in the first worker that passed the limit.
    pub(super) grown: Option<Grown>,
    /// Its slow inputs.
    pub(super) slow: SlowInputs,
    /// How fast it is.
    pub(super) speed: Speed,
    /// Its figures as last shown, without the time.
    pub(super) shown: Option<Stats>,
    /// When the first of its inputs on disk was given out.
    pub(super) loading_since: Option<Duration>,
    /// When it was last told how far they are, and what was told.
    pub(super) loading_told: Option<(Duration, Trial)>,
    /// Whether the end of loading was told.
    pub(super) is_loaded: bool,
}

impl FuzzTest {
    /// A fuzz test before its first worker.
    pub(super) fn new(test: &Test, runs: Option<u64>) -> Self {
        let goes_on = !test.corpus.is_empty() || test.n_attribute_seeds > 0;
        let past = if goes_on { Past::Unknown } else { Past::Nothing };
        Self {
            pool: Pool::new(test),
            features: Features::default(),
            edges: 0,
            checked: (0, 0),
            n_counters: None,
            n_seeds: test.n_attribute_seeds,
            first_seed: 0,
            silence: Silence::default(),
            n_sequences_run: 0,
            n_recalling: 0,
            known: BTreeSet::new(),
            budget: Budget::new(runs),
            execs: 0,
            extra_execs: 0,
            used: Duration::ZERO,
            spent: Duration::ZERO,
            curve: Curve::new(past),
            promise: None,
            is_at_plateau: false,
            is_broken: false,
            is_guarded: false,
            dead_starts: 0,
            fruitless: 0,
            deaths: 0,
            not_before: Duration::ZERO,
            n_workers: 0,
            new_entries: 0,
            n_findings: 0,
            warned: BTreeSet::new(),
            grown: None,
            slow: SlowInputs::default(),
            speed: Speed::default(),
            shown: None,
            loading_since: None,
            loading_told: None,
            is_loaded: false,
        }
    }

    /// Counts calls that are none of the fuzzing phase.
    pub(super) fn count_extra(&mut self, n: u64) {
        self.extra_execs = self.extra_execs.saturating_add(n);
    }

    /// Part of the edges that come back when an input is run again: 1 before any was.
    pub(super) fn stability(&self) -> f64 {
        let (checked, flickering) = self.checked;
        if checked == 0 { 1.0 } else { 1.0 - flickering as f64 / checked as f64 }
    }

    /// Whether it will never be fuzzed again.
    pub(super) fn is_over(&self) -> bool {
        self.is_broken || self.is_at_plateau || self.budget.is_used_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_never_exceed_the_budget_and_unused_calls_come_back() {
        let mut budget = Budget::new(Some(1000));
        let first = budget.grant(2).unwrap();
        let second = budget.grant(2).unwrap();
        let third = budget.grant(2).unwrap();
        let fourth = budget.grant(2).unwrap();
        assert_eq!([first, second, third, fourth], [256, 256, 256, 232]);
        assert!(!budget.has_left() && !budget.is_used_up());
        for (granted, execs) in [(first, 256), (second, 100), (third, 9999), (fourth, 232)] {
            assert!(budget.settle(Some(granted), execs) <= granted);
        }
        assert_eq!(budget.grant(1), Some(156));
        assert_eq!(budget.settle(Some(156), 156), 156);
        assert!(budget.is_used_up());
    }

    #[test]
    fn edges_are_counters_and_features_are_counters_with_buckets() {
        let mut features = Features::default();
        assert_eq!(features.add(&[0, 3, 8]), 3);
        assert_eq!(features.add(&[3, 7, u32::MAX]), 2);
        assert_eq!(features.edges(), 3);
    }
}
