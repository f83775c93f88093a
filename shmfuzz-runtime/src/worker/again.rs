//! Which calls are looked at together, and those that must be run again.
//!
//! Looking at every counter after every call is most of what a short call costs. So within a pick
//! the hot blocks are looked at after each call, and all others once in a batch of calls. If one of
//! them was hit, it becomes hot, and the batch is run once more, from the random numbers that it
//! began with: now the find is made at the very call that reaches it. Each block does this once.
//!
//! Invariants: a batch that reached a cold block is run again before any other pick; no find is
//! credited to a call that did not make it. What is lost are the cold blocks reached by the last
//! batch of a process that dies. Batches are therefore single calls at first and after each hit,
//! and grow while nothing is hit; and they are short where calls are slow.

use super::budget::CALL;
use super::dictionary::Dictionary;
use super::execute::Outcome;
use super::fuzz::{Burst, Pick};
use super::random::Random;
use super::{Tally, Worker};
use crate::area::Area;

/// The most calls in a batch.
const MAX_CALLS: u64 = 256;

/// Counters that are looked at in the time of one unit of work.
const COUNTERS_PER_UNIT: u64 = 128;

/// Part of the calls' time that looking at all counters may take.
const SHARE: u64 = 16;

/// How long batches are.
#[derive(Debug)]
pub(super) struct Patience {
    now: u64,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { now: 1 }
    }

    /// Calls of a batch, of calls that cost as much each, with so many counters.
    pub(super) fn n_calls(&self, cost: u64, n_counters: u64) -> u64 {
        let pays = n_counters / COUNTERS_PER_UNIT * SHARE / cost.max(CALL);
        self.now.min(pays).max(1)
    }

    /// Says that so many calls were made, and no cold block was hit.
    pub(super) fn learn(&mut self, n_calls: u64) {
        if n_calls >= self.now {
            self.now = (2 * self.now).min(MAX_CALLS);
        }
    }

    /// Says that a cold block was hit.
    pub(super) fn lose(&mut self) {
        self.now = 1;
    }
}

/// Calls since all counters were looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    /// State and increment of the random numbers that it begins with.
    random: (u64, u64),
    /// How many edits of its pick were passed over before it.
    n_edits_tried: usize,
    /// How many calls were made.
    pub(super) n_calls: u64,
}

impl Batch {
    pub(super) fn begin(random: &Random, n_edits_tried: usize) -> Self {
        Self { random: random.state(), n_edits_tried, n_calls: 0 }
    }

    /// Its first `n_calls` calls, to be run again.
    pub(super) fn again(&self, pick: &Pick, dictionary: &Dictionary, n_calls: u64) -> Again {
        let mut pick = pick.clone();
        pick.n_edits_tried = self.n_edits_tried;
        pick.limit_again(n_calls);
        let (state, inc) = self.random;
        Again { pick, random: Random::from_state(state, inc), dictionary: dictionary.clone() }
    }
}

/// Calls to be run again, and all that their inputs are made from.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) pick: Pick,
    pub(super) random: Random,
    pub(super) dictionary: Dictionary,
}

/// How the last batch of a run of mutations ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) batch: Batch,
    /// Whether a cold block was hit, and all are clear now.
    pub(super) hit: bool,
    pub(super) burst: Burst,
}

impl Worker {
    /// Looks at the cold blocks at last. The last call, if it is a find, is in the input area.
    pub(super) fn end_batch(
        &mut self,
        area: &Area<'_>,
        pick: &Pick,
        ended: Ended,
        tally: &mut Tally,
    ) -> Burst {
        let Ended { batch, hit, burst } = ended;
        // A find or failure is known to be the last call's.
        let n_before = match burst {
            Burst::Over => batch.n_calls,
            Burst::Found(_) | Burst::Failed => batch.n_calls - 1,
        };
        if let (Burst::Found(work), 0) = (&burst, n_before) {
            return Burst::Found(work + self.coverage.merge_cold());
        }
        if !hit && !self.coverage.warm() {
            return burst;
        }
        self.patience.lose();
        if n_before > 0 {
            self.again.push(batch.again(pick, &self.dictionary, n_before));
        }
        match burst {
            Burst::Found(work) => self.find_again(area, work, tally),
            Burst::Over | Burst::Failed => burst,
        }
    }

    /// Runs a find once more, for what it reaches in blocks that were cold.
    fn find_again(&mut self, area: &Area<'_>, work: u64, tally: &mut Tally) -> Burst {
        tally.extra_execs += 1;
        self.executor.count_extra();
        match self.executor.call(area) {
            Outcome::Kept => return Burst::Found(self.coverage.merge_more()),
            Outcome::Rejected => self.coverage.clear_kept(),
            Outcome::Failed(words) => {
                self.coverage.clear_kept();
                if tally.is_news(&words, &mut self.silent) {
                    self.executor.report(&words, area);
                    return Burst::Failed;
                }
            }
        }
        Burst::Found(work)
    }
}
