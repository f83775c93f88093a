//! What this worker has seen: the buckets of every counter, over all runs of counters that the
//! instrumentation has registered.
//!
//! It owns the map of seen buckets and the numbering of counters (in order of registration). It
//! decides nothing: whether a call's coverage is merged is the caller's choice between
//! [`CoverageMap::merge`] and [`CoverageMap::clear`]. Invariant: after either, every counter is 0.

use super::pass::{self, Counters, Kernel, Notes};
use super::sancov;

/// The map of seen buckets.
#[derive(Debug)]
pub(super) struct CoverageMap {
    kernel: Kernel,
    runs: Vec<Run>,
    fresh: Vec<u32>,
    n_fresh_edges: u64,
    edges: u64,
    features: u64,
    first_moved: Option<u64>,
}

#[derive(Debug)]
struct Run {
    counters: Counters,
    first: u32,
    seen: Vec<u8>,
}

impl CoverageMap {
    /// A map over the counters registered so far, of which nothing was seen.
    pub(super) fn new() -> Self {
        let mut map = Self {
            kernel: Kernel::detect(),
            runs: Vec::new(),
            fresh: Vec::with_capacity(1024),
            n_fresh_edges: 0,
            edges: 0,
            features: 0,
            first_moved: None,
        };
        map.refresh();
        map
    }

    /// Takes in runs that were registered meanwhile, by libraries loaded at run time.
    pub(super) fn refresh(&mut self) {
        for counters in sancov::runs().skip(self.runs.len()) {
            let first = self.runs.last().map_or(0, |run| run.first + run.counters.len() as u32);
            self.runs.push(Run { counters, first, seen: vec![0; counters.len()] });
        }
    }

    /// Makes the pass: merges the counters into the map, and clears them; -> their sum. What was
    /// new is in [`CoverageMap::fresh`].
    pub(super) fn merge(&mut self) -> u64 {
        self.fresh.clear();
        let (mut work, edges_before) = (0, self.edges);
        for run in &mut self.runs {
            let mut notes = Notes {
                seen: &mut run.seen,
                first: run.first,
                fresh: &mut self.fresh,
                edges: &mut self.edges,
            };
            work += pass::scan(self.kernel, run.counters, &mut notes);
        }
        self.n_fresh_edges = self.edges - edges_before;
        self.features += self.fresh.len() as u64;
        work
    }

    /// Takes features as seen that another worker of this build has seen; -> those that are new
    /// here. What is no feature of this build is left out.
    pub(super) fn adopt(&mut self, features: &[u32]) -> Vec<u32> {
        let mut fresh = Vec::new();
        for feature in features {
            let (counter, bit) = (feature / 8, 1 << (feature % 8));
            let run = self.runs.iter_mut().rev().find(|run| run.first <= counter);
            let seen = run.and_then(|run| run.seen.get_mut((counter - run.first) as usize));
            if let Some(seen) = seen.filter(|seen| **seen & bit == 0) {
                self.edges += u64::from(*seen == 0);
                *seen |= bit;
                fresh.push(*feature);
            }
        }
        self.features += fresh.len() as u64;
        fresh
    }

    /// Clears the counters without looking at them.
    pub(super) fn clear(&mut self) {
        self.fresh.clear();
        for run in &self.runs {
            run.counters.clear();
        }
    }

    /// The features that the last [`CoverageMap::merge`] saw for the first time.
    pub(super) fn fresh(&self) -> &[u32] {
        &self.fresh
    }

    /// How many counters the last [`CoverageMap::merge`] saw above 0 for the first time.
    pub(super) fn n_fresh_edges(&self) -> u64 {
        self.n_fresh_edges
    }

    /// Whether the counters, before they are merged or cleared, stand in all these features.
    pub(super) fn holds(&self, features: &[u32]) -> bool {
        features.iter().all(|feature| {
            let counter = feature / 8;
            let run = self.runs.iter().rev().find(|run| run.first <= counter);
            let value = run.map_or(0, |run| run.counters.get((counter - run.first) as usize));
            pass::bucket(value) == 1 << (feature % 8)
        })
    }

    /// The features in which the counters stand, before they are merged or cleared; sorted.
    pub(super) fn reached(&self) -> Vec<u32> {
        let mut reached = Vec::new();
        for run in &self.runs {
            run.counters.each_above_0(|at, value| {
                let bit = pass::bucket(value).trailing_zeros();
                reached.push((run.first + at as u32) * 8 + bit);
            });
        }
        reached
    }

    /// Which run a counter belongs to, and which counter of it it is.
    pub(super) fn place(&self, counter: u32) -> Option<(usize, usize)> {
        let run = self.runs.iter().rposition(|run| run.first <= counter)?;
        Some((run, (counter - self.runs[run].first) as usize))
    }

    /// Says that the body was called, before the counters are merged or cleared.
    #[inline]
    pub(super) fn called(&mut self) {
        if self.first_moved.is_none() {
            self.first_moved = Some(self.moved());
        }
    }

    /// How many counters moved in the first call; `None` before it.
    pub(super) fn first_moved(&self) -> Option<u64> {
        self.first_moved
    }

    #[cold]
    fn moved(&self) -> u64 {
        let moved =
            |run: &Run| (0..run.counters.len()).filter(|i| run.counters.get(*i) > 0).count();
        self.runs.iter().map(moved).sum::<usize>() as u64
    }

    /// How many counters there are.
    pub(super) fn n_counters(&self) -> u64 {
        self.runs.iter().map(|run| run.counters.len() as u64).sum()
    }

    /// Counters that were ever above 0.
    pub(super) fn edges(&self) -> u64 {
        self.edges
    }

    /// Counter and bucket pairs ever seen.
    pub(super) fn features(&self) -> u64 {
        self.features
    }
}
