//! The slowest input of each fuzz test that is not slow enough to be a failure.
//!
//! What the driver saw to take long is run again some times by a worker that fuzzes, since the
//! machine may have been slow instead: the shortest time counts, and of a call that used the
//! processor for most of it, the processor time. Invariants: an input is believed to be slow only
//! after that; the number of such runs is bounded; where runs must repeat, none is made.

use super::Engine;
use super::chore;
use super::classify;
use super::request::Parcel;
use super::worker::JobKind;
use crate::coordinator::action::Action;
use crate::coordinator::campaign::{Bytes, TestIdx, WorkerId};
use crate::coordinator::event::{Harvest, Slow};
use crate::coordinator::notice::{Notice, Slowest};
use shmfuzz_runtime::message::{JobEnd, Replayed};
use std::time::Duration;

/// How long a call takes at least that is worth telling of.
const LEAST: Duration = Duration::from_millis(100);
/// How many times as long as the mean call of its fuzz test.
const TIMES_MEAN: u32 = 100;
/// How often an input is run again.
const RUNS: u32 = 3;
/// Inputs of a fuzz test that are run again in any case, and which part of its time more may take.
const CHECKS: u32 = 10;
const PART_OF_TIME: u32 = 50;
/// Inputs that wait for it at most.
const WAITING: usize = 4;

/// The slow inputs of a fuzz test.
#[derive(Debug, Default)]
pub(super) struct SlowInputs {
    /// Those that are to be run again, the next one last.
    suspects: Vec<Suspect>,
    /// How many there were, and how long they took.
    n_checks: u32,
    spent: Duration,
    /// The slowest of those that are slow.
    slowest: Option<Slow>,
}

/// An input that seemed slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    input: Bytes,
    /// How often it was run again, and the shortest time that it took.
    runs: u32,
    took: Duration,
}

impl Engine {
    /// A call was seen to take long.
    pub(super) fn note_slow(&mut self, idx: TestIdx, slow: Option<Slow>) {
        let Some(Slow { input, took }) = slow.filter(|_| !self.campaign.by_work) else { return };
        if !self.is_worth_telling(idx, took) {
            return;
        }
        let spent = self.tests[idx.0].spent;
        let slow = &mut self.tests[idx.0].slow;
        let has_time = slow.n_checks < CHECKS || slow.spent * PART_OF_TIME < spent;
        // Little more than what is known is no news.
        let is_news = slow.slowest.as_ref().is_none_or(|known| took > known.took * 5 / 4);
        if is_news && has_time && slow.suspects.len() < WAITING {
            slow.n_checks += 1;
            slow.suspects.push(Suspect { input, runs: 0, took: Duration::MAX });
        }
    }

    fn is_worth_telling(&self, idx: TestIdx, took: Duration) -> bool {
        let state = &self.tests[idx.0];
        let is_far_from_mean = |n: u64| {
            took.as_secs_f64() * n as f64 >= state.spent.as_secs_f64() * f64::from(TIMES_MEAN)
        };
        took >= LEAST && state.execs > 0 && is_far_from_mean(state.execs)
    }

    /// Has a worker that fuzzes run a slow input again, if one waits for that.
    pub(super) fn run_slow(&mut self, idx: TestIdx) -> Option<Parcel> {
        let suspect = self.tests[idx.0].slow.suspects.pop()?;
        let input = suspect.input.clone();
        Some(chore::replay(&input, JobKind::Time(suspect)))
    }

    /// It did, in this time.
    pub(super) fn timed(
        &mut self,
        id: WorkerId,
        mut suspect: Suspect,
        took: Duration,
        replayed: Replayed,
        mut harvest: Harvest,
    ) {
        let Some(idx) = self.workers.get(&id).map(|worker| worker.test) else { return };
        let state = &mut self.tests[idx.0];
        state.count_extra(replayed.execs);
        state.slow.spent += took;
        match replayed.end {
            JobEnd::Done if replayed.execs == 1 => {}
            JobEnd::Failed => {
                let failure = classify::words(&harvest);
                return self.failure_found(idx, failure, harvest.take_culprit());
            }
            _ => return,
        }
        // A busy call is charged for what it used: a processor that others use too is not its fault.
        let took = match harvest.cpu {
            Some(cpu) if cpu * 2 >= took => cpu.min(took),
            _ => took,
        };
        (suspect.runs, suspect.took) = (suspect.runs + 1, suspect.took.min(took));
        let known = self.tests[idx.0].slow.slowest.as_ref();
        let is_slowest = known.is_none_or(|known| suspect.took > known.took);
        if suspect.took < LEAST || !is_slowest {
            return;
        }
        if suspect.runs < RUNS {
            self.tests[idx.0].slow.suspects.push(suspect);
            return;
        }
        let Suspect { input, took, .. } = suspect;
        self.act(Action::SaveSlowest { test: idx, input: input.clone() });
        self.tests[idx.0].slow.slowest = Some(Slow { input, took });
    }

    /// Tells which inputs are the slowest, at the end.
    pub(super) fn show_slowest(&mut self) {
        for idx in (0..self.tests.len()).map(TestIdx) {
            let Some(Slow { input, took }) = self.tests[idx.0].slow.slowest.clone() else {
                continue;
            };
            if self.is_worth_telling(idx, took) {
                let slowest = Slowest { took, size: input.len() };
                self.show(Notice::Slowest { test: idx, slowest });
            }
        }
    }
}
