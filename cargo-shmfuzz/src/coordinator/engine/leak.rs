//! Memory that grows over a worker's life: which input leaks?
//!
//! Where a worker passes its memory limit and the input that it ran then needs little in a fresh
//! one, calls before that one may have leaked. That input, and then the newest of the corpus, are
//! called many times each in one fresh worker, until one of them leaks; it is measured again in
//! another, and then it is the finding's input. Invariants: the number of inputs and the time are
//! bounded; an input that is called a leak was measured to be one in two workers; where none is
//! found, the finding is confirmed like any other, and says how memory grew. What leaks is made
//! smaller by measuring what is smaller in the same way.

use super::Engine;
use super::classify;
use super::finding::Stage;
use super::minimization::Minimization;
use super::request::Parcel;
use super::worker::JobKind;
use crate::coordinator::action::{Action, Freight, Shelf};
use crate::coordinator::campaign::{Bytes, FindingId, TestIdx, WorkerId};
use crate::coordinator::event::{Cause, Culprit, Death, Harvest};
use crate::coordinator::notice::Reproducible;
use crate::stack::Trace;
use shmfuzz_runtime::child::Calls;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::leak::{self, Growth, Measure, Verdict};
use shmfuzz_runtime::message::{JobEnd, Replay, Replayed, Request};
use std::collections::VecDeque;
use std::time::Duration;

/// Inputs that are measured at most.
const CANDIDATES: usize = 100;
/// Job time after which no further input is measured.
const TIME: Duration = Duration::from_secs(20);
/// Memory that is much where there is no limit, in bytes.
const MUCH: u64 = 1 << 30;
/// Workers that may be lost over a hunt.
const LOSSES: u32 = 4;

/// An input that may leak.
#[derive(Clone, Debug)]
struct Candidate {
    input: Bytes,
    /// The committed file's name, if it is named as an input that leaks.
    seed: Option<String>,
}

/// The measurement of one input, in one worker.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    growth: Growth,
    /// Calls of the request that is next, or in flight.
    times: u32,
    /// Job time spent.
    spent: Duration,
    measure: Measure,
    rss_limit: u64,
}

impl Probe {
    pub(super) fn new(measure: Measure, rss_limit: u64) -> Self {
        let growth = Growth::new(measure, rss_limit);
        Self { growth, times: 0, spent: Duration::ZERO, measure, rss_limit }
    }

    /// From the start, of whatever input comes next.
    pub(super) fn begin(&mut self) {
        *self = Self::new(self.measure, self.rss_limit);
    }

    /// The next request. The first of an input makes no call: it is there for the look at memory.
    pub(super) fn next(&self, input: &Bytes, kind: JobKind) -> Parcel {
        let request = Request::Replay(Replay { times: self.times, is_sequence: false });
        Parcel { request, freight: Freight::Input(input.clone()), kind }
    }

    /// Whether a worker with so much memory leaves the next input too little to grow by.
    pub(super) fn is_much(&self, resident: u64) -> bool {
        let limit = if self.rss_limit == 0 { MUCH } else { self.rss_limit };
        resident > limit / 4
    }

    /// How many calls are asked for.
    pub(super) fn times(&self) -> u32 {
        self.times
    }

    /// What is known after the calls that were asked for, which took so long: memory is looked at
    /// if all of them were made.
    pub(super) fn look(
        &mut self,
        replayed: Replayed,
        harvest: &Harvest,
        took: Duration,
    ) -> Verdict {
        let is_done = replayed.end == JobEnd::Done && replayed.execs == u64::from(self.times);
        if self.measure == Measure::Clock {
            self.spent += took;
        }
        let Some(resident) = harvest.resident.filter(|_| is_done) else { return Verdict::Steady };
        let verdict = self.growth.look(resident, self.spent);
        if let Verdict::Call(times) = verdict {
            self.times = u32::try_from(times).unwrap_or(u32::MAX);
        }
        verdict
    }
}

/// The hunt for the input that leaks.
#[derive(Clone, Debug)]
pub(super) struct Hunt {
    /// The input that is measured, and those after it.
    candidates: VecDeque<Candidate>,
    probe: Probe,
    /// Whether the first candidate has leaked in another worker.
    is_suspect: bool,
    /// Job time spent on all.
    spent: Duration,
    losses: u32,
}

impl Hunt {
    fn new(candidates: VecDeque<Candidate>, probe: Probe) -> Self {
        Self { candidates, probe, is_suspect: false, spent: Duration::ZERO, losses: 0 }
    }

    /// The next request.
    pub(super) fn next(&self) -> Parcel {
        let first = self.candidates.front().expect("the hunt would be over");
        self.probe.next(&first.input, JobKind::Replay)
    }

    /// Measures the first candidate from the start.
    pub(super) fn begin(&mut self) {
        self.probe.begin();
    }

    /// Goes on to the next candidate.
    fn pass(&mut self) {
        self.candidates.pop_front();
        self.is_suspect = false;
        self.begin();
    }

    fn is_over(&self) -> bool {
        let has_time = self.probe.measure == Measure::Calls || self.spent < TIME;
        self.candidates.is_empty() || !has_time || self.losses >= LOSSES
    }
}

/// The memory of a worker over its life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// After its first answer, in bytes.
    first: Option<u64>,
    /// After its last answer, in bytes.
    pub(super) last: u64,
    /// Calls that its answers told of.
    calls: u64,
}

impl Memory {
    /// Takes a look after an answer.
    pub(super) fn look(&mut self, harvest: &Harvest) {
        self.first = self.first.or(harvest.resident);
        self.last = harvest.resident.unwrap_or(self.last);
        self.calls = self.calls.saturating_add(harvest.count);
    }
}

/// How memory grew until a worker passed its limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grown {
    from: u64,
    to: u64,
    calls: u64,
}

impl Engine {
    /// Remembers how memory grew in a worker that fuzzed, if it died of that.
    pub(super) fn note_growth(
        &mut self,
        idx: TestIdx,
        memory: Memory,
        death: &Death,
        harvest: &Harvest,
    ) {
        if let (Cause::OutOfMemory(to), Some(from)) = (&death.cause, memory.first) {
            let calls = memory.calls.saturating_add(harvest.count);
            self.tests[idx.0].grown.get_or_insert(Grown { from, to: *to, calls });
        }
    }

    /// Begins a hunt if a finding wants one: it has just passed alone in its first worker.
    pub(super) fn begin_hunt(&mut self, id: FindingId) {
        let found = &self.findings[id];
        let Stage::Confirm { runs: 1, failures: 0, .. } = found.stage else { return };
        let is_oom = found.finding.failure.kind == FailureKind::Oom;
        if !is_oom || self.is_alone() || !self.gives_jobs() {
            return;
        }
        let (own, test) = (found.finding.input.clone(), found.finding.test);
        let candidates = self.candidates(test, &own);
        let hunt = Hunt::new(candidates, self.probe(test));
        self.findings[id].used = self.findings[id].used.max(self.clock.floor());
        self.findings[id].stage = Stage::Hunt(Box::new(hunt));
    }

    /// A hunt that knows which input it is.
    pub(super) fn hunt_for(&self, input: &Bytes) -> Stage {
        let candidate = Candidate { input: input.clone(), seed: None };
        Stage::Hunt(Box::new(Hunt::new([candidate].into(), self.probe(TestIdx(0)))))
    }

    /// How inputs of a fuzz test are measured.
    fn probe(&self, test: TestIdx) -> Probe {
        let measure = if self.campaign.by_work { Measure::Calls } else { Measure::Clock };
        Probe::new(measure, self.campaign.tests[test.0].rss_limit)
    }

    /// What may leak: what is known to have leaked before, what was run at the end, and then the
    /// newest of the corpus.
    fn candidates(&self, test: TestIdx, own: &Bytes) -> VecDeque<Candidate> {
        let pool = &self.tests[test.0].pool;
        let is_known = |name: &str| Calls::of_file(name) == Calls::Many;
        let seeds: Vec<_> = pool.seeds().filter(|(name, _)| is_known(name)).collect();
        let is_seed = |input: &Bytes| seeds.iter().any(|(_, seed)| *seed == input);
        let known = seeds.iter().map(|(name, input)| (Some((*name).to_owned()), *input));
        let others = std::iter::once(own).chain(pool.newest().filter(|input| *input != own));
        let others = others.filter(|input| !is_seed(input)).map(|input| (None, input));
        let all = known.chain(others).take(CANDIDATES);
        all.map(|(seed, input)| Candidate { input: input.clone(), seed }).collect()
    }

    /// The calls of a hunt were made.
    pub(super) fn measured(
        &mut self,
        worker: WorkerId,
        id: FindingId,
        replayed: Replayed,
        harvest: &Harvest,
        took: Duration,
    ) {
        if replayed.end == JobEnd::Failed {
            let idx = self.findings[id].finding.test;
            let culprit = Culprit { input: harvest.input.clone(), life: None };
            self.failure_found(idx, classify::words(harvest), culprit);
        }
        let Stage::Hunt(hunt) = &mut self.findings[id].stage else { return };
        hunt.spent += took;
        match hunt.probe.look(replayed, harvest, took) {
            Verdict::Call(_) => {}
            Verdict::Leaks(bytes) if hunt.is_suspect => self.leaks(id, bytes),
            Verdict::Leaks(_) => {
                hunt.is_suspect = true;
                self.kill(worker);
            }
            Verdict::Steady => {
                hunt.pass();
                self.end_hunt_if_over(id);
            }
        }
    }

    /// A worker was lost over the hunt: the input that it called is passed over.
    pub(super) fn hunter_lost(&mut self, id: FindingId) {
        let Stage::Hunt(hunt) = &mut self.findings[id].stage else { return };
        hunt.losses += 1;
        if hunt.probe.times > 0 {
            hunt.pass();
        }
        self.end_hunt_if_over(id);
    }

    /// The input that leaks is known: it takes the place of the one that was run at the end. What the
    /// failure counts as stays, which is that the limit was passed.
    fn leaks(&mut self, id: FindingId, bytes: u64) {
        let found = &mut self.findings[id];
        let Stage::Hunt(hunt) = &mut found.stage else { return };
        let leaks = hunt.candidates.pop_front().expect("it was measured");
        let finding = &mut found.finding;
        let failure = &mut finding.failure;
        (failure.kind, failure.message) = (FailureKind::Leak, leak::message(bytes));
        // Those of the call that passed the limit, which is none of its doing.
        (failure.stack, failure.output) = (Trace::default(), String::new());
        if let Some(seed) = leaks.seed {
            return self.withdraw(id, seed);
        }
        let old = std::mem::replace(&mut finding.input, leaks.input);
        finding.reproducible = Reproducible::Yes;
        let (test, kind, input) = (finding.test, failure.kind, finding.input.clone());
        let (replaces, shelf) = (Some(old), found.shelf);
        self.act(Action::SaveFinding { finding: id, test, kind, input, replaces, shelf });
        let is_first = self.stop.is_none() || self.is_alone();
        self.show_finding(id);
        let (can_shrink, probe) = (self.can_shrink(id), self.probe(test));
        let found = &mut self.findings[id];
        if can_shrink && is_first {
            let test = &self.campaign.tests[test.0];
            found.stage = Stage::Minimize(Minimization::of_leak(&found.finding, test, probe));
            // It holds what has leaked.
            if let Some(worker) = found.worker {
                self.kill(worker);
            }
        } else {
            self.check(id);
        }
    }

    /// A committed seed leaks, as it did before: what seemed to be a finding is none. The input that
    /// was run at the end is kept in the cache all the same.
    fn withdraw(&mut self, id: FindingId, seed: String) {
        let found = &mut self.findings[id];
        (found.stage, found.shelf) = (Stage::Settled, Shelf::Cache);
        (found.is_shown, found.is_withdrawn) = (true, true);
        let (test, failure) = (found.finding.test, found.finding.failure.clone());
        let (kind, input) = (FailureKind::Oom, found.finding.input.clone());
        let (replaces, shelf) = (None, Shelf::Cache);
        let worker = found.worker;
        self.act(Action::SaveFinding { finding: id, test, kind, input, replaces, shelf });
        self.tests[test.0].n_findings -= 1;
        self.seed_failed(test, seed, failure);
        if let Some(worker) = worker {
            self.kill(worker);
        }
    }

    /// Nothing was seen to leak: the input is confirmed as others are.
    fn end_hunt_if_over(&mut self, id: FindingId) {
        let Stage::Hunt(hunt) = &self.findings[id].stage else { return };
        if !hunt.is_over() {
            return;
        }
        self.tell_growth(id);
        // In a campaign it has passed once already.
        let runs = u32::from(!self.is_alone());
        self.findings[id].stage = Stage::Confirm { runs, failures: 0, losses: 0 };
        if let Some(worker) = self.findings[id].worker {
            self.kill(worker);
        }
    }

    /// Has the message of a finding for which there was a hunt say how memory grew.
    pub(super) fn tell_growth(&mut self, id: FindingId) {
        let found = &mut self.findings[id];
        let Some(grown) = self.tests[found.finding.test.0].grown else { return };
        let Grown { from, to, calls, .. } = grown;
        if !matches!(found.stage, Stage::Hunt(_)) || from > to / 2 {
            return;
        }
        let (from, to) = (classify::mebibytes(from), classify::mebibytes(to));
        let growth = format!(
            ": memory grew from {from} to {to} over {calls} calls in the life of a worker, and no \
             input was seen to leak alone"
        );
        found.finding.failure.message.push_str(&growth);
    }
}
