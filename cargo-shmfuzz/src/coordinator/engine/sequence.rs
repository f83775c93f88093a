//! A failure that needs earlier inputs: what its worker ran in its life is run again in fresh
//! workers, from the end backwards, then made smaller: fewer inputs, then each of them.
//!
//! A worker's life is on record only where that may be of use: when a finding of a fuzz test passes
//! in every fresh worker, the test's workers give way to others that keep a journal, until one of
//! these meets the same failure. Invariants: what is written as a sequence has failed in the finding's
//! bucket as it stands; each try has a fresh worker; waiting and trying are bounded in time.

mod search;

pub(super) use search::Sequence;

use super::Engine;
use super::chore::CONFIRMATIONS;
use super::classify::{self, Meaning};
use super::finding::{Found, Stage};
use super::minimization::Fails;
use super::request::Parcel;
use super::worker::{Job, JobKind, Role};
use crate::coordinator::action::{Action, Freight, Shelf};
use crate::coordinator::campaign::{Bytes, FindingId, TestIdx, WorkerId};
use crate::coordinator::event::{Cause, Culprit, Death, Harvest};
use crate::coordinator::notice::{Failure, Limit, Notice, Reproducible};
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::journal::{self, Life};
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::message::{JobEnd, Replay, Replayed, Request};
use shmfuzz_runtime::sequence;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a try costs, start included, where the clock must not be read.
const WORK_OF_TRY: Duration = Duration::from_millis(20);
/// How many inputs a sequence may have, and bytes, that is kept.
const MOST_INPUTS: usize = 1000;
const MOST_BYTES: usize = 1 << 20;
/// Workers that may be lost over a sequence.
const LOSSES: u32 = 8;

/// Inputs as they are packed, to be run once, one after the other.
fn replay(packed: Bytes, kind: JobKind) -> Parcel {
    let request = Request::Replay(Replay { times: 1, is_sequence: true });
    Parcel { request, freight: Freight::Input(packed), kind }
}

impl Engine {
    /// A finding has passed in every fresh worker: it may need what its worker ran before.
    pub(super) fn seek_sequence(&mut self, id: FindingId) {
        let idx = self.findings[id].finding.test;
        // What took too long once took long for the machine's sake far more often than for that of
        // inputs before it; where memory runs out by and by, leaks were looked for.
        let kind = self.findings[id].finding.failure.kind;
        let is_of_limits = matches!(kind, FailureKind::Timeout | FailureKind::Oom);
        let is_possible = !is_of_limits && !self.is_alone();
        let is_wanted = is_possible && !self.campaign.sequence_time.is_zero();
        if !is_wanted || !self.gives_jobs() || self.stop.is_some() {
            return self.flaky(id);
        }
        if let Some(life) = self.findings[id].life.take() {
            self.findings[id].stage = self.sequence_of(idx, &life);
        } else if self.tests[idx.0].is_over() {
            self.flaky(id);
        } else {
            self.findings[id].stage = Stage::Await { since: self.clock_of_waits(idx) };
            self.retire_all(idx);
        }
    }

    /// What waits are measured by: time, and where the clock must not be read, work.
    fn clock_of_waits(&self, idx: TestIdx) -> Duration {
        if self.campaign.by_work { self.tests[idx.0].spent } else { self.now }
    }

    fn sequence_of(&self, idx: TestIdx, life: &Life) -> Stage {
        let test = &self.campaign.tests[idx.0];
        let is_seeded = self.campaign.by_work;
        let sequence = Sequence::new(life, test.kind, test.shape.as_ref(), is_seeded);
        Stage::Sequence(Box::new(sequence))
    }

    fn waiting(&self, idx: TestIdx) -> impl Iterator<Item = FindingId> {
        let is_waiting = move |found: &&Found| {
            found.finding.test == idx && matches!(found.stage, Stage::Await { .. })
        };
        self.findings.iter().filter(is_waiting).map(|found| found.finding.id)
    }

    /// The failures of a fuzz test that are waited for: new fuzzers keep a journal if there are any,
    /// and are not silent about them.
    pub(super) fn awaited(&self, idx: TestIdx) -> BTreeSet<Bucket> {
        self.waiting(idx).map(|id| self.findings[id].finding.failure.bucket).collect()
    }

    /// Bytes that a worker needs beyond those of its fuzz test: for its journal, or for the inputs that
    /// it is sent and keeps a copy of.
    pub(super) fn spare(&self, role: Role, has_journal: bool) -> u64 {
        let bytes = match role {
            Role::Fuzzer if has_journal => journal::CAPACITY,
            Role::Fuzzer => 0,
            Role::Chore(id) => match &self.findings[id].stage {
                Stage::Sequence(search) => 2 * search.packed_len(),
                _ => 0,
            },
        };
        bytes as u64
    }

    /// Ends a fuzz test's workers that keep no journal, as soon as they have no job.
    fn retire_all(&mut self, idx: TestIdx) {
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            let worker = &self.workers[&id];
            if worker.test == idx && worker.is_fuzzer() && worker.is_idle() {
                self.retire(id);
            }
        }
    }

    /// Ends a worker that does not wait for what is waited for, or whose journal is full; -> whether it
    /// was one.
    pub(super) fn retire(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get(&id) else { return false };
        let is_retired = worker.is_journal_full || worker.heeds != self.awaited(worker.test);
        if is_retired {
            self.kill(id);
        }
        is_retired
    }

    /// A worker cannot keep a journal: it fuzzes without one, and what is waited for is given up.
    pub(super) fn has_no_journal(&mut self, id: WorkerId, why: &str) {
        let Some(worker) = self.workers.get(&id) else { return };
        let idx = worker.test;
        let text = format!("the inputs before a failure cannot be put on record: {why}");
        self.warn_once(idx, "journal", text);
        self.end_waits_of(idx);
    }

    fn end_waits_of(&mut self, idx: TestIdx) {
        for id in self.waiting(idx).collect::<Vec<_>>() {
            self.flaky(id);
        }
    }

    /// The seeds and the corpus alone are more than a journal holds.
    pub(super) fn loading_fills_journal(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        let idx = worker.test;
        self.end_journal(id);
        self.end_waits_of(idx);
    }

    /// A worker's life is longer than its journal.
    pub(super) fn end_journal(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.is_journal_full = true;
        }
    }

    /// Whether a failure is one that is waited for; its search begins then.
    pub(super) fn is_met_again(
        &mut self,
        idx: TestIdx,
        failure: &Failure,
        culprit: &Culprit,
    ) -> bool {
        let Some(life) = &culprit.life else { return false };
        let is_it = |id: &FindingId| self.compare(*id, failure) == Fails::Alike;
        let Some(id) = self.waiting(idx).find(is_it) else { return false };
        self.note_failure(idx, failure);
        let found = &mut self.findings[id];
        found.used = found.used.max(self.clock.floor());
        self.findings[id].stage = self.sequence_of(idx, life);
        true
    }

    /// Gives up findings that were waited for long enough.
    pub(super) fn end_waits(&mut self) {
        let limit = self.campaign.sequence_time;
        let is_over = |found: &Found| match found.stage {
            Stage::Await { since } => {
                let idx = found.finding.test;
                let waited = self.clock_of_waits(idx).saturating_sub(since);
                let is_fuzzed = self.gives_jobs() && !self.tests[idx.0].is_over();
                waited >= limit || !is_fuzzed || self.stop.is_some()
            }
            _ => false,
        };
        for id in self.findings.ids(is_over) {
            self.flaky(id);
        }
    }

    /// A committed sequence that nobody has run yet, for a worker that has run nothing.
    pub(super) fn recall(&mut self, idx: TestIdx) -> Option<Parcel> {
        let nth = self.tests[idx.0].n_sequences_run;
        let committed = self.campaign.tests[idx.0].sequences.get(nth)?;
        let state = &mut self.tests[idx.0];
        (state.n_sequences_run, state.n_recalling) =
            (state.n_sequences_run + 1, state.n_recalling + 1);
        Some(replay(committed.packed.clone(), JobKind::Recall(nth)))
    }

    /// Whether a fuzz test has no job for another worker until what is recalled is known.
    pub(super) fn must_wait_for_recall(&self, idx: TestIdx) -> bool {
        let (state, n_all) = (&self.tests[idx.0], self.campaign.tests[idx.0].sequences.len());
        state.n_recalling > 0 && state.n_sequences_run >= n_all
    }

    /// A committed sequence has not ended its process. Another worker goes on: this one has run
    /// what it would not have met.
    pub(super) fn recalled(
        &mut self,
        worker: WorkerId,
        nth: usize,
        replayed: Replayed,
        harvest: &Harvest,
    ) {
        let Some(idx) = self.workers.get(&worker).map(|worker| worker.test) else { return };
        self.tests[idx.0].count_extra(replayed.execs);
        self.kill(worker);
        if replayed.end == JobEnd::Failed {
            self.sequence_is_known(idx, nth, classify::words(harvest));
        }
    }

    /// A committed sequence fails, as it did before.
    pub(super) fn sequence_is_known(&mut self, idx: TestIdx, nth: usize, failure: Failure) {
        let name = self.campaign.tests[idx.0].sequences[nth].name.clone();
        self.seed_failed(idx, name, failure);
    }

    /// The next request of a search for a sequence; none if it is over.
    pub(super) fn sequence_parcel(&self, id: FindingId) -> Option<Parcel> {
        let Stage::Sequence(sequence) = &self.findings[id].stage else { return None };
        let mut packed = Vec::new();
        sequence.candidate()?.into_iter().for_each(|input| sequence::pack(&mut packed, input));
        Some(replay(packed.into(), JobKind::Sequence(sequence.n_tries)))
    }

    /// A try has not ended its process.
    pub(super) fn sequence_replayed(
        &mut self,
        worker: WorkerId,
        id: FindingId,
        job: &Job,
        replayed: Replayed,
        mut harvest: Harvest,
    ) {
        let idx = self.findings[id].finding.test;
        self.tests[idx.0].count_extra(replayed.execs);
        // Another try wants a process that has run nothing.
        self.kill(worker);
        if replayed.end == JobEnd::Failed {
            let failure = classify::words(&harvest);
            let fails = self.compare(id, &failure);
            if fails == Fails::Otherwise {
                self.failure_found(idx, failure.clone(), harvest.take_culprit());
            }
            self.take_words(id, fails, failure);
            return self.judge_sequence(id, job, fails, replayed.execs);
        }
        match replayed.end {
            JobEnd::Done => self.judge_sequence(id, job, Fails::Otherwise, replayed.execs),
            // It was told to, by the engine or by what it ran.
            _ => self.sequence_lost(id),
        }
    }

    /// The worker of a try has died over it.
    pub(super) fn sequence_died(
        &mut self,
        id: FindingId,
        job: &Job,
        death: &Death,
        mut harvest: Harvest,
    ) {
        let idx = self.findings[id].finding.test;
        let rss_limit = self.campaign.tests[idx.0].rss_limit;
        let n_run = harvest.count;
        match classify::death(death, &harvest, rss_limit) {
            Meaning::Asked => {}
            Meaning::Failure(failure) => {
                let fails = self.compare(id, &failure);
                let is_hang = matches!(death.cause, Cause::TimedOut(_));
                if fails == Fails::Otherwise && !is_hang {
                    self.failure_found(idx, failure.clone(), harvest.take_culprit());
                }
                self.take_words(id, fails, failure);
                self.judge_sequence(id, job, fails, n_run);
            }
            Meaning::Outside(_) | Meaning::Trouble(_) => self.sequence_lost(id),
        }
    }

    /// What is said of a finding belongs to the inputs that are written.
    fn take_words(&mut self, id: FindingId, fails: Fails, again: Failure) {
        let failure = &mut self.findings[id].finding.failure;
        if fails == Fails::Alike && again.bucket == failure.bucket {
            failure.message = again.message;
            failure.output = again.output;
            if !again.stack.frames.is_empty() {
                failure.stack = again.stack;
            }
        }
    }

    /// A worker was lost over a try without saying anything about it. That costs a part of the time.
    pub(super) fn sequence_lost(&mut self, id: FindingId) {
        let limit = self.campaign.sequence_time;
        let Stage::Sequence(sequence) = &mut self.findings[id].stage else { return };
        sequence.n_losses += 1;
        sequence.spent += limit / LOSSES;
        if sequence.n_losses >= LOSSES || sequence.spent >= limit {
            self.end_sequence(id);
        }
    }

    fn judge_sequence(&mut self, id: FindingId, job: &Job, fails: Fails, n_run: u64) {
        let cost = match self.campaign.by_work {
            true => WORK_OF_TRY,
            false => self.now.saturating_sub(job.since),
        };
        let limit = self.campaign.sequence_time;
        let Stage::Sequence(sequence) = &mut self.findings[id].stage else { return };
        sequence.spent += cost;
        if job.kind != JobKind::Sequence(sequence.n_tries) {
            return;
        }
        match fails {
            Fails::Alike => sequence.failed(usize::try_from(n_run).unwrap_or(usize::MAX)),
            Fails::Otherwise => sequence.passed(),
        }
        let is_short = sequence.is_short();
        let is_single = is_short && sequence.inputs.len() == 1;
        let is_over = is_single || sequence.is_over();
        if is_over || sequence.spent >= limit || !self.gives_jobs() {
            self.end_sequence(id);
        } else if is_short && !self.findings[id].is_shown {
            self.tell_sequence(id);
        }
    }

    /// Writes the sequence that has failed last, and tells the user: its inputs are made smaller
    /// later.
    fn tell_sequence(&mut self, id: FindingId) {
        let found = &mut self.findings[id];
        let Stage::Sequence(search) = &found.stage else { return };
        let n_inputs = search.inputs.len();
        let file = Bytes::from(sequence::to_file(&search.inputs));
        let before = std::mem::replace(&mut found.finding.input, file.clone());
        if before == file {
            return;
        }
        found.finding.reproducible = Reproducible::InSequence { n_inputs };
        found.shelf = Shelf::Testdata;
        let (test, kind) = (found.finding.test, found.finding.failure.kind);
        let (shelf, replaces) = (Shelf::Testdata, Some(before.clone()));
        self.act(Action::SaveFinding { finding: id, test, kind, input: file, replaces, shelf });
        let found = &self.findings[id];
        if found.is_shown {
            let (finding, before) = (found.finding.clone(), before.len());
            let limit = match &found.stage {
                Stage::Sequence(search) if search.is_over() => Limit::Smallest,
                _ => Limit::Time,
            };
            return self.show(Notice::Minimized { finding, before, limit });
        }
        self.show_finding(id);
    }

    /// Writes the shortest sequence that has failed, or gives the search up.
    pub(super) fn end_sequence(&mut self, id: FindingId) {
        let Stage::Sequence(search) = &self.findings[id].stage else { return };
        // The sources are no place for what is larger, and each `cargo test` would run it.
        let is_small = search.inputs.len() <= MOST_INPUTS && search.packed_len() <= MOST_BYTES;
        if !search.has_failed || !is_small {
            return self.flaky(id);
        }
        if let [input] = &search.inputs[..] {
            // One that failed alone after all: it does so rarely.
            let is_own = **input == *self.findings[id].finding.input;
            if is_own {
                let (failures, runs) = (1, CONFIRMATIONS + 1);
                self.findings[id].finding.reproducible = Reproducible::Sometimes { failures, runs };
            }
            return self.flaky(id);
        }
        self.tell_sequence(id);
        self.check(id);
    }
}
