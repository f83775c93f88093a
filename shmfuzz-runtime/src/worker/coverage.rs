//! What this worker has seen: the buckets of every counter, over all runs of counters that the
//! instrumentation has registered.
//!
//! It owns the map of seen buckets and the numbering of counters (in order of registration). It
//! decides nothing: whether a call's coverage is merged is the caller's choice between
//! [`CoverageMap::merge`] and [`CoverageMap::clear`]. Invariant: after either, every counter is 0.
//!
//! Most counters of a program never move, so the blocks in which one ever did are listed: they are
//! *hot*. [`CoverageMap::merge_of`] and [`CoverageMap::clear_of`] may look at them alone, and
//! [`CoverageMap::warm`] finds out later whether any other block was hit: 17,000 counters of which
//! few move take 115 ns to look at all, and 5 ns as hot blocks. Who uses them must run the calls
//! since again if so.

use super::pass::{self, Counters, Kernel, Notes};
use super::sancov;

/// Which blocks are looked at after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    All,
    /// Those in which a counter ever moved.
    Hot,
}

/// The map of seen buckets.
#[derive(Debug)]
pub(super) struct CoverageMap {
    kernel: Kernel,
    runs: Vec<Run>,
    fresh: Vec<u32>,
    edges_before: u64,
    edges: u64,
    features: u64,
    first_moved: Option<u64>,
}

#[derive(Debug)]
struct Run {
    counters: Counters,
    first: u32,
    seen: Vec<u8>,
    /// Blocks in which a counter ever moved, in order.
    hot: Vec<u32>,
    /// Blocks that become hot now.
    warmed: Vec<u32>,
}

impl Run {
    /// Lists the cold blocks that were hit. The hot ones must be 0.
    fn find_warmed(&mut self, kernel: Kernel) -> bool {
        self.warmed.clear();
        let mut from = 0;
        while let Some(block) = self.counters.next_dirty(kernel, from) {
            self.warmed.push(block);
            from = block + 1;
        }
        !self.warmed.is_empty()
    }

    /// Adds them to the hot ones.
    #[cold]
    fn warm(&mut self) {
        self.hot.extend_from_slice(&self.warmed);
        self.hot.sort_unstable();
        // Another thread may have hit one that is hot already.
        self.hot.dedup();
    }
}

impl CoverageMap {
    /// A map over the counters registered so far, of which nothing was seen.
    pub(super) fn new() -> Self {
        Self::over(sancov::runs())
    }

    /// A map over these counters.
    pub(super) fn over(runs: impl Iterator<Item = Counters>) -> Self {
        let mut map = Self {
            kernel: Kernel::detect(),
            runs: Vec::new(),
            fresh: Vec::with_capacity(1024),
            edges_before: 0,
            edges: 0,
            features: 0,
            first_moved: None,
        };
        map.add(runs);
        map
    }

    /// Takes in runs that were registered meanwhile, by libraries loaded at run time.
    pub(super) fn refresh(&mut self) {
        self.add(sancov::runs().skip(self.runs.len()));
    }

    fn add(&mut self, runs: impl Iterator<Item = Counters>) {
        for counters in runs {
            let first = self.runs.last().map_or(0, |run| run.first + run.counters.len() as u32);
            self.runs.push(Run {
                counters,
                first,
                seen: vec![0; counters.len()],
                hot: Vec::new(),
                warmed: Vec::new(),
            });
        }
    }

    /// Makes the pass: merges the counters into the map, and clears them; -> their sum. What was
    /// new is in [`CoverageMap::fresh`].
    pub(super) fn merge(&mut self) -> u64 {
        self.merge_hot() + self.merge_cold()
    }

    /// Merges these blocks.
    #[inline]
    pub(super) fn merge_of(&mut self, blocks: Blocks) -> u64 {
        match blocks {
            Blocks::All => self.merge(),
            Blocks::Hot => self.merge_hot(),
        }
    }

    /// Merges the hot blocks only.
    #[inline]
    fn merge_hot(&mut self) -> u64 {
        self.fresh.clear();
        self.edges_before = self.edges;
        self.add_hot()
    }

    /// Merges what moved since the last merge, as if it were part of that.
    pub(super) fn merge_more(&mut self) -> u64 {
        let work = self.add_hot();
        self.fresh.sort_unstable();
        work + self.merge_cold()
    }

    #[inline]
    fn add_hot(&mut self) -> u64 {
        let (mut work, n_before) = (0, self.fresh.len());
        for run in &mut self.runs {
            let mut notes = Notes {
                seen: &mut run.seen,
                first: run.first,
                fresh: &mut self.fresh,
                edges: &mut self.edges,
            };
            work += pass::scan(self.kernel, run.counters, &run.hot, &mut notes);
        }
        self.features += (self.fresh.len() - n_before) as u64;
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

    /// Merges the blocks that were cold, after the hot ones.
    pub(super) fn merge_cold(&mut self) -> u64 {
        let (mut work, n_before) = (0, self.fresh.len());
        for run in &mut self.runs {
            if run.find_warmed(self.kernel) {
                let mut notes = Notes {
                    seen: &mut run.seen,
                    first: run.first,
                    fresh: &mut self.fresh,
                    edges: &mut self.edges,
                };
                work += pass::scan(self.kernel, run.counters, &run.warmed, &mut notes);
                run.warm();
            }
        }
        if self.fresh.len() > n_before {
            self.features += (self.fresh.len() - n_before) as u64;
            self.fresh.sort_unstable();
        }
        work
    }

    /// Makes the cold blocks hot that were hit, and clears them without noting what they hold; ->
    /// whether there were any. The hot ones must be merged or cleared.
    pub(super) fn warm(&mut self) -> bool {
        let mut any = false;
        for run in &mut self.runs {
            if run.find_warmed(self.kernel) {
                run.counters.clear_blocks(&run.warmed);
                run.warm();
                any = true;
            }
        }
        any
    }

    /// Clears the counters without looking at them.
    pub(super) fn clear(&mut self) {
        self.fresh.clear();
        self.clear_kept();
    }

    /// Clears them, if they may have been touched outside of a call.
    #[inline]
    pub(super) fn clear_if(&mut self, is_touched: bool) {
        if is_touched {
            self.clear();
        }
    }

    /// Clears them, and leaves what the last merge found.
    pub(super) fn clear_kept(&self) {
        for run in &self.runs {
            run.counters.clear(self.kernel);
        }
    }

    /// Clears these blocks.
    pub(super) fn clear_of(&mut self, blocks: Blocks) {
        match blocks {
            Blocks::All => self.clear(),
            Blocks::Hot => {
                self.fresh.clear();
                for run in &self.runs {
                    run.counters.clear_blocks(&run.hot);
                }
            }
        }
    }

    /// The features that the last [`CoverageMap::merge`] saw for the first time.
    pub(super) fn fresh(&self) -> &[u32] {
        &self.fresh
    }

    /// How many counters the last [`CoverageMap::merge`] saw above 0 for the first time.
    pub(super) fn n_fresh_edges(&self) -> u64 {
        self.edges - self.edges_before
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

    /// Whether a counter was ever above 0, or one of its block was in calls that were run again
    /// since and may not have come back.
    pub(super) fn has_moved(&self, counter: u32) -> bool {
        self.place(counter).is_some_and(|(run, at)| {
            let run = &self.runs[run];
            let block = (at / pass::BLOCK) as u32;
            run.seen.get(at) > Some(&0) || run.hot.binary_search(&block).is_ok()
        })
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
