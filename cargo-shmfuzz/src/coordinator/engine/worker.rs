//! One worker as the engine sees it: what it is for, what it is doing, how far it has come.
//!
//! Invariant: at most one request is in flight, in [`State::Busy`]; a worker leaves that state by
//! its answer, by its death, or by being killed.

use super::finding::Findings;
use super::leak::Memory;
use super::slow::Suspect;
use crate::coordinator::campaign::{FindingId, TestIdx, WorkerId};
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::message::Coverage;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a worker is for, all its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Loads the corpus and fuzzes.
    Fuzzer,
    /// Confirms and minimizes one finding.
    Chore(FindingId),
}

/// What a worker is doing.
#[derive(Debug)]
pub(super) enum State {
    /// Its process was asked for; it has not said hello.
    Starting {
        /// When it was asked for.
        since: Duration,
    },
    /// It waits for a request.
    Idle,
    /// A request is in flight.
    Busy(Job),
    /// Its end was asked for.
    Dying {
        /// When.
        since: Duration,
        /// The request that was in flight then.
        job: Option<Job>,
    },
}

/// A request in flight.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// What was asked.
    pub(super) kind: JobKind,
    /// When.
    pub(super) since: Duration,
    /// When the answer must be there.
    pub(super) until: Duration,
    /// When it was asked to end early.
    pub(super) interrupted: Option<Duration>,
}

/// What was asked of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JobKind {
    /// To take its settings.
    Setup,
    /// To run the attribute's seeds, from this one on.
    Attribute {
        /// The first one.
        first: u32,
    },
    /// To run these inputs of the pool, which nobody has run.
    Load(Vec<usize>),
    /// To take these inputs in, which are in use by other workers.
    Feed {
        /// Their tags.
        tags: Vec<usize>,
        /// Where they stand in the feed.
        places: Vec<usize>,
    },
    /// To fuzz, with at most so many calls.
    Fuzz {
        /// Out of the test's budget, if it has one.
        granted: Option<u64>,
    },
    /// To shrink its finding.
    Minimize,
    /// To run its finding's input.
    Replay,
    /// To run what may be a smaller input of its finding.
    Try,
    /// To run an input that seemed slow.
    Time(Suspect),
    /// To run a committed sequence of inputs, by its number.
    Recall(usize),
    /// To run inputs one after the other that may bring its finding about: the try of this number.
    Sequence(u32),
}

impl JobKind {
    /// The inputs of the pool that it is about.
    pub(super) fn tags(&self) -> &[usize] {
        match self {
            Self::Load(tags) | Self::Feed { tags, .. } => tags,
            _ => &[],
        }
    }
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    /// The fuzz test it serves.
    pub(super) test: TestIdx,
    /// What it is for.
    pub(super) role: Role,
    /// Which of its test's workers it is; seeds its randomness.
    pub(super) ordinal: u64,
    /// What it is doing.
    pub(super) state: State,
    /// The number of its last request among all of the campaign's.
    pub(super) last_used: u64,
    /// What is left of its slice of time.
    pub(super) slice_left: Duration,
    /// Whether it has its settings.
    pub(super) is_set_up: bool,
    /// The attribute's seeds it runs itself begin here: those before it end the process.
    pub(super) first_seed: u32,
    /// The next of the attribute's seeds to run.
    pub(super) next_seed: u32,
    /// The next place of the pool's feed to look at.
    pub(super) cursor: usize,
    /// Where its baseline ends in the feed.
    pub(super) baseline_end: usize,
    /// How many inputs its last job of loading came to.
    pub(super) n_last_run: usize,
    /// Whether its last job was to take inputs in, so that fuzzing is next.
    pub(super) has_loaded: bool,
    /// How many of the test's silent buckets it was told.
    pub(super) n_silent: usize,
    /// How large it wants the input area.
    pub(super) room: Option<usize>,
    /// How many jobs it was given; seeds its randomness.
    pub(super) n_jobs: u64,
    /// Jobs in a row that brought nothing.
    pub(super) stalls: u32,
    /// Its entries' numbers, with where they stand in the pool.
    pub(super) entries: BTreeMap<u64, usize>,
    /// What it has seen.
    pub(super) coverage: Coverage,
    /// Its memory so far.
    pub(super) memory: Memory,
    /// Failures that it is to meet again: all that it runs is on record then.
    pub(super) heeds: BTreeSet<Bucket>,
    /// Whether the record is at an end.
    pub(super) is_journal_full: bool,
    /// Bytes that it may use beyond what its fuzz test may.
    pub(super) spare: u64,
}

impl Worker {
    /// A worker that is starting.
    pub(super) fn new(test: TestIdx, role: Role, ordinal: u64, now: Duration) -> Self {
        Self {
            test,
            role,
            ordinal,
            state: State::Starting { since: now },
            last_used: 0,
            slice_left: Duration::ZERO,
            is_set_up: false,
            first_seed: 0,
            next_seed: 0,
            cursor: 0,
            baseline_end: 0,
            n_last_run: usize::MAX / 4,
            has_loaded: false,
            n_silent: 0,
            room: None,
            n_jobs: 0,
            stalls: 0,
            entries: BTreeMap::new(),
            coverage: Coverage::default(),
            heeds: BTreeSet::new(),
            memory: Memory::default(),
            is_journal_full: false,
            spare: 0,
        }
    }

    /// Whether it holds one of the campaign's slots: it is starting, runs a job, or was killed in
    /// one and is not yet known to be gone.
    pub(super) fn is_active(&self) -> bool {
        match &self.state {
            State::Starting { .. } | State::Busy(_) => true,
            State::Idle => false,
            State::Dying { job, .. } => job.is_some(),
        }
    }

    /// Whether it waits for a request.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether it loads and fuzzes.
    pub(super) fn is_fuzzer(&self) -> bool {
        self.role == Role::Fuzzer
    }
}

/// All workers that live, by name. The order is that of their starts.
pub(super) type Workers = BTreeMap<WorkerId, Worker>;

/// How many workers serve findings at this moment.
pub(super) fn n_active_chores(workers: &Workers) -> usize {
    workers.values().filter(|w| w.is_active() && !w.is_fuzzer()).count()
}

/// Whether a finding's worker is at work.
pub(super) fn is_served(workers: &Workers, findings: &Findings, id: FindingId) -> bool {
    let worker = findings[id].worker.and_then(|worker| workers.get(&worker));
    worker.is_some_and(Worker::is_active)
}
